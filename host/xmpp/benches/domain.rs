//! What a refresh of everybody costs the endpoint, without sockets: 2,000 sessions with 100 contacts each.
//!
//! `cargo bench -p roster-xmpp`. Each figure is for one round over all users.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use roster_model::{Change, Contact, Contacts, EventKind, RosterEvent, Snapshot, Subscription, Username};
use roster_xmpp::outbound::{Outgoing, queue};
use roster_xmpp::{Domain, DomainOptions, Element, RosterSource, RosterUnavailable, Session};

const USERS: usize = 2000;
const CONTACTS: usize = 100;

struct Fixed;

fn jid(user: usize) -> String {
    format!("user{}@x.example", user % USERS)
}

fn contact_of(jid: String) -> Contact {
    let groups = vec!["Friends".into()];
    Contact { jid, name: None, subscription: Subscription::Both, ask: false, groups }
}

fn contact(user: usize) -> Contact {
    Contact { name: Some(format!("User {user}")), ..contact_of(jid(user)) }
}

/// The fifty before and the fifty after, so that friendship is mutual, and `more` beyond.
fn roster(user: usize, version: u64, more: usize) -> Arc<Snapshot> {
    let half = CONTACTS / 2;
    let others = (1..=half).chain(USERS - half..USERS).chain((0..more).map(|n| half + 1 + n));
    let contacts: Vec<_> = others.map(|offset| contact(user + offset)).collect();
    Arc::new(Snapshot::new(version, None, Contacts::pack(&contacts, 1000).unwrap()))
}

#[async_trait]
impl RosterSource for Fixed {
    async fn connect(&self, user: &Username, _session: &str) -> Result<Arc<Snapshot>, RosterUnavailable> {
        Ok(roster(user.as_str()[4..].parse().unwrap(), 1, 0))
    }

    fn disconnect(&self, _user: &Username, _session: &str) {}

    fn cached(&self, _user: &Username) -> Option<Arc<Snapshot>> {
        None
    }
}

struct Client {
    session: Arc<Session>,
    outgoing: Outgoing,
}

fn element(xml: &str) -> Element {
    Element::from_reader_with_prefixes(xml.as_bytes(), "jabber:client".to_owned()).unwrap()
}

async fn everybody(domain: &Arc<Domain>) -> Vec<Client> {
    let mut clients = Vec::new();
    for number in 0..USERS {
        let (outbound, outgoing) = queue(1000);
        let user = Username::new(&format!("user{number}")).unwrap();
        let session = domain.bind(&user, Some("bench"), outbound).unwrap();
        let mut client = Client { session, outgoing };
        domain.stanza(&client.session, element("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")).await;
        client.outgoing.next().await.unwrap();
        domain.stanza(&client.session, element("<presence/>")).await;
        clients.push(client);
    }
    drain(&mut clients);
    clients
}

fn drain(clients: &mut [Client]) -> usize {
    clients.iter_mut().map(|client| std::iter::from_fn(|| client.outgoing.try_next()).count()).sum()
}

fn events(version: u64) -> Vec<RosterEvent> {
    let events = (0..USERS).map(|number| {
        let added = version.is_multiple_of(2);
        let snapshot = roster(number, version, usize::from(added));
        let other = number + CONTACTS / 2 + 1;
        let change = if added { Change::Put(contact(other)) } else { Change::Remove(jid(other)) };
        let user = Username::new(&format!("user{number}")).unwrap();
        RosterEvent {
            domain: "x.example".into(),
            user,
            kind: EventKind::Changed { before: Arc::clone(&snapshot), snapshot, changes: [change].into() },
        }
    });
    events.collect()
}

