//! What comes from other nodes.

use std::collections::HashMap;
use std::sync::Arc;

use minidom::Element;
use roster_model::Username;
use tracing::{debug, warn};

use super::table::remotes::Id;
use super::wire::{Head, Message, Presence, Shown};
use crate::domain::Domain;
use crate::domain::session::Session;
use crate::domain::stanza::JABBER_CLIENT;
use crate::domain::world::World;
use crate::outbound::{Shared, Stanza};

/// Presence of other nodes for users here, who get it in the order in which it came.
#[derive(Default)]
pub(super) struct Inbox {
    to: HashMap<Username, Vec<(Username, Stanza)>>,
}

impl Domain {
    /// What `node` has sent with [`super::Nodes::send`]. What one node sends has to come one after another, in the order it came.
    /// Never waits for anything but the lock; whatever cannot be read is logged and left out.
    pub fn from_node(self: &Arc<Self>, node: &str, message: &[u8]) {
        let Some((head, body)) = Head::read(message) else {
            warn!(node, bytes = message.len(), "a message of another node cannot be read; is it of another version?");
            return;
        };
        let message = serde_json::from_str::<Message>(body);
        let mut world = self.world.write();
        let known = world.nodes.named(node).filter(|known| known.link.node.incarnation == head.from);
        let Some(place) = known.map(|known| known.link.place).filter(|_| head.to == world.nodes.own) else {
            debug!(node, "a message of another life, or of a node that is not said to be alive");
            return;
        };
        let Some(synced) = self.count(&mut world, place, head.number) else { return };
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                warn!(node, %error, "a message of another node means nothing here and is left out");
                return;
            }
        };
        let mut lost = Vec::new();
        match message {
            Message::Sessions(part) => lost = self.all_sessions(&mut world, place, &part),
            // What changes the state of a node that is not known: all of it comes with the list.
            Message::Synced | Message::Left { .. } | Message::Presence(_) | Message::Probed(_) if !synced => {}
            Message::Synced => self.synced(&mut world, place),
            Message::Left { number } => self.forget_remotes(&mut world, vec![Id { node: place, number }]),
            Message::Presence(presence) => lost.extend(self.heard_presence(&mut world, place, presence)),
            Message::Probed(probed) => self.probed(&mut world, place, &probed),
            Message::Errand(errand) => {
                // Nothing of it changes the world.
                world.nodes.weigh(self.memory.get());
                drop(world);
                return self.run_errand(place, &errand);
            }
            Message::Done { id, how } => {
                drop(world);
                return self.done(place, id, how);
            }
            Message::MayAsk { id, user, asker } => self.may_ask(&world, place, id, (&user, &asker)),
            Message::Displace { number } => lost.extend(self.displaced(&mut world, number)),
            Message::Tick => {}
        }
        world.nodes.weigh(self.memory.get());
        drop(world);
        for session in lost {
            self.rosters.disconnect(session.user(), session.source_id());
        }
    }

    /// Whether nothing of the node was missed. None if it is a message that has come already.
    fn count(&self, world: &mut World, place: u32, number: u64) -> Option<bool> {
        let node = world.nodes.node_mut(place)?;
        if number <= node.last {
            return None;
        }
        let missed = number - node.last - 1;
        node.last = number;
        if missed > 0 && node.synced {
            debug!(place, missed, "something of another node was lost");
            node.synced = false;
        }
        if !node.synced {
            self.ask_for_all(world, place);
        }
        world.nodes.node(place).map(|node| node.synced)
    }

    fn heard_presence(self: &Arc<Self>, world: &mut World, place: u32, presence: Presence) -> Option<Arc<Session>> {
        let Presence { session, shown, probe } = presence;
        // Somebody who goes is seen to go by those who see him, and who comes is there before he is seen.
        let lost = session.and_then(|entry| self.hear(world, place, &entry));
        let mut inbox = Inbox::default();
        for shown in &shown {
            self.shown(world, place, shown, &mut inbox);
        }
        self.empty(world, inbox);
        if let Some(probe) = probe {
            self.answer_node(world, place, &probe);
        }
        lost
    }

    /// A presence of a resource of the node.
    fn shown(&self, world: &mut World, place: u32, shown: &Shown, inbox: &mut Inbox) {
        let id = Id { node: place, number: shown.number };
        // Whoever has lost his address shows nothing any more.
        let Some((owner, _)) = world.nodes.remotes.get(id) else { return };
        let (owner, node) = (owner.clone(), place);
        if shown.stanza.is_empty() {
            return self.confirm(world, id, &shown.to);
        }
        let Some((mut element, gone)) = presence(&shown.stanza) else {
            warn!(node, "another node has sent something that is no presence, which is left out");
            return;
        };
        let shared = Shared::without_to(&mut element);
        for name in &shown.to {
            let Some((user, them)) = world.users.get_key_value(name.as_str()) else { continue };
            let bare = self.bare(user);
            if let Some(resource) = &shown.resource {
                let Some(session) = them.named(resource).map(|one| Arc::clone(&one.session)) else { continue };
                let user = user.clone();
                if gone || !them.is_available() || self.sees(world, &user, id, false) {
                    session.deliver(&owner, shared.to(session.address(), ""));
                }
                continue;
            }
            if !them.is_available() {
                continue;
            }
            let user = user.clone();
            if self.sees(world, &user, id, gone) {
                inbox.to.entry(user).or_default().push((owner.clone(), shared.to(&bare, "")));
            }
        }
    }

    /// The user is shown that it is here, or gone. False if there is no room to remember that, and so none to show it: who is
    /// seen to come has to be seen to go.
    pub(super) fn sees(&self, world: &mut World, user: &Username, id: Id, gone: bool) -> bool {
        if gone {
            world.nodes.sightings.remove(user, id);
            return true;
        }
        if !world.nodes.sightings.has(user, id) && !world.nodes.has_room(self.memory.get()) {
            return false;
        }
        world.nodes.sightings.add(user, id);
        if let Some(node) = world.nodes.node_mut(id.node).filter(|node| !node.unconfirmed.is_empty()) {
            node.unconfirmed.remove(&(id, user.clone()));
        }
        true
    }

    fn confirm(&self, world: &mut World, id: Id, to: &[String]) {
        let Some(node) = world.nodes.node_mut(id.node) else { return };
        for user in to.iter().filter_map(|name| Username::new(name).ok()) {
            node.unconfirmed.remove(&(id, user));
        }
    }

    /// Each gets what is for him: more than one stanza as one, for a client need not read as fast as other nodes write.
    fn empty(&self, world: &World, inbox: Inbox) {
        for (user, stanzas) in inbox.to {
            let Some(them) = world.users.get(&user) else { continue };
            if let [(from, stanza)] = &*stanzas {
                them.send_to_available(from, stanza);
                continue;
            }
            let stanzas: Arc<[Stanza]> = stanzas.into_iter().map(|(_, stanza)| stanza).collect();
            for (session, _) in them.available() {
                let _ = session.outbound.send_batch(Arc::clone(&stanzas));
            }
        }
    }
}

/// Reads a presence, and whether it says that somebody is away.
pub(super) fn presence(text: &str) -> Option<(Element, bool)> {
    let element: Element = text.parse().ok()?;
    let gone = match element.attr("type") {
        None => false,
        Some("unavailable") => true,
        Some(_) => return None,
    };
    element.is("presence", JABBER_CLIENT).then_some((element, gone))
}
