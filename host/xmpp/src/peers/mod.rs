//! Who is at the other end of connections, and how much of everything one of them may take: the same for XMPP and for HTTP.
//!
//! One of them is a network ([`network`]): whoever has an IPv6 address has very many.
//!
//! - [`Rates`]: so many in a second
//! - [`Shares`]: so many at once
//! - [`Permits`]: so many at once in all, too; who makes the other side wait for longest makes room

mod permits;
mod rates;
mod shares;

use std::net::IpAddr;

pub use permits::{Permit, Permits};
pub use rates::Rates;
pub use shares::{Share, Shares};

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 address.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        },
        v4 => v4,
    }
}
