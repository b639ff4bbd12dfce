//! What the application's webhook is answered with.

use serde_json::{Value, json};
use xmpp_roster_plugin::{Counts, Outcome, Reply};

/// Status and JSON body.
///
/// The application sends a webhook again that is not answered with a success; so it is an error only if nothing worked
/// and it may work the next time.
pub fn reply(outcome: &Outcome) -> Reply {
    match outcome {
        Outcome::Batch(counts) => counted(counts),
        Outcome::Single(true) => counted(&Counts { updated: 1, errors: 0, invalid: 0 }),
        Outcome::Single(false) => counted(&Counts { updated: 0, errors: 1, invalid: 0 }),
        Outcome::Refused(bad) => json(400, &json!({ "error": bad.message })),
    }
}

fn counted(Counts { updated, errors, invalid }: &Counts) -> Reply {
    let status = if *updated == 0 && errors > invalid { 502 } else { 200 };
    json(status, &json!({ "updated": updated, "errors": errors }))
}

fn json(status: u16, body: &Value) -> Reply {
    Reply { status, content_type: "application/json".to_owned(), body: body.to_string().into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xmpp_roster_plugin::BadRequest;

    #[test]
    fn only_a_request_that_failed_altogether_is_an_error() {
        let counts = |updated, errors, invalid| Outcome::Batch(Counts { updated, errors, invalid });
        for (outcome, status, body) in [
            (counts(2, 0, 0), 200, r#"{"errors":0,"updated":2}"#),
            (counts(0, 0, 0), 200, r#"{"errors":0,"updated":0}"#),
            (counts(1, 1, 0), 200, r#"{"errors":1,"updated":1}"#),
            (counts(0, 2, 1), 502, r#"{"errors":2,"updated":0}"#),
            (counts(0, 2, 2), 200, r#"{"errors":2,"updated":0}"#),
            (Outcome::Single(true), 200, r#"{"errors":0,"updated":1}"#),
            (Outcome::Single(false), 502, r#"{"errors":1,"updated":0}"#),
            (Outcome::Refused(BadRequest::new("no \"x\"")), 400, r#"{"error":"no \"x\""}"#),
        ] {
            let reply = reply(&outcome);
            assert_eq!((reply.status, reply.body), (status, body.as_bytes().to_vec()));
        }
    }
}
