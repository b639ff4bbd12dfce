//! `[[host]]`: one XMPP domain with its plugin and settings.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use toml::de::DeValue;

use super::accounts::AccountsKeys;
use super::client::{self, Wanted};
use super::{AccountsConfig, ClientConfig, LimitsConfig, StoreConfig, SwapConfig};
use crate::config::files::open;
use crate::config::mistakes::place::At;
use crate::config::table::{Entry, Key, Kind, inner, is_table, otherwise, table};
use crate::config::values::kind::{domain, plugin_place};
use crate::config::values::plugin_place::PluginPlace;
use crate::config::{Origin, OriginError};

/// The setting that names the application; the host reads it too, to know where requests may go.
const URL: &str = "http_roster_url";
/// The setting that the host itself sets.
const DOMAIN: &str = "domain";

table! {
    /// One for every XMPP domain; the first also serves requests whose `Host` header names none of them.
    #[derive(Clone, PartialEq, Eq)]
    pub struct HostConfig (check = host) {
        /// The XMPP domain, each only once. It is normalised.
        domain: String = String::new(), domain().required();
        /// The component to run instead of the built-in one, `http-roster-admin`: a file, or an artifact of a registry,
        /// `oci://registry.example.org/name:tag@sha256:...` (docs/oci.md).
        plugin: Option<PluginPlace> = None, otherwise(plugin_place().or_none(), "the built-in one");
        /// `accounts` or `http_auth_url`: who may log in to the XMPP endpoint. `None`: nobody.
        accounts: Option<AccountsConfig> = None, AccountsKeys;
        /// What the plugin can read through `wasi:config/store`: texts, whole numbers, true or false. The host adds `domain` by
        /// itself. The built-in plugin needs `http_roster_url`, where the application has the contacts of a user (`%s` becomes the
        /// user's name), and takes `http_roster_bulk_url`, where it answers for many users in one request (`docs/bulk.md`).
        settings: BTreeMap<String, String> = BTreeMap::new(), Settings;
        /// `[host.client]`
        client: ClientConfig = ClientConfig::default(), inner();
        /// `[host.limits]`
        limits: LimitsConfig = LimitsConfig::default(), inner();
        /// `[host.store]`
        store: StoreConfig = StoreConfig::default(), inner();
        /// `[host.swap]`
        swap: SwapConfig = SwapConfig::default(), inner();
    }
}

impl HostConfig {
    /// The virtual host for `domain` whose application answers at `http_roster_url`, and the defaults for the rest.
    /// Requests may go to that URL's origin and nowhere else.
    pub fn for_application(domain: &str, http_roster_url: &str) -> Result<Self, OriginError> {
        let origin = Origin::of_url(http_roster_url)?;
        let client =
            ClientConfig { allow_origins: vec![origin.clone()], auth_origins: vec![origin], ..ClientConfig::default() };
        let settings = BTreeMap::from([(URL.to_owned(), http_roster_url.to_owned())]);
        // What is no domain is refused with a message when the host starts.
        let domain = roster_jid::domainpart(domain).map_or_else(|_| domain.to_owned(), Cow::into_owned);
        Ok(Self { domain, settings, client, ..Self::default() })
    }
}

/// Shows which settings there are and not their values: a plugin's setting may hold a key.
impl fmt::Debug for HostConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConfig")
            .field("domain", &self.domain)
            .field("plugin", &self.plugin)
            .field("accounts", &self.accounts)
            .field("settings", &self.settings.keys())
            .field("client", &self.client)
            .field("limits", &self.limits)
            .field("store", &self.store)
            .field("swap", &self.swap)
            .finish()
    }
}

/// `[host.settings]`, whose keys are the plugin's.
struct Settings;

impl Kind for Settings {
    type Value = BTreeMap<String, String>;

