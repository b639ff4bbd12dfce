//! Roster gets (RFC 6121 section 2.1.3), with and without a version (section 2.6).
//!
//! Each get asks the source in a task of its own, so that one made later is not tied to a request that hangs; so does presence
//! that is sent before the first get. The answer is queued under the lock, from the newest roster there is, so every change is
//! either in the answer or pushed after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minidom::Element;
use roster_model::{Contact, ContactRef, Subscription};
use tracing::debug;

use super::Domain;
use super::session::Session;
use super::stanza::{self, Attr, Condition, ROSTER, set};
use super::view::View;
use super::world::{Interest, Resource, World};

/// Gets one session may have open at once. A client has one; more only cost memory.
const MAX_OPEN_GETS: usize = 8;
/// The items of an answer are made outside the lock. If the roster changes meanwhile they are made again, the last time under
/// the lock.
const ATTEMPTS: usize = 3;

impl Domain {
    /// A roster get to the user's own account. It is answered exactly once, unless the session ends first.
    pub(super) fn roster_get(self: &Arc<Self>, session: &Arc<Session>, get: Element) {
        let mut world = self.world.write();
        let Some(resource) = world.resource(session) else { return };
        if resource.gets.len() >= MAX_OPEN_GETS {
            drop(world);
            let text = "too many roster requests are open";
            if let Some(reply) = stanza::error_with_text(&get, session.address(), Condition::ResourceConstraint, text) {
                session.send(reply);
            }
            return;
        }
        self.begin_fetch(resource, Some(get));
    }

    /// Asks the source: for the session's `get`, or because it has sent presence, unless that is being done.
    pub(super) fn begin_fetch(self: &Arc<Self>, resource: &mut Resource, get: Option<Element>) {
        if get.is_none() && resource.fetching.load(Ordering::Relaxed) > 0 {
            return;
        }
        let number = self.number();
        resource.gets.extend(get.map(|get| (number, get)));
        resource.attached = true;
        resource.fetching.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(Arc::clone(self).fetch(Arc::clone(&resource.session), number, Arc::clone(&resource.fetching)));
    }

    /// Asks the source and answers whatever the session has asked meanwhile.
    async fn fetch(self: Arc<Self>, session: Arc<Session>, number: u64, fetching: Arc<AtomicUsize>) {
        let connected = tokio::select! {
            biased;
            () = session.ended.cancelled() => None,
            result = self.rosters.connect(session.user(), session.source_id()) => Some(result),
        };
        match connected {
            None => {}
            Some(Ok(snapshot)) => {
                let view = Arc::new(View::new(snapshot));
                self.advance(&mut self.world.write(), session.user(), view, None);
                self.answer(&session);
            }
            Some(Err(error)) => {
                // The source has logged why, once for all who wait for this roster.
                debug!(session = session.address(), %error, "the roster cannot be had");
                self.disappoint(&session, number);
            }
        }
        // Under the lock: whoever removes the session meanwhile leaves the farewell to the last of its tasks.
        let mut world = self.world.write();
        let last = fetching.fetch_sub(1, Ordering::Relaxed) == 1;
        let gone = session.ended.is_cancelled() && world.resource(&session).is_none();
        drop(world);
        if last && gone {
            self.rosters.disconnect(session.user(), session.source_id());
        }
    }

    /// Answers the open gets from the newest roster.
    fn answer(&self, session: &Session) {
        for attempt in 1..=ATTEMPTS {
            let view = self.world.read().users.get(session.user()).and_then(|user| user.roster.clone());
            let Some(view) = view else { return };
            let items = (attempt < ATTEMPTS).then(|| items(&view));
            let mut world = self.world.write();
            if self.answer_from(&mut world, session, &view, items) {
                return;
            }
        }
    }

