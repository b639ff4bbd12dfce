//! Many users in one request, for a plugin that says how (`bulk.wit`). Whatever goes wrong, users are asked for alone.

use super::exchange::{Read, Reader};
use super::{Failures, Open, Rosters, application};
use crate::bindings::xmpp::roster::bulk::{self, Part, PartBody, Piece, Wanted};
use crate::bindings::xmpp::roster::types::{FetchError, Response};

/// So many times as long as the response all parts of it may be together, and how long they may always be.
const MOST_COPIES: usize = 4;
const LEAST_COPIES: usize = 64 << 10;

/// Refreshes who can be asked for together. Whoever is left has to be asked for alone.
pub(super) fn refresh(rosters: &Rosters<'_>, open: Vec<Open>, failures: &mut Failures) -> Vec<Open> {
    let most = usize::try_from(bulk::users_per_request()).unwrap_or(usize::MAX).min(rosters.client.bulk_users);
    if most < 2 {
        return open;
    }
    let mut alone = Vec::new();
    let mut open = open.into_iter();
    loop {
        let many: Vec<Open> = open.by_ref().take(most).collect();
        if many.len() < 2 || rosters.deadline.has_passed() {
            alone.extend(many);
            alone.extend(open);
            return alone;
        }
        match ask(rosters, &many) {
            Ok(said) => {
                let each = many.into_iter().zip(said);
                alone.extend(each.filter_map(|(one, said)| apply(rosters, one, said, failures)));
            }
            Err(error) => {
                let reason = super::failure(error);
                eprintln!("a request for {} users failed, each is asked for alone: {reason}", many.len());
                alone.extend(many);
                alone.extend(open);
                return alone;
            }
        }
    }
}

/// What the response says of each.
enum Said {
    Unchanged,
    Part(Response),
    Nothing,
}

fn ask(rosters: &Rosters<'_>, many: &[Open]) -> Result<Vec<Said>, FetchError> {
    let wanted: Vec<Wanted> =
        many.iter().map(|one| Wanted { user: one.user.clone(), tag: one.known.validator() }).collect();
    let request = bulk::make_bulk_request(&wanted)?;
    let response = application::send(rosters, &request)?.response(rosters)?;
    let users: Vec<String> = many.iter().map(|one| one.user.clone()).collect();
    let pieces = bulk::split_response(&users, &response)?;
    if pieces.len() != many.len() {
        return Err(FetchError::Malformed(format!("of {} users it makes {} pieces", many.len(), pieces.len())));
    }
    let mut left = response.body.len().saturating_mul(MOST_COPIES).max(LEAST_COPIES);
    let said = pieces.into_iter().zip(many).map(|(piece, one)| match piece {
        Piece::Part(part) => cut(part, &response.body, &mut left).map(Said::Part),
        // Only a tag that says something can be confirmed.
        Piece::Unchanged if one.known.tag.as_ref().is_some_and(|tag| !tag.is_empty()) => Ok(Said::Unchanged),
        Piece::Unchanged | Piece::Missing => Ok(Said::Nothing),
    });
    said.collect()
}

/// A user's part as a response of its own. `left`: bytes that this one and those after it may have.
fn cut(part: Part, whole: &[u8], left: &mut usize) -> Result<Response, FetchError> {
    let beyond = || FetchError::Malformed("a part of the response is not within it".into());
    let body = match part.body {
        PartBody::Bytes(bytes) => bytes,
        PartBody::Slice(slice) => {
            let (from, length) = (slice.offset as usize, slice.length as usize);
            let range = from..from.checked_add(length).ok_or_else(beyond)?;
            // Before it is copied.
            if length > *left {
                return Err(beyond());
            }
            whole.get(range).ok_or_else(beyond)?.to_vec()
        }
    };
    *left = left.checked_sub(body.len()).ok_or_else(beyond)?;
    Ok(Response { status: part.status, headers: part.headers, body })
}

/// Keeps what was said of one. Returned is who has to be asked for alone.
fn apply(rosters: &Rosters<'_>, one: Open, said: Said, failures: &mut Failures) -> Option<Open> {
    let read = match said {
        Said::Nothing => return Some(one),
        Said::Unchanged => Ok(Read::Unchanged),
        Said::Part(response) => Reader::new(&one.user, Some(&one.known)).read(rosters, response),
    };
    let Open { user, slot, .. } = one;
    let ended = read.map_err(super::failure).and_then(|read| rosters.settle(slot, &read));
    match ended.and_then(|ended| rosters.again(&user, ended)) {
        Ok(again) => again,
        Err(error) => {
            failures.note(&user, &error);
            None
        }
    }
}
