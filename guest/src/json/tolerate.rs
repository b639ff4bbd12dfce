//! JSON that is well-formed and that serde_json refuses all the same: halves of surrogate pairs (`"a\ud83d"`, what
//! JavaScript writes of a text that it cut within a character) and numbers that no `f64` holds (`1e999`). Neither says
//! anything about the rest of a document.
//!
//! Only asked for after serde_json has refused, so that every other document costs nothing.

/// The document, with something that can be read in place of what cannot: `half` for each half of a surrogate pair, and 0
/// for each number, for numbers mean nothing here. Everything stays where it is, so that errors point to the right place.
/// `None`: there is nothing of the kind in it.
pub(crate) fn readable(json: &str, half: [u8; 6]) -> Option<String> {
    let mut text = Text { bytes: json.as_bytes().to_vec(), at: 0, is_changed: false };
    while let Some(byte) = text.peek(0) {
        match byte {
            b'"' => text.string(half),
            b'-' | b'0'..=b'9' => text.number(),
            _ => text.at += 1,
        }
    }
    String::from_utf8(text.bytes).ok().filter(|_| text.is_changed)
}

struct Text {
    bytes: Vec<u8>,
    at: usize,
    is_changed: bool,
}

impl Text {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn string(&mut self, half: [u8; 6]) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match (byte, self.unit(0)) {
                (b'"', _) => break,
                (b'\\', Some(0xD800..=0xDBFF)) if matches!(self.unit(6), Some(0xDC00..=0xDFFF)) => self.at += 12,
                (b'\\', Some(0xD800..=0xDFFF)) => self.put(half),
                (b'\\', _) => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
    }

    /// The UTF-16 code unit that is escaped here.
    fn unit(&self, ahead: usize) -> Option<u16> {
        let escape = self.bytes.get(self.at + ahead..)?.first_chunk::<6>()?;
        let [b'\\', b'u', digits @ ..] = escape else { return None };
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
    }

    fn put(&mut self, half: [u8; 6]) {
        if let Some(escape) = self.bytes.get_mut(self.at..self.at + half.len()) {
            escape.copy_from_slice(&half);
        }
        (self.at, self.is_changed) = (self.at + half.len(), true);
    }

    fn number(&mut self) {
        let rest = self.bytes.get_mut(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        let length = length.unwrap_or(rest.len());
        if let Some(number @ [_, ..]) = rest.get_mut(..length)
            && std::str::from_utf8(number).is_ok_and(is_number)
        {
            number.fill(b' ');
            number.first_mut().into_iter().for_each(|first| *first = b'0');
            self.is_changed = true;
        }
        self.at += length;
    }
}

/// RFC 8259 section 6.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && digits(fraction)
        && digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const HALF: [u8; 6] = *br"\ufffd";

    #[test]
    fn halves_of_surrogate_pairs_are_replaced_wherever_they_stand() {
        for (json, expected) in [
            (r#""a\ud83d""#, "a\u{FFFD}"),
            (r#""\uD83Da""#, "\u{FFFD}a"),
            (r#""\ude00""#, "\u{FFFD}"),
            (r#""\ude00\ud83d""#, "\u{FFFD}\u{FFFD}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"),
            (r#""\ud83d\ude00\ude00""#, "😀\u{FFFD}"),
            (r#""\ud83d\u0041""#, "\u{FFFD}A"),
            (r#""\ud83d\n\\ud83d""#, "\u{FFFD}\n\\ud83d"),
            (r#""\"\ud83d\"""#, "\"\u{FFFD}\""),
        ] {
            assert!(serde_json::from_str::<String>(json).is_err(), "{json}");
            let text = readable(json, HALF).unwrap();
            assert_eq!((text.len(), serde_json::from_str::<String>(&text).unwrap().as_str()), (json.len(), expected));
        }
        assert_eq!(readable(r#"["\ud83d\ude00", "\u0041\\ud83d", true]"#, HALF), None);
    }

    #[test]
    fn numbers_of_any_size_can_be_read_and_what_is_no_number_stays_none() {
        for json in ["[1e999]", "[-1E+999, 2]", "[1.5e999]", &format!("[{}]", "9".repeat(400))] {
            assert!(serde_json::from_str::<Value>(json).is_err(), "{json}");
            assert!(serde_json::from_str::<Value>(&readable(json, HALF).unwrap()).is_ok(), "{json}");
        }
        for json in
            ["[01e999]", "[1e]", "[-]", "[1.e999]", "[.5]", "[+1]", "[1e999.5]", "[1e9 99]", "[1-1]", "[1e999x]"]
        {
            let text = readable(json, HALF).unwrap_or(json.to_owned());
            assert!(serde_json::from_str::<Value>(&text).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn what_serde_json_reads_means_the_same_afterwards(
            json in r#"([\[\]{},: ]|"(a|\\u[dD][89cCaA]3[dD]|\\u0041|\\"|\\\\)*"|-?[01.eE+]{1,3}|true|null){0,8}"#
        ) {
            let texts = |value: &Value| value.to_string().replace(|c: char| c.is_ascii_digit() || "-.e+".contains(c), "");
            let Ok(before) = serde_json::from_str::<Value>(&json) else { return Ok(()) };
            let after = readable(&json, HALF).unwrap_or(json);
            prop_assert_eq!(texts(&serde_json::from_str(&after).unwrap()), texts(&before));
        }
    }
}
