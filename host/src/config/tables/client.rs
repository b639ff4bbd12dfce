//! `[host.client]`: where a host's plugin may send requests, and who it says it is.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::files::SecretUse;
use crate::config::mistakes::place::At;
use crate::config::table::{Entry, Kind, otherwise, table};
use crate::config::values::kind::{
    GIB, KIB, MIB, Scalar, count, existing_file, list, network, origin, secs, size, string, wait,
};
use crate::config::values::kind_secret::{SecretKeys, secret};
use crate::config::{Origin, Scheme, Secret};

/// How the host proves to the application who it is. The plugin never sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `username` and `password` or `password_file`: RFC 7617.
    Basic {
        /// The user-id.
        username: String,
        /// The password.
        password: Secret,
    },
    /// `bearer_token` or `bearer_token_file`: RFC 6750.
    Bearer(Secret),
}

table! {
    /// The HTTP client that asks the application.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ClientConfig {
        /// Where the plugin may send requests: scheme, host name and port (`https://app.example.org`, `http://127.0.0.1:8000`).
        /// Needed where only other settings than `http_roster_url` are URLs.
        allow_origins: Vec<Origin> = Vec::new(), otherwise(list("array of origins", origin()), APPLICATION);
        /// Link-local, metadata, multicast and unspecified addresses are refused even when an allowed name resolves to them. The
        /// networks and single addresses in this list are not, such as `["169.254.10.0/24"]`.
        allow_addresses: Vec<ipnet::IpNet> = Vec::new(), list("array of networks", network());
        /// How the host proves to the application who it is. The plugin never sees it.
        auth: Option<ClientAuth> = None, AuthKeys;
        /// Which origins get the name and password, or the token. Needed where there is no `http_roster_url`.
        auth_origins: Vec<Origin> = Vec::new(), otherwise(list("array of origins", origin()), APPLICATION);
        /// PEM certificates to trust instead of the system's.
        ca_file: Option<PathBuf> = None, otherwise(existing_file().or_none(), "the system's");
        /// For DNS, TCP and TLS together.
        connect_timeout: Duration = secs(5), wait();
        /// From the request sent to the head of the response.
        first_byte_timeout: Duration = secs(10), wait();
        /// For a whole exchange, redirects included.
        total_timeout: Duration = secs(15), wait();
        /// The longest response body, and what all responses of one call may have together.
        max_response: usize = 10 << 20, size(1..=GIB);
        /// The longest head of a response.
        max_response_head: usize = 64 << 10, size(8 * KIB..=MIB);
        /// The most header fields of a response.
        max_response_headers: usize = 1000, count(1..=10_000, "headers");
        /// Redirects followed, only to allowed origins. 0: none; a redirect is an error like any other status but 200.
        max_redirects: usize = 0, count(0..=20, "redirects");
        /// Unused connections kept open to one origin. 0: a new connection for every request. With fewer than there are calls at once, some
        /// are opened and closed all the time.
        max_idle_connections: usize = 64, otherwise(count(0..=10_000, "connections"), "as many as `limits.max_concurrent_calls`");
        /// How long an unused connection is kept.
        idle_timeout: Duration = secs(30), wait();
    }
}

const APPLICATION: &str = "the origin of `http_roster_url`";

/// What the settings say of where the plugin wants to send requests.
#[derive(Default)]
pub(super) struct Wanted {
    /// The origin of `http_roster_url`: allowed unless the operator says otherwise.
    pub(super) application: Option<Origin>,
    /// The other settings that are URLs, and their origins. What they are for only the plugin knows.
    pub(super) others: Vec<(String, Origin)>,
}

/// Fills in what depends on the settings, and looks at it.
pub(super) fn check(client: &mut ClientConfig, wanted: &Wanted, at: &At<'_>) {
    needed(wanted, at);
    for (key, origins) in [("allow_origins", &mut client.allow_origins), ("auth_origins", &mut client.auth_origins)] {
        if !at.has(key) {
            origins.extend(wanted.application.clone());
        }
        let mut once = Vec::new();
        origins.retain(|origin| {
            !once.contains(origin) && {
                once.push(origin.clone());
                true
            }
        });
    }
    doubts(client, wanted, at);
}

