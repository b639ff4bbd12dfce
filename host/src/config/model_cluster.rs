//! The checked configuration of `[cluster]`.

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;

/// `[cluster]`: the other hosts that serve the same virtual hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// `servers`: URLs of NATS servers, such as `nats://nats-1:4222` or `tls://nats-1:4222`. At least one.
    pub servers: Vec<String>,
    /// `node`: the name of this host, unlike all others.
    pub node: String,
    /// `prefix`: what names at NATS begin with, default `roster-host`.
    pub prefix: String,
    /// `replicas`: on how many NATS servers the list of nodes is kept, 1 (the default), 3 or 5.
    pub replicas: usize,
    /// `node_timeout`: a node that gives no sign of life for so long is taken for gone, default 10 s. It stops acting by itself at
    /// four fifths of it.
    pub node_timeout: Duration,
    /// How this host shows NATS who it is.
    pub credentials: NatsCredentials,
    /// `ca`: a PEM file with the certificates that NATS servers are checked with, in the place of the system's.
    pub ca: Option<PathBuf>,
    /// `certificate` and `key`: PEM files, for NATS servers that check who connects.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// How a host shows NATS who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NatsCredentials {
    /// Not at all.
    #[default]
    Nobody,
    /// `token` or `token_file`
    Token(Secret),
    /// `user`, and `password` or `password_file`
    User(String, Secret),
    /// `nkey_file`: the seed of an NKey.
    Nkey(Secret),
    /// `credentials_file`: a `.creds` file, with a JWT and a seed.
    Credentials(Secret),
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            node: String::new(),
            prefix: "roster-host".to_owned(),
            replicas: 1,
            node_timeout: Duration::from_secs(10),
            credentials: NatsCredentials::Nobody,
            ca: None,
            certificate: None,
        }
    }
}
