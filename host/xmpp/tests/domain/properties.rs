//! Whatever happens in whatever order, clients end up with what the rosters say.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use roster_model::{Contact, Subscription};

use crate::support::{Client, World, contact, get, short, world_with};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn subscription(number: u8) -> Subscription {
    [Subscription::None, Subscription::To, Subscription::From, Subscription::Both][usize::from(number % 4)]
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// The application's roster changes: for each possible contact, its subscription or nothing.
    Change(usize, Vec<Option<u8>>),
    /// The roster changes, and the event is late by one step.
    LateChange(usize, Vec<Option<u8>>),
    Bind(usize, usize),
    Leave(usize, usize),
    /// The connection is lost after so many stanzas of those that are queued.
    Cut(usize, usize, usize),
    Get(usize, usize),
    GetWithVersion(usize, usize),
    Available(usize, usize),
    Unavailable(usize, usize),
    Drop(usize),
    /// Lets fetches that are held finish.
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || (0..3_usize, 0..2_usize);
    let roster = || proptest::collection::vec(proptest::option::of(any::<u8>()), 3);
    let step = prop_oneof![
        3 => (0..3_usize, roster()).prop_map(|(user, roster)| Step::Change(user, roster)),
        1 => (0..3_usize, roster()).prop_map(|(user, roster)| Step::LateChange(user, roster)),
        3 => who().prop_map(|(user, resource)| Step::Bind(user, resource)),
        1 => who().prop_map(|(user, resource)| Step::Leave(user, resource)),
        1 => (who(), 0..4_usize).prop_map(|((user, resource), read)| Step::Cut(user, resource, read)),
        3 => who().prop_map(|(user, resource)| Step::Get(user, resource)),
        3 => who().prop_map(|(user, resource)| Step::GetWithVersion(user, resource)),
        3 => who().prop_map(|(user, resource)| Step::Available(user, resource)),
        1 => who().prop_map(|(user, resource)| Step::Unavailable(user, resource)),
        1 => (0..3_usize).prop_map(Step::Drop),
        2 => Just(Step::Settle),
    ];
    proptest::collection::vec(step, 1..200)
}

/// A device: its cache outlives its connections.
#[derive(Default)]
struct Device {
    client: Option<Client>,
    cache: BTreeMap<String, String>,
    version: Option<String>,
    answered: bool,
    available: bool,
    /// At which step it became available.
    came: usize,
    /// At which step it sent presence last, its owner's roster being there.
    said: usize,
    open: BTreeSet<String>,
    seen: BTreeSet<String>,
}

impl Device {
    /// Reads what has come, as a client does.
    fn read(&mut self) {
        self.read_some(usize::MAX);
    }

    fn read_some(&mut self, most: usize) {
        let Some(client) = &mut self.client else { return };
        for stanza in client.drain().into_iter().take(most) {
            match (stanza.name(), stanza.attr("type")) {
                ("presence", None) => {
                    self.seen.insert(stanza.attr("from").unwrap().to_owned());
                }
                ("presence", Some("unavailable")) => {
                    self.seen.remove(stanza.attr("from").unwrap());
                }
                ("iq", Some("result")) => {
                    assert!(self.open.remove(stanza.attr("id").unwrap()), "an answer to nothing, or the second");
                    self.answered = true;
                    if let Some(query) = stanza.children().next() {
                        self.cache.clear();
                        self.version = query.attr("ver").map(str::to_owned);
                        query.children().for_each(|item| self.apply(item));
                    }
                }
                ("iq", Some("set")) => {
                    assert!(self.answered, "a push before the answer");
                    let query = stanza.children().next().unwrap();
                    self.apply(query.children().next().unwrap());
                    self.version = query.attr("ver").map(str::to_owned).or(self.version.take());
                }
                _ => panic!("unexpected {}", short(&stanza)),
            }
        }
    }

    fn apply(&mut self, item: &minidom::Element) {
        let jid = item.attr("jid").unwrap().to_owned();
        match item.attr("subscription").unwrap() {
            "remove" => self.cache.remove(&jid),
            subscription => self.cache.insert(jid, subscription.to_owned()),
        };
    }

    fn end(&mut self, read: usize) -> Option<Client> {
        self.read_some(read);
        self.answered = false;
        self.available = false;
        self.open.clear();
        self.seen.clear();
        self.client.take()
    }
}

fn roster(user: usize, contacts: &[Option<u8>]) -> Vec<Contact> {
    let others = NAMES.iter().zip(contacts).enumerate().filter(|(other, _)| *other != user);
    others.filter_map(|(_, (name, number))| Some(contact(name, subscription((*number)?)))).collect()
}

