//! Bodies of the application: JSON, of which not everything has to be right.
//!
//! - [`document`]: what any body must be; `tolerate`: JSON that serde_json refuses;
//! - `lenient`: a value whose kind is not known; `cursor`: what is expected there and nothing else;
//! - `text`: small questions about text.

pub(crate) mod cursor;
pub mod document;
pub(crate) mod lenient;
pub(crate) mod text;
pub(crate) mod tolerate;
