//! Messages and requests for resources at other nodes: what is sent, and what is done with what comes.

use std::sync::Arc;

use minidom::Element;
use roster_model::Username;
use tracing::warn;

use super::asking::waiting::{Sent, What};
use super::wire::outbox::document;
use super::wire::{Errand, Message, Outcome, Target};
use crate::domain::Domain;
use crate::domain::messages::to_session;
use crate::domain::session::Session;
use crate::domain::stanza::Condition;
use crate::domain::world::World;
use crate::outbound::Stanza;

impl Domain {
    /// Sends a stanza to the one resource it is for, at another node, and no more is heard of it. False if there is none.
    pub(in crate::domain) fn send_beyond(
        &self,
        world: &World,
        from: &Username,
        (user, resource): (&Username, &str),
        stanza: &Stanza,
    ) -> bool {
        let remote = world.nodes.remotes.named(user.as_str(), resource);
        let Some(link) = remote.and_then(|remote| world.nodes.link(remote.id.node)) else { return false };
        link.say(&Message::Errand(errand(
            0,
            (from, user),
            Some(Target::Session(resource.to_owned())),
            document(stanza),
        )))
    }

    /// A request of `session` for the one resource it is for, at another node. Err if it is known at once that it will not be
    /// answered.
    pub(in crate::domain) fn request_beyond(
        &self,
        world: &World,
        session: &Arc<Session>,
        (user, resource): (&Username, &str),
        stanza: Stanza,
    ) -> Result<(), Condition> {
        let remote = world.nodes.remotes.named(user.as_str(), resource);
        let link = remote.and_then(|remote| world.nodes.link(remote.id.node)).ok_or(Condition::ServiceUnavailable)?;
        let (id, text) = (self.number(), document(&stanza));
        let awaited = vec![link.place];
        let sent = Sent {
            session: Arc::clone(session),
            stanza,
            awaited,
            failed: Condition::ServiceUnavailable,
            what: What::Stanza,
        };
        if !self.wait(id, sent) {
            return Err(Condition::ResourceConstraint);
        }
        let target = Some(Target::Session(resource.to_owned()));
        if !link.say(&Message::Errand(errand(id, (session.user(), user), target, text))) {
            self.done(link.place, id, Outcome::Refused);
        }
        Ok(())
    }

    /// A question what the account of `user` can do, which is answered if that one's roster shows it to who asks. False if it is
    /// nowhere else.
    pub(in crate::domain) fn ask_features(&self, session: &Arc<Session>, iq: &Element, user: &Username) -> bool {
        let world = self.world.read();
        let awaited = world.nodes.remotes.nodes_of(user.as_str(), |_| true);
        if awaited.is_empty() {
            return false;
        }
        let (id, failed) = (self.number(), Condition::ServiceUnavailable);
        let (nodes, session) = (awaited.clone(), Arc::clone(session));
        let asker = session.user().to_string();
        if !self.wait(id, Sent { session, stanza: Stanza::from(iq), awaited, failed, what: What::Features }) {
            return false;
        }
        for link in nodes.iter().filter_map(|node| world.nodes.link(*node)) {
            link.say(&Message::MayAsk { id, user: user.to_string(), asker: asker.clone() });
        }
        true
    }

    /// Another node asks whether its user may know that there is this one.
    pub(super) fn may_ask(&self, world: &World, place: u32, id: u64, (user, asker): (&str, &str)) {
        let Some(link) = world.nodes.link(place) else { return };
        let bare = format!("{asker}@{}", self.name());
        let shown = world.users.get(user).and_then(|them| them.roster.as_ref()).is_some_and(|view| view.seen_by(&bare));
        link.say(&Message::Done { id, how: if shown { Outcome::Reached } else { Outcome::Gone } });
    }

    /// Does what another node wants done with a stanza of its.
    pub(super) fn run_errand(&self, place: u32, errand: &Errand) {
        let names = (Username::new(&errand.from), Username::new(&errand.to), errand.stanza.parse::<Element>());
        let world = self.world.read();
        let how = if let (Ok(from), Ok(to), Ok(stanza)) = names {
            self.outcome(&world, (&from, &to), errand, &stanza)
        } else {
            warn!("another node has sent a stanza that cannot be read, which is left out");
            Outcome::Refused
        };
        if let Some(link) = world.nodes.link(place).filter(|_| errand.id != 0) {
            link.say(&Message::Done { id: errand.id, how });
        }
    }

    fn outcome(&self, world: &World, users: (&Username, &Username), errand: &Errand, stanza: &Element) -> Outcome {
        if stanza.name() == "message" {
            return self.message_errand(world, users, errand, stanza);
        }
        match &errand.target {
            Some(Target::Session(resource)) => match to_session(world, users, resource, &Stanza::from(stanza)) {
                Some(Ok(_)) => Outcome::Reached,
                Some(Err(_)) => Outcome::Refused,
                None => Outcome::Gone,
            },
            Some(Target::Account) | None => Outcome::Gone,
        }
    }
}

/// Of a stanza, without copies.
pub(in crate::domain) fn errand(
    id: u64,
    (from, to): (&Username, &Username),
    target: Option<Target>,
    stanza: String,
) -> Errand {
    let (from, to) = (from.to_string(), to.to_string());
    Errand { id, from, to, target, received: false, sent: false, copied: false, stanza }
}
