//! A node, by name and by its lives.

use std::fmt;
use std::sync::Arc;

use highway::{HighwayHash, HighwayHasher, Key};
use serde::{Deserialize, Serialize};

/// The name of a node, from its configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct NodeName {
    text: Arc<str>,
    /// Of the text, worked out once: each question for an owner needs it.
    pub(super) hash: u64,
}

impl NodeName {
    /// As configured.
    pub fn new(name: &str) -> Self {
        Self { text: name.into(), hash: hash(&[name]) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<String> for NodeName {
    fn from(name: String) -> Self {
        Self::new(&name)
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        (*name.text).to_owned()
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One life of a node: a node that was taken for gone comes back as another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) name: NodeName,
    pub(super) incarnation: u64,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:x}", self.name, self.incarnation)
    }
}

pub(super) fn hash(texts: &[&str]) -> u64 {
    let mut hasher = HighwayHasher::new(Key([0x6e6f_6465, 0x6f77_6e65, 0x7273, 1]));
    for text in texts {
        hasher.append(&(text.len() as u64).to_le_bytes());
        hasher.append(text.as_bytes());
    }
    hasher.finalize64()
}
