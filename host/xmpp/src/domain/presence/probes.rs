//! Presence that is told later than it was sent: to a resource that has just come, and when rosters change.
//!
//! Who comes is told of those whose presence the own roster asks for (`to` or `both`, RFC 6121 section 4.3.1), each by what the
//! other's roster allows (section 4.3.2). Who is not seen is told to be away, whatever the reason: away, not sharing presence or
//! not existing look the same. `unsubscribed`, which the RFC has for the last two, is a subscription stanza, and would tell.
//!
//! Such presence is stamped with the time it was sent (XEP-0203), as the reference does.

use std::sync::Arc;

use minidom::Element;
use roster_model::{Change, Username};

use crate::domain::Domain;
use crate::domain::address::{Address, local_part};
use crate::domain::nodes::Outbox;
use crate::domain::roster::view::{View, may_see};
use crate::domain::session::Session;
use crate::domain::stanza::{Attr, DELAY, JABBER_CLIENT, gone, set};
use crate::domain::world::{Available, User, World};
use crate::outbound::Stanza;
use crate::stream::writer::write_element;

/// What somebody is told of another.
#[derive(Clone)]
pub(in crate::domain) enum ContactPresence {
    Here(Arc<Available>),
    /// The place in the index of the roster.
    Away(u32),
}

/// What a change of a contact means, if it means anything for presence.
pub(in crate::domain) struct Sight {
    /// Which change.
    place: usize,
    /// The contact sees the user now, or no longer.
    shown: Option<bool>,
    /// The roster asks for the contact's presence now.
    asked: bool,
}

impl Domain {
    /// A resource has become available: it is told who is, its owner's other resources first.
    pub(in crate::domain) fn tell_newcomer(&self, world: &World, session: &Arc<Session>, outbox: &mut Outbox) {
        let Some(me) = world.users.get(session.user()) else { return };
        let others = me.available().filter(|(other, _)| other.number != session.number);
        let mut told: Vec<ContactPresence> =
            others.map(|(_, available)| ContactPresence::Here(Arc::clone(available))).collect();
        if let Some(view) = &me.roster {
            told.extend(self.of_contacts(world, session.user(), session.bare(), view));
        }
        if self.ask_beyond(world, session.user(), (vec![Arc::clone(session)], true), me.roster.as_ref(), outbox) {
            told.retain(|told| matches!(told, ContactPresence::Here(_)));
        }
        self.send_told(session, told, me.roster.as_ref());
    }

    /// The user's roster is loaded: presence that waited for it goes out, and contacts' presence comes in.
    pub(in crate::domain) fn roster_loaded(&self, world: &World, name: &Username, view: &Arc<View>) {
        let Some(me) = world.users.get(name).filter(|me| me.is_available()) else { return };
        let mut outbox = Outbox::default();
        let beyond = self.beyond(world, me, &mut outbox);
        for contact in view.contacts().iter().filter(|contact| may_see(contact.subscription)) {
            self.show(world, me, name, contact.jid);
            beyond.show(world, self.other(name, contact.jid), &mut outbox);
        }
        let mut told = self.of_contacts(world, name, &self.bare(name), view);
        let sessions: Vec<Arc<Session>> = me.available().map(|(session, _)| Arc::clone(session)).collect();
        if self.ask_beyond(world, name, (sessions.clone(), false), Some(view), &mut outbox) {
            told.retain(|told| matches!(told, ContactPresence::Here(_)));
        }
        outbox.send(&world.nodes);
        for session in sessions {
            self.send_told(&session, told.clone(), Some(view));
        }
    }

    /// What the changes mean for whom the user sees, and who the user.
    pub(in crate::domain) fn sight(&self, name: &Username, old: &View, new: &View, changes: &[Change]) -> Vec<Sight> {
        let sight = (0..).zip(changes).filter_map(|(place, change)| {
            let jid = change.jid();
            self.other(name, jid)?;
            let shown = match (old.seen_by(jid), new.seen_by(jid)) {
                (false, true) => Some(true),
                (true, false) => Some(false),
                _ => None,
            };
            let asked = !old.sees(jid) && new.sees(jid);
            (shown.is_some() || asked).then_some(Sight { place, shown, asked })
        });
        sight.collect()
    }

