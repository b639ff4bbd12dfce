//! Contacts and what was wrong with them, for people.

use std::fmt::Write as _;

use roster_host::model::{Change, Contact, Contacts};
use roster_host::text::{counted, escaped};

pub(crate) fn roster(contacts: &Contacts) -> String {
    let lines: String = contacts.iter().map(|contact| format!("  {}\n", contact_line(&contact.to_contact()))).collect();
    format!("{}\n{lines}", counted(contacts.len(), "contact"))
}

pub(crate) fn changes(changes: &[Change]) -> String {
    let line = |change: &Change| match change {
        Change::Put(contact) => format!("  + {}\n", contact_line(contact)),
        Change::Remove(jid) => format!("  - {}\n", jid.escape_debug()),
    };
    format!("{}\n{}", counted(changes.len(), "change"), changes.iter().map(line).collect::<String>())
}

pub(crate) fn warnings(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("warning: {}\n", escaped(warning))).collect()
}

fn contact_line(contact: &Contact) -> String {
    let mut text = contact.jid.escape_debug().to_string();
    if let Some(name) = &contact.name {
        let _ = write!(text, " {name:?}");
    }
    let _ = write!(text, ", {}", contact.subscription.as_str());
    if contact.ask {
        text += ", asked";
    }
    if !contact.groups.is_empty() {
        let groups: Vec<String> = contact.groups.iter().map(|group| format!("{group:?}")).collect();
        let _ = write!(text, ", in {}", groups.join(", "));
    }
    text
}