    fn read(&self, at: &At<'_>, key: &'static str, default: Self::Value) -> Self::Value {
        let at = at.key(key);
        if at.read(is_table).is_none() {
            return default;
        }
        if at.has(DOMAIN) {
            at.key(DOMAIN).problem("the host sets this one itself, from the key domain of [[host]]");
        }
        let names = at.table().into_iter().flat_map(|table| table.keys());
        names
            .filter_map(|name| Some((name.get_ref().clone().into_owned(), at.key(name.get_ref()).read(setting)?)))
            .collect()
    }

    fn entries(&self, key: &'static str, about: &'static str, value: &Self::Value) -> Vec<Entry> {
        let of_plugin = value
            .iter()
            .map(|(name, value)| Key { secret: true, ..Key::new(format!("{key}.{name}"), "setting", value, "") });
        let table = Key::new(key, "table", "none", about);
        std::iter::once(table).chain(of_plugin).map(Entry::Key).collect()
    }
}

/// The value of a plugin's setting; the error does not repeat it.
fn setting(value: &DeValue<'_>) -> Result<String, String> {
    let number = |number: &toml::de::DeInteger<'_>| i64::from_str_radix(number.as_str(), number.radix()).ok();
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(integer) => number(integer).map(|number| number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
    .ok_or_else(|| "expected a string, a whole number, true or false".into())
}

fn host(host: &mut HostConfig, at: &At<'_>) {
    let built_in = !at.has("plugin");
    let settings = at.key("settings");
    // Told as missing only when it is, and not when there is a value of the wrong type.
    let needed = built_in && (!settings.is_given() || settings.table().is_some()) && !settings.has(URL);
    let application = application(&host.settings, built_in, needed, &settings.key(URL));
    // The built-in plugin asks nobody else.
    let others = host.settings.iter().filter(|(key, _)| !built_in && *key != URL);
    let others = others.filter_map(|(key, value)| Some((key.clone(), Origin::of_url(value).ok()?))).collect();
    let client = at.key("client");
    client::check(&mut host.client, &Wanted { application, others }, &client);
    if !client.has("max_idle_connections") {
        host.client.max_idle_connections = host.limits.max_concurrent_calls;
    }

    let (call, total) = (host.limits.call_timeout, host.client.total_timeout);
    if call <= total {
        let [call, total] = [call, total].map(humantime::format_duration);
        at.keys("limits.call_timeout").warn(format!(
            "{call} is not longer than client.total_timeout ({total}): a call that waits for a slow application is \
             stopped before it can say so"
        ));
    }
}

/// The origin of the application. What else the URL has to be, the plugin says when it is loaded.
fn application(settings: &BTreeMap<String, String>, built_in: bool, needed: bool, at: &At<'_>) -> Option<Origin> {
    let what = "expected a URL such as \"http://app.example.org/contacts/%s\"";
    let Some(url) = settings.get(URL) else {
        if needed {
            at.problem(format!("is missing; {what}"));
        }
        return None;
    };
    match Origin::of_url(url) {
        Ok(origin) => Some(origin),
        // Another plugin may mean something else by the name.
        Err(_) if !built_in => None,
        Err(OriginError::UserInfo) => {
            at.problem("it contains a user name or password; give these as username and password of [host.client]");
            None
        }
        // The URL is not repeated: it may hold an application's key.
        Err(error) => {
            at.problem(format!("{error}; {what}"));
            None
        }
    }
}

/// Looks at all hosts, one by one and against each other. `stand_in`: a plugin's file may be missing.
pub(super) fn all(hosts: &[HostConfig], stand_in: bool, at: &At<'_>) {
    let mut domains: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, host) in hosts.iter().enumerate() {
        let at = at.index(index);
        if let Some(Err(reason)) = host.plugin.as_ref().and_then(PluginPlace::file).filter(|_| !stand_in).map(open) {
            at.key("plugin").problem(reason);
        }
        if let Some(first) = domains.get(&*host.domain) {
            at.key("domain").problem(format!("{}: host[{first}] has it already", host.domain));
        } else if !host.domain.is_empty() {
            domains.insert(&host.domain, index);
        }
    }
}
