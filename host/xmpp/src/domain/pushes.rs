//! Roster changes: what is pushed to whom (RFC 6121 section 2.1.6).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use minidom::Element;
use roster_model::{Change, ContactRef, Username};

use super::Domain;
use super::history::versions_to_tell;
use super::roster::{changed_item, item};
use super::stanza::{Attr, JABBER_CLIENT, ROSTER, set};
use super::view::View;
use super::world::{Interest, User, World};
use crate::outbound::Stanza;

/// Stanzas that go to a session together.
type Batch = Arc<[Stanza]>;

/// What pushes weigh that are made when they are written, bytes: the roster is kept anyhow.
const KEPT: usize = 1_000;

impl Domain {
    /// The user's roster is `view` now, unless it is newer already. `changes` are those from the roster before; they are
    /// found by comparing if they are not known. Pushes and presence that follow are queued.
    pub(super) fn advance(&self, world: &mut World, name: &Username, view: Arc<View>, changes: Option<&[Change]>) {
        let Some(user) = world.users.get_mut(name) else { return };
        let version = view.version();
        let old = user.roster.clone();
        let Some(old) = old else {
            user.history.reset(version);
            user.roster = Some(Arc::clone(&view));
            self.push_all(user, &view);
            self.roster_loaded(world, name, &view);
            return;
        };
        if old.version() >= version {
            return;
        }
        let changes = match changes {
            Some(changes) => Cow::Borrowed(changes),
            None => Cow::Owned(old.changes_to(&view)),
        };
        let moment = self.number();
        for change in &*changes {
            let jid = change.jid();
            let told = (!old.seen_by(jid) && view.seen_by(jid)).then_some(moment);
            user.history.record(version, told, jid, self.options.roster_history);
        }
        user.roster = Some(Arc::clone(&view));
        self.push_all(user, &view);
        self.push_changes(user, old.version(), version, &changes);
        self.roster_changed(world, name, &old, &view, &changes);
    }

    /// Pushes to those who have the roster. At most two forms of each push are made, shared by all sessions.
    fn push_changes(&self, user: &mut User, from: u64, version: u64, changes: &[Change]) {
        let told = versions_to_tell(from, &vec![version; changes.len()]);
        let make = |with_version: bool| -> Batch {
            let pushes = changes.iter().zip(&told);
            pushes.map(|(change, told)| self.push_of(change, with_version.then_some(*told))).collect()
        };
        let (mut plain, mut with_version) = (None, None);
        for resource in &mut user.resources {
            let Interest::Has { version: has, versioned } = &mut resource.interest else { continue };
            if *has >= version {
                continue;
            }
            *has = version;
            let batch = if *versioned {
                with_version.get_or_insert_with(|| make(true))
            } else {
                plain.get_or_insert_with(|| make(false))
            };
            let _ = resource.session.outbound.send_batch(Arc::clone(batch));
        }
    }

    /// A roster that was not to be had has turned up: those who asked in vain are told of every contact. Without a version,
    /// for what they have cached may hold contacts that are gone.
    fn push_all(&self, user: &mut User, view: &View) {
        for resource in &mut user.resources {
            // Who is asking again will be answered.
            if resource.interest != Interest::Disappointed || !resource.gets.is_empty() {
                continue;
            }
            resource.interest = Interest::Has { version: view.version(), versioned: false };
            let contacts = view.contacts();
            let mut first = self.numbers(contacts.len() as u64);
            let mut contacts = contacts.cursor();
            let pushes = std::iter::from_fn(move || {
                let item = item(&contacts.advance()?);
                first += 1;
                Some(push(item, None, first - 1).into())
            });
            let _ = resource.session.outbound.send_series(KEPT, 0, pushes);
        }
    }

    /// Pushes that bring a client from the version `known` to the one of `view`.
    pub(super) fn catch_up(&self, view: &View, known: u64, changed: &[(u64, &str)]) -> Vec<Stanza> {
        let at: Vec<u64> = changed.iter().map(|(at, _)| *at).collect();
        let told = versions_to_tell(known, &at);
        let wanted: HashSet<&str> = changed.iter().map(|(_, jid)| *jid).collect();
        let now = view.contacts().iter().filter(|contact| wanted.contains(contact.jid));
        let now: HashMap<&str, ContactRef<'_>> = now.map(|contact| (contact.jid, contact)).collect();
        let pushes = changed.iter().zip(told).map(|((_, jid), told)| {
            let item = now.get(jid).map_or_else(|| removed(jid), item);
            self.push(item, Some(told)).into()
        });
        pushes.collect()
    }

    fn push_of(&self, change: &Change, version: Option<u64>) -> Stanza {
        let item = match change {
            Change::Put(contact) => changed_item(contact),
            Change::Remove(jid) => removed(jid),
        };
        self.push(item, version).into()
    }

    fn push(&self, item: Element, version: Option<u64>) -> Element {
        push(item, version.map(|version| self.version_text(version)), self.number())
    }
}

/// One push. It has neither `to` nor `from`: it is from the account to whoever reads it (RFC 6120 section 8.1.2.1), so all
/// sessions share it.
fn push(item: Element, version: Option<String>, number: u64) -> Element {
    let mut query = Element::bare("query", ROSTER);
    if let Some(version) = version {
        set(&mut query, Attr::Ver, &version);
    }
    query.append_child(item);
    let mut iq = Element::bare("iq", JABBER_CLIENT);
    set(&mut iq, Attr::Type, "set");
    set(&mut iq, Attr::Id, &format!("push-{number}"));
    iq.append_child(query);
    iq
}

fn removed(jid: &str) -> Element {
    let mut item = Element::bare("item", ROSTER);
    set(&mut item, Attr::Jid, jid);
    set(&mut item, Attr::Subscription, "remove");
    item
}
