//! Presence that is told later than it was sent: to a resource that has just come, and when rosters change.
//!
//! Such presence is stamped with the time it was sent (XEP-0203), as the reference does.

use std::collections::HashSet;
use std::sync::Arc;

use minidom::Element;
use roster_model::{Change, Username};

use super::Domain;
use super::address::{Address, local_part};
use super::presence::addressed_to;
use super::session::Session;
use super::stanza::{Attr, DELAY, JABBER_CLIENT, set};
use super::view::View;
use super::world::{Available, World};

/// Addresses of sessions with their presence, as they were at one moment.
type Presences = Vec<(Arc<Session>, Available)>;

impl Domain {
    /// A resource has become available: it is told who is (RFC 6121 section 4.3), its owner's other resources first.
    pub(super) fn tell_newcomer(&self, world: &World, session: &Arc<Session>) {
        let Some(me) = world.users.get(session.user()) else { return };
        let mut batch = Vec::new();
        for (other, available) in me.available() {
            if other.number != session.number {
                batch.push(self.replay(available, session.bare()));
            }
        }
        if let Some(view) = &me.roster {
            for contact in view.contacts().iter() {
                let Some(name) = local_part(contact.jid, self.name()) else { continue };
                if name == session.user().as_str() || !self.is_shown(world, view, session.bare(), contact.jid, name) {
                    continue;
                }
                let them = world.users.get(name);
                for (_, available) in them.into_iter().flat_map(|them| them.available()) {
                    batch.push(self.replay(available, session.bare()));
                }
            }
        }
        let _ = session.outbound.send_batch(batch.into());
    }

    /// The user with the roster `view` and the address `bare` sees the contact `jid`, called `name`. A contact whose roster is
    /// not loaded is seen when it is.
    fn is_shown(&self, world: &World, view: &View, bare: &str, jid: &str, name: &str) -> bool {
        let theirs = world.users.get(name).and_then(|them| them.roster.as_ref());
        view.sees(jid) && theirs.is_some_and(|theirs| theirs.seen_by(bare))
    }

    /// The user's roster is loaded: presence that waited for it goes out, and contacts' presence comes in.
    pub(super) fn roster_loaded(&self, world: &mut World, name: &Username, view: &View) {
        let told = world.users.get_mut(name).map(|me| std::mem::take(&mut me.told)).unwrap_or_default();
        let strangers: Vec<String> =
            told.iter().map(|other| format!("{other}@{}", self.name())).filter(|jid| !view.sees(jid)).collect();
        let contacts = view.contacts().iter().map(|contact| contact.jid);
        self.reconsider(world, name, None, view, contacts, &HashSet::new());
        let known: HashSet<&str> = strangers.iter().map(String::as_str).collect();
        self.reconsider(world, name, None, view, known.iter().copied(), &known);
    }

    /// The user's roster has changed: whoever is seen now that was not, or the other way round, is told.
    pub(super) fn roster_changed(
        &self,
        world: &mut World,
        name: &Username,
        old: &View,
        new: &View,
        changes: &[Change],
    ) {
        let jids = changes.iter().map(Change::jid);
        self.reconsider(world, name, Some(old), new, jids, &HashSet::new());
    }

    /// For each of `jids`: what the user's roster showed before and what it shows now. `seen` are those whose presence the user
    /// was told before there was a roster.
    fn reconsider<'a>(
        &self,
        world: &mut World,
        name: &Username,
        old: Option<&View>,
        new: &View,
        jids: impl Iterator<Item = &'a str>,
        seen: &HashSet<&str>,
    ) {
        let mine = presences(world, name.as_str());
        if mine.is_empty() {
            return;
        }
        let bare = format!("{name}@{}", self.name());
        for jid in jids {
            let Some(other) = local_part(jid, self.name()).filter(|other| *other != name.as_str()) else { continue };
            let theirs = presences(world, other);
            if theirs.is_empty() {
                continue;
            }
            let out = |view: Option<&View>| view.is_some_and(|view| self.shows(world, view, &bare, jid, other));
            let (was_out, is_out) = (out(old), out(Some(new)));
            let inward = |view: Option<&View>| view.is_some_and(|view| self.is_shown(world, view, &bare, jid, other));
            let (was_in, is_in) = (inward(old) || seen.contains(jid), inward(Some(new)));
            for (session, available) in &mine {
                match (was_out, is_out) {
                    (false, true) => self.tell(world, name, other, &self.replay(available, jid)),
                    (true, false) => self.tell(world, name, other, &gone(session, jid)),
                    _ => {}
                }
            }
            let inward: Vec<_> = theirs
                .iter()
                .filter_map(|(session, available)| match (was_in, is_in) {
                    (false, true) => Some(self.replay(available, &bare)),
                    (true, false) => Some(gone(session, &bare)),
                    _ => None,
                })
                .collect();
            let inward: Arc<[Arc<Element>]> = inward.into();
            for (session, _) in &mine {
                let _ = session.outbound.send_batch(Arc::clone(&inward));
            }
        }
    }

    /// A client asks for somebody's presence itself. It is told what it would be told anyway, and nothing that tells whether
    /// there is such a user: an answer of `unsubscribed`, as RFC 6121 section 4.3.2 has it, is a subscription stanza.
    pub(super) fn answer_probe(&self, session: &Arc<Session>, probe: &Element) {
        let address = Address::parse(probe.attr("to").unwrap_or_default(), self.name());
        let Some(user) = address.user() else { return };
        let world = self.world.read();
        let Some(me) = world.users.get(session.user()) else { return };
        let jid = format!("{user}@{}", self.name());
        let own = user == session.user();
        let allowed = own
            || me.roster.as_ref().is_some_and(|view| self.is_shown(&world, view, session.bare(), &jid, user.as_str()));
        if !allowed {
            return;
        }
        let them = world.users.get(user);
        let mut batch = Vec::new();
        for (theirs, available) in them.into_iter().flat_map(|them| them.available()) {
            if matches!(&address, Address::Session(_, resource) if theirs.resource() != resource) {
                continue;
            }
            batch.push(self.replay(available, session.address()));
        }
        if batch.is_empty() {
            let mut none = Element::bare("presence", JABBER_CLIENT);
            set(&mut none, Attr::Type, "unavailable");
            set(&mut none, Attr::From, probe.attr("to").unwrap_or_default());
            batch.push(addressed_to(&none, session.address()));
        }
        let _ = session.outbound.send_batch(batch.into());
    }

    /// The presence as it was sent, with the time.
    fn replay(&self, available: &Available, to: &str) -> Arc<Element> {
        let mut copy = (*available.stanza).clone();
        set(&mut copy, Attr::To, to);
        let mut delay = Element::bare("delay", DELAY);
        set(&mut delay, Attr::From, self.name());
        set(&mut delay, Attr::Stamp, &humantime::format_rfc3339_seconds(available.since).to_string());
        copy.append_child(delay);
        Arc::new(copy)
    }
}

fn presences(world: &World, name: &str) -> Presences {
    let user = world.users.get(name).into_iter();
    user.flat_map(|user| user.available())
        .map(|(session, available)| (Arc::clone(session), available.clone()))
        .collect()
}

fn gone(session: &Session, to: &str) -> Arc<Element> {
    let mut presence = Element::bare("presence", JABBER_CLIENT);
    set(&mut presence, Attr::Type, "unavailable");
    set(&mut presence, Attr::From, session.address());
    addressed_to(&presence, to)
}
