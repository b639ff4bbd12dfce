//! What a contact is, borrowed from the body it was read from wherever that is possible.

use std::borrow::Cow;

pub use xmpp_roster_plugin::Subscription;

use super::groups::Groups;
use super::packed::PackedContact;
use crate::json::text::same;

/// One contact of a roster (an `<item/>`, RFC 6121 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact<'a> {
    /// The bare JID, normalised (RFC 7622).
    pub jid: Cow<'a, str>,
    /// The name the user sees. `None` is no name; the empty string is an empty name.
    pub name: Option<Cow<'a, str>>,
    /// See [`Subscription`].
    pub subscription: Subscription,
    /// Is a subscription request pending (`ask='subscribe'`)?
    pub ask: bool,
    /// The groups, without duplicates. Their order carries no meaning.
    pub groups: Groups<'a>,
}

impl Contact<'_> {
    /// The same contact without what it was read from.
    #[must_use]
    pub fn into_owned(self) -> Contact<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let Self { jid, name, subscription, ask, groups } = self;
        Contact { jid: own(jid), name: name.map(own), subscription, ask, groups: groups.into_iter().map(own).collect() }
    }

    /// Is this the contact as the host has it? The order of groups does not count.
    #[inline]
    #[must_use]
    pub fn is_same_as(&self, known: &PackedContact<'_>) -> bool {
        same(&self.jid, known.jid)
            && self.subscription == known.subscription
            && self.ask == known.ask
            && match (&self.name, known.name) {
                (Some(name), Some(known)) => same(name, known),
                (None, None) => true,
                _ => false,
            }
            && self.groups.len() == known.groups.len()
            && (self.groups.iter().zip(known.groups.iter()).all(|(group, known)| same(group, known))
                || self.is_in_the_groups(known))
    }

    /// Compares groups as sets. Both sides are free of duplicates and of one length, so one direction is enough.
    #[cold]
    fn is_in_the_groups(&self, known: &PackedContact<'_>) -> bool {
        let mut ours: Vec<&str> = self.groups.iter().map(|group| &**group).collect();
        let mut theirs: Vec<&str> = known.groups.iter().collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        ours == theirs
    }
}
