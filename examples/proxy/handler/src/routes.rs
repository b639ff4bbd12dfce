//! Which request means what: the routes of `roster-host`, as far as they make sense without sessions.

use std::borrow::Cow;
use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use roster_jid::localpart;
use serde_json::json;

use crate::bindings::exports::wasi::http::incoming_handler::IncomingRequest;
use crate::bindings::wasi::config::store as config;
use crate::bindings::wasi::keyvalue::store::Bucket;
use crate::bindings::xmpp::roster::hooks;
use crate::bindings::xmpp::roster::types::{BadRequest, Counts, Outcome};
use crate::http::{self, Response};
use crate::{kept, rosters};

const REFRESH: &str = "/roster_admin/refresh";

/// Answers a request.
pub(crate) fn answer(request: IncomingRequest) -> Response {
    let target = request.path_with_query().unwrap_or_default();
    let path = target.split_once('?').map_or(&*target, |(path, _)| path);
    let (route, user) = match path.rsplit_once('/') {
        _ if path == REFRESH => (REFRESH, None),
        Some((route, user)) if !user.is_empty() && (route == REFRESH || route == "/rosters") => (route, Some(user)),
        _ => return Response::error(404, "there is nothing here"),
    };
    let allowed = if user.is_some() { "GET" } else { "POST" };
    if http::method(&request) != allowed {
        return Response { allow: Some(allowed), ..Response::error(405, &format!("expected {allowed}")) };
    }
    // Before anything else: settings that cannot work and a store that forgets are the operator's to know.
    if let Err(error) = hooks::check() {
        return Response::error(500, &format!("{} {}", error.key, error.reason));
    }
    let bucket = match kept::open(setting("keyvalue_store")) {
        Ok(bucket) => bucket,
        Err(reason) => return Response::error(503, &reason),
    };
    let result = match user.map(username) {
        None => http::body(&request).map(|body| refresh_many(&bucket, &body)),
        Some(Err(reason)) => Err(Response::error(400, reason)),
        Some(Ok(user)) if route == REFRESH => Ok(summary(&Outcome::Single(rosters::refresh(&bucket, &user)))),
        Some(Ok(user)) => Ok(roster(&bucket, &user)),
    };
    result.unwrap_or_else(|refused| refused)
}

fn setting(key: &str) -> Option<String> {
    config::get(key).ok().flatten()
}

/// The user that a path names, normalised as the host does (RFC 7622 section 3.3).
fn username(encoded: &str) -> Result<String, &'static str> {
    let text = percent_decode_str(encoded).decode_utf8().map_err(|_| "the username is not percent-encoded UTF-8")?;
    let user = localpart(&text).map_err(|_| "this is no username")?;
    Ok(user.into_owned())
}

fn roster(bucket: &Bucket, user: &str) -> Response {
    match rosters::get(bucket, user) {
        Ok(kept) => {
            let domain = setting("domain");
            let roster = json!({ "domain": domain, "user": user, "version": kept.version, "contacts": kept.contacts });
            Response::json(200, &roster)
        }
        Err(reason) => Response::error(502, &reason),
    }
}

fn refresh_many(bucket: &Bucket, body: &[u8]) -> Response {
    let named = match hooks::changed_users(body) {
        Ok(named) => named,
        Err(BadRequest { message }) => return summary(&Outcome::Refused(BadRequest { message })),
    };
    let (mut users, mut invalid) = (BTreeSet::new(), BTreeSet::new());
    for name in named {
        match localpart(&name).map(Cow::into_owned) {
            Ok(user) => users.insert(user),
            Err(_) => invalid.insert(name),
        };
    }
    let failed = users.iter().filter(|user| !rosters::refresh(bucket, user)).count();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    summary(&Outcome::Batch(Counts {
        updated: count(users.len() - failed),
        errors: count(failed + invalid.len()),
        invalid: count(invalid.len()),
    }))
}

fn summary(outcome: &Outcome) -> Response {
    let answer = hooks::summary(outcome);
    Response { status: answer.status, content_type: answer.content_type, allow: None, body: answer.body }
}
