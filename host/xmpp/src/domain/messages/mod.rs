//! Messages (RFC 6121 section 8.5). There is no offline storage: what reaches nobody comes back as an error.
//!
//! Of a cluster, the node of the sender decides by what it knows of all resources, and sends one errand to each node that has some
//! to deliver to or to copy for. Who gets a copy at another node gets it at once, not when the message is known to have arrived: so
//! everybody reads what one sender writes in the order in which it was written.
//!
//! To a bare JID, a message goes to every available resource with a priority that is not negative. Of the two ways that section
//! 8.5.2.1.1 allows this is the one in which no device misses anything.
//!
//! - [`carbons`]: the copies for a user's other resources
//! - [`undelivered`]: what a client never got

pub(in crate::domain) mod carbons;
pub(in crate::domain) mod undelivered;

use std::collections::BTreeMap;
use std::sync::Arc;

use minidom::Element;
use roster_model::Username;

use self::carbons::Direction;
use super::Domain;
use super::address::Address;
use super::nodes::{Errand, Message, Outcome, Sent, Target, Way, What, document, errand};
use super::session::Session;
use super::stanza::{Attr, CARBONS, Condition, set};
use super::world::{User, World};
use crate::outbound::{Shared, Stanza};

/// The types of RFC 6121 section 5.2.2; an unknown one counts as normal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Chat,
    Groupchat,
    Headline,
    Error,
}

impl Kind {
    fn of(message: &Element) -> Self {
        match message.attr("type") {
            Some("chat") => Self::Chat,
            Some("groupchat") => Self::Groupchat,
            Some("headline") => Self::Headline,
            Some("error") => Self::Error,
            _ => Self::Normal,
        }
    }
}

/// Where a message goes.
struct Route {
    /// The sessions here that have it, by their numbers.
    reached: Result<Vec<u64>, Condition>,
    /// Other nodes that are to deliver it, and to whom.
    beyond: Vec<u32>,
    target: Option<Target>,
}

impl Route {
    fn here(reached: Result<Vec<u64>, Condition>) -> Self {
        Self { reached, beyond: Vec::new(), target: None }
    }

    /// Nobody has it, and nobody will.
    fn failed(&self) -> Option<Condition> {
        self.reached.as_ref().err().copied().filter(|_| self.beyond.is_empty())
    }
}

/// What one other node has to do for a message.
#[derive(Clone, Copy, Default)]
struct Wanted {
    delivered: bool,
    received: bool,
    sent: bool,
    copied: bool,
}

impl Domain {
    /// A message that a client has sent.
    pub(super) fn message(&self, session: &Arc<Session>, mut message: Element) {
        // A message to nobody is one to oneself (RFC 6120 section 10.3.1).
        if message.attr("to").is_none() {
            set(&mut message, Attr::To, session.bare());
        }
        self.route_message(session, message, true);
    }

    /// The same, when it has waited for its turn.
    pub(super) fn message_in_turn(&self, session: &Arc<Session>, message: Element) {
        self.route_message(session, message, false);
    }

    fn route_message(&self, session: &Arc<Session>, mut message: Element, may_wait: bool) {
        let to = message.attr("to").unwrap_or_default().to_owned();
        let address = Address::parse(&to, self.name());
        let kind = Kind::of(&message);
        let world = self.world.read();
        if may_wait && let Some(user) = address.user().filter(|_| self.cluster.is_some()) {
            match self.stands_in_line(session, user, way(&world, &address).as_ref(), &message) {
                Ok(false) => {}
                Ok(true) => return,
                Err(condition) => {
                    drop(world);
                    return self.refuse_message(session, (kind, &message), condition);
                }
            }
        }
        let may_be_copied = carbons::may_be_copied(&message);
        // The word was for this server and is not for the recipient (XEP-0280 section 9).
        message.remove_child("private", CARBONS);
        // Written once, however many sessions get it or a copy.
        let shared = Shared::whole(&message);
        let stanza = shared.stanza();
        let route = match &address {
            Address::Session(user, resource) => {
                route_to_session(&world, (session.user(), user), resource, kind, &stanza)
            }
            Address::Account(user) => route_to_account(&world, (session.user(), user), kind, &stanza, false),
            Address::Server => Route::here(Err(Condition::ServiceUnavailable)),
            Address::Elsewhere => Route::here(Err(Condition::RemoteServerNotFound)),
            Address::Malformed => Route::here(Err(Condition::JidMalformed)),
        };
        let mut failed = route.failed();
        let mut wanted: BTreeMap<u32, Wanted> = BTreeMap::new();
        route.beyond.iter().for_each(|node| wanted.entry(*node).or_default().delivered = true);
        if may_be_copied {
            let mut done = route.reached.clone().unwrap_or_default();
            done.push(session.number);
            if let Some(me) = world.users.get(session.user()) {
                done.extend(copy((session.user(), me), Direction::Sent, (&message, &shared), &done));
            }
            let nodes_of = |user: &Username| world.nodes.remotes.nodes_of(user.as_str(), |one| one.carbons);
            nodes_of(session.user()).iter().for_each(|node| wanted.entry(*node).or_default().sent = true);
            if let Some(user) = address.user().filter(|_| failed.is_none()) {
                if let Some(them) = world.users.get(user) {
                    copy((session.user(), them), Direction::Received, (&message, &shared), &done);
                }
                nodes_of(user).iter().for_each(|node| wanted.entry(*node).or_default().received = true);
            }
        }
        if let Some(user) = address.user().filter(|_| !wanted.is_empty()) {
            let may_move_on = matches!(address, Address::Session(..)) && kind == Kind::Chat;
            failed = self.send_errands(&world, (session, user), route, (kind, &stanza), wanted, may_move_on).or(failed);
        }
        drop(world);
        if let Some(condition) = failed {
            self.refuse_message(session, (kind, &message), condition);
        }
    }

