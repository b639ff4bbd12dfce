//! Messages (RFC 6121 section 8.5). There is no offline storage: what reaches nobody comes back as an error.
//!
//! To a bare JID, a message goes to every available resource with a priority that is not negative. Of the two ways that section
//! 8.5.2.1.1 allows this is the one in which no device misses anything.

use std::sync::Arc;

use minidom::Element;
use roster_model::Username;

use super::Domain;
use super::address::Address;
use super::carbons::{self, Direction};
use super::session::Session;
use super::stanza::{Attr, CARBONS, Condition, set};
use super::world::{User, World};
use crate::outbound::{Shared, Stanza};

/// The types of RFC 6121 section 5.2.2; an unknown one counts as normal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Chat,
    Groupchat,
    Headline,
    Error,
}

impl Kind {
    fn of(message: &Element) -> Self {
        match message.attr("type") {
            Some("chat") => Self::Chat,
            Some("groupchat") => Self::Groupchat,
            Some("headline") => Self::Headline,
            Some("error") => Self::Error,
            _ => Self::Normal,
        }
    }
}

impl Domain {
    pub(super) fn message(&self, session: &Arc<Session>, mut message: Element) {
        // A message to nobody is one to oneself (RFC 6120 section 10.3.1).
        let to = message.attr("to").unwrap_or_else(|| session.bare()).to_owned();
        if message.attr("to").is_none() {
            set(&mut message, Attr::To, &to);
        }
        let kind = Kind::of(&message);
        let may_be_copied = carbons::may_be_copied(&message);
        // The word was for this server and is not for the recipient (XEP-0280 section 9).
        message.remove_child("private", CARBONS);
        // Written once, however many sessions get it or a copy.
        let shared = Shared::whole(&message);
        let stanza = shared.stanza();
        let world = self.world.read();
        let reached: Result<Vec<u64>, Condition> = match Address::parse(&to, self.name()) {
            Address::Session(user, resource) => to_session(&world, (session.user(), &user), &resource, kind, &stanza),
            Address::Account(user) => to_account(&world, (session.user(), &user), kind, &stanza),
            Address::Server => Err(Condition::ServiceUnavailable),
            Address::Elsewhere => Err(Condition::RemoteServerNotFound),
            Address::Malformed => Err(Condition::JidMalformed),
        };
        let (reached, failed) = match reached {
            Ok(reached) => (reached, None),
            Err(condition) => (Vec::new(), Some(condition)),
        };
        if may_be_copied {
            let mut done = reached;
            done.push(session.number);
            if let Some(me) = world.users.get(session.user()) {
                done.extend(copy((session.user(), me), Direction::Sent, (&message, &shared), &done));
            }
            let to = Address::parse(&to, self.name());
            if let Some(them) = to.user().filter(|_| failed.is_none()).and_then(|user| world.users.get(user)) {
                copy((session.user(), them), Direction::Received, (&message, &shared), &done);
            }
        }
        drop(world);
        // Headlines are not worth an error; an error never is.
        if let Some(condition) = failed.filter(|_| kind != Kind::Headline) {
            self.refuse(session, &message, condition);
        }
    }
}

/// Section 8.5.3. A session that is there gets everything; of messages for one that is not, a chat goes on to the account.
fn to_session(
    world: &World,
    (from, user): (&Username, &Username),
    resource: &str,
    kind: Kind,
    message: &Stanza,
) -> Result<Vec<u64>, Condition> {
    if let Some(one) = world.users.get(user).and_then(|them| them.named(resource)) {
        let delivered = one.session.deliver(from, message.clone());
        return if delivered { Ok(vec![one.session.number]) } else { Err(Condition::ResourceConstraint) };
    }
    match kind {
        Kind::Chat => to_account(world, (from, user), kind, message),
        Kind::Normal | Kind::Groupchat | Kind::Headline | Kind::Error => Err(Condition::ServiceUnavailable),
    }
}

/// Section 8.5.2. Whether an account exists makes no difference to one who is away.
fn to_account(
    world: &World,
    (from, user): (&Username, &Username),
    kind: Kind,
    message: &Stanza,
) -> Result<Vec<u64>, Condition> {
    match kind {
        Kind::Normal | Kind::Chat | Kind::Headline => {}
        Kind::Groupchat | Kind::Error => return Err(Condition::ServiceUnavailable),
    }
    let (mut reached, mut failed) = (Vec::new(), Condition::ServiceUnavailable);
    for (session, available) in world.users.get(user).into_iter().flat_map(User::available) {
        if available.priority >= 0 {
            if session.deliver(from, message.clone()) {
                reached.push(session.number);
            } else {
                failed = Condition::ResourceConstraint;
            }
        }
    }
    if reached.is_empty() { Err(failed) } else { Ok(reached) }
}

/// Copies for the resources of `user` that have carbons on and are not among `done`. Who got one.
fn copy(
    (from, user): (&Username, &User),
    direction: Direction,
    message: (&Element, &Shared),
    done: &[u64],
) -> Vec<u64> {
    let mut copied = Vec::new();
    for resource in &user.resources {
        let session = &resource.session;
        if resource.carbons && !done.contains(&session.number) {
            session.deliver(from, carbons::copy(direction, message, session.bare(), session.address()));
            copied.push(session.number);
        }
    }
    copied
}
