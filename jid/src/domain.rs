//! Domains: IDNA2008 in U-labels, as RFC 7622 section 3.2 wants them, or an IP address.
//!
//! `idna` knows how labels are encoded. It maps more than IDNA2008 does, though (UTS 46: `ﬁ` becomes `fi`, a soft hyphen
//! disappears, a snowman is welcome), so what goes into it has been mapped as RFC 5895 says, and both what goes in and what
//! comes out is checked by the rules of RFC 5892.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use icu_properties::props::GeneralCategory;
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use crate::class::{self, StringClass};
use crate::plain::{self, LONGEST_DNS_NAME, LONGEST_LABEL};
use crate::profiles::{LONGEST_SPELLING, nfc, width_mapped};
use crate::{Fault, JidError, bidi};

/// What an encoded label begins with (RFC 5890 section 2.3.2.5).
const A_LABEL: &str = "xn--";

/// The normalised domain: lower case, U-labels, no dot at the end.
///
/// `_` is allowed besides letters, digits and hyphens: names on private networks have it.
///
/// # Errors
/// [`JidError::Domainpart`]
#[inline]
pub fn domainpart(text: &str) -> Result<Cow<'_, str>, JidError> {
    if plain::is_domainpart(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    domainpart_by_tables(text).map_err(JidError::Domainpart)
}

/// A domain's name, normalised.
///
/// Cheap to clone; ordered and hashed as its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// Normalises `text` as [`domainpart`] does.
    ///
    /// # Errors
    /// [`JidError::Domainpart`]
    pub fn new(text: &str) -> Result<Self, JidError> {
        domainpart(text).map(|name| Self(name.into()))
    }

    /// The normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DomainName {
    type Err = JidError;

    fn from_str(text: &str) -> Result<Self, JidError> {
        Self::new(text)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cold]
pub(crate) fn domainpart_by_tables(text: &str) -> Result<Cow<'_, str>, Fault> {
    if text.len() > LONGEST_SPELLING {
        return Err(Fault::TooLong);
    }
    let normal = match text.strip_prefix('[') {
        Some(rest) => ip_address(rest)?,
        None => name(text)?,
    };
    Ok(match text.strip_prefix(normal.as_str()) {
        // The same, but for the dot at its end.
        Some("" | ".") => Cow::Borrowed(text.get(..normal.len()).unwrap_or(text)),
        _ => Cow::Owned(normal),
    })
}

fn ip_address(rest: &str) -> Result<String, Fault> {
    let address = rest.strip_suffix(']').and_then(|address| address.parse::<Ipv6Addr>().ok());
    address.map(|address| format!("[{address}]")).ok_or(Fault::IpAddress)
}

fn name(text: &str) -> Result<String, Fault> {
    let mut mapped = map(text);
    if mapped.ends_with('.') {
        mapped.pop();
    }
    if mapped.is_empty() {
        return Err(Fault::Empty);
    }
    for label in mapped.split('.') {
        check_label(label)?;
    }
    let decoded = if mapped.split('.').any(|label| label.starts_with(A_LABEL)) { decode(&mapped)? } else { mapped };
    if bidi::is_needed(&decoded) && !decoded.split('.').all(bidi::allows) {
        return Err(Fault::Direction);
    }
    check_length(&decoded)?;
    Ok(decoded)
}

/// RFC 5895: width, case, the ideographic full stop, NFC.
fn map(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut mapped = String::with_capacity(text.len());
    for c in text.chars().flat_map(width_mapped) {
        match c {
            '\u{3002}' => mapped.push('.'),
            // Cherokee folds the other way, and IDNA2008 has its upper case.
            '\u{13A0}'..='\u{13FD}' | '\u{AB70}'..='\u{ABBF}' => mapped.extend(c.to_uppercase()),
            _ => mapped.extend(c.to_lowercase()),
        }
    }
    nfc(&mapped)
}

/// RFC 5891 section 4.2 and 5.4, of a label that is mapped.
fn check_label(label: &str) -> Result<(), Fault> {
    if label.is_empty() {
        return Err(Fault::EmptyLabel);
    }
    let host_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if let Some(wrong) = label.chars().find(|c| c.is_ascii() && !host_name(*c)) {
        return Err(Fault::Character(wrong));
    }
    if label.starts_with('-') || label.ends_with('-') || (label.get(2..4) == Some("--") && !label.starts_with(A_LABEL))
    {
        return Err(Fault::Hyphen);
    }
    if label.is_ascii() {
        return Ok(());
    }
    if label.starts_with(A_LABEL) {
        return Err(Fault::Encoding);
    }
    class::check(label, StringClass::Identifier)?;
    if let Some(wrong) = label.chars().find(|c| is_in_ignored_block(*c)) {
        return Err(Fault::Character(wrong));
    }
    match label.chars().next() {
        Some(first) if is_mark(first) => Err(Fault::Context(first)),
        _ => Ok(()),
    }
}

/// RFC 5892 section 2.5: what it disallows beside what the `IdentifierClass` does.
const fn is_in_ignored_block(c: char) -> bool {
    matches!(c, '\u{20D0}'..='\u{20FF}' | '\u{1D100}'..='\u{1D1FF}' | '\u{1D200}'..='\u{1D24F}')
}

fn is_mark(c: char) -> bool {
    use GeneralCategory as Gc;
    matches!(class::category(c), Gc::NonspacingMark | Gc::SpacingMark | Gc::EnclosingMark)
}

/// With A-labels decoded, if they are the encoding of valid U-labels.
fn decode(mapped: &str) -> Result<String, Fault> {
    let (decoded, result) = Uts46::new().to_unicode(mapped.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Check);
    result.map_err(|_| Fault::Encoding)?;
    // What is decoded has not been mapped, and is not to be.
    if map(&decoded) != decoded {
        return Err(Fault::Encoding);
    }
    decoded.split('.').try_for_each(check_label)?;
    Ok(decoded.into_owned())
}

/// DNS counts the encoded form.
fn check_length(name: &str) -> Result<(), Fault> {
    if name.is_ascii() {
        let fits = name.len() <= LONGEST_DNS_NAME && name.split('.').all(|label| label.len() <= LONGEST_LABEL);
        return if fits { Ok(()) } else { Err(Fault::LongName) };
    }
    let encoded = Uts46::new().to_ascii(name.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Check, DnsLength::Ignore);
    match encoded {
        // Characters idna does not take are not in DNS either.
        Err(_) => Err(Fault::Encoding),
        Ok(encoded) if encoded.len() > LONGEST_DNS_NAME => Err(Fault::LongName),
        Ok(encoded) if encoded.split('.').any(|label| label.len() > LONGEST_LABEL) => Err(Fault::LongName),
        Ok(_) => Ok(()),
    }
}
