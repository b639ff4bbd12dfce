//! The plugin: its hooks, one of which sends a request.

use xmpp_roster_plugin::{
    BadRequest, Call, ConfigError, Contact, FetchError, Outcome, Plugin, Reply, Request, Response, Roster, Settings,
    Step, UrlTemplate, export, http,
};

use crate::{ROSTER_KEY, TOKEN_KEY, authorization};

/// Its settings.
pub(crate) struct TokenRoster {
    token_url: String,
    roster_url: UrlTemplate,
}

export!(TokenRoster);

impl Plugin for TokenRoster {
    const RESPONSE_HEADERS: &'static [&'static str] = &[];

    fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let token_url = settings.required(TOKEN_KEY, "the URL that gives a token")?;
        if !token_url.starts_with("https://") && !token_url.starts_with("http://") {
            return Err(ConfigError::new(TOKEN_KEY, "is no URL"));
        }
        Ok(Self { token_url, roster_url: settings.url_template(ROSTER_KEY)? })
    }

    /// Asks for a token by itself first.
    fn make_request(&self, user: &str, _tag: Option<&[u8]>) -> Result<Request, FetchError> {
        let token = http::get(&self.token_url)?;
        let value = authorization(&token).map_err(|reason| FetchError::Malformed(reason.into()))?;
        Ok(Request::get(self.roster_url.url(user)?).header("authorization", value))
    }

    /// The host normalises the JIDs, and leaves out what is none.
    fn read_response(&self, _call: &Call<'_>, response: &Response) -> Result<Step, FetchError> {
        let jids: Vec<String> = response.json()?;
        Ok(Roster::of(jids.into_iter().map(Contact::new)).into())
    }

    fn summary(outcome: &Outcome) -> Reply {
        let (status, text) = match outcome {
            Outcome::Batch(counts) => (200, format!("{} updated, {} errors\n", counts.updated, counts.errors)),
            Outcome::Single(true) => (200, "updated\n".to_owned()),
            Outcome::Single(false) => (500, "not updated\n".to_owned()),
            Outcome::Refused(BadRequest { message }) => (400, message.clone()),
        };
        Reply { status, content_type: "text/plain".to_owned(), body: text.into_bytes() }
    }
}
