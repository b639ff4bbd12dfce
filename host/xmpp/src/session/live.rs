//! A bound session, which may outlive its connection.

use std::sync::Arc;

use minidom::Element;
use roster_model::Username;
use rxml::{Namespace, xml_ncname};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::management::Management;
use super::resume::{HandOver, Place};
use crate::config::EndpointConfig;
use crate::counters::Counters;
use crate::domain::{Domain, Session};
use crate::outbound::Outgoing;
use crate::stream::ns;

/// See the module. Whoever drops it without [`Live::finish`] leaves a session behind in the domain.
pub(crate) struct Live {
    pub(super) domain: Arc<Domain>,
    pub(super) session: Arc<Session>,
    pub(super) user: Username,
    pub(super) outgoing: Outgoing,
    pub(super) management: Option<Management>,
    pub(super) place: Option<Place>,
    /// Default language of what the client sends.
    pub(super) lang: Option<String>,
    counters: Arc<Counters>,
}

/// What becomes of a session whose client is away.
pub(super) enum Waited {
    /// Its client is back, on another connection.
    Resumed(HandOver),
    /// Nobody came, or it was ended from outside.
    Over,
}

impl Live {
    pub(super) fn new(
        domain: Arc<Domain>,
        session: Arc<Session>,
        user: Username,
        outgoing: Outgoing,
        lang: Option<String>,
        counters: Arc<Counters>,
    ) -> Self {
        counters.sessions.increase();
        counters.sessions_total.increase();
        Self { domain, session, user, outgoing, management: None, place: None, lang, counters }
    }

    /// The address of the session, as text.
    pub(super) fn address(&self) -> &str {
        self.session.jid().as_str()
    }

    /// Waits for the client to come back.
    pub(super) async fn hibernate(&mut self, config: &EndpointConfig, stop: impl Future<Output = ()>) -> Waited {
        let Some(place) = &mut self.place else { return Waited::Over };
        let until = Instant::now() + config.resumption.window;
        self.counters.sessions_hibernating.increase();
        debug!(session = self.session.jid().as_str(), "the connection is lost; waiting for the client to come back");
        let waited = tokio::select! {
            request = place.request() => Waited::Resumed(request),
            () = self.outgoing.overflow() => Waited::Over,
            _ = self.outgoing.ended() => Waited::Over,
            () = sleep_until(until) => Waited::Over,
            () = stop => Waited::Over,
        };
        self.counters.sessions_hibernating.decrease();
        waited
    }

    /// The end: senders are told what never arrived, and the domain that the session has left.
    pub(super) async fn finish(mut self) {
        // Whatever is sent from now on is answered by the domain, as to anybody who is not there.
        self.outgoing.close();
        self.place = None;
        let mut lost: Vec<Arc<Element>> =
            self.management.take().map(Management::into_unacknowledged).unwrap_or_default().into();
        while let Some(stanza) = self.outgoing.try_next() {
            lost.push(stanza);
        }
        for stanza in lost {
            if let Some(answer) = undelivered(&stanza, self.session.bare()) {
                self.domain.stanza(&self.session, answer).await;
            }
        }
        self.domain.leave(&self.session).await;
        self.counters.sessions.decrease();
        debug!(session = self.address(), "the session has ended");
    }
}

/// What the sender of a stanza is told that did not arrive (XEP-0198 section 4, RFC 6121 section 8): only what wants an
/// answer gets one, and an error never does.
fn undelivered(stanza: &Element, own: &str) -> Option<Element> {
    let wants = match (stanza.name(), stanza.attr("type")) {
        ("message", kind) => matches!(kind, None | Some("normal" | "chat")) && has_body(stanza),
        ("iq", kind) => matches!(kind, Some("get" | "set")),
        _ => false,
    };
    let from = stanza.attr("from").filter(|from| wants && *from != own)?;
    let mut answer = Element::bare(stanza.name(), ns::CLIENT);
    let mut set = |name: &rxml::NcNameStr, value: &str| {
        answer.attrs_mut().insert(Namespace::NONE, name.to_owned(), value.to_owned());
    };
    set(xml_ncname!("type"), "error");
    set(xml_ncname!("to"), from);
    if let Some(id) = stanza.attr("id") {
        set(xml_ncname!("id"), id);
    }
    let (kind, condition) = match stanza.name() {
        "message" => ("wait", "recipient-unavailable"),
        _ => ("cancel", "service-unavailable"),
    };
    let mut error = Element::bare("error", ns::CLIENT);
    error.attrs_mut().insert(Namespace::NONE, xml_ncname!("type").to_owned(), kind.to_owned());
    error.append_child(Element::bare(condition, ns::STANZA_ERRORS));
    answer.append_child(error);
    Some(answer)
}

fn has_body(message: &Element) -> bool {
    message.children().any(|child| child.is("body", ns::CLIENT))
}
