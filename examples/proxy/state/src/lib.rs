//! `wasi:keyvalue` (second draft, with compare-and-swap) in front of anything that can put a value in the place of one that
//! it has looked at: a [`Backend`].
//!
//! Each request may be served by an instance of its own, several at once. So nothing is kept in memory, and a backend is what
//! decides between two that write. It knows values apart by a random [`Revision`] that each write gives, not by their bytes:
//! who writes the same bytes again has written, and others who looked before are told.

mod component;

/// What wit-bindgen makes of the WIT.
#[allow(unsafe_code, missing_docs, clippy::all, clippy::restriction)]
pub mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "xmpp:roster-proxy/state",
        pub_export_macro: true,
        export_macro_name: "export",
        generate_all,
    });
}

pub use bindings::exports::wasi::keyvalue::store::{Error, KeyResponse};
pub use component::Component;

use std::num::NonZeroU64;

/// Tells one write of a value from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(pub NonZeroU64);

impl Revision {
    /// One that no other write has.
    pub fn new() -> Result<Self, Error> {
        let random = getrandom::u64().map_err(|error| Error::Other(format!("there are no random numbers: {error}")))?;
        Ok(Self(NonZeroU64::new(random).unwrap_or(NonZeroU64::MIN)))
    }
}

/// A value that is kept.
pub struct Entry {
    /// Of the write it is from.
    pub revision: Revision,
    /// The bytes.
    pub value: Vec<u8>,
}

/// Where values are kept. All errors are for people: what is wrong, and what to do.
pub trait Backend: Sized + 'static {
    /// The store with this name; empty is the default.
    fn open(identifier: &str) -> Result<Self, Error>;

    /// What is kept for `key`.
    fn read(&self, key: &str) -> Result<Option<Entry>, Error>;

    /// Puts `value` there, or nothing, if what is there is of the revision `expected` (none: nothing is there). Tells whether
    /// it was.
    fn replace(&self, key: &str, expected: Option<Revision>, value: Option<&[u8]>) -> Result<bool, Error>;

    /// Some of the keys, from the cursor on.
    fn keys(&self, cursor: Option<String>) -> Result<KeyResponse, Error>;
}

/// A setting of `wasi:config`, or what it is by default.
pub fn setting(key: &str, default: &str) -> String {
    bindings::wasi::config::store::get(key).ok().flatten().unwrap_or_else(|| default.to_owned())
}
