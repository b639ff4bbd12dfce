//! What a hook returned in canonical form, so that two modules can be compared by what it means.
//!
//! The order of contacts, changes, groups and users means nothing; nor do tags, warnings, and the wording of errors. A
//! change that changes nothing is none.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use crate::model::{Change, Contact, Contacts, Snapshot, Username};
use crate::plugin::{BadRequest, CallError, FetchError, FetchedRoster, PieceDigest, Refreshed, Reply};
use crate::text::counted;

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Canonical {
    /// The contacts by JID.
    Roster(BTreeMap<String, Contact>),
    /// The changes by JID; `None`: removed.
    Changes(BTreeMap<String, Option<Contact>>),
    Users(Vec<String>),
    /// The refresh request makes no sense.
    BadRequest,
    Reply {
        status: u16,
        content_type: String,
        body: Body,
    },
    /// What a response for many users says of each.
    Pieces(BTreeMap<String, PieceDigest>),
    /// It makes nothing of such a response.
    NoPieces(String),
    /// The kind of error.
    Error(&'static str),
    /// A result that the host would not take.
    Invalid(String),
}

/// A reply's body: JSON has no order of members.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    Json(Value),
    Other(Vec<u8>),
}

impl Canonical {
    /// What `fetch` said.
    pub(super) fn roster(said: &Result<FetchedRoster, FetchError>, max_contacts: usize) -> Self {
        let roster = match said {
            Ok(roster) => roster,
            Err(error) => return Self::error(error),
        };
        if let Err(wrong) = Contacts::pack(&roster.contacts, max_contacts) {
            return Self::Invalid(wrong.to_string());
        }
        Self::Roster(roster.contacts.iter().map(|contact| (contact.jid.clone(), sorted(contact.clone()))).collect())
    }

    /// What `refresh` said of `known`.
    pub(super) fn refreshed(said: &Result<Refreshed, FetchError>, known: &Snapshot, max_contacts: usize) -> Self {
        let changes = match said {
            Ok(Refreshed::Unchanged) => return Self::Changes(BTreeMap::new()),
            Ok(Refreshed::Changed(delta)) => delta.changes.clone(),
            Err(error) => return Self::error(error),
        };
        match known.contacts().apply(changes, max_contacts) {
            Ok((_, changes)) => Self::Changes(changes.into_iter().map(change).collect()),
            Err(wrong) => Self::Invalid(wrong.to_string()),
        }
    }

    /// What `changed-users` said.
    pub(super) fn users(said: &Result<Vec<String>, BadRequest>) -> Self {
        let Ok(users) = said else { return Self::BadRequest };
        let mut users = users.clone();
        users.sort();
        users.dedup();
        Self::Users(users)
    }

    /// What `split-response` said.
    pub(super) fn pieces(users: &[(Username, Option<Bytes>)], pieces: &[PieceDigest]) -> Self {
        let pieces = users.iter().zip(pieces).map(|((user, _), piece)| (user.to_string(), *piece));
        Self::Pieces(pieces.collect())
    }

    /// What `summary` said.
    pub(super) fn reply(said: &Reply) -> Self {
        if !(200..600).contains(&said.status) {
            return Self::Invalid(format!("{} is not the status of a response", said.status));
        }
        let body = serde_json::from_slice(&said.body).map_or_else(|_| Body::Other(said.body.clone()), Body::Json);
        Self::Reply { status: said.status, content_type: said.content_type.clone(), body }
    }

    fn error(error: &FetchError) -> Self {
        Self::Error(CallError::from(error.clone()).kind())
    }

    /// In what it differs from `then`, in one line.
    pub(super) fn difference_from(&self, then: &Self) -> String {
        let (what, was) = (self.shown(), then.shown());
        if what != was {
            return format!("{what}; was {was}");
        }
        let jid = match (self, then) {
            (Self::Roster(now), Self::Roster(then)) => first_difference(now, then),
            (Self::Changes(now), Self::Changes(then)) => first_difference(now, then),
            (Self::Pieces(now), Self::Pieces(then)) => first_difference(now, then),
            _ => None,
        };
        jid.map_or_else(|| format!("{what}, but others"), |jid| format!("{what}, but {jid} is another"))
    }

    fn shown(&self) -> String {
        match self {
            Self::Roster(contacts) => counted(contacts.len(), "contact"),
            Self::Changes(changes) => counted(changes.len(), "change"),
            Self::Users(users) => counted(users.len(), "user"),
            Self::BadRequest => "a bad request".to_owned(),
            Self::Pieces(pieces) => format!("a response for {}", counted(pieces.len(), "user")),
            Self::NoPieces(why) => format!("no response for many users ({why})"),
            Self::Reply { status, content_type, .. } => {
                format!("a reply of status {status} and type {content_type}")
            }
            Self::Error(kind) => format!("the error {kind}"),
            Self::Invalid(why) => format!("an invalid result ({why})"),
        }
    }
}

