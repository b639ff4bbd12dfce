//! Who asks: what a registry wants to know, and a token for it.

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use url::Url;

use super::request::get;
use super::{Registry, RegistryError};
use crate::config::Artifact;
use crate::http_client::HttpClient;

/// What goes with a request.
pub(super) enum Access<'r> {
    /// Nothing.
    Nobody,
    /// Name and password.
    Known(&'r HttpClient),
    /// What the registry's own giver of tokens has response.
    Token(HeaderValue),
}

#[derive(Deserialize)]
struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'r> Access<'r> {
    /// What these headers of a 401 ask for.
    pub(super) async fn asked_for(
        headers: &HeaderMap,
        registry: &'r Registry,
        artifact: &Artifact,
    ) -> Result<Self, RegistryError> {
        let unauthorized = || RegistryError::Unauthorized { status: http::StatusCode::UNAUTHORIZED };
        for header in headers.get_all(WWW_AUTHENTICATE) {
            let Ok(challenges) = http_auth::parse_challenges(header.to_str().unwrap_or_default()) else { continue };
            for challenge in challenges {
                let param = |name: &str| {
                    let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    let scope = param("scope").unwrap_or_else(|| format!("repository:{}:pull", artifact.repository()));
                    let url = param("realm").and_then(|realm| Url::parse(&realm).ok()).ok_or_else(unauthorized)?;
                    return token(url, param("service"), &scope, registry).await;
                }
                if let (true, Some(known)) = (challenge.scheme.eq_ignore_ascii_case("basic"), &registry.known) {
                    return Ok(Self::Known(known));
                }
            }
        }
        Err(unauthorized())
    }

    pub(super) fn client(&self, registry: &'r Registry) -> &'r HttpClient {
        match self {
            Self::Known(client) => client,
            Self::Nobody | Self::Token(_) => &registry.anonymous,
        }
    }

    pub(super) fn put_into(&self, headers: &mut HeaderMap) {
        if let Self::Token(token) = self {
            headers.insert(AUTHORIZATION, token.clone());
        }
    }
}

/// A token, from where the registry says that it gives them out; that is on the list, or it is not asked.
async fn token<'r>(
    mut url: Url,
    service: Option<String>,
    scope: &str,
    registry: &'r Registry,
) -> Result<Access<'r>, RegistryError> {
    url.query_pairs_mut().extend_pairs(service.map(|service| ("service", service))).append_pair("scope", scope);
    let client = registry.known.as_ref().unwrap_or(&registry.anonymous);
    let answer = get(client, url.as_str(), &HeaderMap::new()).await?;
    let status = answer.status();
    if !status.is_success() {
        return Err(match status.is_server_error() {
            true => RegistryError::Status { what: "the request for a token", status },
            false => RegistryError::Unauthorized { status },
        });
    }
    let response: TokenResponse =
        serde_json::from_slice(answer.body()).map_err(|_| RegistryError::Unauthorized { status })?;
    let token = response
        .token
        .or(response.access_token)
        .and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
    let mut token = token.ok_or(RegistryError::Unauthorized { status })?;
    token.set_sensitive(true);
    Ok(Access::Token(token))
}
