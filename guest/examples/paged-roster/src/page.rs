//! One page of the list.

use serde::Deserialize;
use serde_json::Value;

use crate::contact::Item;

/// A page as it is in the JSON.
#[derive(Debug, Deserialize)]
struct Raw {
    items: Vec<Value>,
    #[serde(default)]
    next: Option<String>,
}

/// A page whose items are read one by one: a bad one costs itself and not the page.
#[derive(Debug)]
pub struct Page {
    /// The items, or why one is none.
    pub items: Vec<Result<Item, String>>,
    /// Where the list goes on; `None` on the last page.
    pub next: Option<String>,
}

impl Page {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// It is not a page: what is wrong and where.
    pub fn decode(body: &[u8]) -> Result<Self, String> {
        let raw: Raw = serde_json::from_slice(body).map_err(|error| format!("not a page of contacts: {error}"))?;
        let items = raw.items.into_iter().map(|item| {
            let address = item.get("address").and_then(Value::as_str).unwrap_or("without an address").to_owned();
            Item::deserialize(item).map_err(|error| format!("{}: {error}", address.escape_debug()))
        });
        Ok(Self { items: items.collect(), next: raw.next.filter(|next| !next.is_empty()) })
    }
}
