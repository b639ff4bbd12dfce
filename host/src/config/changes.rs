//! What one configuration has and another has not, key by key, and what of it a host that runs can take over.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Entry, Table};
use super::{AttachConfig, Config};

/// What is said in the place of a value that is not to be shown.
const NOT_SHOWN: &str = "(not shown)";

/// The keys that a reload takes over, and tables all of whose keys it takes over; any other needs a restart.
const AT_RELOAD: [&str; 7] = [
    "shutdown_timeout",
    "log.filter",
    "http.token",
    "http.cors_origins",
    "http.request_timeout",
    "admin.token",
    "host",
];

/// A key whose value is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its full name, such as `host[example.com].limits.call_timeout`: virtual hosts by their domains.
    pub key: String,
    /// What it was, as it would be written; of a secret, that it was.
    pub old: String,
    /// What it is.
    pub new: String,
    /// A host that runs has to be started again for it.
    pub needs_restart: bool,
}

/// Whether a host that runs takes over another value of `key`, written without the domains of virtual hosts.
pub(super) fn is_taken_over(key: &str) -> bool {
    // What is in the file of a secret is the secret.
    let key = key.strip_suffix("_file").unwrap_or(key);
    AT_RELOAD
        .iter()
        .any(|known| key.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
}

impl Config {
    /// What `new` has that this one has not, in the order of the keys' names.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let (old, new) = (values(self), values(new));
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let change = |key: &String| {
            let shown = |value: Option<&Value>| match value {
                None => "none".to_owned(),
                Some(value) if value.secret && value.text != "none" => NOT_SHOWN.to_owned(),
                Some(value) => value.text.clone(),
            };
            let (before, after) = (old.get(key), new.get(key));
            let differs = before.map(|value| &value.text) != after.map(|value| &value.text);
            differs.then(|| Change {
                key: key.clone(),
                old: shown(before),
                new: shown(after),
                needs_restart: !is_taken_over(key),
            })
        };
        // Of what is there in one of them only, that is all there is to say.
        let one_sided: Vec<&String> = keys
            .iter()
            .copied()
            .filter(|key| is_whole(key, &old) || is_whole(key, &new))
            .filter(|key| old.contains_key(*key) != new.contains_key(*key))
            .collect();
        let inside =
            |key: &String| one_sided.iter().any(|whole| key.len() > whole.len() && key.starts_with(whole.as_str()));
        keys.iter().filter(|key| !inside(key)).filter_map(|key| change(key)).collect()
    }
}

struct Value {
    text: String,
    secret: bool,
    /// It stands for a table that may be left out, or that there may be several of.
    whole: bool,
}

fn is_whole(key: &str, values: &BTreeMap<String, Value>) -> bool {
    values.get(key).is_some_and(|value| value.whole)
}

/// Every key, and of each table that need not be there that it is.
fn values(config: &Config) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    add("", config.entries(), &mut values);
    let mut several = |key: String, entries: Vec<Entry>| {
        values.insert(key.clone(), Value { text: "there".into(), secret: false, whole: true });
        add(&key, entries, &mut values);
    };
    for host in &config.hosts {
        several(format!("host[{}]", host.domain), host.entries());
    }
    for node in config.attach.iter().flat_map(|AttachConfig { nodes, .. }| nodes) {
        several(format!("attach.node[{}]", node.name), node.entries());
    }
    values
}

fn add(path: &str, entries: Vec<Entry>, into: &mut BTreeMap<String, Value>) {
    for entry in entries {
        let name = format!("{path}.{}", entry.name()).trim_start_matches('.').to_owned();
        match entry {
            Entry::Key(key) => drop(into.insert(name, Value { text: key.value, secret: key.secret, whole: false })),
            Entry::Table(table) if table.many || !table.is_there => {}
            Entry::Table(table) => {
                if table.optional {
                    into.insert(name.clone(), Value { text: "there".into(), secret: false, whole: true });
                }
                add(&name, table.entries, into);
            }
        }
    }
}
