//! Who may ask, and how much at once.
//!
//! - [`virtual_hosts`]: which domain a request is for;
//! - [`auth`]: the bearer token; [`cors`] and [`same_origin`]: what browsers may;
//! - [`permits`]: how many refresh requests are worked on at once.

pub(crate) mod auth;
pub(in crate::http) mod cors;
pub(in crate::http) mod permits;
pub(crate) mod same_origin;
pub(crate) mod virtual_hosts;
