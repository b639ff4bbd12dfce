//! Before a module serves anybody it runs every hook once, against canned answers and without a network.
//!
//! What the hooks say is not judged: the canned application speaks the protocol of the built-in plugin, and a plugin for
//! another protocol rightly calls its answers malformed. Judged is that each hook ends within its limits with a result
//! that can be: a module that traps, loops, hoards memory or makes up impossible rosters is found here.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use serde::Serialize;

use crate::http_client::{Deadlines, SendError};
use crate::model::{Contact, Contacts, Snapshot, Subscription, Username};
use crate::plugin::{
    BadRequest, BulkError, CallError, FetchError, FetchFailure, FetchedRoster, Network, Outbound, Outcome, Refreshed,
    RosterPlugin, WasmPlugin,
};
use crate::text::counted;

/// The user of the rehearsal.
const USER: &str = "rehearsal";
/// Who is asked for together with that one.
const OTHER: &str = "rehearsal-2";
/// What the canned application answers.
const BODY: &str =
    r#"{"marie@example.com":{"name":"Marie","groups":["Friends"]},"michael@example.com":{"name":"Michael"}}"#;

/// What is said of a plugin that rightly takes that for malformed.
const OTHER_PROTOCOL: &str = "read an answer of another protocol, and said so";

/// The canned application.
struct Application;

#[async_trait]
impl Outbound for Application {
    async fn send(&self, _request: Request<Bytes>, _deadlines: Deadlines) -> Result<Response<Bytes>, SendError> {
        let mut response = Response::new(Bytes::from_static(BODY.as_bytes()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }
}

/// How one hook did.
#[derive(Clone, Debug, Serialize)]
pub struct Rehearsed {
    /// The hook, and with what.
    pub hook: &'static str,
    /// It did what a hook may do.
    pub ok: bool,
    /// What it said, or what was wrong.
    pub detail: String,
}

/// Runs every hook. The first that fails ends it.
pub async fn run(plugin: &WasmPlugin, max_contacts: usize) -> Vec<Rehearsed> {
    let stage = plugin.for_rehearsal(Network::Own(Arc::new(Application)));
    let mut done = Vec::new();
    for hook in ["fetch", "changed-users", "refresh", "summary", "bulk"] {
        if hook == "bulk" && !stage.users_per_request().await.is_ok_and(|most| most > 1) {
            continue;
        }
        let result = match Username::new(USER) {
            Ok(user) => perform(&stage, hook, &user, max_contacts).await,
            Err(error) => Err(error.to_string()),
        };
        let (ok, detail) = result.map_or_else(|wrong| (false, wrong), |said| (true, said));
        done.push(Rehearsed { hook, ok, detail });
        if !ok {
            break;
        }
    }
    done
}

async fn perform(stage: &WasmPlugin, hook: &str, user: &Username, max_contacts: usize) -> Result<String, String> {
    match hook {
        "fetch" => match tolerant(stage.fetch(user).await)? {
            Ok(roster) => fetched(&roster, max_contacts),
            Err(said) => Ok(said),
        },
        "refresh" => {
            let known = known()?;
            match tolerant(stage.refresh(user, Arc::clone(&known)).await)? {
                Ok(Refreshed::Unchanged) => Ok("unchanged".to_owned()),
                Ok(Refreshed::Changed(delta)) => {
                    let applied =
                        known.contacts().apply(delta.changes, max_contacts).map_err(|wrong| wrong.to_string())?;
                    Ok(counted(applied.1.len(), "change"))
                }
                Err(said) => Ok(said),
            }
        }
        "changed-users" => match strict(stage.changed_users(Bytes::from_static(br#"["rehearsal"]"#)).await)? {
            Ok(users) => Ok(counted(users.len(), "user")),
            Err(BadRequest { message }) => Ok(message),
        },
        "bulk" => bulk(stage, user).await,
        _ => {
            for outcome in [
                Outcome::Batch { updated: 1, errors: 0, invalid: 0 },
                Outcome::Batch { updated: 0, errors: 1, invalid: 0 },
                Outcome::Single(true),
                Outcome::Refused(BadRequest { message: "rehearsal".to_owned() }),
            ] {
                let reply = strict(stage.summary(outcome).await)?;
                if !(200..600).contains(&reply.status) {
                    return Err(format!("{} is not the status of a response", reply.status));
                }
            }
            Ok("4 replies".to_owned())
        }
    }
}

/// Two users in one request.
async fn bulk(stage: &WasmPlugin, user: &Username) -> Result<String, String> {
    let other = Username::new(OTHER).map_err(|error| error.to_string())?;
    match stage.ask_together(&[(user.clone(), None), (other, Some(known()?))]).await {
        Ok(pieces) => Ok(counted(pieces.len(), "user")),
        Err(BulkError::Plugin(error)) => Err(error.to_string()),
        Err(_) => Ok(OTHER_PROTOCOL.to_owned()),
    }
}

fn fetched(roster: &FetchedRoster, max_contacts: usize) -> Result<String, String> {
    let contacts = Contacts::pack(&roster.contacts, max_contacts).map_err(|wrong| wrong.to_string())?;
    Ok(counted(contacts.len(), "contact"))
}

/// An error that a plugin reports is a result; one that it causes is not.
fn tolerant<T>(result: Result<T, CallError>) -> Result<Result<T, String>, String> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(CallError::Fetch(FetchFailure { error: FetchError::Malformed(_), .. })) => {
            Ok(Err(OTHER_PROTOCOL.to_owned()))
        }
        Err(CallError::Fetch(said)) => Ok(Err(said.to_string())),
        Err(error) => Err(error.to_string()),
    }
}

fn strict<T>(result: Result<T, CallError>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// A roster that differs from the canned answer in every way: a contact less, a contact more, another name.
fn known() -> Result<Arc<Snapshot>, String> {
    let contact = |jid: &str| Contact {
        jid: jid.to_owned(),
        name: Some("Somebody".to_owned()),
        subscription: Subscription::Both,
        ask: false,
        groups: Vec::new(),
    };
    let contacts = [contact("marie@example.com"), contact("aaron@example.com")];
    let packed = Contacts::pack(&contacts, contacts.len()).map_err(|wrong| wrong.to_string())?;
    Ok(Arc::new(Snapshot::new(1, None, packed)))
}