    /// The user's roster has changed. Whoever may see the user now and might not, or the other way round, is told; and the
    /// user is told of those whose presence the roster asks for now and did not.
    pub(in crate::domain) fn roster_changed(
        &self,
        world: &World,
        name: &Username,
        sight: &[Sight],
        changes: &[Change],
    ) {
        let Some(me) = world.users.get(name).filter(|me| me.is_available()) else { return };
        let bare = self.bare(name);
        let (mut asked, mut asked_beyond) = (Vec::new(), Vec::new());
        let mut outbox = Outbox::default();
        let beyond = self.beyond(world, me, &mut outbox);
        for Sight { place, shown: shows, asked: asks } in sight {
            let Some(jid) = changes.get(*place).map(Change::jid) else { continue };
            let other = self.other(name, jid);
            match shows {
                Some(true) => {
                    self.show(world, me, name, jid);
                    beyond.show(world, other, &mut outbox);
                }
                Some(false) => {
                    self.hide(world, me, name, jid);
                    beyond.hide(world, other, &mut outbox);
                }
                None => {}
            }
            if *asks {
                asked.extend(other.and_then(|other| shown(world, &bare, other)));
                asked_beyond.extend(other);
            }
        }
        outbox.send(&world.nodes);
        if !asked_beyond.is_empty() && world.nodes.has_others() {
            let sessions: Vec<Arc<Session>> = me.available().map(|(session, _)| Arc::clone(session)).collect();
            self.ask_also(world, name, &sessions, &asked_beyond);
        }
        for (session, mine) in me.available() {
            let told = asked.iter().flat_map(|them| {
                let told = them.history.told(&bare).unwrap_or_default();
                // What was said since this resource came has reached it, whatever its own roster said.
                let missed = move |theirs: &Arc<Available>| theirs.moment.max(told) < mine.came;
                them.available()
                    .filter(move |(_, theirs)| missed(theirs))
                    .map(|(_, theirs)| ContactPresence::Here(Arc::clone(theirs)))
            });
            self.send_told(session, told.collect(), None);
        }
    }

    /// The contact `jid` of `me` is told that `me` is here.
    fn show(&self, world: &World, me: &User, name: &Username, jid: &str) {
        let them = self.other(name, jid).and_then(|other| world.users.get(other));
        let Some(them) = them.filter(|them| them.is_available()) else { return };
        for (_, available) in me.available() {
            them.send_to_available(name, &replay(available, jid, self.name()));
        }
    }

    /// The contact `jid` of `me` is told that `me` is away.
    fn hide(&self, world: &World, me: &User, name: &Username, jid: &str) {
        let them = self.other(name, jid).and_then(|other| world.users.get(other));
        let Some(them) = them.filter(|them| them.is_available()) else { return };
        for (session, _) in me.available() {
            them.send_to_available(name, &away(session.address(), jid));
        }
    }

    /// What there is to tell the user of those whose presence the roster asks for.
    fn of_contacts(&self, world: &World, name: &Username, bare: &str, view: &View) -> Vec<ContactPresence> {
        let mut told = Vec::new();
        for (place, jid) in view.asked_for() {
            let Some(other) = self.other(name, jid) else { continue };
            let before = told.len();
            let them = shown(world, bare, other).into_iter().flat_map(User::available);
            told.extend(them.map(|(_, available)| ContactPresence::Here(Arc::clone(available))));
            if told.len() == before {
                told.push(ContactPresence::Away(place));
            }
        }
        told
    }

