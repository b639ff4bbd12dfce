//! Several nodes that serve one domain, joined by a link that does as it is told.

mod messages;
mod presence;
mod support;
