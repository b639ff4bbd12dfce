//! What somebody is asked to prove who has no account, so that nobody learns that there is none.
//!
//! A made-up salt is a keyed digest of the normalised name and of the domain: it stays the same for as long as the key does,
//! however the name is spelled. It looks like those of the accounts there are: as long, of the same characters, with as many
//! iterations, and each look is as frequent among names without an account as among those with one. Where a name's look
//! changes because the accounts have, the salt is another too, as after a change of password.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;

use ring::hmac;

use super::credentials::{ITERATIONS, SALT, ScramCredentials, ScramHash};
use super::table::Account;

/// The most frequent looks are enough.
const MOST_LOOKS: usize = 16;
/// The strongest first.
const HASHES: [ScramHash; 2] = [ScramHash::Sha256, ScramHash::Sha1];

/// Makes up credentials.
pub struct Decoys {
    key: hmac::Key,
    /// With the number of accounts that have it.
    looks: Vec<(Look, u32)>,
}

/// What can be seen of an account: of its credentials for each of [`HASHES`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Look([Option<Visible>; 2]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Visible {
    iterations: NonZeroU32,
    length: usize,
    kind: Kind,
}

/// What a salt is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Bytes,
    /// Other servers take one for a salt, as text.
    Uuid,
    Hex,
    Text,
}

impl Look {
    fn of(account: &Account) -> Self {
        Self(HASHES.map(|hash| account.get(hash).map(Visible::of)))
    }

    fn get(&self, hash: ScramHash) -> Option<Visible> {
        HASHES.iter().zip(self.0).find(|(one, _)| **one == hash).and_then(|(_, visible)| visible)
    }
}

impl fmt::Display for Look {
    /// Part of what is digested, so it must not change.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for visible in self.0 {
            match visible {
                None => f.write_str("-,")?,
                Some(Visible { iterations, length, kind }) => write!(f, "{iterations}:{length}:{},", kind as u8)?,
            }
        }
        Ok(())
    }
}

impl Visible {
    const USUAL: Self = Self { iterations: ITERATIONS, length: SALT, kind: Kind::Bytes };

    fn of(credentials: &ScramCredentials) -> Self {
        let ScramCredentials { iterations, salt, .. } = credentials;
        let kind = if is_uuid(salt) {
            Kind::Uuid
        } else if salt.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Kind::Hex
        } else if salt.iter().all(u8::is_ascii_graphic) {
            Kind::Text
        } else {
            Kind::Bytes
        };
        Self { iterations: *iterations, length: salt.len(), kind }
    }

    fn salt(self, bytes: impl Iterator<Item = u8>) -> Vec<u8> {
        let hex = |byte: u8| char::from_digit(u32::from(byte & 15), 16).map_or(byte, |digit| digit as u8);
        let one = |(at, byte): (usize, u8)| match (self.kind, at) {
            (Kind::Bytes, _) => byte,
            (Kind::Uuid, 8 | 13 | 18 | 23) => b'-',
            (Kind::Uuid, 14) => b'4',
            (Kind::Uuid, 19) => hex(byte & 3 | 8),
            (Kind::Uuid | Kind::Hex, _) => hex(byte),
            (Kind::Text, _) => match byte % 62 {
                n @ 0..=9 => b'0' + n,
                n @ 10..=35 => b'a' + (n - 10),
                n => b'A' + (n - 36),
            },
        };
        bytes.take(self.length).enumerate().map(one).collect()
    }
}

fn is_uuid(salt: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        14 => *byte == b'4',
        19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    salt.len() == 36 && salt.iter().enumerate().all(fits)
}

