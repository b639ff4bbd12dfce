//! The protocol of the example plugin `paged-roster`, spoken by the application beside the other one: what is set for a
//! user as a JSON object is listed in pages under `/v1/users/{user}/contacts`, with an `ETag`.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

/// Contacts on one page.
const PER_PAGE: usize = 2;

/// What a request for a page asks for.
pub(super) struct PageRequest<'p> {
    /// The user, as on the wire.
    pub(super) user: &'p str,
    cursor: usize,
}

impl<'p> PageRequest<'p> {
    /// Reads a path with its query. `None`: it is of the other protocol.
    pub(super) fn of(path: &'p str) -> Option<Self> {
        let (user, rest) = path.strip_prefix("/v1/users/")?.split_once("/contacts")?;
        let cursor = rest.strip_prefix("?cursor=").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        Some(Self { user, cursor })
    }

    /// The `ETag` and the body of the page, of the contacts in `object` (the answer of the other protocol).
    pub(super) fn page(&self, object: &str) -> (String, String) {
        let contacts: Value = serde_json::from_str(object).unwrap();
        let item = |(jid, fields): (&String, &Value)| {
            let mut item = json!({ "address": jid });
            if let Some(name) = fields.get("name") {
                item["display_name"] = name.clone();
            }
            item
        };
        let items: Vec<Value> = contacts.as_object().unwrap().iter().map(item).collect();
        let end = items.len().min(self.cursor + PER_PAGE);
        let next = (end < items.len()).then(|| end.to_string());
        let mut hasher = DefaultHasher::new();
        object.hash(&mut hasher);
        let page = json!({ "items": items[self.cursor.min(end)..end], "next": next });
        (format!("\"{:x}\"", hasher.finish()), page.to_string())
    }

    /// Is it the page that may be answered with 304?
    pub(super) fn is_first(&self) -> bool {
        self.cursor == 0
    }
}
