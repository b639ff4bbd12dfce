//! The exports, for every backend the same.

use std::marker::PhantomData;
use std::rc::Rc;

use crate::bindings::exports::wasi::keyvalue::atomics::{self, Cas, CasError, GuestCas};
use crate::bindings::exports::wasi::keyvalue::store::{self, Bucket, BucketBorrow, GuestBucket};
use crate::{Backend, Entry, Error, KeyResponse, Revision};

/// Others who write the same key all the time are given up at some point.
const MOST_TRIES: usize = 1000;

/// The component that keeps its state in `B`.
pub struct Component<B>(PhantomData<B>);

/// An open store.
pub struct Open<B>(Rc<B>);

/// A value as it was.
pub struct Seen<B> {
    backend: Rc<B>,
    key: String,
    entry: Option<Entry>,
}

impl<B: Backend> store::Guest for Component<B> {
    type Bucket = Open<B>;

    fn open(identifier: String) -> Result<Bucket, Error> {
        Ok(Bucket::new(Open(Rc::new(B::open(&identifier)?))))
    }
}

impl<B: Backend> GuestBucket for Open<B> {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.read(&key)?.map(|entry| entry.value))
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.until_written(&key, |_| Ok(Some(value.clone())))
    }

    fn delete(&self, key: String) -> Result<(), Error> {
        self.until_written(&key, |_| Ok(None))
    }

    fn exists(&self, key: String) -> Result<bool, Error> {
        Ok(self.0.read(&key)?.is_some())
    }

    fn list_keys(&self, cursor: Option<String>) -> Result<KeyResponse, Error> {
        self.0.keys(cursor)
    }
}

impl<B: Backend> Open<B> {
    /// Puts what `value` makes of what is there in its place, however many others write.
    fn until_written(
        &self,
        key: &str,
        mut value: impl FnMut(Option<&[u8]>) -> Result<Option<Vec<u8>>, Error>,
    ) -> Result<(), Error> {
        for _ in 0..MOST_TRIES {
            let seen = self.0.read(key)?;
            let value = value(seen.as_ref().map(|entry| &*entry.value))?;
            let nothing_to_do = seen.is_none() && value.is_none();
            if nothing_to_do || self.0.replace(key, revision(seen.as_ref()), value.as_deref())? {
                return Ok(());
            }
        }
        Err(Error::Other(format!("{key:?}: others write it all the time")))
    }
}

impl<B: Backend> atomics::Guest for Component<B> {
    type Cas = Seen<B>;

    /// Numbers are kept as decimal text.
    fn increment(bucket: BucketBorrow<'_>, key: String, delta: i64) -> Result<i64, Error> {
        let mut sum = 0;
        bucket.get::<Open<B>>().until_written(&key, |now| {
            let no_number = || Error::Other(format!("{key:?} is no number, or would be too large a one"));
            let now = now.map_or(Some(0), |now| std::str::from_utf8(now).ok()?.parse().ok()).ok_or_else(no_number)?;
            sum = delta.checked_add(now).ok_or_else(no_number)?;
            Ok(Some(sum.to_string().into_bytes()))
        })?;
        Ok(sum)
    }

    fn swap(cas: Cas, value: Vec<u8>) -> Result<(), CasError> {
        let Seen { backend, key, entry } = cas.into_inner::<Seen<B>>();
        if backend.replace(&key, revision(entry.as_ref()), Some(&value)).map_err(CasError::StoreError)? {
            return Ok(());
        }
        Err(CasError::CasFailed(Cas::new(Seen::look(backend, key).map_err(CasError::StoreError)?)))
    }
}

impl<B: Backend> GuestCas for Seen<B> {
    fn new(bucket: BucketBorrow<'_>, key: String) -> Result<Cas, Error> {
        Ok(Cas::new(Self::look(Rc::clone(&bucket.get::<Open<B>>().0), key)?))
    }

    fn current(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.entry.as_ref().map(|entry| entry.value.clone()))
    }
}

impl<B: Backend> Seen<B> {
    fn look(backend: Rc<B>, key: String) -> Result<Self, Error> {
        let entry = backend.read(&key)?;
        Ok(Self { backend, key, entry })
    }
}

fn revision(entry: Option<&Entry>) -> Option<Revision> {
    entry.map(|entry| entry.revision)
}
