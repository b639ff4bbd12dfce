//! First fetch and refresh of one user: the plugin says what to ask and what a response means.

use crate::application;
use crate::bindings::wasi::keyvalue::store::Bucket;
use crate::bindings::xmpp::roster::hooks::{self, FetchError};
use crate::bindings::xmpp::roster::types::{Change, Contact, Step};
use crate::bindings::xmpp::roster_proxy::snapshots;
use crate::kept::{self, Kept, KeptContact};

/// Requests for one roster at most.
const MOST_REQUESTS: usize = 16;

/// The roster that is kept, or a first fetch. The error is for people.
pub(crate) fn get(bucket: &Bucket, user: &str) -> Result<Kept, String> {
    if let Some(kept) = kept::get(bucket, user)? {
        return Ok(kept);
    }
    let kept = ask(user, None)?;
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
    let (version, tag) = (kept.version, kept.tag.clone());
    let kept = ask(user, Some(kept))?;
    if kept.version != version || kept.tag != tag {
        kept::set(bucket, user, &kept)?;
    }
    Ok(())
}

/// What is to be kept now.
fn ask(user: &str, mut known: Option<Kept>) -> Result<Kept, String> {
    let needs = hooks::check().map_err(|error| format!("{} {}", error.key, error.reason))?;
    let tag = known.as_ref().and_then(|kept| kept.tag.clone());
    let snapshot = known.as_ref().map(|kept| {
        let contacts: Vec<Contact> = kept.contacts.iter().cloned().map(Contact::from).collect();
        snapshots::make(kept.version, &contacts)
    });
    let mut request = hooks::make_request(user, tag.as_deref()).map_err(explain)?;
    let mut state = Vec::new();
    for _ in 0..MOST_REQUESTS {
        let response = application::ask(&request, &needs.response_headers).map_err(explain)?;
        let step = hooks::read_response(user, tag.as_deref(), snapshot.as_ref(), &response, &state).map_err(explain)?;
        match (step, known) {
            (Step::Next(next), kept) => {
                (request, state) = (next.request, next.state);
                known = kept;
            }
            (Step::Unchanged, Some(kept)) => return Ok(kept),
            (Step::Changed(delta), Some(kept)) => {
                warn(user, &delta.warnings);
                return Ok(changed(kept, delta.changes, delta.tag));
            }
            (Step::Roster(roster), kept) => {
                warn(user, &roster.warnings);
                let contacts: Vec<KeptContact> = roster.contacts.into_iter().map(KeptContact::from).collect();
                let version = match kept {
                    Some(kept) if kept.contacts == contacts => kept.version,
                    kept => kept.map_or(0, |kept| kept.version) + 1,
                };
                return Ok(Kept { version, tag: roster.tag, contacts });
            }
            (Step::Unchanged | Step::Changed(_), None) => {
                return Err("the plugin compares with a roster that is not kept".into());
            }
        }
    }
    Err(format!("more than {MOST_REQUESTS} requests"))
}

fn changed(mut kept: Kept, changes: Vec<Change>, tag: Option<Vec<u8>>) -> Kept {
    if !changes.is_empty() {
        kept.version += 1;
    }
    for change in changes {
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
    kept.tag = tag;
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