    /// Queues the answers, unless the roster is no longer `expected` and `items`, made of that, are given.
    fn answer_from(
        &self,
        world: &mut World,
        session: &Session,
        expected: &Arc<View>,
        made: Option<Vec<Element>>,
    ) -> bool {
        let Some(user) = world.users.get_mut(session.user()) else { return true };
        let Some(view) = user.roster.clone() else { return true };
        if made.is_some() && !Arc::ptr_eq(&view, expected) {
            return false;
        }
        let mut made = made.unwrap_or_else(|| items(&view));
        let version = view.version();
        let Some(resource) = user.resources.iter_mut().find(|one| one.session.number == session.number) else {
            return true;
        };
        let gets = std::mem::take(&mut resource.gets);
        let last = gets.len().saturating_sub(1);
        for (place, (_, get)) in gets.iter().enumerate() {
            let asked = get.get_child("query", ROSTER).and_then(|query| query.attr("ver"));
            resource.interest = Interest::Has { version, versioned: asked.is_some() };
            let known = asked.and_then(|asked| self.read_version(asked));
            let changed =
                known.and_then(|known| Some((known, user.history.since(known).filter(|_| known <= version)?)));
            let mut result = stanza::result(get, session.address());
            match changed {
                // Only what has changed, unless that is more than the roster.
                Some((known, changed)) if changed.len() <= view.contacts().len() => {
                    session.send(result);
                    let _ = session.outbound.send_batch(self.catch_up(&view, known, &changed).into());
                }
                _ => {
                    let mut query = Element::bare("query", ROSTER);
                    if asked.is_some() {
                        set(&mut query, Attr::Ver, &self.version_text(version));
                    }
                    // Several gets at once are rare; all but the last have to copy.
                    let items = if place == last { std::mem::take(&mut made) } else { made.clone() };
                    for item in items {
                        query.append_child(item);
                    }
                    result.append_child(query);
                    session.send(result);
                }
            }
        }
        true
    }

    /// The source has no roster now. `wait`, with `resource-constraint`: of the conditions that stand for a passing lack it is
    /// the one that claims nothing false (`remote-server-timeout` is about the server of an address, `internal-server-error` is
    /// of the type `cancel`). The session stays, and asks again when it likes.
    ///
    /// Gets that were made later have a task of their own, which may still succeed.
    fn disappoint(&self, session: &Session, number: u64) {
        let mut world = self.world.write();
        let Some(resource) = world.resource(session) else { return };
        if resource.interest == Interest::None && !resource.gets.is_empty() {
            resource.interest = Interest::Disappointed;
        }
        let text = "the roster cannot be had at the moment";
        let own = resource.gets.extract_if(.., |(one, _)| *one == number).map(|(_, get)| get);
        for get in own.collect::<Vec<_>>() {
            if let Some(reply) = stanza::error_with_text(&get, session.address(), Condition::ResourceConstraint, text) {
                session.send(reply);
            }
        }
    }

    /// A version as clients see it: opaque, of this process and no other.
    pub(super) fn version_text(&self, version: u64) -> String {
        format!("{}-{version}", self.epoch)
    }

    fn read_version(&self, text: &str) -> Option<u64> {
        text.strip_prefix(&*self.epoch)?.strip_prefix('-')?.parse().ok()
    }
}

fn items(view: &View) -> Vec<Element> {
    view.contacts().iter().map(|contact| item(&contact)).collect()
}

/// `<item/>` (RFC 6121 section 2.1.2) of a contact in a roster.
pub(super) fn item(contact: &ContactRef<'_>) -> Element {
    let mut item = head(contact.jid, contact.name, contact.subscription, contact.ask);
    for group in contact.groups() {
        item.append_child(stanza::with_text("group", ROSTER, group));
    }
    item
}

/// `<item/>` of a contact that has changed.
pub(super) fn changed_item(contact: &Contact) -> Element {
    let mut item = head(&contact.jid, contact.name.as_deref(), contact.subscription, contact.ask);
    for group in &contact.groups {
        item.append_child(stanza::with_text("group", ROSTER, group));
    }
    item
}

fn head(jid: &str, name: Option<&str>, subscription: Subscription, ask: bool) -> Element {
    let mut item = Element::bare("item", ROSTER);
    set(&mut item, Attr::Jid, jid);
    if let Some(name) = name {
        set(&mut item, Attr::Name, name);
    }
    let subscription = match subscription {
        Subscription::None => "none",
        Subscription::To => "to",
        Subscription::From => "from",
        Subscription::Both => "both",
    };
    set(&mut item, Attr::Subscription, subscription);
    if ask {
        set(&mut item, Attr::Ask, "subscribe");
    }
    item
}
