//! What the host itself saw of a call's last exchange with the application, for the one line that tells of a failure.
//!
//! What a plugin says of a response is short, and of a request that failed the operator wants to know more than that: the
//! URL, the phase, the limit and the key that decides about it.

use bytes::Bytes;
use http::header::LOCATION;
use http::{Response, StatusCode, Uri};
use parking_lot::Mutex;

use crate::http_client::{SendError, shown};
use crate::plugin::api::{FetchError, FetchFailure};
use crate::plugin::sanitize::one_line;

/// See the module's documentation. Of several exchanges the last one counts.
#[derive(Debug, Default)]
pub(super) struct LastExchange(Mutex<Option<LastOutcome>>);

#[derive(Debug)]
enum LastOutcome {
    Failed(SendError),
    Answered { uri: Uri, status: StatusCode, location: Option<String> },
}

impl LastExchange {
    pub(in crate::plugin) fn failed(&self, error: SendError) {
        *self.0.lock() = Some(LastOutcome::Failed(error));
    }

    pub(in crate::plugin) fn answered(&self, uri: Uri, response: &Response<Bytes>) {
        let status = response.status();
        let location = response.headers().get(LOCATION).filter(|_| status.is_redirection());
        let location = location.map(|location| target(&uri, location.as_bytes()));
        *self.0.lock() = Some(LastOutcome::Answered { uri, status, location });
    }

    /// What the plugin says, with what the host knows of it.
    pub(in crate::plugin) fn explain(&self, error: FetchError) -> FetchFailure {
        let explained = match (&*self.0.lock(), &error) {
            (None, _) | (_, FetchError::Misconfigured(_)) => None,
            (Some(LastOutcome::Failed(failed)), _) => {
                Some(format!("{}: {}: {}", failed.target(), error.in_short(), failed.detail()))
            }
            (Some(LastOutcome::Answered { uri, status, location }), error) => {
                let mut text = format!("{}: {error}", shown(uri));
                if let (FetchError::Status(said), Some(location)) = (error, location)
                    && *said == status.as_u16()
                {
                    text.push_str(", a redirect to ");
                    text.push_str(location);
                    text.push_str(" (client.max_redirects says how many are followed)");
                }
                Some(text)
            }
        };
        FetchFailure { error, explained: explained.map(|text| one_line(&text)) }
    }
}

/// Where `location` leads from `uri`, as it may be logged.
fn target(uri: &Uri, location: &[u8]) -> String {
    let base = url::Url::parse(&uri.to_string()).ok();
    let joined = std::str::from_utf8(location).ok().and_then(|location| base?.join(location).ok());
    match joined.and_then(|url| url.as_str().parse().ok()) {
        Some(uri) => shown(&uri),
        None => "a Location that is not a URL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http_client::ErrorKind;

    #[test]
    fn a_failure_names_the_url_and_what_the_host_saw() {
        let failed = |kind, detail: &str| {
            let last = LastExchange::default();
            last.failed(SendError::new(kind, "http://app/contacts/john", detail));
            last
        };
        let answered = |status: u16, location: Option<&str>| {
            let last = LastExchange::default();
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if let Some(location) = location {
                response.headers_mut().insert(LOCATION, location.parse().unwrap());
            }
            last.answered("http://me:secret@app/contacts/john?key=secret".parse().unwrap(), &response);
            last
        };
        let unreachable = FetchError::Unreachable("http://app: the host does not allow this address".into());
        for (last, error, expected) in [
            (LastExchange::default(), FetchError::Status(404), "the application answered with status 404"),
            (
                failed(ErrorKind::ConnectRefused, "connection refused"),
                unreachable,
                "http://app/contacts/john: the application cannot be reached: connection refused",
            ),
            (
                failed(ErrorKind::FirstByteTimeout, "no response came within 10s (client.first_byte_timeout)"),
                FetchError::TimedOut,
                "http://app/contacts/john: the application did not answer in time: no response came within 10s \
                 (client.first_byte_timeout)",
            ),
            (
                failed(ErrorKind::TooLarge, "longer than 9 bytes"),
                FetchError::TooLarge,
                "http://app/contacts/john: the application's answer is too large: longer than 9 bytes",
            ),
            (
                answered(503, None),
                FetchError::Status(503),
                "http://app/contacts/john?...: the application answered with status 503",
            ),
            (
                answered(302, Some("/login?from=secret")),
                FetchError::Status(302),
                "http://app/contacts/john?...: the application answered with status 302, a redirect to \
                 http://app/login?... (client.max_redirects says how many are followed)",
            ),
            (
                answered(200, None),
                FetchError::Malformed("an array".into()),
                "http://app/contacts/john?...: the application's answer is malformed: an array",
            ),
            (answered(200, None), FetchError::Misconfigured("x".into()), "the plugin is misconfigured: x"),
        ] {
            let explained = last.explain(error.clone());
            assert_eq!((explained.to_string(), explained.error), (expected.to_owned(), error));
        }
    }
}
