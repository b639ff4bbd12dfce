//! What the endpoint's code for SCRAM finds in its own crate.
#![allow(dead_code, unreachable_pub, missing_docs)]

#[path = "../../host/xmpp/src/accounts/credentials.rs"]
pub(crate) mod credentials;

mod decoy {
    pub(super) const SALT: usize = 16;
}

pub(crate) use credentials::{ScramCredentials, ScramHash};
