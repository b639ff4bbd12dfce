//! Text that runs from right to left (RFC 5893 section 2): a label must not look like another one in another order.

use icu_properties::props::BidiClass;
use icu_properties::{CodePointMapData, CodePointMapDataBorrowed};

static CLASS: CodePointMapDataBorrowed<'static, BidiClass> = CodePointMapData::<BidiClass>::new();

/// Whether any character of `text` makes the rule apply.
pub(crate) fn is_needed(text: &str) -> bool {
    text.chars()
        .any(|c| matches!(CLASS.get(c), BidiClass::RightToLeft | BidiClass::ArabicLetter | BidiClass::ArabicNumber))
}

/// Whether `label` obeys the rule. The numbers are those of its conditions.
pub(crate) fn allows(label: &str) -> bool {
    use BidiClass as Class;
    let classes = || label.chars().map(|c| CLASS.get(c));
    let Some(first) = classes().next() else { return true };
    let last = classes().rfind(|class| *class != Class::NonspacingMark);
    let neutral = |class: Class| {
        matches!(
            class,
            Class::EuropeanNumber
                | Class::EuropeanSeparator
                | Class::CommonSeparator
                | Class::EuropeanTerminator
                | Class::OtherNeutral
                | Class::BoundaryNeutral
                | Class::NonspacingMark
        )
    };
    match first {
        // 1, 5, 6
        Class::LeftToRight => {
            classes().all(|class| class == Class::LeftToRight || neutral(class))
                && matches!(last, Some(Class::LeftToRight | Class::EuropeanNumber))
        }
        // 1, 2, 3, 4
        Class::RightToLeft | Class::ArabicLetter => {
            let right = |class| matches!(class, Class::RightToLeft | Class::ArabicLetter | Class::ArabicNumber);
            classes().all(|class| right(class) || neutral(class))
                && last.is_some_and(|class| right(class) || class == Class::EuropeanNumber)
                && !(classes().any(|class| class == Class::EuropeanNumber)
                    && classes().any(|class| class == Class::ArabicNumber))
        }
        _ => false,
    }
}