fn first_difference<T: PartialEq>(now: &BTreeMap<String, T>, then: &BTreeMap<String, T>) -> Option<String> {
    let differs = |jid: &&String| now.get(*jid) != then.get(*jid);
    now.keys().chain(then.keys()).find(differs).cloned()
}

fn change(change: Change) -> (String, Option<Contact>) {
    match change {
        Change::Put(contact) => (contact.jid.clone(), Some(sorted(contact))),
        Change::Remove(jid) => (jid, None),
    }
}

fn sorted(mut contact: Contact) -> Contact {
    contact.groups.sort();
    contact
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_response_that_is_cut_otherwise_is_told_by_who_it_is_about() {
        let users = ["john", "marie"].map(|name| (Username::new(name).unwrap(), None));
        let pieces = |marie| Canonical::pieces(&users, &[PieceDigest::Unchanged, marie]);
        let then = pieces(PieceDigest::Part([1; 16]));
        assert_eq!(then, pieces(PieceDigest::Part([1; 16])));
        for marie in [PieceDigest::Part([2; 16]), PieceDigest::Missing, PieceDigest::Unchanged] {
            assert_eq!(pieces(marie).difference_from(&then), "a response for 2 users, but marie is another");
        }
        let nothing = Canonical::NoPieces("why".to_owned());
        assert_eq!(nothing.difference_from(&then), "no response for many users (why); was a response for 2 users");
    }
    use crate::model::Subscription;
    use crate::plugin::Delta;

    fn contact(jid: &str, name: &str, groups: &[&str]) -> Contact {
        Contact {
            jid: jid.to_owned(),
            name: Some(name.to_owned()),
            subscription: Subscription::Both,
            ask: false,
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        }
    }

    fn roster(contacts: &[Contact]) -> Canonical {
        let roster = FetchedRoster { contacts: contacts.to_vec(), tag: None, warnings: Vec::new() };
        Canonical::roster(&Ok(roster), 10)
    }

    #[test]
    fn the_order_of_contacts_and_groups_means_nothing_and_the_rest_does() {
        let (a, b) = (contact("a@x", "A", &["g", "h"]), contact("b@x", "B", &[]));
        let then = roster(&[a.clone(), b.clone()]);
        assert_eq!(roster(&[b.clone(), contact("a@x", "A", &["h", "g"])]), then);
        for (now, says) in [
            (roster(std::slice::from_ref(&a)), "1 contact; was 2 contacts"),
            (roster(&[a.clone(), contact("b@x", "Bob", &[])]), "2 contacts, but b@x is another"),
            (Canonical::roster(&Err(FetchError::Malformed("why".into())), 10), "the error malformed; was 2 contacts"),
        ] {
            assert_ne!(now, then);
            assert_eq!(now.difference_from(&then), says);
        }
        assert!(matches!(roster(&[a.clone(), a]), Canonical::Invalid(_)));
        let error = |why: &str| Canonical::roster(&Err(FetchError::Malformed(why.into())), 10);
        assert_eq!(error("this"), error("that"));
    }

    #[test]
    fn a_change_that_changes_nothing_is_none() {
        let known = Contacts::pack(&[contact("a@x", "A", &[])], 10).unwrap();
        let known = Snapshot::new(1, None, known);
        let changed = |changes: Vec<Change>, tag: Option<&[u8]>| {
            let delta = Delta { changes, tag: tag.map(|tag| tag.to_vec().into()), warnings: Vec::new() };
            Canonical::refreshed(&Ok(Refreshed::Changed(delta)), &known, 10)
        };
        let unchanged = Canonical::refreshed(&Ok(Refreshed::Unchanged), &known, 10);
        assert_eq!(changed(Vec::new(), Some(b"new")), unchanged);
        assert_eq!(changed(vec![Change::Put(contact("a@x", "A", &[]))], None), unchanged);
        let (put, remove) = (Change::Put(contact("b@x", "B", &[])), Change::Remove("a@x".into()));
        assert_eq!(changed(vec![put.clone(), remove.clone()], None), changed(vec![remove, put], None));
        assert_eq!(changed(vec![Change::Remove("c@x".into())], None), unchanged);
        let twice = Change::Put(contact("b@x", "B", &[]));
        assert!(matches!(changed(vec![twice.clone(), twice], None), Canonical::Invalid(_)));
    }

    #[test]
    fn replies_in_json_are_compared_as_json() {
        let reply = |body: &str| {
            Canonical::reply(&Reply { status: 200, content_type: "application/json".into(), body: body.into() })
        };
        assert_eq!(reply(r#"{"a":1,"b":2}"#), reply(r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(reply(r#"{"a":1}"#), reply(r#"{"a":2}"#));
        assert_ne!(reply("a"), reply("b"));
    }
}
