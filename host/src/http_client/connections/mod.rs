//! The open connections, one pool for each origin.
//!
//! [`pool`] keeps them and has [`connect`] open another, to its [`destination`]: [`resolve`] looks the name up, [`address`] says
//! which of the addresses may be reached, [`tls`] whom to trust, and [`phase`] tells who waits no longer how far that had come.
//! A [`connection`] is HTTP/1.1 or HTTP/2; [`metered`] counts what a server sends beside its responses.

mod address;
mod connect;
mod connection;
mod destination;
mod metered;
mod phase;
mod pool;
mod resolve;
pub(super) mod tls;

pub(super) use self::address::AddressPolicy;
pub(super) use self::connect::{CONNECT_KEY, Connector};
pub(super) use self::connection::{Connection, HeadLimits, RequestBody, SendFailure};
pub(super) use self::destination::Destination;
pub(super) use self::phase::Progress;
pub(super) use self::pool::Pool;
pub(super) use self::resolve::{Resolve, SystemResolver};
