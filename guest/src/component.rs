//! The world `roster-plugin` of `wit/`: translates between its types and the crate's, and decides nothing.

use std::sync::OnceLock;

use crate::contact::{Contact, Subscription};
use crate::diff::Change;
use crate::packed::Packed;
use crate::protocol::{ETAG, Fetch, FetchError, Fetched, Refreshed, Response};
use crate::settings::{DOMAIN_KEY, SettingError, Settings, URL_KEY};
use crate::summary::{self, Outcome};
use crate::users;

/// What wit-bindgen makes of the WIT. Generated code is not held to the crate's lints.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction)]
pub(crate) mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "roster-plugin", generate_all });

    export!(Component with_types_in self);

    use super::Component;
}

use bindings::exports::xmpp::roster::hooks::{self, Snapshot};
use bindings::wasi::config::store;
use bindings::xmpp::roster::types as wit;

pub(crate) struct Component;

impl hooks::Guest for Component {
    fn check() -> Result<wit::Needs, wit::ConfigError> {
        match load_settings() {
            Ok(_) => Ok(wit::Needs { response_headers: vec![ETAG.to_owned()] }),
            Err(error) => Err(wit::ConfigError { key: error.key.to_owned(), reason: error.reason }),
        }
    }

    fn make_request(user: String, tag: Option<Vec<u8>>) -> Result<wit::Request, wit::FetchError> {
        let fetch = Fetch::new(settings()?, &user, tag.as_deref());
        let header = |(name, value): (&str, &str)| wit::Header { name: name.to_owned(), value: value.to_owned() };
        Ok(wit::Request {
            method: wit::Method::Get,
            url: fetch.url()?,
            headers: fetch.headers().map(header).collect(),
            body: Vec::new(),
        })
    }

    fn read_response(
        user: String,
        tag: Option<Vec<u8>>,
        known: Option<&Snapshot>,
        response: wit::Response,
        _state: Vec<u8>,
    ) -> Result<wit::Step, wit::FetchError> {
        let fetch = Fetch::new(settings()?, &user, tag.as_deref());
        // Only the header that `check` names is passed; two say nothing.
        let etag = match &response.headers[..] {
            [etag] => Some(etag.value.as_str()),
            _ => None,
        };
        let response = Response { status: response.status, etag, body: &response.body };
        let Some(known) = known else { return Ok(wit::Step::Roster(fetch.roster(&response)?.into())) };
        let mut held = None;
        let slot = &mut held;
        let refreshed = fetch.refreshed(&response, move || {
            let packed = slot.insert(known.packed());
            Packed::new(&packed.text, &packed.layout)
        })?;
        Ok(refreshed.into())
    }

    fn changed_users(body: Vec<u8>) -> Result<Vec<String>, wit::BadRequest> {
        match users::decode(&body) {
            Ok(users) => Ok(users.into_iter().map(Into::into).collect()),
            Err(error) => Err(wit::BadRequest { message: error.to_string() }),
        }
    }

    fn summary(outcome: wit::Outcome) -> wit::Reply {
        let answer = summary::answer(match &outcome {
            wit::Outcome::Batch(wit::Counts { updated, errors, invalid }) => {
                Outcome::Batch { updated: *updated, errors: *errors, invalid: *invalid }
            }
            wit::Outcome::Single(done) => Outcome::Single(*done),
            wit::Outcome::Refused(refused) => Outcome::Refused(&refused.message),
        });
        wit::Reply { status: answer.status, content_type: answer.content_type.to_owned(), body: answer.body }
    }
}

/// The settings, checked once per instance: they cannot change in its life. An error is not kept.
fn settings() -> Result<&'static Settings, SettingError> {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    match SETTINGS.get() {
        Some(settings) => Ok(settings),
        None => load_settings().map(|settings| SETTINGS.get_or_init(|| settings)),
    }
}

fn load_settings() -> Result<Settings, SettingError> {
    let get = |key| {
        store::get(key).map_err(|error| match error {
            store::Error::Upstream(error) | store::Error::Io(error) => {
                SettingError { key, reason: format!("could not be read: {error}") }
            }
        })
    };
    Settings::new(get(URL_KEY)?.as_deref(), get(DOMAIN_KEY)?.as_deref())
}

impl From<Contact<'_>> for wit::Contact {
    fn from(contact: Contact<'_>) -> Self {
        Self {
            jid: contact.jid.into(),
            name: contact.name.map(Into::into),
            subscription: match contact.subscription {
                Subscription::None => wit::Subscription::None,
                Subscription::To => wit::Subscription::To,
                Subscription::From => wit::Subscription::From,
                Subscription::Both => wit::Subscription::Both,
            },
            ask: contact.ask,
            groups: contact.groups.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Fetched<'_>> for wit::Roster {
    fn from(roster: Fetched<'_>) -> Self {
        Self {
            contacts: roster.contacts.into_iter().map(Into::into).collect(),
            tag: Some(roster.tag),
            warnings: roster.warnings,
        }
    }
}

impl From<Refreshed<'_>> for wit::Step {
    fn from(refreshed: Refreshed<'_>) -> Self {
        match refreshed {
            Refreshed::Unchanged => Self::Unchanged,
            Refreshed::Changed { changes, tag, warnings } => {
                let changes = changes.into_iter().map(|change| match change {
                    Change::Put(contact) => wit::Change::Put(contact.into()),
                    Change::Remove(jid) => wit::Change::Remove(jid),
                });
                Self::Changed(wit::Delta { changes: changes.collect(), tag: Some(tag), warnings })
            }
        }
    }
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

impl From<SettingError> for wit::FetchError {
    fn from(error: SettingError) -> Self {
        FetchError::from(error).into()
    }
}
