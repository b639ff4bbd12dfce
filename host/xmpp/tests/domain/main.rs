//! The domain of the XMPP endpoint against a scripted source of rosters: no sockets, elements in and out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

mod bounds;
mod carbons;
mod faults;
mod iq;
mod messages;
mod nodes;
mod presence;
mod properties;
mod races;
mod rosters;
mod subscriptions;
mod support;
mod versioning;
