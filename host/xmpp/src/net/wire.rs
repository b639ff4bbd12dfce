//! One client's stream on its connection: events in, elements out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use minidom::Element;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::rate::Bucket;
use super::transport::{Read, Transport};
use super::violation::close_code;
use crate::config::{EndpointConfig, Timeouts};
use crate::memory::{Claim, Memory, Reservation};
use crate::outbound::Stanza;
use crate::stream::header::Reply;
use crate::stream::writer::{write_element, write_stream_error};
use crate::stream::{Framing, StanzaLimits, StreamCondition, StreamError, StreamEvent, StreamParser, ns};

/// Bytes that are drained from a client that goes on sending after the end.
const MOST_DRAINED: usize = 1 << 20;

/// Bytes for which a client has the time to write: a large roster may take a slow one longer.
const PIECE: usize = 256_000;

/// What came from the client.
#[derive(Debug)]
pub(crate) enum Received {
    Event(StreamEvent),
    /// Something a stream must not have; the stream has to end with it.
    Wrong(StreamError),
    /// The connection is gone, or the client sends no more.
    Lost,
}

/// The connection is gone or does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

fn no_memory() -> StreamError {
    StreamCondition::ResourceConstraint
        .because("there is no memory left for what clients send, and this one has taken most of it")
}

/// See the module.
pub(crate) struct Wire {
    transport: Transport,
    framing: Framing,
    parser: StreamParser,
    input: Vec<u8>,
    /// Where the part of `input` that is not parsed yet begins.
    at: usize,
    /// When an element began that is not complete.
    partial_since: Option<Instant>,
    last_read: Instant,
    last_written: Instant,
    bytes: Bucket,
    stanzas: Bucket,
    /// What stanzas cost beside their number, in stanzas, however they come.
    work: Bucket,
    output: String,
    /// Where messages end in it, of WebSocket.
    ends: Vec<usize>,
    /// How a WebSocket is to be closed: as its stream was.
    code: CloseCode,
    /// What the client did to the framing of a WebSocket, which cannot be read any more.
    violated: Option<CloseCode>,
    timeouts: Timeouts,
    /// What it holds, among all that hold something.
    claim: Claim,
    held: Reservation,
}

impl Wire {
    pub(crate) fn new(transport: Transport, config: &EndpointConfig, memory: &Arc<Memory>) -> Self {
        let EndpointConfig { limits, timeouts, .. } = config;
        let framing = transport.framing();
        // Of a WebSocket it is counted below.
        let (bytes, stanzas) = match framing {
            Framing::Document => (limits.bytes_per_second, limits.stanzas_per_second),
            Framing::Messages => (0, 0),
        };
        Self {
            transport,
            framing,
            parser: StreamParser::new(framing, limits.stanza_before_login),
            input: Vec::new(),
            at: 0,
            partial_since: None,
            last_read: Instant::now(),
            last_written: Instant::now(),
            bytes: Bucket::new(bytes, limits.bytes_burst),
            stanzas: Bucket::new(stanzas, limits.stanzas_burst),
            work: Bucket::new(limits.stanzas_per_second, limits.stanzas_burst),
            output: String::new(),
            ends: Vec::new(),
            code: CloseCode::Normal,
            violated: None,
            timeouts: timeouts.clone(),
            claim: memory.claim(),
            held: memory.hold(0),
        }
    }

    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// When the client was last heard.
    pub(crate) fn last_read(&self) -> Instant {
        self.last_read
    }

    /// When the client is to be asked whether it is there, if nothing happens until then.
    pub(crate) fn idle_at(&self) -> Instant {
        match self.framing {
            Framing::Document => self.last_read + self.timeouts.idle,
            Framing::Messages => self.last_read.min(self.last_written) + self.timeouts.idle_websocket,
        }
    }

    pub(crate) fn exporter(&self) -> Option<[u8; 32]> {
        self.transport.exporter()
    }

    /// What the client sends next begins a new stream.
    pub(crate) fn restart(&mut self, limits: StanzaLimits) {
        self.transport.set_longest(limits.bytes);
        self.parser.set_limits(limits);
        self.parser.restart();
        self.partial_since = None;
    }

