//! Requests for many users at once, as `docs/bulk.md` has them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Reply;

/// How a request for many users is answered, after 10 ms: with what is set for each.
#[derive(Clone, Debug, Default)]
pub enum Many {
    /// `[validator, roster]` for each that has one, and null where it is held already.
    #[default]
    Validators,
    /// The rosters alone.
    Plain,
    /// Something else altogether.
    Instead(Reply),
    /// As [`Many::Plain`], with these in the place of some users' rosters; without those that are `None`.
    But(BTreeMap<String, Option<Value>>),
}

impl Many {
    /// `alone` is what is answered for one user.
    pub(super) fn reply(&self, users: &Map<String, Value>, alone: impl Fn(&str) -> Reply) -> Reply {
        let mut answer = Map::new();
        for (user, held) in users {
            let (validator, roster) = roster(alone(user));
            let value = match (self, validator) {
                (Self::Instead(reply), _) => return reply.clone(),
                (Self::Validators, Some(validator)) if *held == json!(validator) => Value::Null,
                (Self::Validators, Some(validator)) => json!([validator, roster]),
                (Self::But(others), _) if others.contains_key(user) => match &others[user] {
                    Some(other) => other.clone(),
                    None => continue,
                },
                _ => roster,
            };
            answer.insert(user.clone(), value);
        }
        Reply::Late(Duration::from_millis(10), Box::new(Reply::Json(Value::Object(answer).to_string())))
    }
}

/// The validator and the roster of an answer for one user.
fn roster(reply: Reply) -> (Option<String>, Value) {
    match reply {
        Reply::Late(_, reply) => roster(*reply),
        Reply::Json(body) => (None, serde_json::from_str(&body).unwrap()),
        Reply::Tagged(body, tag) => (Some(tag), serde_json::from_str(&body).unwrap()),
        other => panic!("{other:?} is no roster"),
    }
}
