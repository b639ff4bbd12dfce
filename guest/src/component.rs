//! The world `one-request-plugin` of `wit/`: translates between its types and the crate's, and decides nothing.

use std::sync::OnceLock;

use crate::contact::{Contact, Subscription};
use crate::diff::Change;
use crate::packed::Packed;
use crate::protocol::{Answer, Exchange, FetchError, Refreshed, Response};
use crate::settings::{DOMAIN_KEY, SettingError, Settings, URL_KEY};
use crate::summary::{self, Outcome};
use crate::{users, wasi_http};

/// What wit-bindgen makes of the WIT. Generated code is not held to the crate's lints.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction)]
pub(crate) mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "one-request-plugin", generate_all });

    export!(Component with_types_in self);

    use super::Component;
}

use bindings::exports::xmpp::roster::exchange::{self, Request};
use bindings::exports::xmpp::roster::hooks::{self, Snapshot};
use bindings::wasi::config::store;
use bindings::wasi::http::types::ErrorCode;
use bindings::xmpp::roster::types as wit;

pub(crate) struct Component;

impl hooks::Guest for Component {
    fn check() -> Result<(), wit::ConfigError> {
        load_settings().map(drop).map_err(|error| wit::ConfigError { key: error.key.to_owned(), reason: error.reason })
    }

    fn fetch(user: String) -> Result<wit::Roster, wit::FetchError> {
        let exchange = Exchange::first(settings()?, &user)?;
        let received = wasi_http::get(settings()?.url(), &exchange)?;
        let roster = exchange.roster(&&received)?;
        Ok(wit::Roster {
            contacts: roster.contacts.into_iter().map(Into::into).collect(),
            tag: Some(roster.tag),
            warnings: roster.warnings,
        })
    }

    fn changed_users(body: Vec<u8>) -> Result<Vec<String>, wit::BadRequest> {
        match users::decode(&body) {
            Ok(users) => Ok(users.into_iter().map(Into::into).collect()),
            Err(error) => Err(wit::BadRequest { message: error.to_string() }),
        }
    }

    fn refresh(user: String, known: &Snapshot) -> Result<wit::Refreshed, wit::FetchError> {
        let tag = known.tag();
        let exchange = Exchange::again(settings()?, &user, tag.as_deref())?;
        let received = wasi_http::get(settings()?.url(), &exchange)?;
        refreshed(&exchange, &&received, known)
    }

    fn summary(outcome: wit::Outcome) -> wit::Answer {
        let answer = summary::answer(match &outcome {
            wit::Outcome::Batch(wit::Counts { updated, errors, invalid }) => {
                Outcome::Batch { updated: *updated, errors: *errors, invalid: *invalid }
            }
            wit::Outcome::Single(done) => Outcome::Single(*done),
            wit::Outcome::Refused(refused) => Outcome::Refused(&refused.message),
        });
        wit::Answer { status: answer.status, content_type: answer.content_type.to_owned(), body: answer.body }
    }
}

impl exchange::Guest for Component {
    fn ask(user: String, tag: Option<Vec<u8>>) -> Result<Request, wit::FetchError> {
        let settings = settings()?;
        let exchange = Exchange::again(settings, &user, tag.as_deref())?;
        let url = settings.url();
        let url = [url.scheme().as_str(), "://", url.authority(), exchange.path_with_query()].concat();
        let headers = exchange.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Request { url, headers })
    }

    fn answer(
        user: String,
        known: &Snapshot,
        answered: Result<exchange::Response, ErrorCode>,
    ) -> Result<wit::Refreshed, wit::FetchError> {
        let settings = settings()?;
        let tag = known.tag();
        let exchange = Exchange::again(settings, &user, tag.as_deref())?;
        let response = answered.map_err(|code| wasi_http::explain(&code, settings.url()))?;
        let answer = Response { status: response.status, etag: response.etag.as_deref(), body: &response.body };
        refreshed(&exchange, &answer, known)
    }
}

/// What the answer means for the roster that the host holds.
fn refreshed<'b>(
    exchange: &Exchange<'_>,
    answer: &impl Answer<'b>,
    known: &Snapshot,
) -> Result<wit::Refreshed, wit::FetchError> {
    let mut held = None;
    let slot = &mut held;
    let refreshed = exchange.refreshed(answer, move || {
        let packed = slot.insert(known.packed());
        Packed::new(&packed.text, &packed.layout)
    })?;
    Ok(refreshed.into())
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

impl From<Refreshed<'_>> for wit::Refreshed {
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
