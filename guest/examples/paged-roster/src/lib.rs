//! `paged-roster`: an example of a roster plugin for an application with an API of its own.
//!
//! The application lists a user's contacts in pages and marks the list with an `ETag`; it reports changes as a webhook.
//! README.md beside this crate describes that protocol. What a plugin author may want to take from here: a protocol that
//! needs several requests for one roster, conditional requests, and no comparison at all: the host works out what has
//! changed.
//!
//! - [`settings`]: what the operator wrote, checked
//! - [`page`]: one page of the list, from JSON. [`contact`]: one of its items, made a contact or left out
//! - [`list`]: page after page, until there is a roster; the place to start reading
//! - [`webhook`]: the body of a refresh request. [`summary`]: what it is answered with
//! - [`component`]: which of these answers which hook
//!
//! All of it is plain Rust, tested natively with values.

pub mod component;
pub mod contact;
pub mod list;
pub mod page;
pub mod settings;
pub mod summary;
pub mod webhook;
