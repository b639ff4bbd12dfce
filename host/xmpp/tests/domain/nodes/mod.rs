//! Several nodes that serve one domain, joined by a link that does as it is told.

mod bounds;
mod conflicts;
mod copies;
mod login;
mod messages;
mod order;
mod presence;
mod properties;
mod races;
mod requests;
mod support;
