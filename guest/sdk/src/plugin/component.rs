//! The world `roster-plugin` for any [`Plugin`]: between its values and the hooks'. Decides nothing.

use std::marker::PhantomData;
use std::sync::OnceLock;

use super::Plugin;
use crate::bindings::exports::xmpp::roster::hooks::{Guest, Snapshot};
use crate::bindings::xmpp::roster::types as wit;
use crate::{Call, Known, Settings};

/// A plugin with a place for the one value of this instance: [`export!`](crate::export) writes it.
pub trait Loaded: Plugin {
    /// Where the value is once the settings have been read.
    fn place() -> &'static OnceLock<Self>;
}

/// What exports the hooks.
pub struct Component<P>(PhantomData<P>);

/// The settings cannot change in the life of an instance, so they are read once. An error is not kept.
pub(crate) fn loaded<P: Loaded>() -> Result<&'static P, wit::ConfigError> {
    match P::place().get() {
        Some(plugin) => Ok(plugin),
        None => P::new(&Settings::of_host()).map(|plugin| P::place().get_or_init(|| plugin)),
    }
}

impl<P: Loaded> Guest for Component<P> {
    fn check() -> Result<wit::Needs, wit::ConfigError> {
        loaded::<P>()?;
        let response_headers = P::RESPONSE_HEADERS.iter().map(|name| (*name).to_owned()).collect();
        Ok(wit::Needs { response_headers })
    }

    fn make_request(user: String, tag: Option<Vec<u8>>) -> Result<wit::Request, wit::FetchError> {
        loaded::<P>()?.make_request(&user, tag.as_deref())
    }

    fn read_response(
        user: String,
        tag: Option<Vec<u8>>,
        known: Option<&Snapshot>,
        response: wit::Response,
        state: Vec<u8>,
    ) -> Result<wit::Step, wit::FetchError> {
        let call = Call { user: &user, tag: tag.as_deref(), known: known.map(Known::of_host), state: &state };
        loaded::<P>()?.read_response(&call, &response)
    }

    fn changed_users(body: Vec<u8>) -> Result<Vec<String>, wit::BadRequest> {
        P::changed_users(&body)
    }

    fn summary(outcome: wit::Outcome) -> wit::Reply {
        P::summary(&outcome)
    }
}