impl Decoys {
    /// Like new accounts. `secret` is nobody's business.
    pub fn new(secret: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), looks: Vec::new() }
    }

    /// Like these accounts.
    pub fn like<'a>(secret: &[u8], accounts: impl IntoIterator<Item = &'a Account>) -> Self {
        let mut numbers: HashMap<Look, u32> = HashMap::new();
        for account in accounts {
            let number = numbers.entry(Look::of(account)).or_default();
            *number = number.saturating_add(1);
        }
        let mut looks: Vec<_> = numbers.into_iter().collect();
        looks.sort_unstable_by(|(a, many), (b, more)| more.cmp(many).then_with(|| a.cmp(b)));
        looks.truncate(MOST_LOOKS);
        Self { looks, ..Self::new(secret) }
    }

    /// Of `name`, normalised if it can be.
    pub fn credentials(&self, domain: &str, name: &str, hash: ScramHash) -> ScramCredentials {
        let look = self.look(name, |look| look.get(hash).is_some());
        let visible = look.and_then(|look| look.get(hash)).unwrap_or(Visible::USUAL);
        let look = look.map(Look::to_string).unwrap_or_default();
        // Neither a domain nor a mechanism has a zero byte.
        let digest = |what: &str, number: usize| {
            let text = format!("{what}\0{number}\0{}\0{look}\0{domain}\0{name}", hash.mechanism());
            hmac::sign(&self.key, text.as_bytes())
        };
        let bytes = |what: &'static str| (0..).flat_map(move |n| digest(what, n).as_ref().to_vec());
        let salt = visible.salt(bytes("salt"));
        let key = |what| bytes(what).take(hash.length()).collect();
        ScramCredentials {
            hash,
            salt,
            iterations: visible.iterations,
            stored_key: key("stored"),
            server_key: key("server"),
        }
    }

    /// The strongest of `name`: to check a password takes as long as with an account.
    pub fn strongest(&self, name: &str) -> ScramCredentials {
        let look = self.look(name, |_| true);
        let hash = HASHES.into_iter().find(|hash| look.is_none_or(|look| look.get(*hash).is_some()));
        self.credentials("", name, hash.unwrap_or(ScramHash::Sha256))
    }

    /// The look of `name`: each that fits is as likely as it is frequent. An account more, or one less, changes those of few.
    fn look(&self, name: &str, fits: impl Fn(&Look) -> bool) -> Option<&Look> {
        let draw = |look: &Look, number: u32| {
            let digest = hmac::sign(&self.key, format!("look\0{look}\0{name}").as_bytes());
            let (drawn, _) = digest.as_ref().split_first_chunk().unwrap_or((&[0; 4], &[]));
            // Weighted rendezvous hashing: of the logarithms of drawn numbers between 0 and 1, by weight, the greatest.
            ((f64::from(u32::from_be_bytes(*drawn)) + 0.5) / (f64::from(u32::MAX) + 1.0)).ln() / f64::from(number)
        };
        let drawn = self.looks.iter().filter(|(look, _)| fits(look)).map(|(look, number)| (look, draw(look, *number)));
        drawn.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(look, _)| look)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const GHOST: [&str; 3] = ["example.com", "ghost", "secret"];

    fn account(iterations: u32, salt: &[u8], hashes: &[ScramHash]) -> Account {
        let iterations = NonZeroU32::new(iterations).unwrap();
        let derive = |hash: &ScramHash| ScramCredentials {
            hash: *hash,
            salt: salt.to_vec(),
            iterations,
            stored_key: vec![0; hash.length()],
            server_key: vec![0; hash.length()],
        };
        Account { credentials: hashes.iter().map(derive).collect(), disabled: false }
    }

    #[test]
    fn a_made_up_salt_depends_on_name_domain_mechanism_and_secret_alone() {
        let of = |[domain, name, secret]: [&str; 3], hash| {
            Decoys::new(secret.as_bytes()).credentials(domain, name, hash).salt
        };
        let ghost = of(GHOST, ScramHash::Sha256);
        assert_eq!(ghost, of(GHOST, ScramHash::Sha256), "another process, the same secret");
        assert_eq!(ghost.len(), SALT);
        assert_ne!(ghost, of(GHOST, ScramHash::Sha1));
        for part in 0..GHOST.len() {
            let mut other = GHOST;
            other[part] = "other";
            assert_ne!(ghost, of(other, ScramHash::Sha256), "{other:?}");
        }
    }

    #[test]
    fn made_up_credentials_look_like_those_of_the_accounts_as_often_as_they_do() {
        let both = &HASHES[..];
        let looks: [(&[u8], u32, &[ScramHash], f64); 4] = [
            (&[0xFF; 16], 10_000, both, 0.5),
            (b"b2ad39b1-8c4f-4c1a-9d3e-0f6f2b9c7a11", 4_096, &HASHES[1..], 0.3),
            (b"00ff00ff00ff00ff", 8_192, both, 0.1),
            (b"QSXCR+Q6sek8bf92", 12_000, both, 0.1),
        ];
        let accounts: Vec<Account> = looks
            .iter()
            .flat_map(|(salt, iterations, hashes, share)| {
                std::iter::repeat_n(account(*iterations, salt, hashes), (share * 1000.0) as usize)
            })
            .collect();
        let decoys = Decoys::like(b"secret", &accounts);
        let mut found: HashMap<u32, f64> = HashMap::new();
        for n in 0..4000 {
            let name = format!("ghost{n}");
            let credentials = decoys.credentials("x", &name, ScramHash::Sha1);
            let seen = Visible::of(&credentials);
            let (salt, ..) = looks.iter().find(|look| look.1 == seen.iterations.get()).unwrap();
            assert_eq!((seen.length, seen.kind), (salt.len(), Visible::of(&account_salt(salt)).kind));
            *found.entry(seen.iterations.get()).or_default() += 1.0 / 4000.0;
            let strongest = decoys.strongest(&name);
            assert_eq!(strongest.iterations, seen.iterations, "a password is hashed as often");
            assert_eq!(strongest.hash == ScramHash::Sha1, seen.kind == Kind::Uuid);
        }
        for (_, iterations, _, share) in looks {
            assert!((found[&iterations] - share).abs() < 0.05, "{found:?}");
        }
        // An account more changes hardly any of them; and what changes is as after a change of password.
        let more = Decoys::like(b"secret", accounts.iter().chain([&account(4_096, b"x", both)]));
        let changed = (0..1000).map(|n| format!("ghost{n}")).filter(|name| {
            let [before, after] = [&decoys, &more].map(|of| of.credentials("x", name, ScramHash::Sha256));
            assert_eq!(before.salt == after.salt, before == after);
            before != after
        });
        assert!(changed.count() < 10);
    }

    fn account_salt(salt: &[u8]) -> ScramCredentials {
        account(1, salt, &HASHES).credentials.remove(0)
    }
}
