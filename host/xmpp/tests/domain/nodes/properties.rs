//! Whatever happens at three nodes, in whatever order, and whatever is lost between them: in the end everybody sees those whom the
//! rosters allow, as at one node.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use roster_model::{Contact, Subscription};
use roster_xmpp::outbound::SessionEnd;

use super::support::{Nodelings, nodes};
use crate::support::{ALL, Client, DOMAIN, World, asks, contact, shares, world};

const NAMES: [&str; 3] = ["a", "b", "c"];
const RESOURCES: [&str; 2] = ["1", "2"];
const NODES: usize = 3;

type Who = (usize, usize);

#[derive(Clone, Debug)]
enum Step {
    Bind(Who, usize),
    Leave(Who),
    Available(Who),
    Unavailable(Who),
    /// For each user, which of [`ALL`].
    Change(usize, [usize; 3]),
    Kill(usize),
    Start(usize),
    /// Others have taken it for dead, and it has another life without having ended.
    LiveAgain(usize),
    /// All nodes learn who is alive.
    Members,
    /// One node takes another for dead.
    Shun(usize, usize),
    /// What one sends to the other is lost from now on, or not.
    Cut(usize, usize, bool),
    /// So many messages of the pairs that have some.
    Deliver(usize, usize),
    Settle,
    Pass,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || (0..NAMES.len(), 0..RESOURCES.len());
    let pair = || (0..NODES, 0..NODES).prop_filter("two", |(one, other)| one != other);
    let step = prop_oneof![
        8 => (who(), 0..NODES).prop_map(|(who, node)| Step::Bind(who, node)),
        2 => who().prop_map(Step::Leave),
        10 => who().prop_map(Step::Available),
        2 => who().prop_map(Step::Unavailable),
        6 => (0..NAMES.len(), [0..ALL.len(), 0..ALL.len(), 0..ALL.len()]).prop_map(|(user, all)| Step::Change(user, all)),
        1 => (0..NODES).prop_map(Step::Kill),
        1 => (0..NODES).prop_map(Step::Start),
        1 => (0..NODES).prop_map(Step::LiveAgain),
        2 => Just(Step::Members),
        1 => pair().prop_map(|(one, other)| Step::Shun(one, other)),
        3 => (pair(), any::<bool>()).prop_map(|((one, other), cut)| Step::Cut(one, other, cut)),
        12 => (any::<usize>(), 1..4_usize).prop_map(|(pair, count)| Step::Deliver(pair, count)),
        2 => Just(Step::Settle),
        1 => Just(Step::Pass),
    ];
    proptest::collection::vec(step, 1..80)
}

/// One client and what it sees, at the nodes and at the one that does it all.
#[derive(Default)]
struct Device {
    at: Option<(usize, Client)>,
    alone: Option<Client>,
    available: bool,
    seen: BTreeSet<String>,
    seen_alone: BTreeSet<String>,
}

fn read(client: Option<&mut Client>, seen: &mut BTreeSet<String>) {
    for stanza in client.into_iter().flat_map(Client::drain).filter(|stanza| stanza.name() == "presence") {
        let from = stanza.attr("from").unwrap().to_owned();
        match stanza.attr("type") {
            None => {
                seen.insert(from);
            }
            Some("unavailable") => {
                seen.remove(&from);
            }
            Some(other) => panic!("{other}"),
        }
    }
}

impl Device {
    fn read(&mut self) {
        read(self.at.as_mut().map(|(_, client)| client), &mut self.seen);
        read(self.alone.as_mut(), &mut self.seen_alone);
    }

    async fn send(&self, xml: &str) {
        for client in self.at.iter().map(|(_, client)| client).chain(&self.alone) {
            client.send(xml).await;
        }
    }

    fn has(&self, jid: &str) -> bool {
        self.at.as_ref().is_some_and(|(_, client)| client.session.jid() == jid)
    }

