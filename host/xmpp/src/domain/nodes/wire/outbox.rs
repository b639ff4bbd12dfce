//! What one event means for other nodes: presence, each once for a node, with all of its users that it is for; and with it
//! what the event changes of the resource itself.

use std::collections::BTreeMap;

use roster_model::Username;

use super::{Body, Entry, Message, PART, Presence, Probe, Shown, parts};
use crate::domain::Domain;
use crate::domain::nodes::table::Table;
use crate::domain::nodes::table::remotes::Remote;
use crate::domain::presence::probes::late;
use crate::domain::roster::view::{View, may_see};
use crate::domain::session::Session;
use crate::domain::stanza::gone;
use crate::domain::world::{User, World};
use crate::outbound::{Shared, Stanza};

/// See the module. Collected under the lock, and sent before it is let go.
#[derive(Default)]
pub(in crate::domain) struct Outbox {
    session: Option<Entry>,
    items: Vec<Item>,
    /// For whom, by node and item.
    to: BTreeMap<(u32, usize), Vec<String>>,
    probes: BTreeMap<u32, Vec<Probe>>,
}

struct Item {
    number: u64,
    stanza: String,
    resource: Option<String>,
}

/// A presence in an outbox.
#[derive(Clone, Copy)]
pub(in crate::domain) struct Place(usize);

impl Outbox {
    /// Every node is told of the resource.
    pub(in crate::domain) fn announce(&mut self, session: Entry) {
        self.session = Some(session);
    }

    /// A presence of the resource with that number, which has `stanza` as a document of its own; "" says that it is as it was.
    pub(in crate::domain::nodes) fn item(&mut self, number: u64, stanza: String, resource: Option<&str>) -> Place {
        self.items.push(Item { number, stanza, resource: resource.map(str::to_owned) });
        Place(self.items.len() - 1)
    }

    /// That is for the user, at each node where it is available.
    pub(in crate::domain) fn add(&mut self, table: &Table, item: Place, user: &str) {
        for node in table.remotes.nodes_of(user, Remote::is_available) {
            self.add_at(node, item, user);
        }
    }

    pub(in crate::domain::nodes) fn add_at(&mut self, node: u32, Place(item): Place, user: &str) {
        self.to.entry((node, item)).or_default().push(user.to_owned());
    }

    pub(in crate::domain::nodes) fn ask(&mut self, node: u32, probe: Probe) {
        self.probes.entry(node).or_default().push(probe);
    }

    /// To each node what is for it.
    pub(in crate::domain) fn send(self, table: &Table) {
        let Self { session, items, to, mut probes } = self;
        let mut to = to.into_iter().peekable();
        let only_session = Message::Presence(Presence { session: session.clone(), ..Presence::default() });
        let only_session = session.as_ref().and_then(|_| Body::new(&only_session));
        // By place, as `to` is.
        let mut links: Vec<_> = table.links().collect();
        links.sort_by_key(|link| link.place);
        for link in links {
            let mut shown = Vec::new();
            while let Some(((node, item), users)) = to.next_if(|((node, _), _)| *node <= link.place) {
                if let Some(item) = items.get(item).filter(|_| node == link.place) {
                    shown.extend(item.parts(users));
                }
            }
            let probes = probes.remove(&link.place).unwrap_or_default();
            if let Some(body) = only_session.as_ref().filter(|_| shown.is_empty() && probes.is_empty()) {
                link.send(body);
                continue;
            }
            for presence in messages(session.clone(), shown, probes) {
                link.say(&Message::Presence(presence));
            }
        }
    }
}

impl Item {
    /// Each short enough for a message.
    fn parts(&self, users: Vec<String>) -> impl Iterator<Item = Shown> {
        parts(users).into_iter().map(|to| {
            let (stanza, resource) = (self.stanza.clone(), self.resource.clone());
            Shown { number: self.number, stanza, to, resource }
        })
    }
}

impl Shown {
    fn length(&self) -> usize {
        100 + self.stanza.len() + self.to.iter().map(|user| user.len() + 3).sum::<usize>()
    }
}

