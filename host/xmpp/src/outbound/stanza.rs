//! What waits for a client: the text it is sent as.
//!
//! An element is many times its text. And most of what many clients are sent is the same text: a presence to a thousand contacts
//! differs in its `to`, copies of a message in what is around it. So a stanza is a beginning and an end of its own, and a middle
//! that many may share.

use std::fmt;
use std::sync::{Arc, OnceLock};

use minidom::Element;
use rxml::Namespace;

use crate::memory::{Memory, Reservation};
use crate::stream::ns;
use crate::stream::writer::{Out, escape_attribute, write_attributes, write_nodes};

/// What a stanza takes beside its text, and what its middle does, bytes.
const OVERHEAD: usize = 160;

/// A stanza as it is written. Clones are one.
#[derive(Clone)]
pub struct Stanza(Arc<Inner>);

struct Inner {
    begin: Box<str>,
    middle: Middle,
    end: Box<str>,
    /// Where in `begin` a declaration of the namespace has to be put if the stream does not have it.
    declare: Option<usize>,
    held: OnceLock<Reservation>,
}

/// Attributes and content of an element, for stanzas that have them in common.
#[derive(Clone)]
pub(crate) struct Middle(Arc<Text>);

struct Text {
    text: Box<str>,
    /// No content follows the attributes: `text` ends within the tag.
    empty: bool,
    /// The element is a message with a body.
    has_body: bool,
    held: OnceLock<Reservation>,
}

impl Stanza {
    fn new(begin: String, middle: Middle, end: String, declare: Option<usize>) -> Self {
        let (begin, end) = (begin.into(), end.into());
        Self(Arc::new(Inner { begin, middle, end, declare, held: OnceLock::new() }))
    }

    /// Of text; `begin` is the tag up to its name, in the namespace of stanzas.
    pub(crate) fn of_text(begin: String, text: String) -> Self {
        let declare = Some(begin.len());
        Self::new(begin, Middle::new(text, false, false), String::new(), declare)
    }

    /// What it takes in memory, if it shared nothing with others.
    pub fn weight(&self) -> usize {
        self.own() + self.0.middle.weight()
    }

    fn own(&self) -> usize {
        OVERHEAD + self.0.begin.len() + self.0.end.len()
    }

    /// It, and what it shares if nobody has done so, is held in `memory` from now on.
    pub(crate) fn hold(&self, memory: &Arc<Memory>) {
        self.0.held.get_or_init(|| memory.hold(self.own()));
        self.0.middle.hold(memory);
    }

    /// Whether it is a message with a body.
    pub(crate) fn has_body(&self) -> bool {
        self.0.middle.0.has_body
    }

    /// Appends it, in a stream where its namespace is the default, or (`declare`) as a document of its own.
    pub fn write(&self, out: &mut impl Out, declare: bool) {
        let Inner { begin, middle, end, declare: at, .. } = &*self.0;
        match at.filter(|_| declare).and_then(|at| begin.split_at_checked(at)) {
            Some((name, rest)) => {
                out.push_str(name);
                out.push_str(" xmlns='");
                out.push_str(ns::CLIENT);
                out.push_str("'");
                out.push_str(rest);
            }
            None => out.push_str(begin),
        }
        out.push_str(&middle.0.text);
        out.push_str(end);
    }

    /// Read back.
    pub fn element(&self) -> Option<Element> {
        let mut text = String::new();
        self.write(&mut text, true);
        text.parse().ok()
    }

    /// Its tag read back, with nothing in it.
    pub(crate) fn tag(&self) -> Option<Element> {
        let mut text = String::new();
        self.write(&mut text, true);
        // In an attribute it is escaped.
        let (tag, _) = text.split_once('>')?;
        format!("{}/>", tag.strip_suffix('/').unwrap_or(tag)).parse().ok()
    }
}

impl fmt::Debug for Stanza {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text, false);
        f.write_str(&text)
    }
}

impl PartialEq for Stanza {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.element() == other.element()
    }
}

impl From<&Element> for Stanza {
    fn from(element: &Element) -> Self {
        Shared::whole(element).stanza()
    }
}

impl From<Element> for Stanza {
    fn from(element: Element) -> Self {
        Self::from(&element)
    }
}

impl From<Arc<Element>> for Stanza {
    fn from(element: Arc<Element>) -> Self {
        Self::from(&*element)
    }
}

impl Middle {
    fn new(text: String, empty: bool, has_body: bool) -> Self {
        Self(Arc::new(Text { text: text.into(), empty, has_body, held: OnceLock::new() }))
    }

    pub(crate) fn weight(&self) -> usize {
        OVERHEAD + self.0.text.len()
    }

    fn hold(&self, memory: &Arc<Memory>) {
        self.0.held.get_or_init(|| memory.hold(self.weight()));
    }
}

