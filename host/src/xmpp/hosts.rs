//! The virtual hosts of the endpoint, which come and go while it serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use roster_xmpp::accounts::Accounts;
use roster_xmpp::accounts::file::AccountsFile;
use roster_xmpp::accounts::fixed::FixedAccounts;
use roster_xmpp::accounts::http::HttpAccounts;
use roster_xmpp::accounts::table::Account;
use roster_xmpp::domain::Software;
use roster_xmpp::roster_jid::DomainName;
use roster_xmpp::{Domain, DomainOptions, Hosted, Served};

use super::XmppError;
use super::application::Application;
use super::sink::XmppSink;
use super::source::Source;
use crate::cluster::Cluster;
use crate::config::{AccountsConfig, HostConfig, Secret, XmppConfig};
use crate::model::Username;
use crate::rosters::Rosters;

/// See the module.
pub(crate) struct XmppHosts {
    served: Served,
    sink: Arc<XmppSink>,
    xmpp: XmppConfig,
    state: Option<PathBuf>,
}

/// A virtual host as the endpoint is to serve it.
pub(crate) struct Wanted<'a> {
    pub(crate) host: &'a HostConfig,
    pub(crate) rosters: &'a Arc<Rosters>,
    /// It is served so already.
    pub(crate) same: bool,
}

impl XmppHosts {
    pub(super) fn new(served: Served, sink: &Arc<XmppSink>, xmpp: &XmppConfig, state: Option<&Path>) -> Self {
        Self { served, sink: Arc::clone(sink), xmpp: xmpp.clone(), state: state.map(Path::to_owned) }
    }

    /// Everything that can fail about serving these and no others. Sessions of a domain that was served stay.
    pub(crate) fn prepare(&self, wanted: &[Wanted<'_>]) -> Result<Vec<Hosted>, XmppError> {
        let mut all = Vec::new();
        for Wanted { host, rosters, same } in wanted {
            let hosted = match self.served.hosted(&host.domain) {
                now if *same => now,
                Some(now) => {
                    let accounts = accounts_of(host, self.state.as_deref())?;
                    accounts.map(|accounts| Hosted { domain: now.domain, accounts })
                }
                // A node of a cluster gets no further ones while it runs.
                None => new(host, (rosters, None), &self.xmpp, self.state.as_deref())?,
            };
            all.extend(hosted);
        }
        if all.is_empty() { Err(XmppError::NoAccounts) } else { Ok(all) }
    }

    /// These are served from now on.
    pub(crate) fn commit(&self, hosted: Vec<Hosted>) -> Result<(), XmppError> {
        self.sink.replace(domains(&hosted));
        self.served.replace(hosted).map_err(XmppError::Endpoint)
    }
}

/// A domain that has not been served before, by one of several hosts in a `cluster`; `None` if nobody can log in there. `state`: see
/// [`accounts_of`].
pub(super) fn new(
    host: &HostConfig,
    (rosters, cluster): (&Arc<Rosters>, Option<&Arc<Cluster>>),
    xmpp: &XmppConfig,
    state: Option<&Path>,
) -> Result<Option<Hosted>, XmppError> {
    let Some(accounts) = accounts_of(host, state)? else { return Ok(None) };
    let name = DomainName::new(&host.domain).map_err(|_| XmppError::Domain { domain: host.domain.clone() })?;
    let software = Software { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let options = DomainOptions {
        software: Some(software),
        max_sessions_per_user: xmpp.max_sessions_per_user,
        ..DomainOptions::new(name)
    };
    let source = Arc::new(Source::new(rosters));
    let domain = match cluster {
        None => Domain::new(options, source),
        Some(cluster) => Domain::clustered(options, source, cluster.endpoint(rosters.domain())),
    };
    Ok(Some(Hosted { domain, accounts }))
}

/// By their names.
pub(super) fn domains(hosted: &[Hosted]) -> Vec<(Arc<str>, Arc<Domain>)> {
    hosted.iter().map(|hosted| (Arc::from(hosted.domain.name()), Arc::clone(&hosted.domain))).collect()
}

/// `state`: where the host may write, if it cannot beside the accounts.
pub(super) fn accounts_of(host: &HostConfig, state: Option<&Path>) -> Result<Option<Arc<dyn Accounts>>, XmppError> {
    Ok(match &host.accounts {
        None => None,
        Some(AccountsConfig::File(path)) => {
            let opened = AccountsFile::open(path);
            let file = opened.map_err(|source| XmppError::Accounts { domain: host.domain.clone(), source })?;
            let file = match state {
                Some(state) => file.or_secret_in(state.join(format!("accounts-{}.secret", host.domain))),
                None => file,
            };
            Some(Arc::new(file))
        }
        Some(AccountsConfig::Http(http)) => {
            let made = Application::new(http, host);
            let application = made.map_err(|source| XmppError::Client { domain: host.domain.clone(), source })?;
            Some(Arc::new(HttpAccounts::new(Box::new(application), http.cache)))
        }
        Some(AccountsConfig::Fixed(passwords)) => {
            let account = |(user, password): &(String, Secret)| match Username::new(user) {
                Ok(user) => Ok((user, Account::new(password.reveal()))),
                Err(_) => Err(XmppError::Username { domain: host.domain.clone(), user: user.clone() }),
            };
            Some(Arc::new(FixedAccounts::new(passwords.iter().map(account).collect::<Result<_, _>>()?)))
        }
    })
}
