//! Messages between nodes: a line with the version, the two lives that talk and the number of the message, and JSON after it.
//!
//! A kind of message that is not known counts and means nothing, and so do fields, so that a node may be newer than its
//! neighbour. What cannot be read at all is nothing but a gap.
//!
//! [`outbox`]: what one event means for others; [`link`]: the way to one of them.

pub(in crate::domain) mod link;
pub(in crate::domain) mod outbox;

use serde::{Deserialize, Serialize};

/// The longest message, bytes: what NATS takes by default, and room for its headers.
pub const MAX_MESSAGE: usize = 1_000_000;
/// Where a list is continued in another message, bytes.
pub(in crate::domain) const PART: usize = 400_000;
/// The version of what is written here.
const VERSION: &str = "1";

/// What comes before the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain) struct Head {
    /// The life of the sender.
    pub(in crate::domain) from: u64,
    /// The life it is meant for.
    pub(in crate::domain) to: u64,
    /// Messages of this sender to this receiver are numbered one after another.
    pub(in crate::domain) number: u64,
}

impl Head {
    /// The whole message.
    pub(in crate::domain) fn with(self, body: &str) -> String {
        let Self { from, to, number } = self;
        format!("{VERSION} {from} {to} {number}\n{body}")
    }

    /// The head and the JSON of a message.
    pub(in crate::domain) fn read(message: &[u8]) -> Option<(Self, &str)> {
        let message = std::str::from_utf8(message).ok().filter(|message| message.len() <= MAX_MESSAGE)?;
        let (head, body) = message.split_once('\n')?;
        let mut words = head.split(' ');
        let mut number = |version: bool| match words.next() {
            Some(VERSION) if version => Some(0),
            Some(word) if !version => word.parse().ok(),
            _ => None,
        };
        number(true)?;
        let head = Self { from: number(false)?, to: number(false)?, number: number(false)? };
        words.next().is_none().then_some((head, body))
    }
}

/// What a node says to another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::domain) enum Message {
    /// The sender's resources, all of them in one or more parts: what was known of them is over.
    Sessions(Sessions),
    /// All presence has been sent that the receiver's users may see of the sender's resources.
    Synced,
    /// A resource has left.
    Left {
        /// Its number.
        number: u64,
    },
    /// A resource has come or changed, presence for the receiver's users, and a question: what happened at once is told at once.
    Presence(Presence),
    /// The answer to a question.
    Probed(Probed),
    /// A message or a request for the receiver's resources.
    Errand(Errand),
    /// What became of an errand.
    Done {
        /// Which.
        id: u64,
        /// What.
        how: Outcome,
    },
    /// Whether the receiver's roster of a user shows that one to another.
    MayAsk {
        /// Answered with [`Message::Done`].
        id: u64,
        /// Whose roster.
        user: String,
        /// Who wants to know.
        asker: String,
    },
    /// A resource has to go, for its user has too many.
    Displace {
        /// Its number.
        number: u64,
    },
    /// Nothing, so that a gap before it is seen.
    Tick,
}

/// See [`Message::Sessions`].
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::domain) struct Sessions {
    /// The receiver is to send its own.
    pub(in crate::domain) ask: bool,
    pub(in crate::domain) first: bool,
    pub(in crate::domain) last: bool,
    /// Where clients reach the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::domain) address: Option<String>,
    pub(in crate::domain) sessions: Vec<Entry>,
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::domain) struct Entry {
    pub(in crate::domain) user: String,
    pub(in crate::domain) resource: String,
    /// Never given twice in one life of a node.
    pub(in crate::domain) number: u64,
    /// When it was bound, microseconds since 1970, and later than all that its node knew with this address.
    pub(in crate::domain) bound: u64,
    /// None: not available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::domain) priority: Option<i8>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(in crate::domain) carbons: bool,
    /// Its client is away.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(in crate::domain) asleep: bool,
}

/// See [`Message::Presence`].
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::domain) struct Presence {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::domain) session: Option<Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::domain) shown: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::domain) probe: Option<Probe>,
}

/// A presence for users of the receiver.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::domain) struct Shown {
    /// Of which of the sender's resources.
    pub(in crate::domain) number: u64,
    /// Without `to`. Empty: as before.
    #[serde(default)]
    pub(in crate::domain) stanza: String,
    pub(in crate::domain) to: Vec<String>,
    /// Only for this resource of the one in `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::domain) resource: Option<String>,
}

