//! Localparts and resourceparts: the profiles of PRECIS that RFC 7622 names.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::GeneralCategory;

use crate::class::{self, StringClass};
use crate::{Fault, JidError, LONGEST_PART, bidi, plain};

/// A longer text cannot become short enough: mapping and composing make of four bytes one at most.
pub(crate) const LONGEST_SPELLING: usize = 4 * LONGEST_PART;

/// The normalised localpart: `UsernameCaseMapped` of RFC 8265 section 3.3, without the characters RFC 7622 excludes.
///
/// # Errors
/// [`JidError::Localpart`]
#[inline]
pub fn localpart(text: &str) -> Result<Cow<'_, str>, JidError> {
    if plain::is_localpart(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    localpart_by_tables(text).map_err(JidError::Localpart)
}

/// The normalised resourcepart: `OpaqueString` of RFC 8265 section 4.2.
///
/// # Errors
/// [`JidError::Resourcepart`]
#[inline]
pub fn resourcepart(text: &str) -> Result<Cow<'_, str>, JidError> {
    if plain::is_resourcepart(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    resourcepart_by_tables(text).map_err(JidError::Resourcepart)
}

#[cold]
pub(crate) fn localpart_by_tables(text: &str) -> Result<Cow<'_, str>, Fault> {
    part(text, username)
}

#[cold]
pub(crate) fn resourcepart_by_tables(text: &str) -> Result<Cow<'_, str>, Fault> {
    part(text, opaque)
}

/// `profile` of `text`, within the lengths, and the same when it is asked for again.
fn part(text: &str, profile: fn(&str) -> Result<String, Fault>) -> Result<Cow<'_, str>, Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if text.len() > LONGEST_SPELLING {
        return Err(Fault::TooLong);
    }
    let normal = profile(text)?;
    if normal.len() > LONGEST_PART {
        return Err(Fault::TooLong);
    }
    if normal == text {
        return Ok(Cow::Borrowed(text));
    }
    // RFC 8264 section 7: what does not come to rest is not valid. It would be two users to whoever asks twice.
    if profile(&normal)? != normal {
        return Err(normal.chars().next().map_or(Fault::Empty, Fault::Context));
    }
    Ok(Cow::Owned(normal))
}

/// RFC 8265 section 3.3.
fn username(text: &str) -> Result<String, Fault> {
    let wide: String = text.chars().flat_map(width_mapped).collect();
    class::check(&wide, StringClass::Identifier)?;
    let lower = nfc(&wide.chars().flat_map(char::to_lowercase).collect::<String>());
    if let Some(excluded) = lower.chars().find(|c| u8::try_from(*c).is_ok_and(plain::is_excluded)) {
        return Err(Fault::Character(excluded));
    }
    if bidi::is_needed(&lower) && !bidi::allows(&lower) {
        return Err(Fault::Direction);
    }
    Ok(lower)
}

/// RFC 8265 section 4.2.
fn opaque(text: &str) -> Result<String, Fault> {
    class::check(text, StringClass::Freeform)?;
    let space = |c| if class::category(c) == GeneralCategory::SpaceSeparator { ' ' } else { c };
    Ok(nfc(&text.chars().map(space).collect::<String>()))
}

/// RFC 8264 section 5.2.1: the full-width and half-width forms, which are one block and the ideographic space.
///
/// Some of them decompose further than this rule goes; what they become is allowed in no localpart and no domain either way.
pub(crate) fn width_mapped(c: char) -> impl Iterator<Item = char> {
    let mapped = matches!(c, '\u{FF01}'..='\u{FFEE}' | '\u{3000}');
    let narrow = mapped.then(|| ComposingNormalizerBorrowed::new_nfkc().normalize_iter(std::iter::once(c)));
    let same = (!mapped).then_some(c);
    same.into_iter().chain(narrow.into_iter().flatten())
}

pub(crate) fn nfc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}
