#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn what_a_client_says_cannot_forge_a_line() {
    for (text, expected) in [
        ("john", "john"),
        ("a.b-c_d+e#f", "a.b-c_d+e#f"),
        ("jürgen", "jürgen"),
        ("ⴰⵎⴰⵣⵉⵖ", "ⴰⵎⴰⵣⵉⵖ"),
        (
            "x\nWARN login failed address=192.0.2.7",
            "x\\u{a}WARN\\u{20}login\\u{20}failed\\u{20}address\\u{3d}192.0.2.7",
        ),
        ("\u{1b}[1m\r\u{0}", "\\u{1b}[1m\\u{d}\\u{0}"),
        ("a\u{202e}b\u{2066}\u{200d}\u{2028}\u{85}", "a\\u{202e}b\\u{2066}\\u{200d}\\u{2028}\\u{85}"),
        ("\"a\\b'", "\\u{22}a\\u{5c}b\\u{27}"),
        ("", ""),
    ] {
        assert_eq!(word(text), expected);
    }
    assert_eq!(sentence("<a xmlns='b'/>\n is\u{202e} \\u"), "<a xmlns='b'/>\\u{a} is\\u{202e} \\u{5c}u");
    assert_eq!(word(&"\n".repeat(5000)).len(), 128 * 5 + 3);
}

#[test]
fn every_kind_has_its_own_message_and_budget() {
    for (n, what) in What::ALL.into_iter().enumerate() {
        assert_eq!(what as usize, n);
        assert_eq!(What::ALL.into_iter().filter(|other| other.message() == what.message()).count(), 1);
    }
}
