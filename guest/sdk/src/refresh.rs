//! Refresh requests and what they are answered with, as the protocol of Prosody's `mod_http_roster_admin` has them: what a
//! [`Plugin`](crate::Plugin) does whose author says nothing else.

use serde::Serialize;

use crate::bindings::xmpp::roster::types::{BadRequest, Counts, Outcome, Reply};

/// The usernames in a JSON array.
///
/// # Errors
/// It is none; says what was expected.
pub fn usernames(body: &[u8]) -> Result<Vec<String>, BadRequest> {
    serde_json::from_slice(body).map_err(|error| {
        BadRequest::new(format!("expected a JSON array of usernames, such as [\"john\"]; the body: {error}"))
    })
}

/// In the order in which the reference's documentation shows them.
#[derive(Serialize)]
struct Body<'a> {
    status: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<u32>,
}

/// Writes the answer.
///
/// A batch of which some users failed is a success that counts its errors, as in the reference. One of which all
/// failed, or the one user that was asked for, is an error with status 500: the reference says `"error"` there, and
/// means by it "operation completely failed". Names that no user can have are counted and are no such failure, for the
/// application would only ask again. A request that was refused is status 400, in the shape of a batch.
#[must_use]
pub fn summary(outcome: &Outcome) -> Reply {
    const COMPLETE: &str = "roster update complete";
    const FAILED: &str = "roster update failed";
    let (status, message, updated, errors) = match outcome {
        Outcome::Batch(Counts { updated: 0, errors, invalid }) if errors > invalid => {
            (500, FAILED, Some(0), Some(*errors))
        }
        Outcome::Batch(Counts { updated, errors, .. }) => (200, COMPLETE, Some(*updated), Some(*errors)),
        Outcome::Single(true) => (200, COMPLETE, None, None),
        Outcome::Single(false) => (500, FAILED, None, None),
        Outcome::Refused(bad) => (400, bad.message.as_str(), Some(0), Some(0)),
    };
    let body = Body { status: if status == 200 { "ok" } else { "error" }, message, updated, errors };
    // Strings and numbers cannot fail to serialise; an empty body would be the only honest answer if they did.
    Reply { status, content_type: "application/json".to_owned(), body: serde_json::to_vec(&body).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_answer_is_what_the_reference_says() {
        for (outcome, status, body) in [
            (
                Outcome::Batch(Counts { updated: 2, errors: 0, invalid: 0 }),
                200,
                r#"{"status":"ok","message":"roster update complete","updated":2,"errors":0}"#,
            ),
            (
                Outcome::Batch(Counts { updated: 0, errors: 0, invalid: 0 }),
                200,
                r#"{"status":"ok","message":"roster update complete","updated":0,"errors":0}"#,
            ),
            (
                Outcome::Batch(Counts { updated: 1, errors: 3, invalid: 1 }),
                200,
                r#"{"status":"ok","message":"roster update complete","updated":1,"errors":3}"#,
            ),
            (
                Outcome::Batch(Counts { updated: 0, errors: 3, invalid: 2 }),
                500,
                r#"{"status":"error","message":"roster update failed","updated":0,"errors":3}"#,
            ),
            (
                Outcome::Batch(Counts { updated: 0, errors: 2, invalid: 2 }),
                200,
                r#"{"status":"ok","message":"roster update complete","updated":0,"errors":2}"#,
            ),
            (Outcome::Single(true), 200, r#"{"status":"ok","message":"roster update complete"}"#),
            (Outcome::Single(false), 500, r#"{"status":"error","message":"roster update failed"}"#),
            (
                Outcome::Refused(BadRequest::new("expected \"x\"")),
                400,
                r#"{"status":"error","message":"expected \"x\"","updated":0,"errors":0}"#,
            ),
        ] {
            let answer = summary(&outcome);
            assert_eq!((answer.status, String::from_utf8_lossy(&answer.body).as_ref()), (status, body));
            assert_eq!(answer.content_type, "application/json");
        }
    }

    #[test]
    fn usernames_come_in_the_requests_order() {
        assert_eq!(usernames(br#"["john", "Marie"]"#), Ok(vec!["john".to_owned(), "Marie".to_owned()]));
        for body in ["", "{}", "[1]", "[\"a\"", "john"] {
            let error = usernames(body.as_bytes()).unwrap_err();
            assert!(error.message.starts_with("expected a JSON array of usernames"), "{error:?}");
        }
    }
}
