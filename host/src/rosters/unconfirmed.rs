//! A refresh is answered when everybody who is told of rosters has passed on what it found, or with the names of those who
//! have not.
//!
//! The host writes the names, and not the plugin: they say something of the host's own delivery and nothing of the application's
//! protocol, and so every plugin's answers have them, in whatever language and for whatever version it was built. An answer that
//! is no JSON object stays as it is; then only the log and the metrics tell.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::Rosters;
use crate::plugin::Reply;
use crate::sinks::RosterSink;

/// The field of the answer.
const FIELD: &str = "unconfirmed";

/// A refresh that runs. Sinks keep together what they are told meanwhile; dropped, also by a caller that goes away, it is over.
pub(super) struct Running<'a>(&'a Rosters);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.sinks.iter().for_each(|sink| sink.refresh_ends(&self.0.domain));
    }
}

impl Rosters {
    pub(super) fn begin_refresh(&self) -> Running<'_> {
        self.sinks.iter().for_each(|sink| sink.refresh_begins(&self.domain));
        Running(self)
    }

    /// Ends the refresh and waits until everybody has passed on what was told. Those who have not, by name.
    pub(super) async fn confirmed(&self, running: Running<'_>, deadline: Instant) -> Vec<Arc<str>> {
        drop(running);
        let all = self.sinks.iter().map(|sink: &Arc<dyn RosterSink>| sink.confirmed(&self.domain, deadline));
        futures::future::join_all(all).await.into_iter().flatten().collect()
    }
}

/// `reply` with the names of those who are not known to have passed on everything.
pub(super) fn tell(mut reply: Reply, names: &[Arc<str>]) -> Reply {
    if names.is_empty() || !is_open_object(&reply.body) {
        return reply;
    }
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let Ok(names) = serde_json::to_string(&names) else { return reply };
    // Put into the text: what the plugin has written stays as it is, the order of its fields too.
    let end = reply.body.trim_ascii_end().len().saturating_sub(1);
    reply.body.truncate(end);
    let comma = if reply.body.trim_ascii().ends_with(b"{") { "" } else { "," };
    reply.body.extend_from_slice(format!("{comma}\"{FIELD}\":{names}}}").as_bytes());
    reply
}

/// Whether `body` is a JSON object that has no such field.
fn is_open_object(body: &[u8]) -> bool {
    serde_json::from_slice::<Map<String, Value>>(body).is_ok_and(|object| !object.contains_key(FIELD))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_put_beside_what_the_plugin_has_written() {
        let named: [Arc<str>; 2] = ["prosody".into(), "a\"b".into()];
        for (body, names, expected) in [
            (r#"{"b":1,"a":2}"#, &named[..1], r#"{"b":1,"a":2,"unconfirmed":["prosody"]}"#),
            ("{\"a\":{}} \n", &named, r#"{"a":{},"unconfirmed":["prosody","a\"b"]}"#),
            ("{}", &named[..1], r#"{"unconfirmed":["prosody"]}"#),
            (" { } ", &named[..1], " { \"unconfirmed\":[\"prosody\"]}"),
            (r#"{"a":1}"#, &[], r#"{"a":1}"#),
            (r#"{"unconfirmed":7}"#, &named, r#"{"unconfirmed":7}"#),
            ("[1]", &named, "[1]"),
            ("done}", &named, "done}"),
            ("", &named, ""),
        ] {
            let reply = Reply { status: 200, content_type: "application/json".into(), body: body.into() };
            let told = tell(reply, names);
            assert_eq!(String::from_utf8(told.body).unwrap(), expected, "{body}");
        }
    }
}
