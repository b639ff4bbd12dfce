//! `roster-host plugin check`: what a host does with a module before it serves anybody, and the cases of its protocol.

use std::path::PathBuf;

use roster_host::config::{CompileConfig, HostConfig};
use roster_host::conformance::{self, Suite};
use roster_host::http_client::HttpClient;
use roster_host::metrics::Metrics;
use roster_host::plugin::{CompiledPlugin, LoadOptions, PluginBytes, PluginEngine, PluginSource, Urgency, WasmPlugin};
use roster_host::swap;

use super::report::Report;
use super::setup::{Setup, engine};
use crate::progress::Progress;
use crate::{Failure, out};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component.
    file: PathBuf,
    #[command(flatten)]
    setup: Setup,
    /// The protocol whose cases it has to pass, or none; found out by the settings it takes if absent.
    #[arg(long, value_name = "NAME|none", conflicts_with = "cases")]
    protocol: Option<String>,
    /// Cases of your own: a file or a folder, see docs/plugins.md.
    #[arg(long, value_name = "PATH")]
    cases: Option<PathBuf>,
    /// Compare its imports with those of this component; with those of the built-in plugin if absent.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What came of a check.
pub(super) enum Checked {
    Good,
    Bad,
    /// Good as far as it was looked at: nobody knows what its protocol says, and nobody said that this is meant.
    NoCases,
}

/// Checks a component.
pub(super) async fn check(arguments: Arguments) -> Result<Checked, Failure> {
    let (host, compile) = arguments.setup.host()?;
    let own_cases = arguments.cases.as_deref().map(Suite::read).transpose()?;
    let named = match arguments.protocol.as_deref() {
        None | Some("none") => None,
        Some(name) => Some(Suite::built_in(name)?.ok_or_else(|| {
            let known: Vec<_> = Suite::protocols().collect();
            format!("--protocol {name}: expected none or one of: {}", known.join(", "))
        })?),
    };
    let progress = Progress::of("compiling the plugin, and trying it");
    let mut report = Report::new(arguments.file.display().to_string());
    let mut unknown = false;
    if let Some((engine, bytes, compiled)) = fits(&arguments, &host, &compile, &mut report).await? {
        let suite = match own_cases.or(named) {
            Some(suite) => Some(suite),
            None if arguments.protocol.is_some() => None,
            None => match conformance::detect(&engine, &compiled, &bytes, &host.limits).await? {
                Some(protocol) => Suite::built_in(protocol)?,
                None => None,
            },
        };
        rehearse(&engine, &compiled, &bytes, host.clone(), suite.as_ref(), &mut report).await?;
        match suite {
            Some(suite) if report.is_ok() => {
                let results = conformance::run(&engine, &compiled, &bytes, &host.limits, &suite).await?;
                report.cases(suite.protocol(), results);
            }
            Some(_) => report.not_tried("cases", "a step before failed"),
            None if arguments.protocol.is_some() => report.not_tried("cases", "none are wanted (--protocol none)"),
            None => {
                unknown = report.is_ok();
                report.not_tried("cases", no_cases(unknown));
            }
        }
    }
    drop(progress);
    report.finish();
    if arguments.json {
        out::json(&report)?
    } else {
        out::text(&report.to_string())?
    }
    Ok(match report.is_ok() {
        false => Checked::Bad,
        true if unknown => Checked::NoCases,
        true => Checked::Good,
    })
}

/// Why there are no cases, and what to do about it.
fn no_cases(decides: bool) -> String {
    let known: Vec<_> = Suite::protocols().collect();
    let why = format!("it speaks no protocol that this program has cases for ({})", known.join(", "));
    let next = "give the plugin's own with --cases PATH, or say --protocol none if there are none";
    match decides {
        true => format!("{why}, hence exit code 3; in a CI, {next}"),
        false => format!("{why}; {next}"),
    }
}

