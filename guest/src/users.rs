//! The body of a refresh request: a JSON array of the usernames whose rosters changed.

use std::borrow::Cow;

use serde::de::{Deserializer as _, IgnoredAny, SeqAccess};

use crate::json::document::{self, ARRAY, DocumentError};
use crate::json::lenient::{Handler, Lenient};
use crate::json::tolerate::readable;

/// Why a refresh request makes no sense: what was found and what was expected, in one line for the application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Not an array at all.
    #[error("expected a JSON array of usernames, such as [\"john\"]; {0}")]
    Document(#[from] DocumentError),
    /// An element that is not a string.
    #[error("element {index} is {kind}; expected a username (a string)")]
    Element {
        /// The element's place, counted from 0.
        index: usize,
        /// What it is instead.
        kind: &'static str,
    },
}

/// Decodes the body of a refresh request. The users are in the body's order, as they are spelled there.
///
/// # Errors
/// The body is empty, not UTF-8, not JSON, another kind of JSON, or has an element that is not a string.
pub fn decode(body: &[u8]) -> Result<Vec<Cow<'_, str>>, BadRequest> {
    let text = document::text(body)?;
    match document::kind(text)? {
        ARRAY => {}
        kind => return Err(DocumentError::Found(kind).into()),
    }
    read(text).or_else(|error| match readable(text, *br"\ufffd") {
        Some(text) => read(&text).map(|users| users.into_iter().map(|user| Cow::Owned(user.into_owned())).collect()),
        None => Err(error),
    })
}

fn read(text: &str) -> Result<Vec<Cow<'_, str>>, BadRequest> {
    let mut json = serde_json::Deserializer::from_str(text);
    let users = json.deserialize_any(Lenient(UserList)).map_err(DocumentError::from)??;
    json.end().map_err(DocumentError::from)?;
    Ok(users)
}

struct UserList;

impl<'de> Handler<'de> for UserList {
    type Output = Result<Vec<Cow<'de, str>>, BadRequest>;

    fn wrong(self, kind: &'static str) -> Self::Output {
        Err(DocumentError::Found(kind).into())
    }

    fn array<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Output, A::Error> {
        let mut users = Vec::new();
        while let Some(item) = items.next_element_seed(Lenient(User))? {
            match item {
                Ok(user) => users.push(user),
                Err(kind) => {
                    while items.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Err(BadRequest::Element { index: users.len(), kind }));
                }
            }
        }
        Ok(Ok(users))
    }
}

struct User;

impl<'de> Handler<'de> for User {
    type Output = Result<Cow<'de, str>, &'static str>;

    fn wrong(self, kind: &'static str) -> Self::Output {
        Err(kind)
    }

    fn string(self, text: Cow<'de, str>) -> Self::Output {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn users_come_in_the_requests_order_and_spelling() {
        for (body, users) in [
            (&b"[]"[..], &[][..]),
            (b"[\"john\"]", &["john"]),
            (b" [ \"john\" , \"aaron\" ] \r\n", &["john", "aaron"]),
            (b"[\"john\",\"John\",\"john\",\"\"]", &["john", "John", "john", ""]),
            (b"[\"a\\u00e9\\\"\"]", &["aé\""]),
            (b"\xEF\xBB\xBF[\"john\"]", &["john"]),
            (b"[\"a\\ud83d\\\"\", \"\\udc00\\ud83d\", \"john\"]", &["a\u{FFFD}\"", "\u{FFFD}\u{FFFD}", "john"]),
            (b"[\"\\ud83d\\ude00\", \"\\ud83d\"]", &["\u{1F600}", "\u{FFFD}"]),
        ] {
            assert_eq!(decode(body).unwrap(), users, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn a_request_that_makes_no_sense_says_what_was_expected() {
        let expected = "expected a JSON array of usernames, such as [\"john\"]; ";
        for (body, error) in [
            (&b""[..], "the body is empty"),
            (b" \n", "the body is empty"),
            (b"{\"john\": true}", "found an object"),
            (b"\"john\"", "found a string"),
            (b"17", "found a number"),
            (b"-1.5e3", "found a number"),
            (b"null", "found null"),
            (b"true", "found a boolean"),
            (b"<html>", "found what looks like HTML"),
            (b"john", "found something that is not JSON"),
            (b"users=john", "found something that is not JSON"),
            (b"[\"john\"", "the body is not JSON: EOF while parsing a list at line 1 column 7"),
            (b"[\"john\",]", "the body is not JSON: trailing comma at line 1 column 9"),
            (b"[\"john\"] x", "the body is not JSON: trailing characters at line 1 column 10"),
            (
                b"[\"a\nb\"]",
                "the body is not JSON: control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
            ),
            (b"[\"jo\xFFhn\"]", "the body is not UTF-8 from byte 4 on"),
        ] {
            assert_eq!(decode(body).unwrap_err().to_string(), format!("{expected}{error}"), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn an_element_that_is_no_username_is_named_by_its_index() {
        for (body, error) in [
            (&b"[17]"[..], "element 0 is a number; expected a username (a string)"),
            (b"[\"a\", \"b\", 3, \"c\"]", "element 2 is a number; expected a username (a string)"),
            (b"[\"a\", null]", "element 1 is null; expected a username (a string)"),
            (b"[\"a\", true]", "element 1 is true; expected a username (a string)"),
            (b"[\"\\ud83d\", -1e999]", "element 1 is a number; expected a username (a string)"),
            (b"[[\"a\"]]", "element 0 is an array; expected a username (a string)"),
            (b"[{\"a\": {}}]", "element 0 is an object; expected a username (a string)"),
        ] {
            assert_eq!(decode(body).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
        for open in ["[", "{\"a\":", "[[[[[[{\"a\":["] {
            assert!(decode(open.repeat(200_000).as_bytes()).is_err());
            assert!(decode(format!("[{}", open.repeat(200_000)).as_bytes()).is_err());
        }
        let nested = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let error = decode(nested.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "element 0 is an array; expected a username (a string)");
    }

    #[test]
    fn a_hundred_thousand_users_are_decoded() {
        let body = format!("[{}]", (0..100_000).map(|n| format!("\"user{n}\"")).collect::<Vec<_>>().join(","));
        let users = decode(body.as_bytes()).unwrap();
        assert_eq!((users.len(), users.last().map(|user| &**user)), (100_000, Some("user99999")));
    }
}
