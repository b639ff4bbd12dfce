//! The built program from the outside: its command line, its output, its exit code, what it does with signals.
//!
//! Everything runs in processes of its own, with plain threads and blocking sockets, as an operator's scripts would use
//! it. What happens inside is tested elsewhere. A test target of the host's package, because only there cargo says where
//! the program is.
//!
//! - [`demo`]: the program without a configuration
//! - [`check_config`], [`ports`]: what is said when it cannot start; [`forms`]: the same by subcommand and without
//! - [`serving`], [`sinks`], [`https`], [`reloading`]: the program with a configuration
//! - [`logs`], [`client_log`], [`secrets`]: what is on standard error, and what must not be
//! - [`terminal`]: colours and progress, and where there are none; [`packaged`]: completions and manual pages
//! - [`prometheus`]: what Prometheus reads, by the rules of [`openmetrics`]
//! - [`descriptors`]: few files to open, and many who connect
//! - [`upgrade`]: sockets that outlive the process
//! - [`stopping`]: SIGTERM and SIGINT; [`killed`]: SIGKILL
//! - [`new_plugin`], [`plugin_files`], [`plugin_cases`], [`plugin_swaps`]: the subcommands `plugin ...`; [`fetch`]; [`accounts`]: `account ...`
//! - [`compiler`]: the process that compiles plugins, and its limits; [`compiling`]: what goes on in the host meanwhile
//! - [`digests`]: the SHA-256 that they and the host print
//!
//! Shared: [`children`] (what a process has started), [`program`] (a running process and its output), [`setup`] (a folder with a configuration), [`web_app`],
//! [`client`] and [`stream`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod accounts;
mod check_config;
mod children;
mod client;
mod client_log;
mod compiler;
mod compiling;
mod demo;
mod demo_page;
mod descriptors;
mod digests;
mod failures;
mod fetch;
mod forms;
mod https;
mod killed;
mod last_good;
mod logs;
mod new_plugin;
mod openmetrics;
mod packaged;
mod plugin_cases;
mod plugin_files;
mod plugin_swaps;
mod ports;
mod program;
mod prometheus;
mod reloading;
mod secrets;
mod serving;
mod sessions;
mod setup;
mod sinks;
mod stopping;
mod stream;
mod stuck;
mod terminal;
mod upgrade;
mod web_app;
