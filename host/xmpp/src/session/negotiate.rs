//! From the first header to the bound resource (RFC 6120 sections 4 to 7).
//!
//! A stream is opened up to three times on one connection: in the clear, on TLS, logged in. A client may send what comes
//! after a restart before it has seen the answer, except for TLS: what follows `<starttls/>` in the clear could have been put
//! there by anybody.

use std::sync::Arc;

use minidom::Element;
use roster_jid::Jid;
use roster_model::Username;
use rxml::{Namespace, xml_ncname};

use super::End;
use super::features;
use super::live::Live;
use super::management::Management;
use super::resume::node_of;
use super::run::{gone, unknown};
use super::shared::{Hosted, Shared, stream_id};
use crate::client_log::{Client, Detail, What};
use crate::domain::BindError;
use crate::net::wire::{Received, Wire};
use crate::outbound;
use crate::sasl::{Login, Step, Surroundings};
use crate::stream::header::Reply;
use crate::stream::{Framing, Header, StreamCondition, StreamError, StreamEvent, ns};

/// Where the client is.
pub(super) struct Negotiation<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) wire: &'a mut Wire,
    pub(super) client: &'a mut Client,
    /// On TLS, by us or by the HTTP listener.
    pub(super) encrypted: bool,
    /// The server has answered the current header.
    pub(super) answered: bool,
    hosted: Option<Arc<Hosted>>,
    login: Option<Login>,
    user: Option<Username>,
    lang: Option<String>,
    failures: u32,
}

