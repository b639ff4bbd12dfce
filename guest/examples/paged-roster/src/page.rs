//! One page of the list.

use serde::Deserialize;
use serde_json::Value;

/// A page. Its items are read one by one: what is wrong with one costs that and not the page.
#[derive(Debug, Deserialize)]
pub struct Page {
    /// The items.
    pub items: Vec<Value>,
    /// Where the list goes on; `None` or empty on the last page.
    #[serde(default)]
    pub next: Option<String>,
}

impl Page {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// It is not a page: what is wrong and where.
    pub fn decode(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| format!("not a page of contacts: {error}"))
    }
}
