//! Answers to the question what users show to one at another node, and what they come to there.

use std::sync::Arc;

use roster_model::Username;

use super::{Asking, Why};
use crate::domain::Domain;
use crate::domain::nodes::Table;
use crate::domain::nodes::receive::presence;
use crate::domain::nodes::table::remotes::Id;
use crate::domain::nodes::wire::outbox::document;
use crate::domain::nodes::wire::{Message, PART, Probe, Probed};
use crate::domain::presence::probes::{ContactPresence, late, shown};
use crate::domain::session::Session;
use crate::domain::world::{User, World};
use crate::outbound::{Shared, Stanza};

impl Domain {
    /// Answers what a node has asked.
    pub(in crate::domain::nodes) fn answer_node(&self, world: &World, place: u32, probe: &Probe) {
        let Some(link) = world.nodes.link(place) else { return };
        let (asker, sessions) = (&probe.asker, &probe.sessions);
        let part =
            || Probed { id: probe.id, asker: asker.clone(), sessions: sessions.clone(), shown: vec![], last: false };
        let mut answer = part();
        let mut length = 0;
        let bare = format!("{asker}@{}", self.name());
        for name in &probe.users {
            let them = if name == asker { world.users.get(name.as_str()) } else { shown(world, &bare, name) };
            for (session, available) in them.into_iter().flat_map(User::available) {
                if probe.resource.as_ref().is_some_and(|resource| session.resource() != resource) {
                    continue;
                }
                let text = document(&late(available, self.name()));
                if length > 0 && length + text.len() > PART {
                    link.say(&Message::Probed(std::mem::replace(&mut answer, part())));
                    length = 0;
                }
                length += text.len() + 30;
                answer.shown.push((session.number, text));
            }
        }
        answer.last = true;
        if probe.id != 0 || !answer.shown.is_empty() {
            link.say(&Message::Probed(answer));
        }
    }

    /// A node has answered.
    pub(in crate::domain::nodes) fn probed(&self, world: &mut World, place: u32, probed: &Probed) {
        let mut waiting = self.waiting.lock();
        let asking = waiting.questions.get(probed.id);
        // A client may ask for itself before it is available; presence that it has not asked for comes when it is.
        let itself = asking.as_ref().is_some_and(|asking| matches!(asking.why, Some(Why::One(_))));
        let found = self.tell_probed(world, place, probed, itself);
        let Some(asking) = asking else { return };
        if let Some(Why::One(alone)) = &mut asking.why {
            alone.take_if(|_| found);
        }
        if !probed.last {
            return;
        }
        if !itself {
            self.ask_for_newcomers(world, place, asking);
        }
        if let Some(Asking { sessions, user, why: Some(why), .. }) = waiting.questions.answered(place, probed.id) {
            self.tell_away(world, &sessions, &user, why);
        }
    }

    /// Queues it for the resources that have asked. False if it is nothing.
    fn tell_probed(&self, world: &mut World, place: u32, probed: &Probed, itself: bool) -> bool {
        let Some((user, _)) = world.users.get_key_value(probed.asker.as_str()) else { return false };
        let (user, bare) = (user.clone(), self.bare(user));
        let is_available = world.users.get(&user).is_some_and(User::is_available);
        let mut stanzas = Vec::new();
        for (number, text) in &probed.shown {
            let id = Id { node: place, number: *number };
            let known = world.nodes.remotes.get(id).is_some();
            if let Some((mut element, gone)) = presence(text).filter(|_| known)
                && (!is_available || self.sees(world, &user, id, gone))
            {
                stanzas.push(Shared::without_to(&mut element).to(&bare, ""));
            }
        }
        let stanzas: Arc<[Stanza]> = stanzas.into();
        let own = world.users.get(&user).into_iter().flat_map(|me| &me.resources);
        for resource in own.filter(|one| probed.sessions.contains(&one.session.number)) {
            if itself || resource.presence.is_some() {
                let _ = resource.session.outbound.send_batch(Arc::clone(&stanzas));
            }
        }
        !stanzas.is_empty()
    }

    /// Whoever is asked for and was seen nowhere is away.
    pub(in crate::domain::nodes) fn tell_away(
        &self,
        world: &World,
        sessions: &[Arc<Session>],
        user: &Username,
        why: Why,
    ) {
        let view = match why {
            Why::Roster(view) => view,
            Why::One(alone) => {
                for (session, alone) in sessions.iter().zip(alone) {
                    session.send(alone);
                }
                return;
            }
        };
        let Some(view) = view else { return };
        let bare = self.bare(user);
        let Table { remotes, sightings, .. } = &world.nodes;
        let is_seen = |other: &str| {
            shown(world, &bare, other).is_some_and(User::is_available)
                || remotes.of(other).iter().any(|one| one.is_available() && sightings.has(user, one.id))
        };
        let away = view.asked_for().filter(|(_, jid)| self.other(user, jid).is_some_and(|other| !is_seen(other)));
        let away: Vec<ContactPresence> = away.map(|(place, _)| ContactPresence::Away(place)).collect();
        let me = world.users.get(user);
        for session in sessions {
            if me.is_some_and(|me| me.available().any(|(one, _)| one.number == session.number)) {
                self.send_told(session, away.clone(), Some(&view));
            }
        }
    }
}
