//! The refresh route: where the application says whose rosters have changed.
//!
//! What a request means and what is answered is the plugin's business ([`crate::rosters`] asks it). The host's business is
//! here: who may ask, how much at once, how long it may take, and that every answer is JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::header::{CONTENT_TYPE, HeaderValue, ORIGIN};
use http::{Method, StatusCode};
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};

use super::access::auth;
use super::access::permits::RequestPermits;
use super::body::{self, BodyLimits, BodyMemory};
use super::refusal::Refusal;
use super::requests::paths;
use super::{Settings, VirtualHosts};
use crate::config::HttpConfig;
use crate::plugin::Reply;

/// What is kept back of `request_timeout` for the plugin's summary and the way back.
const LARGEST_RESERVE: Duration = Duration::from_secs(1);

/// The longest media type of a plugin's answer, bytes.
const LONGEST_CONTENT_TYPE: usize = 256;

/// What every request needs.
struct RefreshRoute {
    hosts: VirtualHosts,
    settings: Arc<Settings>,
    body: BodyLimits,
    /// One permit for every request that is worked on.
    permits: RequestPermits,
}

/// The service of the refresh listeners, but for the log and the counts of its requests.
pub(super) fn router(config: &HttpConfig, settings: &Arc<Settings>, hosts: VirtualHosts) -> Router {
    let route = Arc::new(RefreshRoute {
        permits: RequestPermits::new(config.max_requests),
        hosts,
        settings: Arc::clone(settings),
        body: BodyLimits {
            size: config.max_body,
            pause: config.header_timeout,
            setting: "http.max_body",
            memory: BodyMemory::new(config.body_memory, config.max_body),
        },
    });
    // `any`, and the method looked at by hand: axum answers HEAD with what it has for GET, and here a GET does something.
    Router::new()
        .route(paths::REFRESH, any(batch))
        .route(paths::REFRESH_USER, any(single))
        .fallback(async || Refusal::NotFound)
        .layer(middleware::from_fn_with_state(Arc::clone(&route), gate))
        .with_state(route)
}

/// Token and CORS. A preflight request never carries a token; it does nothing either.
async fn gate(State(route): State<Arc<RefreshRoute>>, request: Request, next: Next) -> Response {
    let settings = route.settings.current();
    let origin = settings.cors.allowed(request.headers());
    let mut response = match *request.method() == Method::OPTIONS {
        true => next.run(request).await,
        false if !auth::passes(settings.token.as_ref(), request.headers()) => Refusal::Unauthorized.into_response(),
        // A browser keeps the answer from a page of another site, but it sends the request.
        false if origin.is_none() && request.headers().contains_key(ORIGIN) => Refusal::Origin.into_response(),
        false => next.run(request).await,
    };
    settings.cors.mark(&mut response, origin);
    response
}

/// `POST /roster_admin/refresh`
async fn batch(State(route): State<Arc<RefreshRoute>>, request: Request) -> Response {
    if let Some(other) = route.other_method(&request, "POST") {
        return other;
    }
    let rosters = route.hosts.for_request(&request);
    let times = Times::from_now(route.settings.current().request_timeout);
    let peer = body::peer(&request);
    let work = async {
        // Whoever sends slowly takes no permit from others.
        let body = body::read(request, &route.body, times.body).await?;
        let _permit = route.permits.take(rosters.domain(), peer)?;
        Ok(rosters.refresh_request(body.bytes.clone(), times.refresh).await?)
    };
    route.answer(times, work).await
}

/// `GET /roster_admin/refresh/{user}`; axum has percent-decoded the name, once.
async fn single(
    State(route): State<Arc<RefreshRoute>>,
    user: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    if let Some(other) = route.other_method(&request, "GET") {
        return other;
    }
    let Ok(Path(user)) = user else { return Refusal::Path.into_response() };
    let rosters = route.hosts.for_request(&request);
    let times = Times::from_now(route.settings.current().request_timeout);
    let peer = body::peer(&request);
    let work = async {
        let _permit = route.permits.take(rosters.domain(), peer)?;
        Ok(rosters.refresh_request_for(&user, times.refresh).await?)
    };
    route.answer(times, work).await
}

/// When what has to be done.
#[derive(Clone, Copy)]
struct Times {
    /// The body has arrived: half the time, so that the other half is left for the refresh.
    body: Instant,
    /// Users that are not done count as errors.
    refresh: Instant,
    /// The request is answered.
    answer: Instant,
    /// How long all of it may take.
    timeout: Duration,
}

impl Times {
    fn from_now(timeout: Duration) -> Self {
        let now = Instant::now();
        let reserve = (timeout / 10).min(LARGEST_RESERVE);
        Self { body: now + timeout / 2, refresh: now + timeout.saturating_sub(reserve), answer: now + timeout, timeout }
    }
}

impl RefreshRoute {
    /// The answer to a request with another method than `method`.
    fn other_method(&self, request: &Request, method: &'static str) -> Option<Response> {
        if request.method() == method {
            return None;
        }
        let preflight = (request.method() == Method::OPTIONS)
            .then(|| self.settings.current().cors.preflight(request.headers(), method));
        Some(preflight.flatten().unwrap_or_else(|| Refusal::Method(method).into_response()))
    }

    /// The answer that `work` comes to in the time that a request may take.
    async fn answer(&self, times: Times, work: impl Future<Output = Result<Reply, Refusal>>) -> Response {
        let result = match timeout_at(times.answer, work).await {
            Err(_) => Err(Refusal::Deadline(times.timeout)),
            Ok(result) => result.and_then(response),
        };
        result.unwrap_or_else(|refusal| {
            match &refusal {
                Refusal::Call(_) | Refusal::Answer(_) => error!(error = %refusal, "a refresh request failed"),
                refusal => warn!(reason = %refusal, "a refresh request was not served"),
            }
            refusal.into_response()
        })
    }
}

/// The plugin's answer as HTTP.
fn response(answer: Reply) -> Result<Response, Refusal> {
    let status = StatusCode::from_u16(answer.status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| Refusal::Answer(format!("the status {}", answer.status)))?;
    let content_type = content_type(&answer.content_type)?;
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

/// What the plugin says its answer is. Refused like everything else of an answer that HTTP cannot carry: nothing is made of it.
fn content_type(text: &str) -> Result<HeaderValue, Refusal> {
    if text.len() > LONGEST_CONTENT_TYPE {
        let longer = format!("a Content-Type of {} bytes; at most {LONGEST_CONTENT_TYPE} are sent", text.len());
        return Err(Refusal::Answer(longer));
    }
    let kind =
        text.parse::<mime::Mime>().ok().filter(|kind| kind.type_() != mime::STAR && kind.subtype() != mime::STAR);
    let value = kind.and_then(|_| HeaderValue::from_str(text).ok());
    value.ok_or_else(|| Refusal::Answer(format!("the Content-Type {text:?}, which is no media type")))
}
