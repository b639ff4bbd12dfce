//! What a version of the WIT is to the rest of the room: traits, and what goes to the hooks and comes from them in the host's words.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderName;
use wasmtime::component::types::{self, ComponentFunc};
use wasmtime::component::{InstancePre, Linker};
use wasmtime::{Error, Result, Store};

use crate::model::{Snapshot, Username};
use crate::plugin::api::{BadRequest, Delta, FetchError, FetchedRoster, Outcome, Reply};
use crate::plugin::imports::state::State;

/// The interface that makes a component a plugin, without its version.
pub(in crate::plugin) const HOOKS: &str = "xmpp:roster/hooks";

/// The hooks of an exchange.
pub(in crate::plugin) const MAKE_REQUEST: &str = "make-request";
pub(in crate::plugin) const READ_RESPONSE: &str = "read-response";

/// One version of the WIT.
pub(in crate::plugin) trait Version: Send + Sync {
    /// The package's version, such as `0.1.0`.
    fn number(&self) -> &'static str;

    /// The interface `hooks` as its author reads it, to be quoted to authors whose hooks are others.
    fn wit(&self) -> &'static str {
        ""
    }

    /// Compares the type of one hook of a component.
    fn typecheck(&self, _hook: &str, _func: &ComponentFunc, _of: &types::Component) -> Result<()> {
        // `prepare` or the first instance says less clearly what is wrong, and says it too.
        Ok(())
    }

    /// Adds the package's own imports: the store. What comes from WASI is the same for all versions.
    fn add_to_linker(&self, linker: &mut Linker<State>) -> Result<()>;

    /// Checks the hooks' types.
    fn prepare(&self, pre: InstancePre<State>) -> Result<Arc<dyn Prepared>>;
}

/// A component of one version, linked and type-checked.
pub(in crate::plugin) trait Prepared: Send + Sync {
    /// An instance in `store`.
    fn instantiate<'a>(&'a self, store: &'a mut Store<State>) -> BoxFuture<'a, Result<Box<dyn Hooks>>>;

    /// It has the interface `bulk`.
    fn has_bulk(&self) -> bool {
        false
    }
}

/// Most response headers that a plugin may name.
const MOST_HEADERS: usize = 16;

/// What `check` found.
pub(in crate::plugin) type Checked = std::result::Result<Needs, SettingFault>;

/// What a plugin needs of the host.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Needs {
    /// The response headers that it reads, in lower case, each once.
    pub(in crate::plugin) response_headers: Vec<Arc<str>>,
    /// How many users one request may name; below two, none does.
    pub(in crate::plugin) users_per_request: u32,
}

impl Needs {
    /// Of a plugin that reads the headers of these names.
    pub(in crate::plugin) fn named(headers: &[String]) -> Result<Self> {
        let mut response_headers: Vec<Arc<str>> = Vec::new();
        for name in headers {
            let known = HeaderName::from_bytes(name.as_bytes());
            let known = known.map_err(|_| Error::msg("it reads a response header whose name is none"))?;
            if !response_headers.iter().any(|seen| **seen == *known.as_str()) {
                response_headers.push(known.as_str().into());
            }
        }
        if response_headers.len() > MOST_HEADERS {
            return Err(Error::msg(format!("it reads more than {MOST_HEADERS} response headers")));
        }
        Ok(Self { response_headers, users_per_request: 0 })
    }
}

/// A setting that cannot work, as the plugin says it.
pub(in crate::plugin) struct SettingFault {
    pub(in crate::plugin) key: String,
    pub(in crate::plugin) reason: String,
}

/// The hooks of one instance, in the host's words. What they return is as the plugin said it: neither bounded nor checked.
///
/// The outer error is a trap or a broken rule, the inner one is what the plugin reports.
pub(in crate::plugin) trait Hooks: Send + Sync {
    fn check<'a>(&'a self, store: &'a mut Store<State>) -> BoxFuture<'a, Result<Checked>>;

