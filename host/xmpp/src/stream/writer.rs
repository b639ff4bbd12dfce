//! Elements as text.
//!
//! `minidom`'s own writer repeats `xmlns='jabber:client'` on every stanza and allocates per token; a server writes little
//! else than stanzas. Prefixes are not kept: elements are compared by namespace, and one default declaration per change of
//! namespace is what every XMPP client reads.

use std::borrow::Cow;
use std::fmt::Write;

use minidom::{Element, Node};
use rxml::Namespace;

use super::error::StreamError;
use super::ns;

/// Where text goes.
pub trait Out {
    /// Appends text.
    fn push_str(&mut self, text: &str);
}

impl Out for String {
    fn push_str(&mut self, text: &str) {
        self.push_str(text);
    }
}

/// Text that is not kept: how long it would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Length(pub usize);

impl Out for Length {
    fn push_str(&mut self, text: &str) {
        self.0 += text.len();
    }
}

/// Appends `element`. `scope` is the default namespace where it is put: `jabber:client` in a stream over TCP, nothing in a
/// WebSocket message.
///
/// Recursive: an element that came from a client is no deeper than the parser's limit.
pub fn write_element(out: &mut impl Out, element: &Element, scope: &str) {
    let inner = start_tag(out, element, scope);
    if element.nodes().next().is_none() {
        out.push_str("/>");
        return;
    }
    out.push_str(">");
    write_nodes(out, element, &inner);
    end_tag(out, element);
}

/// Appends what is in `element`, whose namespace is `scope`.
pub fn write_nodes(out: &mut impl Out, element: &Element, scope: &str) {
    for node in element.nodes() {
        match node {
            Node::Element(child) => write_element(out, child, scope),
            Node::Text(text) => escape_text(out, text),
        }
    }
}

/// Appends the start tag without its end, which is `>` or `/>`. The default namespace within it.
pub(super) fn start_tag<'a>(out: &mut impl Out, element: &Element, scope: &'a str) -> Cow<'a, str> {
    out.push_str("<");
    out.push_str(element.name());
    let inner = if element.has_ns(scope) {
        Cow::Borrowed(scope)
    } else {
        let own = element.ns();
        out.push_str(" xmlns='");
        escape_attribute(out, &own);
        out.push_str("'");
        Cow::Owned(own)
    };
    write_attributes(out, element);
    inner
}

/// Appends attributes, each with a space before it.
pub fn write_attributes(out: &mut impl Out, element: &Element) {
    for (number, ((namespace, name), value)) in element.attrs().iter().enumerate() {
        if *namespace == Namespace::NONE {
            out.push_str(" ");
        } else if *namespace == Namespace::XML {
            out.push_str(" xml:");
        } else {
            out.push_str(&format!(" xmlns:n{number}='"));
            escape_attribute(out, namespace.as_str());
            out.push_str(&format!("' n{number}:"));
        }
        out.push_str(name.as_str());
        out.push_str("='");
        escape_attribute(out, value);
        out.push_str("'");
    }
}

/// Appends the end tag.
pub(super) fn end_tag(out: &mut impl Out, element: &Element) {
    out.push_str("</");
    out.push_str(element.name());
    out.push_str(">");
}

/// Appends a `<stream:error>`; the prefix is declared by the stream's header, or here (`declare`) in a WebSocket message.
pub fn write_stream_error(out: &mut String, error: &StreamError, declare: bool) {
    out.push_str("<stream:error");
    if declare {
        let _ = write!(out, " xmlns:stream='{}'", ns::STREAM);
    }
    let _ = write!(out, "><{} xmlns='{}'/>", error.condition.name(), ns::STREAM_ERRORS);
    if let Some(text) = &error.text {
        let _ = write!(out, "<text xmlns='{}' xml:lang='en'>", ns::STREAM_ERRORS);
        escape_text(out, text);
        out.push_str("</text>");
    }
    if let Some(detail) = &error.detail {
        write_element(out, detail, "");
    }
    out.push_str("</stream:error>");
}

/// Appends text between tags.
pub fn escape_text(out: &mut impl Out, text: &str) {
    escape(out, text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\r' => Some("&#xd;"),
        _ => forbidden(c),
    });
}

/// Appends an attribute's value, to be put between single or double quotes.
pub fn escape_attribute(out: &mut impl Out, value: &str) {
    escape(out, value, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\'' => Some("&apos;"),
        '"' => Some("&quot;"),
        '\t' => Some("&#x9;"),
        '\n' => Some("&#xa;"),
        '\r' => Some("&#xd;"),
        _ => forbidden(c),
    });
}

/// What XML cannot carry in any form (XML 1.0 production 2) would end the stream at the other side.
fn forbidden(c: char) -> Option<&'static str> {
    match c {
        '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => Some("\u{fffd}"),
        _ => None,
    }
}

fn escape(out: &mut impl Out, text: &str, replacement: impl Fn(char) -> Option<&'static str>) {
    let mut rest = text;
    while let Some((at, c, with)) = rest.char_indices().find_map(|(at, c)| replacement(c).map(|with| (at, c, with))) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        out.push_str(with);
        rest = after.strip_prefix(c).unwrap_or_default();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(xml: &str, scope: &str) -> String {
        let mut out = String::new();
        write_element(&mut out, &xml.parse().unwrap(), scope);
        out
    }

    #[test]
    fn an_element_is_written_with_no_more_declarations_than_needed() {
        let message = "<message xmlns='jabber:client' to='a@b'><body>1 &lt; 2 &amp; \"3\" ]]&gt;</body><x xmlns='y'><z/></x></message>";
        assert_eq!(
            written(message, ns::CLIENT),
            "<message to='a@b'><body>1 &lt; 2 &amp; \"3\" ]]&gt;</body><x xmlns='y'><z/></x></message>"
        );
        assert_eq!(
            written(message, ""),
            "<message xmlns='jabber:client' to='a@b'><body>1 &lt; 2 &amp; \"3\" ]]&gt;</body><x xmlns='y'><z/></x></message>"
        );
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for xml in [
            "<a xmlns='b' xml:lang='de' c='&apos;&quot;&lt;&#x9;&#xa;&#xd;'>x&#xd;y</a>",
            "<p:a xmlns:p='q' xmlns:r='s' r:t='u' v='w'><p:c/><c xmlns='d'/></p:a>",
            "<a xmlns='b'>\u{1F600}é</a>",
        ] {
            let element: Element = xml.parse().unwrap();
            for scope in ["", "b", "q", ns::CLIENT] {
                let mut out = format!("<root xmlns='{scope}'>");
                write_element(&mut out, &element, scope);
                out.push_str("</root>");
                let back: Element = out.parse().unwrap();
                assert_eq!(back.children().next().unwrap(), &element, "{out}");
            }
        }
    }

    #[test]
    fn a_character_xml_cannot_carry_is_replaced() {
        let mut element = Element::bare("a", "b");
        element.append_text("x\u{0}\u{1f}\u{ffff}y");
        let mut out = String::new();
        write_element(&mut out, &element, "b");
        assert_eq!(out, "<a>x\u{fffd}\u{fffd}\u{fffd}y</a>");
    }
}
