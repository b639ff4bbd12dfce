//! Where log lines go and what they look like.

mod recent;
mod spans;

use std::io::{self, Write};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

use crate::config::{LogConfig, LogFormat};
use crate::text;

use recent::Recent;
pub use recent::{Line, recent};
use spans::Spans;

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be understood.
    #[error("log.filter: {filter:?}: {source}")]
    Filter {
        /// The filter.
        filter: String,
        /// Why.
        source: ParseError,
    },
    /// Somebody else has done it already.
    #[error("logging is set up already: {0}")]
    Again(#[from] TryInitError),
    /// What was set up is gone.
    #[error("the log's filter cannot be changed: {0}")]
    Gone(reload::Error),
}

/// Log lines waiting to be written. When whoever reads standard error does not keep up, lines are lost; the host does not
/// wait.
const QUEUE: usize = 16_384;

/// How long what is queued may take to be written at the end: a pipe that nobody reads must not keep the process.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Writes what is queued when it is dropped, for as long as somebody takes it.
pub struct LogGuard(Option<WorkerGuard>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        if let Some(guard) = self.0.take() {
            // It may itself want to print, and so wait for ever.
            within(LAST_WORDS, move || drop(guard));
        }
    }
}

/// Does `work`, which may wait for ever, in a thread of its own, and waits no longer than `limit` for it.
pub fn within(limit: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = thread::Builder::new().name("last words".into()).spawn(move || {
        work();
        let _ = done.send(());
    });
    if thread.is_ok() {
        let _ = ended.recv_timeout(limit);
    }
}

/// Writes to `output` in a thread of its own. Whoever writes does not wait; when `output` does not keep up, lines are lost.
pub(crate) fn patient(output: impl Write + Send + 'static) -> (NonBlocking, LogGuard) {
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).finish(output);
    (writer, LogGuard(Some(guard)))
}

/// What the targets of this project's crates begin with.
const OURS: &str = "roster_";

/// A level without a target, such as `debug`, is for what is written here. The compiler, HTTP and TLS write a thousand lines for
/// each of ours at that level; they stay at `info`, unless the filter names them.
fn of_ours(filter: &str) -> String {
    let directive = |directive: &str| match directive.trim().parse::<LevelFilter>() {
        Ok(level) if level > LevelFilter::INFO => format!("info,{OURS}={level}"),
        _ => directive.to_owned(),
    };
    filter.split(',').map(directive).collect::<Vec<_>>().join(",")
}

/// Sends log lines to standard error: standard output belongs to roster events. What is queued is written when the result
/// is dropped.
pub fn start(config: &LogConfig) -> Result<LogGuard, LogError> {
    start_on(config, std::io::stderr())
}

/// The same by way of `output`, for who shows something else on the same terminal.
pub fn start_on(config: &LogConfig, output: impl Write + Send + 'static) -> Result<LogGuard, LogError> {
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::try_new(of_ours(&config.filter))
        .map_err(|source| LogError::Filter { filter: config.filter.clone(), source })?;
    let (writer, guard) = patient(output);
    // A terminal, unless NO_COLOR says otherwise.
    let ansi = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let format = config.format;
    let writer = move || Escaping { inner: writer.clone(), format, ansi };
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(ansi).with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_filter(filter).boxed(),
    };
    Spans(tracing_subscriber::registry().with(lines).with(Recent.with_filter(LevelFilter::WARN))).try_init()?;
    // There is one log, which nobody has set up before.
    let _ = FILTER.set(handle);
    Ok(guard)
}

/// The filter of the log, once that is set up.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Another filter from now on (`log.filter`). Where the log was not set up here there is none to change.
pub fn set_filter(filter: &str) -> Result<(), LogError> {
    let parsed =
        EnvFilter::try_new(of_ours(filter)).map_err(|source| LogError::Filter { filter: filter.to_owned(), source })?;
    FILTER.get().map_or(Ok(()), |handle| handle.reload(parsed).map_err(LogError::Gone))
}