/// How long somebody else's messages wait at most while a roster of 60,000 contacts changes altogether.
fn large_change() {
    const LARGE: usize = 60_000;
    let large = |version: u64| {
        let contact = |n: usize| Contact { name: Some(format!("{version}")), ..contact_of(format!("c{n}@x.example")) };
        let contacts: Vec<_> = (0..LARGE).map(contact).collect();
        (Arc::new(Snapshot::new(version, None, Contacts::pack(&contacts, LARGE).unwrap())), contacts)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let _context = runtime.enter();
    let domain = Domain::new(DomainOptions::new("x.example".parse().unwrap()), Arc::new(Fixed));
    let [mut owner, mut other] = ["user0", "user1"].map(|name| {
        let (outbound, outgoing) = queue(100_000);
        let session = domain.bind(&Username::new(name).unwrap(), Some("bench"), outbound).unwrap();
        Client { session, outgoing }
    });
    for client in [&mut owner, &mut other] {
        runtime.block_on(async {
            let get = element("<iq type='get' id='1'><query xmlns='jabber:iq:roster' ver=''/></iq>");
            domain.stanza(&client.session, get).await;
            client.outgoing.next().await.unwrap();
            domain.stanza(&client.session, element("<presence/>")).await;
        });
    }
    for (version, what) in [(2, "loaded"), (3, "changed"), (4, "asked for")] {
        let (snapshot, contacts) = large(version);
        let changes: Arc<[Change]> = contacts.into_iter().map(Change::Put).collect();
        let user = Username::new("user0").unwrap();
        let kind = match version {
            3 => EventKind::Changed { before: Arc::clone(&snapshot), snapshot, changes },
            _ => EventKind::Loaded(snapshot),
        };
        let event = RosterEvent { domain: "x.example".into(), user, kind };
        let over = std::sync::atomic::AtomicBool::new(false);
        let waited = std::thread::scope(|scope| {
            let waited = scope.spawn(|| {
                let mut longest = Duration::ZERO;
                let message = element("<message to='user1@x.example/nobody'><body>x</body></message>");
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let began = Instant::now();
                    runtime.block_on(domain.stanza(&other.session, message.clone()));
                    longest = longest.max(began.elapsed());
                    std::thread::sleep(Duration::from_micros(100));
                }
                longest
            });
            std::thread::sleep(Duration::from_millis(20));
            let began = Instant::now();
            runtime.block_on(domain.roster_event(&event));
            println!("a roster of {LARGE} contacts is {what}: {:?}", began.elapsed());
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            waited.join().unwrap()
        });
        println!("  others' messages waited for at most {waited:?}");
        while owner.outgoing.try_next().is_some() {}
    }
}

fn benches(criterion: &mut Criterion) {
    large_change();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let domain = Domain::new(DomainOptions::new("x.example".parse().unwrap()), Arc::new(Fixed));
    let began = Instant::now();
    let mut clients = runtime.block_on(everybody(&domain));
    println!("{USERS} logins with {CONTACTS} contacts: {:?}", began.elapsed());
    let mut version = 1;
    let mut group = criterion.benchmark_group("2000 sessions, 100 contacts");
    group.throughput(Throughput::Elements(USERS as u64)).sample_size(10);
    group.bench_function("one contact added or removed for each", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                version += 1;
                let events = events(version);
                let began = Instant::now();
                for event in &events {
                    runtime.block_on(domain.roster_event(event));
                }
                spent += began.elapsed();
                assert!(drain(&mut clients) >= USERS);
            }
            spent
        });
    });
    group.bench_function("presence of each to a hundred", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                for number in 0..USERS {
                    let stanza = element("<presence><show>away</show><status>at lunch</status></presence>");
                    let began = Instant::now();
                    runtime.block_on(domain.stanza(&clients[number].session, stanza));
                    spent += began.elapsed();
                    if number % 500 == 0 {
                        drain(&mut clients);
                    }
                }
                drain(&mut clients);
            }
            spent
        });
    });
    group.bench_function("a ping of each", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                for client in &clients {
                    let ping = element("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>");
                    let began = Instant::now();
                    runtime.block_on(domain.stanza(&client.session, ping));
                    spent += began.elapsed();
                }
                assert_eq!(drain(&mut clients), USERS);
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
