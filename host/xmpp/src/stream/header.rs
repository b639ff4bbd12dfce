//! The header of a stream (RFC 6120 section 4.7), and `<open/>` of RFC 7395.

use std::fmt::Write;

use minidom::Element;
use rxml::Namespace;

use super::error::{StreamCondition, StreamError};
use super::framing::Framing;
use super::names::{Declarations, OpenTag};
use super::ns;
use super::writer::escape_attribute;

/// What a client's header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The domain it wants.
    pub to: Option<String>,
    /// Who it says it is.
    pub from: Option<String>,
    /// The version of XMPP it speaks.
    pub version: Option<String>,
    /// The default language of what it sends.
    pub lang: Option<String>,
}

impl Header {
    /// Of `<stream:stream>`, whose namespaces are judged here.
    pub(super) fn from_root(tag: OpenTag, declarations: &mut Declarations) -> Result<Self, StreamError> {
        let prefix = tag.name.0.clone();
        let content = tag.declared.iter().find(|(prefix, _)| prefix.is_none()).map(|(_, uri)| uri.clone());
        let ((namespace, name), attributes) = declarations.resolve(tag)?;
        if namespace != ns::STREAM {
            return Err(
                StreamCondition::InvalidNamespace.because(format!("a stream is in the namespace {}", ns::STREAM))
            );
        }
        if name != "stream" {
            return Err(StreamCondition::BadFormat.because("a stream begins with <stream:stream>"));
        }
        if prefix.is_none_or(|prefix| prefix != "stream") {
            return Err(StreamCondition::BadNamespacePrefix.because("the prefix of a stream's root is \"stream\""));
        }
        if content.as_deref() != Some(ns::CLIENT) {
            let text = format!("the default namespace of a client's stream is {}", ns::CLIENT);
            return Err(StreamCondition::InvalidNamespace.because(text));
        }
        let get = |name: &str| attributes.get(&Namespace::NONE, name).cloned();
        Ok(Self {
            to: get("to"),
            from: get("from"),
            version: get("version"),
            lang: attributes.get(&Namespace::XML, "lang").cloned(),
        })
    }

    /// Of `<open/>`.
    pub(super) fn from_open(element: &Element) -> Self {
        let get = |name: &'static str| element.attr(name).map(str::to_owned);
        Self {
            to: get("to"),
            from: get("from"),
            version: get("version"),
            lang: element.attr_ns(&Namespace::XML, "lang").map(str::to_owned),
        }
    }

    /// Whether the client speaks XMPP 1.0 or later. What came before has no version (RFC 6120 section 4.7.5).
    pub fn is_supported_version(&self) -> bool {
        let Some((major, minor)) = self.version.as_deref().and_then(|version| version.split_once('.')) else {
            return false;
        };
        let number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?;
        number(major).is_some_and(|major| major >= 1) && number(minor).is_some()
    }
}

/// What the server's header says.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// The domain.
    pub from: &'a str,
    /// The client's `from`, as far as it is known to be true or was at least an address.
    pub to: Option<&'a str>,
    /// Unpredictable, and never given twice.
    pub id: &'a str,
    /// The default language of what the server sends.
    pub lang: &'a str,
}

impl Reply<'_> {
    /// Appends the header.
    pub fn write(&self, out: &mut String, framing: Framing) {
        match framing {
            Framing::Document => {
                let _ = write!(
                    out,
                    "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}' version='1.0'",
                    ns::CLIENT,
                    ns::STREAM
                );
            }
            Framing::Messages => {
                let _ = write!(out, "<open xmlns='{}' version='1.0'", ns::FRAMING);
            }
        }
        for (name, value) in
            [("from", Some(self.from)), ("to", self.to), ("id", Some(self.id)), ("xml:lang", Some(self.lang))]
        {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let _ = write!(out, " {name}='");
                escape_attribute(out, value);
                out.push('\'');
            }
        }
        out.push_str(match framing {
            Framing::Document => ">",
            Framing::Messages => "/>",
        });
    }
}
