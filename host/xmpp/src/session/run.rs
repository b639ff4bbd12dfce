//! Stanzas both ways, until the stream ends.

use minidom::Element;
use roster_jid::Jid;
use rxml::{Namespace, xml_ncname};
use tokio::time::{Instant, sleep_until};

use super::End;
use super::live::Live;
use super::management::Management;
use super::resume::HandOver;
use super::shared::Shared;
use crate::net::wire::{Received, Wire};
use crate::outbound::{Event, SessionEnd, Stanza};
use crate::stream::{StreamCondition, StreamError, StreamEvent, ns};

/// Bytes put together for one write.
const BATCH: usize = 16_384;

/// How the run of a session on one connection ended.
pub(super) enum Ran {
    /// The session ends, or waits for its client.
    Ended(End),
    /// Its client is back, on another connection.
    Taken(HandOver<Live>),
}

/// Runs `live` on `wire`.
pub(super) async fn run(shared: &Shared, wire: &mut Wire, live: &mut Live) -> Ran {
    let timeouts = &shared.config.timeouts;
    // When the server asked whether the client is there.
    let mut asked: Option<Instant> = None;
    // Stanzas were put since the client was asked to acknowledge.
    let mut sent = false;
    loop {
        let idle = match asked {
            Some(at) if wire.last_read() <= at => at + timeouts.ping,
            _ => {
                asked = None;
                wire.idle_at()
            }
        };
        // A client that acknowledges gets all of it, however much it is; one that does not is waited for as for a pong.
        let takes = !is_full(shared, live);
        let asked_at = live.management.as_ref().and_then(Management::asked).filter(|_| !takes);
        let unacknowledged = until(asked_at.map(|at| at + timeouts.ping));
        tokio::select! {
            () = shared.stopped() => return Ran::Ended(StreamCondition::SystemShutdown.into()),
            request = requested(live.registration.as_mut()) => return Ran::Taken(request),
            received = wire.next() => {
                let handled = match received {
                    Received::Event(event) => handle(shared, wire, live, event).await,
                    Received::Wrong(error) => Err(End::Error(error)),
                    Received::Lost => Err(End::Lost),
                };
                if let Err(end) = handled {
                    return Ran::Ended(end);
                }
            }
            event = live.outgoing.event(takes) => {
                let stanza = match event {
                    Event::Stanza(stanza) => stanza,
                    Event::Overflow => return Ran::Ended(overflow(shared, live).into()),
                    Event::Ended(why) => return Ran::Ended(ended(why)),
                };
                put(shared, wire, live, stanza);
                sent = true;
                while wire.waiting() < BATCH && !is_full(shared, live) {
                    let Some(stanza) = live.outgoing.try_take() else { break };
                    put(shared, wire, live, stanza);
                }
            }
            () = unacknowledged => {
                shared.counters.overflows.increase();
                let error = StreamCondition::PolicyViolation.because("too much is not acknowledged (XEP-0198)");
                return Ran::Ended(error.into());
            }
            () = sleep_until(idle) => {
                if asked.is_some() {
                    // Not the client's stream but its network is silent: the session may wait for it.
                    return Ran::Ended(End::Lost);
                }
                asked = Some(Instant::now());
                ping(wire, live);
            }
        }
        ask(shared, wire, live, std::mem::take(&mut sent));
        if wire.waiting() > 0 {
            tokio::select! {
                flushed = wire.flush() => if flushed.is_err() { return Ran::Ended(End::Lost) },
                () = live.outgoing.overflow() => return Ran::Ended(overflow(shared, live).into()),
                _ = live.outgoing.ended() => return Ran::Ended(End::Lost),
                request = requested(live.registration.as_mut()) => return Ran::Taken(request),
            }
        }
    }
}

async fn requested(registration: Option<&mut super::resume::Registration<Live>>) -> HandOver<Live> {
    match registration {
        Some(registration) => registration.request().await,
        None => std::future::pending().await,
    }
}

pub(super) fn overflow(shared: &Shared, live: &Live) -> StreamError {
    shared.counters.overflows.increase();
    if live.outgoing.has_to_go() {
        return StreamCondition::ResourceConstraint
            .because("there is no memory left for what waits for clients, and this one has taken most of it");
    }
    StreamCondition::PolicyViolation.because("too much is waiting to be read")
}

/// What a client is told whose domain is no longer served.
pub(super) fn gone() -> StreamError {
    StreamCondition::HostGone.because("this domain is no longer served here")
}

fn ended(why: SessionEnd) -> End {
    match why {
        SessionEnd::Replaced => StreamCondition::Conflict.because("another stream has bound this resource").into(),
        SessionEnd::Displaced => {
            StreamCondition::ResourceConstraint.because("the session has made room for another of the user's").into()
        }
        SessionEnd::HostGone => gone().into(),
        SessionEnd::Expelled => StreamCondition::NotAuthorized.because("the account is gone").into(),
        SessionEnd::Dismissed => StreamCondition::PolicyViolation.because("the operator has ended the session").into(),
    }
}

fn put(shared: &Shared, wire: &mut Wire, live: &mut Live, stanza: Stanza) {
    shared.counters.stanzas_out.increase();
    wire.put_stanza(&stanza);
    if let Some(management) = &mut live.management {
        management.sent(stanza);
        live.weigh();
    }
}

