//! What the application is told when its refresh request is done: as the reference, `mod_http_roster_admin`, documents it.

use serde::Serialize;

/// What came of a refresh request (`outcome` of `wit/types.wit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// A request that named users in its body.
    Batch {
        /// Rosters that are now as the application has them.
        updated: u32,
        /// Rosters that could not be refreshed, and names that no user can have.
        errors: u32,
        /// How many of `errors` are names that no user can have.
        invalid: u32,
    },
    /// A request for one user in its path: is the roster now as the application has it?
    Single(bool),
    /// The request was refused, for this reason.
    Refused(&'a str),
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body: JSON.
    pub body: Vec<u8>,
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
pub fn answer(outcome: Outcome<'_>) -> Answer {
    const COMPLETE: &str = "roster update complete";
    const FAILED: &str = "roster update failed";
    let (status, message, updated, errors) = match outcome {
        Outcome::Batch { updated: 0, errors, invalid } if errors > invalid => (500, FAILED, Some(0), Some(errors)),
        Outcome::Batch { updated, errors, .. } => (200, COMPLETE, Some(updated), Some(errors)),
        Outcome::Single(true) => (200, COMPLETE, None, None),
        Outcome::Single(false) => (500, FAILED, None, None),
        Outcome::Refused(reason) => (400, reason, Some(0), Some(0)),
    };
    let body = Body { status: if status == 200 { "ok" } else { "error" }, message, updated, errors };
    // Strings and numbers cannot fail to serialise; an empty body would be the only honest answer if they did.
    Answer { status, content_type: "application/json", body: serde_json::to_vec(&body).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_what_the_reference_says() {
        for (outcome, status, body) in [
            (
                Outcome::Batch { updated: 2, errors: 0, invalid: 0 },
                200,
                r#"{"status":"ok","message":"roster update complete","updated":2,"errors":0}"#,
            ),
            (
                Outcome::Batch { updated: 0, errors: 0, invalid: 0 },
                200,
                r#"{"status":"ok","message":"roster update complete","updated":0,"errors":0}"#,
            ),
            (
                Outcome::Batch { updated: 1, errors: 3, invalid: 1 },
                200,
                r#"{"status":"ok","message":"roster update complete","updated":1,"errors":3}"#,
            ),
            (
                Outcome::Batch { updated: 0, errors: 3, invalid: 2 },
                500,
                r#"{"status":"error","message":"roster update failed","updated":0,"errors":3}"#,
            ),
            (
                Outcome::Batch { updated: 0, errors: 2, invalid: 2 },
                200,
                r#"{"status":"ok","message":"roster update complete","updated":0,"errors":2}"#,
            ),
            (Outcome::Single(true), 200, r#"{"status":"ok","message":"roster update complete"}"#),
            (Outcome::Single(false), 500, r#"{"status":"error","message":"roster update failed"}"#),
            (
                Outcome::Refused("expected \"x\""),
                400,
                r#"{"status":"error","message":"expected \"x\"","updated":0,"errors":0}"#,
            ),
        ] {
            let answer = answer(outcome);
            assert_eq!((answer.status, String::from_utf8_lossy(&answer.body).as_ref()), (status, body));
            assert_eq!(answer.content_type, "application/json");
        }
    }
}
