//! Asking for many users in one request, for a plugin that says how. [`gather`](super::gather) decides who goes together.
//!
//! The plugin cuts the response into one part for each user, which is then what a response for that user alone would be. Whatever
//! goes wrong, users are asked for alone.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, Uri};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::gather::Joined;
use super::network::{Network, Requests, Until};
use super::{LAST_MOMENT, passed, request, rule};
use crate::http_client::{Deadlines, ErrorKind};
use crate::model::Username;
use crate::plugin::api::CallError;
use crate::plugin::runtime::call::{About, Calls};
use crate::plugin::wit::{BulkReceived, Needs, Part, PartBody, Piece};

/// The hook as it is counted.
const BULK: &str = "bulk";

/// Somebody who waits to be asked for.
pub(in crate::plugin) struct Waiter {
    user: Username,
    tag: Option<Bytes>,
    answer: oneshot::Sender<Together>,
}

/// What came of waiting for others.
pub(super) enum Together {
    /// The user is asked for alone; others wait until that has ended.
    Alone(Option<UnderWay>),
    /// The application says that nothing has changed.
    Unchanged,
    /// What it says.
    Part(Uri, Box<Response<Bytes>>),
}

/// A request counts as under way for as long as this is there.
pub(super) struct UnderWay(Calls);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let gone = self.0.runtime.gather.lock().ended();
        if let Some(gone) = gone {
            self.0.go(gone);
        }
    }
}

/// Why a request for many users came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Plugin(#[from] CallError),
    #[error("{0}")]
    Application(String),
    #[error("its response is too long: {0}")]
    TooLong(String),
}

impl Calls {
    /// How many users one request names at most; below two, none does.
    pub(in crate::plugin) fn most_together(&self) -> usize {
        match (&self.runtime.network, self.module.needs.get()) {
            (Network::Live(_), Some(needs)) => {
                self.module.limits.bulk_users.min(usize::try_from(needs.users_per_request).unwrap_or(usize::MAX))
            }
            _ => 0,
        }
    }

