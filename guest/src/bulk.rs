//! The rosters of many users in one request.
//!
//! `POST http_roster_bulk_url` with a JSON object: for each user the validator of the roster that the host holds, or null.
//!
//! ```json
//! {"john": "\"v1\"", "marie": null}
//! ```
//!
//! The answer is an object, too. For each user:
//!
//! | Value | Means |
//! |---|---|
//! | an object, or `[]` | the roster, as the answer to a request for this user |
//! | an array `[validator, roster]` | the same with the validator that an `ETag` would be |
//! | null, or nothing at all | the roster is as it was, if a validator was sent; else the user is asked for alone |
//! | a number from 100 to 599 | what would be the status of the answer for this user, such as 404 |
//!
//! Here the answer is only cut into its parts ([`split`]): what a part says is read as the answer for that user alone, so what is
//! wrong in one is that user's fault.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use serde_json::{Map, Value};
use xmpp_roster_plugin::FetchError;
use xmpp_roster_plugin::etag::condition;

use crate::json::cursor::Cursor;
use crate::protocol::MAX_BODY;

/// The most users that one request names, whatever the operator allows.
pub const MOST_USERS: u32 = 10_000;

/// What the answer says of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'b> {
    /// Where in the body the roster is, and its validator.
    Roster {
        /// Bytes of the body.
        range: Range<usize>,
        /// As an `ETag` would be.
        etag: Option<Cow<'b, str>>,
    },
    /// A status in the place of a roster.
    Status(u16),
    /// It says that nothing has changed, or nothing at all.
    Unchanged,
    /// Not to be understood: the user is asked for alone.
    Missing,
}

/// The body of the request: users, and the tags of the rosters that the host holds.
#[must_use]
pub fn request<'a>(users: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> Vec<u8> {
    let validators = users.map(|(user, tag)| (user.to_owned(), condition(tag).map_or(Value::Null, Value::from)));
    Value::Object(validators.collect::<Map<_, _>>()).to_string().into_bytes()
}

/// The parts of the body of the answer, in the order of `users` and as many. Of two for one user the last counts, as in JSON
/// elsewhere here.
///
/// # Errors
/// The body is too long, or no JSON object as far as is looked at: where it is what.
pub fn split<'b>(users: &[String], body: &'b [u8]) -> Result<Vec<Part<'b>>, FetchError> {
    if body.len() > MAX_BODY {
        return Err(FetchError::TooLarge);
    }
    let mut parts = vec![Part::Unchanged; users.len()];
    let places = Places::new(users);
    let mut next = 0;
    let mut text = Cursor::new(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body));
    let at = |text: &Cursor<'_>| body.len() - text.rest().len();
    let malformed = |text: &Cursor<'_>| {
        FetchError::Malformed(format!("the body is no object of rosters: it cannot be read from byte {} on", at(text)))
    };
    let mut read = || {
        if is_empty_array(text) {
            return text.skip_value().ok_or(());
        }
        text.eat(b'{').ok_or(())?;
        if text.eat(b'}').is_some() {
            return Ok(());
        }
        loop {
            let user: Cow<'_, str> = text.text().ok_or(())?;
            text.eat(b':').ok_or(())?;
            text.skip_space();
            let begin = at(&text);
            let part = part(&mut text, begin, &at).ok_or(())?;
            if let Some(place) = places.find(&user, next) {
                next = place + 1;
                if let Some(slot) = parts.get_mut(place) {
                    *slot = part;
                }
            }
            if !text.another(b'}').ok_or(())? {
                return Ok(());
            }
        }
    };
    let read: Result<(), ()> = read();
    if read.is_err() || !text.is_at_end() {
        return Err(malformed(&text));
    }
    Ok(parts)
}

/// Where users are: nearly always the next one is asked for.
struct Places<'u> {
    users: &'u [String],
    by_name: std::cell::OnceCell<HashMap<&'u str, usize>>,
}

impl<'u> Places<'u> {
    const fn new(users: &'u [String]) -> Self {
        Self { users, by_name: std::cell::OnceCell::new() }
    }

    fn find(&self, user: &str, next: usize) -> Option<usize> {
        if self.users.get(next).is_some_and(|wanted| wanted == user) {
            return Some(next);
        }
        let by_name =
            || self.users.iter().enumerate().map(|(place, user)| (user.as_str(), place)).collect::<HashMap<_, _>>();
        self.by_name.get_or_init(by_name).get(user).copied()
    }
}

