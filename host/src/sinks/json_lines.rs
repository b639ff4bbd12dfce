//! One JSON object a line, to standard output or a file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::kept::{slim, weight};
use super::outage::Outage;
use super::output::Output;
use super::{RosterEvent, RosterSink, Undelivered};
use crate::config::JsonLinesConfig;
use crate::metrics::Metrics;

const NAME: &str = "json-lines";
/// Events written together, or fewer that come to so many bytes.
const BATCH: usize = 256;
const ENOUGH: usize = 256 << 10;
/// After a failed write.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a write may take once the sink is closed: nobody reads the pipe, or the disk hangs.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// Appends every event to a file, or prints it.
///
/// A file that was moved away (logrotate) is opened anew before the next lines, and at [`reopen`](RosterSink::reopen). Lines
/// that cannot be written are lost and counted: a disk that is full must not stop the rosters.
pub struct JsonLines {
    /// `None` once closed.
    queue: Mutex<Option<mpsc::Sender<Queued>>>,
    /// One permit for each byte that may wait.
    room: Arc<Semaphore>,
    most_bytes: usize,
    timeout: Duration,
    /// The last event found no room in time: until there is some again nobody waits, or every refresh would.
    stuck: AtomicBool,
    outage: Arc<Outage>,
    reopen: Arc<Notify>,
    closed: CancellationToken,
}

