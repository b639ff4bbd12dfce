//! How far something is that takes long: on a terminal, on standard error, and gone when it is done. Nothing of it is in a log.

use std::io::{self, Write};
use std::sync::LazyLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use roster_host::text::escaped;

/// Between two pictures.
const TICK: Duration = Duration::from_millis(120);

/// All that is shown. Hidden where standard error is no terminal, or one that only knows lines.
static SHOWN: LazyLock<MultiProgress> = LazyLock::new(|| {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    MultiProgress::with_draw_target(if dumb { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() })
});

/// Something that goes on until this is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Nobody knows how long it takes.
    pub(crate) fn of(what: &str) -> Self {
        Self::show(ProgressBar::new_spinner(), "{spinner} {msg} ({elapsed})", what)
    }

    /// So many steps.
    pub(crate) fn steps(steps: usize, what: &str) -> Self {
        let bar = ProgressBar::new(steps.try_into().unwrap_or(u64::MAX));
        Self::show(bar, "{spinner} {pos} of {len} {msg} [{bar:30}] {eta} left", what)
    }

    /// So many more are done.
    pub(crate) fn advance(&self, steps: usize) {
        self.0.inc(steps.try_into().unwrap_or(u64::MAX));
    }

    fn show(bar: ProgressBar, template: &str, what: &str) -> Self {
        let bar = SHOWN.add(bar).with_message(escaped(what).into_owned());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        // A thread, which nobody needs who sees nothing.
        if !SHOWN.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Standard error for lines that are to stay: they are above what is shown, and not within.
pub(crate) struct Above;

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match SHOWN.is_hidden() {
            // Without the lock: nobody may wait for a pipe that nobody reads.
            true => io::stderr().write(bytes),
            false => SHOWN.suspend(|| io::stderr().write(bytes)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
