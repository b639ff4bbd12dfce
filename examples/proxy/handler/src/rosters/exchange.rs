//! From a request to what a response means, for one user.

use super::application::Asked;
use super::kept::{self, Kept};
use super::{Rosters, application};
use crate::bindings::xmpp::roster::hooks;
use crate::bindings::xmpp::roster::store::Snapshot;
use crate::bindings::xmpp::roster::types::{FetchError, Response, Step};
use crate::bindings::xmpp::roster_proxy::snapshots;

/// Requests for one roster at most.
const MOST_REQUESTS: usize = 16;
/// What the plugin hands from one request to the next at most.
const MOST_STATE: usize = 1 << 20;

/// What a response says.
pub(super) enum Read {
    /// The roster that is kept is the application's.
    Unchanged,
    /// This is.
    Roster(Kept),
}

/// A user who is asked for.
pub(super) struct Exchange {
    reader: Reader,
    asked: Asked,
}

/// A user of whom the application has said something.
pub(super) struct Answered {
    reader: Reader,
    response: Response,
}

impl Answered {
    /// What it has said, and what it says to the requests that follow.
    pub(super) fn read(self, rosters: &Rosters<'_>) -> Result<Read, FetchError> {
        self.reader.read(rosters, self.response)
    }
}

/// Reads responses for one user.
pub(super) struct Reader {
    user: String,
    known: Option<Kept>,
    tag: Option<Vec<u8>>,
    snapshot: Option<Snapshot>,
}

impl Exchange {
    /// Sends the first request.
    pub(super) fn begin(rosters: &Rosters<'_>, user: &str, known: Option<&Kept>) -> Result<Self, FetchError> {
        let reader = Reader::new(user, known);
        let request = hooks::make_request(user, reader.tag.as_deref())?;
        Ok(Self { reader, asked: application::send(rosters, &request)? })
    }

    /// Waits for the response.
    pub(super) fn answered(self, rosters: &Rosters<'_>) -> Result<Answered, FetchError> {
        Ok(Answered { response: self.asked.response(rosters)?, reader: self.reader })
    }

    /// Waits for the responses for many.
    pub(super) fn all_answered(rosters: &Rosters<'_>, many: Vec<Self>) -> Vec<Result<Answered, FetchError>> {
        let (readers, asked): (Vec<_>, Vec<_>) = many.into_iter().map(|one| (one.reader, one.asked)).unzip();
        let responses = application::responses(rosters, asked);
        readers
            .into_iter()
            .zip(responses)
            .map(|(reader, response)| Ok(Answered { response: response?, reader }))
            .collect()
    }
}

impl Reader {
    /// `known`: the roster that is kept.
    pub(super) fn new(user: &str, known: Option<&Kept>) -> Self {
        let tag = known.and_then(Kept::validator);
        let snapshot = known.map(|kept| {
            let contacts: Vec<_> = kept.contacts.iter().cloned().map(Into::into).collect();
            snapshots::make(kept.version, &contacts)
        });
        Self { user: user.to_owned(), known: known.cloned(), tag, snapshot }
    }

    pub(super) fn read(self, rosters: &Rosters<'_>, mut response: Response) -> Result<Read, FetchError> {
        let Self { user, known, tag, snapshot } = self;
        let owner = format!("{user}@{}", rosters.domain);
        let warn = |warnings: &[String]| warnings.iter().for_each(|warning| eprintln!("{user}: {warning}"));
        let mut state = Vec::new();
        for _ in 0..MOST_REQUESTS {
            let step = hooks::read_response(&user, tag.as_deref(), snapshot.as_ref(), &response, &state)?;
            match (step, &known) {
                (Step::Next(next), _) if next.state.len() > MOST_STATE => {
                    return Err(FetchError::Malformed("the plugin hands on too much".into()));
                }
                (Step::Next(next), _) => {
                    state = next.state;
                    response = application::send(rosters, &next.request)?.response(rosters)?;
                }
                (Step::Unchanged, Some(_)) => return Ok(Read::Unchanged),
                (Step::Changed(delta), Some(known)) => {
                    warn(&delta.warnings);
                    return Ok(same(known, Kept::changed(known.clone(), delta.changes, delta.tag, &owner)));
                }
                (Step::Roster(roster), known) => {
                    warn(&roster.warnings);
                    let contacts = kept::contacts(roster.contacts, &owner);
                    let next = Kept::after(known.clone(), contacts, roster.tag);
                    return Ok(match known {
                        Some(known) => same(known, next),
                        None => Read::Roster(next),
                    });
                }
                (Step::Unchanged | Step::Changed(_), None) => {
                    return Err(FetchError::Malformed("the plugin compares with a roster that is not kept".into()));
                }
            }
        }
        Err(FetchError::Malformed(format!("it takes more than {MOST_REQUESTS} requests")))
    }
}

/// A roster that is the same in all is unchanged.
fn same(known: &Kept, next: Kept) -> Read {
    if known.etag() == next.etag() { Read::Unchanged } else { Read::Roster(next) }
}