impl Drop for JsonLines {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

/// An event, and the room it takes until it is written.
struct Queued {
    event: Arc<RosterEvent>,
    room: OwnedSemaphorePermit,
}

/// The output cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("sinks.json_lines.path: cannot write to {}: {source}", path.display())]
pub struct JsonLinesError {
    path: PathBuf,
    source: io::Error,
}

impl JsonLines {
    /// Opens the output and starts the task that writes to it; the task ends, everything written that the output takes, after
    /// [`close`](RosterSink::close) or when the sink is dropped. `metrics` counts the lines that cannot be written.
    pub async fn open(
        config: &JsonLinesConfig,
        metrics: &Arc<Metrics>,
    ) -> Result<(Self, JoinHandle<()>), JsonLinesError> {
        let path = config.path.clone();
        let opened = spawn_blocking(move || Output::open(&path)).await.map_err(io::Error::other).flatten();
        let output = opened.map_err(|source| JsonLinesError { path: config.path.clone(), source })?;
        let (queue, events) = mpsc::channel(config.queue.max(1));
        let (outage, reopen) = (Arc::new(Outage::none(config.path.clone())), Arc::default());
        let closed = CancellationToken::new();
        let writer = Writer {
            events,
            closed: closed.clone(),
            reopen: Arc::clone(&reopen),
            outage: Arc::clone(&outage),
            metrics: Arc::clone(metrics),
            path: config.path.clone(),
            cannot_follow: false,
        };
        let writer = tokio::spawn(writer.run(output));
        let (queue, stuck) = (Mutex::new(Some(queue)), AtomicBool::new(false));
        let most_bytes = config.queue_bytes.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let room = Arc::new(Semaphore::new(most_bytes));
        Ok((Self { queue, room, most_bytes, timeout: config.timeout, stuck, outage, reopen, closed }, writer))
    }
}

/// The task that writes.
struct Writer {
    events: mpsc::Receiver<Queued>,
    reopen: Arc<Notify>,
    closed: CancellationToken,
    outage: Arc<Outage>,
    metrics: Arc<Metrics>,
    path: PathBuf,
    /// The file that was moved away is still in use, which was told.
    cannot_follow: bool,
}

impl Writer {
    async fn run(mut self, mut output: Output) {
        loop {
            let first = tokio::select! {
                first = self.events.recv() => match first {
                    None => return,
                    first => first,
                },
                () = self.reopen.notified() => None,
            };
            let received = first.is_some();
            let (text, room) = self.encode(first);
            let lines = text.iter().filter(|byte| **byte == b'\n').count();
            let work = spawn_blocking(move || {
                let followed = output.follow();
                let written = output.write(&text);
                (output, followed, written)
            });
            let too_late = async {
                self.closed.cancelled().await;
                sleep(LAST_WRITE).await;
            };
            let done = tokio::select! {
                done = work => done,
                () = too_late => return self.gives_up(lines),
            };
            // Only a runtime that shuts down does not come back.
            let Ok((back, followed, (written, result))) = done else { return };
            drop(room);
            output = back;
            self.followed(followed);
            match result {
                Ok(()) if received && self.events.is_empty() => self.outage.over(),
                Ok(()) => {}
                Err(error) => {
                    self.lost((lines - written) as u64, &error);
                    // A full disk may be emptied again.
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// The lines of this event and of others that wait behind it, and the room they take.
    fn encode(&mut self, first: Option<Queued>) -> (Vec<u8>, Vec<OwnedSemaphorePermit>) {
        let (mut text, mut taken) = (Vec::new(), Vec::new());
        let mut next = first;
        while let Some(Queued { event, room }) = next {
            let before = text.len();
            match serde_json::to_writer(&mut text, &*event) {
                Ok(()) => text.push(b'\n'),
                Err(error) => {
                    text.truncate(before);
                    self.lost(1, &error);
                }
            }
            taken.push(room);
            let enough = taken.len() == BATCH || text.len() >= ENOUGH;
            next = if enough { None } else { self.events.try_recv().ok() };
        }
        (text, taken)
    }

    /// The host stops, and so many lines that are being written are not taken, nor would be those that wait.
    fn gives_up(&mut self, lines: usize) {
        let mut events = lines;
        while self.events.try_recv().is_ok() {
            events += 1;
        }
        self.metrics.events_lost(NAME, events as u64);
        let path = self.path.display();
        error!(%path, events, "roster events were not written before the end: nobody reads the output, or the disk hangs (sinks.json_lines)");
    }

    fn lost(&self, events: u64, reason: &dyn std::fmt::Display) {
        self.metrics.events_lost(NAME, events);
        self.outage.lost(events, reason);
    }

    fn followed(&mut self, followed: io::Result<bool>) {
        let path = self.path.display();
        match followed {
            Ok(new) => {
                self.cannot_follow = false;
                if new {
                    info!(%path, "the file of roster events was moved away; a new one is written (sinks.json_lines)");
                }
            }
            Err(error) if !self.cannot_follow => {
                self.cannot_follow = true;
                error!(%path, %error, "the file of roster events was moved away and cannot be opened anew; it stays in use");
            }
            Err(_) => {}
        }
    }
}

#[async_trait]
impl RosterSink for JsonLines {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        let event = slim(event);
        // One that is larger than all may wait alone.
        let bytes = u32::try_from(weight(&event).min(self.most_bytes)).unwrap_or(u32::MAX);
        let wait = if self.stuck.load(Ordering::Relaxed) { Duration::ZERO } else { self.timeout };
        let Some(queue) = self.queue.lock().clone() else { return Err(Undelivered::Closed) };
        let sending = async {
            let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| Undelivered::Closed)?;
            queue.send(Queued { event, room }).await.map_err(|_| Undelivered::Closed)
        };
        let sent = timeout(wait, sending).await.unwrap_or(Err(Undelivered::QueueFull));
        self.stuck.store(sent.is_err(), Ordering::Relaxed);
        sent.inspect_err(|undelivered| self.outage.lost(1, undelivered))
    }

    fn reopen(&self) {
        self.reopen.notify_one();
    }

    fn close(&self) {
        self.closed.cancel();
        self.queue.lock().take();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::model::Username;
    use crate::sinks::EventKind;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;

    /// Of Linux.
    const O_NONBLOCK: i32 = 0o4000;

    fn event(user: &str) -> Arc<RosterEvent> {
        Arc::new(RosterEvent {
            domain: "x".into(),
            user: Username::new(user).unwrap(),
            kind: EventKind::Dropped { version: 7 },
        })
    }

    fn config(path: &Path, queue: usize) -> JsonLinesConfig {
        JsonLinesConfig { queue, timeout: Duration::from_millis(20), ..JsonLinesConfig::new(path.to_owned()) }
    }

    fn lost(metrics: &Metrics) -> u64 {
        let mut registry = prometheus_client::registry::Registry::default();
        metrics.register(&mut registry);
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix("events_lost_total{sink=\"json-lines\"} "));
        line.map_or(0, |number| number.parse().unwrap())
    }

    /// Waits until `condition` holds: what the task does comes a moment later.
    async fn eventually(what: &str, condition: impl Fn() -> bool) {
        for _ in 0..1000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never: {what}");
    }

    #[tokio::test]
    async fn every_event_is_a_line_and_the_rest_is_written_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let metrics = Metrics::new();
        let (sink, writer) = JsonLines::open(&config(&path, 8), &metrics).await.unwrap();
        for user in ["john", "marie"] {
            sink.deliver(event(user)).await.unwrap();
        }
        drop(sink);
        writer.await.unwrap();
        let line = |user| format!(r#"{{"event":"dropped","domain":"x","user":"{user}","version":7}}"#);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n{}\n", line("john"), line("marie")));
        assert_eq!(lost(&metrics), 0);
    }

    #[tokio::test]
    async fn a_file_that_was_moved_is_opened_anew_by_the_next_event_or_when_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("events.jsonl"), folder.path().join("events.jsonl.1"));
        let (sink, writer) = JsonLines::open(&config(&path, 8), &Metrics::new()).await.unwrap();
        let has = |path: &Path, user: &str| fs::read_to_string(path).is_ok_and(|text| text.contains(user));
        sink.deliver(event("john")).await.unwrap();
        eventually("john", || has(&path, "john")).await;
        fs::rename(&path, &moved).unwrap();
        sink.deliver(event("marie")).await.unwrap();
        eventually("marie", || has(&path, "marie")).await;
        assert!(has(&moved, "john") && !has(&moved, "marie"));
        fs::rename(&path, &moved).unwrap();
        sink.reopen();
        eventually("a new file", || path.exists()).await;
        sink.close();
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn lines_that_a_full_disk_or_a_closed_pipe_does_not_take_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [Path::new("/dev/full"), &pipe] {
            // Somebody reads, or opening it to write would wait; and is gone when the events come.
            let reader = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
            let metrics = Metrics::new();
            let (sink, writer) = JsonLines::open(&config(path, 8), &metrics).await.unwrap();
            drop(reader);
            for user in ["john", "marie", "aaron"] {
                sink.deliver(event(user)).await.unwrap();
            }
            drop(sink);
            writer.await.unwrap();
            assert_eq!(lost(&metrics), 3, "{}", path.display());
        }
    }

