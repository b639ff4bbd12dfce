//! The kinds of values a key can have, and what an operator is told when a value is none of them.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use roster_jid::domainpart;
use toml::de::DeValue;

use super::plugin_place::{self, Artifact, PluginPlace};
use crate::config::files::open;
use crate::config::mistakes::error::shown;
use crate::config::mistakes::place::At;
use crate::config::table::{Entry, Key, Kind};
use crate::config::{Origin, OriginError};

pub(in crate::config) const KIB: u64 = 1 << 10;
pub(in crate::config) const MIB: u64 = 1 << 20;
pub(in crate::config) const GIB: u64 = 1 << 30;
pub(in crate::config) const MANY: u64 = 1_000_000;

/// Shorter waits than the first cannot be kept, longer ones than the last (a year) overflow clocks.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(31_557_600);

pub(in crate::config) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

type Parse<T> = Box<dyn Fn(&At<'_>, &DeValue<'_>) -> Result<T, String>>;

/// One key with one value.
pub(in crate::config) struct Scalar<T> {
    kind: &'static str,
    unit: &'static str,
    range: String,
    required: bool,
    parse: Parse<T>,
    show: Box<dyn Fn(&T) -> String>,
}

impl<T: 'static> Scalar<T> {
    pub(in crate::config) fn new(
        kind: &'static str,
        parse: impl Fn(&DeValue<'_>) -> Result<T, String> + 'static,
        show: impl Fn(&T) -> String + 'static,
    ) -> Self {
        Self {
            kind,
            unit: "",
            range: String::new(),
            required: false,
            parse: Box::new(move |_, value| parse(value)),
            show: Box::new(show),
        }
    }

    /// A key without which there is nothing.
    pub(in crate::config) fn or_none(self) -> Scalar<Option<T>> {
        let (parse, show) = (self.parse, self.show);
        Scalar {
            kind: self.kind,
            unit: self.unit,
            range: self.range,
            required: false,
            parse: Box::new(move |at, value| parse(at, value).map(Some)),
            show: Box::new(move |value| value.as_ref().map_or_else(|| "none".to_owned(), &show)),
        }
    }

    /// A key that has to be there.
    pub(in crate::config) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// What becomes of what was read.
    fn then(self, check: impl Fn(&At<'_>, T) -> Result<T, String> + 'static) -> Self {
        let parse = self.parse;
        Self { parse: Box::new(move |at, value| parse(at, value).and_then(|value| check(at, value))), ..self }
    }

    /// What becomes of what was read, or why it is wrong.
    pub(in crate::config) fn becomes(self, read: impl Fn(T) -> Result<T, String> + 'static) -> Self {
        self.then(move |_, value| read(value))
    }

    /// Judges what was read once more.
    pub(in crate::config) fn checked(self, check: impl Fn(&T) -> Result<(), String> + 'static) -> Self {
        self.becomes(move |value| check(&value).map(|()| value))
    }
}

impl<T> Scalar<T> {
    /// What stands at `at`, if it is right.
    pub(in crate::config) fn read_at(&self, at: &At<'_>) -> Option<T> {
        at.read(|value| (self.parse)(at, value))
    }
}

impl<T> Kind for Scalar<T> {
    type Value = T;

    fn read(&self, at: &At<'_>, key: &'static str, default: T) -> T {
        let at = at.key(key);
        if self.required && !at.is_given() {
            at.problem("is missing");
        }
        self.read_at(&at).unwrap_or(default)
    }

    fn entries(&self, key: &'static str, about: &'static str, value: &T) -> Vec<Entry> {
        let (unit, range) = (self.unit, self.range.clone());
        let default = self.required.then_some("has to be set");
        vec![Entry::Key(Key { unit, range, default, ..Key::new(key, self.kind, (self.show)(value), about) })]
    }
}

/// An array of such values.
pub(in crate::config) struct List<T>(Scalar<T>, &'static str);

/// `kind`: what the reference calls it.
pub(in crate::config) fn list<T>(kind: &'static str, of: Scalar<T>) -> List<T> {
    List(of, kind)
}

impl<T> Kind for List<T> {
    type Value = Vec<T>;

    /// The elements that are right.
    fn read(&self, at: &At<'_>, key: &'static str, default: Vec<T>) -> Vec<T> {
        let at = at.key(key);
        let length = at.read(|value| {
            let items = value.as_array().ok_or_else(|| "expected an array, such as [\"...\"]".to_owned())?;
            Ok(items.len())
        });
        let Some(length) = length else { return default };
        let items = (0..length).map(|index| at.index(index));
        items.filter_map(|at| self.0.read_at(&at)).collect()
    }

    fn entries(&self, key: &'static str, about: &'static str, value: &Vec<T>) -> Vec<Entry> {
        let value: Vec<String> = value.iter().map(|item| (self.0.show)(item)).collect();
        vec![Entry::Key(Key::new(key, self.1, format!("[{}]", value.join(", ")), about))]
    }
}

/// `expected ...`, with the value in front where it is short and no secret.
fn expected(value: &DeValue<'_>, what: &str) -> String {
    match value {
        DeValue::String(text) => format!("{}: expected {what}", shown(text)),
        DeValue::Integer(number) => format!("{number}: expected {what}"),
        DeValue::Float(number) => format!("{number}: expected {what}"),
        DeValue::Boolean(flag) => format!("{flag}: expected {what}"),
        other => format!("expected {what}, not {}", other.type_str()),
    }
}

pub(in crate::config) fn quoted<T: Display + ?Sized>(text: &T) -> String {
    format!("\"{text}\"")
}

/// The string `value` is, read by `read`.
fn text<T>(value: &DeValue<'_>, what: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, String> {
    value.as_str().and_then(read).ok_or_else(|| expected(value, what))
}

/// A whole number, not negative.
fn whole(value: &DeValue<'_>) -> Option<u64> {
    value.as_integer().and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
}

fn within<N: TryFrom<u64>>(number: u64, range: &RangeInclusive<u64>) -> Result<N, String> {
    let fits = range.contains(&number).then(|| N::try_from(number).ok()).flatten();
    fits.ok_or_else(|| format!("{number}: expected {} to {}", range.start(), range.end()))
}

/// A whole number of what `unit` says.
pub(in crate::config) fn count<N: TryFrom<u64> + Display + 'static>(
    range: RangeInclusive<u64>,
    unit: &'static str,
) -> Scalar<N> {
    let shown = format!("{} to {}", range.start(), range.end());
    let parse = move |value: &DeValue<'_>| {
        whole(value).ok_or_else(|| expected(value, "a whole number")).and_then(|number| within(number, &range))
    };
    Scalar { unit, range: shown, ..Scalar::new("whole number", parse, N::to_string) }
}

