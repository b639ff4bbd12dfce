//! `roster-host plugin run`: one call of one hook against a real web application, and what it did.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use roster_host::StartError;
use roster_host::check;
use roster_host::config::{HostConfig, Origin};
use roster_host::conformance;
use roster_host::metrics::Metrics;
use roster_host::model::{Contacts, Snapshot, Username, read_text_file};
use roster_host::plugin::{LoadError, Network, Refreshed, RosterPlugin as _, WasmPlugin};
use roster_host::text::escaped;

use super::setup::{Setup, engine};
use crate::Failure;
use crate::progress::Progress;
use crate::wire::Wire;
use crate::{out, shown};

/// The longest roster file that is read, bytes.
const LONGEST_ROSTER: u64 = 64 << 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component.
    file: PathBuf,
    /// The user whose roster is asked for.
    #[arg(long)]
    user: String,
    /// The setting http_roster_url. Without --config, requests may go to the origin of every setting that is a URL; with it,
    /// only where the configuration allows.
    #[arg(long)]
    url: Option<String>,
    /// Call refresh instead of fetch: compare with this roster, a JSON file as GET /rosters/{user} answers.
    #[arg(long, value_name = "FILE")]
    roster: Option<PathBuf>,
    #[command(flatten)]
    setup: Setup,
}

/// True if the hook gave a result that a host keeps.
pub(super) async fn run(arguments: Arguments) -> Result<bool, Failure> {
    let user = Username::new(&arguments.user)?;
    let is_configured = arguments.setup.is_configured();
    let (mut host, compile) = arguments.setup.host()?;
    host.settings.extend(arguments.url.map(|url| ("http_roster_url".to_owned(), url)));
    host.plugin = Some(arguments.file.into());
    let allowed = allow(&mut host, is_configured);
    let known = arguments.roster.map(|path| known(path, host.store.max_contacts)).transpose()?;

    let progress = Progress::of("compiling the plugin, and calling it");
    let engine = engine(&host.limits, &compile)?;
    let loaded = check::load_plugin(&engine, &host, &Metrics::new()).await;
    let (plugin, client) = loaded.map_err(|error| on_the_command_line(error, is_configured))?;
    let wire = Wire::new(client, &host.client);
    let stage = plugin.for_rehearsal(Network::Own(Arc::clone(&wire) as _));

    let began = Instant::now();
    let said = match known {
        None => fetch(&stage, &user, host.store.max_contacts).await,
        Some(known) => refresh(&stage, &user, &known, host.store.max_contacts).await,
    };
    let took = began.elapsed();
    drop(progress);
    let figures = stage.stats().figures();
    for exchange in wire.exchanges() {
        out::text(&exchange.in_short())?;
    }
    match &said {
        Ok(said) => out::text(said)?,
        Err(error) => out::text(&format!("error: {}\n", escaped(error)))?,
    }
    out::text(&format!(
        "{} ms in all, {:.1} ms of them computing; {} KiB of memory; {} bytes fetched\n",
        took.as_millis(),
        figures.cpu_seconds * 1000.0,
        figures.peak_memory / 1024,
        figures.bytes_fetched,
    ))?;
    if !allowed.is_empty() {
        let allowed: Vec<String> = allowed.iter().map(|origin| format!("\"{origin}\"")).collect();
        let allowed = allowed.join(", ");
        out::text(&format!("note: a host lets it ask there only with client.allow_origins = [{allowed}]\n"))?;
    }
    Ok(said.is_ok())
}

/// Without a configuration, a setting is missing on the command line.
fn on_the_command_line(error: StartError, is_configured: bool) -> Failure {
    match error {
        StartError::Plugin { source: LoadError::Settings { plugin, key, reason }, .. } if !is_configured => {
            format!("plugin {plugin}: the setting {key} {reason} (--setting {key}=VALUE)").into()
        }
        other => other.into(),
    }
}

/// As the host's first fetch: what it would not keep is an error.
async fn fetch(plugin: &WasmPlugin, user: &Username, most: usize) -> Result<String, String> {
    let roster = plugin.fetch(user).await.map_err(|error| error.to_string())?;
    let contacts = Contacts::pack(&roster.contacts, most);
    let contacts = contacts.map_err(|wrong| format!("the host refuses the roster: {wrong}"))?;
    Ok(shown::roster(&contacts) + &shown::warnings(&roster.warnings))
}

/// As the host's refresh.
async fn refresh(plugin: &WasmPlugin, user: &Username, known: &Arc<Snapshot>, most: usize) -> Result<String, String> {
    match plugin.refresh(user, Arc::clone(known)).await.map_err(|error| error.to_string())? {
        Refreshed::Unchanged => Ok("unchanged\n".to_owned()),
        Refreshed::Changed(delta) => {
            let applied = known.contacts().apply(delta.changes, most);
            let (_, changes) = applied.map_err(|wrong| format!("the host refuses the changes: {wrong}"))?;
            Ok(shown::changes(&changes) + &shown::warnings(&delta.warnings))
        }
    }
}

/// Where requests may go. As the configuration says, if there is one, and to the origin of `http_roster_url`, which is what a
/// host without a list allows. Without a configuration to the origins of the other settings too: those are returned, for a
/// host does not allow them unasked.
fn allow(host: &mut HostConfig, is_configured: bool) -> Vec<Origin> {
    let mut unasked = Vec::new();
    for (key, value) in &host.settings {
        let is_derived = key == "http_roster_url";
        let Ok(origin) = Origin::of_url(value) else { continue };
        if host.client.allow_origins.contains(&origin) || (is_configured && !is_derived) {
            continue;
        }
        if !is_derived {
            unasked.push(origin.clone());
        }
        host.client.allow_origins.push(origin);
    }
    unasked
}

fn known(path: PathBuf, most: usize) -> Result<Arc<Snapshot>, Failure> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = read_text_file(&path, LONGEST_ROSTER).map_err(|error| named(&error))?;
    let contacts = conformance::contacts(&text).map_err(|error| named(&error))?;
    let contacts = Contacts::pack(&contacts, most).map_err(|error| named(&error))?;
    Ok(Arc::new(Snapshot::new(1, None, contacts)))
}
