//! Requests to the admin listener of a running host, for the subcommands that ask one.

mod failure;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use roster_host::config::{ClientAuth, ClientConfig, Origin, Secret};
use roster_host::http_client::{Deadlines, HttpClient};
use roster_host::text::escaped;
use serde_json::Value;

use self::failure::{AdminFailure, TOKEN_VARIABLE};
use crate::progress::Progress;
use crate::{Failure, out};

/// How long a swap may take: uploading, compiling, rehearsing, draining.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(300);

/// Where to ask, and how to show what is answered.
#[derive(Clone, clap::Args)]
pub(crate) struct Admin {
    /// Where the admin listener is.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5282")]
    admin: String,
    /// A file with the admin token. Or set the variable ROSTER_HOST_ADMIN_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON as it came.
    #[arg(long)]
    json: bool,
}

/// The same with each text fit for one line: a module has named some of them.
fn one_lines(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(escaped(&text).into_owned()),
        Value::Array(values) => values.into_iter().map(one_lines).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, one_lines(value))).collect(),
        other => other,
    }
}

impl Admin {
    /// The same at another host.
    pub(crate) fn at(&self, url: &str) -> Self {
        Self { admin: url.to_owned(), ..self.clone() }
    }

    /// Where it asks.
    pub(crate) fn url(&self) -> &str {
        &self.admin
    }

    /// Shows `value`, as `show` has it or as it came.
    pub(crate) fn show(&self, value: Value, show: impl Fn(&Value) -> String) -> Result<(), Failure> {
        if self.json { out::json(&value) } else { Ok(out::text(&show(&one_lines(value)))?) }
    }

    /// Shows the nodes that `path` tells of, as `show` has them; whether `is_well` says so of it.
    pub(crate) async fn show_nodes(
        &self,
        path: &str,
        show: impl Fn(&Value) -> String,
        is_well: impl Fn(&Value) -> bool,
    ) -> Result<ExitCode, Failure> {
        let is_known = |status, value: &Value| status == StatusCode::OK && value.get("nodes").is_some();
        let (_, value) = self.send(Method::GET, path, &[], Bytes::new(), is_known).await?;
        let is_well = is_well(&value);
        self.show(value, show)?;
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What is answered, if `is_known` takes it for an answer to this.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Bytes,
        is_known: impl Fn(StatusCode, &Value) -> bool,
    ) -> Result<(StatusCode, Value), Failure> {
        let mut url = url::Url::parse(&self.admin).map_err(|error| format!("--admin {}: {error}", self.admin))?;
        url.set_path(path);
        for (key, value) in query {
            url.query_pairs_mut().append_pair(key, value);
        }
        let request = Request::builder().method(method).uri(url.as_str()).body(body);
        let request = request.map_err(|error| format!("--admin {}: {error}", self.admin))?;
        let deadlines = Deadlines { first_byte: Some(ADMIN_TIMEOUT), ..Deadlines::default() };
        let progress = Progress::of("waiting for the host");
        let sent = self.client()?.send(request, deadlines).await;
        drop(progress);
        let response = sent.map_err(|error| AdminFailure::unanswered(&self.admin, error))?;
        let status = response.status();
        let value: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if !is_known(status, &value) {
            return Err(AdminFailure::answered(&self.admin, status, response.body(), self.token_from()).into());
        }
        Ok((status, value))
    }

    /// Where the token is from.
    fn token_from(&self) -> Option<String> {
        let of_variable = || std::env::var_os(TOKEN_VARIABLE).map(|_| format!("the variable {TOKEN_VARIABLE}"));
        self.token_file.as_ref().map(|file| file.display().to_string()).or_else(of_variable)
    }

    fn client(&self) -> Result<HttpClient, Failure> {
        let origin = Origin::of_url(&self.admin).map_err(|error| format!("--admin {}: {error}", self.admin))?;
        let config = ClientConfig {
            allow_origins: vec![origin.clone()],
            auth: self.token()?.map(ClientAuth::Bearer),
            auth_origins: vec![origin],
            first_byte_timeout: ADMIN_TIMEOUT,
            total_timeout: ADMIN_TIMEOUT,
            max_redirects: 0,
            ..ClientConfig::default()
        };
        Ok(HttpClient::new(&config)?)
    }

    fn token(&self) -> Result<Option<Secret>, Failure> {
        let token = match &self.token_file {
            Some(path) => Some(std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?),
            None => std::env::var(TOKEN_VARIABLE).ok(),
        };
        let token =
            token.map(|token| token.trim_end_matches(['\r', '\n']).to_owned()).filter(|token| !token.is_empty());
        if token.as_ref().is_some_and(|token| !token.chars().all(|c| c.is_ascii_graphic())) {
            return Err("the admin token has characters that a bearer token cannot have".into());
        }
        Ok(token.map(Secret::new))
    }
}
