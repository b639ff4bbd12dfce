//! Roster changes: what is pushed to whom (RFC 6121 section 2.1.6).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use minidom::Element;
use roster_model::{Change, ContactRef, Snapshot, Username};
use tokio::task::spawn_blocking;

use super::history::versions_to_tell;
use super::view::View;
use super::{changed_item, item};
use crate::domain::Domain;
use crate::domain::presence::probes::Sight;
use crate::domain::stanza::{Attr, JABBER_CLIENT, ROSTER, set};
use crate::domain::world::{Interest, User};
use crate::outbound::{Batch, Outbound, Stanza};

/// What pushes weigh that are made when they are written, bytes: the roster is kept anyhow.
const KEPT: usize = 1_000;
/// What comes of more contacts, or more changes, is worked out in a thread that may take its time.
const MANY: usize = 2_000;

/// What a change of a roster comes to. For a large roster that is a long list, so it is worked out before the lock is taken.
struct Consequences {
    changes: Arc<[Change]>,
    sight: Vec<Sight>,
    /// The pushes, for those who use roster versioning and for those who do not; each is made if somebody is to have it, and
    /// shared by all sessions.
    plain: Option<Batch>,
    with_version: Option<Batch>,
}

/// Which forms of the pushes of a version are wanted, and what weighs them.
#[derive(Default)]
struct Wanted {
    plain: Option<Outbound>,
    with_version: Option<Outbound>,
}

impl Wanted {
    fn of(user: &User, version: u64) -> Self {
        let mut wanted = Self::default();
        for resource in &user.resources {
            let Interest::Has { version: has, versioned } = resource.interest else { continue };
            if has < version {
                let form = if versioned { &mut wanted.with_version } else { &mut wanted.plain };
                form.get_or_insert_with(|| resource.session.outbound.clone());
            }
        }
        wanted
    }
}

impl Domain {
    /// The user's roster is `snapshot` now, unless it is newer already. `changes` are those from the roster before; they are
    /// found by comparing if they are not known. Returns when the pushes and the presence that follow are queued.
    pub(in crate::domain) async fn advance(
        self: &Arc<Self>,
        name: &Username,
        snapshot: Arc<Snapshot>,
        changes: Option<Arc<[Change]>>,
    ) {
        let version = snapshot.version();
        let is_newer = |old: &Option<Arc<View>>| old.as_ref().is_none_or(|old| old.version() < version);
        let Some(true) = self.world.read().users.get(name).map(|user| is_newer(&user.roster)) else { return };
        let many = snapshot.contacts().len() > MANY || changes.as_ref().is_some_and(|changes| changes.len() > MANY);
        let Some(view) = aside(many, move || Arc::new(View::new(snapshot))).await else { return };
        // Again only if the roster is another meanwhile, which is newer, or somebody is to have a form that was not wanted.
        loop {
            let known = self.world.read().users.get(name).map(|user| (user.roster.clone(), Wanted::of(user, version)));
            let Some((old, wanted)) = known.filter(|(old, _)| is_newer(old)) else { return };
            let consequences = match &old {
                None => None,
                Some(old) => {
                    let (domain, name, old) = (Arc::clone(self), name.clone(), Arc::clone(old));
                    let (view, changes) = (Arc::clone(&view), changes.clone());
                    let work = move || domain.consequences(&name, &old, &view, changes, &wanted);
                    let Some(consequences) = aside(many, work).await else { return };
                    Some(consequences)
                }
            };
            if self.apply(name, old.as_ref(), &view, consequences.as_ref()) {
                return;
            }
        }
    }

    /// Under the lock. False if what was worked out is not enough.
    fn apply(
        &self,
        name: &Username,
        old: Option<&Arc<View>>,
        view: &Arc<View>,
        consequences: Option<&Consequences>,
    ) -> bool {
        let mut world = self.world.write();
        let Some(user) = world.users.get_mut(name) else { return true };
        if user.roster.as_ref().map(Arc::as_ptr) != old.map(Arc::as_ptr) {
            return false;
        }
        let version = view.version();
        let Some((old, Consequences { changes, sight, plain, with_version })) = old.zip(consequences) else {
            user.history.reset(version);
            user.roster = Some(Arc::clone(view));
            self.push_all(user, view);
            self.roster_loaded(&world, name, view);
            return true;
        };
        let wanted = Wanted::of(user, version);
        let is_missing = |wanted: Option<Outbound>, made: &Option<Batch>| wanted.is_some() && made.is_none();
        if is_missing(wanted.plain, plain) || is_missing(wanted.with_version, with_version) {
            return false;
        }
        let moment = self.number();
        // Those before are forgotten when these come.
        let forgotten = changes.len().saturating_sub(self.options.roster_history);
        if forgotten > 0 {
            user.history.reset(version);
        }
        for change in changes.iter().skip(forgotten) {
            let jid = change.jid();
            let told = (!old.seen_by(jid) && view.seen_by(jid)).then_some(moment);
            user.history.record(version, told, jid, self.options.roster_history);
        }
        user.roster = Some(Arc::clone(view));
        self.push_all(user, view);
        for resource in &mut user.resources {
            let Interest::Has { version: has, versioned } = &mut resource.interest else { continue };
            if *has >= version {
                continue;
            }
            *has = version;
            if let Some(batch) = if *versioned { with_version } else { plain } {
                let _ = resource.session.outbound.send_weighed(batch);
            }
        }
        self.roster_changed(&world, name, sight, changes);
        true
    }

    fn consequences(
        &self,
        name: &Username,
        old: &View,
        view: &View,
        changes: Option<Arc<[Change]>>,
        wanted: &Wanted,
    ) -> Consequences {
        let changes = changes.unwrap_or_else(|| old.changes_to(view).into());
        let told = versions_to_tell(old.version(), &vec![view.version(); changes.len()]);
        let make = |outbound: &Outbound, with_version: bool| {
            let pushes = changes.iter().zip(&told);
            let pushes = pushes.map(|(change, told)| self.push_of(change, with_version.then_some(*told)));
            outbound.batch(pushes.collect())
        };
        let plain = wanted.plain.as_ref().map(|outbound| make(outbound, false));
        let with_version = wanted.with_version.as_ref().map(|outbound| make(outbound, true));
        Consequences { sight: self.sight(name, old, view, &changes), plain, with_version, changes }
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
    pub(in crate::domain) fn catch_up(&self, view: &View, known: u64, changed: &[(u64, &str)]) -> Vec<Stanza> {
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

/// Does the work, in a thread of its own if it is `much`. `None` if the process ends.
async fn aside<T: Send + 'static>(much: bool, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if much { spawn_blocking(work).await.ok() } else { Some(work()) }
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
