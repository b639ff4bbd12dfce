//! What a body must be before anyone looks at what is in it: UTF-8, not empty, and of the right kind.

/// The bit that ASCII does not use, in each byte of a word.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Why a body is not JSON, or not the JSON that was expected. Says where; never quotes the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Nothing, or nothing but white space.
    #[error("the body is empty")]
    Empty,
    /// Not UTF-8 from this byte on, counted from 0.
    #[error("the body is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// Another kind of value.
    #[error("found {0}")]
    Found(&'static str),
    /// Not JSON: what is wrong, and the line and the column.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
}

impl From<serde_json::Error> for DocumentError {
    fn from(error: serde_json::Error) -> Self {
        Self::Syntax(error.to_string())
    }
}

/// A body as text. A byte order mark is dropped: some applications write one, and it means nothing in UTF-8.
pub(crate) fn text(body: &[u8]) -> Result<&str, DocumentError> {
    std::str::from_utf8(without_mark(body)).map_err(|error| DocumentError::NotUtf8(error.valid_up_to()))
}

/// The same for who reads bytes. Nearly every answer is ASCII, and to see that takes a fraction of the time in which UTF-8 is
/// checked.
pub(crate) fn utf8(body: &[u8]) -> Result<&[u8], DocumentError> {
    let body = without_mark(body);
    if is_ascii(body) { Ok(body) } else { text(body).map(str::as_bytes) }
}

fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// In words: bytes folded one by one are not made vectors of for every target.
fn is_ascii(body: &[u8]) -> bool {
    const WORDS: usize = 8;
    let (words, rest) = body.as_chunks::<8>();
    let (pieces, words) = words.as_chunks::<WORDS>();
    let all = |words: &[[u8; 8]]| words.iter().fold(0, |bits, word| bits | u64::from_le_bytes(*word)) & HIGH == 0;
    pieces.iter().all(|piece| all(piece)) && all(words) && rest.iter().all(u8::is_ascii)
}

/// The kind of JSON value that a text begins with.
pub(crate) fn kind(text: &str) -> Result<&'static str, DocumentError> {
    // JSON's white space, not Unicode's.
    match text.trim_start_matches([' ', '\t', '\n', '\r']).as_bytes().first() {
        None => Err(DocumentError::Empty),
        Some(b'{') => Ok(OBJECT),
        Some(b'[') => Ok(ARRAY),
        Some(b'"') => Ok("a string"),
        Some(b'-' | b'0'..=b'9') => Ok("a number"),
        Some(b'n') => Ok("null"),
        Some(b't' | b'f') => Ok("a boolean"),
        Some(b'<') => Ok("what looks like HTML"),
        Some(_) => Ok("something that is not JSON"),
    }
}

pub(crate) const OBJECT: &str = "an object";
pub(crate) const ARRAY: &str = "an array";
