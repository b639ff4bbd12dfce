//! Between the generated types and the host's own.

use super::bindings::xmpp::roster::types as wit;
use crate::model::{Change, Contact, ContactRef, Subscription};
use crate::plugin::api::{BadRequest, Delta, FetchError, FetchedRoster, Outcome, Reply};
use crate::plugin::wit::version::{Step, Wanted};

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

fn roster(roster: wit::Roster) -> FetchedRoster {
    FetchedRoster {
        contacts: roster.contacts.into_iter().map(owned_contact).collect(),
        tag: roster.tag.map(Into::into),
        warnings: roster.warnings,
    }
}

pub(super) fn request(request: wit::Request) -> Wanted {
    let wit::Request { method, url, headers, body } = request;
    let method = match method {
        wit::Method::Get => "GET".to_owned(),
        wit::Method::Post => "POST".to_owned(),
        wit::Method::Other(method) => method,
    };
    Wanted { method, url, headers: headers.into_iter().map(|header| (header.name, header.value)).collect(), body }
}

pub(super) fn step(step: wit::Step) -> Step {
    match step {
        wit::Step::Unchanged => Step::Unchanged,
        wit::Step::Roster(whole) => Step::Roster(roster(whole)),
        wit::Step::Changed(delta) => Step::Changed(Delta {
            changes: delta.changes.into_iter().map(change).collect(),
            tag: delta.tag.map(Into::into),
            warnings: delta.warnings,
        }),
        wit::Step::Next(wit::FollowUp { request: next, state }) => Step::Next { request: request(next), state },
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
        wit::FetchError::Unreachable(reason) => FetchError::Unreachable(reason),
        wit::FetchError::TimedOut => FetchError::TimedOut,
        wit::FetchError::Status(status) => FetchError::Status(status),
        wit::FetchError::TooLarge => FetchError::TooLarge,
        wit::FetchError::Malformed(reason) => FetchError::Malformed(reason),
        wit::FetchError::Misconfigured(reason) => FetchError::Misconfigured(reason),
    }
}

pub(super) fn bad_request(bad: wit::BadRequest) -> BadRequest {
    BadRequest { message: bad.message }
}

pub(super) fn outcome(outcome: Outcome) -> wit::Outcome {
    match outcome {
        Outcome::Batch { updated, errors, invalid } => wit::Outcome::Batch(wit::Counts { updated, errors, invalid }),
        Outcome::Single(updated) => wit::Outcome::Single(updated),
        Outcome::Refused(BadRequest { message }) => wit::Outcome::Refused(wit::BadRequest { message }),
    }
}

pub(super) fn reply(reply: wit::Reply) -> Reply {
    Reply { status: reply.status, content_type: reply.content_type, body: reply.body }
}