    fn make_request<'a>(
        &'a self,
        store: &'a mut Store<State>,
        user: Username,
        tag: Option<Bytes>,
    ) -> BoxFuture<'a, Result<std::result::Result<Wanted, FetchError>>>;

    fn read_response<'a>(
        &'a self,
        store: &'a mut Store<State>,
        received: Received,
    ) -> BoxFuture<'a, Result<std::result::Result<Step, FetchError>>>;

    fn changed_users<'a>(
        &'a self,
        store: &'a mut Store<State>,
        body: Bytes,
    ) -> BoxFuture<'a, Result<std::result::Result<Vec<String>, BadRequest>>>;

    fn summary<'a>(&'a self, store: &'a mut Store<State>, outcome: Outcome) -> BoxFuture<'a, Result<Reply>>;

    /// How it asks for many users at once, if it can.
    fn bulk(&self) -> Option<&dyn Bulk> {
        None
    }
}

/// Many users in one request: the interface `bulk` of one instance.
pub(in crate::plugin) trait Bulk: Send + Sync {
    fn make_request<'a>(
        &'a self,
        store: &'a mut Store<State>,
        users: Vec<(Username, Option<Bytes>)>,
    ) -> BoxFuture<'a, Result<std::result::Result<Wanted, FetchError>>>;

    fn split_response<'a>(
        &'a self,
        store: &'a mut Store<State>,
        received: BulkReceived,
    ) -> BoxFuture<'a, Result<std::result::Result<Vec<Piece>, FetchError>>>;
}

/// What `split-response` is given.
pub(in crate::plugin) struct BulkReceived {
    pub(in crate::plugin) users: Vec<Username>,
    pub(in crate::plugin) status: u16,
    /// Those that the plugin reads.
    pub(in crate::plugin) headers: Vec<Header>,
    pub(in crate::plugin) body: Bytes,
}

/// What `split-response` says of one user.
#[derive(Debug)]
pub(in crate::plugin) enum Piece {
    Part(Part),
    Unchanged,
    Missing,
}

/// As a response for that user alone would be.
#[derive(Debug)]
pub(in crate::plugin) struct Part {
    pub(in crate::plugin) status: u16,
    pub(in crate::plugin) headers: Vec<(String, String)>,
    pub(in crate::plugin) body: PartBody,
}

#[derive(Debug)]
pub(in crate::plugin) enum PartBody {
    /// Bytes of the response's body.
    Slice {
        offset: u32,
        length: u32,
    },
    Bytes(Vec<u8>),
}

/// A request that the plugin wants to be sent, unchecked.
#[derive(Debug)]
pub(in crate::plugin) struct Wanted {
    pub(in crate::plugin) method: String,
    pub(in crate::plugin) url: String,
    pub(in crate::plugin) headers: Vec<(String, String)>,
    pub(in crate::plugin) body: Vec<u8>,
}

/// A header of a response.
#[derive(Debug)]
pub(in crate::plugin) struct Header {
    pub(in crate::plugin) name: Arc<str>,
    pub(in crate::plugin) value: String,
}

/// What `read-response` is given.
pub(in crate::plugin) struct Received {
    pub(in crate::plugin) user: Username,
    /// The plugin's own.
    pub(in crate::plugin) tag: Option<Bytes>,
    pub(in crate::plugin) known: Option<Arc<Snapshot>>,
    pub(in crate::plugin) status: u16,
    /// Those that the plugin reads.
    pub(in crate::plugin) headers: Vec<Header>,
    pub(in crate::plugin) body: Bytes,
    /// Of the follow-up.
    pub(in crate::plugin) state: Bytes,
}

/// What `read-response` says. A tag in it is the plugin's.
pub(in crate::plugin) enum Step {
    Unchanged,
    Roster(FetchedRoster),
    Changed(Delta),
    Next { request: Wanted, state: Vec<u8> },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_names_few_headers_each_once() {
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let needs = Needs::named(&names).map_err(|error| error.to_string())?;
            Ok::<_, String>(needs.response_headers.iter().map(|name| name.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(named(&[]), Ok(vec![]));
        assert_eq!(named(&["ETag", "x-next", "etag"]), Ok(vec!["etag".to_owned(), "x-next".to_owned()]));
        for none in ["", "a b", "a:", "é"] {
            assert!(named(&[none]).is_err(), "{none}");
        }
        let many: Vec<String> = (0..=MOST_HEADERS).map(|n| format!("x-{n}")).collect();
        assert!(Needs::named(&many).is_err() && Needs::named(many.get(1..).unwrap_or_default()).is_ok());
    }
}