/// A number of bytes.
pub(in crate::config) fn size<N: TryFrom<u64> + Copy + 'static>(range: RangeInclusive<u64>) -> Scalar<N>
where
    u64: TryFrom<N>,
{
    let shown = format!("{} to {}", bytes(*range.start()), bytes(*range.end()));
    let parse = move |value: &DeValue<'_>| {
        let number = match value {
            DeValue::String(text) => text.parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64()),
            value => whole(value),
        };
        let what = "a number of bytes, or a size such as \"10MB\" or \"10MiB\"";
        number.ok_or_else(|| expected(value, what)).and_then(|number| within(number, &range))
    };
    let show = |number: &N| {
        let text = bytes(u64::try_from(*number).unwrap_or(u64::MAX));
        if text.ends_with(char::is_alphabetic) { quoted(&text) } else { text }
    };
    Scalar { unit: "bytes", range: shown, ..Scalar::new("size", parse, show) }
}

/// As short as it can be written.
fn bytes(number: u64) -> String {
    const UNITS: [(u64, &str); 7] =
        [(1 << 40, "TiB"), (GIB, "GiB"), (1_000_000, "MB"), (MIB, "MiB"), (1000, "kB"), (KIB, "KiB"), (1, "")];
    let unit = UNITS.iter().find(|(unit, _)| number != 0 && number.is_multiple_of(*unit));
    let (unit, name) = unit.copied().unwrap_or((1, ""));
    format!("{}{name}", number / unit)
}

