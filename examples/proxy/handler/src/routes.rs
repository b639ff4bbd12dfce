//! Which request means what: the routes of `roster-host`, as far as they make sense without sessions.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use roster_jid::localpart;
use serde_json::{Map, Value, json};

use crate::bindings::exports::wasi::http::incoming_handler::IncomingRequest;
use crate::bindings::xmpp::roster::hooks;
use crate::bindings::xmpp::roster::types::{BadRequest, Counts, Outcome};
use crate::deadline::Deadline;
use crate::http::{self, Response, etag, target};
use crate::refusal::Refusal;
use crate::rosters::{Kept, KeptContact, Rosters};
use crate::settings::Settings;

/// Where the application says whose rosters have changed.
const REFRESH: &str = "/roster_admin/refresh";
/// Where rosters are as an application has them.
const CONTACTS: &str = "/contacts";

/// What is asked for.
enum Route {
    RefreshMany,
    Refresh(String),
    /// What is kept, for people and programs.
    Roster(String),
    /// The same as an application answers for `http_roster_url`, ...
    Contacts(String),
    /// ... and for `http_roster_bulk_url`.
    ContactsOfMany,
}

impl Route {
    fn of(path: &str) -> Result<Self, Refusal> {
        match path {
            REFRESH => return Ok(Self::RefreshMany),
            CONTACTS => return Ok(Self::ContactsOfMany),
            _ => {}
        }
        let (route, user) = path.rsplit_once('/').filter(|(_, user)| !user.is_empty()).ok_or(Refusal::NotFound)?;
        let user = || percent_decode_str(user).decode_utf8().map(String::from).map_err(|_| Refusal::Path);
        match route {
            REFRESH => Ok(Self::Refresh(user()?)),
            "/rosters" => Ok(Self::Roster(user()?)),
            CONTACTS => Ok(Self::Contacts(user()?)),
            _ => Err(Refusal::NotFound),
        }
    }

    /// The methods it takes, as in `Allow`.
    fn methods(&self) -> &'static str {
        match self {
            Self::RefreshMany | Self::ContactsOfMany => "POST",
            Self::Refresh(_) => "GET",
            Self::Roster(_) | Self::Contacts(_) => "GET,HEAD",
        }
    }

    /// Whether something is done. A browser keeps the answer from a page of another site, but it sends the request.
    fn acts(&self) -> bool {
        matches!(self, Self::RefreshMany | Self::Refresh(_))
    }
}

/// Answers a request.
pub(crate) fn answer(request: &IncomingRequest) -> Result<Response, Refusal> {
    let whole = request.path_with_query().unwrap_or_default();
    let path = target::normal(whole.split_once('?').map_or(&*whole, |(path, _)| path))?;
    let settings = Settings::read()?;
    if !http::passes(settings.token.as_deref(), request) {
        return Err(Refusal::Unauthorized);
    }
    let route = Route::of(&path)?;
    let method = http::method(request);
    if !route.methods().split(',').any(|allowed| allowed == method) {
        return Err(Refusal::Method(route.methods()));
    }
    if route.acts() && !http::header(request, "origin").is_empty() {
        return Err(Refusal::Origin);
    }
    let acts = route.acts();
    match serve(request, &settings, route) {
        Err(refusal) if !acts => Ok(refusal.plain_response()),
        other => other,
    }
    .map(|response| if method == "HEAD" { Response { body: None, ..response } } else { response })
}

fn serve(request: &IncomingRequest, settings: &Settings, route: Route) -> Result<Response, Refusal> {
    // The answer takes time, too.
    let deadline = Deadline::after(settings.request_timeout.mul_f32(0.9));
    // Settings that cannot work are the operator's to know, before anything is done.
    let needs = hooks::check().map_err(|error| Refusal::Settings(format!("{} {}", error.key, error.reason)))?;
    let rosters = || Rosters::open(settings, &needs, deadline);
    match route {
        Route::RefreshMany => {
            let body = body(request, settings)?;
            refresh_many(settings, &rosters()?, &body)
        }
        Route::Refresh(name) => match username(&name) {
            Ok(user) => summary(&Outcome::Single(rosters()?.refresh(vec![user]) == 0)),
            Err(refusal) => summary(&Outcome::Refused(BadRequest { message: refusal.to_string() })),
        },
        Route::Roster(name) => {
            let user = username(&name)?;
            let kept = rosters()?.get(&user, settings.request_timeout)?;
            Ok(cached(request, &kept, || {
                json!({
                    "domain": settings.domain,
                    "user": user,
                    "version": kept.version,
                    "tag": kept.tag.as_ref().filter(|tag| !tag.is_empty()),
                    "contacts": kept.contacts,
                })
            }))
        }
        Route::Contacts(name) => {
            let kept = rosters()?.get(&username(&name)?, settings.request_timeout);
            match kept {
                Ok(kept) => Ok(cached(request, &kept, || contacts(&kept.contacts))),
                // Somebody whom the application does not know is nobody here either.
                Err(refusal @ Refusal::Application { status: Some(404), .. }) => {
                    Ok(Response { status: 404, ..refusal.plain_response() })
                }
                Err(refusal) => Err(refusal),
            }
        }
        Route::ContactsOfMany => {
            let body = body(request, settings)?;
            contacts_of_many(settings, &rosters()?, &body)
        }
    }
}

