//! What the parser takes while it reads is within what a stanza may take, by the allocator's account. Alone in its binary: nobody
//! else allocates meanwhile.
#![allow(clippy::unwrap_used)]

use peak_alloc::PeakAlloc;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use roster_fuzz::{corpus, mutation, stream};
use roster_xmpp::stream::cost::HELD;
use roster_xmpp::stream::{Framing, StanzaLimits, StreamParser};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The parser's own buffers and tables, however small the stanza may be: names and values of 8 kB, twice while they grow, and
/// what is declared.
const OWN: usize = 48 << 10;
const LIMITS: StanzaLimits = StanzaLimits { bytes: 16 << 10, ..stream::LIMITS };

fn peak(framing: Framing, input: &[u8]) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let mut parser = StreamParser::new(framing, LIMITS);
    for mut piece in input.chunks(64) {
        // An event is dropped at once: a stanza that is held longer is the endpoint's business.
        while let Ok(Some(_)) = parser.next(&mut piece) {}
    }
    ALLOCATOR.peak_usage().saturating_sub(before)
}

#[test]
fn what_a_stanza_takes_while_it_is_read_is_bounded() {
    let check = |input: &[u8]| {
        for framing in [Framing::Document, Framing::Messages] {
            let peak = peak(framing, input);
            assert!(peak <= LIMITS.bytes * HELD + OWN, "{peak} bytes for {} bytes", input.len());
        }
    };
    corpus::of("stream").iter().for_each(|(_, input)| check(input));
    let config = Config { cases: mutation::cases(), failure_persistence: None, ..Config::default() };
    let run = |input: Vec<u8>| {
        check(&input);
        Ok::<_, TestCaseError>(())
    };
    TestRunner::new(config).run(&mutation::mutated("stream"), run).unwrap();
}
