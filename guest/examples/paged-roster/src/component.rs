//! The world `roster-plugin`: between its types and this crate's. Decides nothing.

use crate::contact::{Contact, Relation};
use crate::list::{self, FetchError, List, Step};
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
    fn check() -> Result<wit::Needs, wit::ConfigError> {
        match load_settings() {
            Ok(_) => Ok(wit::Needs { response_headers: vec!["etag".to_owned()] }),
            Err(error) => Err(wit::ConfigError { key: error.key.into(), reason: error.reason.into() }),
        }
    }

    fn make_request(user: String, tag: Option<Vec<u8>>) -> Result<wit::Request, wit::FetchError> {
        Ok(list::first(&settings()?, &user, tag.as_deref()).into())
    }

    fn read_response(
        user: String,
        tag: Option<Vec<u8>>,
        _known: Option<&Snapshot>,
        response: wit::Response,
        state: Vec<u8>,
    ) -> Result<wit::Step, wit::FetchError> {
        let wit::Response { status, mut headers, body } = response;
        // Only the header that `check` names is there; two say nothing.
        let etag = if headers.len() == 1 { headers.pop().map(|etag| etag.value) } else { None };
        let response = list::Response { status, etag, body };
        Ok(match list::read(&settings()?, &user, tag.as_deref(), response, &state)? {
            Step::Unchanged => wit::Step::Unchanged,
            // The host works out what has changed.
            Step::List(List { contacts, tag, warnings }) => {
                let contacts = contacts.into_iter().map(wit::Contact::from).collect();
                wit::Step::Roster(wit::Roster { contacts, tag, warnings })
            }
            Step::Next(request, state) => wit::Step::Next(wit::FollowUp { request: request.into(), state }),
        })
    }

    fn changed_users(body: Vec<u8>) -> Result<Vec<String>, wit::BadRequest> {
        webhook::users(&body).map_err(|message| wit::BadRequest { message })
    }

    fn summary(outcome: wit::Outcome) -> wit::Reply {
        let (status, body) = match outcome {
            wit::Outcome::Batch(counts) => summary::counted(counts.updated, counts.errors, counts.invalid),
            wit::Outcome::Single(updated) => summary::counted(updated.into(), (!updated).into(), 0),
            wit::Outcome::Refused(bad) => summary::refused(&bad.message),
        };
        wit::Reply { status, content_type: "application/json".into(), body }
    }
}

fn settings() -> Result<Settings, wit::FetchError> {
    load_settings().map_err(|error| wit::FetchError::Misconfigured(error.to_string()))
}

fn load_settings() -> Result<Settings, SettingError> {
    let get = |key| store::get(key).map_err(|_| SettingError { key, reason: "could not be read" });
    Settings::new(get(URL_KEY)?.as_deref(), get(DOMAIN_KEY)?.as_deref())
}

impl From<list::Request> for wit::Request {
    fn from(request: list::Request) -> Self {
        let header = |name: &str, value: String| wit::Header { name: name.to_owned(), value };
        let mut headers = vec![header("accept", "application/json".to_owned())];
        headers.extend(request.if_none_match.map(|etag| header("if-none-match", etag)));
        Self { method: wit::Method::Get, url: request.url, headers, body: Vec::new() }
    }
}

impl From<FetchError> for wit::FetchError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Status(status) => Self::Status(status),
            FetchError::TooLarge => Self::TooLarge,
            FetchError::Malformed(reason) => Self::Malformed(reason),
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