/// The body of the request. Half the time is left for what it asks for.
fn body(request: &IncomingRequest, settings: &Settings) -> Result<Vec<u8>, Refusal> {
    http::body(request, settings.max_body, Deadline::after(settings.request_timeout / 2))
}

/// The user with this name, normalised as the host does (RFC 7622 section 3.3).
fn username(text: &str) -> Result<String, Refusal> {
    let user = localpart(text).map_err(|error| Refusal::Username {
        text: text.chars().take(64).collect(),
        reason: format!("it {}", error.fault()),
    })?;
    Ok(user.into_owned())
}

/// The answer, unless the client has it.
fn cached(request: &IncomingRequest, kept: &Kept, content: impl FnOnce() -> Value) -> Response {
    let tag = kept.etag();
    let response = if etag::matches(&http::header(request, "if-none-match"), &tag) {
        Response { status: 304, headers: Vec::new(), body: None }
    } else {
        Response::json(200, &content())
    };
    response.with("etag", tag).with("cache-control", "no-cache")
}

/// The contacts as an application has them: an object for each, by its address.
fn contacts(contacts: &[KeptContact]) -> Value {
    let all = contacts.iter().map(|contact| {
        let mut value = json!({ "subscription": contact.subscription, "groups": contact.groups });
        if let Value::Object(fields) = &mut value {
            fields.extend(contact.name.as_ref().map(|name| ("name".to_owned(), json!(name))));
            fields.extend(contact.ask.then(|| ("ask".to_owned(), json!("subscribe"))));
        }
        (contact.jid.clone(), value)
    });
    Value::Object(Map::from_iter(all))
}

/// What `docs/bulk.md` says an application answers. Whoever is not kept and not known to the client either is left out, and then
/// asked for alone.
fn contacts_of_many(settings: &Settings, rosters: &Rosters<'_>, body: &[u8]) -> Result<Response, Refusal> {
    let wanted: BTreeMap<String, Option<String>> = serde_json::from_slice(body).map_err(|error| {
        Refusal::Malformed(format!("expected an object of usernames, each with an entity tag or null: {error}"))
    })?;
    let limit = settings.client.bulk_users;
    if wanted.len() > limit {
        return Err(Refusal::TooManyUsers { named: wanted.len(), limit, setting: "bulk_users" });
    }
    let mut answer = Map::new();
    for (name, held) in wanted {
        let user = username(&name)?;
        let kept = match held {
            None => rosters.kept(&user).transpose(),
            Some(_) => Some(rosters.get(&user, settings.request_timeout)),
        };
        let value = match kept {
            None => continue,
            Some(Ok(kept)) if held.as_ref() == Some(&kept.etag()) => Value::Null,
            Some(Ok(kept)) => json!([kept.etag(), contacts(&kept.contacts)]),
            Some(Err(Refusal::Application { status: Some(404), .. })) => json!(404),
            Some(Err(refusal)) => json!(refusal.status()),
        };
        answer.insert(name, value);
    }
    Ok(Response::json(200, &answer))
}

fn refresh_many(settings: &Settings, rosters: &Rosters<'_>, body: &[u8]) -> Result<Response, Refusal> {
    let named = match hooks::changed_users(body) {
        Ok(named) => named,
        Err(bad_request) => return summary(&Outcome::Refused(bad_request)),
    };
    if named.len() > settings.max_users {
        return Err(Refusal::TooManyUsers {
            named: named.len(),
            limit: settings.max_users,
            setting: "max_users_per_request",
        });
    }
    let (mut users, mut invalid) = (Vec::with_capacity(named.len()), Vec::new());
    for name in named {
        match username(&name) {
            Ok(user) => users.push(user),
            Err(refusal) => {
                if invalid.is_empty() {
                    eprintln!("a refresh request has names that are no usernames: {refusal}");
                }
                invalid.push(name);
            }
        }
    }
    for names in [&mut users, &mut invalid] {
        names.sort_unstable();
        names.dedup();
    }
    let valid = users.len();
    let failed = rosters.refresh(users);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    summary(&Outcome::Batch(Counts {
        updated: count(valid - failed),
        errors: count(failed + invalid.len()),
        invalid: count(invalid.len()),
    }))
}

fn summary(outcome: &Outcome) -> Result<Response, Refusal> {
    let reply = hooks::summary(outcome);
    if !(200..600).contains(&reply.status) {
        return Err(Refusal::Answer(format!("the status {}", reply.status)));
    }
    if !reply.content_type.contains('/') || !http::can_be_header(&reply.content_type) {
        return Err(Refusal::Answer(format!("the Content-Type {:?}, which is no media type", reply.content_type)));
    }
    let headers = vec![("content-type", reply.content_type)];
    // These have none (RFC 9110 section 6.4.1).
    let body = Some(reply.body).filter(|_| !matches!(reply.status, 204 | 304));
    Ok(Response { status: reply.status, headers, body })
}
