//! How the sample application speaks to the host, over HTTP as any other would: that contacts have changed, and, for who
//! clicks in its page, what an operator would ask of the admin listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::sync::watch;

use super::stage::Stage;
use crate::config::Secret;

/// How long the application waits for the host's answer. A plugin is compiled within that.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest answer it reads.
const LONGEST_ANSWER: usize = 1 << 20;

/// Where the host listens.
#[derive(Clone)]
pub struct HostAddresses {
    /// Refresh route, and WebSocket clients.
    pub http: SocketAddr,
    /// Admin listener.
    pub admin: SocketAddr,
    /// What an upload of a plugin has to show there.
    pub upload_token: Option<Secret>,
}

/// See the module's documentation.
pub(super) struct HostLink {
    host: watch::Sender<Option<HostAddresses>>,
    client: Client<HttpConnector, Full<Bytes>>,
    stage: Arc<Stage>,
}

type HostResponse = Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>>;

impl HostLink {
    pub(super) fn new(stage: Arc<Stage>) -> Self {
        Self { host: watch::Sender::new(None), client: Client::builder(TokioExecutor::new()).build_http(), stage }
    }

    pub(super) fn is_up(&self, host: HostAddresses) {
        self.host.send_replace(Some(host));
    }

    pub(super) fn host(&self) -> Option<HostAddresses> {
        self.host.borrow().clone()
    }

    /// Says whose contacts have changed, and passes on the host's answer.
    pub(super) async fn tell(&self, users: &[String], canary: bool) -> Response {
        let Some(host) = self.host() else { return not_up() };
        let url = format!("http://{}/roster_admin/refresh", host.http);
        let post = self.stage.posted(users, canary);
        let began = Instant::now();
        let body = serde_json::to_vec(users).unwrap_or_default();
        let answer = self.send(Method::POST, &url, None, "application/json", body.into()).await;
        let shown =
            answer.as_ref().ok().map(|(status, body)| (status.as_u16(), String::from_utf8_lossy(body).into_owned()));
        self.stage.answered(post, shown, began.elapsed());
        pass_on(&url, answer)
    }

    /// Asks the admin listener, and passes on its answer. To a page a refusal is a result, too, and not a failure of its own.
    pub(super) async fn operate(&self, method: Method, path: &str, component: Bytes) -> Response {
        let Some(host) = self.host() else { return not_up() };
        let url = format!("http://{}{path}", host.admin);
        let answer = self.send(method, &url, host.upload_token.as_ref(), "application/wasm", component).await;
        let result =
            |(status, body)| (if status == StatusCode::UNPROCESSABLE_ENTITY { StatusCode::OK } else { status }, body);
        pass_on(&url, answer.map(result))
    }

    async fn send(&self, method: Method, url: &str, token: Option<&Secret>, kind: &str, body: Bytes) -> HostResponse {
        let mut request = http::Request::builder().method(method).uri(url).header(header::CONTENT_TYPE, kind);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
        }
        let request = request.body(Full::new(body))?;
        let exchange = async {
            let answer = self.client.request(request).await?;
            let status = answer.status();
            Ok((status, Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await?.to_bytes()))
        };
        tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or_else(|late| Err(late.into()))
    }
}

fn pass_on(url: &str, answer: HostResponse) -> Response {
    match answer {
        Ok((status, answer)) => (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(error) if error.is::<tokio::time::error::Elapsed>() => {
            problem(StatusCode::GATEWAY_TIMEOUT, &format!("{url}: no answer"))
        }
        Err(error) => problem(StatusCode::BAD_GATEWAY, &format!("{url}: {error}")),
    }
}

fn not_up() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the host is not up yet")
}

/// An answer that says what is wrong, in the form of the host's.
pub(super) fn problem(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({ "status": "error", "message": message }))).into_response()
}
