//! Asking for many users in one request, for a plugin that says how. [`gather`](super::gather) decides who goes together; cases,
//! rehearsals and shadow runs decide it themselves.
//!
//! The plugin cuts the response into one part for each user, which is then what a response for that user alone would be. Whatever
//! goes wrong, users are asked for alone.

use std::time::Instant;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue, Response, Uri};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::{info, warn};
use wasmtime::Store;

use super::gather::Joined;
use super::{Exchanges, Passed, before, request, rule};
use crate::http_client::{ErrorKind, shown};
use crate::model::Username;
use crate::plugin::api::CallError;
use crate::plugin::imports::state::State;
use crate::plugin::recording::Recording;
use crate::plugin::recording::recorder::{Call, Hook, PieceDigest};
use crate::plugin::requests::network::{Network, Requests};
use crate::plugin::runtime::call::About;
use crate::plugin::sanitize;
use crate::plugin::wit::{Bulk, BulkReceived, Needs, Part, PartBody, Piece};

/// The hook as it is counted.
const BULK: &str = "bulk";
/// So many times as long as the response all parts of it may be together: slices may overlap, and a copy may be written with more
/// white space. And how long they may always be.
const MOST_COPIES: usize = 4;
const LEAST_COPIES: usize = 64 << 10;

/// Somebody who waits to be asked for.
pub(super) struct Waiter {
    user: Username,
    tag: Option<Bytes>,
    answer: oneshot::Sender<Together>,
}

/// What came of asking for a user together with others.
pub(crate) enum Together {
    /// The user is asked for alone; others wait until that has ended.
    Alone(Option<UnderWay>),
    /// The application says that nothing has changed.
    Unchanged,
    /// What it says.
    Part(Uri, Box<Response<Bytes>>),
}

impl Together {
    /// Only a tag that says something can be confirmed.
    pub(in crate::plugin) fn confirms(self, tag: Option<&Bytes>) -> Self {
        match self {
            Self::Unchanged if tag.is_none_or(Bytes::is_empty) => Self::Alone(None),
            other => other,
        }
    }
}

/// A request counts as under way for as long as this is there.
pub(crate) struct UnderWay(Exchanges);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let gone = self.0.gather.lock().ended();
        if let Some(gone) = gone {
            self.0.go(gone);
        }
    }
}

/// Why a request for many users came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BulkError {
    #[error(transparent)]
    Plugin(#[from] CallError),
    #[error("{0}")]
    Application(String),
    #[error("its response is too long: {0}")]
    TooLong(String),
}

/// A request for many users that is to be made.
pub(in crate::plugin) struct BulkCall {
    /// At least two, with what the plugin has said of the rosters that the host holds.
    pub(in crate::plugin) users: Vec<(Username, Option<Bytes>)>,
    pub(in crate::plugin) recording: Option<Recording>,
    /// Given up when the response is here.
    pub(in crate::plugin) under_way: Option<UnderWay>,
}

impl Exchanges {
    /// How many users one request names at most; below two, none does.
    pub(in crate::plugin) fn most_together(&self) -> usize {
        match (&self.calls.runtime.network, self.calls.module.needs.get()) {
            (Network::Live(_), Some(needs)) => {
                self.calls.module.limits.bulk_users.min(usize::try_from(needs.users_per_request).unwrap_or(usize::MAX))
            }
            _ => 0,
        }
    }

