//! What can be wrong with a contact, and what that costs: a [`Fault`] the contact, an [`Oddity`] one of its fields.

use crate::jid::JidError;

/// Why a contact is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Jid(JidError),
    #[error("it is the user")]
    Owner,
    #[error("it is {0}; expected an object")]
    Kind(&'static str),
}

/// What is odd about a contact that stays in the roster: said after the contact, in one line for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Oddity {
    #[error("it is null; expected an object; it counts as {{}}")]
    Null,
    #[error("it is an array that is not empty; expected an object; it has no fields and its subscription is none")]
    Array,
    #[error("its name is {0}; expected a string; it has no name now")]
    Name(&'static str),
    #[error(
        "its name has characters that no name can have (control characters, halves of surrogate pairs); they are replaced"
    )]
    NameText,
    #[error("its groups are {0}; expected an array of strings or an object; it has no groups now")]
    Groups(&'static str),
    #[error("one of its groups is {0}; expected a string; that group is left out")]
    Group(&'static str),
    #[error(
        "one of its groups has characters that no name can have (control characters, halves of surrogate pairs); they are replaced"
    )]
    GroupText,
    #[error("one of its groups has no name; that group is left out")]
    EmptyGroup,
    #[error(
        "one of its groups has a number for a name, as the keys of a PHP array with gaps; if the values are the names, send groups as an array of strings: array_values($groups)"
    )]
    NumberedGroup,
    #[error("its subscription is {0}; expected none, to, from or both; it counts as none")]
    Subscription(&'static str),
    #[error("its ask is {0}; expected \"subscribe\"; it is left out")]
    Ask(&'static str),
}

/// What of a contact an [`Oddity`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Name,
    Groups,
    Subscription,
    Ask,
}

/// The oddities of one contact, one for each part. Nearly always none, which takes no memory.
#[derive(Debug, Default)]
pub(crate) struct Oddities(Vec<(Part, Oddity)>);

impl Oddities {
    /// The part has been read. A field that is there twice counts as its last value says, for oddities too.
    #[inline]
    pub(crate) fn set(&mut self, part: Part, oddity: Option<Oddity>) {
        if !self.0.is_empty() {
            self.0.retain(|(other, _)| *other != part);
        }
        self.0.extend(oddity.map(|oddity| (part, oddity)));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Oddity> {
        self.0.iter().map(|(_, oddity)| *oddity)
    }
}
