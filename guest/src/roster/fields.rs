//! What stands behind one JID of the roster: name, groups, subscription, ask. See [`crate::roster::decode`].
//!
//! A field of the wrong kind costs that field, and a contact without it is still a contact. Only what somebody's presence
//! is shared by errs to the other side: a subscription that is not understood is none.

use std::borrow::Cow;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::contact::{Contact, Subscription};
use super::faults::{Fault, Oddities, Oddity, Part};
use super::group_names::GroupsValue;
use super::groups::Groups;
use crate::json::lenient::{Handler, Lenient};
use crate::json::text::mended;

/// The fields of a contact.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    name: Option<Cow<'a, str>>,
    subscription: Subscription,
    ask: bool,
    groups: Groups<'a>,
    /// What was left out or mended.
    pub(crate) oddities: Oddities,
}

impl<'a> Fields<'a> {
    /// None, for this reason.
    fn without(oddity: Oddity, subscription: Subscription) -> Self {
        let mut fields = Self { subscription, ..Self::default() };
        fields.oddities.set(Part::Whole, Some(oddity));
        fields
    }

    #[inline]
    pub(crate) fn into_contact(self, jid: Cow<'a, str>) -> Contact<'a> {
        let Self { name, subscription, ask, groups, .. } = self;
        Contact { jid, name, subscription, ask, groups }
    }
}

/// Reads the value of a contact.
pub(crate) struct ContactValue;

impl<'de> Handler<'de> for ContactValue {
    type Output = Result<Fields<'de>, Fault>;

    fn wrong(self, kind: &'static str) -> Self::Output {
        Err(Fault::Kind(kind))
    }

    fn null(self) -> Self::Output {
        Ok(Fields::without(Oddity::Null, Subscription::default()))
    }

    fn array<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Output, A::Error> {
        // What PHP makes of an empty map.
        if items.next_element::<IgnoredAny>()?.is_none() {
            return Ok(Ok(Fields::default()));
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Ok(Fields::without(Oddity::Array, Subscription::None)))
    }

    #[inline]
    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Output, A::Error> {
        let mut fields = Fields::default();
        while let Some(field) = entries.next_key_seed(FieldName)? {
            let (part, oddity) = match field {
                Field::Name => {
                    let oddity;
                    (fields.name, oddity) = entries.next_value_seed(Lenient(NameValue))?;
                    (Part::Name, oddity)
                }
                Field::Groups => {
                    let oddity;
                    (fields.groups, oddity) = entries.next_value_seed(Lenient(GroupsValue))?;
                    (Part::Groups, oddity)
                }
                Field::Subscription => {
                    let oddity;
                    (fields.subscription, oddity) = entries.next_value_seed(Lenient(SubscriptionValue))?;
                    (Part::Subscription, oddity)
                }
                Field::Ask => {
                    let oddity;
                    (fields.ask, oddity) = entries.next_value_seed(Lenient(AskValue))?;
                    (Part::Ask, oddity)
                }
                Field::Other => {
                    entries.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            fields.oddities.set(part, oddity);
        }
        Ok(Ok(fields))
    }
}

struct NameValue;

impl<'de> Handler<'de> for NameValue {
    type Output = (Option<Cow<'de, str>>, Option<Oddity>);

    fn wrong(self, kind: &'static str) -> Self::Output {
        (None, Some(Oddity::Name(kind)))
    }

    fn null(self) -> Self::Output {
        (None, None)
    }

    #[inline]
    fn string(self, text: Cow<'de, str>) -> Self::Output {
        let (name, was_mended) = mended(text);
        (Some(name), was_mended.then_some(Oddity::NameText))
    }
}

struct SubscriptionValue;

impl<'de> Handler<'de> for SubscriptionValue {
    type Output = (Subscription, Option<Oddity>);

    fn wrong(self, kind: &'static str) -> Self::Output {
        (Subscription::None, Some(Oddity::Subscription(kind)))
    }

    fn null(self) -> Self::Output {
        (Subscription::default(), None)
    }

    fn string(self, text: Cow<'de, str>) -> Self::Output {
        text.parse().map_or_else(|_| self.wrong("another word"), |known| (known, None))
    }
}

struct AskValue;

impl<'de> Handler<'de> for AskValue {
    type Output = (bool, Option<Oddity>);

    fn wrong(self, kind: &'static str) -> Self::Output {
        (false, Some(Oddity::Ask(kind)))
    }

    fn null(self) -> Self::Output {
        (false, None)
    }

    fn string(self, text: Cow<'de, str>) -> Self::Output {
        (text == "subscribe", None)
    }
}

enum Field {
    Name,
    Groups,
    Subscription,
    Ask,
    Other,
}

struct FieldName;

impl<'de> serde::de::DeserializeSeed<'de> for FieldName {
    type Value = Field;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = Field;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of a field")
    }

    #[inline]
    fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
        Ok(match name {
            "name" => Field::Name,
            "groups" => Field::Groups,
            "subscription" => Field::Subscription,
            "ask" => Field::Ask,
            _ => Field::Other,
        })
    }
}
