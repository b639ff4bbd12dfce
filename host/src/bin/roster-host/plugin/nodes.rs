//! `plugin swap --all-nodes`: one node after another, the first as a canary; if one refuses the plugin, or takes it back, all do.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::admin::Arguments;
use super::receipt;
use crate::{Failure, out};

/// How often the canary is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Swaps at `nodes`, the first of which is watched for as long as `watch` before the others follow. True if it serves at all.
pub(super) async fn swap(nodes: &[Arguments], body: &Bytes, watch: Duration) -> Result<bool, Failure> {
    // Whoever cannot be asked is to be known before anything is changed.
    for node in nodes {
        node.send(Method::GET, "/plugin", None, Bytes::new()).await?;
    }
    let mut swapped: Vec<&Arguments> = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        let sent = node.send(Method::PUT, "/plugin", None, body.clone()).await;
        let why = match sent {
            Ok((done, receipt)) => {
                let digest = text(&receipt, "/new/digest").to_owned();
                if text(&receipt, "/outcome") == "swapped" {
                    swapped.push(node);
                }
                node.admin.show(receipt, receipt::receipt)?;
                match done {
                    false => Some("refused the plugin".to_owned()),
                    true if place == 0 && !stays(node, &digest, watch).await? => {
                        Some("took the plugin back".to_owned())
                    }
                    true => None,
                }
            }
            Err(error) => Some(format!("could not be asked: {error}")),
        };
        if let Some(why) = why {
            out::complaint(&format!("{} {why}; it is taken back at {} nodes", node.url(), swapped.len()))?;
            return put_back(&swapped).await.map(|()| false);
        }
    }
    Ok(true)
}

/// Watches the first calls of the plugin with that digest until they are over, or the time is. False: another serves again.
async fn stays(node: &Arguments, digest: &str, watch: Duration) -> Result<bool, Failure> {
    let until = Instant::now() + watch;
    loop {
        let (_, status) = node.send(Method::GET, "/plugin", None, Bytes::new()).await?;
        if text(&status, "/serves/digest") != digest {
            return Ok(false);
        }
        let watched = status.pointer("/is_canary").and_then(Value::as_bool).unwrap_or_default();
        if !watched || Instant::now() >= until {
            return Ok(true);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The plugin before serves again. One node that cannot be asked does not keep the others from it.
async fn put_back(nodes: &[&Arguments]) -> Result<(), Failure> {
    let mut failed = Vec::new();
    for node in nodes.iter().rev() {
        match node.send(Method::POST, "/plugin/rollback", None, Bytes::new()).await {
            Ok((true, receipt)) => node.admin.show(receipt, receipt::receipt)?,
            // A canary that has failed has put it back by itself.
            Ok((false, _)) => {}
            Err(error) => failed.push(format!("{}: {error}", node.url())),
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("the plugin is not taken back everywhere: {}", failed.join("; ")).into()),
    }
}
