//! Fuzz targets: functions of any bytes that panic when a promise is broken. What they assert is a round trip, that doing it
//! twice changes nothing, that two ways agree, or a bound; not only that nothing panics.
//!
//! They run in two ways. libFuzzer (`fuzz/libfuzzer`, which needs a nightly toolchain) is guided by what is covered. The tests of
//! this crate run on stable, without coverage: each target gets every file of its corpus, and then mutations of them, so many
//! as `FUZZ_CASES` says. What breaks a promise is shortened and written to `fuzz/artifacts`; it belongs into the corpus
//! when the fault is mended.
//!
//! The mutations are proptest's: it shortens what fails, and the workspace has it already. Of bolero's engines only the random
//! one works on stable without a command of its own, and random bytes seldom get past the first token of JSON or XML.
//!
//! Code that only its crate can see (`sasl`, `request_target`) is compiled here once more, from the same file.

// A target says with a panic what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod accounts;
pub mod corpus;
mod header;
mod jid;
pub mod mutation;
mod packed;
mod refresh;
mod request_target;
mod roster;
mod sasl;
pub mod stream;
mod url_template;
mod users;

/// What libFuzzer and the tests call.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name of its folder in the corpus.
    pub name: &'static str,
    /// Panics if a promise is broken.
    pub run: fn(&[u8]),
}

/// All there are.
pub const TARGETS: &[Target] = &[
    Target { name: "header", run: header::target },
    Target { name: "jid", run: jid::target },
    Target { name: "packed", run: packed::target },
    Target { name: "refresh", run: refresh::target },
    Target { name: "request_target", run: request_target::target },
    Target { name: "roster_decode", run: roster::target },
    Target { name: "scram", run: sasl::target },
    Target { name: "stream", run: stream::target },
    Target { name: "url", run: url_template::target },
    Target { name: "users_decode", run: users::target },
];

/// Runs the target of that name.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target has the name of its folder");
    (target.run)(data);
}

/// What is before a zero byte and what is behind it; all and nothing if there is none.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == 0) {
        Some(place) => (&data[..place], &data[place + 1..]),
        None => (data, &[]),
    }
}
