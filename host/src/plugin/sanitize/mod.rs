//! What a plugin says, cut down to what the host keeps. The same for every version of the WIT.

pub(in crate::plugin) mod contacts;
use self::contacts::{Mended, Owner};
use crate::model::Tag;
use crate::plugin::api::{BadRequest, Delta, FetchError, FetchedRoster};
use crate::text;

/// The longest tag kept, bytes; see `tag` in `wit/types.wit`.
const LONGEST_TAG: usize = 4096;
/// Warnings logged per call, and the length of one; a plugin must not flood the log.
const MOST_WARNINGS: usize = 32;
const LONGEST_WARNING: usize = 500;

/// The tag of a roster. A validator that is too long is as none.
pub(in crate::plugin) fn tag(mut tag: Tag) -> Tag {
    tag.validator = tag.validator.filter(|validator| validator.len() <= LONGEST_TAG);
    tag
}

fn warnings(mut warnings: Vec<String>) -> Vec<String> {
    let more = warnings.len().saturating_sub(MOST_WARNINGS);
    warnings.truncate(MOST_WARNINGS);
    for warning in &mut warnings {
        *warning = one_line(warning);
    }
    if more > 0 {
        warnings.push(format!("and {more} more warnings"));
    }
    warnings
}

/// What a plugin says, fit for one line of the log.
pub(crate) fn one_line(said: &str) -> String {
    let clean = |c: char| if text::is_plain(c) { c } else { ' ' };
    said.chars().map(clean).take(LONGEST_WARNING).collect()
}

pub(in crate::plugin) fn roster(roster: FetchedRoster, owner: Owner<'_>) -> FetchedRoster {
    let mut mended = Mended::default();
    let contacts = contacts::contacts(roster.contacts, owner, &mut mended);
    FetchedRoster { contacts, tag: roster.tag, warnings: warnings(mended.before(roster.warnings)) }
}

pub(in crate::plugin) fn delta(delta: Delta, owner: Owner<'_>) -> Delta {
    let mut mended = Mended::default();
    let changes = contacts::changes(delta.changes, owner, &mut mended);
    Delta { changes, tag: delta.tag, warnings: warnings(mended.before(delta.warnings)) }
}

pub(in crate::plugin) fn fetch_error(error: FetchError) -> FetchError {
    match error {
        FetchError::Unreachable(reason) => FetchError::Unreachable(one_line(&reason)),
        FetchError::Malformed(reason) => FetchError::Malformed(one_line(&reason)),
        FetchError::Misconfigured(reason) => FetchError::Misconfigured(one_line(&reason)),
        plain @ (FetchError::TimedOut | FetchError::Status(_) | FetchError::TooLarge) => plain,
    }
}

pub(in crate::plugin) fn bad_request(bad: BadRequest) -> BadRequest {
    BadRequest { message: one_line(&bad.message) }
}