    /// Headlines are not worth an error; an error never is.
    fn refuse_message(&self, session: &Session, (kind, message): (Kind, &Element), condition: Condition) {
        if kind != Kind::Headline {
            self.refuse(session, message, condition);
        }
    }

    /// Has other nodes do their part. What is wrong with it, if that is known at once.
    fn send_errands(
        &self,
        world: &World,
        (session, to): (&Arc<Session>, &Username),
        route: Route,
        (kind, stanza): (Kind, &Stanza),
        wanted: BTreeMap<u32, Wanted>,
        may_move_on: bool,
    ) -> Option<Condition> {
        let text = document(stanza);
        let failed = route.reached.err().filter(|_| !matches!(kind, Kind::Headline | Kind::Error));
        let mut id = 0;
        if let (Some(failed), [first, ..]) = (failed, &*route.beyond) {
            id = self.number();
            let what = match &route.target {
                Some(Target::Session(resource)) if may_move_on => {
                    What::Chat(to.clone(), Way { node: *first, resource: resource.clone() })
                }
                _ => What::Stanza,
            };
            let (session, stanza, awaited) = (Arc::clone(session), stanza.clone(), route.beyond.clone());
            if !self.wait(id, Sent { session, stanza, awaited, failed, what }) {
                return Some(Condition::ResourceConstraint);
            }
        }
        let mut too_long = false;
        for (node, Wanted { delivered, received, sent, copied }) in wanted {
            let Some(link) = world.nodes.link(node) else { continue };
            let target = route.target.clone().filter(|_| delivered);
            let id = if delivered { id } else { 0 };
            let errand = errand(id, (session.user(), to), target, text.clone());
            too_long |= !link.say(&Message::Errand(Errand { received, sent, copied, ..errand })) && delivered;
        }
        if too_long {
            self.forget(id);
            return failed.map(|_| Condition::ResourceConstraint);
        }
        None
    }

    /// A chat for a session that is gone from its node: it is one for the account (section 8.5.3.2.1). Those that have carbons on
    /// have a copy, other than at that node, which has made none. A node that is `silent` has said nothing in time: it may deliver what it
    /// has still, and is not given it again.
    pub(super) fn message_again(
        &self,
        session: &Arc<Session>,
        message: &Element,
        (user, node): (&Username, u32),
        silent: bool,
    ) {
        let copied = carbons::may_be_copied(message);
        let stanza = Stanza::from(message);
        let world = self.world.read();
        let mut route = route_to_account(&world, (session.user(), user), Kind::Chat, &stanza, copied);
        route.beyond.retain(|beyond| !(silent && *beyond == node));
        let wanted = |beyond: &u32| {
            let copied = copied && *beyond != node;
            (*beyond, Wanted { delivered: true, copied, received: false, sent: false })
        };
        let wanted: BTreeMap<u32, Wanted> = route.beyond.iter().map(wanted).collect();
        let mut failed = route.failed();
        failed = self.send_errands(&world, (session, user), route, (Kind::Chat, &stanza), wanted, false).or(failed);
        drop(world);
        if let Some(condition) = failed {
            self.refuse(session, message, condition);
        }
    }

