//! What the operator wrote (`wasi:config`), read for each request. The plugin reads what is its own.

use std::fmt::Display;
use std::time::Duration;

use bytesize::ByteSize;

use crate::bindings::wasi::config::store as config;
use crate::refusal::Refusal;

/// With the defaults and the names of `roster-host`, as far as it has them.
pub(crate) struct Settings {
    pub(crate) domain: String,
    /// Asked for on every route.
    pub(crate) token: Option<String>,
    /// The name of the store of `wasi:keyvalue`; empty is the server's default.
    pub(crate) store: String,
    /// The longest body of a request.
    pub(crate) max_body: usize,
    /// Every request is answered in this time.
    pub(crate) request_timeout: Duration,
    /// Users that one request may name.
    pub(crate) max_users: usize,
    pub(crate) client: Client,
}

/// What one request to the application may take.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) total: Duration,
    pub(crate) max_response: usize,
    /// Users that are asked for in one request.
    pub(crate) bulk_users: usize,
}

impl Settings {
    /// The error names the setting.
    pub(crate) fn read() -> Result<Self, Refusal> {
        Ok(Self {
            domain: text("domain")?.unwrap_or_default(),
            token: text("token")?.filter(|token| !token.is_empty()),
            store: text("keyvalue_store")?.unwrap_or_default(),
            max_body: size("max_body", 4 << 20)?,
            request_timeout: duration("request_timeout", 60)?,
            max_users: parsed("max_users_per_request", 100_000, str::parse)?,
            client: Client {
                connect: duration("connect_timeout", 5)?,
                first_byte: duration("first_byte_timeout", 10)?,
                total: duration("total_timeout", 15)?,
                max_response: size("max_response", 10 << 20)?,
                bulk_users: parsed("bulk_users", 500, str::parse)?,
            },
        })
    }
}

fn text(key: &str) -> Result<Option<String>, Refusal> {
    config::get(key).map_err(|error| Refusal::Settings(format!("wasi:config has no setting {key:?}: {error:?}")))
}

fn parsed<T, E: Display>(key: &str, default: T, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, Refusal> {
    let Some(text) = text(key)? else { return Ok(default) };
    parse(&text).map_err(|error| Refusal::Settings(format!("{key} is {text:?}, which cannot be used: {error}")))
}

fn duration(key: &str, seconds: u64) -> Result<Duration, Refusal> {
    parsed(key, Duration::from_secs(seconds), humantime::parse_duration)
}

fn size(key: &str, default: usize) -> Result<usize, Refusal> {
    parsed(key, default, |text| {
        let bytes: ByteSize = text.parse()?;
        usize::try_from(bytes.as_u64()).map_err(|_| "it is more than a component can have".to_owned())
    })
}
