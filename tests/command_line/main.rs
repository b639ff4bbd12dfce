//! The built program from the outside: its command line, its output, its exit code, what it does with signals.
//!
//! Everything runs in processes of its own, with plain threads and blocking sockets, as an operator's scripts would use
//! it. What happens inside is tested elsewhere. A test target of the host's package, because only there cargo says where
//! the program is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod accounts;
mod demo;
mod demo_page;
mod https;
mod sessions;
mod support;

/// What an operator writes, and what is said of it.
mod config {
    mod check;
    mod forms;
    mod ports;
    mod reload;
}

/// What the program says, to whom, and where nobody reads it.
mod output {
    mod client_log;
    mod failures;
    mod log;
    mod packaged;
    mod prometheus;
    mod secrets;
    mod sinks;
    mod stuck;
    mod terminal;
}

/// The subcommands `plugin ...` and `fetch`, and how the host comes by a plugin.
mod plugin {
    mod cases;
    mod compiler;
    mod compiling;
    mod digests;
    mod fetch;
    mod files;
    mod last_good;
    mod new;
    mod swap;
}

/// The process: what it begins with, and how it ends.
mod process {
    mod descriptors;
    mod killed;
    mod serving;
    mod shutdown;
    mod upgrade;
}
