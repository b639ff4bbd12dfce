//! Between the generated types and the host's own.

use super::bindings::xmpp::roster::types as wit;
use super::contract::{Answer, BadRequest, Delta, FetchError, FetchedRoster, Outcome, Refreshed};
use crate::model::{Change, Contact, ContactRef, Subscription, Tag};

/// The longest tag kept, bytes; see `tag` in `wit/types.wit`.
const LONGEST_TAG: usize = 4096;
/// Warnings logged per call, and the length of one; a plugin must not flood the log.
const MOST_WARNINGS: usize = 32;
const LONGEST_WARNING: usize = 500;

pub(super) fn contact(contact: ContactRef<'_>) -> wit::Contact {
    wit::Contact {
        jid: contact.jid.to_owned(),
        name: contact.name.map(str::to_owned),
        subscription: match contact.subscription {
            Subscription::None => wit::Subscription::None,
            Subscription::To => wit::Subscription::To,
            Subscription::From => wit::Subscription::From,
            Subscription::Both => wit::Subscription::Both,
        },
        ask: contact.ask,
        groups: contact.groups().map(str::to_owned).collect(),
    }
}

fn owned_contact(contact: wit::Contact) -> Contact {
    let wit::Contact { jid, name, subscription, ask, groups } = contact;
    let subscription = match subscription {
        wit::Subscription::None => Subscription::None,
        wit::Subscription::To => Subscription::To,
        wit::Subscription::From => Subscription::From,
        wit::Subscription::Both => Subscription::Both,
    };
    Contact { jid, name, subscription, ask, groups }
}

/// The beginning of the digest of the code that made a tag; kept in front of it.
pub(super) type TagOwner = [u8; 8];

fn tag(tag: Option<Vec<u8>>, code: TagOwner) -> Option<Tag> {
    let tag = tag.filter(|tag| tag.len() <= LONGEST_TAG)?;
    Some([&code[..], &tag].concat().into_boxed_slice())
}

fn warnings(mut warnings: Vec<String>) -> Vec<String> {
    let more = warnings.len().saturating_sub(MOST_WARNINGS);
    warnings.truncate(MOST_WARNINGS);
    for warning in &mut warnings {
        *warning = one_line(warning);
    }
    if more > 0 {
        warnings.push(format!("and {more} more warnings"));
    }
    warnings
}

/// What a plugin says, fit for one line of the log.
pub(super) fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(clean).take(LONGEST_WARNING).collect()
}

pub(super) fn roster(roster: wit::Roster, code: TagOwner) -> FetchedRoster {
    FetchedRoster {
        contacts: roster.contacts.into_iter().map(owned_contact).collect(),
        tag: tag(roster.tag, code),
        warnings: warnings(roster.warnings),
    }
}

pub(super) fn refreshed(refreshed: wit::Refreshed, code: TagOwner) -> Refreshed {
    match refreshed {
        wit::Refreshed::Unchanged => Refreshed::Unchanged,
        wit::Refreshed::Changed(delta) => Refreshed::Changed(Delta {
            changes: delta.changes.into_iter().map(change).collect(),
            tag: tag(delta.tag, code),
            warnings: warnings(delta.warnings),
        }),
    }
}

fn change(change: wit::Change) -> Change {
    match change {
        wit::Change::Put(contact) => Change::Put(owned_contact(contact)),
        wit::Change::Remove(jid) => Change::Remove(jid),
    }
}

pub(super) fn fetch_error(error: wit::FetchError) -> FetchError {
    match error {
        wit::FetchError::Unreachable(reason) => FetchError::Unreachable(one_line(&reason)),
        wit::FetchError::TimedOut => FetchError::TimedOut,
        wit::FetchError::Status(status) => FetchError::Status(status),
        wit::FetchError::TooLarge => FetchError::TooLarge,
        wit::FetchError::Malformed(reason) => FetchError::Malformed(one_line(&reason)),
        wit::FetchError::Misconfigured(reason) => FetchError::Misconfigured(one_line(&reason)),
    }
}

pub(super) fn bad_request(bad: wit::BadRequest) -> BadRequest {
    BadRequest { message: one_line(&bad.message) }
}

pub(super) fn outcome(outcome: Outcome) -> wit::Outcome {
    match outcome {
        Outcome::Batch { updated, errors } => wit::Outcome::Batch(wit::Counts { updated, errors }),
        Outcome::Single(updated) => wit::Outcome::Single(updated),
        Outcome::Refused(BadRequest { message }) => wit::Outcome::Refused(wit::BadRequest { message }),
    }
}

pub(super) fn answer(answer: wit::Answer) -> Answer {
    Answer { status: answer.status, content_type: answer.content_type, body: answer.body }
}
