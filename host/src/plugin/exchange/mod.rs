//! Asking the application for one user's roster, the first time or again: the plugin says what to ask, the host asks, the
//! plugin says what the response means, and so on until it knows. [`hooks`] is what becomes of what it says, also of those
//! hooks that ask nobody.
//!
//! No instance is held while the application thinks, and each hook may run on another one. All requests of an exchange have
//! one allowance and one deadline. It stays with the module that began it.

pub(in crate::plugin) mod bulk;
mod compare;
mod gather;
mod hooks;
mod request;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use parking_lot::Mutex;

use self::bulk::{Together, Waiter};
use self::gather::Gather;
use crate::http_client::{Deadlines, ErrorKind, SendError, Until};
use crate::model::{ResponseDigest, Snapshot, Tag, Username};
use crate::plugin::api::{CallError, Delta, FetchError, FetchedRoster};
use crate::plugin::engine::budget::Reservation;
use crate::plugin::requests::network::Requests;
use crate::plugin::runtime::call::{About, Calls};
use crate::plugin::sanitize::one_line;
use crate::plugin::wit::{Header, MAKE_REQUEST, Needs, READ_RESPONSE, Received, Step, Wanted};

/// Whom an exchange is for, and with what.
struct Context<'a> {
    about: About<'a>,
    user: &'a Username,
    known: Option<&'a Arc<Snapshot>>,
    needs: &'a Needs,
    requests: &'a Requests,
}

/// What is left of a call's time when its last response may come: the call itself is not over yet.
const LAST_MOMENT: Duration = Duration::from_millis(5);

/// What an exchange has found, and the tag for it.
struct ExchangeResult {
    news: News,
    tag: Tag,
}

/// What has become of the roster.
enum News {
    /// It is as it was. The tag may be another.
    Unchanged,
    Roster(FetchedRoster),
    Changed(Delta),
}

/// A response as a plugin is given it.
struct Passed {
    status: u16,
    headers: Vec<Header>,
    body: Bytes,
}

impl Passed {
    /// With the headers that the plugin reads, as far as they are text.
    fn of(needs: &Needs, response: Response<Bytes>) -> Self {
        let fields = needs.response_headers.iter().flat_map(|name| {
            let values = response.headers().get_all(&**name).iter();
            values.filter_map(|value| {
                let value = std::str::from_utf8(value.as_bytes()).ok()?.to_owned();
                Some(Header { name: Arc::clone(name), value })
            })
        });
        let (status, headers) = (response.status().as_u16(), fields.collect());
        Self { status, headers, body: response.into_body() }
    }
}

/// What an exchange does next.
enum Next {
    Ask(Wanted),
    Read(Passed),
}

impl Context<'_> {
    /// The tag of the roster that is kept, if it is of who reads it now.
    fn tag(&self, reader: u64) -> Option<&Tag> {
        self.known.and_then(|known| known.tag()).filter(|tag| tag.reader == reader)
    }
}

/// What the plugin itself has said of the roster.
fn validator(tag: Option<&Tag>) -> Option<Bytes> {
    tag.and_then(|tag| tag.validator.as_deref()).map(Bytes::copy_from_slice)
}

/// The exchanges of a loaded module. A clone is the same.
#[derive(Clone)]
pub(in crate::plugin) struct Exchanges {
    pub(in crate::plugin) calls: Calls,
    /// Who waits to be asked for together with others.
    gather: Arc<Mutex<Gather<Waiter>>>,
}

/// What the plugin says, and when it said so.
type CallResult<T> = Result<(Result<T, FetchError>, Instant), CallError>;

impl Exchanges {
    pub(in crate::plugin) fn new(calls: Calls) -> Self {
        let gather = Arc::new(Mutex::new(Gather::new(calls.module.limits.bulk_users)));
        Self { calls, gather }
    }