    /// A message that another node wants delivered or copied here.
    pub(super) fn message_errand(
        &self,
        world: &World,
        (from, to): (&Username, &Username),
        errand: &Errand,
        message: &Element,
    ) -> Outcome {
        let (kind, shared) = (Kind::of(message), Shared::whole(message));
        let stanza = shared.stanza();
        let reached = match &errand.target {
            None => Ok(Vec::new()),
            Some(Target::Account) => to_account(world, (from, to), kind, &stanza, errand.copied),
            Some(Target::Session(resource)) => {
                to_session(world, (from, to), resource, &stanza).unwrap_or(Err(Condition::ServiceUnavailable))
            }
        };
        let mut done = reached.clone().unwrap_or_default();
        if let Some(sender) = world.users.get(from).filter(|_| errand.sent) {
            done.extend(copy((from, sender), Direction::Sent, (message, &shared), &done));
        }
        if let Some(them) = world.users.get(to).filter(|_| errand.received && reached.is_ok()) {
            copy((from, them), Direction::Received, (message, &shared), &done);
        }
        match reached {
            Ok(_) => Outcome::Reached,
            Err(Condition::ResourceConstraint) => Outcome::Refused,
            Err(_) => Outcome::Gone,
        }
    }
}

/// The resource at another node that it is for.
fn way(world: &World, address: &Address) -> Option<Way> {
    let Address::Session(user, resource) = address else { return None };
    if world.users.get(user).is_some_and(|them| them.named(resource).is_some()) {
        return None;
    }
    let node = world.nodes.remotes.named(user.as_str(), resource)?.id.node;
    Some(Way { node, resource: resource.clone() })
}

/// Section 8.5.3. A session that is there gets everything; of messages for one that is not, a chat goes on to the account.
fn route_to_session(
    world: &World,
    (from, user): (&Username, &Username),
    resource: &str,
    kind: Kind,
    message: &Stanza,
) -> Route {
    if let Some(reached) = to_session(world, (from, user), resource, message) {
        return Route::here(reached);
    }
    let reached = Err(Condition::ServiceUnavailable);
    if let Some(remote) = world.nodes.remotes.named(user.as_str(), resource) {
        let target = Some(Target::Session(resource.to_owned()));
        return Route { reached, beyond: vec![remote.id.node], target };
    }
    match kind {
        Kind::Chat => route_to_account(world, (from, user), kind, message, false),
        Kind::Normal | Kind::Groupchat | Kind::Headline | Kind::Error => Route::here(reached),
    }
}

/// Section 8.5.2. Whether an account exists makes no difference to one who is away.
fn route_to_account(world: &World, users: (&Username, &Username), kind: Kind, message: &Stanza, copied: bool) -> Route {
    let reached = to_account(world, users, kind, message, copied);
    let beyond = match kind {
        Kind::Groupchat | Kind::Error => Vec::new(),
        Kind::Normal | Kind::Chat | Kind::Headline => {
            world.nodes.remotes.nodes_of(users.1.as_str(), |one| one.priority.is_some_and(|priority| priority >= 0))
        }
    };
    Route { reached, beyond, target: Some(Target::Account) }
}

/// To the session here that is called `resource`. None if there is none.
pub(super) fn to_session(
    world: &World,
    (from, user): (&Username, &Username),
    resource: &str,
    stanza: &Stanza,
) -> Option<Result<Vec<u64>, Condition>> {
    let one = world.users.get(user)?.named(resource)?;
    let delivered = one.session.deliver(from, stanza.clone());
    Some(if delivered { Ok(vec![one.session.number]) } else { Err(Condition::ResourceConstraint) })
}

/// To the resources here. Those that have carbons on may be `copied` already.
fn to_account(
    world: &World,
    (from, user): (&Username, &Username),
    kind: Kind,
    message: &Stanza,
    copied: bool,
) -> Result<Vec<u64>, Condition> {
    match kind {
        Kind::Normal | Kind::Chat | Kind::Headline => {}
        Kind::Groupchat | Kind::Error => return Err(Condition::ServiceUnavailable),
    }
    let (mut reached, mut failed) = (Vec::new(), Condition::ServiceUnavailable);
    for resource in world.users.get(user).into_iter().flat_map(|them| &them.resources) {
        let session = &resource.session;
        if resource.presence.as_ref().is_some_and(|available| available.priority >= 0) {
            if (copied && resource.carbons) || session.deliver(from, message.clone()) {
                reached.push(session.number);
            } else {
                failed = Condition::ResourceConstraint;
            }
        }
    }
    if reached.is_empty() { Err(failed) } else { Ok(reached) }
}

/// Copies for the resources of `user` that have carbons on and are not among `done`. Who got one.
fn copy(
    (from, user): (&Username, &User),
    direction: Direction,
    message: (&Element, &Shared),
    done: &[u64],
) -> Vec<u64> {
    let mut copied = Vec::new();
    for resource in &user.resources {
        let session = &resource.session;
        if resource.carbons && !done.contains(&session.number) {
            session.deliver(from, carbons::copy(direction, message, session.bare(), session.address()));
            copied.push(session.number);
        }
    }
    copied
}
