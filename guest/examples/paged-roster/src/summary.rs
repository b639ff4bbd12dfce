//! What the application's webhook is answered with.

use serde_json::json;

/// Status and JSON body for a request of which `updated` rosters are now as the application has them and `errors` are not,
/// `invalid` of these because no user can have such a name.
///
/// The application sends a webhook again that is not answered with a success; so it is an error only if nothing worked
/// and it may work the next time.
pub fn counted(updated: u32, errors: u32, invalid: u32) -> (u16, Vec<u8>) {
    let status = if updated == 0 && errors > invalid { 502 } else { 200 };
    (status, json!({ "updated": updated, "errors": errors }).to_string().into_bytes())
}

/// Status and JSON body for a request that was refused.
pub fn refused(message: &str) -> (u16, Vec<u8>) {
    (400, json!({ "error": message }).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_that_failed_altogether_is_an_error() {
        for (updated, errors, invalid, status, body) in [
            (2, 0, 0, 200, r#"{"errors":0,"updated":2}"#),
            (0, 0, 0, 200, r#"{"errors":0,"updated":0}"#),
            (1, 1, 0, 200, r#"{"errors":1,"updated":1}"#),
            (0, 2, 1, 502, r#"{"errors":2,"updated":0}"#),
            (0, 2, 2, 200, r#"{"errors":2,"updated":0}"#),
        ] {
            assert_eq!(counted(updated, errors, invalid), (status, body.as_bytes().to_vec()));
        }
        assert_eq!(refused("no \"x\""), (400, br#"{"error":"no \"x\""}"#.to_vec()));
    }
}
