//! The built component in the built host, in this process and over real sockets. One executable, because each one links all of
//! the host and of wasmtime again.
//!
//! Tests run beside each other here. Each has a host, an application and folders of its own; what belongs to the whole process
//! (its environment, its descriptors, its signals) is tried from outside, in `tests/command_line`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod addresses;
mod reload;
mod sessions;
mod shutdown;

/// Servers of other make.
mod attach {
    mod calls;
    mod delivery;
    mod streams;
}

/// What a plugin may do, and what it costs if it does more.
mod plugin {
    mod exchanges;
    mod hostile;
    mod http;
    mod memory;
    mod paged;
}

/// The application says something new.
mod refresh {
    mod answers;
    mod bulk;
    mod concurrency;
    mod healing;
    mod requests;
}

/// Another plugin takes over.
mod swap {
    mod load;
    mod misfits;
    mod shadow;
    mod takeover;
    mod watch;
}

/// People's clients.
mod xmpp {
    mod clients;
    mod http_auth;
    mod limits;
    mod tls;
    mod websocket;
}
