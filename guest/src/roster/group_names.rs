//! The field `groups` of a contact: an array of names, or an object whose keys are the names (`{"Work": true}`).

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::faults::Oddity;
use super::groups::Groups;
use crate::json::lenient::{Handler, Lenient, Text};
use crate::json::text::{is_number, mended};

/// Reads the groups, and what was odd about them.
pub(crate) struct GroupsValue;

impl<'de> Handler<'de> for GroupsValue {
    type Output = (Groups<'de>, Option<Oddity>);

    fn wrong(self, kind: &'static str) -> Self::Output {
        (Groups::default(), Some(Oddity::Groups(kind)))
    }

    #[inline]
    fn array<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Output, A::Error> {
        let mut list = GroupList::default();
        while let Some(item) = items.next_element_seed(Lenient(GroupValue))? {
            match item {
                Ok(group) => list.push(group),
                Err(kind) => list.odd(Oddity::Group(kind)),
            }
        }
        Ok(list.finish())
    }

    #[inline]
    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Output, A::Error> {
        let mut list = GroupList::default();
        while let Some(group) = entries.next_key_seed(Text)? {
            entries.next_value::<IgnoredAny>()?;
            if is_number(&group) {
                list.odd(Oddity::NumberedGroup);
            }
            list.push(group);
        }
        Ok(list.finish())
    }
}

struct GroupValue;

impl<'de> Handler<'de> for GroupValue {
    type Output = Result<Cow<'de, str>, &'static str>;

    fn wrong(self, kind: &'static str) -> Self::Output {
        Err(kind)
    }

    fn string(self, text: Cow<'de, str>) -> Self::Output {
        Ok(text)
    }
}

#[derive(Default)]
struct GroupList<'a> {
    groups: Groups<'a>,
    /// The first: one line in the log is enough for a field.
    oddity: Option<Oddity>,
}

impl<'a> GroupList<'a> {
    #[inline]
    fn push(&mut self, group: Cow<'a, str>) {
        if group.is_empty() {
            // RFC 6121 section 2.1.2.6 does not allow it.
            self.odd(Oddity::EmptyGroup);
            return;
        }
        let (group, was_mended) = mended(group);
        if was_mended {
            self.odd(Oddity::GroupText);
        }
        self.groups.push(group);
    }

    fn odd(&mut self, oddity: Oddity) {
        self.oddity.get_or_insert(oddity);
    }

    #[inline]
    fn finish(mut self) -> (Groups<'a>, Option<Oddity>) {
        if self.groups.len() > 1 {
            drop_duplicates(&mut self.groups);
        }
        (self.groups, self.oddity)
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
