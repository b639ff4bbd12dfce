//! The place where a user's roster is kept, in `wasi:keyvalue`: nothing is put there but by who has seen what is there.

use super::kept::Kept;
use crate::bindings::wasi::keyvalue::atomics::{Cas, CasError, swap};
use crate::bindings::wasi::keyvalue::store::{self, Bucket, Error};
use crate::refusal::Refusal;

/// What is there while the application is asked for the first time. Not worth keeping: a store may lose it.
pub(super) const FETCHING: &[u8] = b"";

/// What is there.
pub(super) enum State {
    Absent,
    /// Somebody asks for the first time, or has died over it. So is what another program wrote.
    Fetching,
    Kept(Kept),
}

/// The place as it was when it was looked at.
pub(super) struct Slot {
    cas: Cas,
    bytes: Option<Vec<u8>>,
}

/// What became of putting something there.
pub(super) enum Put {
    Done,
    /// Another was faster: this is there now.
    Other(Slot),
}

pub(super) fn open(name: &str) -> Result<Bucket, Refusal> {
    store::open(name).map_err(|error| match error {
        Error::NoSuchStore => Refusal::Store(format!("wasi:keyvalue has no store {name:?} (keyvalue_store)")),
        error => failed(&error),
    })
}

impl Slot {
    pub(super) fn look(bucket: &Bucket, user: &str) -> Result<Self, Refusal> {
        Self::of(Cas::new(bucket, &key(user)).map_err(|error| failed(&error))?)
    }

    fn of(cas: Cas) -> Result<Self, Refusal> {
        let bytes = cas.current().map_err(|error| failed(&error))?;
        Ok(Self { cas, bytes })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }

    pub(super) fn state(&self) -> State {
        match &self.bytes {
            None => State::Absent,
            Some(bytes) => Kept::decode(bytes).map_or(State::Fetching, State::Kept),
        }
    }

    pub(super) fn put(self, bytes: &[u8]) -> Result<Put, Refusal> {
        match swap(self.cas, bytes) {
            Ok(()) => Ok(Put::Done),
            Err(CasError::CasFailed(cas)) => Ok(Put::Other(Self::of(cas)?)),
            Err(CasError::StoreError(error)) => Err(failed(&error)),
        }
    }
}

/// The first fetch has failed. If another puts a roster there in this very moment it may go as well, and is then fetched by the
/// next who wants it.
pub(super) fn give_up(bucket: &Bucket, user: &str) -> Result<(), Refusal> {
    let key = key(user);
    if bucket.get(&key).map_err(|error| failed(&error))?.is_some_and(|bytes| bytes == FETCHING) {
        bucket.delete(&key).map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn key(user: &str) -> String {
    format!("roster:{user}")
}

fn failed(error: &Error) -> Refusal {
    Refusal::Store(match error {
        Error::NoSuchStore => "there is no such store".into(),
        Error::AccessDenied => "access is denied".into(),
        Error::Other(reason) => reason.clone(),
    })
}
