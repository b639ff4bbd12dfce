//! IQ stanzas (RFC 6120 section 8.2.3, RFC 6121 section 8.5): every request is answered, exactly once.

use std::sync::Arc;
use std::time::SystemTime;

use minidom::Element;
use roster_model::Username;

use super::address::Address;
use super::messages::to_session;
use super::session::Session;
use super::stanza::{
    self, BIND, CARBONS, Condition, DISCO_INFO, DISCO_ITEMS, PING, ROSTER, SESSION, TIME, VERSION, with_text,
};
use super::{Domain, disco};
use crate::outbound::Stanza;

impl Domain {
    pub(super) fn iq(self: &Arc<Self>, session: &Arc<Session>, iq: Element) {
        let kind = iq.attr("type");
        let request = match kind {
            Some("get" | "set") => true,
            Some("result" | "error") => false,
            _ => return self.refuse(session, &iq, Condition::BadRequest),
        };
        if request && (iq.attr("id").is_none() || iq.children().count() != 1) {
            return self.refuse(session, &iq, Condition::BadRequest);
        }
        let address = match iq.attr("to") {
            None => Address::Account(session.user().clone()),
            Some(to) => Address::parse(to, self.name()),
        };
        match address {
            Address::Session(user, resource) => {
                let stanza = Stanza::from(&iq);
                let world = self.world.read();
                let failed = match to_session(&world, (session.user(), &user), &resource, &stanza) {
                    Some(Ok(_)) => return,
                    Some(Err(condition)) => condition,
                    None if !request => {
                        self.send_beyond(&world, session.user(), (&user, &resource), &stanza);
                        return;
                    }
                    None => match self.request_beyond(&world, session, (&user, &resource), stanza) {
                        Ok(()) => return,
                        Err(condition) => condition,
                    },
                };
                drop(world);
                self.refuse(session, &iq, failed);
            }
            Address::Elsewhere => self.refuse(session, &iq, Condition::RemoteServerNotFound),
            Address::Malformed => self.refuse(session, &iq, Condition::JidMalformed),
            // Answers to the server's own requests: pushes are acknowledged, and nothing waits for it.
            Address::Server | Address::Account(_) if !request => {}
            Address::Server => self.server_request(session, iq),
            Address::Account(user) if user == *session.user() => self.account_request(session, iq),
            Address::Account(user) => self.request_of_another(session, &iq, &user),
        }
    }

    /// A request to `example.com`.
    fn server_request(&self, session: &Arc<Session>, iq: Element) {
        let get = iq.attr("type") == Some("get");
        let Some(payload) = iq.children().next() else { return };
        let answer = match payload.name() {
            "ping" if get && payload.has_ns(PING) => Ok(None),
            "query" if get && payload.has_ns(DISCO_INFO) => disco::server_info(payload).map(Some),
            "query" if get && payload.has_ns(DISCO_ITEMS) => disco::items(payload).map(Some),
            "query" if get && payload.has_ns(VERSION) => self.version().map(Some).ok_or(Condition::ServiceUnavailable),
            "time" if get && payload.has_ns(TIME) => Ok(Some(time())),
            "session" if !get && payload.has_ns(SESSION) => Ok(None),
            "bind" if payload.has_ns(BIND) => Err(Condition::NotAllowed),
            _ => Err(Condition::ServiceUnavailable),
        };
        self.reply(session, &iq, answer);
    }

    /// A request to the user's own account, or to no address.
    fn account_request(self: &Arc<Self>, session: &Arc<Session>, iq: Element) {
        let get = iq.attr("type") == Some("get");
        let Some(payload) = iq.children().next() else { return };
        let answer = match payload.name() {
            "query" if get && payload.has_ns(ROSTER) => return self.roster_get(session, iq),
            "query" if payload.has_ns(ROSTER) => return self.refuse_roster_set(session, &iq),
            "query" if get && payload.has_ns(DISCO_INFO) => disco::account_info(payload).map(Some),
            "query" if get && payload.has_ns(DISCO_ITEMS) => disco::items(payload).map(Some),
            "enable" if !get && payload.has_ns(CARBONS) => return self.switch_carbons(session, &iq, true),
            "disable" if !get && payload.has_ns(CARBONS) => return self.switch_carbons(session, &iq, false),
            "ping" | "session" | "bind" | "time" => return self.server_request(session, iq),
            "query" if payload.has_ns(VERSION) => return self.server_request(session, iq),
            _ => Err(Condition::ServiceUnavailable),
        };
        self.reply(session, &iq, answer);
    }

    /// RFC 6121 section 2.1.5: the application decides, and people are told so.
    fn refuse_roster_set(&self, session: &Session, iq: &Element) {
        let text = "contacts are managed by the application that this server belongs to";
        if let Some(reply) = stanza::error_with_text(iq, session.address(), Condition::NotAllowed, text) {
            session.send(reply);
        }
    }

    /// A request to somebody else's account. Whoever does not see its presence hears the same whether there is one or not
    /// (XEP-0030 section 8).
    fn request_of_another(&self, session: &Arc<Session>, iq: &Element, user: &Username) {
        let get = iq.attr("type") == Some("get");
        let Some(payload) = iq.children().next() else { return };
        let answer = match payload.name() {
            "query" if get && payload.has_ns(DISCO_ITEMS) => disco::items(payload).map(Some),
            "query" if get && payload.has_ns(DISCO_INFO) && self.is_shown(user, session.bare()) => {
                disco::account_info(payload).map(Some)
            }
            "query" if get && payload.has_ns(DISCO_INFO) && self.ask_features(session, iq, user) => return,
            _ => Err(Condition::ServiceUnavailable),
        };
        self.reply(session, iq, answer);
    }

    pub(super) fn reply(&self, session: &Session, iq: &Element, answer: Result<Option<Element>, Condition>) {
        match answer {
            Ok(payload) => {
                let mut result = stanza::result(iq, session.address());
                if let Some(payload) = payload {
                    result.append_child(payload);
                }
                session.send(result);
            }
            Err(condition) => self.refuse(session, iq, condition),
        }
    }

    /// XEP-0092.
    fn version(&self) -> Option<Element> {
        let software = self.options.software.as_ref()?;
        let mut query = Element::bare("query", VERSION);
        query.append_child(with_text("name", VERSION, &software.name));
        query.append_child(with_text("version", VERSION, &software.version));
        Some(query)
    }
}

/// XEP-0202. The server lives in UTC.
fn time() -> Element {
    let mut time = Element::bare("time", TIME);
    time.append_child(with_text("tzo", TIME, "+00:00"));
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    time.append_child(with_text("utc", TIME, &now));
    time
}
