//! One item of a page, and the contact that it stands for.

use jid::Jid;
use serde::Deserialize;

/// How two people stand to each other, as the application says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// Each follows the other.
    #[default]
    Mutual,
    /// The user follows the contact.
    Following,
    /// The contact follows the user.
    Follower,
    /// Neither.
    None,
}

/// An item as it is in the JSON. Fields that are not known are ignored.
#[derive(Clone, Debug, Deserialize)]
pub struct Item {
    /// Any spelling of a JID.
    pub address: String,
    /// The name the user sees.
    pub display_name: Option<String>,
    /// How the two stand to each other.
    #[serde(default)]
    pub relation: Relation,
    /// The user has asked to follow and has no answer yet.
    #[serde(default)]
    pub pending: bool,
    /// The user's own labels for the contact.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// A contact as it goes to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The normalised bare JID.
    pub jid: String,
    /// See [`Item::display_name`].
    pub name: Option<String>,
    /// See [`Item::relation`].
    pub relation: Relation,
    /// See [`Item::pending`].
    pub pending: bool,
    /// See [`Item::labels`]; each once.
    pub labels: Vec<String>,
}

/// Why an item is no contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// RFC 7622 says no.
    #[error("its address is no JID")]
    Address,
    /// Nobody is a contact of himself.
    #[error("it is the user")]
    Owner,
    /// XML cannot carry it, or no person can read it.
    #[error("a text of it has a control character")]
    Control,
}

impl Contact {
    /// The contact that `item` stands for in the roster of `owner` (a bare JID).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(item: Item, owner: &str) -> Result<Self, Fault> {
        let jid = Jid::new(&item.address).map_err(|_| Fault::Address)?.to_bare().to_string();
        if jid == owner {
            return Err(Fault::Owner);
        }
        let mut labels: Vec<String> = Vec::new();
        for label in item.labels {
            // RFC 6121 section 2.1.2.6: no group without a name.
            if !label.is_empty() && !labels.contains(&label) {
                labels.push(label);
            }
        }
        if item.display_name.iter().chain(&labels).any(|text| text.chars().any(unfit)) {
            return Err(Fault::Control);
        }
        Ok(Self { jid, name: item.display_name, relation: item.relation, pending: item.pending, labels })
    }
}

fn unfit(c: char) -> bool {
    c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn contact(json: &str) -> Result<Contact, Fault> {
        Contact::of(serde_json::from_str(json).unwrap(), "john@example.com")
    }

    #[test]
    fn an_item_is_read_with_its_defaults() {
        let plain = contact(r#"{"address": "Marie@Example.com/phone", "id": 7}"#).unwrap();
        let expected = Contact {
            jid: "marie@example.com".into(),
            name: None,
            relation: Relation::Mutual,
            pending: false,
            labels: Vec::new(),
        };
        assert_eq!(plain, expected);
        let full = contact(
            r#"{"address": "m@x", "display_name": "M", "relation": "following", "pending": true, "labels": ["A", "", "A"]}"#,
        );
        let expected = Contact {
            jid: "m@x".into(),
            name: Some("M".into()),
            relation: Relation::Following,
            pending: true,
            labels: vec!["A".into()],
        };
        assert_eq!(full.unwrap(), expected);
    }

    #[test]
    fn an_item_that_cannot_be_a_contact_says_why() {
        for (json, fault) in [
            (r#"{"address": "@@bad"}"#, Fault::Address),
            (r#"{"address": ""}"#, Fault::Address),
            (r#"{"address": "JOHN@example.com"}"#, Fault::Owner),
            (r#"{"address": "m@x", "display_name": "a\u0007"}"#, Fault::Control),
            (r#"{"address": "m@x", "labels": ["a\nb"]}"#, Fault::Control),
        ] {
            assert_eq!(contact(json).unwrap_err(), fault, "{json}");
        }
    }
}
