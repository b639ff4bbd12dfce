//! Roster gets (RFC 6121 section 2.1.3), with and without a version (section 2.6).
//!
//! Each get asks the source in a task of its own, so that one made later is not tied to a request that hangs; so does presence
//! that is sent before the first get. The answer is queued under the lock, from the newest roster there is, so every change is
//! either in the answer or pushed after it.
//!
//! - [`pushes`]: roster changes; [`history`]: roster versions
//! - [`view`]: a roster as presence asks it

pub(in crate::domain) mod history;
mod pushes;
pub(in crate::domain) mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minidom::Element;
use roster_model::{Contact, ContactRef, Subscription};
use tracing::debug;

use self::view::View;
use super::Domain;
use super::session::Session;
use super::stanza::{self, Attr, Condition, JABBER_CLIENT, ROSTER, set};
use super::world::{Interest, Resource};
use crate::outbound::Stanza;
use crate::stream::writer::write_element;

/// Gets one session may have open at once. A client has one; more only cost memory.
const MAX_OPEN_GETS: usize = 8;
/// What an answer weighs that is not written yet, bytes: its head, for the roster is kept anyhow.
const KEPT: usize = 1_000;
/// An item beside the text of its contact, bytes, about.
const ITEM: usize = 40;

/// A roster get that is not answered.
pub(super) struct Get {
    /// No more of it than an answer needs.
    request: Element,
    /// The version it has.
    asked: Option<String>,
}

impl Get {
    fn new(get: &Element) -> Self {
        let query = get.get_child("query", ROSTER);
        let asked = query.and_then(|query| query.attr("ver")).map(str::to_owned);
        let mut request = Element::bare("iq", JABBER_CLIENT);
        for (attr, name) in [(Attr::Type, "type"), (Attr::Id, "id"), (Attr::To, "to")] {
            if let Some(value) = get.attr(name) {
                set(&mut request, attr, value);
            }
        }
        Self { request, asked }
    }
}

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
        self.begin_fetch(resource, Some(Get::new(&get)));
    }

    /// Asks the source: for the session's `get`, or because it has sent presence, unless that is being done.
    pub(super) fn begin_fetch(self: &Arc<Self>, resource: &mut Resource, get: Option<Get>) {
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
                self.advance(session.user(), snapshot, None).await;
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

    /// Answers the open gets from the newest roster. What is queued is the roster and not its text, which is made when it is
    /// written: rosters are long, and their owner has asked for them.
    fn answer(&self, session: &Session) {
        let mut world = self.world.write();
        let Some(user) = world.users.get_mut(session.user()) else { return };
        let Some(view) = user.roster.clone() else { return };
        let version = view.version();
        let Some(resource) = user.resources.iter_mut().find(|one| one.session.number == session.number) else {
            return;
        };
        for (_, get) in std::mem::take(&mut resource.gets) {
            let Get { request, asked } = get;
            resource.interest = Interest::Has { version, versioned: asked.is_some() };
            let known = asked.as_deref().and_then(|asked| self.read_version(asked));
            let changed =
                known.and_then(|known| Some((known, user.history.since(known).filter(|_| known <= version)?)));
            let mut result = stanza::result(&request, session.address());
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
                    result.append_child(query);
                    // Each keeps its roster, which may be an old one: for who does not read them, text that weighs what it is.
                    if Arc::strong_count(&resource.answers) > MAX_OPEN_GETS {
                        session.send(written(&result, &view));
                        continue;
                    }
                    let (view, waits) = (Arc::clone(&view), Arc::clone(&resource.answers));
                    let answer = std::iter::once_with(move || (written(&result, &view), waits).0);
                    let _ = session.outbound.send_series(KEPT, 0, answer);
                }
            }
        }
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
            if let Some(reply) =
                stanza::error_with_text(&get.request, session.address(), Condition::ResourceConstraint, text)
            {
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

/// The answer that has an empty query, with the roster in it. As elements it would be thirty times its text.
fn written(result: &Element, view: &View) -> Stanza {
    let mut text = String::new();
    write_element(&mut text, result, JABBER_CLIENT);
    let mut rest = text.split_off("<iq".len());
    let Some(open) = rest.strip_suffix("/></iq>").filter(|_| !view.contacts().is_empty()) else {
        return Stanza::of_text(text, rest);
    };
    rest.truncate(open.len());
    rest.reserve(view.contacts().text().len() + view.contacts().len() * ITEM);
    rest.push('>');
    for contact in view.contacts().iter() {
        write_element(&mut rest, &item(&contact), ROSTER);
    }
    rest.push_str("</query></iq>");
    Stanza::of_text(text, rest)
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
    set(&mut item, Attr::Subscription, subscription.as_str());
    if ask {
        set(&mut item, Attr::Ask, "subscribe");
    }
    item
}