/// Reads and compiles it, and compares its types and imports with what there is.
async fn fits(
    arguments: &Arguments,
    host: &HostConfig,
    compile: &CompileConfig,
    report: &mut Report,
) -> Result<Option<(PluginEngine, PluginBytes, CompiledPlugin)>, Failure> {
    let engine = engine(&host.limits, compile)?;
    // A file that is not there says nothing about a plugin.
    let bytes = PluginSource::File(arguments.file.clone()).read_within(compile.max_component).await?;
    report.good("read", format!("{} bytes, SHA-256 {}", bytes.bytes.len(), bytes.digest));
    let compiled = match engine.compile(&bytes, Urgency::Start).await {
        Ok(compiled) => compiled,
        Err(error) => {
            report.bad("compile", error);
            return Ok(None);
        }
    };
    report.good("compile", format!("{} ms", compiled.took().as_millis()));
    match link(&engine, &compiled, &bytes, host) {
        Ok(plugin) => report.good("interface", format!("xmpp:roster@{}", plugin.wit_version())),
        Err(error) => {
            report.bad("interface", error);
            return Ok(None);
        }
    }
    let other = PluginSource::configured(arguments.against.as_deref()).read_within(compile.max_component).await?;
    let others = engine.compile(&other, Urgency::Start).await?;
    let more = missing(compiled.imports(), others.imports());
    let fewer = missing(others.imports(), compiled.imports());
    let mut detail = format!("{}, all granted; against {}:", compiled.imports().len(), other.name);
    for (sign, imports) in [('+', &more), ('-', &fewer)] {
        imports.iter().for_each(|import| detail += &format!(" {sign}{import}"));
    }
    if more.is_empty() && fewer.is_empty() {
        detail += " the same";
    }
    report.good("imports", detail);
    Ok(Some((engine, bytes, compiled)))
}

/// The check of its settings, and every hook once. Without settings given, those of the cases are good enough.
async fn rehearse(
    engine: &PluginEngine,
    compiled: &CompiledPlugin,
    bytes: &PluginBytes,
    mut host: HostConfig,
    suite: Option<&Suite>,
    report: &mut Report,
) -> Result<(), Failure> {
    let given = !host.settings.is_empty();
    if !given && let Some(suite) = suite {
        host.settings = suite.settings();
    }
    let from = if given { "as given" } else { "those of the cases" };
    let plugin = link(engine, compiled, bytes, &host)?;
    let mut lacks_settings = false;
    match plugin.check_settings().await {
        Ok(()) if host.settings.is_empty() => report.good("settings", "it needs none"),
        Ok(()) => report.good("settings", from),
        Err(error) if host.settings.is_empty() => {
            report.not_tried(
                "settings",
                format!("none are given (--setting KEY=VALUE), and it cannot be without: {error}"),
            );
            lacks_settings = true;
        }
        Err(error) => report.bad("settings", error),
    }
    let hooks = swap::rehearse(&plugin, host.store.max_contacts).await;
    if let Some(failed) = hooks.iter().find(|hook| !hook.ok) {
        report.bad("rehearse", format!("{}: {}", failed.hook, failed.detail));
        return Ok(());
    }
    // Without settings it has nothing to ask, so nothing was read either.
    let said = hooks.iter().map(|hook| match hook.hook {
        "fetch" | "refresh" if lacks_settings => format!("{}: not tried without settings", hook.hook),
        _ => format!("{}: {}", hook.hook, hook.detail),
    });
    report.good("rehearse", said.collect::<Vec<_>>().join("; "));
    Ok(())
}

fn link(
    engine: &PluginEngine,
    compiled: &CompiledPlugin,
    plugin: &PluginBytes,
    host: &HostConfig,
) -> Result<WasmPlugin, Failure> {
    let client = HttpClient::new(&host.client)?;
    Ok(WasmPlugin::link(engine, compiled, LoadOptions { host, plugin, client, metrics: Metrics::new() })?)
}

fn missing(of: &[String], from: &[String]) -> Vec<String> {
    of.iter().filter(|import| !from.contains(import)).cloned().collect()
}
