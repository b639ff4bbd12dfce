//! Prints what happens to rosters, for people.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use tracing_appender::non_blocking::NonBlocking;

use crate::logging::{LogGuard, patient};
use crate::model::{Change, Contact, ContactRef, Subscription};
use crate::sinks::{EventKind, RosterEvent, RosterSink, Undelivered};

/// A sink that prints one paragraph per event to standard output. It does not wait for whoever reads that.
pub struct Narrator {
    output: NonBlocking,
    _rest: LogGuard,
}

impl Narrator {
    /// Prints to standard output.
    #[expect(clippy::new_without_default, reason = "it starts a thread")]
    pub fn new() -> Self {
        let (output, rest) = patient(std::io::stdout());
        Self { output, _rest: rest }
    }

    /// Prints `text`.
    pub fn say(&self, text: &str) {
        // The demo talks to a terminal; if that is gone, there is nobody to tell.
        let _ = self.output.clone().write_all(text.as_bytes());
    }
}

#[async_trait]
impl RosterSink for Narrator {
    fn name(&self) -> &'static str {
        "narrator"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        self.say(&tell(&event));
        Ok(())
    }
}

fn tell(event: &RosterEvent) -> String {
    let user = &event.user;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match &event.kind {
        EventKind::Loaded(snapshot) => {
            let contacts: Vec<String> = snapshot.contacts().iter().map(of_ref).collect();
            let contacts = if contacts.is_empty() { "nobody yet".to_owned() } else { contacts.join(", ") };
            writeln!(text, "{user} has connected; roster version {}: {contacts}", snapshot.version())
        }
        EventKind::Changed { snapshot, changes, .. } => {
            let line = writeln!(text, "{user}'s roster changed; version {}:", snapshot.version());
            changes.iter().fold(line, |line, change| line.and(writeln!(text, "  {}", of_change(change))))
        }
        EventKind::Dropped { .. } => writeln!(text, "{user} has left; the roster is no longer kept"),
    };
    text
}

fn of_ref(contact: ContactRef<'_>) -> String {
    of(&contact.to_contact())
}

fn of_change(change: &Change) -> String {
    match change {
        Change::Put(contact) => format!("+ {}", of(contact)),
        Change::Remove(jid) => format!("- {jid}"),
    }
}

fn of(contact: &Contact) -> String {
    let mut text = contact.jid.clone();
    if let Some(name) = &contact.name {
        let _ = write!(text, " ({name:?})");
    }
    if !contact.groups.is_empty() {
        let _ = write!(text, " in {}", contact.groups.join(", "));
    }
    if contact.subscription != Subscription::Both {
        let _ = write!(text, " [{:?}]", contact.subscription);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{Contacts, Snapshot, Username};

    #[test]
    fn events_read_like_sentences() {
        let marie = Contact {
            jid: "marie@x".into(),
            name: Some("Marie".into()),
            subscription: Subscription::To,
            ask: false,
            groups: vec!["Work".into()],
        };
        let contacts = Contacts::pack(std::slice::from_ref(&marie), 9).unwrap();
        let snapshot = Arc::new(Snapshot::new(7, None, contacts));
        let changes = Arc::from([Change::Put(marie), Change::Remove("aaron@x".into())]);
        let shown = r#"marie@x ("Marie") in Work [To]"#;
        for (kind, expected) in [
            (EventKind::Loaded(Arc::clone(&snapshot)), format!("john has connected; roster version 7: {shown}\n")),
            (
                EventKind::Changed { before: Arc::clone(&snapshot), snapshot, changes },
                format!("john's roster changed; version 7:\n  + {shown}\n  - aaron@x\n"),
            ),
            (EventKind::Dropped { version: 7 }, "john has left; the roster is no longer kept\n".into()),
        ] {
            let event = RosterEvent { domain: "x".into(), user: Username::new("john").unwrap(), kind };
            assert_eq!(tell(&event), expected);
        }
    }
}
