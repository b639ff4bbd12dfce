//! `[[host]]`: one XMPP domain with its plugin and settings.

use std::collections::BTreeMap;
use std::time::Duration;

use super::given::Given;
use super::raw::{Hosts, RawHost, RawLimits, RawStore, RawSwap};
use super::report::{At, twice};
use super::value::Settings;
use super::{HostConfig, LimitsConfig, Origin, StoreConfig, SwapConfig, check_accounts, check_client};

/// The setting that names the application; the host reads it too, to know where requests may go.
const URL: &str = "http_roster_url";
/// The setting that the host itself sets.
const DOMAIN: &str = "domain";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Checks all hosts, one by one and then against each other. `stand_in`: a plugin's file may be missing.
pub(super) fn all(raw: Given<Hosts>, stand_in: bool, at: &At<'_>) -> Vec<HostConfig> {
    let absent = raw.is_absent();
    let Some(Hosts(raw)) = at.take(raw) else {
        if absent {
            at.problem("is missing; there has to be at least one [[host]]");
        }
        return Vec::new();
    };
    if raw.is_empty() {
        at.problem("is empty; there has to be at least one [[host]]");
    }
    let mut hosts: Vec<HostConfig> = Vec::new();
    let mut domains: BTreeMap<String, usize> = BTreeMap::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let at = at.index(index);
        let Some(host) = at.section(raw).map(|raw| host(raw, stand_in, &at)) else { continue };
        if let Some(first) = domains.get(&host.domain) {
            at.key("domain").problem(twice(&host.domain, &format!("host[{first}]")));
        } else if !host.domain.is_empty() {
            domains.insert(host.domain.clone(), index);
        }
        hosts.push(host);
    }
    hosts
}

fn host(raw: RawHost, stand_in: bool, at: &At<'_>) -> HostConfig {
    let built_in = raw.plugin.is_absent();
    let domain = at.required("domain", raw.domain).map(|domain| domain.0).unwrap_or_default();
    let plugin = if stand_in { at.path("plugin", raw.plugin) } else { at.existing_file("plugin", raw.plugin) };
    let accounts = check_accounts::accounts(raw.accounts, raw.http_auth_url, raw.http_auth_cache, at);
    let at_settings = at.key("settings");
    let raw_settings =
        if raw.settings.is_absent() { Some(Settings::default()) } else { at_settings.take(raw.settings) };
    // Told as missing only when it is, and not when there is a value of the wrong type.
    let needed = built_in && raw_settings.as_ref().is_some_and(|raw| !raw.0.contains_key(URL));
    let settings = settings(raw_settings.unwrap_or_default(), &at_settings);
    let application = application(&settings, built_in, needed, &at_settings.key(URL));
    // The built-in plugin asks nobody else.
    let others = settings.iter().filter(|(key, _)| !built_in && *key != URL);
    let others = others.filter_map(|(key, value)| Some((key.clone(), Origin::of_url(value).ok()?))).collect();
    let wanted = check_client::Wanted { application, others };

    let at_client = at.key("client");
    let raw_client = at_client.section(raw.client).unwrap_or_default();
    let client = check_client::client(raw_client, &wanted, &at_client);
    let at_limits = at.key("limits");
    let limits = limits(at_limits.section(raw.limits).unwrap_or_default(), client.total_timeout, &at_limits);
    let at_store = at.key("store");
    let store = store(at_store.section(raw.store).unwrap_or_default(), &at_store);
    let at_swap = at.key("swap");
    let swap = swap(at_swap.section(raw.swap).unwrap_or_default(), &at_swap);
    HostConfig { domain, plugin, accounts, settings, client, limits, store, swap }
}