    /// Queues it all as one: a large roster must not end a session. The stanzas are made when they are written.
    pub(in crate::domain) fn send_told(&self, session: &Session, told: Vec<ContactPresence>, view: Option<&Arc<View>>) {
        if told.is_empty() {
            return;
        }
        // Presences are held by those whose they are, and longer if they show others meanwhile.
        let weight = told.len() * size_of::<ContactPresence>();
        let others = told.iter().fold(0_usize, |sum, told| match told {
            ContactPresence::Here(available) => sum.saturating_add(available.presence.weight()),
            ContactPresence::Away(_) => sum,
        });
        let (view, bare, domain) = (view.cloned(), session.bare().to_owned(), self.options.name.clone());
        let stanzas = told.into_iter().map(move |told| match told {
            ContactPresence::Here(available) => replay(&available, &bare, domain.as_str()),
            ContactPresence::Away(place) => away(view.as_ref().map_or("", |view| view.jid_at(place)), &bare),
        });
        let _ = session.outbound.send_series(weight, others, stanzas);
    }

    /// Whether the roster of `user`, as far as it is here, lets `bare` see its presence.
    pub(in crate::domain) fn is_shown(&self, user: &Username, bare: &str) -> bool {
        shown(&self.world.read(), bare, user.as_str()).is_some()
    }

    /// The username of a contact of this domain, other than the user.
    pub(in crate::domain) fn other<'a>(&self, name: &Username, jid: &'a str) -> Option<&'a str> {
        local_part(jid, self.name()).filter(|other| *other != name.as_str())
    }

    /// A client asks for somebody's presence itself (RFC 6121 section 4.3.2). Whoever may not see it is told the same as of
    /// somebody who is away, or, if the own roster does not ask for it either, nothing.
    pub(in crate::domain) fn answer_probe(&self, session: &Arc<Session>, probe: &Element) {
        let address = Address::parse(probe.attr("to").unwrap_or_default(), self.name());
        let Some(user) = address.user() else { return };
        let world = self.world.read();
        let Some(me) = world.users.get(session.user()) else { return };
        let own = user == session.user();
        let them = if own { Some(me) } else { shown(&world, session.bare(), user.as_str()) };
        let asked = own || me.roster.as_ref().is_some_and(|view| view.sees(&self.bare(user)));
        let away = || away(probe.attr("to").unwrap_or_default(), session.address());
        let mut batch = Vec::new();
        for (theirs, available) in them.into_iter().flat_map(User::available) {
            if matches!(&address, Address::Session(_, resource) if theirs.resource() != resource) {
                continue;
            }
            batch.push(replay(available, session.address(), self.name()));
        }
        let resource = match &address {
            Address::Session(_, resource) => Some(resource.as_str()),
            _ => None,
        };
        let alone = (batch.is_empty() && (asked || them.is_some())).then(away);
        if !self.ask_for_one(&world, session, (user, resource), alone.clone()) {
            batch.extend(alone);
        }
        let _ = session.outbound.send_batch(batch.into());
    }
}

/// The user called `name`, if its roster lets `bare` see its presence.
pub(in crate::domain) fn shown<'a>(world: &'a World, bare: &str, name: &str) -> Option<&'a User> {
    world.users.get(name).filter(|them| them.roster.as_ref().is_some_and(|theirs| theirs.seen_by(bare)))
}

/// The presence as it was sent, with the time.
fn replay(available: &Available, to: &str, domain: &str) -> Stanza {
    available.presence.to(to, &delay(available, domain))
}

/// The same, to nobody yet.
pub(in crate::domain) fn late(available: &Available, domain: &str) -> Stanza {
    available.presence.with(&delay(available, domain))
}

fn delay(available: &Available, domain: &str) -> String {
    let mut delay = Element::bare("delay", DELAY);
    set(&mut delay, Attr::From, domain);
    set(&mut delay, Attr::Stamp, &humantime::format_rfc3339_seconds(available.since).to_string());
    let mut last = String::new();
    write_element(&mut last, &delay, JABBER_CLIENT);
    last
}

pub(in crate::domain) fn away(from: &str, to: &str) -> Stanza {
    let mut presence = gone(from);
    set(&mut presence, Attr::To, to);
    presence.into()
}
