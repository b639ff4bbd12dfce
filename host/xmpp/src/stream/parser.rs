//! Bytes to stream headers and elements, within limits.
//!
//! On `rxml`'s raw parser, which knows no document types, entities, comments and processing instructions. Namespaces are
//! resolved here and not by `rxml`, because the stream's root has to be judged by its prefix and its default namespace, and
//! because how many declarations are in scope has to be bounded.

use minidom::{Element, Node};
use rxml::error::EndOrError;
use rxml::{Error as XmlError, Parse, RawEvent, RawParser, RawQName, WithOptions};

use super::cost::Cost;
use super::error::{StreamCondition, StreamError};
use super::framing::Framing;
use super::names::{Declarations, OpenTag};
use super::{header::Header, ns};

/// Longest name or attribute value, bytes. Longer text is no matter: it comes in pieces.
const LONGEST_TOKEN: usize = 8192;

/// What one stanza may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StanzaLimits {
    /// Bytes on the wire, with its tags. A stream's header is held to it too. The memory a stanza takes while it is read, and
    /// what it becomes when it is written again, are bounded by multiples of it: [`super::cost::HELD`] and
    /// [`super::cost::WRITTEN`].
    pub bytes: usize,
    /// Elements within elements; the stanza itself is 1.
    pub depth: usize,
}

/// What a client has sent.
#[derive(Debug, PartialEq)]
pub enum StreamEvent {
    /// The stream's header.
    Open(Header),
    /// A child of the stream, complete.
    Element(Element),
    /// The stream's end.
    Close,
}

/// Reads one stream, over all of its restarts.
pub struct StreamParser {
    framing: Framing,
    limits: StanzaLimits,
    raw: Option<RawParser>,
    /// The stream's header was read.
    open: bool,
    declarations: Declarations,
    tag: Option<OpenTag>,
    stack: Vec<Element>,
    /// Bytes since the last complete event.
    taken: usize,
    /// What the elements since then cost.
    cost: Cost,
    /// The last two bytes read, to tell a document type from other rubbish.
    tail: [u8; 2],
}

impl StreamParser {
    /// At the beginning of a stream.
    pub fn new(framing: Framing, limits: StanzaLimits) -> Self {
        Self {
            framing,
            limits,
            raw: None,
            open: false,
            declarations: Declarations::default(),
            tag: None,
            stack: Vec::new(),
            taken: 0,
            cost: Cost::default(),
            tail: [0; 2],
        }
    }

    /// From the next element on.
    pub fn set_limits(&mut self, limits: StanzaLimits) {
        self.limits = limits;
    }

    /// What comes next is a new stream header (RFC 6120 sections 5.4.3.3 and 6.4.6). Limits stay.
    pub fn restart(&mut self) {
        *self = Self::new(self.framing, self.limits);
    }

    /// Whether an element or a header has begun and is not complete.
    pub fn is_partial(&self) -> bool {
        self.taken > 0
    }

    /// About what the elements that are not complete, or the last that was, take in memory, bytes.
    pub fn held(&self) -> usize {
        self.cost.held
    }

    /// The last element is not held any more.
    pub fn done(&mut self) {
        if self.taken == 0 {
            self.cost = Cost::default();
        }
    }

    /// Gives back buffers that are not needed until more bytes come.
    pub fn release(&mut self) {
        if self.taken == 0 {
            if let Some(raw) = &mut self.raw {
                raw.release_temporaries();
            }
            self.stack = Vec::new();
        }
    }

    /// The end of a WebSocket message: it has to end where its element ends.
    pub fn end_of_message(&mut self) -> Result<(), StreamError> {
        if self.is_partial() {
            return Err(StreamCondition::NotWellFormed.because("a message has to be one complete element"));
        }
        Ok(())
    }

