//! `wasi:config/store` for a server that has none, or another draft of it: the settings are the environment's `ROSTER_*` variables, as
//! `ROSTER_DOMAIN` for `domain`.

/// What wit-bindgen makes of the WIT.
#[allow(unsafe_code, clippy::all, clippy::restriction)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "xmpp:roster-proxy/settings-of-the-environment",
        generate_all,
    });
    export!(Component with_types_in self);
    use super::Component;
}

use bindings::exports::wasi::config::store::{Error, Guest};

/// What the names of the variables begin with.
const PREFIX: &str = "ROSTER_";

struct Component;

impl Guest for Component {
    fn get(key: String) -> Result<Option<String>, Error> {
        Ok(std::env::var(format!("{PREFIX}{}", key.to_ascii_uppercase())).ok())
    }

    fn get_all() -> Result<Vec<(String, String)>, Error> {
        let setting = |(name, value): (String, String)| Some((name.strip_prefix(PREFIX)?.to_ascii_lowercase(), value));
        Ok(std::env::vars().filter_map(setting).collect())
    }
}
