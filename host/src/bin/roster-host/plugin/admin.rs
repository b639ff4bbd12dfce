//! `swap`, `reload`, `rollback` and `status`: requests to the admin listener of a running host.

use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, StatusCode};
use roster_host::plugin::PluginSource;
use serde_json::Value;

use super::{nodes, receipt};
use crate::Failure;
use crate::admin::Admin;

#[derive(Clone, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) admin: Admin,
    /// Which virtual host; the first if absent.
    #[arg(long)]
    domain: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct SwapArguments {
    /// The component.
    file: PathBuf,
    #[command(flatten)]
    host: Arguments,
    /// At all nodes of a cluster: at --admin first, as a canary, and when its first calls have gone well at these admin listeners, one
    /// after another. If one refuses the plugin or takes it back, it is taken back at all.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    all_nodes: Vec<String>,
    /// How long the canary is watched; less if its calls are over sooner.
    #[arg(long, value_name = "DURATION", default_value = "30s", requires = "all_nodes")]
    watch: humantime::Duration,
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
    if !arguments.all_nodes.is_empty() {
        let others = arguments.all_nodes.iter().map(|url| arguments.host.at(url));
        let nodes: Vec<Arguments> = std::iter::once(arguments.host.clone()).chain(others).collect();
        return nodes::swap(&nodes, &body, arguments.watch.into()).await;
    }
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

impl Arguments {
    /// The same at another host.
    fn at(&self, url: &str) -> Self {
        Self { admin: self.admin.at(url), domain: self.domain.clone() }
    }

    pub(super) fn url(&self) -> &str {
        self.admin.url()
    }

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
        self.admin.show(value, show)?;
        Ok(done)
    }

    /// What is answered, and whether it is no refusal.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        query: Option<(&str, String)>,
        body: Bytes,
    ) -> Result<(bool, Value), Failure> {
        let domain = self.domain.clone().map(|domain| ("domain", domain));
        let query: Vec<_> = query.into_iter().chain(domain).collect();
        // A receipt comes with each of these: done, refused, others are at work.
        let answers = [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::SERVICE_UNAVAILABLE];
        let is_known = |status, value: &Value| {
            let has = |key| value.get(key).is_some();
            answers.contains(&status) && has("domain") && (has("serves") || has("outcome"))
        };
        let (status, value) = self.admin.send(method, path, &query, body, is_known).await?;
        Ok((status == StatusCode::OK, value))
    }
}
