//! `[cluster]`: the other hosts that serve the same virtual hosts.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use crate::config::Secret;
use crate::config::files::{SecretUse, read_secret};
use crate::config::mistakes::place::At;
use crate::config::table::{Entry, Key, Kind, otherwise, table};
use crate::config::values::kind::{Scalar, count, existing_file, list, node_name, quoted, secs, string, wait_from};
use crate::config::values::kind_secret::{Pair, SecretKeys, secret};

table! {
    /// Several hosts that serve the same virtual hosts, and find each other through NATS with JetStream: `docs/cluster.md`. All of
    /// them have the same `[[host]]` tables. Off without this table.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ClusterConfig (check = cluster) {
        /// URLs of NATS servers, such as `["nats://nats-1:4222", "tls://nats-2:4222"]`.
        servers: Vec<String> = Vec::new(), otherwise(list("array of URLs", nats_url()), "has to be set");
        /// The name of this host, unlike that of any other.
        node: String = String::new(), node_name().required();
        /// What names at NATS begin with: two clusters at one NATS have two.
        prefix: String = "roster-host".to_owned(), prefix();
        /// On how many NATS servers the list of nodes is kept. 3 where there are three servers: one of them may fail.
        replicas: usize = 1, replicas();
        /// A node that gives no sign of life for so long is taken for gone. It stops acting by itself at four fifths of it. A refresh
        /// waits that long for a node that has died.
        node_timeout: Duration = secs(10), wait_from(secs(1));
        /// Where XMPP clients reach this host, such as `chat-1.example.com:5222`: a client that looks for its session at another node
        /// is told so (XEP-0198 section 3).
        client_address: Option<String> = None, string().or_none();
        /// How this host shows NATS who it is.
        credentials: NatsCredentials = NatsCredentials::Nobody, CredentialKeys;
        /// PEM certificates that those of NATS servers are checked with, in the place of the system's.
        ca_file: Option<PathBuf> = None, otherwise(existing_file().or_none(), "the system's");
        /// For NATS servers that check who connects, a PEM file.
        certificate: Option<(PathBuf, PathBuf)> = None, Pair;
    }
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
    /// `nkey_file`
    Nkey(Secret),
    /// `credentials_file`
    Credentials(Secret),
}

fn cluster(_: &mut ClusterConfig, at: &At<'_>) {
    let at = at.key("servers");
    if !at.is_given() {
        at.problem("is missing; name at least one NATS server, such as \"nats://127.0.0.1:4222\"");
    } else if at.read(|value| Ok(value.as_array().is_some_and(|all| all.is_empty()))) == Some(true) {
        at.problem("is empty; name at least one NATS server, such as \"nats://127.0.0.1:4222\"");
    }
}

fn nats_url() -> Scalar<String> {
    let what = "a URL such as \"nats://nats-1:4222\" or \"tls://nats-1:4222\", without a user or password";
    let parse = move |value: &DeValue<'_>| {
        let text = value.as_str().unwrap_or_default();
        let url = url::Url::parse(text).ok().filter(|url| {
            ["nats", "tls"].contains(&url.scheme())
                && url.host_str().is_some_and(|host| !host.is_empty())
                && url.username().is_empty()
                && url.password().is_none()
                && ["", "/"].contains(&url.path())
        });
        // The text is not repeated: it may hold a password.
        url.map(|_| text.trim_end_matches('/').to_owned()).ok_or_else(|| format!("expected {what}"))
    };
    Scalar::new("URL", parse, quoted)
}

fn replicas() -> Scalar<usize> {
    count(1..=5, "servers").checked(|replicas| match replicas {
        1 | 3 | 5 => Ok(()),
        other => Err(format!("{other}: expected 1, 3 or 5")),
    })
}

fn prefix() -> Scalar<String> {
    node_name().checked(|prefix| match prefix.contains('.') {
        true => Err("expected a name without dots".to_owned()),
        false => Ok(()),
    })
}

/// One way at most.
struct CredentialKeys;

impl Kind for CredentialKeys {
    type Value = NatsCredentials;

    fn read(&self, at: &At<'_>, _: &'static str, default: NatsCredentials) -> NatsCredentials {
        let user = string().or_none().read(at, "user", None);
        let password = secret(SecretUse::Password).read(at, "password", None);
        let token = secret(SecretUse::Password).read(at, "token", None);
        let (nkey, credentials) = (secret_file(at, "nkey_file"), secret_file(at, "credentials_file"));
        let has = |key| SecretKeys::is_given(at, key);
        let ways = [
            ("token", has("token")),
            ("user", at.has("user") || has("password")),
            ("nkey_file", at.has("nkey_file")),
            ("credentials_file", at.has("credentials_file")),
        ];
        let mut given = ways.iter().filter(|(_, given)| *given).map(|(key, _)| *key);
        let (first, second) = (given.next(), given.next());
        if let (Some(first), Some(second)) = (first, second) {
            let second = if at.has(second) { second.to_owned() } else { format!("{second}_file") };
            at.key(&second).problem(format!("{first} is given too; give one of the two"));
            return default;
        }
        let way = match first {
            Some("token") => token.map(NatsCredentials::Token),
            Some("user") => {
                for (key, given) in [("user", at.has("user")), ("password", has("password"))] {
                    if !given {
                        at.key(key).problem("is missing; user and password go together");
                    }
                }
                user.zip(password).map(|(user, password)| NatsCredentials::User(user, password))
            }
            Some("nkey_file") => nkey.map(NatsCredentials::Nkey),
            _ => credentials.map(NatsCredentials::Credentials),
        };
        way.unwrap_or(default)
    }

    fn entries(&self, _: &'static str, _: &'static str, value: &NatsCredentials) -> Vec<Entry> {
        let (token, user, password) = match value {
            NatsCredentials::Token(token) => (Some(token.clone()), None, None),
            NatsCredentials::User(user, password) => (None, Some(user.clone()), Some(password.clone())),
            _ => (None, None, None),
        };
        let mut entries =
            secret(SecretUse::Password).entries("token", "How this host shows NATS who it is: a token,", &token);
        entries.extend(string().or_none().entries("user", "or a user", &user));
        entries.extend(secret(SecretUse::Password).entries("password", "with a password,", &password));
        entries.push(Entry::Key(Key::new("nkey_file", "file", "none", "or the seed of an NKey,")));
        let about = "or a `.creds` file, with a JWT and a seed.";
        entries.push(Entry::Key(Key::new("credentials_file", "file", "none", about)));
        entries
    }
}

fn secret_file(at: &At<'_>, key: &'static str) -> Option<Secret> {
    let path = existing_file().or_none().read(at, key, None)?;
    at.key(key).read(|_| read_secret(&path).map(Secret::new))
}
