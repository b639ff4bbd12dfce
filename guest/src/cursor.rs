//! A place in a JSON text, for reading what is expected there and nothing else.
//!
//! Every method answers `None` where the text is not what it looks for. That is no verdict on the text: whoever gets
//! it reads the text again with serde_json, which has the last word on what is JSON.

use serde::Deserialize;

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'b> {
    text: &'b str,
    at: usize,
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

impl<'b> Cursor<'b> {
    pub(crate) const fn new(text: &'b str) -> Self {
        Self { text, at: 0 }
    }

    #[inline]
    fn bytes(&self) -> &'b [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next byte that is not white space.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                byte => return byte.copied(),
            }
        }
    }

    /// White space and then this byte.
    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// `true`: there is another item. `false`: that was the last, and this byte closes it.
    #[inline]
    pub(crate) fn another(&mut self, close: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Some(true),
            byte if byte == close => Some(false),
            _ => None,
        }
    }

    /// Is there nothing left but white space?
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// A string without escapes, such as it stands there.
    #[inline]
    pub(crate) fn plain_string(&mut self) -> Option<&'b str> {
        self.eat(b'"')?;
        let length = plain_length(self.bytes());
        let end = self.at + length;
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        let string = self.text.get(self.at..end)?;
        self.at = end + 1;
        Some(string)
    }

    /// A word such as `null`.
    pub(crate) fn word(&mut self, word: &str) -> Option<()> {
        self.peek()?;
        self.bytes().strip_prefix(word.as_bytes())?;
        self.at += word.len();
        Some(())
    }

    /// Any value, read by serde_json.
    pub(crate) fn value<T: Deserialize<'b>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.text.get(self.at..)?).into_iter();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }
}

/// How many bytes come before the first quote, backslash or control character: eight at a time.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    let zeros = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut length = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
        let found = control | zeros(word ^ (LOW * u64::from(b'"'))) | zeros(word ^ (LOW * u64::from(b'\\')));
        if found != 0 {
            // Borrows only make bytes look odd that stand behind a byte that is: the first is exact.
            return length + found.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length + rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_plain_string_is_what_serde_json_reads(text in "\"[ -~\\x00-\\x1Fé]{0,20}\".{0,9}") {
            let mut cursor = Cursor::new(&text);
            if let Some(string) = cursor.plain_string() {
                let mut other = Cursor::new(&text);
                prop_assert_eq!(other.value::<&str>(), Some(string));
                prop_assert_eq!(cursor.at, other.at);
            } else {
                prop_assert!(!matches!(Cursor::new(&text).value::<&str>(), Some(_)));
            }
        }
    }
}
