//! Runs cases: calls hooks one after another and keeps the roster between them, as a host does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::application::Application;
use super::case::{self, Case, ExpectCheck, ExpectRoster, OutcomeData, ScriptedExchange, Step};
use super::compare::{self, Compared};
use super::suite::{Suite, SuiteError};
use crate::config::{ClientConfig, HostConfig, LimitsConfig};
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::model::{Contact, Contacts, Snapshot, Tag, Username};
use crate::plugin::{
    BadRequest, BulkError, CompiledPlugin, LoadError, LoadOptions, Network, Outcome, PluginBytes, PluginEngine,
    Refreshed, RosterPlugin, Together, WasmPlugin,
};
use crate::text::counted;

/// The domain, in all cases.
const DOMAIN: &str = "example.com";
/// Why cases about many users in one request are left out.
const NO_BULK: &str = "it has no interface xmpp:roster/bulk";
/// Contacts of a roster at most.
const MOST_CONTACTS: usize = 100_000;

/// How one case went.
#[derive(Clone, Debug, Serialize)]
pub struct CaseResult {
    /// The file, without its ending.
    pub file: String,
    /// The case.
    pub name: String,
    /// What was not as expected, with the step (from 1) if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Why it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_tried: Option<&'static str>,
}

/// Runs all cases of `suite`. Must be called within a Tokio runtime.
///
/// # Errors
/// The component does not fit this host at all.
pub async fn run(
    engine: &PluginEngine,
    compiled: &CompiledPlugin,
    plugin: &PluginBytes,
    limits: &LimitsConfig,
    suite: &Suite,
) -> Result<Vec<CaseResult>, LoadError> {
    let mut plugins = LinkedPlugins::new(engine, compiled, plugin, limits)?;
    let mut results = Vec::new();
    for (name, file) in &suite.files {
        for case in &file.cases {
            let plugin = plugins.plugin(file.settings(Some(case)))?;
            let not_tried = (case.needs_bulk() && !plugin.has_bulk()).then_some(NO_BULK);
            let failure = match not_tried {
                None => steps(&plugin, case).await.err(),
                Some(_) => None,
            };
            results.push(CaseResult { file: name.clone(), name: case.name.clone(), failure, not_tried });
        }
    }
    Ok(results)
}

/// The protocol that a plugin speaks, of those whose cases are in this program.
///
/// By what its check of the settings says: it takes the settings of that protocol, and it is not content with none. A
/// plugin that takes them is held to the protocol, however little of it works.
///
/// # Errors
/// The component does not fit this host at all.
pub async fn detect(
    engine: &PluginEngine,
    compiled: &CompiledPlugin,
    plugin: &PluginBytes,
    limits: &LimitsConfig,
) -> Result<Option<&'static str>, LoadError> {
    let mut plugins = LinkedPlugins::new(engine, compiled, plugin, limits)?;
    if plugins.plugin(BTreeMap::new())?.check_settings().await.is_ok() {
        return Ok(None);
    }
    for protocol in Suite::protocols() {
        let suite = Suite::built_in(protocol).map_err(|error: SuiteError| internal(&error))?;
        let Some((_, file)) = suite.as_ref().and_then(|suite| suite.files.first()) else { continue };
        if plugins.plugin(file.settings(None))?.check_settings().await.is_ok() {
            return Ok(Some(protocol));
        }
    }
    Ok(None)
}

fn internal(error: &dyn std::fmt::Display) -> LoadError {
    LoadError::Engine { reason: error.to_string() }
}

/// The component under every combination of settings that has been asked for.
struct LinkedPlugins<'a> {
    engine: &'a PluginEngine,
    compiled: &'a CompiledPlugin,
    bytes: &'a PluginBytes,
    limits: &'a LimitsConfig,
    client: HttpClient,
    metrics: Arc<Metrics>,
    linked: HashMap<BTreeMap<String, String>, Arc<WasmPlugin>>,
}

impl<'a> LinkedPlugins<'a> {
    fn new(
        engine: &'a PluginEngine,
        compiled: &'a CompiledPlugin,
        bytes: &'a PluginBytes,
        limits: &'a LimitsConfig,
    ) -> Result<Self, LoadError> {
        // It may ask nobody, and is not asked: each step has a network of its own.
        let client = HttpClient::new(&ClientConfig::default()).map_err(|error| internal(&error))?;
        Ok(Self { engine, compiled, bytes, limits, client, metrics: Metrics::new(), linked: HashMap::new() })
    }

    fn plugin(&mut self, settings: BTreeMap<String, String>) -> Result<Arc<WasmPlugin>, LoadError> {
        if let Some(plugin) = self.linked.get(&settings) {
            return Ok(Arc::clone(plugin));
        }
        let host = HostConfig {
            domain: DOMAIN.to_owned(),
            settings: settings.clone(),
            limits: self.limits.clone(),
            ..HostConfig::default()
        };
        let options = LoadOptions {
            host: &host,
            plugin: self.bytes,
            client: self.client.clone(),
            metrics: Arc::clone(&self.metrics),
        };
        let plugin = Arc::new(WasmPlugin::link(self.engine, self.compiled, options)?);
        self.linked.insert(settings, Arc::clone(&plugin));
        Ok(plugin)
    }
}

