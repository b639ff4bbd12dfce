//! `roster-host plugin run`: one call of one hook against a real web application, and what it did.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use parking_lot::Mutex;
use roster_host::config::{HostConfig, Origin};
use roster_host::conformance;
use roster_host::http_client::{Deadlines, HttpClient, SendError};
use roster_host::metrics::Metrics;
use roster_host::model::{Change, Contact, Contacts, Snapshot, Username};
use roster_host::plugin::{LoadOptions, Network, Outbound, PluginSource, Refreshed, RosterPlugin, Urgency, WasmPlugin};

use super::setup::{Setup, engine};
use crate::Failure;

/// The longest roster file that is read, bytes.
const LONGEST_ROSTER: u64 = 64 << 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component.
    file: PathBuf,
    /// The user whose roster is asked for.
    #[arg(long)]
    user: String,
    /// The setting http_roster_url. Requests may go to the origin of every setting that is a URL.
    #[arg(long)]
    url: Option<String>,
    /// Call refresh instead of fetch: compare with this roster, a JSON file as GET /rosters/{user} answers.
    #[arg(long, value_name = "FILE")]
    roster: Option<PathBuf>,
    #[command(flatten)]
    setup: Setup,
}

/// True if the hook gave a result.
pub(super) async fn run(arguments: Arguments) -> Result<bool, Failure> {
    let user = Username::new(&arguments.user)?;
    let mut host = arguments.setup.host()?;
    host.settings.extend(arguments.url.map(|url| ("http_roster_url".to_owned(), url)));
    allow_the_urls(&mut host);
    let known = arguments.roster.map(|path| known(path, host.store.max_contacts)).transpose()?;

    let engine = engine(&host.limits)?;
    let plugin = PluginSource::File(arguments.file).read().await?;
    let compiled = engine.compile(&plugin, Urgency::Start).await?;
    let client = HttpClient::new(&host.client)?;
    let options = LoadOptions { host: &host, plugin: &plugin, client: client.clone(), metrics: Metrics::new() };
    let loaded = WasmPlugin::link(&engine, &compiled, options)?;
    loaded.check_settings().await?;
    let listener = Arc::new(Listener { client, heard: Mutex::default() });
    let stage = loaded.staged(Network::Own(Arc::clone(&listener) as _));

    let began = Instant::now();
    let (good, said) = match known {
        None => match stage.fetch(&user).await {
            Ok(roster) => (true, fetched(&roster.contacts) + &warnings(&roster.warnings)),
            Err(error) => (false, format!("error: {error}\n")),
        },
        Some(known) => match stage.refresh(&user, Arc::clone(&known)).await {
            Ok(Refreshed::Unchanged) => (true, "unchanged\n".to_owned()),
            Ok(Refreshed::Changed(delta)) => {
                // As the host does: what cannot be applied is the plugin's fault.
                match known.contacts().apply(delta.changes, host.store.max_contacts) {
                    Ok((_, changes)) => (true, changed(&changes) + &warnings(&delta.warnings)),
                    Err(wrong) => (false, format!("error: the changes cannot be applied: {wrong}\n")),
                }
            }
            Err(error) => (false, format!("error: {error}\n")),
        },
    };
    let took = began.elapsed();
    let figures = stage.stats().figures();
    let mut out = std::io::stdout();
    write!(out, "{}{said}", listener.heard.lock())?;
    writeln!(
        out,
        "{} ms in all, {:.1} ms of them computing; {} KiB of memory; {} bytes fetched",
        took.as_millis(),
        figures.cpu_seconds * 1000.0,
        figures.peak_memory / 1024,
        figures.bytes_fetched,
    )?;
    Ok(good)
}

/// The operator's own list is not made shorter.
fn allow_the_urls(host: &mut HostConfig) {
    for origin in host.settings.values().filter_map(|value| Origin::of_url(value).ok()) {
        if !host.client.allow_origins.contains(&origin) {
            host.client.allow_origins.push(origin);
        }
    }
}

fn known(path: PathBuf, most: usize) -> Result<Arc<Snapshot>, Failure> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    if std::fs::metadata(&path).map_err(|error| named(&error))?.len() > LONGEST_ROSTER {
        return Err(named(&format!("longer than {LONGEST_ROSTER} bytes")).into());
    }
    let text = std::fs::read_to_string(&path).map_err(|error| named(&error))?;
    let contacts = conformance::contacts(&text).map_err(|error| named(&error))?;
    let contacts = Contacts::pack(&contacts, most).map_err(|error| named(&error))?;
    Ok(Arc::new(Snapshot::new(1, None, contacts)))
}

/// The host's client, and what went through it.
struct Listener {
    client: HttpClient,
    heard: Mutex<String>,
}

#[async_trait]
impl Outbound for Listener {
    async fn send(&self, request: Request<Bytes>, deadlines: Deadlines) -> Result<Response<Bytes>, SendError> {
        let mut line = format!("{} {}", request.method(), request.uri());
        if let Some(known) = request.headers().get("if-none-match") {
            let _ = write!(line, " (if-none-match: {})", String::from_utf8_lossy(known.as_bytes()));
        }
        let began = Instant::now();
        let result = self.client.send(request, deadlines).await;
        let took = millis(began.elapsed());
        let outcome = match &result {
            Ok(response) => format!("{}, {} bytes", response.status().as_u16(), response.body().len()),
            Err(error) => error.to_string(),
        };
        let _ = writeln!(self.heard.lock(), "{line}\n  {outcome}, {took}");
        result
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn fetched(contacts: &[Contact]) -> String {
    let lines: String = contacts.iter().map(|contact| format!("  {}\n", show(contact))).collect();
    format!("{} contacts\n{lines}", contacts.len())
}

fn changed(changes: &[Change]) -> String {
    let line = |change: &Change| match change {
        Change::Put(contact) => format!("  + {}\n", show(contact)),
        Change::Remove(jid) => format!("  - {}\n", jid.escape_debug()),
    };
    format!("{} changes\n{}", changes.len(), changes.iter().map(line).collect::<String>())
}

fn show(contact: &Contact) -> String {
    let mut text = contact.jid.escape_debug().to_string();
    if let Some(name) = &contact.name {
        let _ = write!(text, " {name:?}");
    }
    let _ = write!(text, ", {:?}", contact.subscription);
    if contact.ask {
        text += ", asked";
    }
    if !contact.groups.is_empty() {
        let _ = write!(text, ", in {:?}", contact.groups);
    }
    text
}

fn warnings(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("warning: {warning}\n")).collect()
}
