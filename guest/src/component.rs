//! The interface `xmpp:roster`: translates between its types and the crate's, and decides nothing.

use xmpp_roster_plugin::{
    self as plugin, BadRequest, Call, ConfigError, Delta, FetchError, Plugin, Request, Roster, Step, export,
};

use crate::contact::Contact;
use crate::diff::Change;
use crate::packed::Packed;
use crate::protocol::{Fetch, Fetched, Refreshed, Response};
use crate::settings::Settings;
use crate::users;

/// The plugin: its settings.
pub struct HttpRosterAdmin(Settings);

export!(HttpRosterAdmin);

impl Plugin for HttpRosterAdmin {
    fn new(settings: &plugin::Settings) -> Result<Self, ConfigError> {
        Settings::read(settings).map(Self)
    }

    fn make_request(&self, user: &str, tag: Option<&[u8]>) -> Result<Request, FetchError> {
        let fetch = Fetch::new(&self.0, user, tag);
        let request = Request::get(fetch.url()?);
        Ok(fetch.headers().fold(request, |request, (name, value)| request.header(name, value)))
    }

    fn read_response(&self, call: &Call<'_>, response: &plugin::Response) -> Result<Step, FetchError> {
        let fetch = Fetch::new(&self.0, call.user, call.tag);
        let response =
            Response { status: response.status, etag: response.header(plugin::etag::ETAG), body: &response.body };
        let Some(known) = call.known else { return Ok(Step::Roster(fetch.roster(&response)?.into())) };
        let mut held = None;
        let slot = &mut held;
        let refreshed = fetch.refreshed(&response, move || Packed::from(&*slot.insert(known.packed())))?;
        Ok(refreshed.into())
    }

    fn changed_users(body: &[u8]) -> Result<Vec<String>, BadRequest> {
        match users::decode(body) {
            Ok(users) => Ok(users.into_iter().map(Into::into).collect()),
            Err(error) => Err(BadRequest::new(error.to_string())),
        }
    }
}

impl From<Contact<'_>> for plugin::Contact {
    fn from(contact: Contact<'_>) -> Self {
        let Contact { jid, name, subscription, ask, groups } = contact;
        let groups = groups.into_iter().map(Into::into).collect();
        Self { jid: jid.into(), name: name.map(Into::into), subscription, ask, groups }
    }
}

impl From<Fetched<'_>> for Roster {
    fn from(roster: Fetched<'_>) -> Self {
        Self::of(roster.contacts.into_iter().map(Into::into)).with_tag(Some(roster.tag)).with_warnings(roster.warnings)
    }
}

impl From<Refreshed<'_>> for Step {
    fn from(refreshed: Refreshed<'_>) -> Self {
        match refreshed {
            Refreshed::Unchanged => Self::Unchanged,
            Refreshed::Changed { changes, tag, warnings } => {
                let changes = changes.into_iter().map(|change| match change {
                    Change::Put(contact) => plugin::Change::Put(contact.into()),
                    Change::Remove(jid) => plugin::Change::Remove(jid),
                });
                Self::Changed(Delta { changes: changes.collect(), tag: Some(tag), warnings })
            }
        }
    }
}
