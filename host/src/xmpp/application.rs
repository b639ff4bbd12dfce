//! The application checks passwords, as it does on its own log-in page.

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue};
use http::{Request, StatusCode, Uri};
use roster_xmpp::accounts::AccountsUnavailable;
use roster_xmpp::accounts::http::CheckPassword;
use tokio::sync::Semaphore;
use url::Url;

use crate::config::{ClientAuth, ClientConfig, HostConfig, HttpAuthConfig, Secret};
use crate::http_client::{ClientBuildError, Deadlines, HttpClient, authorization};
use crate::model::Username;

/// Asks the application at one URL.
pub(super) struct Application {
    client: HttpClient,
    url: Uri,
    /// A permit for every question at once. Who waits for one is turned away by the login's deadline.
    places: Semaphore,
}

impl Application {
    /// With the rules of `host`'s client, but for where it may go and what it says of itself: a password goes to this
    /// origin only, and to nowhere that it is redirected.
    pub(super) fn new(http: &HttpAuthConfig, host: &HostConfig) -> Result<Self, ClientBuildError> {
        let client = HttpClient::new(&ClientConfig {
            allow_origins: vec![http.origin.clone()],
            auth: None,
            auth_origins: Vec::new(),
            max_redirects: 0,
            ..host.client.clone()
        })?;
        let unfit =
            || ClientBuildError::Origin { origin: http.origin.to_string(), reason: "the URL cannot be requested" };
        let mut url = Url::parse(http.url.reveal()).map_err(|_| unfit())?;
        url.set_fragment(None);
        let url = url.as_str().parse().map_err(|_| unfit())?;
        Ok(Self { client, url, places: Semaphore::new(host.limits.max_concurrent_calls) })
    }
}

#[async_trait]
impl CheckPassword for Application {
    async fn check(&self, user: &Username, password: &str) -> Result<bool, AccountsUnavailable> {
        let unavailable = |reason: String| AccountsUnavailable { reason };
        let auth = ClientAuth::Basic { username: user.to_string(), password: Secret::new(password) };
        // What Basic authentication cannot send is nobody's password.
        let Ok(credentials) = authorization(&auth) else { return Ok(false) };
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(AUTHORIZATION, credentials);
        // With this said, an answer that is compressed all the same is none of our business: only its status counts.
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let _place = self.places.acquire().await.map_err(|error| unavailable(error.to_string()))?;
        let answered = self.client.send(request, Deadlines::default()).await;
        let response = answered.map_err(|error| unavailable(format!("http_auth_url: {error}")))?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(false),
            other => Err(unavailable(format!("http_auth_url: the application answered {}", other.as_u16()))),
        }
    }
}