/// The client has closed its stream, and reads until the server has closed its own (RFC 6120 section 4.4): it gets what
/// is queued, and what it has not acknowledged yet is taken to have arrived.
pub(super) fn last_words(shared: &Shared, wire: &mut Wire, live: &mut Live) {
    live.management = None;
    live.weigh();
    while let Some(stanza) = live.outgoing.try_take() {
        put(shared, wire, live, stanza);
    }
}

fn is_full(shared: &Shared, live: &Live) -> bool {
    live.management.as_ref().is_some_and(|management| management.is_full(&shared.config.resumption))
}

/// After stanzas were put, and when no more may be: whether they arrive.
fn ask(shared: &Shared, wire: &mut Wire, live: &mut Live, sent: bool) {
    let full = is_full(shared, live);
    if (sent || full) && live.management.as_mut().is_some_and(Management::ask) {
        wire.put(&Element::bare("r", ns::SM));
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn ping(wire: &mut Wire, live: &mut Live) {
    if let Some(management) = &mut live.management {
        management.asks();
        wire.put(&Element::bare("r", ns::SM));
        return;
    }
    let ping = Element::builder("iq", ns::CLIENT)
        .attr(xml_ncname!("type").to_owned(), "get")
        .attr(xml_ncname!("id").to_owned(), "idle-ping")
        .attr(xml_ncname!("from").to_owned(), live.domain.name())
        .attr(xml_ncname!("to").to_owned(), live.address())
        .append(Element::bare("ping", ns::PING))
        .build();
    wire.put(&ping);
}

async fn handle(shared: &Shared, wire: &mut Wire, live: &mut Live, event: StreamEvent) -> Result<(), End> {
    let element = match event {
        StreamEvent::Element(element) => element,
        StreamEvent::Close => return Err(End::Closed),
        StreamEvent::Open(_) => return Err(StreamCondition::BadFormat.because("the stream is open already").into()),
    };
    if element.has_ns(ns::CLIENT) && matches!(element.name(), "iq" | "message" | "presence") {
        let stanza = stamped(element, live)?;
        shared.counters.stanzas_in.increase();
        wire.charge(live.domain.cost(&live.session, &stanza));
        live.domain.stanza(&live.session, stanza).await;
        if let Some(management) = &mut live.management {
            management.count();
        }
        return Ok(());
    }
    if element.has_ns(ns::SM) {
        return manage(shared, wire, live, &element);
    }
    if element.has_ns(ns::CSI) && matches!(element.name(), "active" | "inactive") {
        // Tolerated: nothing is held back from a client that says it is not looked at.
        return Ok(());
    }
    Err(unknown(&element))
}

/// RFC 6120 section 4.9.3.24.
pub(super) fn unknown(element: &Element) -> End {
    if matches!(element.name(), "iq" | "message" | "presence") {
        return StreamCondition::InvalidNamespace
            .because(format!("stanzas are in the namespace {}", ns::CLIENT))
            .into();
    }
    let text = format!("<{} xmlns='{}'/> is not known here", shortened(element.name()), shortened(&element.ns()));
    StreamCondition::UnsupportedStanzaType.because(text).into()
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

/// With the true `from` (RFC 6120 section 8.1.2.1), and the language the stream's header gave (section 8.1.5).
fn stamped(mut stanza: Element, live: &Live) -> Result<Element, StreamError> {
    if let Some(from) = stanza.attr("from")
        && from != live.address()
    {
        let session = &live.session;
        let is_own = |jid: Jid<'_>| [session.jid(), session.bare()].contains(&jid.to_string().as_str());
        if !Jid::parse(from).is_ok_and(is_own) {
            return Err(StreamCondition::InvalidFrom.because("from is not the address of this session"));
        }
    }
    let attributes = stanza.attrs_mut();
    attributes.insert(Namespace::NONE, xml_ncname!("from").to_owned(), live.address().to_owned());
    if let Some(lang) = &live.lang
        && attributes.get(&Namespace::XML, "lang").is_none()
    {
        attributes.insert(Namespace::XML, xml_ncname!("lang").to_owned(), lang.clone());
    }
    Ok(stanza)
}

/// XEP-0198, after binding.
fn manage(shared: &Shared, wire: &mut Wire, live: &mut Live, element: &Element) -> Result<(), End> {
    match (element.name(), &mut live.management) {
        ("enable", None) => {
            let window = shared.config.resumption.window;
            let resume = matches!(element.attr("resume"), Some("true" | "1")) && !window.is_zero();
            live.registration = resume.then(|| shared.resumables.register(&live.domain, &live.user));
            let resumption =
                live.registration.as_ref().map(|registration| (registration.id(), window.as_secs().max(1)));
            wire.put(&Management::enabled(resumption, live.domain.address()));
            live.management = Some(Management::default());
        }
        ("r", Some(management)) => wire.put(&management.answer()),
        ("a", Some(management)) => {
            management.acknowledge(element.attr("h"))?;
            live.weigh();
        }
        // Whatever comes at a time when it has no meaning.
        ("enable" | "resume" | "r" | "a", _) => wire.put(&Management::failed("unexpected-request")),
        _ => return Err(unknown(element)),
    }
    Ok(())
}
