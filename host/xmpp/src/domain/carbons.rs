//! Message carbons (XEP-0280): a user's other resources see both sides of a conversation.

use std::sync::Arc;

use minidom::Element;

use super::Domain;
use super::session::Session;
use super::stanza::{self, Attr, CARBONS, FORWARD, HINTS, JABBER_CLIENT, set};

/// Which side of the conversation a copy is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Another resource of the user has sent it.
    Sent,
    /// Another resource of the user has received it.
    Received,
}

impl Domain {
    /// `<enable/>` and `<disable/>`.
    pub(super) fn switch_carbons(&self, session: &Arc<Session>, iq: &Element, on: bool) {
        if let Some(resource) = self.world.write().resource(session) {
            resource.carbons = on;
        }
        session.send(stanza::result(iq, session.address()));
    }
}

/// Chats, and normal messages with a body (XEP-0280 section 6.1), unless the sender does not want it.
pub(super) fn may_be_copied(message: &Element) -> bool {
    let conversation = match message.attr("type") {
        Some("chat") => true,
        Some("groupchat" | "headline" | "error") => false,
        _ => message.has_child("body", JABBER_CLIENT),
    };
    conversation
        && !message.has_child("private", CARBONS)
        && !message.has_child("no-copy", HINTS)
        // A copy of a copy: clients must not send these, and copying them would let one pretend to be the server.
        && !message.has_child("sent", CARBONS)
        && !message.has_child("received", CARBONS)
}

/// The message, wrapped, from the account `bare` to its resource `to`.
pub(super) fn copy(direction: Direction, message: &Element, bare: &str, to: &str) -> Element {
    let name = match direction {
        Direction::Sent => "sent",
        Direction::Received => "received",
    };
    let mut forwarded = Element::bare("forwarded", FORWARD);
    forwarded.append_child(message.clone());
    let mut wrapper = Element::bare(name, CARBONS);
    wrapper.append_child(forwarded);
    let mut copy = Element::bare("message", JABBER_CLIENT);
    if let Some(kind) = message.attr("type") {
        set(&mut copy, Attr::Type, kind);
    }
    set(&mut copy, Attr::From, bare);
    set(&mut copy, Attr::To, to);
    copy.append_child(wrapper);
    copy
}
