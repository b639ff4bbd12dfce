//! A source of rosters that does as it is told, and a client without a connection.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use roster_model::{Change, Contact, Contacts, EventKind, RosterEvent, Snapshot, Subscription, Username};
use roster_xmpp::outbound::{Outgoing, SessionEnd, queue};
use roster_xmpp::{Domain, DomainOptions, Element, RosterSource, RosterUnavailable, Session};
use tokio::sync::watch;

/// The domain of all tests.
pub const DOMAIN: &str = "x.example";
/// How long a test waits for what must come.
const TIMEOUT: Duration = Duration::from_secs(30);

pub fn user(name: &str) -> Username {
    Username::new(name).unwrap()
}

/// A contact of the domain with a subscription.
pub fn contact(name: &str, subscription: Subscription) -> Contact {
    Contact { jid: format!("{name}@{DOMAIN}"), name: None, subscription, ask: false, groups: vec![] }
}

/// All a roster can say of somebody.
pub const ALL: [Option<Subscription>; 5] =
    [None, Some(Subscription::None), Some(Subscription::To), Some(Subscription::From), Some(Subscription::Both)];

/// A contact with this subscription sees the owner's presence.
pub fn shares(own: Option<Subscription>) -> bool {
    matches!(own, Some(Subscription::From | Subscription::Both))
}

/// The owner has asked for the presence of a contact with this subscription.
pub fn asks(own: Option<Subscription>) -> bool {
    matches!(own, Some(Subscription::To | Subscription::Both))
}

/// Contacts with `both`.
pub fn friends(names: &[&str]) -> Vec<Contact> {
    names.iter().map(|name| contact(name, Subscription::Both)).collect()
}

/// Plays the host: keeps rosters, tells the domain of changes.
pub struct Host {
    domain: OnceLock<Weak<Domain>>,
    state: Mutex<State>,
    held: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    application: HashMap<Username, Vec<Contact>>,
    store: HashMap<Username, Arc<Snapshot>>,
    version: u64,
    connected: BTreeSet<String>,
    asked: usize,
    failing: bool,
}

impl Host {
    /// What the application says from now on, without telling anybody.
    pub fn set(&self, name: &str, contacts: Vec<Contact>) {
        self.state.lock().application.insert(user(name), contacts);
    }

    /// From now on fetches fail, or do not.
    pub fn fail(&self, failing: bool) {
        self.state.lock().failing = failing;
    }

    /// From now on connects wait, or do not.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// How often the application was asked.
    pub fn asked(&self) -> usize {
        self.state.lock().asked
    }

    /// The sessions that have connected and not left, as `user source-id`.
    pub fn connected(&self) -> Vec<String> {
        self.state.lock().connected.iter().cloned().collect()
    }

    /// The application's roster changes and a refresh finds it out.
    pub async fn change(&self, name: &str, contacts: Vec<Contact>) {
        self.set(name, contacts);
        self.refresh(name).await;
    }

    pub async fn refresh(&self, name: &str) {
        let Some(event) = self.stored_change(name) else { return };
        self.domain().roster_event(&event).await;
    }

    /// The store takes the application's roster; the event is for later.
    pub fn stored_change(&self, name: &str) -> Option<RosterEvent> {
        let mut state = self.state.lock();
        let name = user(name);
        let old = Arc::clone(state.store.get(&name)?);
        let new = state.application.get(&name).cloned().unwrap_or_default();
        let mut changes: Vec<Change> = old
            .contacts()
            .iter()
            .filter(|old| new.iter().all(|new| new.jid != old.jid))
            .map(|old| Change::Remove(old.jid.to_owned()))
            .collect();
        changes.extend(new.into_iter().map(Change::Put));
        let (contacts, changes) = old.contacts().apply(changes, 100_000).unwrap();
        if changes.is_empty() {
            return None;
        }
        let snapshot = state.store_contacts(&name, contacts);
        Some(event(&name, EventKind::Changed { before: Arc::clone(&snapshot), snapshot, changes: changes.into() }))
    }

    /// The host forgets the roster.
    pub async fn drop_roster(&self, name: &str) {
        let name = user(name);
        let dropped = self.state.lock().store.remove(&name);
        if let Some(dropped) = dropped {
            self.domain().roster_event(&event(&name, EventKind::Dropped { version: dropped.version() })).await;
        }
    }

    fn domain(&self) -> Arc<Domain> {
        self.domain.get().unwrap().upgrade().unwrap()
    }
}

impl State {
    fn store_contacts(&mut self, name: &Username, contacts: Contacts) -> Arc<Snapshot> {
        self.version += 1;
        let snapshot = Arc::new(Snapshot::new(self.version, None, contacts));
        self.store.insert(name.clone(), Arc::clone(&snapshot));
        snapshot
    }
}

fn event(name: &Username, kind: EventKind) -> RosterEvent {
    RosterEvent { domain: DOMAIN.into(), user: name.clone(), kind }
}

#[async_trait]
impl RosterSource for Host {
    async fn connect(&self, name: &Username, session: &str) -> Result<Arc<Snapshot>, RosterUnavailable> {
        self.state.lock().connected.insert(format!("{name} {session}"));
        let mut held = self.held.subscribe();
        held.wait_for(|held| !held).await.unwrap();
        let snapshot = {
            let mut state = self.state.lock();
            if let Some(stored) = state.store.get(name) {
                return Ok(Arc::clone(stored));
            }
            state.asked += 1;
            if state.failing {
                return Err(RosterUnavailable { reason: "told to fail".into() });
            }
            let contacts = state.application.get(name).cloned().unwrap_or_default();
            state.store_contacts(name, Contacts::pack(&contacts, 100_000).unwrap())
        };
        self.domain().roster_event(&event(name, EventKind::Loaded(Arc::clone(&snapshot)))).await;
        Ok(snapshot)
    }

