//! Random schedules: logins, changes, refreshes, cuts, kills, and a network that loses, doubles and delays; then calm, and everybody has
//! to have what the application has.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::network::{Random, Weather};
use super::{CALM, TIMEOUT, World, user};
use crate::model::Username;

const NAMES: [&str; 3] = ["a", "b", "c"];
const USERS: u64 = 6;
const STEPS: u64 = 40;
/// How many in a run of all tests.
const SCHEDULES: u64 = 1000;
/// Others that have found something. What happens at one instant is in another order each time, so not each does so always.
const FOUND: [u64; 5] = [116127305358379, 12757355508842, 110170621397410, 271215847237, 139113697804177];

/// When something was wrong with each node last.
struct Troubles(BTreeMap<&'static str, Instant>);

impl Troubles {
    fn at(&mut self, name: &'static str) {
        self.0.insert(name, Instant::now());
    }

    /// Whether nothing has been for so long that the node must be among the others, and that since `since`.
    fn none(&self, name: &str, since: Instant) -> bool {
        self.0.get(name).is_none_or(|at| *at + TIMEOUT * 3 < since)
    }
}

async fn schedule(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let weather = Weather {
        lost: [0, 50, 10][random.below(3) as usize],
        twice: [0, 20][random.below(2) as usize],
        slowest: [3, 30, 150][random.below(3) as usize],
    };
    let mut world = World::new(seed, weather);
    let mut troubles = Troubles(BTreeMap::new());
    let mut cut: BTreeSet<&'static str> = BTreeSet::new();
    let mut down = false;
    for name in NAMES {
        world.start(name);
        troubles.at(name);
    }
    world.application.fail([0, 0, 10][random.below(3) as usize]);
    for _ in 0..STEPS {
        let name = NAMES[random.below(3) as usize];
        let john = user(random.below(USERS));
        match random.below(20) {
            0..=5 => {
                if let Some(node) = world.nodes.get(name) {
                    let login = world.login(name, &john).await;
                    // Refused, and the client goes away.
                    if login.is_none() {
                        node.here.disconnect_all(&john);
                    }
                }
            }
            6 => {
                if let Some(node) = world.nodes.get(name) {
                    node.here.disconnect_all(&john);
                    node.clients.logged_out(&john);
                }
            }
            7..=13 => refresh(&world, &mut random, name, &troubles, down).await?,
            14 if !cut.contains(name) && cut.is_empty() => {
                cut.insert(name);
                world.network.cut(name, true);
                troubles.at(name);
            }
            14 | 15 => {
                for name in std::mem::take(&mut cut) {
                    world.network.cut(name, false);
                    troubles.at(name);
                }
            }
            16 => {
                if world.nodes.contains_key(name) {
                    world.kill(name);
                } else {
                    world.start(name);
                }
                troubles.at(name);
            }
            17 => {
                down = !down && random.one_in(2);
                world.network.down(down);
                NAMES.into_iter().for_each(|name| troubles.at(name));
            }
            _ => sleep(Duration::from_millis(random.below(3 * TIMEOUT.as_millis() as u64))).await,
        }
        // What is wrong goes on being wrong.
        cut.iter().for_each(|name| troubles.at(name));
        if down {
            NAMES.into_iter().for_each(|name| troubles.at(name));
        }
        for name in NAMES.into_iter().filter(|name| !world.nodes.contains_key(name)) {
            troubles.at(name);
        }
        never_back(&world)?;
    }
    end(&mut world).await
}

fn never_back(world: &World) -> Result<(), String> {
    for (name, node) in &world.nodes {
        if let Some(first) = node.clients.went_back().first() {
            return Err(format!("a client at {name} was told something older: {first}"));
        }
    }
    Ok(())
}

/// Some rosters change, and a node is told so.
async fn refresh(
    world: &World,
    random: &mut Random,
    name: &'static str,
    troubles: &Troubles,
    down: bool,
) -> Result<(), String> {
    if !world.nodes.contains_key(name) {
        return Ok(());
    }
    let users: Vec<Username> = (0..USERS).filter(|_| random.one_in(2)).map(user).collect();
    let versions: Vec<u64> = users.iter().map(|user| world.application.change(user)).collect();
    let began = Instant::now();
    // Who is here, has a roster, and whose owner knows of it.
    let mut live = BTreeSet::new();
    for (at, node) in &world.nodes {
        for user in &users {
            if node.clients.version(user).is_some() && node.cluster.hosts()[0].holder.is_registered(user) {
                live.insert((*at, user.clone()));
            }
        }
    }
    let result = world.refresh(name, users.clone()).await;
    if began.elapsed() > Duration::from_secs(21) {
        return Err(format!("a refresh took {:?}", began.elapsed()));
    }
    let Ok(spread) = result else {
        return match !down && NAMES.iter().all(|name| troubles.none(name, began)) {
            true => Err(format!("a refresh is refused although nothing is wrong: {result:?}")),
            false => Ok(()),
        };
    };
    for (user, version) in users.iter().zip(versions) {
        if spread.failed.contains(user) {
            continue;
        }
        for (at, node) in &world.nodes {
            // Cut off, it is taken for gone, and catches up when it is back.
            let counts = live.contains(&(*at, user.clone())) && troubles.none(at, began);
            let has = node.clients.version(user);
            if counts && has.is_some_and(|has| has < version) {
                return Err(format!("{user} at {at} has {has:?}, and a refresh was answered for {version}"));
            }
        }
    }
    Ok(())
}

/// All is well again: everybody has what the application has.
async fn end(world: &mut World) -> Result<(), String> {
    world.network.heal(CALM);
    world.application.fail(0);
    for name in NAMES {
        if !world.nodes.contains_key(name) {
            world.start(name);
        }
    }
    world.ready(NAMES.len()).await;
    sleep(TIMEOUT * 2).await;
    let users: Vec<Username> = (0..USERS).map(user).collect();
    let spread = world.refresh("a", users.clone()).await.map_err(|error| error.to_string())?;
    if !spread.failed.is_empty() {
        return Err(format!("in calm weather a refresh fails for {:?}", spread.failed));
    }
    for (name, node) in &world.nodes {
        for user in &users {
            let (has, wanted) = (node.clients.version(user), world.application.version(user));
            if has.is_some_and(|has| has != wanted) {
                return Err(format!("{user} at {name} ends with {has:?} and not {wanted}"));
            }
        }
    }
    never_back(world)
}

fn run(seed: u64) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(schedule(seed))
}

#[test]
fn whatever_happens_to_nodes_and_network_clients_end_with_the_rosters_of_the_application() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("CLUSTER_SEED") {
        return run(seed).unwrap();
    }
    // The same ones with every change; as many others as are asked for.
    let seeds: Box<dyn Iterator<Item = u64>> = match number("CLUSTER_SCHEDULES") {
        None => Box::new((0..SCHEDULES).chain(FOUND)),
        Some(schedules) => {
            let first = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) >> 16;
            Box::new((0..schedules).map(move |n| first + n))
        }
    };
    for seed in seeds {
        if let Err(broken) = run(seed) {
            panic!("{broken}; again: CLUSTER_SEED={seed}");
        }
    }
}
