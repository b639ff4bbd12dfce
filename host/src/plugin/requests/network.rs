//! Where requests go, what those of one exchange may cost together, and who looks on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::Either;
use http::{Method, Request, Response, Uri};

use super::last_exchange::LastExchange;
use crate::http_client::{Deadlines, ErrorKind, HttpClient, SendError, shown};
use crate::metrics::{Answer, AppRequest, CallMetrics, GenerationStats};
use crate::model::Username;
use crate::plugin::api::{FetchError, FetchFailure};
use crate::plugin::outbound::Outbound;
use crate::plugin::recording::Recording;

/// Who answers a plugin's requests.
#[derive(Clone)]
pub enum Network {
    /// The applications that the operator allows.
    Live(HttpClient),
    /// Whatever else answers requests, such as what was recorded.
    Own(Arc<dyn Outbound>),
}

impl Network {
    /// The future of whoever answers itself: one around it would hold the request once more.
    fn send(
        &self,
        request: Request<Bytes>,
        deadlines: Deadlines,
    ) -> impl Future<Output = Result<Response<Bytes>, SendError>> {
        match self {
            Self::Live(client) => Either::Left(client.send(request, deadlines)),
            Self::Own(own) => Either::Right(answered_by(&**own, request, deadlines)),
        }
    }
}

/// The deadline holds whoever answers.
async fn answered_by(
    own: &dyn Outbound,
    request: Request<Bytes>,
    deadlines: Deadlines,
) -> Result<Response<Bytes>, SendError> {
    let Some(until) = deadlines.until else { return own.send(request, deadlines).await };
    let uri = request.uri().clone();
    let sent = tokio::time::timeout_at(until.at.into(), own.send(request, deadlines)).await;
    sent.unwrap_or_else(|_| {
        Err(SendError::new(ErrorKind::TotalTimeout, shown(&uri), format!("no response came within {until}")))
    })
}

/// The requests of one exchange, whoever sends them: the host, or a plugin by itself through `wasi:http`.
#[derive(Clone)]
pub(in crate::plugin) struct Requests(Arc<Shared>);

struct Shared {
    left: AtomicU32,
    /// Bytes of responses that may still come.
    bytes_left: AtomicUsize,
    max_bytes: usize,
    recording: Option<Recording>,
    last: LastExchange,
    user: Option<Witnessed>,
}

/// Where calls are counted.
pub(in crate::plugin) struct Counters {
    pub(in crate::plugin) metrics: CallMetrics,
    pub(in crate::plugin) stats: Arc<GenerationStats>,
}

/// Whom the requests are for, and who remembers them.
pub(in crate::plugin) struct Witnessed {
    pub(in crate::plugin) user: Username,
    pub(in crate::plugin) counters: Arc<Counters>,
}

impl Requests {
    /// At most `requests` of them, whose responses have at most `max_bytes` together.
    pub(in crate::plugin) fn new(
        requests: u32,
        max_bytes: usize,
        recording: Option<Recording>,
        user: Option<Witnessed>,
    ) -> Self {
        Self(Arc::new(Shared {
            left: AtomicU32::new(requests),
            bytes_left: AtomicUsize::new(max_bytes),
            max_bytes,
            recording,
            last: LastExchange::default(),
            user,
        }))
    }

    /// One of them, if there is one left.
    pub(in crate::plugin) fn take(&self) -> bool {
        let left = &self.0.left;
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// How many are left.
    pub(in crate::plugin) fn left(&self) -> u32 {
        self.0.left.load(Ordering::Relaxed)
    }

    /// Sends one that has been [taken](Self::take).
    pub(in crate::plugin) async fn send(
        &self,
        network: &Network,
        request: Request<Bytes>,
        deadlines: Deadlines,
    ) -> Result<Response<Bytes>, SendError> {
        let Shared { recording, last, user, .. } = &*self.0;
        let (method, uri, began) = (request.method().clone(), request.uri().clone(), Instant::now());
        let recorded = recording.as_ref().map(|recording| (Box::new(recording.asked(&request)), recording));
        let sent = network.send(request, deadlines).await;
        if let Some((asked, recording)) = recorded {
            recording.answered(*asked, &sent);
        }
        let sent = sent.and_then(|response| self.within_limit(&uri, response));
        if let Some(witnessed) = user {
            witnessed.asked(Some(method), &uri, &sent, Some(began.elapsed()));
        }
        match &sent {
            Ok(response) => last.answered(uri, response),
            Err(error) => last.failed(error.clone()),
        }
        sent
    }

    /// A response that was for others, too.
    pub(in crate::plugin) fn answered(&self, uri: Uri, response: &Response<Bytes>) {
        if let Some(witnessed) = &self.0.user {
            witnessed.asked_of(None, &uri, answer(response), None);
        }
        self.0.last.answered(uri, response);
    }

    fn within_limit(&self, uri: &Uri, response: Response<Bytes>) -> Result<Response<Bytes>, SendError> {
        let Shared { bytes_left, max_bytes, .. } = &*self.0;
        let size = response.body().len();
        let within = |left: usize| left.checked_sub(size);
        match bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within) {
            Ok(_) => Ok(response),
            Err(_) => {
                let detail = format!(
                    "the responses of one call are longer than {max_bytes} bytes together (client.max_response)"
                );
                Err(SendError::new(ErrorKind::TooLarge, shown(uri), detail))
            }
        }
    }

    /// Bytes of the bodies received so far.
    pub(in crate::plugin) fn fetched(&self) -> usize {
        self.0.max_bytes.saturating_sub(self.0.bytes_left.load(Ordering::Relaxed))
    }

    /// What was asked and answered, if it is recorded.
    pub(in crate::plugin) fn recording(&self) -> Option<&Recording> {
        self.0.recording.as_ref()
    }

    /// What the plugin says, with what the host knows of it.
    pub(in crate::plugin) fn explain(&self, error: FetchError) -> FetchFailure {
        self.0.last.explain(error)
    }
}

impl Witnessed {
    fn asked(
        &self,
        method: Option<Method>,
        uri: &Uri,
        sent: &Result<Response<Bytes>, SendError>,
        elapsed: Option<Duration>,
    ) {
        let answer = match sent {
            Ok(response) => answer(response),
            Err(error) => Answer::Failed(error.detail().to_owned()),
        };
        self.asked_of(method, uri, answer, elapsed);
    }

    fn asked_of(&self, method: Option<Method>, uri: &Uri, answer: Answer, elapsed: Option<Duration>) {
        if !self.counters.metrics.activity().wants_requests() {
            return;
        }
        let asked = AppRequest { method, url: shown(uri), answer, elapsed, at: Instant::now() };
        self.counters.metrics.asked(&self.user.clone().into(), asked);
    }
}

fn answer(response: &Response<Bytes>) -> Answer {
    Answer::Response { status: response.status().as_u16(), bytes: response.body().len() }
}
