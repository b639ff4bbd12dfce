//! Small questions about text that are asked for every contact.
//!
//! They work on several bytes at a time because the plugin's C library compares byte by byte, and comparing a
//! roster with the one before is most of what a refresh does.

use std::borrow::Cow;
use std::fmt;

const HIGH: u64 = 0x8080_8080_8080_8080;
const LOW: u64 = 0x0101_0101_0101_0101;

/// Are these the same bytes?
#[inline]
pub(crate) fn same(a: &str, b: &str) -> bool {
    same_bytes(a.as_bytes(), b.as_bytes())
}

/// Are these the same bytes?
#[inline(always)]
pub(crate) fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    // Nearly all strings are short: two pieces that may overlap, no loop and no call.
    a.len() == b.len()
        && match a.len() {
            16..=32 => ends::<16, _>(a, u128::from_le_bytes) == ends(b, u128::from_le_bytes),
            8..16 => ends::<8, _>(a, u64::from_le_bytes) == ends(b, u64::from_le_bytes),
            _ => is_same_other(a, b),
        }
}

/// The first and the last `N` bytes, as numbers.
#[inline(always)]
fn ends<const N: usize, T>(text: &[u8], number: impl Fn([u8; N]) -> T) -> Option<(T, T)> {
    Some((number(*text.first_chunk()?), number(*text.last_chunk()?)))
}

/// The same for other lengths.
#[inline(never)]
fn is_same_other(a: &[u8], b: &[u8]) -> bool {
    match a.len() {
        4..8 => return ends::<4, _>(a, u32::from_le_bytes) == ends(b, u32::from_le_bytes),
        2..4 => return ends::<2, _>(a, u16::from_le_bytes) == ends(b, u16::from_le_bytes),
        _ => {}
    }
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let same = |(a, b): (&[u8; 16], &[u8; 16])| u128::from_le_bytes(*a) == u128::from_le_bytes(*b);
    a.iter().zip(b).all(same) && a_rest.iter().zip(b_rest).all(|(a, b)| a == b)
}

/// Does the text hold a character that has no place in a name: a control character (Unicode category Cc), a line or
/// paragraph separator, or one that XML cannot carry at all (XML 1.0 section 2.2)?
#[inline]
fn has_replaced(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    // A byte is plain if it is 0x20 to 0x7E. Subtracting 0x20 borrows below that, adding 1 carries above it; both
    // show in the high bit. Borrows and carries can only make a plain byte look odd, and then the slow way decides.
    let odd = |word: u64| (word | word.wrapping_sub(LOW * 0x20) | word.wrapping_add(LOW)) & HIGH;
    if words.iter().all(|word| odd(u64::from_le_bytes(*word)) == 0)
        && rest.iter().all(|byte| (0x20..0x7F).contains(byte))
    {
        return false;
    }
    text.chars().any(|c| replaced(c) != c)
}

/// The character, or what stands for it in a name.
fn replaced(c: char) -> char {
    match c {
        '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => ' ',
        '\u{FFFE}' | '\u{FFFF}' => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// The text as a name can have it, and whether it had to be mended: spaces for control characters, U+FFFD for what XML
/// cannot carry.
#[inline]
pub(crate) fn mended(text: Cow<'_, str>) -> (Cow<'_, str>, bool) {
    if has_replaced(&text) { (Cow::Owned(text.chars().map(replaced).collect()), true) } else { (text, false) }
}

/// Is it a number in digits alone?
#[inline]
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Text from outside, made fit for one line of a log: at most 64 characters, control characters escaped, quoted.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 64;
        f.write_str("\"")?;
        for c in self.0.chars().take(LONGEST) {
            write!(f, "{}", c.escape_debug())?;
        }
        f.write_str(if self.0.chars().nth(LONGEST).is_some() { "\"…" } else { "\"" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn same_is_equality(a in "[ab]{0,40}", b in "[ab]{0,3}|[ab]{0,40}") {
            prop_assert_eq!(same(&a, &b), a == b);
            prop_assert!(same(&a, &a.clone()));
        }

        #[test]
        fn a_text_is_mended_if_a_character_of_it_is_unfit(
            text in "[ -~]{0,12}[\\x00-\u{A0}\u{2026}-\u{202A}\u{FFFC}-\u{FFFF}]{0,3}[ -~]{0,12}"
        ) {
            let expected: String = text.chars().map(replaced).collect();
            prop_assert_eq!(mended(Cow::Borrowed(&text)), (Cow::Borrowed(&*expected), text != expected));
            prop_assert_eq!(mended(Cow::Borrowed(&expected)), (Cow::Borrowed(&*expected), false));
        }
    }

    #[test]
    fn control_characters_are_spaces_and_what_xml_cannot_carry_is_replaced() {
        for (text, expected) in [
            ("A\tB", "A B"),
            ("A\r\nB", "A  B"),
            ("\0\u{1b}\u{7f}\u{85}\u{9f}", "     "),
            ("a\u{2028}b\u{2029}c", "a b c"),
            ("\u{FFFE}\u{FFFF}", "\u{FFFD}\u{FFFD}"),
            ("Zoë 😀\u{FFFD}\u{A0}\u{AD}", "Zoë 😀\u{FFFD}\u{A0}\u{AD}"),
        ] {
            assert_eq!(mended(Cow::Borrowed(text)).0, expected, "{text:?}");
        }
    }

    #[test]
    fn quoted_text_is_short_and_has_no_line_breaks() {
        assert_eq!(Quoted("a\nb\u{7}").to_string(), "\"a\\nb\\u{7}\"");
        assert_eq!(Quoted(&"x".repeat(65)).to_string(), format!("\"{}\"…", "x".repeat(64)));
    }
}