/// Lists that are derived from `http_roster_url`, and have to be given where there is none.
fn needed(wanted: &Wanted, at: &At<'_>) {
    if wanted.application.is_some() {
        return;
    }
    if let Some((key, origin)) = wanted.others.first().filter(|_| !at.has("allow_origins")) {
        at.key("allow_origins").problem(format!(
            "is missing: the setting {key} is a URL, and without this list the plugin may not ask anybody; write \
             [\"{origin}\"], or [] if it sends no requests"
        ));
    }
    let has_auth = ["password", "bearer_token"].iter().any(|key| SecretKeys::is_given(at, key));
    if has_auth && !at.has("auth_origins") {
        at.key("auth_origins").problem(
            "is missing: there are credentials, and without http_roster_url and this list they are sent to nobody; list \
             the origins that get them",
        );
    }
}

/// `username` and `password`, or `bearer_token`.
struct AuthKeys;

impl Kind for AuthKeys {
    type Value = Option<ClientAuth>;

    fn read(&self, at: &At<'_>, _: &'static str, _: Self::Value) -> Self::Value {
        let username = username().or_none().read(at, "username", None);
        let password = secret(SecretUse::Password).read(at, "password", None);
        let token = secret(SecretUse::BearerToken).read(at, "bearer_token", None);
        let has = |key| SecretKeys::is_given(at, key);
        match (at.has("username"), has("password"), has("bearer_token")) {
            (true, _, true) | (_, true, true) => {
                at.key("bearer_token")
                    .problem("username or password is given too; give either these or a bearer token");
                None
            }
            (true, false, false) => {
                at.key("username").problem("is given without password or password_file");
                None
            }
            (false, true, false) => {
                at.key("username").problem("is missing; there is a password");
                None
            }
            (_, _, true) => token.map(ClientAuth::Bearer),
            (true, true, false) => {
                username.zip(password).map(|(username, password)| ClientAuth::Basic { username, password })
            }
            (false, false, false) => None,
        }
    }

    fn entries(&self, _: &'static str, _: &'static str, value: &Self::Value) -> Vec<Entry> {
        let (name, password, token) = match value {
            None => (None, None, None),
            Some(ClientAuth::Basic { username, password }) => (Some(username.clone()), Some(password.clone()), None),
            Some(ClientAuth::Bearer(token)) => (None, None, Some(token.clone())),
        };
        let mut entries = username().or_none().entries(
            "username",
            "How the host proves to the application who it is; the plugin never sees it. Either this name and a password (Basic \
             authentication), ...",
            &name,
        );
        let about = "... the password here or in a file, ...";
        entries.extend(secret(SecretUse::Password).entries("password", about, &password));
        let about = "... or a bearer token, here or in a file.";
        entries.extend(secret(SecretUse::BearerToken).entries("bearer_token", about, &token));
        entries
    }
}

fn username() -> Scalar<String> {
    // RFC 7617 section 2: the colon ends the user-id.
    string().checked(|name| match name.contains(|c: char| c == ':' || c.is_control()) {
        true => Err("contains a colon or a control character, which Basic authentication cannot send".into()),
        false => Ok(()),
    })
}

/// What works, and probably not as it was meant.
fn doubts(client: &ClientConfig, wanted: &Wanted, at: &At<'_>) {
    if client.allow_origins.is_empty() {
        at.key("allow_origins").warn("is empty: the plugin cannot send any request");
    } else {
        let application = wanted.application.iter().map(|origin| ("http_roster_url", origin));
        // Beside http_roster_url they are not where the contacts are.
        let others = wanted.others.iter().filter(|_| wanted.application.is_none());
        for (key, origin) in application.chain(others.map(|(key, origin)| (key.as_str(), origin))) {
            if !client.allow_origins.contains(origin) {
                at.key("allow_origins").warn(format!("does not contain {origin}, the origin of {key}"));
            }
        }
    }
    if client.auth.is_none() {
        return;
    }
    if client.auth_origins.is_empty() {
        at.key("auth_origins").warn("is empty: the credentials are sent to nobody");
    }
    for origin in &client.auth_origins {
        let at = at.key("auth_origins");
        if !client.allow_origins.contains(origin) {
            at.warn(format!("{origin} is not among allow_origins: nothing is ever sent there"));
        } else if origin.scheme() == Scheme::Http && !origin.is_loopback() {
            at.warn(format!("{origin} is not https: the credentials can be read on the way"));
        }
    }
}