    /// Asks for `user` together with others, if the plugin can and others come.
    pub(super) async fn together(&self, user: &Username, tag: Option<&Bytes>) -> Together {
        let limits = &self.calls.module.limits;
        let limit = self.most_together();
        if limit < 2 {
            return Together::Alone(None);
        }
        let (answer, answered) = oneshot::channel();
        let bytes = user.as_str().len() + tag.map_or(0, Bytes::len);
        let waiter = Waiter { user: user.clone(), tag: tag.cloned(), answer };
        let joined = self.gather.lock().join(waiter, bytes, limit, Instant::now());
        match joined {
            Joined::Alone(_) => return Together::Alone(Some(UnderWay(self.clone()))),
            Joined::Go(gone) => self.go(gone),
            Joined::Waits(None) => {}
            Joined::Waits(Some(batch)) => {
                let (exchanges, wait) = (self.clone(), limits.bulk_wait);
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    let gone = exchanges.gather.lock().aged(batch);
                    if let Some(gone) = gone {
                        exchanges.go(gone);
                    }
                });
            }
        }
        match answered.await {
            Ok(together) => together.confirms(tag),
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
        let exchanges = self.clone();
        runtime.spawn(async move {
            let users = gone.iter().map(|waiter| (waiter.user.clone(), waiter.tag.clone())).collect();
            let recording = exchanges.calls.recorder.begin(Hook::Bulk, Instant::now());
            match exchanges.bulk(BulkCall { users, recording, under_way: Some(under_way) }).await {
                Ok((pieces, bytes)) => {
                    let failures = exchanges.gather.lock().succeeded(gone.len(), bytes);
                    if failures > 0 {
                        info!(domain = %exchanges.calls.module.domain, failures, "many users are asked for in one request again");
                    }
                    for (waiter, together) in gone.into_iter().zip(pieces) {
                        let _ = waiter.answer.send(together);
                    }
                }
                Err(failure) => exchanges.bulk_failed(&failure, gone.len()),
            }
        });
    }

    fn bulk_failed(&self, failure: &BulkError, users: usize) {
        let domain = &self.calls.module.domain;
        if let BulkError::TooLong(_) = failure {
            let most = self.gather.lock().too_long(users);
            info!(%domain, users, %failure, most, "a request for many users was in vain; the next ones name fewer");
        } else {
            let pause = self.gather.lock().failed(Instant::now());
            warn!(%domain, users, error = %failure, ?pause, "a request for many users failed; for now each is asked for alone");
        }
    }

    /// One request: what the response says of each user, and its bytes.
    pub(in crate::plugin) async fn bulk(&self, call: BulkCall) -> Result<(Vec<Together>, usize), BulkError> {
        let needs = match self.calls.needs().await? {
            Ok(needs) => needs,
            Err(error) => return Err(BulkError::Application(error.to_string())),
        };
        let about = About::now(BULK, "");
        let _exchange = self.calls.runtime.exchange(self.calls.module.limits.queue_timeout).await?;
        self.calls
            .counted(about, |deadline| async move {
                let result = self.bulk_exchange(about, needs, call, deadline).await;
                match result {
                    Err(BulkError::Plugin(error)) => Err(error),
                    other => Ok((other, Instant::now())),
                }
            })
            .await?
    }

    async fn bulk_exchange(
        &self,
        about: About<'_>,
        needs: &Needs,
        BulkCall { users, recording, under_way }: BulkCall,
        deadline: Instant,
    ) -> Result<(Vec<Together>, usize), BulkError> {
        let names: Vec<Username> = users.iter().map(|(user, _)| user.clone()).collect();
        let asked = recording.as_ref().map(|_| users.clone());
        let made = self.on_bulk(about, |store, bulk| bulk.make_request(store, users)).await?;
        let wanted = made.map_err(|error| BulkError::Application(sanitize::fetch_error(error).to_string()))?;
        let request = request::of(wanted).map_err(|wrong| rule(BULK, wrong.to_string()))?;
        let uri = request.uri().clone();

        // Time is left to ask for them alone.
        let limit = self.calls.module.limits.call_timeout / 2;
        let at = about.began.checked_add(limit).unwrap_or(deadline).min(deadline);
        let requests = Requests::new(1, self.calls.module.max_response, recording, None);
        let response = requests.send(&self.calls.runtime.network, request, before(at, limit)).await;
        // The next request is on its way while this response is read.
        drop(under_way);
        let response = response.map_err(|error| match error.kind() {
            ErrorKind::TooLarge => BulkError::TooLong(error.to_string()),
            ErrorKind::NoMemory => self.no_room(BULK).into(),
            _ => BulkError::Application(error.to_string()),
        })?;

        self.calls.runtime.counters.stats.fetched(response.body().len());
        let Passed { status, headers, body } = Passed::of(needs, response);
        let many = names.len();
        let received = BulkReceived { users: names, status, headers, body: body.clone() };
        let split = self.on_bulk(about, |store, bulk| bulk.split_response(store, received)).await?;
        let pieces = split
            .map_err(|error| BulkError::Application(format!("{}: {}", shown(&uri), sanitize::fetch_error(error))))?;
        if pieces.len() != many {
            return Err(rule(BULK, format!("of a response for {many} users it makes {} pieces", pieces.len())).into());
        }
        let all = all_together(pieces, &uri, &body)?;
        if let (Some(recording), Some(users)) = (requests.recording(), asked) {
            let texts = users.iter().map(|(user, tag)| user.as_str().len() + tag.as_ref().map_or(0, Bytes::len));
            let size = texts.map(|bytes| bytes + size_of::<(Username, Option<Bytes>, PieceDigest)>()).sum();
            let said = all.iter().map(|one| self.piece_digest(needs, one)).collect();
            self.calls.recorder.keep(recording, size, || Call::Bulk { users, said });
        }
        Ok((all, body.len()))
    }

    /// What it says of one user, to be compared.
    pub(in crate::plugin) fn piece_digest(&self, needs: &Needs, together: &Together) -> PieceDigest {
        match together {
            Together::Alone(_) => PieceDigest::Missing,
            Together::Unchanged => PieceDigest::Unchanged,
            Together::Part(_, response) => {
                PieceDigest::Part(self.response_digest(&Passed::of(needs, Response::clone(response))))
            }
        }
    }

    /// Calls a function of the interface.
    async fn on_bulk<R: Send>(
        &self,
        about: About<'_>,
        call: impl for<'a> FnOnce(&'a mut Store<State>, &'a dyn Bulk) -> BoxFuture<'a, wasmtime::Result<R>> + Send,
    ) -> Result<R, CallError> {
        let call = self.calls.on_instance(about.within(BULK), |store, hooks| match hooks.bulk() {
            Some(bulk) => call(store, bulk),
            None => Box::pin(async { Err(wasmtime::Error::msg("it has no interface xmpp:roster/bulk")) }),
        });
        Ok(call.await?.0)
    }
}

