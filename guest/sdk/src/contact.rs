//! Contacts and rosters: how to make them.

use std::str::FromStr;

use crate::bindings::xmpp::roster::types::{Contact, PackedContacts, Roster, Step, Subscription};

impl Contact {
    /// A contact that shares presence both ways, without a name and without groups. The host normalises the JID.
    #[must_use]
    pub fn new(jid: impl Into<String>) -> Self {
        Self { jid: jid.into(), name: None, subscription: Subscription::Both, ask: false, groups: Vec::new() }
    }
}

/// What an application means that says nothing: both.
impl Default for Subscription {
    fn default() -> Self {
        Self::Both
    }
}

/// It is none of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected none, to, from or both")]
pub struct UnknownSubscription;

impl FromStr for Subscription {
    type Err = UnknownSubscription;

    /// As RFC 6121 spells them.
    #[inline]
    fn from_str(name: &str) -> Result<Self, UnknownSubscription> {
        match name {
            "none" => Ok(Self::None),
            "to" => Ok(Self::To),
            "from" => Ok(Self::From),
            "both" => Ok(Self::Both),
            _ => Err(UnknownSubscription),
        }
    }
}

impl Roster {
    /// A whole roster, without a tag and without warnings.
    #[must_use]
    pub fn of(contacts: impl IntoIterator<Item = Contact>) -> Self {
        Self { contacts: contacts.into_iter().collect(), tag: None, warnings: Vec::new() }
    }

    /// The same with what the next request is made conditional with: see [`Response::tag`](crate::Response::tag).
    #[must_use]
    pub fn with_tag(self, tag: Option<Vec<u8>>) -> Self {
        Self { tag, ..self }
    }

    /// The same with what was left out or mended, a line each: see [`Warnings`](crate::Warnings).
    #[must_use]
    pub fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }
}

impl From<Roster> for Step {
    fn from(roster: Roster) -> Self {
        Self::Roster(roster)
    }
}

/// A string or a list is longer than 32 bits can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a contact is too long to be packed")]
pub struct TooLong;

impl PackedContacts {
    /// None.
    #[must_use]
    pub const fn empty() -> Self {
        Self { text: String::new(), layout: Vec::new() }
    }

    /// Appends one contact.
    ///
    /// # Errors
    /// It is too long. What was written of it makes the rest unreadable: throw the value away.
    pub fn push<G: AsRef<str>>(
        &mut self,
        jid: &str,
        name: Option<&str>,
        subscription: Subscription,
        ask: bool,
        groups: &[G],
    ) -> Result<(), TooLong> {
        let number = |length: usize| u32::try_from(length).map_err(|_| TooLong);
        let subscription = match subscription {
            Subscription::None => 0,
            Subscription::To => 1,
            Subscription::From => 2,
            Subscription::Both => 3,
        };
        let name_length = name.map_or(Ok(0), |name| number(name.len().saturating_add(1)))?;
        let flags = subscription | if ask { 4 } else { 0 };
        self.layout.extend([number(jid.len())?, name_length, flags, number(groups.len())?]);
        self.text.push_str(jid);
        self.text.push_str(name.unwrap_or_default());
        for group in groups {
            self.layout.push(number(group.as_ref().len())?);
            self.text.push_str(group.as_ref());
        }
        Ok(())
    }
}

impl<'a> FromIterator<&'a Contact> for PackedContacts {
    /// As many of the contacts as can be packed, which is all that fit in memory.
    fn from_iter<I: IntoIterator<Item = &'a Contact>>(contacts: I) -> Self {
        let mut packed = Self::empty();
        for Contact { jid, name, subscription, ask, groups } in contacts {
            if packed.push(jid, name.as_deref(), *subscription, *ask, groups).is_err() {
                break;
            }
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_are_packed_as_the_wit_says() {
        let marie = Contact { name: Some("Marie".to_owned()), ..Contact::new("a@b") };
        let marie = Contact { groups: vec!["Work".to_owned(), "Friends".to_owned()], ..marie };
        let other = Contact { subscription: Subscription::None, ask: true, ..Contact::new("c@d") };
        let packed: PackedContacts = [marie, other].iter().collect();
        assert_eq!(packed.text, "a@bMarieWorkFriendsc@d");
        assert_eq!(packed.layout, [3, 6, 3, 2, 4, 7, 3, 0, 4, 0]);
    }

    #[test]
    fn a_subscription_is_one_of_four() {
        for (name, subscription) in [
            ("none", Ok(Subscription::None)),
            ("to", Ok(Subscription::To)),
            ("from", Ok(Subscription::From)),
            ("both", Ok(Subscription::Both)),
            ("remove", Err(UnknownSubscription)),
            ("Both", Err(UnknownSubscription)),
        ] {
            assert_eq!(name.parse(), subscription, "{name}");
        }
    }
}
