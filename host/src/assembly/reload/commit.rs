//! What was prepared takes over.

use futures::FutureExt as _;
use futures::future::join_all;
use tracing::{info, warn};

use super::prepare::{Host, Prepared};
use super::{Reloader, State};
use crate::config::{AdminConfig, Config, HttpConfig, LogConfig};
use crate::logging;
use crate::swap::Receipt;

impl Reloader {
    /// Returns the receipts of the swaps that this has caused.
    pub(super) async fn commit(&self, state: &mut State, config: Config, prepared: Prepared) -> Vec<Receipt> {
        let Prepared { hosts, xmpp } = prepared;
        let running: Vec<_> = hosts.iter().map(|host| host.running().clone()).collect();
        let stays = |domain: &str| running.iter().any(|host| host.config.domain == domain);
        let removed: Vec<_> = state.hosts.iter().filter(|host| !stays(&host.config.domain)).cloned().collect();

        self.shown.settings.replace(&config.http, &config.admin);
        *self.shutdown_timeout.lock() = config.shutdown_timeout;
        if config.log.filter != state.config.log.filter
            && let Err(error) = logging::set_filter(&config.log.filter)
        {
            warn!(%error, "the filter of the log stays as it was");
        }
        self.shown.show(&running);
        // Last, so that whoever logs in at a domain that is new finds all of it.
        if let Some((hosts, hosted)) = self.xmpp.as_ref().zip(xmpp)
            && let Err(error) = hosts.commit(hosted)
        {
            warn!(%error, "the XMPP endpoint serves the domains that it has served before");
        }
        for host in &removed {
            info!(domain = %host.config.domain, "the virtual host is no longer served");
            host.swapper.stop();
        }
        let commits: Vec<_> = hosts.into_iter().map(|host| takes_over(host).boxed()).collect();
        let swaps = join_all(commits).await.into_iter().flatten().collect();
        *state = State { config: taken_over(&state.config, config), hosts: running };
        swaps
    }
}

async fn takes_over(host: Host) -> Option<Receipt> {
    match host {
        Host::Same(_) => None,
        Host::Added(running) => {
            running.swapper.watch();
            None
        }
        Host::Changed(running, reconfiguration) => {
            running.retune();
            reconfiguration.commit().await
        }
    }
}

/// What runs now: what a host that runs can take over of `new`, and the rest of `old`.
fn taken_over(old: &Config, new: Config) -> Config {
    Config {
        shutdown_timeout: new.shutdown_timeout,
        log: LogConfig { filter: new.log.filter, format: old.log.format },
        http: HttpConfig {
            token: new.http.token,
            cors_origins: new.http.cors_origins,
            request_timeout: new.http.request_timeout,
            ..old.http.clone()
        },
        admin: AdminConfig { token: new.admin.token, ..old.admin.clone() },
        hosts: new.hosts,
        ..old.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    /// A value for every key that is not the default, and the least there has to be.
    const OTHER: &str = "shutdown_timeout = '1s'\nplugin_state = 'state'\n[log]\nfilter = 'warn'\nformat = 'json'\n[http]\n\
        listen = '127.0.0.1:1'\ntoken = 't'\nmax_body = 1\nrequest_timeout = '1s'\nheader_timeout = '1s'\n\
        cors_origins = ['https://x']\n[admin]\nlisten = '127.0.0.1:2'\ntoken = 't'\nmax_streams = 1\n[limits]\n\
        total_memory = '2MiB'\n[[host]]\ndomain = 'other'\nsettings.http_roster_url = 'http://x/%s'\nlimits.max_memory = '1MiB'";

    #[test]
    fn what_runs_after_a_reload_differs_from_the_file_in_what_needs_a_restart_and_nothing_else() {
        let new = Config::parse(OTHER, Path::new("t.toml")).unwrap();
        let old = Config::default();
        let expected: Vec<_> = old.changes(&new).into_iter().filter(|change| change.needs_restart).collect();
        assert!(expected.len() > 6, "{expected:?}");
        assert_eq!(taken_over(&old, new.clone()).changes(&new), expected);
    }
}
