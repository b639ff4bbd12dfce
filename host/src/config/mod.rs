//! What the operator wrote, parsed and checked once.
//!
//! The structs here are the configuration after checking: defaults filled in, secrets read, durations and sizes
//! as numbers. Every other room takes the part it needs by reference and never looks at a file or an environment
//! variable itself.
//!
//! How a file becomes a [`Config`]: `raw` says which keys there are and `value` what each may be; `given` keeps a
//! value that does not fit as a reason instead of stopping there; the `check_*` files fill in defaults and look at
//! keys together and `files` at the files they name; `report` collects what they find, with the line from `lines`, into
//! one [`ConfigError`].

mod check_accounts;
mod check_attach;
mod check_client;
mod check_compile;
mod check_host;
mod check_limits;
mod check_listeners;
mod check_xmpp;
mod check_xmpp_limits;
mod error;
mod files;
mod given;
mod lines;
mod load;
mod model;
mod model_attach;
mod model_cluster;
mod model_compile;
mod model_http;
mod model_process;
mod model_xmpp;
mod origin;
mod raw;
mod report;
mod secret;
mod summary;
#[cfg(test)]
mod tests;
mod value;

pub use error::{ConfigError, Problem};
pub use model::*;
pub use model_attach::*;
pub use model_cluster::*;
pub use model_compile::*;
pub use model_http::*;
pub use model_process::*;
pub use model_xmpp::*;
pub use origin::{Origin, OriginError, Scheme};
pub use secret::Secret;
