//! Where the components are that only tests use, and [`shapes`] of components that nobody would build. A crate of its own, so
//! that the tests of every crate can have them.

pub mod shapes;

/// A plugin that misbehaves in every way a test asks for: `tests/guests/hostile`.
pub const HOSTILE: &str = env!("HOSTILE_GUEST");
/// A plugin of a version of the WIT that only tests have: `tests/guests/next`.
pub const NEXT: &str = env!("NEXT_GUEST");
/// The example with another protocol: `guest/examples/paged-roster`.
pub const PAGED_ROSTER: &str = env!("PAGED_ROSTER");
/// The example that sends a request of its own: `guest/examples/token-roster`.
pub const TOKEN_ROSTER: &str = env!("TOKEN_ROSTER");