    /// Takes bytes from `input` up to the end of the next event; `None` when there are not enough.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<StreamEvent>, StreamError> {
        self.done();
        loop {
            if self.raw.is_none() {
                skip_white_space(input);
                if input.is_empty() {
                    return Ok(None);
                }
                if let [0xfe | 0xff, ..] = input {
                    return Err(StreamCondition::UnsupportedEncoding.because("this is UTF-16; XMPP is UTF-8"));
                }
                self.raw = Some(new_parser());
            }
            let Some(raw) = &mut self.raw else { return Ok(None) };
            let before = *input;
            let parsed = raw.parse(input, false);
            let taken = before.get(..before.len() - input.len()).unwrap_or_default();
            self.note(taken);
            let event = match parsed {
                Ok(Some(event)) => event,
                Ok(None) | Err(EndOrError::NeedMoreData) => {
                    return self.within_limit().map(|()| None);
                }
                Err(EndOrError::Error(error)) => return Err(self.judge(error, input)),
            };
            self.within_limit()?;
            if let Some(event) = self.take(event)? {
                self.taken = 0;
                self.declarations.release();
                return Ok(Some(event));
            }
        }
    }

    fn note(&mut self, taken: &[u8]) {
        self.taken += taken.len();
        match taken {
            [.., a, b] => self.tail = [*a, *b],
            [b] => self.tail = [self.tail[1], *b],
            [] => {}
        }
    }

    fn within_limit(&self) -> Result<(), StreamError> {
        let StanzaLimits { bytes, .. } = self.limits;
        if self.taken <= bytes {
            return Ok(());
        }
        Err(StreamCondition::PolicyViolation.because(format!("a stanza may have {bytes} bytes")))
    }

    fn take(&mut self, event: RawEvent) -> Result<Option<StreamEvent>, StreamError> {
        match event {
            RawEvent::XmlDeclaration(..) => Ok(None),
            RawEvent::ElementHeadOpen(_, name) => {
                let depth = self.declarations.depth() + 1 - usize::from(self.framing == Framing::Document && self.open);
                if depth > self.limits.depth {
                    let text = format!("elements may be {} deep", self.limits.depth);
                    return Err(StreamCondition::PolicyViolation.because(text));
                }
                self.tag = Some(OpenTag::new(name));
                Ok(None)
            }
            RawEvent::Attribute(_, name, value) => self.attribute(name, value).map(|()| None),
            RawEvent::ElementHeadClose(_) => self.head(),
            RawEvent::ElementFoot(_) => self.foot(),
            RawEvent::Text(_, text) => self.text(text).map(|()| None),
        }
    }

    fn attribute(&mut self, name: RawQName, value: String) -> Result<(), StreamError> {
        match &mut self.tag {
            Some(tag) => {
                self.cost.attribute(name.1.len(), value.len());
                tag.attribute(name, value)?;
                // A header is not kept: it may take more while it is read.
                let header = self.framing == Framing::Document && !self.open;
                self.cost.within(self.limits.bytes.saturating_mul(if header { 2 } else { 1 }))
            }
            None => Ok(()),
        }
    }

    fn head(&mut self) -> Result<Option<StreamEvent>, StreamError> {
        let Some(tag) = self.tag.take() else { return Ok(None) };
        if self.framing == Framing::Document && !self.open {
            let header = Header::from_root(tag, &mut self.declarations)?;
            self.open = true;
            return Ok(Some(StreamEvent::Open(header)));
        }
        let (element, shared) = self.declarations.open(tag)?;
        if self.stack.is_empty() && self.framing == Framing::Document && element.is("stream", ns::STREAM) {
            // Told at once: a header has no end to wait for.
            return Err(StreamCondition::BadFormat.because("the stream is open already"));
        }
        // A stanza is written for WebSocket as well, where nothing is declared around it.
        let scope = self.stack.last().map(Element::ns).unwrap_or_default();
        self.cost.element(&element, &scope, shared);
        self.cost.within(self.limits.bytes)?;
        self.stack.push(element);
        Ok(None)
    }

    fn foot(&mut self) -> Result<Option<StreamEvent>, StreamError> {
        self.declarations.close();
        let Some(element) = self.stack.pop() else {
            return Ok(Some(StreamEvent::Close));
        };
        if let Some(parent) = self.stack.last_mut() {
            parent.append_child(element);
            return Ok(None);
        }
        if self.framing == Framing::Document {
            return Ok(Some(StreamEvent::Element(element)));
        }
        // Each message is a document of its own.
        self.raw = None;
        if element.is("open", ns::FRAMING) {
            return Ok(Some(StreamEvent::Open(Header::from_open(&element))));
        }
        if element.is("close", ns::FRAMING) {
            return Ok(Some(StreamEvent::Close));
        }
        if element.is("stream", ns::STREAM) {
            return Err(StreamCondition::BadFormat.because("over WebSocket a stream begins with <open/>"));
        }
        Ok(Some(StreamEvent::Element(element)))
    }

    fn text(&mut self, text: String) -> Result<(), StreamError> {
        if let Some(element) = self.stack.last_mut() {
            let begins = !matches!(element.nodes().next_back(), Some(Node::Text(_)));
            self.cost.text(&text, begins);
            self.cost.within(self.limits.bytes)?;
            element.append_text(text);
            return Ok(());
        }
        if text.bytes().all(is_white_space) {
            // Keep-alives (RFC 6120 section 4.6.1) are not the beginning of anything.
            self.taken = 0;
            return Ok(());
        }
        Err(StreamCondition::BadFormat.because("text between stanzas"))
    }

    /// `input` begins after the byte that was the matter, or with it.
    fn judge(&self, error: XmlError, input: &[u8]) -> StreamError {
        let condition = match error {
            XmlError::RestrictedXml("only utf-8 encoding is allowed") => StreamCondition::UnsupportedEncoding,
            XmlError::RestrictedXml("only XML version 1.0 is allowed" | "only standalone documents are allowed") => {
                StreamCondition::NotWellFormed
            }
            XmlError::RestrictedXml("long name or reference" | "event too long") => {
                let text = format!("names and attributes may have {LONGEST_TOKEN} bytes");
                return StreamCondition::PolicyViolation.because(text);
            }
            XmlError::RestrictedXml(_) | XmlError::UndeclaredEntity => StreamCondition::RestrictedXml,
            _ if self.is_document_type(input) => StreamCondition::RestrictedXml,
            _ => StreamCondition::NotWellFormed,
        };
        condition.because(error.to_string())
    }

    /// `<!` and then a letter: DOCTYPE, ENTITY and their like.
    fn is_document_type(&self, input: &[u8]) -> bool {
        match (self.tail, input) {
            ([b'!', letter], _) => letter.is_ascii_alphabetic(),
            ([b'<', b'!'], [letter, ..]) => letter.is_ascii_alphabetic(),
            _ => false,
        }
    }
}

fn new_parser() -> RawParser {
    let options = rxml::Options { max_token_length: LONGEST_TOKEN, ..rxml::Options::default() };
    let mut raw = RawParser::with_options(options);
    // Else white space between stanzas would be held back until the next one, and count as its beginning.
    raw.set_text_buffering(false);
    raw
}

fn skip_white_space(input: &mut &[u8]) {
    while let [first, rest @ ..] = input {
        if !is_white_space(*first) {
            break;
        }
        *input = rest;
    }
}

fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
