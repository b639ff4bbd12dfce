//! Lines of a text.

/// The lines of a text, found by byte offset.
pub(in crate::config) struct Offsets(Vec<usize>);

impl Offsets {
    pub(in crate::config) fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter_map(|(at, byte)| (byte == b'\n').then_some(at)).collect())
    }

    /// The line of a byte offset, counted from 1.
    pub(in crate::config) fn line(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|newline| *newline < offset)
    }
}
