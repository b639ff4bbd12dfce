//! The world `roster-plugin-with-http`: between its types and this crate's.

use crate::{ROSTER_KEY, TOKEN_KEY, authorization, http, jids, roster_url};

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction)]
pub(crate) mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "roster-plugin-with-http", generate_all });

    export!(Component with_types_in self);

    use super::Component;
}

use bindings::exports::xmpp::roster::hooks::{Guest, Snapshot};
use bindings::wasi::config::store;
use bindings::xmpp::roster::types::{
    BadRequest, ConfigError, Contact, FetchError, Header, Method, Needs, Outcome, Reply, Request, Response, Roster,
    Step, Subscription,
};

pub(crate) struct Component;

impl Guest for Component {
    fn check() -> Result<Needs, ConfigError> {
        for key in [TOKEN_KEY, ROSTER_KEY] {
            let url = setting(key).unwrap_or_default();
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return Err(ConfigError { key: key.into(), reason: "is missing or no URL".into() });
            }
        }
        Ok(Needs { response_headers: Vec::new() })
    }

    /// Asks for a token by itself first.
    fn make_request(user: String, _tag: Option<Vec<u8>>) -> Result<Request, FetchError> {
        let missing = |key: &str| FetchError::Misconfigured(format!("{key} is missing"));
        let token_url = setting(TOKEN_KEY).ok_or_else(|| missing(TOKEN_KEY))?;
        let template = setting(ROSTER_KEY).ok_or_else(|| missing(ROSTER_KEY))?;
        let token = http::get(&token_url)?;
        let value = authorization(&token).map_err(|reason| FetchError::Malformed(reason.into()))?;
        let headers = vec![Header { name: "authorization".into(), value }];
        Ok(Request { method: Method::Get, url: roster_url(&template, &user), headers, body: Vec::new() })
    }

    fn read_response(
        _user: String,
        _tag: Option<Vec<u8>>,
        _known: Option<&Snapshot>,
        response: Response,
        _state: Vec<u8>,
    ) -> Result<Step, FetchError> {
        if response.status != 200 {
            return Err(FetchError::Status(response.status));
        }
        let contact =
            |jid| Contact { jid, name: None, subscription: Subscription::Both, ask: false, groups: Vec::new() };
        let contacts = jids(&response.body).map_err(FetchError::Malformed)?.into_iter().map(contact).collect();
        Ok(Step::Roster(Roster { contacts, tag: None, warnings: Vec::new() }))
    }

    fn changed_users(body: Vec<u8>) -> Result<Vec<String>, BadRequest> {
        serde_json::from_slice(&body)
            .map_err(|error| BadRequest { message: format!("expected a JSON array of usernames; {error}") })
    }

    fn summary(outcome: Outcome) -> Reply {
        let (status, text) = match outcome {
            Outcome::Batch(counts) => (200, format!("{} updated, {} errors\n", counts.updated, counts.errors)),
            Outcome::Single(true) => (200, "updated\n".into()),
            Outcome::Single(false) => (500, "not updated\n".into()),
            Outcome::Refused(bad) => (400, bad.message),
        };
        Reply { status, content_type: "text/plain".into(), body: text.into_bytes() }
    }
}

fn setting(key: &str) -> Option<String> {
    store::get(key).ok().flatten()
}
