//! The types a key can have, and what an operator is told when a value is none of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use roster_jid::domainpart;
use toml::Value;

use super::error::shown;
use super::given::{FromValue, Given};
use super::{LogFormat, Origin};

/// A whole number, not negative.
pub(super) struct Whole(pub(super) u64);

/// A number of bytes.
pub(super) struct Size(pub(super) u64);

/// Where to listen; `None` for `"off"`.
pub(super) struct Listen(pub(super) Option<SocketAddr>);

/// A password or token; its errors never repeat the value.
pub(super) struct SecretText(pub(super) String);

/// An XMPP domain, normalised.
pub(super) struct Domain(pub(super) String);

/// The name of a node, as it is in paths and labels.
pub(super) struct NodeName(pub(super) String);

/// A `tracing` filter.
pub(super) struct Filter(pub(super) String);

/// The value of a plugin's setting; its errors never repeat the value.
pub(super) struct Setting(pub(super) String);

/// `[host.settings]`
#[derive(Default)]
pub(super) struct Settings(pub(super) BTreeMap<String, Given<Setting>>);

/// `expected ...`, with the value in front where it is short and no secret.
fn expected(value: &Value, what: &str) -> String {
    match value {
        Value::String(text) => format!("{}: expected {what}", shown(text)),
        Value::Array(_) | Value::Table(_) => format!("expected {what}, not {}", value.type_str()),
        scalar => format!("{scalar}: expected {what}"),
    }
}

/// The string `value` is, read by `read`.
fn text<T>(value: Value, what: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, String> {
    value.as_str().and_then(read).ok_or_else(|| expected(&value, what))
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self, String> {
        text(value, "a string", |text| Some(text.to_owned()))
    }
}

impl FromValue for PathBuf {
    fn from_value(value: Value) -> Result<Self, String> {
        text(value, "the name of a file", |text| (!text.is_empty() && !text.contains('\0')).then(|| text.into()))
    }
}

impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| expected(&value, "true or false"))
    }
}

impl FromValue for Whole {
    fn from_value(value: Value) -> Result<Self, String> {
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        number.map(Self).ok_or_else(|| expected(&value, "a whole number"))
    }
}

impl FromValue for Size {
    fn from_value(value: Value) -> Result<Self, String> {
        let bytes = match &value {
            Value::Integer(bytes) => u64::try_from(*bytes).ok(),
            Value::String(text) => text.parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64()),
            _ => None,
        };
        bytes.map(Self).ok_or_else(|| expected(&value, "a number of bytes, or a size such as \"10MB\" or \"10MiB\""))
    }
}

impl FromValue for Duration {
    fn from_value(value: Value) -> Result<Self, String> {
        text(value, "a duration such as \"10s\" or \"500ms\"", |text| humantime::parse_duration(text).ok())
    }
}

impl FromValue for SocketAddr {
    fn from_value(value: Value) -> Result<Self, String> {
        text(value, "an IP address and a port, such as \"127.0.0.1:5281\"", |text| text.parse().ok())
    }
}

impl FromValue for Listen {
    fn from_value(value: Value) -> Result<Self, String> {
        text(value, "an IP address and a port, such as \"127.0.0.1:5280\", or \"off\"", |text| match text {
            "off" => Some(Self(None)),
            address => address.parse().ok().map(|address| Self(Some(address))),
        })
    }
}

impl FromValue for LogFormat {
    fn from_value(value: Value) -> Result<Self, String> {
        text(value, "\"text\" or \"json\"", |text| match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        })
    }
}

impl FromValue for Filter {
    fn from_value(value: Value) -> Result<Self, String> {
        text(value, "a filter such as \"info\" or \"info,roster_host::plugin=debug\"", |text| {
            tracing_subscriber::EnvFilter::builder().parse(text).ok().map(|_| Self(text.to_owned()))
        })
    }
}

impl FromValue for Origin {
    fn from_value(value: Value) -> Result<Self, String> {
        let what = "an origin such as \"https://app.example.org\"";
        let text = value.as_str().ok_or_else(|| expected(&value, what))?;
        text.parse().map_err(|error| match text.contains('@') {
            // What stands before the @ may be a password.
            true => format!("{error}; expected {what}"),
            false => format!("{}: {error}; expected {what}", shown(text)),
        })
    }
}

impl FromValue for ipnet::IpNet {
    fn from_value(value: Value) -> Result<Self, String> {
        text(value, "a network such as \"169.254.0.0/16\" or one address", |text| {
            text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(Self::from))
        })
    }
}

impl FromValue for Domain {
    fn from_value(value: Value) -> Result<Self, String> {
        let what = "an XMPP domain such as \"example.com\"";
        let text = value.as_str().ok_or_else(|| expected(&value, what))?;
        match domainpart(text) {
            Ok(domain) => Ok(Self(domain.into_owned())),
            Err(error) => Err(format!("{}: it {}; expected {what}", shown(text), error.fault())),
        }
    }
}

impl FromValue for NodeName {
    fn from_value(value: Value) -> Result<Self, String> {
        const LONGEST: usize = 64;
        text(value, "a name such as \"prosody-1\": 1 to 64 letters, digits, dots, hyphens and underscores", |text| {
            let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            let fits = plain && (1..=LONGEST).contains(&text.len()) && text.starts_with(char::is_alphanumeric);
            fits.then(|| Self(text.to_owned()))
        })
    }
}

impl FromValue for SecretText {
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) if !text.is_empty() => Ok(Self(text)),
            Value::String(_) => Err("is empty".into()),
            _ => Err("expected a string".into()),
        }
    }
}

impl FromValue for Setting {
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Self(text)),
            Value::Integer(number) => Ok(Self(number.to_string())),
            Value::Boolean(flag) => Ok(Self(flag.to_string())),
            _ => Err("expected a string, a whole number, true or false".into()),
        }
    }
}

impl FromValue for Settings {
    fn from_value(value: Value) -> Result<Self, String> {
        let Value::Table(table) = value else { return Err("expected a table".into()) };
        Ok(Self(table.into_iter().map(|(key, value)| (key, Given::from(value))).collect()))
    }
}
