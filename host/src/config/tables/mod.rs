//! The tables of the file. Each key is written here and nowhere else.

mod accounts;
mod attach;
mod client;
mod cluster;
mod compile;
mod host;
mod http;
mod limits;
mod process;
mod registry;
mod xmpp;
mod xmpp_limits;

pub use accounts::*;
pub use attach::*;
pub use client::*;
pub use cluster::*;
pub use compile::*;
pub use host::*;
pub use http::*;
pub use limits::*;
pub use process::*;
pub use registry::*;
pub use xmpp::*;
pub use xmpp_limits::*;
