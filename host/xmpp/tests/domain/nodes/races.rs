//! Everything at once on several threads, over a bus that loses what finds no room: nobody waits for anybody for ever, and in the
//! end all see each other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use roster_xmpp::Domain;
use roster_xmpp::domain::nodes::{Cluster, LiveNode, Nodes};
use tokio::sync::mpsc;

use crate::support::{Client, World, friends, world_of};

const NODES: usize = 3;
const USERS: usize = 12;
const ROUNDS: usize = 150;

/// Messages that may be on their way from one node to another.
const ROOM: usize = 32;

type Inbox = OnceLock<mpsc::Sender<Bytes>>;

struct Bus {
    from: usize,
    /// By sender and receiver.
    inboxes: Arc<BTreeMap<(usize, String), Inbox>>,
    lost: Arc<AtomicUsize>,
}

impl Nodes for Bus {
    fn send(&self, node: &str, message: Bytes) {
        let inbox = self.inboxes.get(&(self.from, node.to_owned())).and_then(OnceLock::get);
        if inbox.unwrap().try_send(message).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn start() -> (Vec<World>, Arc<AtomicUsize>) {
    let lost = Arc::<AtomicUsize>::default();
    let name = |node: usize| format!("n{node}");
    let pairs = (0..NODES).flat_map(|from| (0..NODES).map(move |to| (from, to)));
    let inboxes = pairs.clone().map(|(from, to)| ((from, name(to)), Inbox::default()));
    let inboxes: Arc<BTreeMap<_, _>> = Arc::new(inboxes.collect());
    let node = |from: usize| {
        let nodes = Arc::new(Bus { from, inboxes: Arc::clone(&inboxes), lost: Arc::clone(&lost) });
        let cluster = Cluster { node: name(from), incarnation: 1, address: None, nodes };
        world_of(|_| {}, |options, rosters| Domain::clustered(options, rosters, cluster))
    };
    let worlds: Vec<World> = (0..NODES).map(node).collect();
    for (from, to) in pairs {
        let (sender, mut messages) = mpsc::channel::<Bytes>(ROOM);
        inboxes[&(from, name(to))].set(sender).unwrap();
        let domain = Arc::clone(&worlds[to].domain);
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                domain.from_node(&name(from), &message);
            }
        });
    }
    let live: Vec<LiveNode> = (0..NODES).map(|node| LiveNode { name: name(node), incarnation: 1 }).collect();
    worlds.iter().for_each(|world| world.domain.nodes_changed(&live));
    (worlds, lost)
}

/// What a busy client does.
async fn busy(mut client: Client, number: usize, rosters: Arc<Vec<World>>) -> Client {
    for round in 0..ROUNDS {
        let other = (number + round) % USERS;
        match round % 6 {
            0 => client.send("<presence/>").await,
            1 => client.send(&format!("<message to='u{other}@x.example' type='chat'><body>x</body></message>")).await,
            2 => client.send(&format!("<message to='u{other}@x.example/r' type='chat'><body>x</body></message>")).await,
            3 => client.send(&format!("<presence type='probe' to='u{other}@x.example'/>")).await,
            4 if round % 12 == 4 => client.send("<presence type='unavailable'/>").await,
            4 => {
                let name = format!("u{number}");
                let without: Vec<String> = (0..USERS).filter(|n| n % 5 != round % 5).map(|n| format!("u{n}")).collect();
                let without: Vec<&str> = without.iter().map(String::as_str).collect();
                rosters[number % NODES].host.change(&name, friends(&without)).await;
            }
            _ => client.send("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>").await,
        }
        if round % 10 == 0 {
            client.drain();
            tokio::task::yield_now().await;
        }
    }
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_race_and_end_up_agreeing() {
    let (worlds, lost) = start();
    let worlds = Arc::new(worlds);
    let all: Vec<String> = (0..USERS).map(|number| format!("u{number}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut tasks = Vec::new();
    for (number, name) in all.iter().enumerate() {
        let world = &worlds[number % NODES];
        world.host.set(name, friends(&all));
        let client = world.bind_with_queue(name, "r", 100_000);
        tasks.push(tokio::spawn(busy(client, number, Arc::clone(&worlds))));
    }
    let mut clients = Vec::new();
    for (number, task) in tasks.into_iter().enumerate() {
        let client = task.await.unwrap();
        worlds[number % NODES].host.change(all[number], friends(&all)).await;
        clients.push(client);
    }
    for client in &clients {
        client.send("<presence type='unavailable'/>").await;
    }
    for client in &clients {
        client.send("<presence/>").await;
    }
    let start = Instant::now();
    let mut seen: Vec<BTreeMap<String, bool>> = vec![BTreeMap::new(); USERS];
    while seen.iter().any(|seen| seen.values().filter(|here| **here).count() < USERS) {
        assert!(start.elapsed() < Duration::from_secs(60), "{seen:?}");
        for (client, seen) in clients.iter_mut().zip(&mut seen) {
            for stanza in client.drain().iter().filter(|stanza| stanza.name() == "presence") {
                seen.insert(stanza.attr("from").unwrap().to_owned(), stanza.attr("type").is_none());
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(lost.load(Ordering::Relaxed) > 0, "there was room for everything, so nothing was made up for");
}
