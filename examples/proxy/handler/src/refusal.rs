//! Every answer that the plugin does not write, in the words and the shapes of `roster-host`.

use std::time::Duration;

use serde_json::json;

use crate::http::Response;

/// Why a request is answered by the proxy itself. The text is what the application's developer reads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "nothing is at this path; use POST /roster_admin/refresh, GET /roster_admin/refresh/USERNAME, GET /rosters/USERNAME, \
         GET /contacts/USERNAME or POST /contacts"
    )]
    NotFound,
    #[error("this path takes {0} only")]
    Method(&'static str),
    #[error("the header \"Authorization: Bearer ...\" with the configured token is needed (token)")]
    Unauthorized,
    #[error("web pages may not call here (the request has an Origin header)")]
    Origin,
    #[error("the username in the path is not UTF-8 once percent-decoded")]
    Path,
    #[error("a % in the path is not followed by two hexadecimal digits")]
    Escape,
    #[error("\"..\" in the path is not followed; send the path it leads to")]
    Parent,
    #[error("{text:?} is not a username (the part of an address before the @): {reason}")]
    Username { text: String, reason: String },
    #[error("the request body is longer than {0} bytes (max_body)")]
    TooLarge(usize),
    #[error("the request body did not arrive in time (request_timeout)")]
    TooSlow,
    #[error("the request body broke off")]
    Broken,
    #[error("the request body has Content-Encoding: {0}; send it as it is, without compression")]
    Encoded(String),
    #[error("the request names {named} users; at most {limit} are taken ({setting})")]
    TooManyUsers { named: usize, limit: usize, setting: &'static str },
    #[error("{0}")]
    Malformed(String),
    #[error("the request was not done within {0:?} (request_timeout)")]
    Deadline(Duration),
    #[error("{0}")]
    Settings(String),
    #[error("rosters cannot be kept: {0}")]
    Store(String),
    #[error("{reason}")]
    Application {
        /// What the application answered, if it did.
        status: Option<u16>,
        reason: String,
    },
    #[error("the plugin gave an answer that HTTP cannot carry: {0}")]
    Answer(String),
}

impl Refusal {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Path | Self::Escape | Self::Malformed(_) | Self::Username { .. } | Self::Broken => 400,
            Self::Unauthorized => 401,
            Self::Origin => 403,
            Self::NotFound | Self::Parent => 404,
            Self::Method(_) => 405,
            Self::TooSlow => 408,
            Self::TooLarge(_) | Self::TooManyUsers { .. } => 413,
            Self::Encoded(_) => 415,
            Self::Settings(_) | Self::Answer(_) => 500,
            Self::Application { .. } => 502,
            Self::Store(_) => 503,
            Self::Deadline(_) => 504,
        }
    }

    /// In the shape that the refresh route has, so that an application reads refusals as it reads answers.
    pub(crate) fn response(&self) -> Response {
        let body = json!({ "status": "error", "message": self.to_string(), "updated": 0, "errors": 0 });
        self.with_body(&body)
    }

    /// In the shape that all other routes have.
    pub(crate) fn plain_response(&self) -> Response {
        self.with_body(&json!({ "status": "error", "message": self.to_string() }))
    }

    fn with_body(&self, body: &serde_json::Value) -> Response {
        let response = Response::json(self.status(), body);
        match self {
            Self::Method(allowed) => response.with("allow", *allowed),
            Self::Unauthorized => response.with("www-authenticate", "Bearer"),
            Self::Encoded(_) => response.with("accept-encoding", "identity"),
            Self::Store(_) => response.with("retry-after", "1"),
            Self::Deadline(_) => response.with("retry-after", "5"),
            _ => response,
        }
    }
}
