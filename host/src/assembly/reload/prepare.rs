//! Everything that can fail about another configuration, before anything is changed.

use futures::future::{BoxFuture, join_all};
use roster_xmpp::Hosted;

use super::{Reloader, Running, State};
use crate::config::{Config, HostConfig};
use crate::plugin::PluginEngine;
use crate::swap::{Module, Receipt, Reconfiguration};
use crate::tls;
use crate::xmpp::Wanted;

/// What is ready to take over.
pub(super) struct Prepared {
    /// In the order of the new configuration.
    pub(super) hosts: Vec<Host>,
    /// `None`: there is no endpoint.
    pub(super) xmpp: Option<Vec<Hosted>>,
}

/// A virtual host of the new configuration.
pub(super) enum Host {
    /// It is configured as it was.
    Same(Running),
    /// It runs and has another configuration, with what is to be committed.
    Changed(Running, Box<Reconfiguration>),
    /// It has not run before.
    Added(Running),
}

impl Host {
    /// What the configuration itself does not say: another module will serve.
    pub(super) fn warning(&self) -> Option<String> {
        let Self::Changed(running, prepared) = self else { return None };
        let (old, new) = prepared.replaces()?;
        let shown = |module: &Module| format!("{}, SHA-256 {}", module.name, module.digest);
        let reason =
            format!("the plugin that serves ({}) is replaced by the configured one ({})", shown(old), shown(new));
        Some(line(&running.config.domain, &reason))
    }

    pub(super) fn running(&self) -> &Running {
        match self {
            Self::Same(running) | Self::Changed(running, _) | Self::Added(running) => running,
        }
    }
}

impl Reloader {
    /// What is wrong, one line each: all of it.
    pub(super) async fn prepare(&self, state: &State, config: &Config) -> Result<Prepared, Vec<String>> {
        let mut mistakes = refused_changes(&state.config, config);
        mistakes.extend(unusable_certificates(&state.config, config));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let all: Vec<_> = config.hosts.iter().map(|host| self.host(state, host)).collect();
        let mut hosts = Vec::new();
        for prepared in join_all(all).await {
            match prepared {
                Ok(host) => hosts.push(host),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        let wanted: Vec<_> = hosts
            .iter()
            .map(|host| Wanted {
                host: &host.running().config,
                rosters: &host.running().rosters,
                same: matches!(host, Host::Same(_)),
            })
            .collect();
        let xmpp =
            match self.xmpp.as_ref().filter(|_| mistakes.is_empty()).map(|xmpp| xmpp.prepare(&wanted)).transpose() {
                Ok(xmpp) => xmpp,
                Err(error) => {
                    mistakes.push(error.to_string());
                    None
                }
            };
        // The last that can fail, when all else is ready: nobody else's swap or rollback comes between this and the commit.
        let ready = mistakes.is_empty();
        for host in hosts.iter_mut().filter(|_| ready) {
            if let Host::Changed(running, prepared) = host
                && let Err(receipt) = prepared.hold().await
            {
                mistakes.push(line(&running.config.domain, &why(&receipt)));
            }
        }
        if mistakes.is_empty() {
            return Ok(Prepared { hosts, xmpp });
        }
        for host in &hosts {
            if let Host::Added(running) = host {
                running.swapper.stop();
            }
        }
        Err(mistakes)
    }

    fn host<'a>(&'a self, state: &'a State, host: &'a HostConfig) -> BoxFuture<'a, Result<Host, String>> {
        Box::pin(self.prepare_host(state, host))
    }

    async fn prepare_host(&self, state: &State, host: &HostConfig) -> Result<Host, String> {
        let Some(running) = state.hosts.iter().find(|running| running.config.domain == host.domain) else {
            // With an engine of its own: the one that runs has room for those it was made for.
            let engine = self.parts.engine.beside(std::slice::from_ref(host)).map_err(|error| error.to_string())?;
            return self.parts.start(&engine, host, 0).await.map(Host::Added).map_err(|error| error.to_string());
        };
        if running.config == *host {
            return Ok(Host::Same(running.clone()));
        }
        let line = |reason: String| line(&host.domain, &reason);
        let client = running.swapper.client().replaced(&host.client).map_err(|error| line(error.to_string()))?;
        let engine = engine_for(&running.swapper.engine(), running, host).map_err(&line)?;
        let prepared = running.swapper.reconfigure(host, engine, client).await;
        let prepared = prepared.map_err(|receipt| line(why(&receipt)))?;
        Ok(Host::Changed(Running { config: host.clone(), ..running.clone() }, Box::new(prepared)))
    }
}