/// What each piece of `body` says.
fn all_together(pieces: Vec<Piece>, uri: &Uri, body: &Bytes) -> Result<Vec<Together>, CallError> {
    let mut left = body.len().saturating_mul(MOST_COPIES).max(LEAST_COPIES);
    let all = pieces.into_iter().map(|piece| match piece {
        Piece::Part(part) => together(part, uri, body, &mut left),
        Piece::Unchanged => Ok(Together::Unchanged),
        Piece::Missing => Ok(Together::Alone(None)),
    });
    all.collect()
}

/// `left`: bytes that this part and those after it may have.
fn together(part: Part, uri: &Uri, body: &Bytes, left: &mut usize) -> Result<Together, CallError> {
    let Part { status, headers, body: of } = part;
    let of = match of {
        PartBody::Bytes(bytes) => bytes.into(),
        PartBody::Slice { offset, length } => {
            let range = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
            let range = range.and_then(|(offset, length)| Some(offset..offset.checked_add(length)?));
            let within = range.filter(|range| range.end <= body.len());
            body.slice(within.ok_or_else(|| rule(BULK, "a part of the response is not within it".to_owned()))?)
        }
    };
    // Each is looked at whole.
    *left =
        left.checked_sub(of.len()).ok_or_else(|| rule(BULK, "the parts are longer than the response".to_owned()))?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn part(status: u16, headers: &[(&str, &str)], body: PartBody) -> Piece {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Piece::Part(Part { status, headers, body })
    }

    fn slice(offset: u32, length: u32) -> PartBody {
        PartBody::Slice { offset, length }
    }

    fn read(pieces: Vec<Piece>) -> Result<Vec<String>, String> {
        let body = Bytes::from(vec![b'x'; 40 << 10]);
        let all =
            all_together(pieces, &Uri::from_static("http://app/contacts"), &body).map_err(|error| error.to_string())?;
        let text = |together: &Together| match together {
            Together::Alone(_) => "alone".to_owned(),
            Together::Unchanged => "unchanged".to_owned(),
            Together::Part(_, response) => format!("{} {}", response.status().as_u16(), response.body().len()),
        };
        Ok(all.iter().map(text).collect())
    }

    #[test]
    fn a_piece_is_what_a_response_for_that_user_would_be() {
        let pieces = vec![
            part(200, &[("etag", "\"1\"")], slice(0, 2)),
            part(404, &[], slice(40 << 10, 0)),
            part(200, &[], PartBody::Bytes(vec![b'{', b'}'])),
            Piece::Unchanged,
            Piece::Missing,
        ];
        assert_eq!(read(pieces).unwrap(), ["200 2", "404 0", "200 2", "unchanged", "alone"]);
    }

    #[test]
    fn what_cannot_be_a_part_of_the_response_is_the_plugins_fault() {
        for (piece, reason) in [
            (part(200, &[], slice(40 << 10, 1)), "not within it"),
            (part(200, &[], slice(u32::MAX, u32::MAX)), "not within it"),
            (part(99, &[], slice(0, 1)), "the status 99"),
            (part(200, &[("e tag", "1")], slice(0, 1)), "a header that is none"),
            (part(200, &[("etag", "1\n2")], slice(0, 1)), "a header that is none"),
            (part(200, &[], PartBody::Bytes(vec![b' '; 161 << 10])), "longer than the response"),
        ] {
            let error = read(vec![Piece::Missing, piece]).unwrap_err();
            assert!(error.contains(reason), "{reason}: {error}");
        }
        let all = || part(200, &[], slice(0, 40 << 10));
        assert_eq!(read(vec![all(), all(), all(), all()]).unwrap().len(), 4);
        assert!(read(vec![all(), all(), all(), all(), all()]).unwrap_err().contains("longer than the response"));
    }
}
