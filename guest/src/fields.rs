//! What stands behind one JID of the roster: name, groups, subscription, ask. See [`crate::roster::decode`].

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::contact::{Contact, Subscription};
use crate::groups::Groups;
use crate::jid::JidError;
use crate::lenient::{Handler, Lenient, Text};
use crate::text::has_control;

/// Why a contact is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Jid(JidError),
    #[error("it is the user")]
    Owner,
    #[error("it is {0}; expected an object")]
    Kind(&'static str),
    #[error("its name is {0}; expected a string")]
    Name(&'static str),
    #[error("its name has a control character")]
    NameControl,
    #[error("its groups are {0}; expected an object or an array of strings")]
    Groups(&'static str),
    #[error("one of its groups is {0}; expected a string")]
    Group(&'static str),
    #[error("one of its groups has a control character")]
    GroupControl,
}

/// The fields of a contact.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    name: Option<Cow<'a, str>>,
    subscription: Subscription,
    ask: bool,
    groups: Groups<'a>,
    /// The subscription was something unknown and counts as `both`.
    pub(crate) odd_subscription: bool,
    /// A group had no name and was dropped.
    pub(crate) empty_group: bool,
}

impl<'a> Fields<'a> {
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

    #[inline]
    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Output, A::Error> {
        let mut fields = Fields::default();
        // A field that is there twice counts as its last value says, for faults too.
        let (mut name_fault, mut groups_fault) = (None, None);
        while let Some(field) = entries.next_key_seed(FieldName)? {
            match field {
                Field::Name => match entries.next_value_seed(Lenient(NameValue))? {
                    Ok(name) => (fields.name, name_fault) = (name, None),
                    Err(fault) => name_fault = Some(fault),
                },
                Field::Groups => {
                    fields.empty_group = false;
                    let groups = GroupsValue { empty: &mut fields.empty_group };
                    match entries.next_value_seed(Lenient(groups))? {
                        Ok(groups) => (fields.groups, groups_fault) = (groups, None),
                        Err(fault) => groups_fault = Some(fault),
                    }
                }
                Field::Subscription => {
                    let known = entries.next_value_seed(Lenient(SubscriptionValue))?;
                    fields.odd_subscription = known.is_none();
                    fields.subscription = known.unwrap_or_default();
                }
                Field::Ask => fields.ask = entries.next_value_seed(Lenient(AskValue))?,
                Field::Other => _ = entries.next_value::<IgnoredAny>()?,
            }
        }
        Ok(name_fault.or(groups_fault).map_or(Ok(fields), Err))
    }
}

struct NameValue;

impl<'de> Handler<'de> for NameValue {
    type Output = Result<Option<Cow<'de, str>>, Fault>;

    fn wrong(self, kind: &'static str) -> Self::Output {
        Err(Fault::Name(kind))
    }

    fn null(self) -> Self::Output {
        Ok(None)
    }

    #[inline]
    fn string(self, text: Cow<'de, str>) -> Self::Output {
        if has_control(&text) { Err(Fault::NameControl) } else { Ok(Some(text)) }
    }
}

/// Groups as an object, whose keys are the names (`{"Work": true}`), or as an array of names.
struct GroupsValue<'f> {
    empty: &'f mut bool,
}

impl<'de> Handler<'de> for GroupsValue<'_> {
    type Output = Result<Groups<'de>, Fault>;

    fn wrong(self, kind: &'static str) -> Self::Output {
        Err(Fault::Groups(kind))
    }

    #[inline]
    fn array<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Output, A::Error> {
        let mut list = GroupList::default();
        while let Some(item) = items.next_element_seed(Lenient(GroupValue))? {
            match item {
                Ok(group) => list.push(group),
                Err(fault) => list.fault = Some(fault),
            }
        }
        *self.empty = list.empty;
        Ok(list.finish())
    }

    #[inline]
    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Output, A::Error> {
        let mut list = GroupList::default();
        while let Some(group) = entries.next_key_seed(Text)? {
            entries.next_value::<IgnoredAny>()?;
            list.push(group);
        }
        *self.empty = list.empty;
        Ok(list.finish())
    }
}

struct GroupValue;

impl<'de> Handler<'de> for GroupValue {
    type Output = Result<Cow<'de, str>, Fault>;

    fn wrong(self, kind: &'static str) -> Self::Output {
        Err(Fault::Group(kind))
    }

    fn string(self, text: Cow<'de, str>) -> Self::Output {
        Ok(text)
    }
}

#[derive(Default)]
struct GroupList<'a> {
    groups: Groups<'a>,
    empty: bool,
    fault: Option<Fault>,
}

impl<'a> GroupList<'a> {
    #[inline]
    fn push(&mut self, group: Cow<'a, str>) {
        if group.is_empty() {
            self.empty = true;
        } else if has_control(&group) {
            self.fault = Some(Fault::GroupControl);
        } else {
            self.groups.push(group);
        }
    }

    #[inline]
    fn finish(mut self) -> Result<Groups<'a>, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.groups.len() > 1 {
            drop_duplicates(&mut self.groups);
        }
        Ok(self.groups)
    }
}

fn drop_duplicates(groups: &mut Groups<'_>) {
    // Comparing each with each is fast for a few and a trap for many.
    const FEW: usize = 16;
    let mut unique: Groups<'_> = Groups::default();
    let mut seen = HashSet::new();
    for group in std::mem::take(groups) {
        let first = if unique.len() < FEW {
            !unique.contains(&group)
        } else {
            if seen.is_empty() {
                seen.extend(unique.iter().cloned());
            }
            seen.insert(group.clone())
        };
        if first {
            unique.push(group);
        }
    }
    *groups = unique;
}

struct SubscriptionValue;

impl<'de> Handler<'de> for SubscriptionValue {
    type Output = Option<Subscription>;

    fn wrong(self, _: &'static str) -> Self::Output {
        None
    }

    fn string(self, text: Cow<'de, str>) -> Self::Output {
        Subscription::from_name(&text)
    }
}

struct AskValue;

impl<'de> Handler<'de> for AskValue {
    type Output = bool;

    fn wrong(self, _: &'static str) -> Self::Output {
        false
    }

    fn string(self, text: Cow<'de, str>) -> Self::Output {
        text == "subscribe"
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
