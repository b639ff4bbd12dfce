//! Many users in one request: [`BulkPlugin`], for applications that can answer so, and one line that exports it:
//! [`export_bulk!`](crate::export_bulk).

use crate::{FetchError, Plugin, Request, Response};

#[cfg(target_arch = "wasm32")]
mod component;

#[cfg(target_arch = "wasm32")]
pub use component::Component;

/// What wit-bindgen makes of `wit/bulk.wit`. Generated code is not held to the crate's lints.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, rustdoc::all)]
pub mod bindings {
    wit_bindgen::generate!({
        inline: "
            package xmpp:roster-plugin-bulk;
            world bulk-only {
                export xmpp:roster/bulk@0.1.0;
            }
        ",
        path: "wit",
        world: "xmpp:roster-plugin-bulk/bulk-only",
        with: { "xmpp:roster/types@0.1.0": crate::bindings::xmpp::roster::types },
        pub_export_macro: true,
        export_macro_name: "export_bulk_component",
        additional_derives: [PartialEq, Eq],
    });
}

pub use bindings::exports::xmpp::roster::bulk::{Part, PartBody, Piece, Slice, Wanted};

/// A [`Plugin`] that can ask for many users at once. The functions are those of `wit/bulk.wit`, which documents them.
pub trait BulkPlugin: Plugin {
    /// How many users one request may name; below two, none does.
    fn users_per_request(&self) -> u32;

    /// What to ask for these users.
    ///
    /// # Errors
    /// There is nothing to ask: each is asked for alone.
    fn make_bulk_request(&self, users: &[Wanted]) -> Result<Request, FetchError>;

    /// Where in the response each user's part is, in the order of `users`. Each is then read by
    /// [`read_response`](Plugin::read_response).
    ///
    /// # Errors
    /// The response is of no use: each is asked for alone.
    fn split_response(&self, users: &[String], response: &Response) -> Result<Vec<Piece>, FetchError>;
}

/// Exports the interface `bulk` of a [`BulkPlugin`], beside [`export!`](crate::export).
#[macro_export]
macro_rules! export_bulk {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::bulk::Component<$plugin>;
            #[allow(unsafe_code)]
            const _: () = {
        $crate::bulk::bindings::export_bulk_component!(Exported with_types_in $crate::bulk::bindings);
            };
        };
    };
}