/// One user's value, which begins at byte `begin`. None: it is no JSON as far as is looked at.
fn part<'b>(text: &mut Cursor<'b>, begin: usize, at: &impl Fn(&Cursor<'b>) -> usize) -> Option<Part<'b>> {
    let mut value = *text;
    text.skip_value()?;
    let whole = begin..at(text);
    Some(match value.rest().first()? {
        b'n' => Part::Unchanged,
        b'0'..=b'9' => match value.value::<u16>() {
            Some(status @ 100..600) => Part::Status(status),
            _ => Part::Missing,
        },
        b'[' if is_empty_array(value) => Part::Roster { range: whole, etag: None },
        b'[' => pair(&mut value, at).unwrap_or(Part::Missing),
        // What is no roster is said by who reads it.
        _ => Part::Roster { range: whole, etag: None },
    })
}

/// What PHP writes for an empty object.
fn is_empty_array(mut text: Cursor<'_>) -> bool {
    text.eat(b'[').and_then(|()| text.eat(b']')).is_some()
}

/// `[validator, roster]`, in text that has been skipped once.
fn pair<'b>(text: &mut Cursor<'b>, at: &impl Fn(&Cursor<'b>) -> usize) -> Option<Part<'b>> {
    text.eat(b'[')?;
    let etag = match text.literal(b"null") {
        Some(()) => None,
        None => Some(text.text()?),
    };
    text.eat(b',')?;
    text.skip_space();
    let begin = at(text);
    text.skip_value()?;
    let range = begin..at(text);
    text.eat(b']')?;
    Some(Part::Roster { range, etag })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    fn users(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// The parts with the text in the place of its position.
    fn texts(names: &[&str], body: &str) -> Result<Vec<String>, FetchError> {
        let parts = split(&users(names), body.as_bytes())?;
        Ok(parts
            .into_iter()
            .map(|part| match part {
                Part::Roster { range, etag } => format!("{}{}", etag.unwrap_or_default(), &body[range]),
                Part::Status(status) => status.to_string(),
                Part::Unchanged => "=".to_owned(),
                Part::Missing => "?".to_owned(),
            })
            .collect())
    }

    #[test]
    fn validators_are_sent_where_they_can_be_sent_back() {
        let tags: [(&str, Option<&[u8]>); 4] =
            [("a\"b", Some(b"\"v1\"")), ("john", None), ("marie", Some(b"")), ("x", Some(b"*"))];
        let body = request(tags.into_iter());
        assert_eq!(String::from_utf8(body).unwrap(), r#"{"a\"b":"\"v1\"","john":null,"marie":null,"x":null}"#);
    }

    #[test]
    fn an_answer_is_cut_into_its_parts() {
        let names = ["john", "marie", "ä\"\\"];
        for (body, expected) in [
            ("{}", ["=", "=", "="]),
            (" { } ", ["=", "=", "="]),
            (" [ ]", ["=", "=", "="]),
            (r#"{"john":[],"marie":["\"v1\"",[]]}"#, ["[]", "\"v1\"[]", "="]),
            (r#"{"john": {"a@b": {"name": "}\"{"}}, "marie": null}"#, [r#"{"a@b": {"name": "}\"{"}}"#, "=", "="]),
            (r#"{"marie":["\"v2\"", {}],"john":[null,{"x":[]}]}"#, [r#"{"x":[]}"#, r#""v2"{}"#, "="]),
            (r#"{"john":404,"marie":99,"\u00e4\"\\":{}}"#, ["404", "?", "{}"]),
            (r#"{"john":[1,{}],"marie":[{}],"nobody":{}}"#, ["?", "?", "="]),
            (r#"{"john":"text","marie":true}"#, ["\"text\"", "true", "="]),
            (r#"{"john":{"a":1},"john":null}"#, ["=", "=", "="]),
            ("\u{feff}{\"john\":{}}", ["{}", "=", "="]),
        ] {
            assert_eq!(texts(&names, body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn an_answer_that_cannot_be_cut_is_an_error() {
        let deep = format!("{{\"john\":{}1{}}}", "[".repeat(300), "]".repeat(300));
        for body in [
            "",
            "[1]",
            "{",
            "{\"john\"",
            "{\"john\":",
            "{\"john\":{",
            "{\"john\":{]}",
            "{\"john\":{}",
            "{\"john\":{}}x",
            "{\"john\":\"a}",
            "{john:{}}",
            "{\"john\":{},}",
            "{\"john\" {}}",
            "{\"john\":,}",
            "<html>",
            &deep,
        ] {
            let split = texts(&["john"], body);
            assert!(matches!(&split, Err(FetchError::Malformed(_))), "{body}: {split:?}");
        }
    }

    proptest! {
        /// Whatever an application writes, a part is what serde_json reads for that user.
        #[test]
        fn a_part_is_what_serde_json_reads(
            rosters in prop::collection::btree_map("[a-z\"\\\\é ]{1,6}", "[a-z\"\\\\{}\\[\\]:,é]{0,12}", 0..8),
            pretty: bool,
        ) {
            let object: Map<_, _> =
                rosters.iter().map(|(user, text)| (user.clone(), serde_json::json!({ text.as_str(): [text, {"n": 1.5e3}] }))).collect();
            let body = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) };
            let body = body.unwrap();
            let names: Vec<String> = rosters.keys().rev().cloned().collect();
            for (name, part) in names.iter().zip(split(&names, body.as_bytes()).unwrap()) {
                let Part::Roster { range, etag: None } = part else { panic!("{name}: {part:?}") };
                prop_assert_eq!(&serde_json::from_str::<Value>(&body[range]).unwrap(), &object[name]);
            }
        }

        #[test]
        fn no_answer_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = split(&users(&["john"]), &body);
        }
    }
}
