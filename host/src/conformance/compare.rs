//! What a hook said against what is expected. Each difference is one line.

use std::collections::BTreeSet;

use serde_json::Value;

use super::case::{ExpectAnswer, ExpectUsers, Kind};
use crate::model::{Change, Contact};
use crate::plugin::{BadRequest, CallError, FetchError, Reply};

/// The result of a step: nothing, or what is not as expected.
pub(super) type Compared = Result<(), String>;

/// The contacts in order; the order of groups does not count.
pub(super) fn contacts(found: &[Contact], expected: &[Contact]) -> Compared {
    let (found, expected) = (all_in_order(found), all_in_order(expected));
    same(&found, &expected, "the roster")
}

/// In any order.
pub(super) fn changes(mut found: Vec<Change>, mut expected: Vec<Change>) -> Compared {
    for changes in [&mut found, &mut expected] {
        for change in changes.iter_mut() {
            if let Change::Put(contact) = change {
                *contact = in_order(contact);
            }
        }
        changes.sort_by(|a, b| a.jid().cmp(b.jid()));
    }
    same(&found, &expected, "the changes")
}

/// As many, each with one of the texts in it.
pub(super) fn warnings(found: &[String], expected: Option<&[String]>) -> Compared {
    let Some(expected) = expected else { return Ok(()) };
    let mut left: Vec<&String> = found.iter().collect();
    for text in expected {
        match left.iter().position(|warning| warning.contains(text.as_str())) {
            Some(at) => drop(left.swap_remove(at)),
            None => return Err(format!("no warning has {text:?} in it: {found:?}")),
        }
    }
    if left.is_empty() { Ok(()) } else { Err(format!("warnings that are not expected: {left:?}")) }
}

/// Another error than the one expected, or none.
pub(super) fn error<T>(found: Result<T, CallError>, kind: Kind, status: Option<u16>) -> Compared {
    let error = match found {
        Ok(_) => return Err(format!("no error; expected {kind:?}")),
        Err(CallError::Fetch(failure)) => failure.error,
        Err(failed) => return Err(failed.to_string()),
    };
    let found = match error {
        FetchError::Unreachable(_) => Kind::Unreachable,
        FetchError::TimedOut => Kind::TimedOut,
        FetchError::Status(found) => {
            if status.is_some_and(|status| status != found) {
                return Err(format!("the error is status {found}; expected {}", status.unwrap_or_default()));
            }
            Kind::Status
        }
        FetchError::TooLarge => Kind::TooLarge,
        FetchError::Malformed(_) => Kind::Malformed,
        FetchError::Misconfigured(_) => Kind::Misconfigured,
    };
    if found == kind { Ok(()) } else { Err(format!("the error is {found:?} ({error}); expected {kind:?}")) }
}

pub(super) fn users(found: Result<Vec<String>, BadRequest>, expected: &ExpectUsers) -> Compared {
    match (found, expected) {
        (Ok(found), ExpectUsers { users: Some(users), .. }) => same(&found, users, "the users"),
        (Ok(found), ExpectUsers { count: Some(count), .. }) => same(&found.len(), count, "the number of users"),
        (Ok(found), _) => Err(format!("{} users; expected the request to be refused", found.len())),
        (Err(BadRequest { message }), ExpectUsers { bad_request: Some(texts), .. }) => {
            let lower = message.to_lowercase();
            match texts.iter().find(|text| !lower.contains(&text.to_lowercase())) {
                Some(missing) => Err(format!("{message:?} does not say {missing:?}")),
                None => Ok(()),
            }
        }
        (Err(BadRequest { message }), _) => Err(format!("refused: {message}")),
    }
}

pub(super) fn answer(found: &Reply, expected: &ExpectAnswer) -> Compared {
    same(&found.status, &expected.status, "the status")?;
    same(&found.content_type, &expected.content_type, "the content type")?;
    let json: Value = serde_json::from_slice(&found.body).map_err(|error| format!("the body is not JSON: {error}"))?;
    if fits(&json, &expected.json) { Ok(()) } else { Err(format!("the body is {json}; expected {}", expected.json)) }
}

/// `"*"` stands for any string.
fn fits(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::String(_), Value::String(any)) if any == "*" => true,
        (Value::Object(found), Value::Object(expected)) => {
            found.len() == expected.len()
                && expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| fits(found, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| fits(found, expected))
        }
        _ => found == expected,
    }
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T, what: &str) -> Compared {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}; expected {expected:?}")) }
}

fn all_in_order(contacts: &[Contact]) -> Vec<Contact> {
    contacts.iter().map(in_order).collect()
}

fn in_order(contact: &Contact) -> Contact {
    let groups: BTreeSet<&String> = contact.groups.iter().collect();
    // A group twice stays a difference: the WIT says there is none.
    if groups.len() != contact.groups.len() {
        return contact.clone();
    }
    Contact { groups: groups.into_iter().cloned().collect(), ..contact.clone() }
}
