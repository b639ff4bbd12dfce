//! What a stanza costs while it is read: the memory its tree takes, and what it becomes when it is written again.
//!
//! Both are out of proportion to the bytes a client sends: `<a/>` is four bytes on the wire and some 400 in a tree, and
//! a namespace that was declared once is declared again on every element that a writer without prefixes puts in it. So both are
//! bounded, as multiples of what a stanza may have on the wire, and counted as the tree grows: what is too much never is there.

use minidom::{Element, Node};
use rxml::Namespace;

use super::error::{StreamCondition, StreamError};
use super::writer::{Length, Out, end_tag, escape_text, start_tag};

/// Memory a stanza's tree may take, in multiples of the bytes a stanza may have. Eight: with 256 kB a stanza may have 5,000 bare
/// elements, or 1,200 with attributes.
pub const HELD: usize = 8;
/// Bytes a stanza may have when it is written again, in the same multiples.
pub const WRITTEN: usize = 2;

/// An allocation beside what was asked for: rounding, and the allocator's own.
const ALLOCATION: usize = 16;
/// A node among its siblings; their vector doubles, and while it is moved there are both.
const CHILD: usize = 3 * size_of::<Node>();
/// A namespace's counted string.
const NAMESPACE: usize = size_of::<String>() + 2 * size_of::<usize>() + 2 * ALLOCATION;
/// A node of the map of the attributes of one namespace: eleven names and values.
const MAP: usize = 11 * 2 * size_of::<String>() + 2 * ALLOCATION;
/// A node of the map of namespaces: eleven of them.
const MAPS: usize = 11 * (size_of::<Namespace<'_>>() + size_of::<String>()) + 2 * ALLOCATION;
/// An attribute of a tag that is being read, or its share of nodes that are half full.
pub(super) const ATTRIBUTE: usize = 4 * size_of::<String>() + 2 * ALLOCATION;

/// Of the stanza that is being read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) held: usize,
    pub(super) written: usize,
}

impl Cost {
    /// An element, of which nothing but its tag is known. `shared`: its namespace's name is held by another already.
    pub(super) fn element(&mut self, element: &Element, scope: &str, shared: bool) {
        self.held += CHILD + element.name().len() + ALLOCATION;
        let mut written = Length(0);
        let inner = start_tag(&mut written, element, scope);
        if !shared {
            self.held += NAMESPACE + inner.len();
        }
        written.push_str(">");
        end_tag(&mut written, element);
        self.written += written.0;
        self.held += attributes(element);
    }

    /// An attribute of a tag that is being read.
    pub(super) fn attribute(&mut self, name: usize, value: usize) {
        self.held += ATTRIBUTE + name + value;
    }

    /// Text, which grows by doubling.
    pub(super) fn text(&mut self, text: &str, begins: bool) {
        let mut written = Length(0);
        escape_text(&mut written, text);
        self.written += written.0;
        self.held += 2 * text.len() + if begins { CHILD + ALLOCATION } else { 0 };
    }

    /// Whether a stanza of a stream where each may have so many `bytes` may cost that much.
    pub(super) fn within(&self, bytes: usize) -> Result<(), StreamError> {
        let (held, written) = (bytes.saturating_mul(HELD), bytes.saturating_mul(WRITTEN));
        if self.held > held {
            let text = format!("the elements and attributes of a stanza may take {held} bytes of memory");
            return Err(StreamCondition::PolicyViolation.because(text));
        }
        if self.written > written {
            let text = format!(
                "a stanza may have {written} bytes when it is written with a declaration at each change of namespace"
            );
            return Err(StreamCondition::PolicyViolation.because(text));
        }
        Ok(())
    }
}

/// The maps that hold an element's attributes; names and values are counted when they are read.
fn attributes(element: &Element) -> usize {
    let mut sum = 0;
    let mut last = None;
    for ((namespace, _), _) in element.attrs().iter() {
        if last.is_none() {
            sum += MAPS;
        }
        if last != Some(namespace) {
            sum += MAP;
            last = Some(namespace);
        }
    }
    sum
}
