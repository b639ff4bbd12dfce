//! Any body of a refresh request: names are what serde_json reads and read the same when they are written again, and a refusal is
//! one line without control characters that the application is told.

use http_roster_admin::users::decode;
use serde_json::Value;
use xmpp_roster_plugin::refresh::summary;
use xmpp_roster_plugin::{BadRequest, Outcome};

pub(crate) fn target(body: &[u8]) {
    match decode(body) {
        Ok(users) => {
            assert!(users.len() <= body.len() / 2);
            let again = serde_json::to_vec(&users).expect("strings are JSON");
            assert_eq!(decode(&again).as_ref(), Ok(&users));
        }
        Err(error) => {
            let error = error.to_string();
            assert!(!error.contains(char::is_control));
            let answer = summary(&Outcome::Refused(BadRequest::new(error.clone())));
            let told: Value = serde_json::from_slice(&answer.body).expect("the answer is JSON");
            assert_eq!((answer.status, told["message"].as_str()), (400, Some(error.as_str())));
        }
    }
    if let Ok(plain) = serde_json::from_slice::<Vec<String>>(body) {
        assert_eq!(decode(body).expect("it is an array of strings"), plain);
    }
}
