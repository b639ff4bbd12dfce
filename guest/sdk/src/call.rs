//! What a response is read for.

use crate::bindings::xmpp::roster::store::Snapshot;
use crate::bindings::xmpp::roster::types::{Contact, PackedContacts, Response};
use crate::etag;

/// The user, and what the host knows of him: what [`Plugin::read_response`](crate::Plugin::read_response) is given beside
/// the response.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The username, normalised.
    pub user: &'a str,
    /// What `make_request` was given: the tag of the roster that the host holds.
    pub tag: Option<&'a [u8]>,
    /// The roster that the host holds; none when the user first connects.
    pub known: Option<Known<'a>>,
    /// That of the follow-up ([`Step::Next`](crate::Step::Next)) which this is the response to, else empty.
    pub state: &'a [u8],
}

impl<'a> Call<'a> {
    /// For a user of whom the host holds no roster.
    #[must_use]
    pub const fn first(user: &'a str) -> Self {
        Self { user, tag: None, known: None, state: &[] }
    }

    /// Is this 304 in response to a request with [`if_none_match`](crate::Request::if_none_match)? Then the roster is
    /// [`Unchanged`](crate::Step::Unchanged).
    #[must_use]
    pub fn is_not_modified(&self, response: &Response) -> bool {
        response.status == 304 && self.state.is_empty() && etag::condition(self.tag).is_some()
    }
}

/// The roster that the host holds, read only when it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a>(Source<'a>);

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    #[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "outside of a host there is none"))]
    Host(&'a Snapshot),
    Contacts(&'a [Contact]),
}

impl<'a> Known<'a> {
    #[cfg(target_arch = "wasm32")]
    pub(crate) const fn of_host(snapshot: &'a Snapshot) -> Self {
        Self(Source::Host(snapshot))
    }

    /// For a test: these contacts.
    #[must_use]
    pub const fn of(contacts: &'a [Contact]) -> Self {
        Self(Source::Contacts(contacts))
    }

    /// Its contacts. Simple, and slow for long rosters.
    #[must_use]
    pub fn contacts(&self) -> Vec<Contact> {
        match self.0 {
            Source::Host(snapshot) => snapshot.contacts(),
            Source::Contacts(contacts) => contacts.to_vec(),
        }
    }

    /// The same as two flat values.
    #[must_use]
    pub fn packed(&self) -> PackedContacts {
        match self.0 {
            Source::Host(snapshot) => snapshot.packed(),
            Source::Contacts(contacts) => contacts.iter().collect(),
        }
    }
}
