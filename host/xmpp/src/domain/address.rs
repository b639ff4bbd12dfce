//! Where a stanza goes, as seen from one domain.

use roster_jid::Jid;
use roster_model::Username;

/// A `to` address, sorted by who is responsible for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// The domain itself, with or without a resource.
    Server,
    /// A user of the domain: `john@example.com`.
    Account(Username),
    /// A session of a user: `john@example.com/phone`.
    Session(Username, String),
    /// Another domain.
    Elsewhere,
    /// No address at all.
    Malformed,
}

impl Address {
    /// Reads `to` as the domain called `domain` sees it.
    pub(super) fn parse(to: &str, domain: &str) -> Self {
        let Ok(jid) = Jid::parse(to) else { return Self::Malformed };
        if jid.domainpart != domain {
            return Self::Elsewhere;
        }
        let Some(local) = jid.localpart else { return Self::Server };
        let Ok(user) = Username::new(&local) else { return Self::Malformed };
        match jid.resourcepart {
            None => Self::Account(user),
            Some(resource) => Self::Session(user, resource.into_owned()),
        }
    }

    /// The user of the domain that it belongs to.
    pub(super) fn user(&self) -> Option<&Username> {
        match self {
            Self::Account(user) | Self::Session(user, _) => Some(user),
            Self::Server | Self::Elsewhere | Self::Malformed => None,
        }
    }
}

/// The username of a contact of this domain. Contacts are bare and normalised already.
pub(super) fn local_part<'a>(jid: &'a str, domain: &str) -> Option<&'a str> {
    jid.strip_suffix(domain)?.strip_suffix('@').filter(|local| !local.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_sorted_by_who_is_responsible() {
        let john = || Username::new("john").unwrap();
        for (to, expected) in [
            ("x.example", Address::Server),
            ("x.example/a", Address::Server),
            ("john@x.example", Address::Account(john())),
            ("JOHN@X.example", Address::Account(john())),
            ("john@x.example/Phone", Address::Session(john(), "Phone".into())),
            ("john@x.example/a@b/c", Address::Session(john(), "a@b/c".into())),
            ("john@y.example", Address::Elsewhere),
            ("", Address::Malformed),
            ("@x.example", Address::Malformed),
            ("john@", Address::Malformed),
            ("john@x.example/", Address::Malformed),
            ("a b@x.example", Address::Malformed),
        ] {
            assert_eq!(Address::parse(to, "x.example"), expected, "{to:?}");
        }
    }

    #[test]
    fn only_contacts_of_the_domain_have_a_username_here() {
        for (jid, expected) in [("a@x", Some("a")), ("a@y.x", None), ("x", None), ("@x", None), ("a@yx", None)] {
            assert_eq!(local_part(jid, "x"), expected, "{jid:?}");
        }
    }
}