async fn steps(plugin: &WasmPlugin, case: &Case) -> Compared {
    let user = Username::new(&case.user).map_err(|error| error.to_string())?;
    let known: Option<Vec<Contact>> =
        case.known.as_ref().map(|known| known.iter().map(case::ContactData::contact).collect());
    let mut kept = HeldRosters::new();
    if let Some(contacts) = known {
        kept.insert(user.clone(), snapshot(1, None, &contacts)?);
    }
    for (index, step) in case.steps.iter().enumerate() {
        let result = perform(plugin, &user, &mut kept, step).await;
        let place = if case.steps.len() > 1 { format!("step {}: ", index + 1) } else { String::new() };
        result.map_err(|failure| format!("{place}{failure}"))?;
    }
    Ok(())
}

/// The rosters that a host would hold.
type HeldRosters = HashMap<Username, Arc<Snapshot>>;

async fn perform(plugin: &WasmPlugin, user: &Username, kept: &mut HeldRosters, step: &Step) -> Compared {
    let http: &[ScriptedExchange] = match step {
        Step::Fetch { http, .. } | Step::Refresh { http, .. } | Step::Bulk { http, .. } => http,
        Step::Check { .. } | Step::ChangedUsers { .. } | Step::Summary { .. } => &[],
    };
    let application = Arc::new(Application::new(http));
    let stage = plugin.for_rehearsal(Network::Own(Arc::clone(&application) as _));
    let result = match step {
        Step::Check { expect } => check(&stage, expect).await,
        Step::Fetch { expect, .. } => fetch(&stage, user, kept, expect, None).await,
        Step::Refresh { expect, .. } => refresh(&stage, user, kept, expect, None).await,
        Step::Bulk { users, expect, .. } => bulk(&stage, users, kept, expect).await,
        Step::ChangedUsers { body, body_base64, body_repeat, expect } => {
            let body = case::body(body.as_deref(), body_base64.as_deref(), body_repeat.as_ref())?;
            let users = stage.changed_users(body).await.map_err(|error| error.to_string())?;
            compare::users(users, expect)
        }
        Step::Summary { outcome, expect } => {
            let answer = stage.summary(self::outcome(outcome)).await.map_err(|error| error.to_string())?;
            compare::answer(&answer, expect)
        }
    };
    // A wrong request explains a wrong result.
    match application.faults().into_iter().next() {
        Some(fault) => Err(fault),
        None => result,
    }
}

async fn check(stage: &WasmPlugin, expect: &ExpectCheck) -> Compared {
    if expect.ok == expect.setting.is_some() {
        return Err("the case is wrong: a check expects ok or a setting".to_owned());
    }
    match (stage.check_settings().await, &expect.setting) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(key)) => Err(format!("the settings were taken; expected {key} to be refused")),
        (Err(LoadError::Settings { key, .. }), Some(expected)) if key == *expected => Ok(()),
        (Err(error), _) => Err(error.to_string()),
    }
}

/// All in one request, as a host does: those of whom it holds no roster as in a fetch, the others as in a refresh.
async fn bulk(
    stage: &WasmPlugin,
    users: &[String],
    kept: &mut HeldRosters,
    expect: &BTreeMap<String, ExpectRoster>,
) -> Compared {
    if users.len() < 2 || !expect.keys().eq(users.iter().collect::<BTreeSet<_>>()) {
        return Err("the case is wrong: a bulk expects something of each of its users, two at least".to_owned());
    }
    let most = stage.users_per_request().await.map_err(|error| error.to_string())?;
    if most < users.len() {
        return Err(format!("under these settings it asks for {} in one request at most", counted(most, "user")));
    }
    let named = |name: &String| Username::new(name).map_err(|error| error.to_string());
    let users: Vec<Username> = users.iter().map(named).collect::<Result<_, _>>()?;
    let held: Vec<_> = users.iter().map(|user| (user.clone(), kept.get(user).map(Arc::clone))).collect();
    let pieces = match stage.ask_together(&held).await {
        Ok(pieces) => pieces,
        Err(BulkError::Plugin(error)) => return Err(error.to_string()),
        // Each is asked for alone.
        Err(_) => users.iter().map(|_| Together::Alone(None)).collect(),
    };
    for (user, piece) in users.iter().zip(pieces) {
        let Some(expect) = expect.get(user.as_str()) else { continue };
        let result = match kept.contains_key(user) {
            true => refresh(stage, user, kept, expect, Some(piece)).await,
            false => fetch(stage, user, kept, expect, Some(piece)).await,
        };
        result.map_err(|failure| format!("{}: {failure}", user.as_str()))?;
    }
    Ok(())
}

