//! Namespaces in XML: which declaration a prefix refers to.

use minidom::Element;
use rxml::xml_map::Entry;
use rxml::{AttrMap, Namespace, NcName, RawQName};

use super::error::{StreamCondition, StreamError};

/// Declarations in scope at one place. A stanza of XMPP has a handful; looking a prefix up goes through all of them.
const MOST_DECLARATIONS: usize = 128;

/// Elements of which one is kept to share its namespace's name. Stanzas repeat a few.
const MOST_SHARED: usize = 16;

/// A start tag while it is read.
pub(super) struct OpenTag {
    pub(super) name: RawQName,
    pub(super) declared: Vec<(Option<NcName>, String)>,
    attributes: Vec<(RawQName, String)>,
}

impl OpenTag {
    pub(super) fn new(name: RawQName) -> Self {
        Self { name, declared: Vec::new(), attributes: Vec::new() }
    }

    pub(super) fn attribute(&mut self, (prefix, name): RawQName, value: String) -> Result<(), StreamError> {
        let declares = match prefix {
            None if name == "xmlns" => None,
            Some(prefix) if prefix == "xmlns" => Some(name),
            prefix => {
                self.attributes.push(((prefix, name), value));
                return Ok(());
            }
        };
        if self.declared.iter().any(|(prefix, _)| *prefix == declares) {
            return Err(duplicate());
        }
        self.declared.push((declares, value));
        if self.declared.len() > MOST_DECLARATIONS {
            return Err(too_many());
        }
        Ok(())
    }
}

/// The declarations in scope, innermost last.
#[derive(Default)]
pub(super) struct Declarations {
    all: Vec<(Option<NcName>, Namespace<'static>)>,
    /// How many there were before each open element.
    levels: Vec<usize>,
    /// Elements without anything in them, one of each kind: `minidom` makes an element from a copy of its namespace's name,
    /// but a copy of an element shares it.
    shared: Vec<Element>,
}

impl Declarations {
    /// Open elements.
    pub(super) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The element, and whether it shares its namespace's name with one before.
    pub(super) fn open(&mut self, tag: OpenTag) -> Result<(Element, bool), StreamError> {
        let ((namespace, name), attributes) = self.resolve(tag)?;
        let like = self.shared.iter().find(|one| one.name() == name.as_str() && one.has_ns(namespace.as_str()));
        let (mut element, shared) = match like {
            Some(one) => (one.clone(), true),
            None => {
                let element = Element::bare(name.as_str(), namespace);
                if self.shared.len() < MOST_SHARED {
                    self.shared.push(element.clone());
                }
                (element, false)
            }
        };
        *element.attrs_mut() = attributes;
        Ok((element, shared))
    }

    /// Lets go of what the elements of one stanza share.
    pub(super) fn release(&mut self) {
        self.shared = Vec::new();
    }

    pub(super) fn resolve(&mut self, tag: OpenTag) -> Result<((Namespace<'static>, NcName), AttrMap), StreamError> {
        self.levels.push(self.all.len());
        self.all.extend(tag.declared.into_iter().map(|(prefix, uri)| (prefix, Namespace::from(uri))));
        if self.all.len() > MOST_DECLARATIONS {
            return Err(too_many());
        }
        let mut attributes = AttrMap::new();
        for ((prefix, name), value) in tag.attributes {
            let namespace = match prefix {
                None => Namespace::NONE,
                prefix => self.look_up(prefix.as_ref())?,
            };
            match attributes.entry(namespace, name) {
                Entry::Occupied(_) => return Err(duplicate()),
                Entry::Vacant(entry) => entry.insert(value),
            };
        }
        let (prefix, name) = tag.name;
        Ok(((self.look_up(prefix.as_ref())?, name), attributes))
    }

    pub(super) fn close(&mut self) {
        if let Some(before) = self.levels.pop() {
            self.all.truncate(before);
        }
    }

    fn look_up(&self, prefix: Option<&NcName>) -> Result<Namespace<'static>, StreamError> {
        if prefix.is_some_and(|prefix| *prefix == "xml") {
            return Ok(Namespace::XML);
        }
        match (self.all.iter().rev().find(|(declared, _)| declared.as_ref() == prefix), prefix) {
            (Some((_, namespace)), _) => Ok(namespace.clone()),
            (None, None) => Ok(Namespace::NONE),
            (None, Some(prefix)) => {
                let text = format!("the prefix {} is not declared", prefix.as_str());
                Err(StreamCondition::NotWellFormed.because(text))
            }
        }
    }
}

fn duplicate() -> StreamError {
    StreamCondition::NotWellFormed.because("duplicate attribute")
}

fn too_many() -> StreamError {
    StreamCondition::PolicyViolation.because(format!("{MOST_DECLARATIONS} namespaces may be declared at once"))
}
