//! The latest warnings and errors, for the operator who has no other way to the log at hand. Whatever the filter of the log is.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::FormattedFields;
use tracing_subscriber::fmt::format::{DefaultFields, JsonFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::text;

/// Lines remembered.
const MOST: usize = 200;
/// Of one line, no more than this is remembered, bytes.
const LONGEST: usize = 2000;

/// One for the process, as the log is.
static LINES: Mutex<VecDeque<Line>> = Mutex::new(VecDeque::new());

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, seconds since 1970.
    pub at: u64,
    /// `warn` or `error`.
    pub level: &'static str,
    /// Which part of the program says so.
    pub target: &'static str,
    /// What it says, and about whom.
    pub text: String,
}

/// The latest lines, the latest first.
pub fn recent() -> Vec<Line> {
    LINES.lock().iter().rev().cloned().collect()
}

/// Remembers what it is told; to be filtered to what is worth it.
pub(super) struct Recent;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut said = fields.message;
        for span in context.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            // Whichever form the log has.
            let text = extensions.get::<FormattedFields<DefaultFields>>().map(|fields| fields.fields.as_str());
            let json = || extensions.get::<FormattedFields<JsonFields>>().map(|fields| fields.fields.as_str());
            if let Some(about) = text.or_else(json).filter(|about| !about.is_empty()) {
                said.push(' ');
                said.push_str(&without_colours(about));
            }
        }
        said.push_str(&fields.others);
        if said.len() > LONGEST {
            said.truncate(said.floor_char_boundary(LONGEST));
        }
        let metadata = event.metadata();
        let line = Line {
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            level: if *metadata.level() == tracing::Level::ERROR { "error" } else { "warn" },
            target: metadata.target(),
            text: text::escaped(&said).into_owned(),
        };
        let mut lines = LINES.lock();
        if lines.len() >= MOST {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// What a terminal would show of `text` in colours (ECMA-48: select graphic rendition).
fn without_colours(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |shown, piece| shown + piece.split_once('m').map_or("", |(_, after)| after))
}

/// The message of an event, and its other fields behind it.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.others, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use tracing_subscriber::filter::LevelFilter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn warnings_and_errors_are_remembered_with_whom_they_are_about_and_no_more_than_so_many() {
        let sink = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::ERROR);
        let subscriber = tracing_subscriber::registry().with(sink).with(Recent.with_filter(LevelFilter::WARN));
        // Others may log at the same time; only what is said here has this target.
        let ours = || recent().into_iter().filter(|line| line.target == "ours").collect::<Vec<_>>();
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::error_span!("update", user = "john").entered();
            tracing::warn!(target: "ours", status = 500, "the roster\ncannot be had");
            tracing::info!(target: "ours", "fine");
            tracing::error!(target: "ours", "{}", "ü".repeat(5000));
        });
        let lines = ours();
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines.iter().map(|line| line.level).collect::<Vec<_>>(), ["error", "warn"]);
        assert!(texts[0].len() <= LONGEST && texts[0].starts_with("üü"), "{texts:?}");
        assert_eq!(texts[1], "the roster\\ncannot be had user=\"john\" status=500");
        let subscriber = tracing_subscriber::registry().with(Recent);
        tracing::subscriber::with_default(subscriber, || {
            (0..3 * MOST).for_each(|_| tracing::warn!(target: "ours", "again"))
        });
        assert_eq!(recent().len(), MOST);
    }
}
