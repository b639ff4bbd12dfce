//! Threads that give way.

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tracing::debug;

use super::Urgency;

/// The niceness of the threads that compile while calls are served, of 0 (as everybody) to 19 (last). At 19 a machine
/// that is busy for long would hardly ever compile; at 10 such a thread gets a tenth of a contended core, and a thread
/// that wakes up for a call takes the core from it at once.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The threads that compile: all cores where nobody is served yet. Where calls are, half as many as there are cores,
/// so that the memory bandwidth of the others is not taken either, but two where there are two. Measured on such a machine:
/// with one thread a swap takes 380 ms and adds 0.05 ms to the slowest in a hundred calls, with two 235 ms and 0.23 ms.
pub(super) fn threads(urgency: Urgency) -> Result<ThreadPool, ThreadPoolBuildError> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = ThreadPoolBuilder::new().thread_name(|n| format!("plugin-compile-{n}"));
    match urgency {
        Urgency::Start => threads.num_threads(cores).build(),
        Urgency::Swap => {
            let some = cores.div_ceil(2).max(2).min(cores);
            threads.num_threads(some).start_handler(|_| give_way()).build()
        }
    }
}

/// Those for a swap in this process, started when they are first needed. `None`: they cannot be started.
pub(super) fn low() -> Option<&'static ThreadPool> {
    static THREADS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let start = || {
        let threads = threads(Urgency::Swap);
        threads.inspect_err(|error| debug!(%error, "no threads of low priority; plugins compile on the others")).ok()
    };
    THREADS.get_or_init(start).as_ref()
}

/// Lowers the priority of this thread. On other systems than Linux that would be the whole process.
pub(super) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        debug!(%error, "the compiler's priority stays as it is");
    }
}