/// What do these users show to that one?
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::domain) struct Probe {
    /// 0: nobody counts the answers.
    pub(in crate::domain) id: u64,
    pub(in crate::domain) asker: String,
    /// The asker's resources that want to know.
    pub(in crate::domain) sessions: Vec<u64>,
    pub(in crate::domain) users: Vec<String>,
    /// Only this resource of the one in `users`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::domain) resource: Option<String>,
}

/// Presence for the resources that have asked.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::domain) struct Probed {
    pub(in crate::domain) id: u64,
    pub(in crate::domain) asker: String,
    pub(in crate::domain) sessions: Vec<u64>,
    /// The numbers of the answering node's resources, and their presence.
    pub(in crate::domain) shown: Vec<(u64, String)>,
    /// There is no more of it.
    pub(in crate::domain) last: bool,
}

/// A message or an IQ for resources of the receiver.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::domain) struct Errand {
    /// 0: nobody waits for the outcome.
    pub(in crate::domain) id: u64,
    pub(in crate::domain) from: String,
    pub(in crate::domain) to: String,
    /// None: only copies are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::domain) target: Option<Target>,
    /// Copies for the recipient's resources that have carbons on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(in crate::domain) received: bool,
    /// Copies for the sender's.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(in crate::domain) sent: bool,
    /// The recipient's resources that have carbons on have a copy already.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(in crate::domain) copied: bool,
    pub(in crate::domain) stanza: String,
}

/// Whom an errand is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::domain) enum Target {
    /// All that a message to the account goes to.
    Account,
    /// This resource.
    Session(String),
}

/// What became of an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::domain) enum Outcome {
    /// It was delivered; the question is answered with yes.
    Reached,
    /// There is nobody to deliver it to.
    Gone,
    /// It found no room.
    Refused,
}

/// A message that is written once, for all who get it.
pub(in crate::domain) struct Body(String);

impl Body {
    /// None if it is too long to be sent.
    pub(in crate::domain) fn new(message: &Message) -> Option<Self> {
        // Names and numbers: nothing that JSON could not say.
        let text = serde_json::to_string(message).ok()?;
        // Room for the head.
        (text.len() + 100 <= MAX_MESSAGE).then_some(Self(text))
    }

    pub(in crate::domain) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names, in lists that are each short enough for a message. One at least.
pub(super) fn parts(names: Vec<String>) -> Vec<Vec<String>> {
    let mut parts = vec![Vec::new()];
    let mut length = 0;
    for name in names {
        length += name.len() + 3;
        if length > PART {
            length = name.len() + 3;
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(name);
        }
    }
    parts
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written_and_nothing_else_is() {
        let head = Head { from: u64::MAX, to: 7, number: 1 };
        assert_eq!(Head::read(head.with("{\n}").as_bytes()), Some((head, "{\n}")));
        for wrong in ["", "1 2 3 4", "2 1 1 1\n{}", "1 1 1\n{}", "1 1 1 1 1\n{}", "1 x 1 1\n{}", "1 -1 1 1\n{}", "\n"] {
            assert_eq!(Head::read(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert_eq!(Head::read(b"1 1 1 1\n\xff"), None);
        assert_eq!(Head::read(format!("1 1 1 1\n{}", " ".repeat(MAX_MESSAGE)).as_bytes()), None);
    }

    #[test]
    fn fields_that_are_not_known_are_ignored_and_those_that_are_new_may_be_missing() {
        let read = |text: &str| serde_json::from_str::<Message>(text);
        let entry = r#"{"presence":{"session":{"user":"a","resource":"b","number":1,"bound":2,"later":[]}}}"#;
        let Message::Presence(presence) = read(entry).unwrap() else { unreachable!() };
        let expected = Entry {
            user: "a".into(),
            resource: "b".into(),
            number: 1,
            bound: 2,
            priority: None,
            carbons: false,
            asleep: false,
        };
        assert_eq!(presence.session, Some(expected));
        assert!(matches!(read(r#""tick""#).unwrap(), Message::Tick));
        for unknown in [r#""later""#, r#"{"later":{}}"#, r#"{"left":{}}"#, "", "{}", "[]"] {
            assert!(read(unknown).is_err(), "{unknown:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_sent() {
        let tell = |bytes: usize| {
            let shown = Shown { number: 1, stanza: "x".repeat(bytes), to: vec![], resource: None };
            Body::new(&Message::Presence(Presence { shown: vec![shown], ..Presence::default() })).is_some()
        };
        assert!(tell(MAX_MESSAGE - 300) && !tell(MAX_MESSAGE));
    }
}