async fn settle(world: &World, devices: &mut [[Device; 2]; 3]) {
    world.host.hold(false);
    for device in devices.iter_mut().flatten() {
        for _ in 0..100_000 {
            device.read();
            if device.client.is_none() || device.open.is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert!(device.client.is_none() || device.open.is_empty(), "a roster get was never answered");
    }
    world.host.hold(true);
}

async fn play(steps: Vec<Step>) {
    let world = world_with(|options| options.roster_history = 4);
    world.host.hold(true);
    let mut devices: [[Device; 2]; 3] = Default::default();
    let mut rosters: [Vec<Contact>; 3] = Default::default();
    let mut late: Vec<roster_model::RosterEvent> = Vec::new();
    for (number, step) in steps.into_iter().chain([Step::Settle]).enumerate() {
        let was_late = std::mem::take(&mut late);
        match step {
            Step::Change(user, _) | Step::LateChange(user, _) | Step::Drop(user)
                if was_late.iter().any(|event| event.user.as_str() == NAMES[user]) =>
            {
                // The host tells one user's events one after another.
            }
            Step::Change(user, contacts) => {
                rosters[user] = roster(user, &contacts);
                world.host.change(NAMES[user], rosters[user].clone()).await;
            }
            Step::LateChange(user, contacts) => {
                rosters[user] = roster(user, &contacts);
                world.host.set(NAMES[user], rosters[user].clone());
                late.extend(world.host.stored_change(NAMES[user]));
            }
            Step::Bind(user, resource) => {
                let device = &mut devices[user][resource];
                let old = device.end(usize::MAX);
                device.client = Some(world.bind(NAMES[user], ["1", "2"][resource]));
                drop(old);
            }
            Step::Leave(user, resource) => {
                if let Some(client) = devices[user][resource].end(usize::MAX) {
                    client.leave().await;
                }
            }
            Step::Cut(user, resource, read) => {
                if let Some(client) = devices[user][resource].end(read) {
                    client.leave().await;
                }
            }
            Step::Get(user, resource) => ask(&mut devices[user][resource], number, false).await,
            Step::GetWithVersion(user, resource) => ask(&mut devices[user][resource], number, true).await,
            Step::Available(user, resource) => {
                let loaded = devices[user].iter().any(|device| device.answered);
                let device = &mut devices[user][resource];
                if let Some(client) = &device.client {
                    client.send("<presence/>").await;
                    if !std::mem::replace(&mut device.available, true) {
                        device.came = number;
                        device.said = 0;
                    }
                    if loaded {
                        device.said = number;
                    }
                }
            }
            Step::Unavailable(user, resource) => {
                let device = &mut devices[user][resource];
                if let Some(client) = &device.client {
                    client.send("<presence type='unavailable'/>").await;
                    device.read();
                    device.available = false;
                    device.seen.clear();
                }
            }
            // As the host does: only of users who have left.
            Step::Drop(user) if devices[user].iter().all(|device| device.client.is_none()) => {
                world.host.drop_roster(NAMES[user]).await;
            }
            Step::Drop(_) => {}
            Step::Settle => settle(&world, &mut devices).await,
        }
        for event in was_late {
            world.domain.roster_event(&event).await;
        }
        // Now and then nobody reads, so that a lost connection loses something.
        if number % 3 == 0 {
            check(&mut devices, &rosters, late.is_empty());
        }
    }
}

async fn ask(device: &mut Device, number: usize, with_version: bool) {
    device.read();
    let Some(client) = &device.client else { return };
    if device.open.len() >= 8 {
        return;
    }
    let id = format!("g{number}");
    let version = with_version.then(|| device.version.clone().unwrap_or_default());
    // A client that asks without a version starts with nothing.
    device.open.insert(id.clone());
    client.send(&get(&id, version.as_deref())).await;
}

fn check(devices: &mut [[Device; 2]; 3], rosters: &[Vec<Contact>; 3], up_to_date: bool) {
    if !up_to_date {
        return;
    }
    devices.iter_mut().flatten().for_each(Device::read);
    let loaded: Vec<bool> = devices.iter().map(|user| user.iter().any(|one| one.answered)).collect();
    for (user, own) in devices.iter().enumerate() {
        for (number, device) in own.iter().enumerate().filter(|(_, device)| device.client.is_some()) {
            let name = NAMES[user];
            if device.answered {
                let expected: BTreeMap<_, _> = rosters[user]
                    .iter()
                    .map(|contact| (contact.jid.clone(), format!("{:?}", contact.subscription).to_lowercase()))
                    .collect();
                assert_eq!(device.cache, expected, "the roster of {name}/{number}");
            }
            if !device.available {
                assert!(device.seen.is_empty(), "{name}/{number} is not available and sees {:?}", device.seen);
                continue;
            }
            for (other, theirs) in devices.iter().enumerate().filter(|(other, _)| *other == user || loaded[*other]) {
                for (resource, them) in theirs.iter().enumerate() {
                    let address = format!("{}@{}/{}", NAMES[other], crate::support::DOMAIN, ["1", "2"][resource]);
                    let seen = device.seen.contains(&address);
                    let case = format!("{name}/{number} and {address}");
                    let here = them.available && them.client.is_some();
                    if other == user {
                        assert_eq!(seen, here, "{case}");
                        continue;
                    }
                    // RFC 6121 section 4: the sender's roster decides ...
                    let shows = has(&rosters[other], name, Subscription::From);
                    assert!(!seen || here && shows, "{case}: seen by nobody's leave");
                    // ... and who has not asked hears of it when there is something to say.
                    let asks = loaded[user] && has(&rosters[user], NAMES[other], Subscription::To);
                    let heard = here && shows && (asks || them.said > device.came);
                    assert!(seen || !heard, "{case}: not seen");
                }
            }
        }
    }
}

fn has(roster: &[Contact], name: &str, wanted: Subscription) -> bool {
    let jid = format!("{name}@{}", crate::support::DOMAIN);
    roster.iter().any(|one| one.jid == jid && (one.subscription == wanted || one.subscription == Subscription::Both))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clients_have_the_rosters_and_see_each_other_as_the_rosters_say(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(play(steps));
    }
}
