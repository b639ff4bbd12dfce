//! The roster plugin behind `wasi:http/incoming-handler`: the refresh route, and each user's roster on request.
//!
//! - [`routes`]: which request means what
//! - [`rosters`]: first fetch and refresh, with the plugin's hooks
//! - [`kept`]: rosters in `wasi:keyvalue`, and whether that is shared between requests
//! - [`application`]: sends what the plugin wants to ask
//! - [`http`]: `wasi:http` as a server has it, thin

mod application;
mod http;
mod kept;
mod rosters;
mod routes;

/// What wit-bindgen makes of the WIT.
#[allow(unsafe_code, clippy::all, clippy::restriction)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "xmpp:roster-proxy/handler",
        generate_all,
    });
    export!(Component with_types_in self);
    use super::Component;
}

use bindings::exports::wasi::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};

struct Component;

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let response = routes::answer(request);
        http::send(response, out);
    }
}
