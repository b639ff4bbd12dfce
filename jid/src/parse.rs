//! Whole addresses.

use std::borrow::Cow;
use std::fmt;

use crate::{JidError, domainpart, localpart, plain, resourcepart};

/// An address with each of its parts normalised. Parts that were normal already are borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jid<'a> {
    /// Before the `@`; gateways and servers have none.
    pub localpart: Option<Cow<'a, str>>,
    /// The domain.
    pub domainpart: Cow<'a, str>,
    /// After the `/`, if it is a full JID.
    pub resourcepart: Option<Cow<'a, str>>,
}

impl<'a> Jid<'a> {
    /// Takes `text` apart (RFC 7622 section 3.2) and normalises the parts.
    ///
    /// # Errors
    /// What is wrong with which part.
    pub fn parse(text: &'a str) -> Result<Self, JidError> {
        let (bare, resource) = match text.split_once('/') {
            Some((bare, resource)) => (bare, Some(resource)),
            None => (text, None),
        };
        let (local, domain) = match bare.split_once('@') {
            Some((local, domain)) => (Some(local), domain),
            None => (None, bare),
        };
        Ok(Self {
            localpart: local.map(localpart).transpose()?,
            domainpart: domainpart(domain)?,
            resourcepart: resource.map(resourcepart).transpose()?,
        })
    }

    /// The address without its resource.
    #[must_use]
    pub fn bare(&self) -> String {
        match &self.localpart {
            Some(local) => format!("{local}@{}", self.domainpart),
            None => self.domainpart.clone().into_owned(),
        }
    }
}

impl fmt::Display for Jid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(local) = &self.localpart {
            write!(f, "{local}@")?;
        }
        f.write_str(&self.domainpart)?;
        match &self.resourcepart {
            Some(resource) => write!(f, "/{resource}"),
            None => Ok(()),
        }
    }
}

/// The normalised bare JID of a bare or full JID; borrowed if it was normal already.
///
/// Made for rosters: ten thousands of addresses, nearly all of them normal.
///
/// # Errors
/// What is wrong with which part; the resource is looked at as well.
#[inline]
pub fn bare_jid(text: &str) -> Result<Cow<'_, str>, JidError> {
    match plain::bare_jid(text) {
        Some(bare) => Ok(Cow::Borrowed(bare)),
        None => prepared(text),
    }
}

#[cold]
fn prepared(text: &str) -> Result<Cow<'_, str>, JidError> {
    let jid = Jid::parse(text)?;
    match (&jid.localpart, jid.domainpart) {
        (None, domain) => Ok(domain),
        (Some(Cow::Borrowed(local)), Cow::Borrowed(domain)) => {
            // Both are where they were, with the @ between them.
            let bare = text.get(..local.len() + 1 + domain.len());
            Ok(bare.map_or_else(|| Cow::Owned(format!("{local}@{domain}")), Cow::Borrowed))
        }
        (Some(local), domain) => Ok(Cow::Owned(format!("{local}@{domain}"))),
    }
}
