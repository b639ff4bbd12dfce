//! The string classes of PRECIS (RFC 8264 section 8): what a character is worth, by its properties in Unicode.
//!
//! By the properties that ICU4X has, which `idna` brings along, and not by a table of the RFC's time: the registry's stops at
//! Unicode 6.3, where a language that was encoded later has no names.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    BinaryProperty, DefaultIgnorableCodePoint, GeneralCategory, HangulSyllableType, NoncharacterCodePoint,
};
use icu_properties::{CodePointMapData, CodePointMapDataBorrowed};

use crate::Fault;
use crate::context;

/// The derived property of a character, with the two string classes told apart by [`Property::Freeform`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    /// `PVALID`: allowed.
    Valid,
    /// `FREE_PVAL` and `ID_DIS`: allowed in the `FreeformClass` only.
    Freeform,
    /// `CONTEXTJ` and `CONTEXTO`: where its neighbours allow it.
    Context,
    /// `DISALLOWED` and `UNASSIGNED`.
    Disallowed,
}

/// RFC 8264 section 4.2 and 4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StringClass {
    Identifier,
    Freeform,
}

static CATEGORY: CodePointMapDataBorrowed<'static, GeneralCategory> = CodePointMapData::<GeneralCategory>::new();
static SYLLABLE: CodePointMapDataBorrowed<'static, HangulSyllableType> = CodePointMapData::<HangulSyllableType>::new();

pub(crate) fn category(c: char) -> GeneralCategory {
    CATEGORY.get(c)
}

/// RFC 8264 section 8, in its order.
pub(crate) fn property(c: char) -> Property {
    use GeneralCategory as Gc;
    if let Some(exception) = exception(c) {
        return exception;
    }
    let category = CATEGORY.get(c);
    match c {
        // Characters that are not encoded yet may turn out to be anything.
        _ if category == Gc::Unassigned && !NoncharacterCodePoint::for_char(c) => Property::Disallowed,
        '!'..='~' => Property::Valid,
        context::ZERO_WIDTH_NON_JOINER | context::ZERO_WIDTH_JOINER => Property::Context,
        _ if is_old_hangul(c) || is_ignorable(c) || category == Gc::Control => Property::Disallowed,
        _ if has_compat(c) => Property::Freeform,
        _ => match category {
            Gc::LowercaseLetter
            | Gc::UppercaseLetter
            | Gc::OtherLetter
            | Gc::DecimalNumber
            | Gc::ModifierLetter
            | Gc::NonspacingMark
            | Gc::SpacingMark => Property::Valid,
            Gc::TitlecaseLetter | Gc::LetterNumber | Gc::OtherNumber | Gc::EnclosingMark => Property::Freeform,
            Gc::SpaceSeparator => Property::Freeform,
            Gc::MathSymbol | Gc::CurrencySymbol | Gc::ModifierSymbol | Gc::OtherSymbol => Property::Freeform,
            Gc::ConnectorPunctuation
            | Gc::DashPunctuation
            | Gc::OpenPunctuation
            | Gc::ClosePunctuation
            | Gc::InitialPunctuation
            | Gc::FinalPunctuation
            | Gc::OtherPunctuation => Property::Freeform,
            _ => Property::Disallowed,
        },
    }
}

/// RFC 8264 section 9.6.
fn exception(c: char) -> Option<Property> {
    Some(match c {
        '\u{DF}' | '\u{3C2}' | '\u{6FD}' | '\u{6FE}' | '\u{F0B}' | '\u{3007}' => Property::Valid,
        '\u{B7}' | '\u{375}' | '\u{5F3}' | '\u{5F4}' | '\u{30FB}' => Property::Context,
        '\u{660}'..='\u{669}' | '\u{6F0}'..='\u{6F9}' => Property::Context,
        '\u{640}' | '\u{7FA}' | '\u{302E}' | '\u{302F}' | '\u{3031}'..='\u{3035}' | '\u{303B}' => Property::Disallowed,
        _ => return None,
    })
}

/// RFC 8264 section 9.9.
fn is_old_hangul(c: char) -> bool {
    use HangulSyllableType as Type;
    matches!(SYLLABLE.get(c), Type::LeadingJamo | Type::VowelJamo | Type::TrailingJamo)
}

/// RFC 8264 section 9.13.
fn is_ignorable(c: char) -> bool {
    DefaultIgnorableCodePoint::for_char(c) || NoncharacterCodePoint::for_char(c)
}

/// RFC 8264 section 9.17: something else under NFKC.
fn has_compat(c: char) -> bool {
    let mut normalized = ComposingNormalizerBorrowed::new_nfkc().normalize_iter(std::iter::once(c));
    !(normalized.next() == Some(c) && normalized.next().is_none())
}

/// The first character of `text` that `class` does not allow.
pub(crate) fn check(text: &str, class: StringClass) -> Result<(), Fault> {
    // Most have none whose neighbours count.
    let mut all: Option<Vec<char>> = None;
    for (at, c) in text.chars().enumerate() {
        match (property(c), class) {
            (Property::Valid, _) | (Property::Freeform, StringClass::Freeform) => {}
            (Property::Context, _) => {
                let all = all.get_or_insert_with(|| text.chars().collect());
                if !context::allows(c, all, at) {
                    return Err(Fault::Context(c));
                }
            }
            (Property::Freeform | Property::Disallowed, _) => return Err(Fault::Character(c)),
        }
    }
    Ok(())
}
