//! The interface `xmpp:roster`: translates between its types and the crate's, and decides nothing.

use xmpp_roster_plugin::bulk::{BulkPlugin, Part, PartBody, Piece, Slice, Wanted};
use xmpp_roster_plugin::etag::ETAG;
use xmpp_roster_plugin::{
    self as plugin, BadRequest, Call, ConfigError, Delta, FetchError, Plugin, Request, Roster, Step, export,
    export_bulk,
};

use crate::bulk;
use crate::changes::diff::Change;
use crate::protocol::{ACCEPT, Fetch, Fetched, Refreshed, Response, USER_AGENT};
use crate::roster::contact::Contact;
use crate::roster::packed::Packed;
use crate::settings::{BULK_URL_KEY, Settings};
use crate::users;

/// The plugin: its settings.
pub struct HttpRosterAdmin(Settings);

export!(HttpRosterAdmin);
export_bulk!(HttpRosterAdmin);

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
        let response = Response { status: response.status, etag: response.header(ETAG), body: &response.body };
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

impl BulkPlugin for HttpRosterAdmin {
    fn users_per_request(&self) -> u32 {
        if self.0.bulk_url().is_some() { bulk::MOST_USERS } else { 0 }
    }

    fn make_bulk_request(&self, users: &[Wanted]) -> Result<Request, FetchError> {
        let url = self.0.bulk_url().ok_or_else(|| FetchError::Misconfigured(format!("{BULK_URL_KEY} is missing")))?;
        let users = users.iter().map(|wanted| (wanted.user.as_str(), wanted.tag.as_deref()));
        let request = Request::post(url, bulk::request(users));
        Ok(request.header("accept", ACCEPT).header("content-type", "application/json").header("user-agent", USER_AGENT))
    }

    fn split_response(&self, users: &[String], response: &plugin::Response) -> Result<Vec<Piece>, FetchError> {
        let parts = bulk::split(users, response.content()?)?;
        Ok(parts.into_iter().map(Into::into).collect())
    }
}

impl From<bulk::Part<'_>> for Piece {
    fn from(part: bulk::Part<'_>) -> Self {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        match part {
            bulk::Part::Missing => Self::Missing,
            bulk::Part::Unchanged => Self::Unchanged,
            bulk::Part::Status(status) => {
                Self::Part(Part { status, headers: Vec::new(), body: PartBody::Bytes(Vec::new()) })
            }
            bulk::Part::Roster { range, etag } => {
                let etag = etag.map(|etag| plugin::Header { name: ETAG.to_owned(), value: etag.into() });
                let slice = Slice { offset: number(range.start), length: number(range.len()) };
                Self::Part(Part { status: 200, headers: etag.into_iter().collect(), body: PartBody::Slice(slice) })
            }
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
