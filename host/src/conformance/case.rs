//! A file of cases. The keys' meaning is in `tests/conformance/README.md`.

use std::collections::BTreeMap;

use base64::Engine as _;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::model::{Change, Contact, Subscription};

/// The web application's origin, in all cases.
const APP: &str = "http://app.example.org";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) protocol: String,
    #[serde(rename = "about")]
    pub(super) _about: String,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) cases: Vec<Case>,
}

impl File {
    /// The settings of a case, or those that the file's cases begin with.
    pub(super) fn settings(&self, case: Option<&Case>) -> BTreeMap<String, String> {
        let mut settings = self.settings.clone();
        for (key, value) in case.into_iter().flat_map(|case| &case.settings) {
            match value {
                Some(value) => settings.insert(key.clone(), value.clone()),
                None => settings.remove(key),
            };
        }
        settings.into_iter().map(|(key, value)| (key, value.replace("{app}", APP))).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    #[serde(default = "john")]
    pub(super) user: String,
    #[serde(default)]
    pub(super) settings: BTreeMap<String, Option<String>>,
    pub(super) known: Option<Vec<ContactData>>,
    pub(super) steps: Vec<Step>,
}

impl Case {
    /// It is about many users in one request.
    pub(super) fn needs_bulk(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Bulk { .. }))
    }
}

fn john() -> String {
    "john".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(tag = "hook", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Step {
    Check {
        expect: ExpectCheck,
    },
    Fetch {
        #[serde(default)]
        http: Vec<ScriptedExchange>,
        expect: ExpectRoster,
    },
    Refresh {
        #[serde(default)]
        http: Vec<ScriptedExchange>,
        expect: ExpectRoster,
    },
    Bulk {
        users: Vec<String>,
        #[serde(default)]
        http: Vec<ScriptedExchange>,
        expect: BTreeMap<String, ExpectRoster>,
    },
    ChangedUsers {
        body: Option<String>,
        body_base64: Option<String>,
        body_repeat: Option<Repeat>,
        expect: ExpectUsers,
    },
    Summary {
        outcome: OutcomeData,
        expect: ExpectAnswer,
    },
}

/// One of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectCheck {
    #[serde(default)]
    pub(super) ok: bool,
    pub(super) setting: Option<String>,
}

/// `roster` after a fetch, `changes` after a refresh, or `error`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectRoster {
    pub(super) roster: Option<Vec<ContactData>>,
    pub(super) changes: Option<Vec<ChangeData>>,
    pub(super) warnings: Option<Vec<String>>,
    pub(super) error: Option<Kind>,
    pub(super) status: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectUsers {
    pub(super) users: Option<Vec<String>>,
    pub(super) count: Option<usize>,
    pub(super) bad_request: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectAnswer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) json: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Unreachable,
    TimedOut,
    Status,
    TooLarge,
    Malformed,
    Misconfigured,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactData {
    jid: String,
    name: Option<String>,
    #[serde(default)]
    subscription: SubscriptionData,
    #[serde(default)]
    ask: bool,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SubscriptionData {
    None,
    To,
    From,
    #[default]
    Both,
}

impl ContactData {
    pub(super) fn contact(&self) -> Contact {
        let subscription = match self.subscription {
            SubscriptionData::None => Subscription::None,
            SubscriptionData::To => Subscription::To,
            SubscriptionData::From => Subscription::From,
            SubscriptionData::Both => Subscription::Both,
        };
        let Self { jid, name, ask, groups, .. } = self.clone();
        Contact { jid, name, subscription, ask, groups }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ChangeData {
    Put(ContactData),
    Remove(String),
}

impl ChangeData {
    pub(super) fn change(&self) -> Change {
        match self {
            Self::Put(contact) => Change::Put(contact.contact()),
            Self::Remove(jid) => Change::Remove(jid.clone()),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OutcomeData {
    Batch {
        updated: u32,
        errors: u32,
        #[serde(default)]
        invalid: u32,
    },
    Single {
        single: bool,
    },
    Refused {
        refused: String,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedExchange {
    #[serde(default)]
    pub(super) request: ExpectRequest,
    pub(super) answer: AnswerData,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectRequest {
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Option<String>>,
    pub(super) json: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerData {
    pub(super) status: Option<u16>,
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) body: Option<String>,
    pub(super) body_base64: Option<String>,
    pub(super) body_repeat: Option<Repeat>,
    pub(super) fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fault {
    Refused,
    Reset,
    Truncated,
    Timeout,
    TooLarge,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeat {
    before: String,
    text: String,
    times: usize,
    after: String,
}

/// The contacts of a roster in JSON: an array of them, or an object with such an array as `contacts`, as the admin listener
/// answers.
///
/// # Errors
/// It is something else: what, and where.
pub fn contacts(json: &str) -> Result<Vec<Contact>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Roster {
        contacts: Vec<ContactData>,
    }
    let array = json.trim_start().starts_with('[');
    let contacts = if array { serde_json::from_str(json)? } else { serde_json::from_str::<Roster>(json)?.contacts };
    Ok(contacts.iter().map(ContactData::contact).collect())
}

/// A body in one of its three spellings.
pub(super) fn body(text: Option<&str>, base64: Option<&str>, repeat: Option<&Repeat>) -> Result<Bytes, String> {
    match (text, base64, repeat) {
        (text, None, None) => Ok(text.unwrap_or_default().to_owned().into()),
        (None, Some(base64), None) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(base64);
            bytes.map(Into::into).map_err(|error| format!("body_base64: {error}"))
        }
        (None, None, Some(Repeat { before, text, times, after })) => {
            const LONGEST: usize = 64 << 20;
            if text.len().saturating_mul(*times) > LONGEST {
                return Err(format!("body_repeat: longer than {LONGEST} bytes"));
            }
            Ok(format!("{before}{}{after}", text.repeat(*times)).into())
        }
        _ => Err("more than one of body, body_base64 and body_repeat".to_owned()),
    }
}