fn settings(raw: Settings, at: &At<'_>) -> BTreeMap<String, String> {
    if raw.0.contains_key(DOMAIN) {
        at.key(DOMAIN).problem("the host sets this one itself, from the key domain of [[host]]");
    }
    raw.0.into_iter().filter_map(|(key, value)| at.get(&key, value).map(|value| (key, value.0))).collect()
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
        Err(super::OriginError::UserInfo) => {
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

fn limits(raw: RawLimits, total_timeout: Duration, at: &At<'_>) -> LimitsConfig {
    let d = LimitsConfig::default();
    let limits = LimitsConfig {
        max_concurrent_calls: at.count(
            "max_concurrent_calls",
            raw.max_concurrent_calls,
            d.max_concurrent_calls,
            1..=10_000,
        ),
        bulk_users: at.count("bulk_users", raw.bulk_users, d.bulk_users, 0..=10_000),
        bulk_wait: at.wait("bulk_wait", raw.bulk_wait, d.bulk_wait),
        call_timeout: at.wait("call_timeout", raw.call_timeout, d.call_timeout),
        queue_timeout: at.wait("queue_timeout", raw.queue_timeout, d.queue_timeout),
        overdue_after: at.wait("overdue_after", raw.overdue_after, d.overdue_after),
        retry_first: at.wait("retry_first", raw.retry_first, d.retry_first),
        retry_longest: at.wait("retry_longest", raw.retry_longest, d.retry_longest),
        max_retries: at.count("max_retries", raw.max_retries, d.max_retries, 1..=10_000),
        cpu_time: at.wait("cpu_time", raw.cpu_time, d.cpu_time),
        // A page of WebAssembly memory, and all that 32 bits can address.
        max_memory: at.size("max_memory", raw.max_memory, d.max_memory, 64 * KIB..=4 * GIB),
        reuse_instances: at.get("reuse_instances", raw.reuse_instances).unwrap_or(d.reuse_instances),
        max_calls_per_instance: at.count(
            "max_calls_per_instance",
            raw.max_calls_per_instance,
            d.max_calls_per_instance,
            1..=u32::MAX.into(),
        ),
        retire_memory: at.size("retire_memory", raw.retire_memory, d.retire_memory, 1..=4 * GIB),
        max_requests_per_call: at.count(
            "max_requests_per_call",
            raw.max_requests_per_call,
            d.max_requests_per_call,
            1..=10_000,
        ),
        max_state: at.size("max_state", raw.max_state, d.max_state, 0..=16 * MIB),
        max_handles: at.count("max_handles", raw.max_handles, d.max_handles, 1..=1_000_000),
        max_users_per_request: at.count(
            "max_users_per_request",
            raw.max_users_per_request,
            d.max_users_per_request,
            1..=1_000_000,
        ),
        max_log_per_call: at.size("max_log_per_call", raw.max_log_per_call, d.max_log_per_call, 0..=16 * MIB),
    };
    if limits.call_timeout <= total_timeout {
        let [call, total] = [limits.call_timeout, total_timeout].map(humantime::format_duration);
        at.key("call_timeout").warn(format!(
            "{call} is not longer than client.total_timeout ({total}): a call that waits for a slow application is \
             stopped before it can say so"
        ));
    }
    limits
}

fn store(raw: RawStore, at: &At<'_>) -> StoreConfig {
    let d = StoreConfig::default();
    StoreConfig {
        max_users: at.count("max_users", raw.max_users, d.max_users, 1..=u32::MAX.into()),
        max_bytes: at.size("max_bytes", raw.max_bytes, d.max_bytes, 1..=1 << 48),
        max_contacts: at.count("max_contacts", raw.max_contacts, d.max_contacts, 1..=1_000_000),
        grace: at.wait_or_zero("grace", raw.grace, d.grace),
        stale_if_error: at.wait_or_zero("stale_if_error", raw.stale_if_error, d.stale_if_error),
        max_age: Some(at.wait_or_zero("max_age", raw.max_age, Duration::ZERO)).filter(|age| !age.is_zero()),
    }
}

fn swap(raw: RawSwap, at: &At<'_>) -> SwapConfig {
    let d = SwapConfig::default();
    SwapConfig {
        watch: at.get("watch", raw.watch).unwrap_or(d.watch),
        queue_timeout: at.wait("queue_timeout", raw.queue_timeout, d.queue_timeout),
        keep: at.count("keep", raw.keep, d.keep, 0..=100),
        shadow_calls: at.count("shadow_calls", raw.shadow_calls, d.shadow_calls, 0..=1000),
        refuse_different: at.get("refuse_different", raw.refuse_different).unwrap_or(d.refuse_different),
        probation_calls: at.count("probation_calls", raw.probation_calls, d.probation_calls, 0..=1_000_000),
        probation_failures: at.count("probation_failures", raw.probation_failures, d.probation_failures, 0..=1_000_000),
    }
}