/// A time to wait, which cannot be zero.
pub(in crate::config) fn wait() -> Scalar<Duration> {
    wait_from(SHORTEST)
}

/// A time to wait, zero for not waiting at all.
pub(in crate::config) fn wait_or_zero() -> Scalar<Duration> {
    wait_from(Duration::ZERO)
}

/// A time to wait that is not shorter.
pub(in crate::config) fn wait_from(least: Duration) -> Scalar<Duration> {
    let [shortest, longest] = [least, LONGEST].map(|time| humantime::format_duration(time).to_string());
    let range = format!("{shortest} to {longest}");
    let expects = range.clone();
    let parse = move |value: &DeValue<'_>| {
        let time = text(value, "a duration such as \"10s\" or \"500ms\"", |text| humantime::parse_duration(text).ok())?;
        let fits = time >= least && time <= LONGEST;
        if fits { Ok(time) } else { Err(format!("{}: expected {expects}", humantime::format_duration(time))) }
    };
    let show = |time: &Duration| quoted(&humantime::format_duration(*time));
    Scalar { unit: "time", range, ..Scalar::new("duration", parse, show) }
}

impl Scalar<Duration> {
    /// Zero stands for not at all.
    pub(in crate::config) fn zero_is_none(self) -> Scalar<Option<Duration>> {
        let show = |time: &Option<Duration>| quoted(&humantime::format_duration(time.unwrap_or_default()));
        let kind = self.or_none().then(|_, time| Ok(time.filter(|time| !time.is_zero())));
        Scalar { show: Box::new(show), ..kind }
    }
}

pub(in crate::config) fn flag() -> Scalar<bool> {
    let parse = |value: &DeValue<'_>| value.as_bool().ok_or_else(|| expected(value, "true or false"));
    Scalar::new("true or false", parse, bool::to_string)
}

/// One of some words.
pub(in crate::config) fn choice<T: Copy + PartialEq + 'static>(words: &'static [(&'static str, T)]) -> Scalar<T> {
    let all = words.iter().map(|(word, _)| quoted(word)).collect::<Vec<_>>().join(" or ");
    let range = all.clone();
    let parse = move |value: &DeValue<'_>| {
        text(value, &all, |text| words.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice))
    };
    let show = |choice: &T| quoted(words.iter().find(|(_, each)| each == choice).map_or("", |(word, _)| word));
    Scalar { range, ..Scalar::new("one of some words", parse, show) }
}

/// Any string.
pub(in crate::config) fn string() -> Scalar<String> {
    Scalar::new("text", |value| text(value, "a string", |text| Some(text.to_owned())), quoted)
}

pub(in crate::config) fn address() -> Scalar<SocketAddr> {
    let what = "an IP address and a port, such as \"127.0.0.1:5281\"";
    Scalar::new("address and port", move |value| text(value, what, |text| text.parse().ok()), quoted)
}

/// Where to listen; `None` for `"off"`.
pub(in crate::config) fn listen() -> Scalar<Option<SocketAddr>> {
    let what = "an IP address and a port, such as \"127.0.0.1:5280\", or \"off\"";
    let parse = move |value: &DeValue<'_>| {
        text(value, what, |text| if text == "off" { Some(None) } else { text.parse().ok().map(Some) })
    };
    let show = |address: &Option<SocketAddr>| address.as_ref().map_or_else(|| quoted("off"), quoted);
    Scalar::new("address and port, or \"off\"", parse, show)
}

/// A `tracing` filter.
pub(in crate::config) fn filter() -> Scalar<String> {
    let parse = |value: &DeValue<'_>| {
        text(value, "a filter such as \"info\" or \"info,roster_host::plugin=debug\"", |text| {
            tracing_subscriber::EnvFilter::builder().parse(text).ok().map(|_| text.to_owned())
        })
    };
    Scalar::new("filter of log lines", parse, quoted)
}

pub(in crate::config) fn origin() -> Scalar<Origin> {
    let parse = |value: &DeValue<'_>| {
        let what = "an origin such as \"https://app.example.org\"";
        let text = value.as_str().ok_or_else(|| expected(value, what))?;
        text.parse().map_err(|error: OriginError| match text.contains('@') {
            // What stands before the @ may be a password.
            true => format!("{error}; expected {what}"),
            false => format!("{}: {error}; expected {what}", shown(text)),
        })
    };
    Scalar::new("origin", parse, quoted)
}