/// What stanzas have in common that are made from one.
#[derive(Clone)]
pub(crate) struct Shared {
    /// The element's name.
    name: Arc<str>,
    /// The element is in the namespace of stanzas.
    client: bool,
    middle: Middle,
}

impl Shared {
    /// All of `element`.
    pub(crate) fn whole(element: &Element) -> Self {
        let mut text = String::new();
        let client = element.has_ns(ns::CLIENT);
        let namespace = element.ns();
        if !client {
            text.push_str(" xmlns='");
            escape_attribute(&mut text, &namespace);
            text.push('\'');
        }
        write_attributes(&mut text, element);
        let empty = element.nodes().next().is_none();
        if !empty {
            text.push('>');
            write_nodes(&mut text, element, &namespace);
        }
        let has_body = element.name() == "message" && element.has_child("body", ns::CLIENT);
        Self { name: element.name().into(), client, middle: Middle::new(text, empty, has_body) }
    }

    /// All but its `to`.
    pub(crate) fn without_to(element: &mut Element) -> Self {
        element.attrs_mut().remove(&Namespace::NONE, "to");
        Self::whole(element)
    }

    /// What it weighs, wherever it is used.
    pub(crate) fn weight(&self) -> usize {
        self.middle.weight()
    }

    pub(crate) fn hold(&self, memory: &Arc<Memory>) {
        self.middle.hold(memory);
    }

    /// As it is.
    pub(crate) fn stanza(&self) -> Stanza {
        self.build(format!("<{}", self.name), "", true)
    }

    /// With `last` as its last content.
    pub(crate) fn with(&self, last: &str) -> Stanza {
        self.build(format!("<{}", self.name), last, true)
    }

    /// With `to`, and `last` as its last content.
    pub(crate) fn to(&self, to: &str, last: &str) -> Stanza {
        let mut begin = format!("<{} to='", self.name);
        escape_attribute(&mut begin, to);
        begin.push('\'');
        self.build(begin, last, true)
    }

    /// Within another stanza, which begins with `before` and ends with `after`.
    pub(crate) fn within(&self, before: &str, name: usize, after: &str) -> Stanza {
        let begin = format!("{before}<{} xmlns='{}'", self.name, ns::CLIENT);
        let mut end = self.end("");
        end.push_str(after);
        Stanza::new(begin, self.middle.clone(), end, Some(name))
    }

    fn build(&self, begin: String, last: &str, declare: bool) -> Stanza {
        let at = (declare && self.client).then(|| 1 + self.name.len());
        Stanza::new(begin, self.middle.clone(), self.end(last), at)
    }

    fn end(&self, last: &str) -> String {
        match (self.middle.0.empty, last) {
            (true, "") => "/>".to_owned(),
            (true, last) => format!(">{last}</{}>", self.name),
            (false, last) => format!("{last}</{}>", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MESSAGE: &str =
        "<message xmlns='jabber:client' from='a&apos;@b' to='c@d' xml:lang='de'><body>1 &lt; 2</body></message>";

    #[test]
    fn a_stanza_reads_back_as_what_it_was() {
        for xml in [
            MESSAGE,
            "<presence xmlns='jabber:client'/>",
            "<iq xmlns='jabber:client' xmlns:p='q' p:a='1' type='get'><query xmlns='x'><a/></query></iq>",
            "<a xmlns='urn:other'><b xmlns='jabber:client'/></a>",
        ] {
            let element: Element = xml.parse().unwrap();
            let stanza = Stanza::from(&element);
            assert_eq!(stanza.element().unwrap(), element, "{stanza:?}");
            let mut text = String::new();
            stanza.write(&mut text, false);
            let around = format!("<stream xmlns='jabber:client'>{text}</stream>").parse::<Element>().unwrap();
            assert_eq!(around.children().next().unwrap(), &element, "{text}");
            let tag = stanza.tag().unwrap();
            assert!(tag.nodes().next().is_none() && tag.attrs().eq(element.attrs()), "{tag:?}");
        }
    }

    #[test]
    fn what_is_shared_is_held_once() {
        let mut element: Element = MESSAGE.replace("1 &lt; 2", &"x".repeat(100_000)).parse().unwrap();
        let memory = Memory::new(usize::MAX);
        let shared = Shared::without_to(&mut element);
        let stanzas: Vec<Stanza> = (0..1000).map(|n| shared.to(&format!("{n}'@x"), "<z xmlns='y'/>")).collect();
        stanzas.iter().for_each(|stanza| stanza.hold(&memory));
        stanzas.iter().for_each(|stanza| stanza.hold(&memory));
        assert!((100_000..100_000 + 1000 * 300).contains(&memory.held()), "{}", memory.held());
        let last = stanzas.last().unwrap().element().unwrap();
        assert_eq!(last.attr("to"), Some("999'@x"));
        assert!(last.has_child("body", ns::CLIENT) && last.has_child("z", "y"), "{last:?}");
        drop((stanzas, shared));
        assert_eq!(memory.held(), 0);
    }
}
