//! What a session's client never got (XEP-0198 section 4): it was queued, or sent and not acknowledged, when the session ended.

use minidom::Element;

use crate::domain::Domain;
use crate::domain::address::Address;
use crate::domain::session::Session;
use crate::domain::stanza::{self, Condition};
use crate::domain::world::{User, World};
use crate::outbound::Stanza;

impl Domain {
    /// Does for `stanza`, which was queued for `session`, what can still be done now that the session has left.
    ///
    /// A message goes to the session that has taken the place of this one, as a client does that comes back without resuming;
    /// else its sender is told, unless other resources of the account got it too. A request is answered with an error.
    /// The rest, such as presence, means nothing any more.
    pub fn undelivered(&self, session: &Session, written: &Stanza) {
        let Some(stanza) = written.tag() else { return };
        let Some(from) = stanza.attr("from").filter(|from| *from != session.bare()) else { return };
        let kind = stanza.attr("type");
        let world = self.world.read();
        let condition = match stanza.name() {
            "message" if matches!(kind, None | Some("normal" | "chat")) && written.has_body() => {
                let them = world.users.get(session.user());
                if let Some(heir) = them.and_then(|them| them.named(session.resource())) {
                    heir.session.send(written.clone());
                    return;
                }
                if let Address::Session(sender, _) = Address::parse(from, self.name())
                    && self.send_beyond(&world, &sender, (session.user(), session.resource()), written)
                {
                    return;
                }
                if stanza.attr("to") == Some(session.bare()) && self.is_somewhere(&world, session, them) {
                    return;
                }
                Condition::RecipientUnavailable
            }
            "iq" if matches!(kind, Some("get" | "set")) => Condition::ServiceUnavailable,
            _ => return,
        };
        if let Some(error) = stanza::error(&stanza, from, condition) {
            self.send_back(&world, from, error);
        }
    }

    /// Other resources of the account have got what was for all.
    fn is_somewhere(&self, world: &World, session: &Session, them: Option<&User>) -> bool {
        them.is_some_and(User::is_available) || world.nodes.remotes.has_available(session.user().as_str())
    }

    fn send_back(&self, world: &World, to: &str, error: Element) {
        let Address::Session(user, resource) = Address::parse(to, self.name()) else { return };
        if let Some(sender) = world.users.get(&user).and_then(|sender| sender.named(&resource)) {
            // Of many that come back at once, those that find no room mean less than the session.
            let _ = sender.session.outbound.try_send(error.into());
            return;
        }
        // The one who sent it is not the one whose it was: it is for the sender's own share of the queue.
        self.send_beyond(world, &user, (&user, &resource), &error.into());
    }
}
