//! Characters that are allowed beside some neighbours only (RFC 5892 appendix A, which RFC 8264 takes over).

use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use icu_properties::props::{JoiningType, Script};
use icu_properties::{CodePointMapData, CodePointMapDataBorrowed};

pub(crate) const ZERO_WIDTH_NON_JOINER: char = '\u{200C}';
pub(crate) const ZERO_WIDTH_JOINER: char = '\u{200D}';

/// The canonical combining class.
const VIRAMA: u8 = 9;

static SCRIPT: CodePointMapDataBorrowed<'static, Script> = CodePointMapData::<Script>::new();
static JOINING: CodePointMapDataBorrowed<'static, JoiningType> = CodePointMapData::<JoiningType>::new();
static COMBINING: CanonicalCombiningClassMapBorrowed<'static> = CanonicalCombiningClassMapBorrowed::new();

/// Whether `c`, which is at `at` in `text`, may be there. A character that has no rule may not.
pub(crate) fn allows(c: char, text: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| text.get(at)).copied();
    let after = text.get(at + 1).copied();
    match c {
        // A.1
        ZERO_WIDTH_NON_JOINER => before.is_some_and(is_virama) || joins_on_both_sides(text, at),
        // A.2
        ZERO_WIDTH_JOINER => before.is_some_and(is_virama),
        // A.3, middle dot: between two l, in Catalan.
        '\u{B7}' => before == Some('l') && after == Some('l'),
        // A.4, Greek keraia
        '\u{375}' => after.is_some_and(|c| SCRIPT.get(c) == Script::Greek),
        // A.5 and A.6, Hebrew geresh and gershayim
        '\u{5F3}' | '\u{5F4}' => before.is_some_and(|c| SCRIPT.get(c) == Script::Hebrew),
        // A.7, Katakana middle dot
        '\u{30FB}' => text.iter().any(|c| matches!(SCRIPT.get(*c), Script::Hiragana | Script::Katakana | Script::Han)),
        // A.8 and A.9: Arabic digits of one kind only
        '\u{660}'..='\u{669}' => !text.iter().any(|c| ('\u{6F0}'..='\u{6F9}').contains(c)),
        '\u{6F0}'..='\u{6F9}' => !text.iter().any(|c| ('\u{660}'..='\u{669}').contains(c)),
        _ => false,
    }
}

fn is_virama(c: char) -> bool {
    COMBINING.get_u8(c) == VIRAMA
}

/// Between letters that would be joined, transparent ones aside.
fn joins_on_both_sides(text: &[char], at: usize) -> bool {
    let (before, after) = text.split_at_checked(at).unwrap_or_default();
    let opaque = |c: &&char| JOINING.get(**c) != JoiningType::Transparent;
    let kind = |c: &char| JOINING.get(*c);
    let left = before.iter().rev().find(opaque).map(kind);
    let right = after.iter().skip(1).find(opaque).map(kind);
    matches!(left, Some(JoiningType::LeftJoining | JoiningType::DualJoining))
        && matches!(right, Some(JoiningType::RightJoining | JoiningType::DualJoining))
}
