//! Inputs made of those of the corpus.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::{Target, corpus};

/// Mutations of each target, if nobody says how many. All targets take a few seconds.
const CASES: u32 = 400;
/// What is longer is cut.
const LONGEST: usize = 8192;
/// Changes of one input.
const MOST_EDITS: usize = 12;
/// Characters with rules of their own: not text, not XML, without a width, upper case in two ways, wide, from right to left.
const CHARACTERS: &[&str] = &[
    "\0", "\r\n", "\u{b}", "\u{85}", "\u{fffe}", "\u{fffd}", "\u{feff}", "\u{200d}", "\u{301}", "ß", "İ", "Σ", "Ａ",
    "。", "א", "😀",
];

/// How many mutations of each target are wanted.
pub fn cases() -> u32 {
    match std::env::var("FUZZ_CASES") {
        Ok(cases) => cases.parse().unwrap_or_else(|_| panic!("FUZZ_CASES is {cases:?}; expected a number")),
        Err(_) => CASES,
    }
}

/// Gives `target` so many mutations of its corpus.
///
/// # Panics
/// If one breaks a promise: with the shortest that was found, which is kept.
pub fn check(target: Target, cases: u32) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let run = |input: Vec<u8>| {
        (target.run)(&input);
        Ok::<_, TestCaseError>(())
    };
    match TestRunner::new(config).run(&mutated(target.name), run) {
        Ok(()) => {}
        Err(TestError::Fail(reason, input)) => panic!(
            "{}: {reason}\ninput: {:?}\nkept as {}",
            target.name,
            input.escape_ascii().to_string(),
            corpus::keep(target.name, &input).display()
        ),
        Err(error @ TestError::Abort(_)) => panic!("{}: {error}", target.name),
    }
}

/// Inputs of the corpus of `target` with a few changes each.
pub fn mutated(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds: Vec<_> = corpus::of(target).into_iter().map(|(_, input)| input).collect();
    let words: Vec<Vec<u8>> = seeds.iter().flat_map(|seed| words(seed)).collect();
    let edit = (0..14_u8, any::<Index>(), any::<Index>(), 0..24_usize, any::<u8>());
    (any::<Index>(), vec(edit, 0..MOST_EDITS)).prop_map(move |(seed, edits)| {
        let mut input = seed.get(&seeds).clone();
        for (kind, at, other, length, byte) in edits {
            let at = at.index(input.len() + 1);
            let end = (at + length).min(input.len());
            let source = other.get(&seeds);
            match kind {
                0 => replace(&mut input, at, end.min(at + 1), &[byte]),
                1 => replace(&mut input, at, at, &[byte]),
                2 => {
                    if let Some(changed) = input.get_mut(at) {
                        *changed ^= 1 << (byte % 8);
                    }
                }
                3 | 4 => replace(&mut input, at, end, &[]),
                // Seldom often: what costs more each time.
                5 | 6 => {
                    let times = if byte < 8 { 200 } else { usize::from(byte % 4) };
                    let piece = input[at..end].repeat(times);
                    replace(&mut input, at, at, &piece);
                }
                7 | 8 => replace(&mut input, at, at, &words[other.index(words.len())]),
                9 => replace(&mut input, at, end, &words[other.index(words.len())]),
                10 => input.truncate(at),
                11 => {
                    let from = at.min(source.len());
                    let end = input.len();
                    replace(&mut input, at, end, &source[from..]);
                }
                12 => {
                    let from = usize::from(byte) % (source.len() + 1);
                    let to = (from + length).min(source.len());
                    replace(&mut input, at, at, &source[from..to]);
                }
                _ => replace(&mut input, at, at, other.get(CHARACTERS).as_bytes()),
            }
            input.truncate(LONGEST);
        }
        input
    })
}

fn replace(input: &mut Vec<u8>, from: usize, to: usize, with: &[u8]) {
    let to = to.clamp(from, input.len());
    input.splice(from..to, with.iter().copied());
}

/// The words of an input, and what stands between them.
fn words(seed: &[u8]) -> Vec<Vec<u8>> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
    let chunks = seed.chunk_by(|a, b| is_word(a) == is_word(b));
    chunks.map(<[u8]>::to_vec).chain([seed.to_vec()]).collect()
}
