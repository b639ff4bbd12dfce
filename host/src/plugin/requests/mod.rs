//! The requests for one roster: who answers them and what they may cost together ([`network`]), what the operator is told of the last
//! one ([`last_exchange`]), and whether a response is the one before ([`digest`]).

pub(in crate::plugin) mod digest;
mod last_exchange;
pub(in crate::plugin) mod network;

/// The longest request body a plugin may send, bytes. A roster fetch has none.
pub(in crate::plugin) const LONGEST_BODY: usize = 1 << 20;
/// Most bytes of header fields in one request, as `wasi:http` counts them.
pub(in crate::plugin) const HEADER_BYTES: usize = 16 << 10;
