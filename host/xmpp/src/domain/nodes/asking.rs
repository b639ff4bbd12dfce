//! Presence at login: the nodes of those whom the roster asks for know it.
//!
//! Who is seen nowhere is away, and all of that is told at once when every node has answered, or after a second: whoever learned of
//! some of them later than of others would know who hides.
//!
//! Two users may come at two nodes before either node has heard of the other. A node that has not answered yet has not heard of the
//! one who asks; whoever comes there until then, it is asked for too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roster_model::Username;
use tokio::time::Instant;

use super::Table;
use super::outbox::{Outbox, document};
use super::receive::presence;
use super::remotes::Id;
use super::wire::{Message, PART, Presence, Probe, Probed};
use crate::domain::Domain;
use crate::domain::probes::{Told, late, shown};
use crate::domain::session::Session;
use crate::domain::view::View;
use crate::domain::world::{User, World};
use crate::outbound::{Shared, Stanza};

/// After that, who has not been seen is away.
const PATIENCE: Duration = Duration::from_secs(1);
/// After that, a node will not answer any more.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// Resources of a user that wait for what other nodes show them.
pub(super) struct Asking {
    id: u64,
    user: Username,
    sessions: Vec<Arc<Session>>,
    view: Option<Arc<View>>,
    /// The user's own resources are asked for, too.
    own: bool,
    /// Nodes that have not answered.
    awaited: Vec<u32>,
    since: Instant,
    /// They have been told who is away.
    told: bool,
    /// Something was shown.
    found: bool,
    /// What to say of the one whom a client has asked for itself, if nobody shows anything.
    alone: Option<Stanza>,
}

impl Asking {
    /// The node will not answer.
    pub(super) fn gives_up_on(&mut self, place: u32) {
        self.awaited.retain(|node| *node != place);
    }
}

impl Domain {
    /// Asks all nodes what those show whom the roster asks for, for a newcomer the user's own resources there, too. False if there
    /// are none.
    pub(in crate::domain) fn ask_beyond(
        &self,
        world: &World,
        user: &Username,
        (sessions, own): (Vec<Arc<Session>>, bool),
        view: Option<&Arc<View>>,
        outbox: &mut Outbox,
    ) -> bool {
        if !world.nodes.has_others() {
            return false;
        }
        let table = &world.nodes;
        let mut users: BTreeMap<u32, Vec<String>> = table.links().map(|link| (link.place, Vec::new())).collect();
        let mut add = |name: &str| {
            for node in table.remotes.nodes_of(name, |one| one.priority.is_some()) {
                users.entry(node).or_default().push(name.to_owned());
            }
        };
        if own {
            add(user.as_str());
        }
        if !table.remotes.is_empty() {
            let contacts = view.into_iter().flat_map(|view| view.asked_for());
            contacts.filter_map(|(_, jid)| self.other(user, jid)).for_each(&mut add);
        }
        let id = self.number();
        let awaited: Vec<u32> = users.keys().copied().collect();
        for (node, users) in users {
            for probe in probes(id, user, &sessions, users) {
                outbox.ask(node, probe);
            }
        }
        let view = view.cloned();
        let (user, since) = (user.clone(), Instant::now());
        let (told, found, alone) = (false, false, None);
        self.waiting.lock().asking.push_back(Asking {
            id,
            user,
            sessions,
            view,
            own,
            awaited,
            since,
            told,
            found,
            alone,
        });
        true
    }

    /// The roster asks for these now: what they show at other nodes, for the resources that are here.
    pub(in crate::domain) fn ask_also(
        &self,
        world: &World,
        user: &Username,
        sessions: &[Arc<Session>],
        names: &[&str],
    ) {
        let mut outbox = Outbox::default();
        let mut users: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for name in names {
            for node in world.nodes.remotes.nodes_of(name, |one| one.priority.is_some()) {
                users.entry(node).or_default().push((*name).to_owned());
            }
        }
        for (node, users) in users {
            for probe in probes(0, user, sessions, users) {
                outbox.ask(node, probe);
            }
        }
        outbox.send(&world.nodes);
    }

    /// A client asks for somebody's presence itself: the nodes where that one is are asked. `alone` is what the client is told if
    /// there is nothing. False if there is nobody to ask.
    pub(in crate::domain) fn ask_for_one(
        &self,
        world: &World,
        session: &Arc<Session>,
        (user, resource): (&Username, Option<&str>),
        alone: Option<Stanza>,
    ) -> bool {
        let such = |name: &str| resource.is_none_or(|wanted| wanted == name);
        let nodes = world.nodes.remotes.nodes_of(user.as_str(), |one| one.priority.is_some() && such(&one.resource));
        if nodes.is_empty() {
            return false;
        }
        let id = self.number();
        for node in &nodes {
            let Some(link) = world.nodes.link(*node) else { continue };
            let probe = Probe {
                id,
                asker: session.user().to_string(),
                sessions: vec![session.number],
                users: vec![user.to_string()],
                resource: resource.map(str::to_owned),
            };
            link.say(&Message::Presence(Presence { probe: Some(probe), ..Presence::default() }));
        }
        let (user, sessions) = (session.user().clone(), vec![Arc::clone(session)]);
        let (view, own, awaited, since, told, found) = (None, false, nodes, Instant::now(), false, false);
        self.waiting.lock().asking.push_back(Asking {
            id,
            user,
            sessions,
            view,
            own,
            awaited,
            since,
            told,
            found,
            alone,
        });
        true
    }

