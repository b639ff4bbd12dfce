//! A server that keeps to the rules of the contract ends with the host's rosters, whatever happens in whatever order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use tokio::time::Instant;

use super::super::state::{State, Step};
use super::super::write;
use super::{EPOCH, LEASE, changed, data, deliver, roster, state, user};
use crate::model::{EventKind, RosterEvent, Snapshot, Username};

/// What the world does to a node, in any order.
#[derive(Clone, Debug)]
enum Happening {
    /// The application's roster of a user is another, and the host finds out.
    Change(u8),
    Arrive(u8),
    /// One of the answers that are open is written, or an error instead.
    Give(u8, bool),
    /// One of those that are written arrives.
    Take(u8),
    Leave(u8),
    Seal,
    /// The server reads everything there is, or its stream breaks before that.
    Read(bool),
    Reconnect,
    Sync,
    Lease,
}

fn steps() -> impl Strategy<Value = Vec<Happening>> {
    let step = prop_oneof![
        6 => (0..3_u8).prop_map(Happening::Change),
        4 => (0..3_u8).prop_map(Happening::Arrive),
        4 => any::<(u8, bool)>().prop_map(|(which, good)| Happening::Give(which, good)),
        4 => any::<u8>().prop_map(Happening::Take),
        1 => (0..3_u8).prop_map(Happening::Leave),
        3 => Just(Happening::Seal),
        4 => any::<bool>().prop_map(Happening::Read),
        2 => Just(Happening::Reconnect),
        1 => Just(Happening::Sync),
        1 => Just(Happening::Lease),
    ];
    prop::collection::vec(step, 1..60)
}

/// An answer on its way: the event up to which it contains all, and a content version, or an error.
#[derive(Clone, Copy, Debug)]
struct Answer {
    who: u8,
    sync: u64,
    seq: u64,
    version: Option<u64>,
}

/// A server that keeps to the rules of `docs/attach.md`, and the host around [`State`].
struct World {
    state: State,
    now: Instant,
    /// The host's rosters, and a counter for their versions and content.
    rosters: BTreeMap<u8, Arc<Snapshot>>,
    versions: u64,
    /// Requests for a roster that the host has not answered: by user, and the sync before.
    asked: Vec<(u8, u64)>,
    given: Vec<Answer>,
    /// Up to which event the last answer that the server took for each user contains all.
    contained: BTreeMap<u8, u64>,
    stream: u64,
    last: Option<String>,
    /// What the server holds of each user that is there: the content version, if any.
    held: BTreeMap<u8, Option<u64>>,
    /// What it keeps while it waits for an answer.
    kept: BTreeMap<u8, Vec<(u64, Value)>>,
    must_sync: bool,
    /// What the sync that is under way contains.
    synced: u64,
}

impl World {
    fn new() -> Self {
        let mut node = state(3, 9);
        let (stream, _) = node.open_stream(None);
        Self {
            state: node,
            now: Instant::now(),
            rosters: BTreeMap::new(),
            versions: 0,
            asked: Vec::new(),
            given: Vec::new(),
            contained: BTreeMap::new(),
            stream,
            last: None,
            held: BTreeMap::new(),
            kept: BTreeMap::new(),
            must_sync: false,
            synced: 0,
        }
    }

    fn name(who: u8) -> Username {
        user(&format!("u{who}"))
    }

    fn change(&mut self, who: u8) {
        self.versions += 1;
        let new = roster(self.versions, self.versions % 5);
        let kind = match self.rosters.insert(who, Arc::clone(&new)) {
            None => EventKind::Loaded(new),
            Some(old) => changed(&old, &new, self.versions % 5),
        };
        deliver(&mut self.state, &Self::name(who), kind, self.now);
    }

    fn arrive(&mut self, who: u8) {
        let sync = self.state.arrive(&Self::name(who), self.now).unwrap();
        self.asked.push((who, sync));
        self.held.entry(who).or_insert(None);
        self.kept.entry(who).or_default();
    }

    fn give(&mut self, which: usize, good: bool) {
        if self.asked.is_empty() {
            return;
        }
        let (who, sync) = self.asked.remove(which % self.asked.len());
        // The application is asked by now.
        if good && !self.rosters.contains_key(&who) {
            self.change(who);
        }
        let seq = self.state.ring.newest();
        let found = self.rosters.get(&who).filter(|_| good).cloned();
        let (here, late) = self.state.answered(&Self::name(who), sync, found.as_deref(), self.now);
        if let Some(late) = late {
            let event = RosterEvent { domain: "x".into(), user: Self::name(who), kind: EventKind::Loaded(late) };
            self.state.tell(&event.user, &write::change(&event, true), self.now);
        }
        let version = found.filter(|_| here).map(|found| found.content_version());
        self.given.push(Answer { who, sync, seq, version });
    }

    fn take(&mut self, which: usize) {
        if self.given.is_empty() {
            return;
        }
        let Answer { who, sync, seq, version } = self.given.remove(which % self.given.len());
        // A sync asks anew for everybody, and what is older than what is there says nothing new.
        let contained = self.contained.entry(who).or_default();
        if let (Some(version), Some(held)) = (version, self.held.get_mut(&who))
            && self.state.is_last_sync(sync)
            && seq >= *contained
        {
            (*held, *contained) = (Some(version), seq);
        }
        if !self.is_awaited(who) {
            self.catch_up(who);
        }
    }

