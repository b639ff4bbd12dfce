//! The processes that a process has started.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::program::TIMEOUT;

/// The process ids of the children of `parent` that run now.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id: &u32| {
        // `pid (name) state parent ...`; it may be gone by now, and one that has ended waits as a zombie.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let mut after_name = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let state = after_name.next();
        state != Some("Z") && after_name.next() == Some(&parent.to_string())
    })
    .collect()
}

/// Waits for a child of `parent` that runs a program. Between fork and exec it still is the parent's twin, with its outputs; one
/// that is stopped then stops the parent, too.
pub(crate) fn child(parent: u32) -> u32 {
    let command = |id: u32| fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let mut found = None;
    wait("a child", || {
        let twin = command(parent);
        found = children(parent).into_iter().find(|id| ![&twin[..], b""].contains(&&command(*id)[..]));
        found.is_some()
    });
    found.unwrap()
}

/// Does this process run?
pub(crate) fn runs(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
}

/// Sends a signal, such as `STOP`.
pub(crate) fn signal(id: u32, name: &str) {
    let kill = format!("kill -{name} {id}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
}

/// Waits until `condition` holds.
pub(crate) fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < TIMEOUT, "never happened: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
