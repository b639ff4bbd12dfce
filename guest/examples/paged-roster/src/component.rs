//! The plugin: which part of the protocol answers which hook.

use xmpp_roster_plugin::{
    self as plugin, BadRequest, Call, ConfigError, FetchError, Outcome, Plugin, Reply, Request, Response, Step, export,
};

use crate::settings::Settings;
use crate::{list, summary, webhook};

/// Its settings.
pub struct PagedRoster(Settings);

export!(PagedRoster);

impl Plugin for PagedRoster {
    fn new(settings: &plugin::Settings) -> Result<Self, ConfigError> {
        Settings::read(settings).map(Self)
    }

    fn make_request(&self, user: &str, tag: Option<&[u8]>) -> Result<Request, FetchError> {
        list::first(&self.0, user, tag)
    }

    fn read_response(&self, call: &Call<'_>, response: &Response) -> Result<Step, FetchError> {
        list::read(&self.0, call, response)
    }

    fn changed_users(body: &[u8]) -> Result<Vec<String>, BadRequest> {
        webhook::users(body).map_err(BadRequest::new)
    }

    fn summary(outcome: &Outcome) -> Reply {
        summary::reply(outcome)
    }
}
