//! The forms of what is answered: [`json`], a [`page`] for people, an event stream ([`sse`]).

pub(crate) mod json;
pub(crate) mod page;
pub(crate) mod sse;