    /// What comes next; waits without end. Nothing is lost if it is dropped before it returns.
    pub(crate) async fn next(&mut self) -> Received {
        loop {
            if self.claim.has_to_go() {
                return Received::Wrong(no_memory());
            }
            self.parser.done();
            if let Some(at) = self.stanzas.ready_at().max(self.work.ready_at()) {
                sleep_until(at).await;
            }
            match self.parse() {
                Ok(Some(event)) => {
                    self.stanzas.take(1);
                    self.weigh();
                    return Received::Event(event);
                }
                Ok(None) => {}
                Err(error) => return Received::Wrong(error),
            }
            if let Some(at) = self.bytes.ready_at() {
                sleep_until(at).await;
            }
            self.weigh();
            let deadline = self.partial_since.map(|since| since + self.timeouts.stanza);
            let (transport, input, claim) = (&mut self.transport, &mut self.input, &self.claim);
            let read = async {
                tokio::select! {
                    biased;
                    () = claim.gone() => None,
                    read = async {
                        claim.memory().room().await;
                        transport.read(input).await
                    } => Some(read),
                }
            };
            let read = match deadline {
                None => read.await,
                Some(deadline) => match timeout_at(deadline, read).await {
                    Ok(read) => read,
                    Err(_) => {
                        let text = format!("a stanza was not complete after {:?}", self.timeouts.stanza);
                        return Received::Wrong(StreamCondition::ConnectionTimeout.because(text));
                    }
                },
            };
            match read {
                None => return Received::Wrong(no_memory()),
                Some(Ok(Read::Some(bytes))) => {
                    self.bytes.take(bytes);
                    self.last_read = Instant::now();
                }
                Some(Ok(Read::Wrong(violation))) => {
                    self.violated = Some(violation.code);
                    return Received::Wrong(violation.error);
                }
                Some(Ok(Read::End) | Err(_)) => return Received::Lost,
            }
        }
    }

    /// Says what it holds: what was read, the elements made of it, and what waits to be written.
    fn weigh(&mut self) {
        let read = self.input.capacity() + self.parser.held() + self.transport.held();
        let sum = read + self.output.capacity();
        self.claim.set(sum);
        self.held.set(sum);
    }

    /// The next event of what was read. Afterwards either there is one, or all of it was taken.
    fn parse(&mut self) -> Result<Option<StreamEvent>, StreamError> {
        let mut rest = self.input.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let event = self.parser.next(&mut rest)?;
        self.at = self.input.len() - rest.len();
        if self.framing == Framing::Messages {
            // Each message is read whole, and has one element.
            self.parser.end_of_message()?;
            if !rest.trim_ascii().is_empty() {
                return Err(StreamCondition::NotWellFormed.because("a message has one element (RFC 7395)"));
            }
            self.at = self.input.len();
        }
        if self.at >= self.input.len() {
            self.input = Vec::new();
            self.at = 0;
            self.parser.release();
        }
        if !self.parser.is_partial() {
            self.partial_since = None;
        } else if self.partial_since.is_none() {
            self.partial_since = Some(Instant::now());
        }
        Ok(event)
    }

    /// A stanza costs as much as so many; at most what may come at once, so that nobody waits for long.
    pub(crate) fn charge(&mut self, stanzas: usize) {
        // Most cost nothing more, and a bucket looks at the clock.
        if stanzas > 0 {
            self.work.take_within_burst(stanzas);
        }
    }

    /// Bytes that wait to be flushed.
    pub(crate) fn waiting(&self) -> usize {
        self.output.len()
    }

    /// The server's header.
    pub(crate) fn put_header(&mut self, reply: &Reply<'_>) {
        reply.write(&mut self.output, self.framing);
        self.end_message();
    }

    /// An element.
    pub(crate) fn put(&mut self, element: &Element) {
        let scope = match self.framing {
            Framing::Document => ns::CLIENT,
            Framing::Messages => "",
        };
        write_element(&mut self.output, element, scope);
        self.end_message();
    }

