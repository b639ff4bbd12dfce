//! `xmpp:roster/store` for the plugin: snapshots that the handler makes of what it has kept.

/// What wit-bindgen makes of the WIT.
#[allow(unsafe_code, clippy::all, clippy::restriction)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "xmpp:roster-proxy/snapshot-store",
        generate_all,
    });
    export!(Component with_types_in self);
    use super::Component;
}

use bindings::exports::xmpp::roster::store::{self, GuestSnapshot, PackedContacts};
use bindings::exports::xmpp::roster_proxy::snapshots::{self, Snapshot};
use bindings::xmpp::roster::types::{Contact, Subscription};

struct Component;

struct Roster {
    version: u64,
    contacts: Vec<Contact>,
}

impl store::Guest for Component {
    type Snapshot = Roster;
}

impl snapshots::Guest for Component {
    fn make(version: u64, contacts: Vec<Contact>) -> Snapshot {
        Snapshot::new(Roster { version, contacts })
    }
}

impl GuestSnapshot for Roster {
    fn version(&self) -> u64 {
        self.version
    }

    fn contacts(&self) -> Vec<Contact> {
        self.contacts.clone()
    }

    /// The layout is described in `wit/types.wit`.
    fn packed(&self) -> PackedContacts {
        let (mut text, mut layout) = (String::new(), Vec::new());
        for contact in &self.contacts {
            text.push_str(&contact.jid);
            layout.push(length(&contact.jid));
            if let Some(name) = &contact.name {
                text.push_str(name);
            }
            layout.push(contact.name.as_deref().map_or(0, |name| length(name) + 1));
            let subscription = match contact.subscription {
                Subscription::None => 0,
                Subscription::To => 1,
                Subscription::From => 2,
                Subscription::Both => 3,
            };
            layout.push(subscription + if contact.ask { 4 } else { 0 });
            layout.push(contact.groups.len() as u32);
            for group in &contact.groups {
                text.push_str(group);
                layout.push(length(group));
            }
        }
        PackedContacts { text, layout }
    }
}

/// Texts in the memory of a component are shorter than 4 GiB.
fn length(text: &str) -> u32 {
    text.len() as u32
}