/// Writes lines in which no character does something instead of being seen, whoever has said it: see [`text`]. Each call is
/// one line, as tracing-subscriber writes it.
struct Escaping<W> {
    inner: W,
    format: LogFormat,
    /// The colours of a terminal stay. In what is logged tracing-subscriber has escaped them itself.
    ansi: bool,
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = String::from_utf8_lossy(line);
        let (line_shown, end) = shown.strip_suffix('\n').map_or((&*shown, ""), |line| (line, "\n"));
        let escape = match self.format {
            LogFormat::Text => text::escaped,
            LogFormat::Json => text::escaped_json,
        };
        let parts = line_shown.split_inclusive(|c| self.ansi && c == ESCAPE);
        let mut escaped = String::with_capacity(line.len());
        for part in parts {
            match part.strip_suffix(ESCAPE).filter(|_| self.ansi) {
                Some(before) => {
                    escaped.push_str(&escape(before));
                    escaped.push(ESCAPE);
                }
                None => escaped.push_str(&escape(part)),
            }
        }
        escaped.push_str(end);
        self.inner.write_all(escaped.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What the colours of a terminal begin with.
const ESCAPE: char = '\u{1b}';

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use super::*;

    /// Which of a few targets are heard at `level` under `filter`.
    fn heard(filter: &str) -> String {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::try_new(of_ours(filter)).unwrap())
            .without_time()
            .with_target(false)
            .with_level(false)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            macro_rules! each {
                ($($short:literal $target:literal,)*) => {$(
                    tracing::warn!(target: $target, concat!($short, "-warn"));
                    tracing::info!(target: $target, concat!($short, "-info"));
                    tracing::debug!(target: $target, concat!($short, "-debug"));
                    tracing::trace!(target: $target, concat!($short, "-trace"));
                )*};
            }
            each! {"host" "roster_host::rosters", "xmpp" "roster_xmpp::clients", "hyper" "hyper::proto", "clif" "cranelift_codegen",}
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let mut most: Vec<&str> = Vec::new();
        for line in text.lines() {
            let of = line.split('-').next().unwrap();
            most.retain(|other| other.split('-').next() != Some(of));
            most.push(line);
        }
        most.join(" ")
    }

    #[test]
    fn a_line_is_one_line_and_does_nothing_to_a_terminal() {
        for (format, ansi, line, expected) in [
            (LogFormat::Text, false, "INFO ü says=a\n", "INFO ü says=a\n"),
            (LogFormat::Text, false, "INFO a\nWARN b\n", "INFO a\\nWARN b\n"),
            (LogFormat::Text, false, "a\u{1b}[2J\u{202e}\u{2028}\u{9b}\n", "a\\u{1b}[2J\\u{202e}\\u{2028}\\u{9b}\n"),
            (LogFormat::Text, true, "\u{1b}[32mINFO\u{1b}[0m a\u{2067}\n", "\u{1b}[32mINFO\u{1b}[0m a\\u{2067}\n"),
            (LogFormat::Json, false, "{\"a\":\"\u{200f}\u{7f}\"}\n", "{\"a\":\"\\u200f\\u007f\"}\n"),
        ] {
            let mut out = Vec::new();
            Escaping { inner: &mut out, format, ansi }.write_all(line.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_bare_level_is_for_this_projects_crates_and_others_stay_at_info() {
        for (filter, expected) in [
            ("debug", "host-debug xmpp-debug hyper-info clif-info"),
            ("TRACE", "host-trace xmpp-trace hyper-info clif-info"),
            ("5", "host-trace xmpp-trace hyper-info clif-info"),
            ("info", "host-info xmpp-info hyper-info clif-info"),
            ("warn", "host-warn xmpp-warn hyper-warn clif-warn"),
            ("off", ""),
            ("debug,hyper=debug", "host-debug xmpp-debug hyper-debug clif-info"),
            ("hyper=trace, debug", "host-debug xmpp-debug hyper-trace clif-info"),
            ("debug,roster_host=info", "host-info xmpp-debug hyper-info clif-info"),
            ("debug,cranelift_codegen", "host-debug xmpp-debug hyper-info clif-trace"),
            ("warn,roster_host::rosters=debug", "host-debug xmpp-warn hyper-warn clif-warn"),
            ("hyper=off,debug", "host-debug xmpp-debug clif-info"),
        ] {
            assert_eq!(heard(filter), expected, "{filter}");
        }
    }
}
