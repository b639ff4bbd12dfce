//! What a client must not send over a WebSocket, in the words of both protocols: RFC 6455 section 7.4 for the close frame, RFC 6120
//! section 4.9.3 for the stream error before it.

use std::io;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::stream::{StreamCondition, StreamError};

/// See the module.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) code: CloseCode,
    pub(crate) error: StreamError,
}

impl Violation {
    /// Whether it was the client's fault; else the connection is gone.
    pub(super) fn of(error: Error, config: &WebSocketConfig) -> io::Result<Self> {
        let (code, error) = match error {
            Error::Capacity(_) => return Ok(Self::too_long(config.max_message_size.unwrap_or(usize::MAX) as u64)),
            Error::Utf8(_) => (CloseCode::Invalid, StreamCondition::NotWellFormed.because("a message is not UTF-8")),
            Error::Io(error) => return Err(error),
            Error::Protocol(
                gone @ (ProtocolError::ResetWithoutClosingHandshake
                | ProtocolError::SendAfterClosing
                | ProtocolError::ReceivedAfterClosing),
            ) => return Err(io::Error::other(gone)),
            Error::Protocol(error) => {
                (CloseCode::Protocol, StreamCondition::BadFormat.because(format!("{error} (RFC 6455)")))
            }
            other => return Err(io::Error::other(other)),
        };
        Ok(Self { code, error })
    }

    /// A message has more bytes than it may have.
    pub(super) fn too_long(most: u64) -> Self {
        let error = StreamCondition::PolicyViolation.because(format!("a stanza may have {most} bytes"));
        Self { code: CloseCode::Size, error }
    }

    pub(super) fn not_text() -> Self {
        let error = StreamCondition::BadFormat.because("messages have to be text (RFC 7395)");
        Self { code: CloseCode::Unsupported, error }
    }
}

/// How a WebSocket is closed whose stream has ended in this way.
pub(super) fn close_code(error: Option<&StreamError>) -> CloseCode {
    match error.map(|error| error.condition) {
        Some(StreamCondition::PolicyViolation) => CloseCode::Policy,
        Some(
            StreamCondition::NotWellFormed | StreamCondition::RestrictedXml | StreamCondition::UnsupportedEncoding,
        ) => CloseCode::Invalid,
        Some(StreamCondition::SystemShutdown) => CloseCode::Away,
        Some(StreamCondition::InternalServerError) => CloseCode::Error,
        _ => CloseCode::Normal,
    }
}
