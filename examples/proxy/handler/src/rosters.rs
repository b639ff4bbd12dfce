//! First fetch and refresh of one user, with the plugin's hooks.

use crate::bindings::wasi::keyvalue::store::Bucket;
use crate::bindings::xmpp::roster::hooks::{self, FetchError, Refreshed};
use crate::bindings::xmpp::roster::types::{Change, Contact, Delta};
use crate::bindings::xmpp::roster_proxy::snapshots;
use crate::kept::{self, Kept, KeptContact};

/// The roster that is kept, or a first fetch. The error is for people.
pub(crate) fn get(bucket: &Bucket, user: &str) -> Result<Kept, String> {
    if let Some(kept) = kept::get(bucket, user)? {
        return Ok(kept);
    }
    let roster = hooks::fetch(user).map_err(explain)?;
    warn(user, &roster.warnings);
    let contacts = roster.contacts.into_iter().map(KeptContact::from).collect();
    let kept = Kept { version: 1, tag: roster.tag, contacts };
    kept::set(bucket, user, &kept)?;
    Ok(kept)
}

/// Is the user's roster now as the application has it? One that is not kept is never out of date.
pub(crate) fn refresh(bucket: &Bucket, user: &str) -> bool {
    match try_refresh(bucket, user) {
        Ok(()) => true,
        Err(error) => {
            eprintln!("{user}: the roster could not be refreshed: {error}");
            false
        }
    }
}

fn try_refresh(bucket: &Bucket, user: &str) -> Result<(), String> {
    let Some(kept) = kept::get(bucket, user)? else { return Ok(()) };
    let contacts: Vec<Contact> = kept.contacts.iter().cloned().map(Contact::from).collect();
    let snapshot = snapshots::make(kept.version, kept.tag.as_deref(), &contacts);
    match hooks::refresh(user, &snapshot).map_err(explain)? {
        Refreshed::Unchanged => Ok(()),
        Refreshed::Changed(delta) => {
            warn(user, &delta.warnings);
            kept::set(bucket, user, &apply(kept, delta))
        }
    }
}

fn apply(mut kept: Kept, delta: Delta) -> Kept {
    if !delta.changes.is_empty() {
        kept.version += 1;
    }
    for change in delta.changes {
        match change {
            Change::Remove(jid) => kept.contacts.retain(|contact| contact.jid != jid),
            Change::Put(contact) => {
                let contact = KeptContact::from(contact);
                match kept.contacts.iter_mut().find(|known| known.jid == contact.jid) {
                    Some(known) => *known = contact,
                    None => kept.contacts.push(contact),
                }
            }
        }
    }
    kept.tag = delta.tag;
    kept
}

fn warn(user: &str, warnings: &[String]) {
    for warning in warnings {
        eprintln!("{user}: {warning}");
    }
}

fn explain(error: FetchError) -> String {
    match error {
        FetchError::Unreachable(reason) | FetchError::Malformed(reason) | FetchError::Misconfigured(reason) => reason,
        FetchError::TimedOut => "the application did not answer in time".into(),
        FetchError::Status(status) => format!("the application answered with status {status}"),
        FetchError::TooLarge => "the application's answer is too large".into(),
    }
}
