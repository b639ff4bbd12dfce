//! A contact of a roster, owned and borrowed, and the difference between two rosters.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// The state of the presence subscription between user and contact (RFC 6121 section 2.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subscription {
    /// Neither sees the other's presence.
    None,
    /// The user sees the contact's presence.
    To,
    /// The contact sees the user's presence.
    From,
    /// Both.
    Both,
}

impl Subscription {
    /// As in the attribute `subscription` of an `<item/>`, and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::To => "to",
            Self::From => "from",
            Self::Both => "both",
        }
    }
}

/// One contact (an `<item/>`, RFC 6121 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The bare JID, normalised by the plugin.
    pub jid: String,
    /// The name the user sees; `Some("")` is a name that is empty.
    pub name: Option<String>,
    /// See [`Subscription`].
    pub subscription: Subscription,
    /// A subscription request is pending (`ask='subscribe'`).
    pub ask: bool,
    /// The groups, without duplicates.
    pub groups: Vec<String>,
}

/// A [`Contact`] inside a stored roster, without a copy.
#[derive(Clone, Copy, Debug)]
pub struct ContactRef<'a> {
    /// As [`Contact::jid`].
    pub jid: &'a str,
    /// As [`Contact::name`].
    pub name: Option<&'a str>,
    /// As [`Contact::subscription`].
    pub subscription: Subscription,
    /// As [`Contact::ask`].
    pub ask: bool,
    pub(super) groups: GroupsRef<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct GroupsRef<'a> {
    pub(super) text: &'a str,
    pub(super) lengths: &'a [u32],
}

impl<'a> ContactRef<'a> {
    /// The groups, in the order they were given.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let mut rest = self.groups.text;
        self.groups.lengths.iter().map(move |length| {
            let (group, after) = rest.split_at_checked(*length as usize).unwrap_or_default();
            rest = after;
            group
        })
    }

    /// A copy that stands on its own.
    pub fn to_contact(&self) -> Contact {
        Contact {
            jid: self.jid.to_owned(),
            name: self.name.map(str::to_owned),
            subscription: self.subscription,
            ask: self.ask,
            groups: self.groups().map(str::to_owned).collect(),
        }
    }
}

/// One difference between two rosters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The contact is new or has changed: this is how it looks now.
    Put(Contact),
    /// The contact with this JID is gone.
    Remove(String),
}

impl Change {
    /// The JID of the contact that changes.
    pub fn jid(&self) -> &str {
        match self {
            Self::Put(contact) => &contact.jid,
            Self::Remove(jid) => jid,
        }
    }
}

/// `{"jid": ..., "name": ..., "subscription": ..., "ask": ..., "groups": [...]}`: name only when there is one, ask
/// only when true.
impl Serialize for Contact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_contact(serializer, (&self.jid, self.name.as_deref(), self.subscription, self.ask), &self.groups)
    }
}

impl Serialize for ContactRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let groups: Vec<&str> = self.groups().collect();
        serialize_contact(serializer, (self.jid, self.name, self.subscription, self.ask), &groups)
    }
}

fn serialize_contact<S: Serializer, G: Serialize>(
    serializer: S,
    (jid, name, subscription, ask): (&str, Option<&str>, Subscription, bool),
    groups: &[G],
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_struct("Contact", 5)?;
    object.serialize_field("jid", jid)?;
    match name {
        Some(name) => object.serialize_field("name", name)?,
        None => object.skip_field("name")?,
    }
    object.serialize_field("subscription", &subscription)?;
    if ask {
        object.serialize_field("ask", &ask)?;
    } else {
        object.skip_field("ask")?;
    }
    object.serialize_field("groups", groups)?;
    object.end()
}

/// `{"put": {contact}}` or `{"remove": "jid"}`.
impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Change", 1)?;
        match self {
            Self::Put(contact) => object.serialize_field("put", contact)?,
            Self::Remove(jid) => object.serialize_field("remove", jid)?,
        }
        object.end()
    }
}
