//! The body of a refresh request: the application's webhook, or the list of usernames that hosts' documentation shows.

use serde_json::Value;

/// The events that are about somebody's contacts; others are not ours.
const CHANGED: &str = "contacts.changed";
const EXPECTED: &str = r#"expected {"events": [{"type": "contacts.changed", "user": "john"}]} or ["john"]"#;

/// The users whose contacts have changed, in the body's order.
///
/// # Errors
/// The body makes no sense; says what was expected.
pub fn users(body: &[u8]) -> Result<Vec<String>, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| format!("{EXPECTED}; not JSON: {error}"))?;
    if let Some(names) = body.as_array() {
        return names.iter().enumerate().map(name).collect();
    }
    let events = body.get("events").and_then(Value::as_array).ok_or_else(|| format!("{EXPECTED}; found no events"))?;
    let mut users = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let text = |field| event.get(field).and_then(Value::as_str);
        let kind = text("type").ok_or_else(|| format!("event {index} has no type (a string)"))?;
        if kind == CHANGED {
            let user = text("user").ok_or_else(|| format!("event {index} names no user (a string)"))?;
            users.push(user.to_owned());
        }
    }
    Ok(users)
}

fn name((index, name): (usize, &Value)) -> Result<String, String> {
    name.as_str().map(str::to_owned).ok_or_else(|| format!("element {index} is no username (a string)"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn events_about_contacts_name_users_and_others_do_not() {
        let body = br#"{"events": [{"type": "contacts.changed", "user": "john", "at": 1}, {"type": "user.deleted"}]}"#;
        assert_eq!(users(body).unwrap(), ["john"]);
        assert_eq!(users(br#"{"events": []}"#).unwrap(), Vec::<String>::new());
        assert_eq!(users(br#"["john", "marie"]"#).unwrap(), ["john", "marie"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_place() {
        for (body, says) in [
            ("", "not JSON"),
            ("{}", "found no events"),
            (r#"{"events": {}}"#, "found no events"),
            (r#"{"events": [{"type": "contacts.changed", "user": "a"}, 7]}"#, "event 1 has no type"),
            (r#"{"events": [{"type": "contacts.changed", "user": 7}]}"#, "event 0 names no user"),
            (r#"["a", 7]"#, "element 1 is no username"),
        ] {
            assert!(users(body.as_bytes()).unwrap_err().contains(says), "{body}");
        }
        assert!(users(b"[[[[\xff").is_err());
    }
}
