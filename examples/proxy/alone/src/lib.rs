//! `xmpp:roster/bulk` for a plugin that has none: no request names more than one user.

/// What wit-bindgen makes of the WIT.
#[allow(unsafe_code, clippy::all, clippy::restriction)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "xmpp:roster-proxy/asks-for-each-alone",
        generate_all,
    });
    export!(Component with_types_in self);
    use super::Component;
}

use bindings::exports::xmpp::roster::bulk::{FetchError, Guest, Piece, Request, Response, Wanted};

struct Component;

impl Guest for Component {
    fn users_per_request() -> u32 {
        0
    }

    fn make_bulk_request(_: Vec<Wanted>) -> Result<Request, FetchError> {
        Err(FetchError::Misconfigured("this plugin asks for each user alone".into()))
    }

    fn split_response(_: Vec<String>, _: Response) -> Result<Vec<Piece>, FetchError> {
        Err(FetchError::Misconfigured("this plugin asks for each user alone".into()))
    }
}
