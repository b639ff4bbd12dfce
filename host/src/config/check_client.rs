//! `[host.client]`: where a host's plugin may send requests, and who it says it is.

use super::files::Kind;
use super::raw::{List, RawClient};
use super::report::At;
use super::{ClientAuth, ClientConfig, Origin, Scheme, Secret};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What the settings say of where the plugin wants to send requests.
#[derive(Default)]
pub(super) struct Wanted {
    /// The origin of `http_roster_url`: allowed unless the operator says otherwise.
    pub(super) application: Option<Origin>,
    /// The other settings that are URLs, and their origins. What they are for only the plugin knows.
    pub(super) others: Vec<(String, Origin)>,
}

/// Checks the table.
pub(super) fn client(mut raw: RawClient, wanted: &Wanted, at: &At<'_>) -> ClientConfig {
    let d = ClientConfig::default();
    let auth = auth(&mut raw, at);
    needed(&raw, auth.is_some(), wanted, at);
    let application = wanted.application.as_ref();
    let client = ClientConfig {
        allow_origins: origins("allow_origins", raw.allow_origins, application, at),
        allow_addresses: at.list("allow_addresses", raw.allow_addresses).unwrap_or(d.allow_addresses),
        auth,
        auth_origins: origins("auth_origins", raw.auth_origins, application, at),
        ca_file: at.existing_file("ca_file", raw.ca_file),
        connect_timeout: at.wait("connect_timeout", raw.connect_timeout, d.connect_timeout),
        first_byte_timeout: at.wait("first_byte_timeout", raw.first_byte_timeout, d.first_byte_timeout),
        total_timeout: at.wait("total_timeout", raw.total_timeout, d.total_timeout),
        max_response: at.size("max_response", raw.max_response, d.max_response, 1..=GIB),
        max_response_head: at.size("max_response_head", raw.max_response_head, d.max_response_head, 8 * KIB..=MIB),
        max_response_headers: at.count(
            "max_response_headers",
            raw.max_response_headers,
            d.max_response_headers,
            1..=10_000,
        ),
        max_redirects: at.count("max_redirects", raw.max_redirects, d.max_redirects, 0..=20),
        max_idle_connections: at.count(
            "max_idle_connections",
            raw.max_idle_connections,
            d.max_idle_connections,
            0..=10_000,
        ),
        idle_timeout: at.wait("idle_timeout", raw.idle_timeout, d.idle_timeout),
    };
    doubts(&client, wanted, at);
    client
}

/// Lists that are derived from `http_roster_url`, and have to be given where there is none.
fn needed(raw: &RawClient, has_auth: bool, wanted: &Wanted, at: &At<'_>) {
    if wanted.application.is_some() {
        return;
    }
    if let Some((key, origin)) = wanted.others.first().filter(|_| raw.allow_origins.is_absent()) {
        at.key("allow_origins").problem(format!(
            "is missing: the setting {key} is a URL, and without this list the plugin may not ask anybody; write \
             [\"{origin}\"], or [] if it sends no requests"
        ));
    }
    if has_auth && raw.auth_origins.is_absent() {
        at.key("auth_origins").problem(
            "is missing: there are credentials, and without http_roster_url and this list they are sent to nobody; list \
             the origins that get them",
        );
    }
}

/// The origins given, each once; without the key the application's.
fn origins(key: &str, given: List<Origin>, application: Option<&Origin>, at: &At<'_>) -> Vec<Origin> {
    let mut origins: Vec<Origin> = Vec::new();
    for origin in at.list(key, given).unwrap_or_else(|| application.cloned().into_iter().collect()) {
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    origins
}

fn auth(raw: &mut RawClient, at: &At<'_>) -> Option<ClientAuth> {
    let username = std::mem::take(&mut raw.username);
    let (password, password_file) = (std::mem::take(&mut raw.password), std::mem::take(&mut raw.password_file));
    let (token, token_file) = (std::mem::take(&mut raw.bearer_token), std::mem::take(&mut raw.bearer_token_file));

    let has_username = !username.is_absent();
    let has_password = !password.is_absent() || !password_file.is_absent();
    let has_token = !token.is_absent() || !token_file.is_absent();

    let username = at.get("username", username).filter(|name| valid_username(name, at));
    let password = at.secret("password", password, password_file, Kind::Password);
    let token = at.secret("bearer_token", token, token_file, Kind::BearerToken);

    match (has_username, has_password, has_token) {
        (true, _, true) | (_, true, true) => {
            at.key("bearer_token").problem("username or password is given too; give either these or a bearer token");
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
        (true, true, false) => basic(username, password),
        (false, false, false) => None,
    }
}

fn basic(username: Option<String>, password: Option<Secret>) -> Option<ClientAuth> {
    Some(ClientAuth::Basic { username: username?, password: password? })
}

fn valid_username(name: &str, at: &At<'_>) -> bool {
    // RFC 7617 section 2: the colon ends the user-id.
    let valid = !name.contains(|c: char| c == ':' || c.is_control());
    if !valid {
        at.key("username").problem("contains a colon or a control character, which Basic authentication cannot send");
    }
    valid
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
