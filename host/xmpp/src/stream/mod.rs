//! The stream layer: bytes to elements and back (RFC 6120 sections 4 and 11, RFC 7395).
//!
//! - [`parser`]: bytes to headers and elements, within limits
//! - [`names`]: namespaces, for the parser
//! - [`cost`]: what a stanza takes in memory, and when it is written again
//! - [`framing`](Framing): a document, or messages
//! - [`header`]: what both headers say
//! - [`writer`]: elements to text
//! - [`error`]: what ends a stream
//! - [`ns`]: the namespaces

pub mod cost;
pub mod error;
mod framing;
pub mod header;
mod names;
pub mod ns;
pub mod parser;
pub mod writer;

pub use error::{StreamCondition, StreamError};
pub use framing::Framing;
pub use header::Header;
pub use parser::{StanzaLimits, StreamEvent, StreamParser};
