//! Where log lines go and what they look like.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::util::TryInitError;

use crate::config::{LogConfig, LogFormat};

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
}

/// Log lines waiting to be written. When whoever reads standard error does not keep up, lines are lost; the host does not
/// wait.
const QUEUE: usize = 16_384;

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
pub fn start(config: &LogConfig) -> Result<WorkerGuard, LogError> {
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::try_new(of_ours(&config.filter))
        .map_err(|source| LogError::Filter { filter: config.filter.clone(), source })?;
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).finish(std::io::stderr());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).finish().try_init()?,
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).finish().try_init()?,
    }
    Ok(guard)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;
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