    /// What the application has for one user, asked for alone or together with others. `given`: what came of asking for others
    /// too, if that has been done.
    async fn find(
        &self,
        context: &Context<'_>,
        given: Option<Together>,
    ) -> Result<Result<ExchangeResult, FetchError>, CallError> {
        let Context { about, user, needs, requests, .. } = *context;
        let tag = context.tag(self.calls.reader());
        let together = match (given, requests.recording()) {
            (Some(given), _) => given,
            (None, None) => self.together(user, validator(tag).as_ref()).await,
            // What is recorded has to be whole: it is asked for alone.
            (None, Some(_)) => Together::Alone(None),
        };
        let mut given = None;
        let (_under_way, unchanged) = match together {
            Together::Alone(under_way) => (under_way, None),
            Together::Unchanged => (None, tag),
            Together::Part(uri, response) => {
                requests.answered(uri, &response);
                let response = Passed::of(needs, *response);
                let unchanged = tag.filter(|tag| tag.digest == Some(self.response_digest(&response)));
                given = Some(response);
                (None, unchanged)
            }
        };
        if let Some(tag) = unchanged {
            self.calls.runtime.counters.metrics.same_response(user.as_str());
            self.calls.count(about, "ok", about.began.elapsed());
            return Ok(Ok(ExchangeResult { news: News::Unchanged, tag: tag.clone() }));
        }
        let _exchange = self.calls.runtime.exchange(self.calls.module.limits.queue_timeout).await?;
        // Boxed: who waits to be asked for together with others has no use for its room.
        Box::pin(self.calls.counted(about.within(about.hook), |deadline| self.exchange(context, given, deadline))).await
    }

    /// One exchange, within a call that has its permit and its deadline. `given`: the first response, if it has come.
    async fn exchange(
        &self,
        context: &Context<'_>,
        given: Option<Passed>,
        deadline: Instant,
    ) -> CallResult<ExchangeResult> {
        let deadlines = before(deadline, self.calls.module.limits.call_timeout);
        let tag = context.tag(self.calls.reader());
        let validator = validator(tag);
        let (mut next, mut ended) = match given {
            Some(response) => (Next::Read(response), Instant::now()),
            None => match self.make_request(context, validator.clone()).await? {
                (Ok(wanted), ended) => (Next::Ask(wanted), ended),
                (Err(error), ended) => return Ok((Err(error), ended)),
            },
        };
        let mut follow_up = None;
        loop {
            let hook = if follow_up.is_none() { MAKE_REQUEST } else { READ_RESPONSE };
            let response = match next {
                Next::Read(response) => response,
                Next::Ask(wanted) => match self.respond(hook, wanted, context, deadlines).await? {
                    Ok(response) => Passed::of(context.needs, response),
                    Err(error) => return Ok((Err(error), ended)),
                },
            };
            // Only one response by itself stands for a roster.
            let digest = follow_up.is_none().then(|| self.response_digest(&response));
            if let (Some(tag), Some(_)) = (tag, digest)
                && tag.digest == digest
            {
                self.calls.runtime.counters.metrics.same_response(context.user.as_str());
                return Ok((Ok(ExchangeResult { news: News::Unchanged, tag: tag.clone() }), Instant::now()));
            }
            // Counted until the call is over.
            let (state, _held): (Option<Bytes>, Option<Reservation>) = follow_up.take().unzip();
            let received = Received {
                user: context.user.clone(),
                tag: validator.clone(),
                known: context.known.map(Arc::clone),
                status: response.status,
                headers: response.headers,
                body: response.body,
                state: state.unwrap_or_default(),
            };
            let left = context.requests.left();
            let step;
            (step, ended) = match self.read_response(context, received).await? {
                (Ok(step), ended) => (step, ended),
                (Err(error), ended) => return Ok((Err(error), ended)),
            };
            // What it has asked by itself is not in the digest.
            let digest = digest.filter(|_| context.requests.left() == left);
            let tag = |validator| Tag { reader: self.calls.reader(), digest, validator };
            let found = match (step, context.known) {
                (Step::Next { request, state }, _) => {
                    next = Next::Ask(request);
                    follow_up = Some(self.keep(state)?);
                    continue;
                }
                (Step::Unchanged, Some(_)) => {
                    let kept = validator.map(|validator| validator.as_ref().into());
                    ExchangeResult { news: News::Unchanged, tag: tag(kept) }
                }
                (Step::Roster(mut roster), _) => {
                    let validator = roster.tag.take().and_then(|tag| tag.validator);
                    ExchangeResult { news: News::Roster(roster), tag: tag(validator) }
                }
                (Step::Changed(mut delta), Some(_)) => {
                    let validator = delta.tag.take().and_then(|tag| tag.validator);
                    ExchangeResult { news: News::Changed(delta), tag: tag(validator) }
                }
                (Step::Unchanged | Step::Changed(_), None) => return Err(nothing_to_compare()),
            };
            return Ok((Ok(found), ended));
        }
    }

