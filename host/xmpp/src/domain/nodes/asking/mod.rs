//! Presence at login: the nodes of those whom the roster asks for know it.
//!
//! Who is seen nowhere is away, and all of that is told at once when every node has answered, or after a second: whoever learned of
//! some of them later than of others would know who hides.
//!
//! Two users may come at two nodes before either node has heard of the other. A node that has not answered yet has not heard of the
//! one who asks; whoever has come there until then, it is asked for when it has.
//!
//! [`answers`]: what the others say; [`waiting`]: what is asked until they do; [`lines`]: messages behind such.

mod answers;
pub(in crate::domain) mod lines;
pub(in crate::domain) mod waiting;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use roster_model::Username;
use tokio::time::Instant;

use super::table::remotes::Remote;
use super::wire::outbox::Outbox;
use super::wire::{Message, Presence, Probe, parts};
use crate::domain::Domain;
use crate::domain::roster::view::View;
use crate::domain::session::Session;
use crate::domain::world::World;
use crate::outbound::Stanza;

/// After that, who has not been seen is away.
const PRESENCE_TIMEOUT: Duration = Duration::from_secs(1);
/// After that, a node will not answer any more.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// Questions that may be open at once. With one more, the oldest is not waited for.
const MOST: usize = 50_000;

/// All questions that are open.
#[derive(Default)]
pub(super) struct Questions {
    open: HashMap<u64, Asking>,
    /// Those whose askers have not been told who is away, oldest first.
    fresh: VecDeque<(Instant, u64)>,
    /// The others.
    stale: VecDeque<(Instant, u64)>,
}

/// Resources of a user that wait for what other nodes show them.
pub(super) struct Asking {
    /// When that was, among all that happens here, too.
    pub(super) id: u64,
    pub(super) user: Username,
    pub(super) sessions: Vec<Arc<Session>>,
    /// None: they have been told who is away.
    pub(super) why: Option<Why>,
    /// The user's own resources at other nodes are asked for, too.
    own: bool,
    /// Nodes that have not answered.
    awaited: Vec<u32>,
}

/// What was asked.
pub(super) enum Why {
    /// Whom the roster asks for.
    Roster(Option<Arc<View>>),
    /// The one whom a client has asked for itself; and what it is told if nothing is shown.
    One(Option<Stanza>),
}

impl Questions {
    fn add(&mut self, asking: Asking) {
        self.fresh.push_back((Instant::now(), asking.id));
        self.open.insert(asking.id, asking);
    }

    pub(super) fn get(&mut self, id: u64) -> Option<&mut Asking> {
        self.open.get_mut(&id)
    }

    /// The node has answered that question. Some if nobody has to be waited for any more.
    pub(super) fn answered(&mut self, place: u32, id: u64) -> Option<Asking> {
        let asking = self.open.get_mut(&id)?;
        asking.awaited.retain(|node| *node != place);
        if asking.awaited.is_empty() { self.open.remove(&id) } else { None }
    }

    /// The node will not answer any question. Those that nobody will.
    pub(super) fn gone(&mut self, place: u32) -> Vec<Asking> {
        let ids: Vec<u64> = self.open.keys().copied().collect();
        ids.into_iter().filter_map(|id| self.answered(place, id)).collect()
    }

    /// Those that have waited for long enough to be told.
    pub(super) fn late(&mut self, now: Instant) -> Vec<(Vec<Arc<Session>>, Username, Why)> {
        let mut late = Vec::new();
        let crowded = self.open.len() > MOST;
        while let Some((since, id)) = self.fresh.pop_front_if(|(since, _)| crowded || *since + PRESENCE_TIMEOUT <= now)
        {
            let Some(asking) = self.open.get_mut(&id) else { continue };
            late.extend(asking.why.take().map(|why| (asking.sessions.clone(), asking.user.clone(), why)));
            self.stale.push_back((since, id));
        }
        while let Some((_, id)) = self.stale.pop_front_if(|(since, _)| crowded || *since + FORGOTTEN <= now) {
            self.open.remove(&id);
        }
        late
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
            for node in table.remotes.nodes_of(name, Remote::is_available) {
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
        let (user, why) = (user.clone(), Some(Why::Roster(view.cloned())));
        self.waiting.lock().questions.add(Asking { id, user, sessions, why, own, awaited });
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
            for node in world.nodes.remotes.nodes_of(name, Remote::is_available) {
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
        let nodes = world.nodes.remotes.nodes_of(user.as_str(), |one| one.is_available() && such(&one.resource));
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
        let (user, sessions, why) = (session.user().clone(), vec![Arc::clone(session)], Some(Why::One(alone)));
        self.waiting.lock().questions.add(Asking { id, user, sessions, why, own: false, awaited: nodes });
        true
    }

    /// The node has answered. Who has come there since it was asked may not have been told of those who asked.
    pub(super) fn ask_for_newcomers(&self, world: &World, place: u32, asking: &Asking) {
        let Some(link) = world.nodes.link(place) else { return };
        let remotes = &world.nodes.remotes;
        let came = |name: &str| {
            let is_new = |one: &Remote| one.id.node == place && one.is_available() && one.came > asking.id;
            remotes.of(name).iter().any(is_new)
        };
        let own = Some(asking.user.as_str()).filter(|_| asking.own);
        let view = world.users.get(&asking.user).and_then(|me| me.roster.as_ref());
        let contacts = view.into_iter().flat_map(|view| view.asked_for());
        let contacts = contacts.filter_map(|(_, jid)| self.other(&asking.user, jid));
        let users: Vec<String> = own.into_iter().chain(contacts).filter(|name| came(name)).map(str::to_owned).collect();
        if users.is_empty() {
            return;
        }
        for probe in probes(0, &asking.user, &asking.sessions, users) {
            link.say(&Message::Presence(Presence { probe: Some(probe), ..Presence::default() }));
        }
    }
}

/// Each short enough for a message; only the last is counted.
fn probes(id: u64, user: &Username, sessions: &[Arc<Session>], users: Vec<String>) -> Vec<Probe> {
    let sessions: Vec<u64> = sessions.iter().map(|session| session.number).collect();
    let parts = parts(users);
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