/// The engine that runs the host now, unless it has no room for what it may take from now on.
fn engine_for(engine: &PluginEngine, running: &Running, host: &HostConfig) -> Result<PluginEngine, String> {
    let fits = host.limits.max_memory <= engine.size().memory
        && host.limits.max_concurrent_calls <= running.config.limits.max_concurrent_calls;
    if fits { Ok(engine.clone()) } else { engine.beside(std::slice::from_ref(host)).map_err(|error| error.to_string()) }
}

fn line(domain: &str, reason: &str) -> String {
    format!("[[host]] {domain}: {reason}")
}

fn why(receipt: &Receipt) -> String {
    receipt.reason.clone().unwrap_or_else(|| "the plugin was refused".to_owned())
}

/// Of other files than those in use: they are needed at the next start only, which would not be one.
fn unusable_certificates(running: &Config, config: &Config) -> Option<String> {
    fn files(config: &Config) -> impl PartialEq + '_ {
        let (xmpp, attach) = (config.xmpp.as_ref(), config.attach.as_ref());
        (&config.http.tls, xmpp.map(|xmpp| &xmpp.certificate), attach.map(|attach| &attach.tls))
    }
    if files(running) == files(config) {
        return None;
    }
    tls::check(config).err().map(|error| error.to_string())
}

/// What would leave the host in a state that no configuration describes.
fn refused_changes(running: &Config, config: &Config) -> Vec<String> {
    let mut mistakes = Vec::new();
    let open = running.admin.listen.filter(|address| !address.ip().to_canonical().is_loopback());
    if let Some(address) = open.filter(|_| config.admin.token.is_none()) {
        mistakes.push(format!(
            "admin.token: it cannot be taken away while the admin listener is at {address}, which is not a loopback address; \
             restart the host for another admin.listen"
        ));
    }
    // Nodes know each other's virtual hosts by their places, and those with an endpoint for clients are told once.
    let places = |config: &Config| -> Vec<_> {
        config.hosts.iter().map(|host| (host.domain.clone(), host.accounts.is_some())).collect()
    };
    if running.cluster.is_some() && places(running) != places(config) {
        mistakes.push(
            "[[host]]: virtual hosts cannot be added, removed or moved, nor begin or cease to have accounts, while the host is a node \
             of a cluster, all of whose nodes have the same ones in the same order; this needs a restart of the nodes"
                .to_owned(),
        );
    }
    for node in running.attach.iter().flat_map(|attach| &attach.nodes) {
        if !config.hosts.iter().any(|host| host.domain == node.domain) {
            mistakes.push(format!(
                "[[host]] {}: it cannot be removed while the server {} is attached to it; remove [[attach.node]] {} too and \
                 restart the host",
                node.domain, node.name, node.name
            ));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    #[test]
    fn the_virtual_hosts_of_a_node_of_a_cluster_stay_until_it_is_started_again() {
        const CLUSTER: &str = "[cluster]\nservers = ['nats://127.0.0.1:4222']\nnode = 'a'\n";
        let host = |domain: &str, more: &str| {
            format!("[[host]]\ndomain = '{domain}'\nsettings.http_roster_url = 'http://x/%s'\n{more}\n")
        };
        let (a, b) = (host("a.example", ""), host("b.example", ""));
        let refused = |before: String, after: String| {
            let parse = |text: &str| Config::parse(text, Path::new("t.toml")).unwrap();
            refused_changes(&parse(&before), &parse(&after))
        };
        for (change, after, is_refused) in [
            ("none", format!("{a}{b}"), false),
            ("other limits", format!("{}{b}", host("a.example", "limits.call_timeout = '9s'")), false),
            ("one less", a.clone(), true),
            ("one more", format!("{a}{b}{}", host("c.example", "")), true),
            ("another order", format!("{b}{a}"), true),
            ("accounts", format!("{}{b}", host("a.example", "http_auth_url = 'http://x/auth'")), true),
        ] {
            let mistakes = refused(format!("{CLUSTER}{a}{b}"), format!("{CLUSTER}{after}"));
            let told = mistakes.iter().filter(|line| line.contains("needs a restart")).count();
            assert_eq!(
                (mistakes.len(), told),
                (usize::from(is_refused), usize::from(is_refused)),
                "{change}: {mistakes:?}"
            );
            let alone = refused(format!("{a}{b}"), after);
            assert!(alone.is_empty(), "{change}, and no cluster: {alone:?}");
        }
    }
}
