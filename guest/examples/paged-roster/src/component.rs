//! The world `roster-plugin`: between its types and this crate's. Decides nothing.

use crate::changes::{self, Change};
use crate::contact::{Contact, Relation};
use crate::http::Http;
use crate::list::{self, Asked, FetchError, List};
use crate::settings::{DOMAIN_KEY, SettingError, Settings, URL_KEY};
use crate::{summary, webhook};

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction)]
pub(crate) mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "roster-plugin", generate_all });

    export!(Component with_types_in self);

    use super::Component;
}

use bindings::exports::xmpp::roster::hooks::{Guest, Snapshot};
use bindings::wasi::config::store;
use bindings::xmpp::roster::types as wit;

pub(crate) struct Component;

impl Guest for Component {
    fn check() -> Result<(), wit::ConfigError> {
        let wrong = |error: SettingError| wit::ConfigError { key: error.key.into(), reason: error.reason.into() };
        settings().map(drop).map_err(wrong)
    }

    fn fetch(user: String) -> Result<wit::Roster, wit::FetchError> {
        match ask(&user, None)? {
            Asked::List(List { contacts, tag, warnings }) => {
                Ok(wit::Roster { contacts: contacts.into_iter().map(wit::Contact::from).collect(), tag, warnings })
            }
            // Nobody was asked about a tag.
            Asked::Unchanged => Err(wit::FetchError::Status(304)),
        }
    }

    fn changed_users(body: Vec<u8>) -> Result<Vec<String>, wit::BadRequest> {
        webhook::users(&body).map_err(|message| wit::BadRequest { message })
    }

    fn refresh(user: String, known: &Snapshot) -> Result<wit::Refreshed, wit::FetchError> {
        let List { contacts, tag, warnings } = match ask(&user, known.tag().as_deref())? {
            Asked::Unchanged => return Ok(wit::Refreshed::Unchanged),
            Asked::List(list) => list,
        };
        let known = known.contacts().into_iter().map(Contact::from).collect();
        let changes = changes::between(known, contacts).into_iter().map(|change| match change {
            Change::Put(contact) => wit::Change::Put(contact.into()),
            Change::Remove(jid) => wit::Change::Remove(jid),
        });
        Ok(wit::Refreshed::Changed(wit::Delta { changes: changes.collect(), tag, warnings }))
    }

    fn summary(outcome: wit::Outcome) -> wit::Answer {
        let (status, body) = match outcome {
            wit::Outcome::Batch(counts) => summary::counted(counts.updated, counts.errors, counts.invalid),
            wit::Outcome::Single(updated) => summary::counted(updated.into(), (!updated).into(), 0),
            wit::Outcome::Refused(bad) => summary::refused(&bad.message),
        };
        wit::Answer { status, content_type: "application/json".into(), body }
    }
}

fn ask(user: &str, tag: Option<&[u8]>) -> Result<Asked, wit::FetchError> {
    let settings = settings().map_err(|error| wit::FetchError::Misconfigured(error.to_string()))?;
    Ok(list::ask(&mut Http { settings: &settings }, &settings, user, tag)?)
}

fn settings() -> Result<Settings, SettingError> {
    let get = |key| store::get(key).map_err(|_| SettingError { key, reason: "could not be read" });
    Settings::new(get(URL_KEY)?.as_deref(), get(DOMAIN_KEY)?.as_deref())
}

impl From<FetchError> for wit::FetchError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Unreachable(reason) => Self::Unreachable(reason),
            FetchError::TimedOut => Self::TimedOut,
            FetchError::Status(status) => Self::Status(status),
            FetchError::TooLarge => Self::TooLarge,
            FetchError::Malformed(reason) => Self::Malformed(reason),
            FetchError::Misconfigured(reason) => Self::Misconfigured(reason),
        }
    }
}

impl From<Contact> for wit::Contact {
    fn from(contact: Contact) -> Self {
        let Contact { jid, name, relation, pending, labels } = contact;
        let subscription = match relation {
            Relation::Mutual => wit::Subscription::Both,
            Relation::Following => wit::Subscription::To,
            Relation::Follower => wit::Subscription::From,
            Relation::None => wit::Subscription::None,
        };
        Self { jid, name, subscription, ask: pending, groups: labels }
    }
}

impl From<wit::Contact> for Contact {
    fn from(contact: wit::Contact) -> Self {
        let wit::Contact { jid, name, subscription, ask, groups } = contact;
        let relation = match subscription {
            wit::Subscription::Both => Relation::Mutual,
            wit::Subscription::To => Relation::Following,
            wit::Subscription::From => Relation::Follower,
            wit::Subscription::None => Relation::None,
        };
        Self { jid, name, relation, pending: ask, labels: groups }
    }
}
