//! One item of a page, and the contact that it stands for.

use roster_jid::bare_jid;
use serde_json::Value;
use xmpp_roster_plugin::{Contact, Subscription};

/// Why an item is no contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no address to go by.
    #[error("it has no address")]
    NoAddress,
    /// RFC 7622 says no.
    #[error("its address is no JID")]
    Address,
    /// Nobody is a contact of himself.
    #[error("it is the user")]
    Owner,
}

/// The contact that `item` stands for in the roster of `owner` (a bare JID). A field that cannot be used is left out or
/// mended, and named to `odd`; fields that are not known are ignored.
///
/// # Errors
/// Why it is none.
pub fn read(item: &Value, owner: &str, mut odd: impl FnMut(&'static str)) -> Result<Contact, Fault> {
    let address = item.get("address").and_then(Value::as_str).ok_or(Fault::NoAddress)?;
    let jid = bare_jid(address).map_err(|_| Fault::Address)?.into_owned();
    if jid == owner {
        return Err(Fault::Owner);
    }
    let name = match item.get("display_name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(mended(name, || odd("display_name"))),
        Some(_) => {
            odd("display_name");
            None
        }
    };
    let subscription = match item.get("relation").map(|relation| (relation, relation.as_str())) {
        None | Some((Value::Null, _) | (_, Some("mutual"))) => Subscription::Both,
        Some((_, Some("following"))) => Subscription::To,
        Some((_, Some("follower"))) => Subscription::From,
        Some((_, Some("none"))) => Subscription::None,
        // What is not understood shares nobody's presence.
        Some(_) => {
            odd("relation");
            Subscription::None
        }
    };
    let ask = match item.get("pending") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(pending)) => *pending,
        Some(_) => {
            odd("pending");
            false
        }
    };
    let mut groups: Vec<String> = Vec::new();
    let mut is_odd = false;
    match item.get("labels") {
        None | Some(Value::Null) => {}
        Some(Value::Array(given)) => {
            for label in given {
                match label.as_str().map(|label| mended(label, || is_odd = true)) {
                    // RFC 6121 section 2.1.2.6: no group without a name.
                    Some(label) if !label.is_empty() && !groups.contains(&label) => groups.push(label),
                    Some(_) => {}
                    None => is_odd = true,
                }
            }
        }
        Some(_) => is_odd = true,
    }
    if is_odd {
        odd("labels");
    }
    Ok(Contact { jid, name, subscription, ask, groups })
}

/// A text as XML can carry it and a person can read it.
fn mended(text: &str, odd: impl FnOnce()) -> String {
    let fit = |c: char| match c {
        '\u{FFFE}' | '\u{FFFF}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => ' ',
        c => c,
    };
    let mended: String = text.chars().map(fit).collect();
    if mended != text {
        odd();
    }
    mended
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn item(json: &str) -> (Result<Contact, Fault>, Vec<&'static str>) {
        let mut odd = Vec::new();
        let contact = read(&serde_json::from_str(json).unwrap(), "john@example.com", |field| odd.push(field));
        (contact, odd)
    }

    fn contact(json: &str) -> Result<Contact, Fault> {
        let (contact, odd) = item(json);
        assert!(odd.is_empty(), "{json}: {odd:?}");
        contact
    }

    #[test]
    fn an_item_is_read_with_its_defaults() {
        let plain = contact(r#"{"address": "Marie@Example.com/phone", "id": 7}"#).unwrap();
        assert_eq!(plain, Contact::new("marie@example.com"));
        let full = contact(
            r#"{"address": "m@x", "display_name": "M", "relation": "following", "pending": true, "labels": ["A", "", "A"]}"#,
        );
        let expected = Contact {
            jid: "m@x".into(),
            name: Some("M".into()),
            subscription: Subscription::To,
            ask: true,
            groups: vec!["A".into()],
        };
        assert_eq!(full.unwrap(), expected);
    }

    #[test]
    fn an_item_that_cannot_be_a_contact_says_why() {
        for (json, fault) in [
            (r#"{"address": "@@bad"}"#, Fault::Address),
            (r#"{"address": ""}"#, Fault::Address),
            (r#"{"address": "JOHN@example.com"}"#, Fault::Owner),
            (r#"{"address": 7}"#, Fault::NoAddress),
            ("{}", Fault::NoAddress),
            ("null", Fault::NoAddress),
        ] {
            assert_eq!(contact(json).unwrap_err(), fault, "{json}");
        }
    }

    #[test]
    fn a_field_that_cannot_be_used_costs_that_field_and_shares_nothing() {
        let plain = || contact(r#"{"address": "m@x", "display_name": null, "relation": null}"#).unwrap();
        let named = |name: &str| Contact { name: Some(name.to_owned()), ..plain() };
        for (field, expected) in [
            (r#""display_name": 7"#, plain()),
            (r#""display_name": "a\tb\uffff""#, named("a b\u{FFFD}")),
            (r#""relation": "blocked""#, Contact { subscription: Subscription::None, ..plain() }),
            (r#""relation": 7"#, Contact { subscription: Subscription::None, ..plain() }),
            (r#""pending": "yes""#, plain()),
            (r#""labels": "A""#, plain()),
            (r#""labels": ["A", 7, "b\nc"]"#, Contact { groups: vec!["A".into(), "b c".into()], ..plain() }),
        ] {
            let (contact, odd) = item(&format!(r#"{{"address": "m@x", {field}}}"#));
            assert_eq!(contact.unwrap(), expected, "{field}");
            assert!(matches!(odd[..], [odd] if field.contains(odd)), "{field}: {odd:?}");
        }
    }
}
