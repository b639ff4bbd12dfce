//! Which addresses a plugin's request may reach.
//!
//! Loopback and private networks are fine: the application normally lives there. What is refused is what no
//! application ever listens on but a cloud machine answers on: link-local addresses and the metadata services,
//! whose answers are credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Metadata services outside the link-local range: Alibaba Cloud, Azure (WireServer), Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];

/// Metadata services with an IPv6 address of their own, as prefix and length: AWS (`fd00:ec2::254` and its
/// neighbours for names, time and containers), Google Cloud.
const METADATA_V6: [(Ipv6Addr, u32); 2] =
    [(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0), 32), (Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254), 128)];

/// The operator's exceptions (`allow_addresses`) over the list of refused addresses.
#[derive(Clone, Debug)]
pub(in crate::http_client) struct AddressPolicy {
    allow: Box<[IpNet]>,
}

impl AddressPolicy {
    pub(in crate::http_client) fn new(allow: &[IpNet]) -> Self {
        Self { allow: allow.into() }
    }

    /// `Err` says what kind of address this is, such as `a link-local address`.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), &'static str> {
        match refused(address) {
            Some(_) if self.allows(address) => Ok(()),
            Some(kind) => Err(kind),
            None => Ok(()),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        let within = |address| self.allow.iter().any(|net| net.contains(&address));
        within(address) || matches!(address, IpAddr::V6(v6) if embedded(v6).any(|v4| within(IpAddr::V4(v4))))
    }
}

fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => refused_v4(v4),
        // An IPv4 address in IPv6 clothes is judged by what is inside as well.
        IpAddr::V6(v6) => refused_v6(v6).or_else(|| embedded(v6).find_map(refused_v4)),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    if METADATA_V4.contains(&address) || address == Ipv4Addr::new(169, 254, 169, 254) {
        return Some("a cloud metadata service");
    }
    let [first, ..] = address.octets();
    // 0.0.0.0/8 is "this host on this network" (RFC 1122 section 3.2.1.3); Linux connects 0.0.0.0 to itself.
    match () {
        () if first == 0 => Some("an unspecified address"),
        () if address.is_link_local() => Some("a link-local address"),
        () if address.is_multicast() => Some("a multicast address"),
        () if address.is_broadcast() => Some("the broadcast address"),
        () => None,
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    if METADATA_V6.iter().any(|(prefix, length)| leading(address, *length) == leading(*prefix, *length)) {
        return Some("a cloud metadata service");
    }
    match () {
        () if address.is_unspecified() => Some("an unspecified address"),
        () if address.is_unicast_link_local() => Some("a link-local address"),
        () if address.is_multicast() => Some("a multicast address"),
        () => None,
    }
}

/// The first `length` bits.
fn leading(address: Ipv6Addr, length: u32) -> u128 {
    address.to_bits() >> (128 - length)
}

/// The IPv4 addresses that a packet to `address` may end up at, by the known ways to wrap one in the other.
fn embedded(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let bits = address.to_bits();
    let low = Some(Ipv4Addr::from_bits(bits as u32));
    let after_16 = Some(Ipv4Addr::from_bits((bits >> 80) as u32));
    // RFC 6052 section 2.2, a prefix of 48 bits: 16 bits, eight zeros, 16 bits.
    let around_64 = Some(Ipv4Addr::from_bits(((bits >> 64) as u32 & 0xffff) << 16 | (bits >> 40) as u32 & 0xffff));
    let top_96 = bits >> 32;
    let found = match address.segments() {
        // ::1 and :: are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        // IPv4-compatible, IPv4-mapped (RFC 4291 section 2.5.5), IPv4-translated (RFC 2765).
        _ if matches!(top_96, 0 | 0xffff | 0xffff_0000) => [low, None],
        // 6to4 (RFC 3056).
        [0x2002, ..] => [after_16, None],
        // NAT64: the well-known prefix (RFC 6052) and the one for local use (RFC 8215), where networks choose
        // between two places.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [low, None],
        // The place not used is full of zeros; what really is 0.x.x.x leads nowhere through a translator.
        [0x64, 0xff9b, 1, ..] => [low, around_64].map(|v4| v4.filter(|v4| v4.octets().first() != Some(&0))),
        // Teredo (RFC 4380): the client's address, inverted.
        [0x2001, 0, ..] => [low.map(|v4| Ipv4Addr::from_bits(!v4.to_bits())), None],
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => [low, None],
        _ => [None, None],
    };
    found.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn applications_may_live_on_loopback_private_and_public_addresses() {
        for text in [
            "127.0.0.1",
            "127.0.0.53",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "93.184.216.34",
            "::1",
            "fd12:3456::1",
            "2606:4700::1",
            "::ffff:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1:a00:0:100::",
            "2002:a00:1::1",
        ] {
            assert_eq!(AddressPolicy::new(&[]).check(text.parse().unwrap()), Ok(()), "{text}");
        }
    }

    #[test]
    fn metadata_link_local_and_special_addresses_are_refused_in_every_spelling() {
        for (text, kind) in [
            ("169.254.169.254", "a cloud metadata service"),
            ("169.254.170.2", "a link-local address"),
            ("100.100.100.200", "a cloud metadata service"),
            ("168.63.129.16", "a cloud metadata service"),
            ("192.0.0.192", "a cloud metadata service"),
            ("0.0.0.0", "an unspecified address"),
            ("0.1.2.3", "an unspecified address"),
            ("224.0.0.1", "a multicast address"),
            ("255.255.255.255", "the broadcast address"),
            ("::", "an unspecified address"),
            ("fe80::1", "a link-local address"),
            ("febf::1", "a link-local address"),
            ("ff02::1", "a multicast address"),
            ("fd00:ec2::254", "a cloud metadata service"),
            ("fd20:ce::254", "a cloud metadata service"),
            ("::ffff:169.254.169.254", "a cloud metadata service"),
            ("::ffff:0:169.254.169.254", "a cloud metadata service"),
            ("::169.254.169.254", "a cloud metadata service"),
            ("::ffff:0.0.0.0", "an unspecified address"),
            ("2002:a9fe:a9fe::1", "a cloud metadata service"),
            ("64:ff9b::169.254.169.254", "a cloud metadata service"),
            ("64:ff9b:1::169.254.169.254", "a cloud metadata service"),
            ("64:ff9b:1:a9fe:a9:fe00::", "a cloud metadata service"),
            ("2001:0:1:2:3:4:5601:5601", "a cloud metadata service"),
            ("2001:db8::5efe:169.254.1.1", "a link-local address"),
        ] {
            assert_eq!(AddressPolicy::new(&[]).check(text.parse().unwrap()), Err(kind), "{text}");
        }
    }

    #[test]
    fn the_operator_can_allow_a_refused_network() {
        let policy = AddressPolicy::new(&["169.254.7.0/24".parse().unwrap(), "fe80::/64".parse().unwrap()]);
        for (text, allowed) in [
            ("169.254.7.9", true),
            ("::ffff:169.254.7.9", true),
            ("169.254.8.9", false),
            ("169.254.169.254", false),
            ("fe80::9", true),
            ("fe80:1::9", false),
        ] {
            assert_eq!(policy.check(text.parse().unwrap()).is_ok(), allowed, "{text}");
        }
    }
}