    /// Asks for `user` together with others, if the plugin can and others come.
    pub(super) async fn together(&self, user: &Username, tag: Option<&Bytes>) -> Together {
        let limits = &self.module.limits;
        let limit = self.most_together();
        if limit < 2 {
            return Together::Alone(None);
        }
        let (answer, answered) = oneshot::channel();
        let bytes = user.as_str().len() + tag.map_or(0, Bytes::len);
        let waiter = Waiter { user: user.clone(), tag: tag.cloned(), answer };
        let joined = self.runtime.gather.lock().join(waiter, bytes, limit, Instant::now());
        match joined {
            Joined::Alone(_) => return Together::Alone(Some(UnderWay(self.clone()))),
            Joined::Go(gone) => self.go(gone),
            Joined::Waits(None) => {}
            Joined::Waits(Some(batch)) => {
                let (plugin, wait) = (self.clone(), limits.bulk_wait);
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    let gone = plugin.runtime.gather.lock().aged(batch);
                    if let Some(gone) = gone {
                        plugin.go(gone);
                    }
                });
            }
        }
        match answered.await {
            // Only a tag that says something can be confirmed.
            Ok(Together::Unchanged) if tag.is_none_or(Bytes::is_empty) => Together::Alone(None),
            Ok(together) => together,
            Err(_) => Together::Alone(None),
        }
    }

    /// They go together, in a task of its own: none of them has to wait for it.
    fn go(&self, mut gone: Vec<Waiter>) {
        let under_way = UnderWay(self.clone());
        if gone.len() < 2 {
            if let Some(alone) = gone.pop() {
                // Nobody waits any more: dropped, it has ended.
                let _ = alone.answer.send(Together::Alone(Some(under_way)));
            }
            return;
        }
        // At the end of the process there is no runtime any more, nor anybody who waits.
        let Ok(runtime) = Handle::try_current() else { return };
        let plugin = self.clone();
        runtime.spawn(async move {
            let users: Vec<_> = gone.iter().map(|waiter| (waiter.user.clone(), waiter.tag.clone())).collect();
            match plugin.bulk(users, under_way).await {
                Ok((pieces, bytes)) => {
                    let failures = plugin.runtime.gather.lock().succeeded(gone.len(), bytes);
                    if failures > 0 {
                        info!(domain = %plugin.module.domain, failures, "many users are asked for in one request again");
                    }
                    for (waiter, together) in gone.into_iter().zip(pieces) {
                        let _ = waiter.answer.send(together);
                    }
                }
                Err(failure) => plugin.bulk_failed(&failure, gone.len()),
            }
        });
    }

    fn bulk_failed(&self, failure: &Failure, users: usize) {
        let domain = &self.module.domain;
        if let Failure::TooLong(_) = failure {
            let most = self.runtime.gather.lock().too_long(users);
            info!(%domain, users, %failure, most, "a request for many users was in vain; the next ones name fewer");
        } else {
            let pause = self.runtime.gather.lock().failed(Instant::now());
            warn!(%domain, users, error = %failure, ?pause, "a request for many users failed; for now each is asked for alone");
        }
    }

    /// One request for `users`, at least two, what the response says of each, and its bytes.
    async fn bulk(
        &self,
        users: Vec<(Username, Option<Bytes>)>,
        under_way: UnderWay,
    ) -> Result<(Vec<Together>, usize), Failure> {
        let needs = match self.needs().await? {
            Ok(needs) => needs,
            Err(error) => return Err(Failure::Application(error.to_string())),
        };
        let about = About::now(BULK, "");
        let _exchange = self.runtime.exchange(self.module.limits.queue_timeout).await?;
        self.counted(about, |deadline| async move {
            let result = self.bulk_exchange(about, needs, users, deadline, under_way).await;
            match result {
                Err(Failure::Plugin(error)) => Err(error),
                other => Ok((other, Instant::now())),
            }
        })
        .await?
    }

    async fn bulk_exchange(
        &self,
        about: About<'_>,
        needs: &Needs,
        users: Vec<(Username, Option<Bytes>)>,
        deadline: Instant,
        under_way: UnderWay,
    ) -> Result<(Vec<Together>, usize), Failure> {
        let names: Vec<Username> = users.iter().map(|(user, _)| user.clone()).collect();
        let made = self.on_instance(about.within(BULK), |store, hooks| match hooks.bulk() {
            Some(bulk) => bulk.make_request(store, users),
            None => Box::pin(async { Err(wasmtime::Error::msg("it has no interface bulk")) }),
        });
        let wanted = made.await?.0.map_err(|error| Failure::Application(error.to_string()))?;
        let request = request::of(wanted).map_err(|wrong| rule(BULK, wrong.to_string()))?;
        let uri = request.uri().clone();

        // Time is left to ask for them alone.
        let limit = self.module.limits.call_timeout / 2;
        let at = about.began.checked_add(limit).unwrap_or(deadline).min(deadline);
        let until = Until { at: at.checked_sub(LAST_MOMENT).unwrap_or(at), limit };
        let requests = Requests::new(1, self.module.max_response, None);
        let response = requests.send(&self.runtime.network, request, Deadlines::default(), Some(until)).await;
        // The next request is on its way while this response is read.
        drop(under_way);
        let response = response.map_err(|error| match error.kind() {
            ErrorKind::TooLarge => Failure::TooLong(error.to_string()),
            ErrorKind::NoMemory => self.no_room(BULK).into(),
            _ => Failure::Application(error.to_string()),
        })?;

        self.runtime.counters.stats.fetched(response.body().len());
        let (status, headers) = (response.status().as_u16(), passed(&needs.response_headers, &response));
        let body = response.into_body();
        let many = names.len();
        let received = BulkReceived { users: names, status, headers, body: body.clone() };
        let split = self.on_instance(about.within(BULK), |store, hooks| match hooks.bulk() {
            Some(bulk) => bulk.split_response(store, received),
            None => Box::pin(async { Err(wasmtime::Error::msg("it has no interface bulk")) }),
        });
        let pieces = split.await?.0.map_err(|error| Failure::Application(format!("{uri}: {error}")))?;
        if pieces.len() != many {
            return Err(rule(BULK, format!("of a response for {many} users it makes {} pieces", pieces.len())).into());
        }
        let pieces: Result<Vec<_>, _> = pieces.into_iter().map(|piece| together(piece, &uri, &body)).collect();
        Ok((pieces?, body.len()))
    }
}

fn together(piece: Piece, uri: &Uri, body: &Bytes) -> Result<Together, CallError> {
    let Part { status, headers, body: of } = match piece {
        Piece::Part(part) => part,
        Piece::Unchanged => return Ok(Together::Unchanged),
        Piece::Missing => return Ok(Together::Alone(None)),
    };
    let of = match of {
        PartBody::Bytes(bytes) => bytes.into(),
        PartBody::Slice { offset, length } => {
            let range = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
            let range = range.and_then(|(offset, length)| Some(offset..offset.checked_add(length)?));
            let within = range.filter(|range| range.end <= body.len());
            body.slice(within.ok_or_else(|| rule(BULK, "a part of the response is not within it".to_owned()))?)
        }
    };
    let mut response = Response::new(of);
    *response.status_mut() =
        status.try_into().map_err(|_| rule(BULK, format!("a part of the response has the status {status}")))?;
    for (name, value) in headers {
        let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        let (name, value) =
            header.ok_or_else(|| rule(BULK, "a part of the response has a header that is none".to_owned()))?;
        response.headers_mut().append(name, value);
    }
    Ok(Together::Part(uri.clone(), Box::new(response)))
}
