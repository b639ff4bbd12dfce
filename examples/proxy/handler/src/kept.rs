//! Rosters in `wasi:keyvalue`: one entry a user, JSON.
//!
//! A request may be served by another instance than the one before. So rosters are only any good in a store that all of
//! them share, and servers differ in that: wasmtime's in-memory store is a new one each time it is opened. [`open`] finds
//! out before anything is done.

use serde::{Deserialize, Serialize};

use crate::bindings::wasi::keyvalue::store::{self, Bucket, Error};
use crate::bindings::xmpp::roster::types::{Contact, Subscription};

/// The name of the store, if the setting `keyvalue_store` gives none. Empty is the server's default.
const DEFAULT_STORE: &str = "";
const PROBE: &str = "roster-probe";

/// A roster as it is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) version: u64,
    pub(crate) tag: Option<Vec<u8>>,
    pub(crate) contacts: Vec<KeptContact>,
}

/// A contact as it is kept, and shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptContact {
    pub(crate) jid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) subscription: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ask: Option<Ask>,
    pub(crate) groups: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    None,
    To,
    From,
    Both,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ask {
    Subscribe,
}

/// The store, if it is one that remembers. The error is for people.
pub(crate) fn open(name: Option<String>) -> Result<Bucket, String> {
    let name = name.unwrap_or_else(|| DEFAULT_STORE.into());
    let open =
        || store::open(&name).map_err(|error| format!("wasi:keyvalue has no store {name:?}: {}", explain(&error)));
    let bucket = open()?;
    let fails = |error: Error| format!("wasi:keyvalue does not work here: {}", explain(&error));
    if !bucket.exists(PROBE).map_err(fails)? {
        bucket.set(PROBE, b"1").map_err(fails)?;
        if !open()?.exists(PROBE).map_err(fails)? {
            return Err(
                "this server's wasi:keyvalue is not shared: what one request keeps, the next does not see, so a \
                        refresh would have no effect"
                    .into(),
            );
        }
    }
    Ok(bucket)
}

/// The roster that is kept for a user. One that cannot be read counts as none.
pub(crate) fn get(bucket: &Bucket, user: &str) -> Result<Option<Kept>, String> {
    let bytes = bucket.get(&key(user)).map_err(|error| explain(&error))?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Keeps a roster. Of two at the same time the later stays: `wasi:keyvalue` has no more to offer that all servers have.
pub(crate) fn set(bucket: &Bucket, user: &str, kept: &Kept) -> Result<(), String> {
    let bytes = serde_json::to_vec(kept).map_err(|error| error.to_string())?;
    bucket.set(&key(user), &bytes).map_err(|error| explain(&error))
}

fn key(user: &str) -> String {
    format!("roster:{user}")
}

fn explain(error: &Error) -> String {
    match error {
        Error::NoSuchStore => "there is no such store".into(),
        Error::AccessDenied => "access is denied".into(),
        Error::Other(reason) => reason.clone(),
    }
}

impl From<Contact> for KeptContact {
    fn from(contact: Contact) -> Self {
        Self {
            jid: contact.jid,
            name: contact.name,
            subscription: match contact.subscription {
                Subscription::None => Name::None,
                Subscription::To => Name::To,
                Subscription::From => Name::From,
                Subscription::Both => Name::Both,
            },
            ask: contact.ask.then_some(Ask::Subscribe),
            groups: contact.groups,
        }
    }
}

impl From<KeptContact> for Contact {
    fn from(contact: KeptContact) -> Self {
        Self {
            jid: contact.jid,
            name: contact.name,
            subscription: match contact.subscription {
                Name::None => Subscription::None,
                Name::To => Subscription::To,
                Name::From => Subscription::From,
                Name::Both => Subscription::Both,
            },
            ask: contact.ask.is_some(),
            groups: contact.groups,
        }
    }
}
