//! Small words for making stanzas: names of attributes, replies, errors.

use minidom::Element;
use rxml::xml_ncname;

/// Stanzas between client and server.
pub(super) const JABBER_CLIENT: &str = "jabber:client";
/// The conditions in a stanza's `<error/>`.
pub(super) const XMPP_STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// RFC 6121 section 2.
pub(super) const ROSTER: &str = "jabber:iq:roster";
/// XEP-0030.
pub(super) const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030.
pub(super) const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0092.
pub(super) const VERSION: &str = "jabber:iq:version";
/// XEP-0199.
pub(super) const PING: &str = "urn:xmpp:ping";
/// XEP-0202.
pub(super) const TIME: &str = "urn:xmpp:time";
/// XEP-0203.
pub(super) const DELAY: &str = "urn:xmpp:delay";
/// XEP-0280.
pub(super) const CARBONS: &str = "urn:xmpp:carbons:2";
/// XEP-0297.
pub(super) const FORWARD: &str = "urn:xmpp:forward:0";
/// RFC 6120 section 7.
pub(super) const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// RFC 3921 section 3: nothing to do, and old clients still ask for it.
pub(super) const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// XEP-0334.
pub(super) const HINTS: &str = "urn:xmpp:hints";
/// RFC 6121 section 2.6.1.
pub(super) const ROSTER_VERSIONING: &str = "urn:xmpp:features:rosterver";

/// The conditions of RFC 6120 section 8.3.3 that a domain has a use for, each with the type the RFC gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    BadRequest,
    ItemNotFound,
    JidMalformed,
    NotAllowed,
    RecipientUnavailable,
    RemoteServerNotFound,
    ResourceConstraint,
    ServiceUnavailable,
}

impl Condition {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::BadRequest => ("modify", "bad-request"),
            Self::ItemNotFound => ("cancel", "item-not-found"),
            Self::JidMalformed => ("modify", "jid-malformed"),
            Self::NotAllowed => ("cancel", "not-allowed"),
            Self::RecipientUnavailable => ("wait", "recipient-unavailable"),
            Self::RemoteServerNotFound => ("cancel", "remote-server-not-found"),
            Self::ResourceConstraint => ("wait", "resource-constraint"),
            Self::ServiceUnavailable => ("cancel", "service-unavailable"),
        }
    }

    /// The `<error/>`, with a text for people if there is one.
    pub(super) fn element(self, text: &str) -> Element {
        let (kind, name) = self.names();
        let mut error = Element::bare("error", JABBER_CLIENT);
        set(&mut error, Attr::Type, kind);
        error.append_child(Element::bare(name, XMPP_STANZAS));
        if !text.is_empty() {
            error.append_child(with_text("text", XMPP_STANZAS, text));
        }
        error
    }
}

/// The attributes a domain writes.
#[derive(Clone, Copy)]
pub(super) enum Attr {
    To,
    From,
    Id,
    Type,
    Jid,
    Name,
    Subscription,
    Ask,
    Ver,
    Var,
    Category,
    Stamp,
}

/// Sets an attribute, in the place of the one there was.
pub(super) fn set(element: &mut Element, attr: Attr, value: &str) {
    let name = match attr {
        Attr::To => xml_ncname!("to"),
        Attr::From => xml_ncname!("from"),
        Attr::Id => xml_ncname!("id"),
        Attr::Type => xml_ncname!("type"),
        Attr::Jid => xml_ncname!("jid"),
        Attr::Name => xml_ncname!("name"),
        Attr::Subscription => xml_ncname!("subscription"),
        Attr::Ask => xml_ncname!("ask"),
        Attr::Ver => xml_ncname!("ver"),
        Attr::Var => xml_ncname!("var"),
        Attr::Category => xml_ncname!("category"),
        Attr::Stamp => xml_ncname!("stamp"),
    };
    element.set_attr(rxml::Namespace::NONE, name.to_owned(), value);
}

/// Presence of `from` that says it is away, to nobody yet.
pub(super) fn gone(from: &str) -> Element {
    let mut presence = Element::bare("presence", JABBER_CLIENT);
    set(&mut presence, Attr::Type, "unavailable");
    set(&mut presence, Attr::From, from);
    presence
}

/// `<name xmlns='namespace'>text</name>`.
pub(super) fn with_text(name: &str, namespace: &str, text: &str) -> Element {
    let mut element = Element::bare(name, namespace);
    element.append_text_node(text);
    element
}

/// `<iq type='result'/>` in answer to `request`, to the client with the address `to`.
///
/// `from` is the address the request was sent to; none when it was sent to none (RFC 6120 section 8.1.2.1).
pub(super) fn result(request: &Element, to: &str) -> Element {
    let mut iq = Element::bare("iq", JABBER_CLIENT);
    set(&mut iq, Attr::Type, "result");
    reply_to(&mut iq, request, to);
    iq
}

/// The error in answer to `stanza`, to the client with the address `to`. None if `stanza` is an error or an answer itself
/// (RFC 6120 section 8.3.1).
pub(super) fn error(stanza: &Element, to: &str, condition: Condition) -> Option<Element> {
    error_with_text(stanza, to, condition, "")
}

/// As [`error`], with a text for people.
pub(super) fn error_with_text(stanza: &Element, to: &str, condition: Condition, text: &str) -> Option<Element> {
    let kind = stanza.attr("type").unwrap_or_default();
    if kind == "error" || (stanza.name() == "iq" && kind == "result") {
        return None;
    }
    let mut reply = Element::bare(stanza.name(), JABBER_CLIENT);
    set(&mut reply, Attr::Type, "error");
    reply_to(&mut reply, stanza, to);
    reply.append_child(condition.element(text));
    Some(reply)
}

fn reply_to(reply: &mut Element, request: &Element, to: &str) {
    if let Some(id) = request.attr("id") {
        set(reply, Attr::Id, id);
    }
    if let Some(from) = request.attr("to") {
        set(reply, Attr::From, from);
    }
    set(reply, Attr::To, to);
}
