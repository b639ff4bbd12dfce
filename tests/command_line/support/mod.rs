//! What the tests share: a running program and what it writes, the processes it has started, a folder with a configuration, a web
//! application, clients, and a reader of what Prometheus reads.

pub(crate) mod children;
pub(crate) mod client;
pub(crate) mod openmetrics;
pub(crate) mod program;
pub(crate) mod setup;
pub(crate) mod stream;
pub(crate) mod web_app;