    /// A stanza that is text already.
    pub(crate) fn put_stanza(&mut self, stanza: &Stanza) {
        stanza.write(&mut self.output, self.framing == Framing::Messages);
        self.end_message();
    }

    /// `<stream:features/>`.
    pub(crate) fn put_features(&mut self, features: &[Element]) {
        let scope = match self.framing {
            Framing::Document => {
                self.output.push_str("<stream:features>");
                ns::CLIENT
            }
            Framing::Messages => {
                self.output.push_str("<stream:features xmlns:stream='");
                self.output.push_str(ns::STREAM);
                self.output.push_str("'>");
                ""
            }
        };
        for feature in features {
            write_element(&mut self.output, feature, scope);
        }
        self.output.push_str("</stream:features>");
        self.end_message();
    }

    /// The stream's end, with an error or without.
    pub(crate) fn put_end(&mut self, error: Option<&StreamError>) {
        self.code = close_code(error);
        if let Some(error) = error {
            write_stream_error(&mut self.output, error, self.framing == Framing::Messages);
            self.end_message();
        }
        match self.framing {
            Framing::Document => self.output.push_str("</stream:stream>"),
            Framing::Messages => {
                self.output.push_str("<close xmlns='");
                self.output.push_str(ns::FRAMING);
                self.output.push_str("'/>");
            }
        }
        self.end_message();
    }

    fn end_message(&mut self) {
        if self.framing == Framing::Messages {
            self.ends.push(self.output.len());
        }
    }

    /// Writes what was put. If it is dropped before it returns, the stream is broken.
    pub(crate) async fn flush(&mut self) -> Result<(), Lost> {
        if self.output.is_empty() {
            return Ok(());
        }
        self.weigh();
        let (output, ends) = (std::mem::take(&mut self.output), std::mem::take(&mut self.ends));
        let pieces = u32::try_from(1 + output.len() / PIECE).unwrap_or(u32::MAX);
        let limit = self.timeouts.write.saturating_mul(pieces);
        let written = tokio::select! {
            written = timeout(limit, self.transport.write(&output, &ends)) => written,
            () = self.claim.gone() => return Err(Lost),
        };
        drop(output);
        self.weigh();
        match written {
            Ok(Ok(())) => {
                self.last_written = Instant::now();
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(Lost),
        }
    }

    /// Waits until something has come that was not read.
    pub(crate) async fn readable(&mut self) -> io::Result<()> {
        self.transport.readable().await
    }

    /// TLS from here on. What came with the request is no part of the encrypted stream (RFC 6120 section 5.4.3.3).
    pub(crate) async fn start_tls(&mut self, acceptor: &TlsAcceptor, limits: StanzaLimits) -> io::Result<()> {
        self.transport.start_tls(acceptor).await?;
        self.restart(limits);
        Ok(())
    }

    /// Whether the client has sent more than was parsed, white space aside.
    pub(crate) fn has_more(&self) -> bool {
        !self.input.get(self.at..).unwrap_or_default().trim_ascii().is_empty()
    }

    /// Ends the connection, after the stream's end was flushed: waits a little for the client to end its side, so that it
    /// can read what was said last.
    pub(crate) async fn close(&mut self) {
        let limit = self.timeouts.close.max(Duration::from_millis(1));
        let _ = timeout(limit, async {
            if self.transport.shutdown(self.violated.unwrap_or(self.code)).await.is_err() {
                return;
            }
            let mut drained = 0;
            let mut bin = Vec::new();
            while drained < MOST_DRAINED {
                if self.violated.is_some() {
                    match self.transport.drain().await {
                        Ok(0) | Err(_) => return,
                        Ok(bytes) => drained += bytes,
                    }
                    continue;
                }
                match self.transport.read(&mut bin).await {
                    Ok(Read::Some(bytes)) => drained += bytes,
                    Ok(Read::Wrong(violation)) => self.violated = Some(violation.code),
                    Ok(Read::End) | Err(_) => return,
                }
                bin.clear();
            }
        })
        .await;
        self.transport = Transport::None;
    }
}
