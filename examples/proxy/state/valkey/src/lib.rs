//! `wasi:keyvalue` over Valkey or Redis (`wasi:sockets`): each key is a hash with `revision` and `value`.
//!
//! A script compares and swaps, which the server runs as one. What lasts there is the server's to say (`appendonly`).

use std::cell::RefCell;
use std::num::NonZeroU64;
use std::time::Duration;

use redis::{Cmd, Connection, FromRedisValue, RedisError};
use roster_proxy_state::{Backend, Component, Entry, Error, KeyResponse, Revision, setting};

/// The setting that says where the server is, as `redis://:password@host:port/database`.
const SETTING: &str = "valkey_url";
const DEFAULT: &str = "redis://127.0.0.1:6379/0";
/// What the names of the default store begin with.
const DEFAULT_STORE: &str = "roster-proxy";
/// The longest wait for the server, for each step.
const DEADLINE: Duration = Duration::from_secs(5);
/// Keys looked at for one answer.
const PAGE: usize = 1000;

/// KEYS: the hash. ARGV: the revision expected (empty: none), the new one (empty: remove it), the value.
const REPLACE: &str = r"
if (redis.call('HGET', KEYS[1], 'revision') or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) return 1 end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'value', ARGV[3])
return 1";

thread_local! {
    /// What a request before has left, in a server that serves several with one instance.
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

struct Valkey {
    prefix: String,
}

impl Backend for Valkey {
    fn open(identifier: &str) -> Result<Self, Error> {
        let store = if identifier.is_empty() { DEFAULT_STORE } else { identifier };
        // A server that is not there is told before anything is done.
        let connection = CONNECTION.take().map_or_else(connect, Ok)?;
        CONNECTION.set(Some(connection));
        Ok(Self { prefix: format!("{store}:") })
    }

    fn read(&self, key: &str) -> Result<Option<Entry>, Error> {
        let (revision, value): (Option<String>, Option<Vec<u8>>) =
            ask(key, redis::cmd("HMGET").arg(self.name(key)).arg("revision").arg("value"))?;
        let Some((revision, value)) = revision.zip(value) else { return Ok(None) };
        let revision = u64::from_str_radix(&revision, 16).ok().and_then(NonZeroU64::new);
        let revision = revision.ok_or_else(|| Error::Other(format!("{key}: it was written by another program")))?;
        Ok(Some(Entry { revision: Revision(revision), value }))
    }

    fn replace(&self, key: &str, expected: Option<Revision>, value: Option<&[u8]>) -> Result<bool, Error> {
        let new = value.map(|_| Revision::new()).transpose()?;
        let text = |revision: Option<Revision>| revision.map_or_else(String::new, |this| format!("{:016x}", this.0));
        let mut call = redis::cmd("EVAL");
        call.arg(REPLACE).arg(1).arg(self.name(key));
        let replaced: u8 = ask(key, call.arg(text(expected)).arg(text(new)).arg(value.unwrap_or_default()))?;
        Ok(replaced == 1)
    }

    fn keys(&self, cursor: Option<String>) -> Result<KeyResponse, Error> {
        let pattern = format!("{}*", self.prefix.replace(['*', '?', '[', ']', '\\'], "?"));
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor.unwrap_or_else(|| "0".into())).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE);
        let (next, names): (String, Vec<String>) = ask("SCAN", &scan)?;
        let keys = names.iter().filter_map(|name| name.strip_prefix(&self.prefix)).map(str::to_owned).collect();
        Ok(KeyResponse { keys, cursor: Some(next).filter(|next| next != "0") })
    }
}

impl Valkey {
    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

/// Sends a command. Once more if the connection that was left over is gone: what has been replaced meanwhile is not replaced again,
/// for it has another revision then.
fn ask<T: FromRedisValue>(about: &str, command: &Cmd) -> Result<T, Error> {
    let left = CONNECTION.take();
    let was_left = left.is_some();
    let mut connection = left.map_or_else(connect, Ok)?;
    match command.query(&mut connection) {
        Err(error) if was_left && error.is_io_error() && !error.is_timeout() => ask(about, command),
        Err(error) => Err(failed(&error, about)),
        Ok(value) => {
            CONNECTION.set(Some(connection));
            Ok(value)
        }
    }
}

fn connect() -> Result<Connection, Error> {
    // The URL has a password, maybe: it is not in what is said.
    let client = redis::Client::open(setting(SETTING, DEFAULT))
        .map_err(|_| Error::Other(format!("{SETTING} is no URL; expected one as {DEFAULT}")))?;
    let connection = client.get_connection_with_timeout(DEADLINE).map_err(|error| {
        let what = format!("the server of {SETTING} cannot be reached; does this one allow it (-S inherit-network)?");
        failed(&error, &what)
    })?;
    let wait = connection.set_read_timeout(Some(DEADLINE)).and_then(|()| connection.set_write_timeout(Some(DEADLINE)));
    wait.map_err(|error| failed(&error, SETTING))?;
    Ok(connection)
}

fn failed(error: &RedisError, what: &str) -> Error {
    Error::Other(format!("{what}: {error}"))
}

type Exports = Component<Valkey>;

#[allow(unsafe_code, clippy::all, clippy::restriction)]
mod exports {
    use super::Exports;
    roster_proxy_state::bindings::export!(Exports with_types_in roster_proxy_state::bindings);
}
