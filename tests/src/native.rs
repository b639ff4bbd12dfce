//! The guest's own logic, compiled natively, in the place of the component: what the benchmarks compare with.
//!
//! The same HTTP client, the same use cases and the same store serve both, so what differs is the plugin boundary.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use http_roster_admin::changes::diff;
use http_roster_admin::protocol::{Fetch, FetchError as GuestError, Refreshed as GuestRefreshed, Response};
use http_roster_admin::roster::contact as guest;
use http_roster_admin::roster::packed::Packed;
use http_roster_admin::settings::Settings;
use http_roster_admin::users;
use roster_host::http_client::{Deadlines, HttpClient, SendError};
use roster_host::model::{Change, Contact, Snapshot, Subscription, Tag, Username};
use roster_host::plugin::{
    BadRequest, CallError, Delta, FetchError, FetchedRoster, Outcome, Refreshed, Reply, RosterPlugin,
};
use xmpp_roster_plugin as plugin;

/// The plugin `http-roster-admin` without WebAssembly.
pub struct NativePlugin {
    settings: Settings,
    client: HttpClient,
    digests: RandomState,
}

struct Received {
    status: u16,
    etag: Option<String>,
    body: Bytes,
}

impl Received {
    fn response(&self) -> Response<'_> {
        Response { status: self.status, etag: self.etag.as_deref(), body: &self.body }
    }
}

impl NativePlugin {
    /// For the application at `origin` (`http://127.0.0.1:8000`), whose rosters are under `/contacts/`.
    pub fn new(origin: &str, domain: &str, client: HttpClient) -> Self {
        let url = format!("{origin}/contacts/%s");
        let settings = plugin::Settings::of([("http_roster_url", url.as_str()), ("domain", domain)]);
        let settings = Settings::read(&settings).unwrap();
        Self { settings, client, digests: RandomState::new() }
    }

    /// What the host does for a component: see its `plugin/requests/digest.rs`. The standard library's hash is half as long and slower.
    fn digest(&self, received: &Received) -> [u8; 16] {
        let mut digest = [0; 16];
        let hash = self.digests.hash_one((received.status, &received.etag, &received.body));
        digest[..8].copy_from_slice(&hash.to_le_bytes());
        digest
    }

    fn tag(&self, validator: Vec<u8>, received: &Received) -> Tag {
        Tag { digest: Some(self.digest(received)), ..validator.into() }
    }

    async fn get(&self, fetch: &Fetch<'_>) -> Result<Received, CallError> {
        let mut request = Request::get(fetch.url().map_err(failed)?);
        for (name, value) in fetch.headers() {
            request = request.header(name, value);
        }
        let request = request.body(Bytes::new()).unwrap();
        let response = self.client.send(request, Deadlines::default()).await;
        let response = response.map_err(|error: SendError| FetchError::Unreachable(error.to_string()))?;
        let etag = response.headers().get("etag").and_then(|etag| Some(etag.to_str().ok()?.to_owned()));
        Ok(Received { status: response.status().as_u16(), etag, body: response.into_body() })
    }
}

#[async_trait]
impl RosterPlugin for NativePlugin {
    async fn fetch(&self, user: &Username) -> Result<FetchedRoster, CallError> {
        let fetch = Fetch::new(&self.settings, user.as_str(), None);
        let received = self.get(&fetch).await?;
        let roster = fetch.roster(&received.response()).map_err(failed)?;
        let contacts = roster.contacts.into_iter().map(contact).collect();
        Ok(FetchedRoster { contacts, tag: Some(self.tag(roster.tag, &received)), warnings: roster.warnings })
    }

    async fn changed_users(&self, body: Bytes) -> Result<Result<Vec<String>, BadRequest>, CallError> {
        Ok(match users::decode(&body) {
            Ok(users) => Ok(users.into_iter().map(Into::into).collect()),
            Err(error) => Err(BadRequest { message: error.to_string() }),
        })
    }

    async fn refresh(&self, user: &Username, known: Arc<Snapshot>) -> Result<Refreshed, CallError> {
        let validator = known.tag().and_then(|tag| tag.validator.as_deref());
        let fetch = Fetch::new(&self.settings, user.as_str(), validator);
        let received = self.get(&fetch).await?;
        let digest = self.digest(&received);
        // As the host does.
        if known.tag().and_then(|tag| tag.digest) == Some(digest) {
            return Ok(Refreshed::Unchanged);
        }
        let contacts = known.contacts();
        let packed = || Packed::new(contacts.text(), contacts.layout());
        Ok(match fetch.refreshed(&received.response(), packed).map_err(failed)? {
            GuestRefreshed::Unchanged => Refreshed::Unchanged,
            GuestRefreshed::Changed { changes, tag, warnings } => {
                let changes = changes.into_iter().map(|change| match change {
                    diff::Change::Put(put) => Change::Put(contact(put)),
                    diff::Change::Remove(jid) => Change::Remove(jid),
                });
                Refreshed::Changed(Delta { changes: changes.collect(), tag: Some(self.tag(tag, &received)), warnings })
            }
        })
    }

    async fn summary(&self, outcome: Outcome) -> Result<Reply, CallError> {
        let reply = plugin::refresh::summary(&match outcome {
            Outcome::Batch { updated, errors, invalid } => {
                plugin::Outcome::Batch(plugin::Counts { updated, errors, invalid })
            }
            Outcome::Single(updated) => plugin::Outcome::Single(updated),
            Outcome::Refused(bad) => plugin::Outcome::Refused(plugin::BadRequest::new(bad.message)),
        });
        Ok(Reply { status: reply.status, content_type: reply.content_type, body: reply.body })
    }
}

fn contact(contact: guest::Contact<'_>) -> Contact {
    Contact {
        jid: contact.jid.into(),
        name: contact.name.map(Into::into),
        subscription: match contact.subscription {
            guest::Subscription::None => Subscription::None,
            guest::Subscription::To => Subscription::To,
            guest::Subscription::From => Subscription::From,
            guest::Subscription::Both => Subscription::Both,
        },
        ask: contact.ask,
        groups: contact.groups.into_iter().map(Into::into).collect(),
    }
}

fn failed(error: GuestError) -> CallError {
    FetchError::Malformed(error.to_string()).into()
}