    /// Somebody has come at a node that may not have heard of those who ask for him.
    pub(super) fn ask_for_newcomer(&self, world: &World, place: u32, came: &Username) {
        let Some(link) = world.nodes.link(place) else { return };
        let bare = self.bare(came);
        let waiting = self.waiting.lock();
        for asking in waiting.asking.iter().filter(|asking| asking.awaited.contains(&place)) {
            if (asking.own && asking.user == *came) || asking.view.as_ref().is_some_and(|view| view.sees(&bare)) {
                for probe in probes(0, &asking.user, &asking.sessions, vec![came.to_string()]) {
                    link.say(&Message::Presence(Presence { probe: Some(probe), ..Presence::default() }));
                }
            }
        }
    }

    /// Answers what a node has asked.
    pub(super) fn answer_node(&self, world: &World, place: u32, probe: &Probe) {
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
    pub(super) fn probed(&self, world: &mut World, place: u32, probed: &Probed) {
        let found = self.tell_probed(world, place, probed);
        let mut waiting = self.waiting.lock();
        if let Some(asking) = waiting.asking.iter_mut().find(|asking| asking.id == probed.id) {
            asking.found |= found;
            if probed.last {
                asking.gives_up_on(place);
            }
        }
        drop(waiting);
        self.settle(world);
    }

    /// Queues it for the resources that have asked. False if it is nothing.
    fn tell_probed(&self, world: &mut World, place: u32, probed: &Probed) -> bool {
        let Some((user, _)) = world.users.get_key_value(probed.asker.as_str()) else { return false };
        let (user, bare) = (user.clone(), self.bare(user));
        let mut seen = Vec::new();
        let mut stanzas = Vec::new();
        for (number, text) in &probed.shown {
            let id = Id { node: place, number: *number };
            let known = world.nodes.remotes.get(id).is_some();
            if let Some((mut element, gone)) = presence(text).filter(|_| known) {
                seen.push((id, gone));
                stanzas.push(Shared::without_to(&mut element).to(&bare, ""));
            }
        }
        let stanzas: Arc<[Stanza]> = stanzas.into();
        for number in &probed.sessions {
            if let Some(session) = self.numbered(world, user.as_str(), *number) {
                let _ = session.outbound.send_batch(Arc::clone(&stanzas));
            }
        }
        if world.users.get(&user).is_some_and(User::is_available) {
            for (id, gone) in seen {
                self.saw(world, &user, id, gone);
            }
        }
        !stanzas.is_empty()
    }

    /// Those that wait no longer are told who is away.
    pub(super) fn settle(&self, world: &World) {
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        for asking in &mut waiting.asking {
            let over = asking.awaited.is_empty() || now >= asking.since + PATIENCE;
            if over && !std::mem::replace(&mut asking.told, over) {
                self.tell_away(world, asking);
            }
        }
        let is_open = |asking: &Asking| !asking.awaited.is_empty() && now < asking.since + FORGOTTEN;
        waiting.asking.retain(|asking| is_open(asking) && asking.sessions.iter().any(|one| !one.has_ended()));
    }

    /// Whoever is asked for and was seen nowhere is away.
    fn tell_away(&self, world: &World, asking: &Asking) {
        let Asking { user, sessions, view, alone, found, .. } = asking;
        if let Some(alone) = alone.as_ref().filter(|_| !found) {
            sessions.iter().for_each(|session| session.send(alone.clone()));
        }
        let Some(view) = view else { return };
        let bare = self.bare(user);
        let Table { remotes, sightings, .. } = &world.nodes;
        let is_seen = |other: &str| {
            shown(world, &bare, other).is_some_and(User::is_available)
                || remotes.of(other).iter().any(|one| one.priority.is_some() && sightings.has(user, one.id))
        };
        let away = view.asked_for().filter(|(_, jid)| self.other(user, jid).is_some_and(|other| !is_seen(other)));
        let away: Vec<Told> = away.map(|(place, _)| Told::Away(place)).collect();
        let me = world.users.get(user);
        for session in sessions {
            if me.is_some_and(|me| me.available().any(|(one, _)| one.number == session.number)) {
                self.send_told(session, away.clone(), Some(view));
            }
        }
    }
}

/// Each short enough for a message; only the last is counted.
fn probes(id: u64, user: &Username, sessions: &[Arc<Session>], users: Vec<String>) -> Vec<Probe> {
    let sessions: Vec<u64> = sessions.iter().map(|session| session.number).collect();
    let mut parts = vec![Vec::new()];
    let mut length = 0;
    for name in users {
        length += name.len() + 3;
        if length > PART {
            length = name.len() + 3;
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(name);
        }
    }
    let last = parts.len();
    let probe = |(number, users)| Probe {
        id: if number == last { id } else { 0 },
        asker: user.to_string(),
        sessions: sessions.clone(),
        users,
        resource: None,
    };
    (1..).zip(parts).map(probe).collect()
}
