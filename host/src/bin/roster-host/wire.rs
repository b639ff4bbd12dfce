//! What goes between a plugin and its application: the host's own client, and who listens to it. For `fetch` and
//! `plugin run`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LAST_MODIFIED, LOCATION, RETRY_AFTER,
    SERVER, USER_AGENT, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use parking_lot::Mutex;
use roster_host::config::{ClientAuth, ClientConfig, Origin};
use roster_host::http_client::{Deadlines, HttpClient, SendError};
use roster_host::plugin::Outbound;
use roster_host::text::escaped;
use serde::Serialize;

/// Headers of a request that are shown as they are; any other may hold a key of the application's.
const SHOWN: [HeaderName; 4] = [ACCEPT, CONTENT_TYPE, IF_NONE_MATCH, USER_AGENT];
/// Headers of a response that say how it is to be read, or why there is none.
const TELLING: [HeaderName; 8] =
    [CONTENT_TYPE, CONTENT_ENCODING, ETAG, LAST_MODIFIED, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE, SERVER];
const HIDDEN: &str = "(hidden)";

/// One request and what came of it.
#[derive(Clone, Serialize)]
pub(crate) struct LoggedExchange {
    method: String,
    url: String,
    /// In the order in which they were set.
    headers: Vec<(String, String)>,
    milliseconds: f64,
    answered: Option<Answered>,
    /// Why there is no answer.
    error: Option<String>,
}

#[derive(Clone, Serialize)]
struct Answered {
    status: u16,
    bytes: usize,
    /// Those that matter.
    headers: Vec<(String, String)>,
}

/// The host's client, and what went through it.
pub(crate) struct Wire {
    client: HttpClient,
    config: ClientConfig,
    exchanges: Mutex<Vec<LoggedExchange>>,
}

impl Wire {
    /// `config` is what `client` was made of.
    pub(crate) fn new(client: HttpClient, config: &ClientConfig) -> Arc<Self> {
        Arc::new(Self { client, config: config.clone(), exchanges: Mutex::default() })
    }

    /// What went through it so far.
    pub(crate) fn exchanges(&self) -> Vec<LoggedExchange> {
        self.exchanges.lock().clone()
    }

    fn sent(&self, request: &Request<Bytes>) -> Vec<(String, String)> {
        let mut headers = shown(request.headers(), |name| SHOWN.contains(name));
        let origin = Origin::of_uri(request.uri());
        let gets = origin.filter(|origin| self.config.auth_origins.contains(origin));
        if let (Some(auth), Some(_)) = (&self.config.auth, gets) {
            let scheme = match auth {
                ClientAuth::Basic { .. } => "Basic",
                ClientAuth::Bearer(_) => "Bearer",
            };
            headers.push((AUTHORIZATION.to_string(), format!("{scheme} {HIDDEN}")));
        }
        headers
    }
}

#[async_trait]
impl Outbound for Wire {
    async fn send(&self, request: Request<Bytes>, deadlines: Deadlines) -> Result<Response<Bytes>, SendError> {
        let (method, url, headers) = (request.method().to_string(), request.uri().to_string(), self.sent(&request));
        let began = Instant::now();
        let result = self.client.send(request, deadlines).await;
        let milliseconds = began.elapsed().as_secs_f64() * 1000.0;
        let answered = result.as_ref().ok().map(|response| {
            let mut headers = shown(response.headers(), |_| true);
            headers.retain(|(name, _)| TELLING.iter().any(|telling| telling == name.as_str()));
            Answered { status: response.status().as_u16(), bytes: response.body().len(), headers }
        });
        let error = result.as_ref().err().map(ToString::to_string);
        self.exchanges.lock().push(LoggedExchange { method, url, headers, milliseconds, answered, error });
        result
    }
}

fn shown(headers: &HeaderMap, is_plain: impl Fn(&HeaderName) -> bool) -> Vec<(String, String)> {
    let plain = |text: &str| escaped(text).into_owned();
    let value = |name, value: &HeaderValue| {
        if is_plain(name) { plain(&String::from_utf8_lossy(value.as_bytes())) } else { HIDDEN.to_owned() }
    };
    headers.iter().map(|(name, text)| (name.to_string(), value(name, text))).collect()
}

impl LoggedExchange {
    /// In two lines.
    pub(crate) fn in_short(&self) -> String {
        let mut text = format!("{} {}", self.method, self.url);
        if let Some((name, value)) = self.headers.iter().find(|(name, _)| IF_NONE_MATCH == name.as_str()) {
            let _ = write!(text, " ({name}: {value})");
        }
        text + &format!("\n  {}, {:.1} ms\n", self.outcome(), self.milliseconds)
    }

    /// With the headers.
    pub(crate) fn in_full(&self) -> String {
        let lines = |headers: &[(String, String)]| -> String {
            headers.iter().map(|(name, value)| format!("  {name}: {value}\n")).collect()
        };
        let mut text = format!("{} {}\n{}", self.method, self.url, lines(&self.headers));
        let _ = writeln!(text, "{}, {:.1} ms", self.outcome(), self.milliseconds);
        text + &self.answered.as_ref().map(|answered| lines(&answered.headers)).unwrap_or_default()
    }

    fn outcome(&self) -> String {
        match (&self.answered, &self.error) {
            (Some(answered), _) => format!("{}, {} bytes", answered.status, answered.bytes),
            (None, error) => escaped(error.as_deref().unwrap_or_default()).into_owned(),
        }
    }
}