/// Networks in CIDR notation, and single addresses.
pub(in crate::config) fn network() -> Scalar<ipnet::IpNet> {
    let parse = |value: &DeValue<'_>| {
        text(value, "a network such as \"169.254.0.0/16\" or one address", |text| {
            text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from))
        })
    };
    Scalar::new("network", parse, quoted)
}

/// An XMPP domain, normalised.
pub(in crate::config) fn domain() -> Scalar<String> {
    let parse = |value: &DeValue<'_>| {
        let what = "an XMPP domain such as \"example.com\"";
        let text = value.as_str().ok_or_else(|| expected(value, what))?;
        let domain = domainpart(text).map(std::borrow::Cow::into_owned);
        domain.map_err(|error| format!("{}: it {}; expected {what}", shown(text), error.fault()))
    };
    Scalar::new("XMPP domain", parse, quoted)
}

/// The name of a node, as it is in paths and labels.
pub(in crate::config) fn node_name() -> Scalar<String> {
    const LONGEST: usize = 64;
    let what = "a name such as \"prosody-1\": 1 to 64 letters, digits, dots, hyphens and underscores";
    let parse = move |value: &DeValue<'_>| {
        text(value, what, |text| {
            let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            let fits = plain && (1..=LONGEST).contains(&text.len()) && text.starts_with(char::is_alphanumeric);
            fits.then(|| text.to_owned())
        })
    };
    Scalar { range: "1 to 64 letters, digits, `.`, `-` and `_`".into(), ..Scalar::new("name", parse, quoted) }
}

/// The name of a file, as it is written.
fn name_of_file() -> Scalar<PathBuf> {
    let parse = |value: &DeValue<'_>| {
        text(value, "the name of a file", |text| (!text.is_empty() && !text.contains('\0')).then(|| text.into()))
    };
    Scalar::new("file", parse, |path: &PathBuf| quoted(&path.display()))
}

/// The name of a file, relative ones taken from the folder of the configuration file.
pub(in crate::config) fn path() -> Scalar<PathBuf> {
    name_of_file().then(|at, path| Ok(at.file(path)))
}

/// A plugin: the name of a file, or of an artifact in a registry.
pub(in crate::config) fn plugin_place() -> Scalar<PluginPlace> {
    let file = path().parse;
    let parse = move |at: &At<'_>, value: &DeValue<'_>| match value.as_str() {
        Some(name) if name.starts_with(plugin_place::SCHEME) => {
            Artifact::parse(name).map(PluginPlace::Registry).map_err(|error| match error.contains("[registry]") {
                // What stands before the @ may be a password.
                true => error,
                false => format!("{}: {error}", shown(name)),
            })
        }
        _ => file(at, value).map(PluginPlace::File),
    };
    let kind = Scalar::new("file, or `oci://` and an artifact", |_| Err(String::new()), quoted);
    Scalar { parse: Box::new(parse), ..kind }
}

/// The name of a file, or `-`.
pub(in crate::config) fn path_or_dash() -> Scalar<PathBuf> {
    let kind = name_of_file().then(|at, path| Ok(if path.as_os_str() == "-" { path } else { at.file(path) }));
    Scalar { kind: "file, or `-`", ..kind }
}

/// The name of a folder, `None` for `"off"`.
pub(in crate::config) fn folder_or_off() -> Scalar<Option<PathBuf>> {
    let kind = name_of_file().or_none().then(|at, path| {
        let path = path.filter(|path| path.as_os_str() != "off");
        Ok(path.map(|path| at.file(path)))
    });
    let show = |path: &Option<PathBuf>| path.as_ref().map_or_else(|| quoted("off"), |path| quoted(&path.display()));
    Scalar { kind: "folder, or \"off\"", show: Box::new(show), ..kind }
}

/// The name of a file that has to be there and can be read.
pub(in crate::config) fn existing_file() -> Scalar<PathBuf> {
    path().checked(|path| open(path).map(|_| ()))
}
