//! A place in a JSON text, for reading what is expected there and nothing else.
//!
//! Every method answers `None` where the text is not what it looks for. That is no verdict on the text: whoever gets
//! it reads the text again with serde_json, which has the last word on what is JSON.

use std::borrow::Cow;

use serde::Deserialize;

use super::text::same_bytes;

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'b> {
    rest: &'b [u8],
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

impl<'b> Cursor<'b> {
    /// At the beginning of a text in UTF-8.
    pub(crate) const fn new(text: &'b [u8]) -> Self {
        Self { rest: text }
    }

    /// What has not been read yet.
    pub(crate) const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Skips white space. The next byte is nearly always past it: one comparison tells.
    #[inline]
    pub(crate) fn skip_space(&mut self) {
        while let [byte @ ..=b' ', rest @ ..] = self.rest
            && matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
        {
            self.rest = rest;
        }
    }

    /// White space and then this byte.
    #[inline]
    pub(crate) fn eat(&mut self, wanted: u8) -> Option<()> {
        self.skip_space();
        self.byte(wanted)
    }

    /// This byte.
    #[inline]
    fn byte(&mut self, wanted: u8) -> Option<()> {
        match self.rest {
            [byte, rest @ ..] if *byte == wanted => {
                self.rest = rest;
                Some(())
            }
            _ => None,
        }
    }

    /// `true`: there is another item. `false`: that was the last, and this byte closes it.
    #[inline]
    pub(crate) fn another(&mut self, close: u8) -> Option<bool> {
        match self.eat(b',') {
            Some(()) => Some(true),
            None => self.byte(close).map(|()| false),
        }
    }

    /// Is there nothing left but white space?
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    /// White space and then exactly these bytes.
    #[inline]
    pub(crate) fn literal<const N: usize>(&mut self, wanted: &[u8; N]) -> Option<()> {
        self.skip_space();
        let (found, rest) = self.rest.split_first_chunk::<N>()?;
        if found != wanted {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// Exactly these bytes.
    #[inline]
    pub(crate) fn bytes(&mut self, wanted: &[u8]) -> Option<()> {
        let (found, rest) = self.rest.split_at_checked(wanted.len())?;
        if !same_bytes(found, wanted) {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// White space and then a string that reads exactly so. `wanted` must be [plain](is_plain).
    #[inline]
    pub(crate) fn string(&mut self, wanted: &str) -> Option<()> {
        self.eat(b'"')?;
        self.bytes(wanted.as_bytes())?;
        self.byte(b'"')
    }

    /// White space and then any string without escapes, such as it stands there.
    #[inline]
    pub(crate) fn plain_string(&mut self) -> Option<&'b str> {
        self.eat(b'"')?;
        let (string, rest) = self.rest.split_at_checked(plain_length(self.rest))?;
        self.rest = rest;
        self.byte(b'"')?;
        std::str::from_utf8(string).ok()
    }

    /// White space and then any string.
    pub(crate) fn text(&mut self) -> Option<Cow<'b, str>> {
        let before = *self;
        match self.plain_string() {
            Some(plain) => Some(Cow::Borrowed(plain)),
            None => {
                *self = before;
                self.value::<String>().map(Cow::Owned)
            }
        }
    }

    /// Skips any value. Looks at strings and brackets only: whoever wants the value has to read it.
    pub(crate) fn skip_value(&mut self) -> Option<()> {
        /// One bit for each bracket that is open: is it a square one?
        type Open = u128;
        self.skip_space();
        let (mut depth, mut square): (u32, Open) = (0, 0);
        loop {
            let [byte, rest @ ..] = self.rest else { return None };
            match byte {
                b'"' => {
                    self.rest = rest;
                    self.skip_string()?;
                }
                b'{' | b'[' => {
                    if depth == Open::BITS {
                        return None;
                    }
                    depth += 1;
                    square = square << 1 | Open::from(*byte == b'[');
                    self.rest = rest;
                    continue;
                }
                b'}' | b']' if depth > 0 => {
                    if (square & 1 == 1) != (*byte == b']') {
                        return None;
                    }
                    depth -= 1;
                    square >>= 1;
                    self.rest = rest;
                }
                b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth > 0 => {
                    self.rest = rest;
                    continue;
                }
                b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                    let length = self
                        .rest
                        .iter()
                        .position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'));
                    self.rest = self.rest.get(length.unwrap_or(self.rest.len())..)?;
                }
                _ => return None,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Behind the quote that begins a string: skips it and the quote that ends it.
    fn skip_string(&mut self) -> Option<()> {
        loop {
            let rest = self.rest.get(plain_length(self.rest)..)?;
            self.rest = match rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Some(());
                }
                [b'\\', _, rest @ ..] | [0..0x20, rest @ ..] => rest,
                _ => return None,
            };
        }
    }

    /// Any value, read by serde_json.
    pub(crate) fn value<T: Deserialize<'b>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_slice(self.rest).into_iter();
        let value = values.next()?.ok()?;
        self.rest = self.rest.get(values.byte_offset()..)?;
        Some(value)
    }
}

/// Does the text look the same in a JSON string: without quotes, backslashes and control characters?
/// In pieces that a compiler makes vectors of: this is asked of whole rosters.
pub(crate) fn is_plain(text: &str) -> bool {
    let (pieces, rest) = text.as_bytes().as_chunks::<64>();
    let odd = |byte: u8| u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\');
    let all = |bytes: &[u8]| bytes.iter().fold(0, |found, byte| found | odd(*byte)) == 0;
    pieces.iter().all(|piece| all(piece)) && all(rest)
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
            let mut cursor = Cursor::new(text.as_bytes());
            if let Some(string) = cursor.plain_string() {
                let mut other = Cursor::new(text.as_bytes());
                prop_assert_eq!(other.value::<&str>(), Some(string));
                prop_assert_eq!(cursor.rest, other.rest);
                prop_assert!(is_plain(string));
                prop_assert!(Cursor::new(text.as_bytes()).string(string).is_some());
                prop_assert!(Cursor::new(text.as_bytes()).string(&[string, "x"].concat()).is_none());
            } else {
                prop_assert!(Cursor::new(text.as_bytes()).value::<&str>().is_none());
            }
        }
    }
}