/// `given`: what came of asking for others too.
async fn fetch(
    stage: &WasmPlugin,
    user: &Username,
    kept: &mut HeldRosters,
    expect: &ExpectRoster,
    given: Option<Together>,
) -> Compared {
    let fetched = stage.fetch_given(user, given).await;
    if let Some(kind) = expect.error {
        return compare::error(fetched, kind, expect.status);
    }
    let expected = expect.roster.as_ref().ok_or("the case is wrong: a fetch expects a roster or an error")?;
    let fetched = fetched.map_err(|error| error.to_string())?;
    // As the host does: a roster that cannot be kept is the plugin's fault.
    kept.insert(user.clone(), snapshot(1, fetched.tag.clone(), &fetched.contacts)?);
    let expected: Vec<Contact> = expected.iter().map(case::ContactData::contact).collect();
    compare::contacts(&fetched.contacts, &expected)?;
    compare::warnings(&fetched.warnings, expect.warnings.as_deref())
}

async fn refresh(
    stage: &WasmPlugin,
    user: &Username,
    kept: &mut HeldRosters,
    expect: &ExpectRoster,
    given: Option<Together>,
) -> Compared {
    let known = kept.get(user).map(Arc::clone);
    let known = known.ok_or("the case is wrong: a refresh needs `known` or a fetch before it")?;
    let refreshed = stage.refresh_given(user, Arc::clone(&known), given).await;
    if let Some(kind) = expect.error {
        return compare::error(refreshed, kind, expect.status);
    }
    let expected = expect.changes.as_ref().ok_or("the case is wrong: a refresh expects changes or an error")?;
    let (changes, warnings) = match refreshed.map_err(|error| error.to_string())? {
        Refreshed::Unchanged => (Vec::new(), Vec::new()),
        Refreshed::Changed(delta) => {
            let applied = known.contacts().apply(delta.changes, MOST_CONTACTS);
            let (contacts, changes) = applied.map_err(|wrong| format!("the changes cannot be applied: {wrong}"))?;
            kept.insert(user.clone(), Arc::new(Snapshot::new(known.version() + 1, delta.tag, contacts)));
            (changes, delta.warnings)
        }
    };
    compare::changes(changes, expected.iter().map(case::ChangeData::change).collect())?;
    compare::warnings(&warnings, expect.warnings.as_deref())
}

fn snapshot(version: u64, tag: Option<Tag>, contacts: &[Contact]) -> Result<Arc<Snapshot>, String> {
    let contacts = Contacts::pack(contacts, MOST_CONTACTS).map_err(|wrong| wrong.to_string())?;
    Ok(Arc::new(Snapshot::new(version, tag, contacts)))
}

fn outcome(outcome: &OutcomeData) -> Outcome {
    match outcome {
        OutcomeData::Batch { updated, errors, invalid } => {
            Outcome::Batch { updated: *updated, errors: *errors, invalid: *invalid }
        }
        OutcomeData::Single { single } => Outcome::Single(*single),
        OutcomeData::Refused { refused } => Outcome::Refused(BadRequest { message: refused.clone() }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plugin::{EngineSize, PluginSource, Urgency};

    async fn results(source: PluginSource, suite: &Suite) -> Vec<CaseResult> {
        let limits = LimitsConfig::default();
        let engine = PluginEngine::new(EngineSize { instances: 8, memory: limits.max_memory }).unwrap();
        let bytes = source.read().await.unwrap();
        let compiled = engine.compile(&bytes, Urgency::Start).await.unwrap();
        run(&engine, &compiled, &bytes, &limits, suite).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_built_in_plugin_passes_all_cases() {
        let suite = Suite::built_in("http-roster-admin").unwrap().unwrap();
        let results = results(PluginSource::BuiltIn, &suite).await;
        assert_eq!(results.len(), suite.cases());
        let failed = |result: &CaseResult| result.failure.is_some() || result.not_tried.is_some();
        let failed: Vec<_> = results.into_iter().filter(failed).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_plugin_that_does_something_else_fails_cases() {
        let suite = Suite::built_in("http-roster-admin").unwrap().unwrap();
        let results = results(PluginSource::File(test_guests::HOSTILE.into()), &suite).await;
        let failed = |file: &str| results.iter().filter(|r| r.file == file && r.failure.is_some()).count();
        let all = |file: &str| results.iter().filter(|result| result.file == file).count();
        for file in ["requests", "contacts", "contacts-left-out", "contacts-mended", "summary"] {
            assert_eq!(failed(file), all(file), "{file}");
        }
        let left_out = results.iter().filter(|result| result.not_tried.is_some());
        assert!(left_out.map(|result| &result.file).eq(vec!["bulk"; all("bulk")]), "it asks for nobody together");
        assert_eq!(all("answers") - failed("answers"), 5, "those in which no answer came: no plugin is asked");
    }
}
