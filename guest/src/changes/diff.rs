//! What turns the roster that the host has into the one that the application has, in whatever order they are.
//!
//! The way of a refresh in the ordinary case is `in_step`, which needs neither a decoded roster nor a hash table.

use std::collections::HashMap;

use crate::roster::Roster;
use crate::roster::contact::Contact;
use crate::roster::packed::{LayoutError, Packed};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The contact is new, or something about it is.
    Put(Contact<'a>),
    /// The contact with this JID is gone.
    Remove(String),
}

impl Change<'_> {
    /// The contact it is about.
    #[must_use]
    pub fn jid(&self) -> &str {
        match self {
            Self::Put(contact) => &contact.jid,
            Self::Remove(jid) => jid,
        }
    }
}

/// Compares `new` with what the host has. At most one change per JID: first what to put, in the order of `new`, then
/// what to remove.
///
/// If `new` has a JID twice it is [deduplicated](Roster::dedup) first.
///
/// # Errors
/// The host's roster cannot be read.
pub fn diff<'b>(known: Packed<'_>, new: &mut Roster<'b>) -> Result<Vec<Change<'b>>, LayoutError> {
    new.dedup();
    let known: Vec<_> = known.iter().collect::<Result<_, _>>()?;
    let mut places: HashMap<&str, usize> = known.iter().enumerate().map(|(at, known)| (known.jid, at)).collect();
    let mut changes = Vec::new();
    for contact in &new.contacts {
        let same =
            places.remove(&*contact.jid).and_then(|at| known.get(at)).is_some_and(|known| contact.is_same_as(known));
        if !same {
            changes.push(Change::Put(contact.clone()));
        }
    }
    // In the host's order: a hash table has none.
    let gone = known.iter().enumerate().filter(|(at, known)| places.get(known.jid) == Some(at));
    changes.extend(gone.map(|(_, known)| Change::Remove(known.jid.to_owned())));
    Ok(changes)
}
