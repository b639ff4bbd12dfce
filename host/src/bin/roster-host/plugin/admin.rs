//! `swap`, `reload`, `rollback` and `status`: requests to the admin listener of a running host.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use roster_host::config::{ClientAuth, ClientConfig, Origin, Secret};
use roster_host::http_client::{Deadlines, HttpClient};
use roster_host::plugin::PluginSource;
use roster_host::text::escaped;
use serde_json::Value;

use super::failure::{AdminFailure, TOKEN_VARIABLE};
use super::receipt;
use crate::{Failure, out};

/// How long a swap may take: uploading, compiling, rehearsing, draining.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the admin listener is.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5282")]
    admin: String,
    /// A file with the admin token. Or set the variable ROSTER_HOST_ADMIN_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Which virtual host; the first if absent.
    #[arg(long)]
    domain: Option<String>,
    /// Print JSON as it came.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(crate) struct SwapArguments {
    /// The component.
    file: PathBuf,
    #[command(flatten)]
    host: Arguments,
}

#[derive(clap::Args)]
pub(crate) struct RollbackArguments {
    /// The generation to put back (see status); the latest if absent.
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,
    #[command(flatten)]
    host: Arguments,
}

/// True if it was swapped, or serves already.
pub(super) async fn swap(arguments: SwapArguments) -> Result<bool, Failure> {
    let plugin = PluginSource::File(arguments.file).read().await?;
    let body = Bytes::copy_from_slice(&plugin.bytes);
    // Who may not upload is told so before the answer can get lost: a server that refuses closes while the rest still comes.
    arguments.host.send(Method::GET, "/plugin", None, Bytes::new()).await?;
    arguments.host.ask(Method::PUT, "/plugin", None, body, receipt::receipt).await
}

/// True if it was swapped, or serves already.
pub(super) async fn reload(arguments: Arguments) -> Result<bool, Failure> {
    arguments.ask(Method::POST, "/plugin/reload", None, Bytes::new(), receipt::receipt).await
}

/// True if it was put back.
pub(super) async fn roll_back(arguments: RollbackArguments) -> Result<bool, Failure> {
    let to = arguments.to.map(|to| ("to", to.to_string()));
    arguments.host.ask(Method::POST, "/plugin/rollback", to, Bytes::new(), receipt::receipt).await
}

/// Always true.
pub(super) async fn status(arguments: Arguments) -> Result<bool, Failure> {
    arguments.ask(Method::GET, "/plugin", None, Bytes::new(), receipt::status).await
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

impl Arguments {
    /// Sends one request and shows the answer. False: refused.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: Option<(&str, String)>,
        body: Bytes,
        show: impl Fn(&Value) -> String,
    ) -> Result<bool, Failure> {
        let (done, value) = self.send(method, path, query, body).await?;
        if self.json {
            out::json(&value)?
        } else {
            out::text(&show(&one_lines(value)))?
        }
        Ok(done)
    }

    /// What is answered, and whether it is no refusal.
    async fn send(
        &self,
        method: Method,
        path: &str,
        query: Option<(&str, String)>,
        body: Bytes,
    ) -> Result<(bool, Value), Failure> {
        let mut url = url::Url::parse(&self.admin).map_err(|error| format!("--admin {}: {error}", self.admin))?;
        url.set_path(path);
        let domain = self.domain.clone().map(|domain| ("domain", domain));
        for (key, value) in query.into_iter().chain(domain) {
            url.query_pairs_mut().append_pair(key, &value);
        }
        let request = Request::builder().method(method).uri(url.as_str()).body(body)?;
        let deadlines = Deadlines { first_byte: Some(PATIENCE), ..Deadlines::default() };
        let sent = self.client()?.send(request, deadlines).await;
        let response = sent.map_err(|error| AdminFailure::unanswered(&self.admin, error))?;
        let status = response.status();
        let value: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let has = |key| value.get(key).is_some();
        // A receipt comes with each of these: done, refused, others are at work.
        let answers = [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::SERVICE_UNAVAILABLE];
        let is_known = answers.contains(&status) && has("domain") && (has("serves") || has("outcome"));
        if !is_known {
            return Err(AdminFailure::answered(&self.admin, status, response.body(), self.token_from()).into());
        }
        Ok((status == StatusCode::OK, value))
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
            first_byte_timeout: PATIENCE,
            total_timeout: PATIENCE,
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
