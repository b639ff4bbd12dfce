//! One JSON object a line, to standard output or a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::error;

use super::{RosterEvent, RosterSink, Undelivered};
use crate::config::JsonLinesConfig;

/// Events written together before the output is flushed.
const BATCH: usize = 256;
/// After a failed write.
const PAUSE: Duration = Duration::from_millis(500);

/// Appends every event to a file, or prints it.
pub struct JsonLines {
    /// `None` once closed.
    queue: Mutex<Option<mpsc::Sender<Arc<RosterEvent>>>>,
    timeout: Duration,
    /// The last event found no room in time: until there is some again nobody waits, or every refresh would.
    stuck: AtomicBool,
}

/// The output cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("sinks.json_lines.path: cannot write to {}: {source}", path.display())]
pub struct JsonLinesError {
    path: PathBuf,
    source: io::Error,
}

impl JsonLines {
    /// Opens the output and starts the task that writes to it; the task ends, everything written, after [`close`](RosterSink::close)
    /// or when the sink is dropped.
    pub async fn open(config: &JsonLinesConfig) -> Result<(Self, JoinHandle<()>), JsonLinesError> {
        let output: Box<dyn AsyncWrite + Send + Unpin> = if config.path == Path::new("-") {
            Box::new(tokio::io::stdout())
        } else {
            let file = tokio::fs::OpenOptions::new().create(true).append(true).open(&config.path).await;
            Box::new(file.map_err(|source| JsonLinesError { path: config.path.clone(), source })?)
        };
        Ok(Self::to_writer(output, config))
    }

    fn to_writer(output: Box<dyn AsyncWrite + Send + Unpin>, config: &JsonLinesConfig) -> (Self, JoinHandle<()>) {
        let (queue, events) = mpsc::channel(config.queue.max(1));
        let writer = tokio::spawn(write(output, events, config.path.clone()));
        (Self { queue: Mutex::new(Some(queue)), timeout: config.timeout, stuck: AtomicBool::new(false) }, writer)
    }
}

async fn write(
    mut output: Box<dyn AsyncWrite + Send + Unpin>,
    mut events: mpsc::Receiver<Arc<RosterEvent>>,
    path: PathBuf,
) {
    let (mut batch, mut text, mut failing) = (Vec::new(), Vec::new(), false);
    while events.recv_many(&mut batch, BATCH).await > 0 {
        if !failing {
            text.clear();
        }
        for event in batch.drain(..) {
            match serde_json::to_writer(&mut text, &*event) {
                Ok(()) => text.push(b'\n'),
                Err(error) => error!(%error, user = %event.user, "cannot encode a roster event"),
            }
        }
        let written = async {
            output.write_all(&text).await?;
            output.flush().await
        };
        match written.await {
            Ok(()) => failing = false,
            Err(error) => {
                // A full disk may be emptied again. The next line must not begin within a broken one.
                if !std::mem::replace(&mut failing, true) {
                    error!(path = %path.display(), %error, "roster events are lost: they cannot be written");
                }
                text.clear();
                text.push(b'\n');
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[async_trait]
impl RosterSink for JsonLines {
    fn name(&self) -> &'static str {
        "json-lines"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        use mpsc::error::SendTimeoutError::{Closed, Timeout};
        let wait = if self.stuck.load(Ordering::Relaxed) { Duration::ZERO } else { self.timeout };
        let Some(queue) = self.queue.lock().clone() else { return Err(Undelivered::Closed) };
        let sent = queue.send_timeout(event, wait).await;
        self.stuck.store(sent.is_err(), Ordering::Relaxed);
        sent.map_err(|error| match error {
            Timeout(_) => Undelivered::QueueFull,
            Closed(_) => Undelivered::Closed,
        })
    }

    fn close(&self) {
        self.queue.lock().take();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::Username;
    use crate::sinks::EventKind;
    use tokio::io::{AsyncBufReadExt, BufReader};

    fn event(user: &str) -> Arc<RosterEvent> {
        Arc::new(RosterEvent {
            domain: "x".into(),
            user: Username::new(user).unwrap(),
            kind: EventKind::Dropped { version: 7 },
        })
    }

    fn config(queue: usize) -> JsonLinesConfig {
        JsonLinesConfig { path: "-".into(), queue, timeout: Duration::from_millis(20) }
    }

    #[tokio::test]
    async fn every_event_is_a_line_and_the_rest_is_written_at_the_end() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (sink, writer) = JsonLines::to_writer(Box::new(theirs), &config(8));
        for user in ["john", "marie"] {
            sink.deliver(event(user)).await.unwrap();
        }
        drop(sink);
        writer.await.unwrap();
        let mut lines = BufReader::new(ours).lines();
        for user in ["john", "marie"] {
            let line = lines.next_line().await.unwrap().unwrap();
            assert_eq!(line, format!(r#"{{"event":"dropped","domain":"x","user":"{user}","version":7}}"#));
        }
        assert_eq!(lines.next_line().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_stuck_output_costs_a_bounded_wait_and_a_closed_one_none() {
        let (ours, theirs) = tokio::io::duplex(1);
        let (sink, writer) = JsonLines::to_writer(Box::new(theirs), &config(1));
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(sink.deliver(event("john")).await);
        }
        assert_eq!(answers.last(), Some(&Err(Undelivered::QueueFull)));
        let began = std::time::Instant::now();
        for _ in 0..1000 {
            assert_eq!(sink.deliver(event("john")).await, Err(Undelivered::QueueFull));
        }
        assert!(began.elapsed() < Duration::from_secs(10), "only the first waits: {:?}", began.elapsed());
        drop(ours);
        writer.abort();
        let _ = writer.await;
        assert_eq!(sink.deliver(event("john")).await, Err(Undelivered::Closed));
    }
}