    fn response_digest(&self, Passed { status, headers, body }: &Passed) -> ResponseDigest {
        self.calls.runtime.common.engine.digest_key().of(
            *status,
            headers.iter().map(|header| (&*header.name, &*header.value)),
            body,
        )
    }

    async fn make_request(&self, context: &Context<'_>, tag: Option<Bytes>) -> CallResult<Wanted> {
        let about = context.about.within(MAKE_REQUEST);
        let user = context.user.clone();
        let call = self.calls.on_instance(about, |store, hooks| {
            store.data_mut().outgoing.begin_call(Some(context.requests.clone()));
            hooks.make_request(store, user, tag)
        });
        call.await
    }

    async fn read_response(&self, context: &Context<'_>, received: Received) -> CallResult<Step> {
        let about = context.about.within(READ_RESPONSE);
        let call = self.calls.on_instance(about, |store, hooks| {
            store.data_mut().outgoing.begin_call(Some(context.requests.clone()));
            hooks.read_response(store, received)
        });
        call.await
    }

    /// The application's response, or why there is none.
    async fn respond(
        &self,
        hook: &'static str,
        wanted: Wanted,
        context: &Context<'_>,
        deadlines: Deadlines,
    ) -> Result<Result<Response<Bytes>, FetchError>, CallError> {
        if !context.requests.take() {
            let most = self.calls.module.limits.max_requests_per_call;
            return Err(rule(hook, format!("more than {most} requests (limits.max_requests_per_call)")));
        }
        let request = request::of(wanted).map_err(|wrong| rule(hook, wrong.to_string()))?;
        match context.requests.send(&self.calls.runtime.network, request, deadlines).await {
            Ok(response) => {
                self.calls.runtime.counters.stats.fetched(response.body().len());
                Ok(Ok(response))
            }
            Err(error) if error.kind() == ErrorKind::BadRequest => Err(rule(hook, one_line(&error.to_string()))),
            Err(error) if error.kind() == ErrorKind::NoMemory => Err(self.no_room(hook)),
            Err(error) => Ok(Err(no_response(&error))),
        }
    }

    /// What the plugin is given with the response to its next request, counted as its memory until then.
    fn keep(&self, state: Vec<u8>) -> Result<(Bytes, Reservation), CallError> {
        let limit = self.calls.module.limits.max_state;
        if state.len() > limit {
            return Err(rule(READ_RESPONSE, format!("a state of more than {limit} bytes (limits.max_state)")));
        }
        let held =
            self.calls.runtime.common.account.try_hold(state.len()).ok_or_else(|| self.no_room(READ_RESPONSE))?;
        Ok((state.into(), held))
    }

    fn no_room(&self, hook: &'static str) -> CallError {
        CallError::NoRoom { hook, limit: self.calls.runtime.common.account.limit() }
    }
}

/// For a request whose response is needed before `deadline`, with which a call has `limit`.
fn before(deadline: Instant, limit: Duration) -> Deadlines {
    let at = deadline.checked_sub(LAST_MOMENT).unwrap_or(deadline);
    Deadlines { until: Some(Until { at, limit, key: "limits.call_timeout" }), ..Deadlines::default() }
}

/// The plugin says what has changed in a roster that the host does not hold.
fn nothing_to_compare() -> CallError {
    rule(READ_RESPONSE, "it compares with a roster, and the host holds none".to_owned())
}

fn rule(hook: &'static str, reason: String) -> CallError {
    CallError::Rule { hook, reason }
}

/// What the host says when no plugin can.
fn no_response(error: &SendError) -> FetchError {
    match error.kind() {
        ErrorKind::ConnectTimeout | ErrorKind::FirstByteTimeout | ErrorKind::BodyTimeout | ErrorKind::TotalTimeout => {
            FetchError::TimedOut
        }
        ErrorKind::TooLarge => FetchError::TooLarge,
        _ => FetchError::Unreachable(error.to_string()),
    }
}
