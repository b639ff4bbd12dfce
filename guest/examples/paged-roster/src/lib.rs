//! `paged-roster`: an example of a roster plugin for an application with an API of its own.
//!
//! The application lists a user's contacts in pages and marks the list with an `ETag`; it reports changes as a webhook.
//! README.md beside this crate describes that protocol. What a plugin author may want to take from here: a protocol that
//! needs several requests for one roster, conditional requests, and the simple view of the host's roster (`contacts`)
//! where the built-in plugin takes the fast one (`packed`).
//!
//! - [`settings`]: what the operator wrote, checked
//! - [`page`]: one page of the list, from JSON. [`contact`]: one of its items, made a contact or left out
//! - [`list`]: page after page, until there is a roster; the place to start reading
//! - [`changes`]: what has changed since the roster that the host holds
//! - [`webhook`]: the body of a refresh request. [`summary`]: what it is answered with
//! - `component`, `http` (only on `wasm32`): the WIT world and its HTTP client
//!
//! All but the last two is plain Rust, tested natively.

pub mod changes;
pub mod contact;
pub mod list;
pub mod page;
pub mod settings;
pub mod summary;
pub mod webhook;

#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(target_arch = "wasm32")]
mod http;
