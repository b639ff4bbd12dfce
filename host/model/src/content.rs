//! Content versions: a number that says what a roster contains, and nothing else.
//!
//! A server that keeps a copy of a roster compares numbers instead of rosters, also with those of another host and of a process
//! that has ended since. So the hash has a fixed key, and neither the order of contacts nor that of groups counts: an
//! application that reads them from a table gives them in any. 53 bits are what JSON, Lua and JavaScript carry as a number.
//!
//! Not made to withstand somebody who looks for two rosters with one version: the application would only deceive itself.

use std::num::NonZeroU64;

use highway::{HighwayHash, HighwayHasher, Key};

use super::{ContactRef, Contacts};

/// Never to be changed: copies of rosters outlive releases.
const KEY: Key = Key([0x726f_7374_6572_2d31, 0x636f_6e74_656e_7431, 0x7665_7273_696f_6e31, 0x0000_0000_0000_0035]);
/// How many bits a version has.
const BITS: u32 = 53;

impl Contacts {
    /// The version of this content, from 1 to 2^53 - 1. Costs a walk over the roster.
    #[must_use]
    pub fn content_version(&self) -> NonZeroU64 {
        let (mut sum, mut count) = (0_u64, 0_u64);
        for contact in self.iter() {
            sum = sum.wrapping_add(hash_contact(&contact));
            count += 1;
        }
        let mut hasher = HighwayHasher::new(KEY);
        hasher.append(&sum.to_le_bytes());
        hasher.append(&count.to_le_bytes());
        NonZeroU64::new(hasher.finalize64() >> (u64::BITS - BITS)).unwrap_or(NonZeroU64::MIN)
    }
}

fn hash_contact(contact: &ContactRef<'_>) -> u64 {
    let mut hasher = HighwayHasher::new(KEY);
    text(&mut hasher, contact.jid);
    let flags = [contact.subscription as u8, u8::from(contact.ask), u8::from(contact.name.is_some())];
    hasher.append(&flags);
    text(&mut hasher, contact.name.unwrap_or_default());
    let groups = contact.groups().map(|group| {
        let mut hasher = HighwayHasher::new(KEY);
        text(&mut hasher, group);
        hasher.finalize64()
    });
    let groups = groups.fold((0_u64, 0_u64), |(sum, count), hash| (sum.wrapping_add(hash), count + 1));
    hasher.append(&groups.0.to_le_bytes());
    hasher.append(&groups.1.to_le_bytes());
    hasher.finalize64()
}

/// With its length: what follows is not taken for a part of it.
fn text(hasher: &mut HighwayHasher, text: &str) {
    hasher.append(&(text.len() as u64).to_le_bytes());
    hasher.append(text.as_bytes());
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