    async fn leave_alone(&mut self) {
        if let Some(client) = self.alone.take() {
            client.leave().await;
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.available = false;
        self.seen.clear();
        self.seen_alone.clear();
    }
}

struct Play {
    all: Nodelings,
    alone: World,
    devices: [[Device; 2]; 3],
    rosters: [[usize; 3]; 3],
    /// Sessions that others have taken the address of, with their nodes.
    replaced: Vec<(usize, Client)>,
}

impl Play {
    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Bind((user, resource), node) => {
                if self.all.nodes[node].is_none() {
                    return;
                }
                let device = &mut self.devices[user][resource];
                let client = self.all.node(node).bind(NAMES[user], RESOURCES[resource]);
                self.replaced.extend(device.at.replace((node, client)));
                device.alone = Some(self.alone.bind(NAMES[user], RESOURCES[resource]));
                device.forget();
            }
            Step::Leave((user, resource)) => {
                let device = &mut self.devices[user][resource];
                if let Some((_, client)) = device.at.take() {
                    client.leave().await;
                }
                device.leave_alone().await;
            }
            Step::Available((user, resource)) => {
                let device = &mut self.devices[user][resource];
                device.available = device.at.is_some();
                device.send("<presence/>").await;
            }
            Step::Unavailable((user, resource)) => {
                let device = &mut self.devices[user][resource];
                device.send("<presence type='unavailable'/>").await;
                device.read();
                device.forget();
            }
            Step::Change(user, all) => {
                self.rosters[user] = all;
                let roster = roster(user, all);
                self.all.set(NAMES[user], &roster);
                self.alone.host.change(NAMES[user], roster.clone()).await;
                self.all.change(NAMES[user], &roster).await;
            }
            Step::Kill(node) => {
                self.all.kill(node);
                self.replaced.retain(|(at, _)| *at != node);
                for device in self.devices.iter_mut().flatten() {
                    if device.at.as_ref().is_some_and(|(at, _)| *at == node) {
                        device.at = None;
                        device.leave_alone().await;
                    }
                }
            }
            Step::Start(node) => {
                if self.all.nodes[node].is_none() {
                    self.all.start(node);
                    for (user, name) in NAMES.iter().enumerate() {
                        self.all.set(name, &roster(user, self.rosters[user]));
                    }
                }
            }
            Step::LiveAgain(node) => self.all.live_again(node),
            Step::Members => self.all.members(),
            Step::Shun(one, other) => self.all.shun(one, other),
            Step::Cut(one, other, cut) => self.all.cut((one, other), cut),
            Step::Deliver(pair, count) => {
                for number in 0..count {
                    let busy = self.all.busy();
                    if let Some(pair) = busy.get(pair.wrapping_add(number) % busy.len().max(1)) {
                        self.all.deliver(*pair);
                    }
                }
            }
            Step::Settle => self.all.settle().await,
            Step::Pass => tokio::time::sleep(Duration::from_millis(700)).await,
        }
    }

    /// Nothing is lost any more, and all know of all.
    async fn end(&mut self) {
        for pair in (0..NODES).flat_map(|one| (0..NODES).map(move |other| (one, other))) {
            self.all.cut(pair, false);
        }
        self.all.members();
        self.pass().await;
        // Whoever never heard of the session that took the address, and that has left since, has kept it.
        for (_, old) in &self.replaced {
            if !self.devices.iter().flatten().any(|device| device.has(old.session.jid())) {
                old.leave().await;
            }
        }
        self.pass().await;
    }

    async fn pass(&self) {
        for _ in 0..80 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            self.all.settle().await;
        }
    }

    async fn check(&mut self, exactly: bool, case: &str) {
        self.devices.iter_mut().flatten().for_each(Device::read);
        for (node, client) in &self.replaced {
            if !self.devices.iter().flatten().any(|device| device.has(client.session.jid())) {
                continue;
            }
            let end = tokio::time::timeout(Duration::from_millis(1), client.outgoing.ended()).await;
            assert_eq!(end, Ok(SessionEnd::Replaced), "{case}: two have {} (node {node})", client.session.jid());
        }
        for (user, resource) in (0..NAMES.len()).flat_map(|user| (0..2).map(move |resource| (user, resource))) {
            let device = &self.devices[user][resource];
            let case = format!("{case}: {}/{}", NAMES[user], RESOURCES[resource]);
            if !device.available {
                assert!(device.seen.is_empty(), "{case} is not available and sees {:?}", device.seen);
                continue;
            }
            if exactly {
                assert_eq!(device.seen, device.seen_alone, "{case}, at nodes and alone");
            }
            for (other, number) in (0..NAMES.len()).flat_map(|user| (0..2).map(move |resource| (user, resource))) {
                let address = format!("{}@{DOMAIN}/{}", NAMES[other], RESOURCES[number]);
                let here = self.devices[other][number].available;
                let shows = other == user || shares(ALL[self.rosters[other][user]]);
                let wants = other == user || asks(ALL[self.rosters[user][other]]);
                for (how, seen) in [("at nodes", &device.seen), ("alone", &device.seen_alone)] {
                    let seen = seen.contains(&address);
                    assert!(!seen || (here && shows), "{case} sees {address} {how}");
                    assert!(seen || !(here && shows && wants), "{case} does not see {address} {how}");
                }
            }
        }
    }
}

fn roster(user: usize, all: [usize; 3]) -> Vec<Contact> {
    let others = NAMES.iter().zip(all).enumerate().filter(|(other, _)| *other != user);
    others.filter_map(|(_, (name, which))| ALL[which].map(|one: Subscription| contact(name, one))).collect()
}

async fn play(steps: Vec<Step>, calm: bool) {
    let (all, alone) = (nodes(NODES).await, world());
    let rosters = [[4; 3]; 3];
    for (user, name) in NAMES.iter().enumerate() {
        all.set(name, &roster(user, rosters[user]));
        alone.host.set(name, roster(user, rosters[user]));
    }
    let mut play = Play { all, alone, devices: Default::default(), rosters, replaced: Vec::new() };
    for (number, step) in steps.iter().enumerate() {
        // Who begins anew is told of those, too, who would only be heard of when they have something to say.
        if calm && matches!(step, Step::Shun(..) | Step::Cut(..) | Step::LiveAgain(_)) {
            continue;
        }
        play.step(step).await;
        if calm {
            if matches!(step, Step::Kill(_) | Step::Start(_)) {
                play.all.members();
            }
            play.all.settle().await;
            play.check(true, &format!("after step {number}, {step:?}")).await;
        }
    }
    play.end().await;
    play.check(calm, "in the end").await;
}

fn run(steps: Vec<Step>, calm: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(play(steps, calm));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn three_nodes_show_what_one_would(steps in steps()) {
        run(steps, true);
    }

    #[test]
    fn whatever_is_lost_delayed_or_dies_the_rosters_decide_in_the_end(steps in steps()) {
        run(steps, false);
    }
}
