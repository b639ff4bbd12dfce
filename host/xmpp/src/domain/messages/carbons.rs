//! Message carbons (XEP-0280): a user's other resources see both sides of a conversation.

use std::sync::Arc;

use minidom::Element;

use crate::domain::Domain;
use crate::domain::session::Session;
use crate::domain::stanza::{self, CARBONS, FORWARD, HINTS, JABBER_CLIENT};
use crate::outbound::{Shared, Stanza};
use crate::stream::writer::escape_attribute;

/// Which side of the conversation a copy is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain) enum Direction {
    /// Another resource of the user has sent it.
    Sent,
    /// Another resource of the user has received it.
    Received,
}

impl Domain {
    /// `<enable/>` and `<disable/>`.
    pub(in crate::domain) fn switch_carbons(&self, session: &Arc<Session>, iq: &Element, on: bool) {
        let mut world = self.world.write();
        if let Some(resource) = world.resource(session) {
            resource.carbons = on;
        }
        self.announce_change(&world, session);
        session.send(stanza::result(iq, session.address()));
    }
}

/// Chats, and normal messages with a body (XEP-0280 section 6.1), unless the sender does not want it.
pub(in crate::domain) fn may_be_copied(message: &Element) -> bool {
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
pub(in crate::domain) fn copy(
    direction: Direction,
    (message, shared): (&Element, &Shared),
    bare: &str,
    to: &str,
) -> Stanza {
    let name = match direction {
        Direction::Sent => "sent",
        Direction::Received => "received",
    };
    let mut before = "<message from='".to_owned();
    escape_attribute(&mut before, bare);
    before.push_str("' to='");
    escape_attribute(&mut before, to);
    if let Some(kind) = message.attr("type") {
        before.push_str("' type='");
        escape_attribute(&mut before, kind);
    }
    before.push_str(&format!("'><{name} xmlns='{CARBONS}'><forwarded xmlns='{FORWARD}'>"));
    shared.within(&before, "<message".len(), &format!("</forwarded></{name}></message>"))
}
