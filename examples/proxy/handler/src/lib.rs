//! The roster plugin behind `wasi:http/incoming-handler`: the refresh route, and each user's roster on request.
//!
//! - [`routes`]: which request means what
//! - [`rosters`]: first fetch and refresh, with the plugin's hooks; what is kept, and who may replace it
//! - [`http`]: `wasi:http` as a server has it, thin
//! - [`settings`]: what the operator wrote
//! - [`refusal`]: every answer that the plugin does not write
//! - [`deadline`]: waiting for no longer than something may take

mod deadline;
mod http;
mod refusal;
mod rosters;
mod routes;
mod settings;

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
        let response = routes::answer(&request).unwrap_or_else(|refusal| refusal.response());
        http::send(response, out);
    }
}