/// One message if that is not too long: first the resource, then what it shows, then what it asks.
fn messages(session: Option<Entry>, shown: Vec<Shown>, probes: Vec<Probe>) -> Vec<Presence> {
    let mut all = Vec::new();
    let mut last = Presence { session, ..Presence::default() };
    let mut length = 0;
    for shown in shown {
        let more = shown.length();
        if length > 0 && length + more > PART {
            all.push(std::mem::take(&mut last));
            length = 0;
        }
        length += more;
        last.shown.push(shown);
    }
    for probe in probes {
        let more = 100 + probe.users.iter().map(|user| user.len() + 3).sum::<usize>();
        if length + more > PART || last.probe.is_some() {
            all.push(std::mem::take(&mut last));
            length = 0;
        }
        length += more;
        last.probe = Some(probe);
    }
    if last.session.is_some() || !last.shown.is_empty() || last.probe.is_some() {
        all.push(last);
    }
    all
}

/// As a document of its own.
pub(in crate::domain) fn document(stanza: &Stanza) -> String {
    let mut text = String::new();
    stanza.write(&mut text, true);
    text
}

/// The presence of a user's resources, for contacts at other nodes who may see it now, or no longer.
#[derive(Default)]
pub(in crate::domain) struct Beyond {
    here: Vec<Place>,
    gone: Vec<Place>,
}

impl Beyond {
    pub(in crate::domain) fn show(&self, world: &World, contact: Option<&str>, outbox: &mut Outbox) {
        for (item, contact) in self.here.iter().flat_map(|item| Some((*item, contact?))) {
            outbox.add(&world.nodes, item, contact);
        }
    }

    pub(in crate::domain) fn hide(&self, world: &World, contact: Option<&str>, outbox: &mut Outbox) {
        for (item, contact) in self.gone.iter().flat_map(|item| Some((*item, contact?))) {
            outbox.add(&world.nodes, item, contact);
        }
    }
}

impl Domain {
    /// What the available resources of `me` show, and how they take leave, in the outbox.
    pub(in crate::domain) fn beyond(&self, world: &World, me: &User, outbox: &mut Outbox) -> Beyond {
        let mut beyond = Beyond::default();
        if world.nodes.remotes.is_empty() {
            return beyond;
        }
        for (session, available) in me.available() {
            beyond.here.push(outbox.item(session.number, document(&late(available, self.name())), None));
            let gone = document(&gone(session.address()).into());
            beyond.gone.push(outbox.item(session.number, gone, None));
        }
        beyond
    }

    /// Presence of `session` for those at other nodes that may see it.
    pub(in crate::domain) fn broadcast_beyond(
        &self,
        world: &World,
        session: &Session,
        presence: &Shared,
        view: Option<&View>,
        outbox: &mut Outbox,
    ) {
        let table = &world.nodes;
        if table.remotes.is_empty() {
            return;
        }
        let item = outbox.item(session.number, document(&presence.stanza()), None);
        let user = session.user();
        outbox.add(table, item, user.as_str());
        let Some(view) = view else { return };
        // Whichever are fewer.
        if view.contacts().len() <= table.remotes.len() {
            for contact in view.contacts().iter().filter(|contact| may_see(contact.subscription)) {
                if let Some(other) = self.other(user, contact.jid) {
                    outbox.add(table, item, other);
                }
            }
            return;
        }
        for other in table.remotes.users().filter(|other| *other != user) {
            if view.seen_by(&self.bare(other)) {
                outbox.add(table, item, other.as_str());
            }
        }
    }

    /// Presence that was directed to somebody, or is the end of it, for that one's resources at other nodes.
    pub(in crate::domain) fn direct_beyond(
        &self,
        world: &World,
        session: &Session,
        (user, resource): (&Username, Option<&str>),
        presence: &Shared,
    ) {
        let is_meant = |one: &Remote| match resource {
            None => one.is_available(),
            Some(resource) => &*one.resource == resource,
        };
        let nodes = world.nodes.remotes.nodes_of(user.as_str(), is_meant);
        if nodes.is_empty() {
            return;
        }
        let mut outbox = Outbox::default();
        let item = outbox.item(session.number, document(&presence.stanza()), resource);
        for node in nodes {
            outbox.add_at(node, item, user.as_str());
        }
        outbox.send(&world.nodes);
    }
}
