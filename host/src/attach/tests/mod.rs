//! The state machine: what it does in a given case ([`cases`]), and what holds in any order of events ([`any_order`]).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod any_order;
mod cases;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::ring::Ring;
use super::state::{Bounds, State, Telling};
use super::write;
use crate::model::{Change, Contact, Contacts, EventKind, RosterEvent, Snapshot, Subscription, Username};

const LEASE: Duration = Duration::from_secs(30);
const EPOCH: &str = "e";

fn state(max_events: usize, max_users: usize) -> State {
    State::new(Ring::new(EPOCH.into(), max_events, 1 << 20), Bounds { max_users, lease: LEASE })
}

fn user(name: &str) -> Username {
    Username::new(name).unwrap()
}

/// A roster whose only contact is named after `content`.
fn roster(version: u64, content: u64) -> Arc<Snapshot> {
    let contact = contact(content);
    Arc::new(Snapshot::new(version, None, Contacts::pack(&[contact], 9).unwrap()))
}

fn contact(content: u64) -> Contact {
    let name = Some(content.to_string());
    Contact { jid: "marie@x".into(), name, subscription: Subscription::Both, ask: false, groups: Vec::new() }
}

fn changed(before: &Arc<Snapshot>, snapshot: &Arc<Snapshot>, content: u64) -> EventKind {
    let changes = Arc::from([Change::Put(contact(content))]);
    EventKind::Changed { before: Arc::clone(before), snapshot: Arc::clone(snapshot), changes }
}

/// As [`super::node::Node`] does it.
fn deliver(state: &mut State, name: &Username, kind: EventKind, now: Instant) -> Telling {
    let telling = state.telling(name, &kind);
    if telling != Telling::Not {
        let event = RosterEvent { domain: "x".into(), user: name.clone(), kind };
        state.tell(name, &write::change(&event, telling == Telling::Whole), now);
    }
    telling
}

fn data(event: &[u8]) -> Value {
    let text = std::str::from_utf8(event).unwrap();
    serde_json::from_str(text.split("data: ").nth(1).unwrap()).unwrap()
}
