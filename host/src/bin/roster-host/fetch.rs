//! `roster-host fetch`: the application is asked once for one user's roster, as a host with this configuration asks it at
//! the user's first login, and what came of it is shown. Nothing is kept and nobody is told.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use roster_host::check;
use roster_host::config::{Config, HostConfig};
use roster_host::metrics::Metrics;
use roster_host::model::{Contact, Contacts, Username};
use roster_host::plugin::{Network, PluginEngine, RosterPlugin as _};
use roster_host::text::escaped;
use serde::Serialize;

use super::progress::Progress;
use super::wire::{LoggedExchange, Wire};
use super::{Failure, out, shown, this_program};

/// There is no roster: the application, the plugin or a limit of the host is why.
const EXIT_NO_ROSTER: u8 = 1;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The user whose roster is asked for: the part of the address before the @.
    user: String,
    /// The configuration (TOML).
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// The domain of the [[host]] to ask for; the first if absent.
    #[arg(long, value_name = "DOMAIN")]
    host: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    user: String,
    domain: String,
    plugin: String,
    /// The SHA-256 of the plugin's file.
    digest: String,
    requests: Vec<LoggedExchange>,
    /// Absent if there is no roster.
    contacts: Option<Vec<Contact>>,
    warnings: Vec<String>,
    /// Why there is none.
    error: Option<String>,
}

/// Exit code 0: there is a roster; 1: there is none. What keeps the host from starting is an error.
pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let user = Username::new(&arguments.user)?;
    let mut config = Config::load(&arguments.config)?;
    config.compile.program = Some(this_program()?);
    for warning in &config.warnings {
        out::complaint(&format!("warning: {warning}"))?;
    }
    let host = find(&config, arguments.host.as_deref())?;
    let progress = Progress::of("loading the plugin, and asking the application");
    let engine = PluginEngine::configured(&config, std::slice::from_ref(host))?;
    let (plugin, client) = check::load_plugin(&engine, host, &Metrics::new()).await?;
    let wire = Wire::new(client, &host.client);
    let fetched = plugin.for_rehearsal(Network::Own(Arc::clone(&wire) as _)).fetch(&user).await;
    drop(progress);
    let mut warnings = Vec::new();
    let roster = fetched.map_err(|error| error.to_string()).and_then(|roster| {
        warnings = roster.warnings;
        // As the host does before it keeps it.
        Contacts::pack(&roster.contacts, host.store.max_contacts)
            .map_err(|wrong| format!("the host refuses the plugin's roster: {wrong}"))
    });
    let (digest, requests) = (plugin.digest().to_string(), wire.exchanges());
    if arguments.json {
        let report = Report {
            user: user.to_string(),
            domain: host.domain.clone(),
            plugin: plugin.name().to_owned(),
            digest,
            requests,
            contacts: roster.as_ref().ok().map(|roster| roster.iter().map(|contact| contact.to_contact()).collect()),
            warnings,
            error: roster.as_ref().err().cloned(),
        };
        out::json(&report)?;
    } else {
        let name = escaped(plugin.name());
        out::text(&format!("{user}@{}, plugin {name} (SHA-256 {digest})\n", host.domain))?;
        if requests.is_empty() {
            out::text("the plugin has asked nobody\n")?;
        }
        for exchange in &requests {
            out::text(&exchange.in_full())?;
        }
        match &roster {
            Ok(contacts) => out::text(&shown::roster(contacts))?,
            Err(error) => out::text(&format!("error: {}\n", escaped(error)))?,
        }
        out::text(&shown::warnings(&warnings))?;
    }
    Ok(if roster.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_NO_ROSTER) })
}

fn find<'c>(config: &'c Config, domain: Option<&str>) -> Result<&'c HostConfig, Failure> {
    let found = config.hosts.iter().find(|host| domain.is_none_or(|domain| *host.domain == *domain));
    found.ok_or_else(|| {
        let known: Vec<&str> = config.hosts.iter().map(|host| host.domain.as_str()).collect();
        format!("--host {}: no such [[host]]; there is {}", domain.unwrap_or_default(), known.join(", ")).into()
    })
}
