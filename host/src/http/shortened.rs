//! What somebody has sent, as it is said again.

/// `text` of a request as it may be repeated in an answer or in the log.
pub(super) fn shortened(text: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(text.as_ref()).chars().take(256).collect()
}