    #[tokio::test]
    async fn a_stuck_output_costs_a_bounded_wait_and_a_closed_one_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Open for both, so that opening it to write waits for nobody; and full.
        let mut ours = fs::OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
        while ours.write(&[b'x'; 4096]).is_ok() {}
        let metrics = Metrics::new();
        let (sink, writer) = JsonLines::open(&config(&path, 1), &metrics).await.unwrap();
        while sink.deliver(event("john")).await.is_ok() {}
        let (mut refused, began) = (0, std::time::Instant::now());
        for _ in 0..1000 {
            refused += usize::from(sink.deliver(event("john")).await == Err(Undelivered::QueueFull));
        }
        // On a busy machine the thread that writes takes what it tries to write after others were refused.
        assert!(refused >= 990, "{refused} of 1000");
        assert!(began.elapsed() < Duration::from_secs(10), "only the first waits: {:?}", began.elapsed());
        let began = std::time::Instant::now();
        sink.close();
        writer.await.unwrap();
        assert!(began.elapsed() < 3 * LAST_WRITE, "the end does not wait for it: {:?}", began.elapsed());
        assert!(lost(&metrics) > 0, "what was queued");
        assert_eq!(sink.deliver(event("john")).await, Err(Undelivered::Closed));
        // The thread that writes comes back with an error.
        drop(ours);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_bytes_and_one_that_is_larger_waits_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let ours = fs::OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
        let large = event(&"u".repeat(1000));
        for (bytes, most) in [(1, 1), (10 * weight(&large), 10)] {
            let config = JsonLinesConfig { queue_bytes: bytes, ..config(&path, 1000) };
            let (sink, _) = JsonLines::open(&config, &Metrics::new()).await.unwrap();
            let mut taken = 0;
            // Of those that are taken some are in the pipe, which holds 64 KiB.
            while sink.deliver(Arc::clone(&large)).await.is_ok() {
                taken += 1;
                assert!(taken < 200, "there is no bound");
            }
            assert!((most..=65 + most).contains(&taken), "{bytes}: {taken}");
            eventually("all is written", || {
                let _ = std::io::copy(&mut &ours, &mut std::io::sink());
                sink.room.available_permits() == bytes
            })
            .await;
        }
    }
}