impl<'a> Negotiation<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, wire: &'a mut Wire, client: &'a mut Client, encrypted: bool) -> Self {
        Self {
            shared,
            wire,
            client,
            encrypted,
            answered: false,
            hosted: None,
            login: None,
            user: None,
            lang: None,
            failures: 0,
        }
    }

    /// Until a resource is bound or an old session resumed.
    pub(super) async fn go(&mut self) -> Result<Box<Live>, End> {
        loop {
            let event = match self.wire.next().await {
                Received::Event(event) => event,
                Received::Wrong(error) => return Err(End::Error(error)),
                Received::Lost => return Err(End::Lost),
            };
            let live = match event {
                StreamEvent::Open(header) => {
                    self.open(header)?;
                    None
                }
                StreamEvent::Close => return Err(End::Closed),
                StreamEvent::Element(_) if !self.answered => {
                    return Err(StreamCondition::BadFormat.because("a stream begins with its header").into());
                }
                StreamEvent::Element(element) => match self.user.clone() {
                    None => {
                        self.before_login(&element).await?;
                        None
                    }
                    Some(user) => self.after_login(&user, &element).await?,
                },
            };
            let flushed = self.wire.flush().await;
            if let Some(live) = live {
                // Also if the connection is lost already: the session has to be ended, or may wait.
                return Ok(live);
            }
            flushed.map_err(|_| End::Lost)?;
        }
    }

    fn open(&mut self, header: Header) -> Result<(), StreamError> {
        if self.answered {
            return Err(StreamCondition::BadFormat.because("the stream is open already"));
        }
        if !header.is_supported_version() {
            return Err(StreamCondition::UnsupportedVersion.because("this server speaks XMPP 1.0"));
        }
        let Some(to) = &header.to else {
            return Err(StreamCondition::ImproperAddressing.because("a stream's header needs a \"to\""));
        };
        let hosted = self.shared.hosted(to);
        let hosted = hosted.filter(|new| self.hosted.as_ref().is_none_or(|old| Arc::ptr_eq(old, new)));
        let Some(hosted) = hosted else {
            return Err(StreamCondition::HostUnknown.because("this domain is not served here"));
        };
        self.client.domain = Some(hosted.domain.name().to_owned());
        self.lang = header.lang.filter(|lang| !lang.is_empty() && lang.len() <= 35);
        let from = header.from.filter(|from| Jid::parse(from).is_ok_and(|jid| jid.resourcepart.is_none()));
        let to = self.user.as_ref().map(|user| format!("{user}@{}", hosted.domain.name())).or(from);
        self.answer(hosted.domain.name(), to.as_deref());
        let features = if self.user.is_some() {
            features::after_login(&hosted.domain)
        } else {
            let login = self.new_login(&hosted);
            let starttls = self.shared.tls.is_some() && !self.encrypted && self.wire.framing() == Framing::Document;
            let features = features::before_login(starttls, self.shared.config.require_encryption, &login);
            self.login = Some(login);
            features
        };
        self.hosted = Some(hosted);
        self.wire.put_features(&features);
        Ok(())
    }

    /// The server's header.
    pub(super) fn answer(&mut self, from: &str, to: Option<&str>) {
        self.wire.put_header(&Reply { from, to, id: &stream_id(), lang: "en" });
        self.answered = true;
    }

    fn new_login(&self, hosted: &Hosted) -> Login {
        let config = &self.shared.config;
        Login::new(Surroundings {
            domain: hosted.domain.name().to_owned(),
            accounts: Arc::clone(&hosted.accounts),
            exporter: self.wire.exporter(),
            allowed: self.encrypted || !config.require_encryption,
            plain: self.encrypted || (!config.require_encryption && config.allow_unencrypted_plain_auth),
            client: self.client.clone(),
            throttle: Arc::clone(&self.shared.throttle),
            counters: Arc::clone(&self.shared.counters),
            log: Arc::clone(&self.shared.client_log),
            decoys: Arc::clone(&self.shared.decoys),
            accounts_timeout: config.timeouts.login / 2,
        })
    }

    async fn before_login(&mut self, element: &Element) -> Result<(), End> {
        if element.is("starttls", ns::TLS) {
            return self.start_tls().await;
        }
        if is_management(element) {
            // Too early, which ends nothing (XEP-0198 section 3).
            self.wire.put(&Management::failed("unexpected-request"));
            return Ok(());
        }
        let Some(login) = self.login.as_mut().filter(|_| element.has_ns(ns::SASL)) else {
            return Err(StreamCondition::NotAuthorized.because("log in first").into());
        };
        let data = element.text();
        let step = match element.name() {
            "auth" => login.start(element.attr("mechanism").unwrap_or_default(), data.trim()).await,
            "response" => login.respond(data.trim()).await,
            "abort" => login.abort(),
            _ => return Err(unknown(element)),
        };
        match step {
            Step::Challenge(data) => self.wire.put(&sasl("challenge", Some(&data))),
            Step::Success(user, data) => {
                self.wire.put(&sasl("success", data.as_deref()));
                self.client.account = Some(user.to_string());
                self.user = Some(user);
                self.login = None;
                self.answered = false;
                self.wire.restart(self.shared.config.limits.stanza);
            }
            Step::Failure(failure) => {
                let mut element = sasl("failure", None);
                element.append_child(Element::bare(failure.name(), ns::SASL));
                if let Some(text) = failure.text() {
                    element.append_child(Element::builder("text", ns::SASL).append(text).build());
                }
                self.wire.put(&element);
                self.failures += 1;
                if self.failures >= self.shared.config.login.attempts_per_stream.max(1) {
                    return Err(StreamCondition::PolicyViolation.because("too many logins have failed").into());
                }
            }
        }
        Ok(())
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        let tls = self.shared.tls.as_ref().filter(|_| !self.encrypted && self.wire.framing() == Framing::Document);
        let Some(tls) = tls.filter(|_| !self.wire.has_more()) else {
            self.wire.put(&Element::bare("failure", ns::TLS));
            return Err(End::Closed);
        };
        self.wire.put(&Element::bare("proceed", ns::TLS));
        self.wire.flush().await.map_err(|_| End::Lost)?;
        // Nothing can be said to a client whose handshake has failed (RFC 6120 section 5.4.3.2).
        let handshake = async {
            self.wire.readable().await?;
            let begun = self.wire.start_tls(&tls.after_starttls, self.shared.config.limits.stanza_before_login);
            self.shared.handshakes.run(self.client, begun).await
        };
        handshake.await.map_err(|error| {
            self.shared.client_log.tls_failed(self.client, &error.to_string());
            End::Lost
        })?;
        self.encrypted = true;
        self.client.transport = "tls";
        self.answered = false;
        self.login = None;
        Ok(())
    }

    async fn after_login(&mut self, user: &Username, element: &Element) -> Result<Option<Box<Live>>, End> {
        let Some(hosted) = self.hosted.clone() else { return Err(StreamCondition::InternalServerError.into()) };
        if element.is("resume", ns::SM) {
            return self.resume(user, &hosted, element).await;
        }
        if is_management(element) {
            self.wire.put(&Management::failed("unexpected-request"));
            return Ok(None);
        }
        if element.has_ns(ns::CSI) {
            return Ok(None);
        }
        let bind = element.get_child("bind", ns::BIND).filter(|_| element.is("iq", ns::CLIENT));
        let Some(bind) = bind.filter(|_| element.attr("type") == Some("set")) else {
            // RFC 6120 section 7.1: nothing is processed before a resource is bound.
            return Err(if element.has_ns(ns::CLIENT) && matches!(element.name(), "iq" | "message" | "presence") {
                StreamCondition::NotAuthorized.because("bind a resource first").into()
            } else {
                unknown(element)
            });
        };
        let asked = bind.get_child("resource", ns::BIND).map(Element::text);
        let limits = &self.shared.config.limits;
        let (sender, outgoing) = outbound::queue_in(&self.shared.memory, limits.outbound_queue, limits.outbound_bytes);
        let mut answer = Element::bare("iq", ns::CLIENT);
        let mut set = |name: &rxml::NcNameStr, value: &str| {
            answer.attrs_mut().insert(Namespace::NONE, name.to_owned(), value.to_owned());
        };
        if let Some(id) = element.attr("id") {
            set(xml_ncname!("id"), id);
        }
        match hosted.domain.bind(user, asked.as_deref(), sender) {
            Err(BindError::HostGone) => Err(gone().into()),
            Err(error) => {
                if let BindError::TooManySessions { .. } = error {
                    let limit = Some("max_sessions_per_user");
                    self.shared.client_log.note(
                        What::SessionRefused,
                        self.client,
                        Detail { limit, ..Detail::default() },
                    );
                }
                set(xml_ncname!("type"), "error");
                answer.append_child(error.element());
                self.wire.put(&answer);
                Ok(None)
            }
            Ok(session) => {
                set(xml_ncname!("type"), "result");
                let mut address = Element::bare("jid", ns::BIND);
                address.append_text(session.jid());
                let mut bind = Element::bare("bind", ns::BIND);
                bind.append_child(address);
                answer.append_child(bind);
                self.wire.put(&answer);
                let counters = Arc::clone(&self.shared.counters);
                let domain = Arc::clone(&hosted.domain);
                let live = Live::new(domain, session, user.clone(), outgoing, self.lang.take(), counters);
                Ok(Some(Box::new(live)))
            }
        }
    }

    async fn resume(&mut self, user: &Username, hosted: &Hosted, element: &Element) -> Result<Option<Box<Live>>, End> {
        let id = element.attr("previd").unwrap_or_default();
        let taken = self.shared.resumables.take(id, hosted.domain.name(), user).await;
        let mut live = match taken {
            Some(live) if !live.session.has_ended() => live,
            over => {
                if let Some(over) = over {
                    over.finish().await;
                }
                let location = node_of(id).and_then(|node| hosted.domain.address_of(node));
                self.wire.put(&Management::not_here(location.as_deref()));
                return Ok(None);
            }
        };
        let acknowledged = live.management.as_mut().map(|management| management.acknowledge(element.attr("h")));
        if let Some(Err(error)) = acknowledged {
            live.finish().await;
            return Err(End::Error(error));
        }
        live.lang = self.lang.take();
        if let Some(management) = &mut live.management {
            self.wire.put(&management.resumed(id));
            for stanza in management.again() {
                self.wire.put_stanza(stanza);
            }
            if management.ask() {
                self.wire.put(&Element::bare("r", ns::SM));
            }
        }
        live.weigh();
        self.shared.counters.sessions_resumed.increase();
        tracing::debug!(session = live.session.jid(), "resumed");
        Ok(Some(live))
    }
}

/// What clients send of XEP-0198.
fn is_management(element: &Element) -> bool {
    element.has_ns(ns::SM) && matches!(element.name(), "enable" | "resume" | "r" | "a")
}

fn sasl(name: &str, data: Option<&str>) -> Element {
    let mut element = Element::bare(name, ns::SASL);
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        element.append_text(data);
    }
    element
}