    fn disconnect(&self, name: &Username, session: &str) {
        self.state.lock().connected.remove(&format!("{name} {session}"));
    }

    fn cached(&self, name: &Username) -> Option<Arc<Snapshot>> {
        self.state.lock().store.get(name).cloned()
    }
}

/// A domain with a host.
pub struct World {
    pub domain: Arc<Domain>,
    pub host: Arc<Host>,
}

pub fn world() -> World {
    world_with(|_| {})
}

pub fn world_with(adjust: impl FnOnce(&mut DomainOptions)) -> World {
    world_of(adjust, Domain::new)
}

/// As `new` makes it.
pub fn world_of(
    adjust: impl FnOnce(&mut DomainOptions),
    new: impl FnOnce(DomainOptions, Arc<dyn RosterSource>) -> Arc<Domain>,
) -> World {
    let host = Arc::new(Host { domain: OnceLock::new(), state: Mutex::default(), held: watch::Sender::new(false) });
    let mut options = DomainOptions::new(DOMAIN.parse().unwrap());
    adjust(&mut options);
    let domain = new(options, Arc::clone(&host) as Arc<dyn RosterSource>);
    host.domain.set(Arc::downgrade(&domain)).unwrap();
    World { domain, host }
}

impl World {
    /// Binds `name/resource`.
    pub fn bind(&self, name: &str, resource: &str) -> Client {
        self.bind_with_queue(name, resource, 1000)
    }

    pub fn bind_with_queue(&self, name: &str, resource: &str, capacity: usize) -> Client {
        let (outbound, outgoing) = queue(capacity);
        let session = self.domain.bind(&user(name), Some(resource), outbound).unwrap();
        Client { domain: Arc::clone(&self.domain), session, outgoing }
    }

    /// Until the application was asked `times` times.
    pub async fn asked(&self, times: usize) {
        while self.host.asked() < times {
            tokio::task::yield_now().await;
        }
    }

    /// Binds, gets the roster, becomes available; nothing is left to read.
    pub async fn arrive(&self, name: &str, resource: &str) -> Client {
        let mut client = self.bind(name, resource);
        client.get_roster(None).await;
        client.send("<presence/>").await;
        client.drain();
        client
    }
}

/// One session and what comes out of it.
pub struct Client {
    pub domain: Arc<Domain>,
    pub session: Arc<Session>,
    pub outgoing: Outgoing,
}

impl Client {
    pub async fn send(&self, xml: &str) {
        self.domain.stanza(&self.session, element(xml)).await;
    }

    pub async fn leave(&self) {
        self.domain.leave(&self.session).await;
    }

    /// The next stanza, waited for.
    pub async fn next(&mut self) -> Element {
        let next = tokio::time::timeout(TIMEOUT, self.outgoing.next()).await;
        (*next.expect("a stanza should have come").expect("the queue is open")).clone()
    }

    /// Everything that is queued.
    pub fn drain(&mut self) -> Vec<Element> {
        std::iter::from_fn(|| self.outgoing.try_next()).map(|stanza| (*stanza).clone()).collect()
    }

    /// Everything that is queued, in short: `john@x.example/a` for presence, with `gone` or `late` before it.
    pub fn seen(&mut self) -> Vec<String> {
        self.drain().iter().map(short).collect()
    }

    pub async fn ended(&self) -> SessionEnd {
        tokio::time::timeout(TIMEOUT, self.outgoing.ended()).await.expect("the session should have ended")
    }

    /// Asks for the roster and waits for the answer, which must be the next thing that comes.
    pub async fn get_roster(&mut self, version: Option<&str>) -> Element {
        self.send(&get("r", version)).await;
        let answer = self.next().await;
        assert_eq!((answer.name(), answer.attr("id")), ("iq", Some("r")), "{answer:?}");
        answer
    }
}

pub fn get(id: &str, version: Option<&str>) -> String {
    let version = version.map(|version| format!(" ver='{version}'")).unwrap_or_default();
    format!("<iq type='get' id='{id}'><query xmlns='jabber:iq:roster'{version}/></iq>")
}

/// A stanza as a client would write it.
pub fn element(xml: &str) -> Element {
    Element::from_reader_with_prefixes(xml.as_bytes(), "jabber:client".to_owned()).unwrap()
}

/// Without attributes that differ from run to run: the `id` of pushes.
pub fn without_id(mut stanza: Element) -> Element {
    stanza.attrs_mut().remove(&rxml::Namespace::NONE, "id");
    stanza
}

pub fn short(stanza: &Element) -> String {
    let from = stanza.attr("from").unwrap_or("-");
    match stanza.name() {
        "presence" => match stanza.attr("type") {
            None if stanza.has_child("delay", "urn:xmpp:delay") => format!("late {from}"),
            None => from.to_owned(),
            Some("unavailable") => format!("gone {from}"),
            Some(other) => format!("{other} {from}"),
        },
        "iq" if stanza.attr("type") == Some("set") => {
            let item = stanza.children().next().and_then(|query| query.children().next()).unwrap();
            format!("push {} {}", item.attr("jid").unwrap(), item.attr("subscription").unwrap())
        }
        name => format!("{name} {}", stanza.attr("type").unwrap_or("normal")),
    }
}

/// The condition of an error.
pub fn condition(stanza: &Element) -> String {
    let error = stanza.children().find(|child| child.name() == "error");
    let error = error.unwrap_or_else(|| panic!("not an error: {stanza:?}"));
    format!("{} {}", error.attr("type").unwrap(), error.children().next().unwrap().name())
}