    fn is_awaited(&self, who: u8) -> bool {
        let given = self.given.iter().map(|answer| answer.who);
        self.asked.iter().map(|(other, _)| *other).chain(given).any(|other| other == who)
    }

    /// The rule for events that were kept.
    fn catch_up(&mut self, who: u8) {
        let mut kept = self.kept.remove(&who).unwrap_or_default();
        let contained = self.contained.get(&who).copied().unwrap_or_default();
        kept.retain(|(seq, _)| *seq > contained);
        let held = self.held.get(&who).copied().flatten();
        let known = kept.iter().rposition(|(_, change)| held.is_some() && change["to"].as_u64() == held);
        for (seq, change) in kept.into_iter().skip(known.map_or(0, |known| known + 1)) {
            self.apply(who, seq, &change);
        }
    }

    fn apply(&mut self, who: u8, seq: u64, change: &Value) {
        // It is in the last answer.
        if self.contained.get(&who).is_some_and(|contained| seq <= *contained) {
            return;
        }
        let Some(held) = self.held.get_mut(&who) else { return };
        if let Some(kept) = self.kept.get_mut(&who) {
            kept.push((seq, change.clone()));
            return;
        }
        let (from, to) = (change["from"].as_u64(), change["to"].as_u64());
        if from.is_none() || from == *held {
            *held = to;
        } else if to != *held {
            self.arrive(who);
        }
    }

    fn read(&mut self, all: bool) {
        loop {
            match self.state.next(self.stream) {
                Step::Event(event) => {
                    let data = data(&event);
                    let seq = data["seq"].as_u64().unwrap();
                    self.last = Some(format!("{EPOCH}-{seq}"));
                    for change in data["rosters"].as_array().unwrap() {
                        let who = change["user"].as_str().unwrap().trim_start_matches('u').parse().unwrap();
                        self.apply(who, seq, change);
                    }
                    self.state.ack(EPOCH, seq).unwrap();
                }
                Step::Resync(_) => self.must_sync = true,
                Step::Wait => return,
                Step::Replaced => panic!("nobody else is there"),
            }
            if !all {
                return;
            }
        }
    }

    fn sync(&mut self) {
        self.must_sync = false;
        let sync = self.state.begin_sync();
        self.state.accept_sync();
        let all: Vec<u8> = self.held.keys().copied().collect();
        all.into_iter().for_each(|who| self.arrive(who));
        for user in self.state.unnamed(sync) {
            self.state.leave_unnamed(&user, sync);
        }
        self.synced = self.state.ring.newest();
    }

    fn reconnect(&mut self) {
        self.state.close_stream(self.stream, self.now);
        (self.stream, _) = self.state.open_stream(self.last.as_deref());
    }

    fn step(&mut self, step: &Happening) {
        match *step {
            Happening::Change(who) if self.rosters.contains_key(&who) => self.change(who),
            Happening::Change(_) => {}
            Happening::Arrive(who) => self.arrive(who),
            Happening::Give(which, good) => self.give(which.into(), good),
            Happening::Take(which) => self.take(which.into()),
            Happening::Leave(who) => {
                // A server does not let go of a user while it asks for the roster.
                if !self.is_awaited(who) {
                    self.state.leave(&Self::name(who));
                    self.held.remove(&who);
                    self.kept.remove(&who);
                }
            }
            Happening::Seal => drop(self.state.ring.seal()),
            Happening::Read(all) => self.read(all),
            Happening::Reconnect => self.reconnect(),
            Happening::Sync => self.sync(),
            Happening::Lease => {
                self.state.close_stream(self.stream, self.now);
                self.now += LEASE;
                self.state.expire(self.now, 99);
                (self.stream, _) = self.state.open_stream(self.last.as_deref());
            }
        }
    }

    /// Everything that is under way comes to its end.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.now += Duration::from_secs(1);
            for user in self.state.look_for(self.now) {
                let who = user.as_str().trim_start_matches('u').parse().unwrap();
                let found = self.rosters.get(&who).cloned();
                if let Some(found) = found.filter(|_| self.state.pay(&user)) {
                    let event = RosterEvent { domain: "x".into(), user, kind: EventKind::Loaded(found) };
                    self.state.tell(&event.user, &write::change(&event, true), self.now);
                }
            }
            self.state.ring.seal();
            self.read(true);
            if self.must_sync {
                self.sync();
            }
            while !(self.asked.is_empty() && self.given.is_empty()) {
                self.give(0, true);
                self.take(0);
            }
            self.state.ack(EPOCH, self.synced).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_server_that_keeps_to_the_rules_ends_with_the_host_s_rosters(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.settle();
        for (who, held) in &world.held {
            let name = World::name(*who);
            prop_assert!(world.state.has(&name), "{name} is there, and the host does not know");
            let expected = world.rosters.get(who).map(|roster| roster.content_version());
            prop_assert_eq!(*held, expected, "{}", name);
        }
        prop_assert_eq!(world.state.users(), world.held.len());
        prop_assert_eq!(world.state.ring.acked(), world.state.ring.newest());
    }
}
