//! Inputs that are kept: examples to begin with, and what has broken a promise once.

use std::fs;
use std::path::PathBuf;

/// The inputs of a target with their files' names, in the order of these.
pub fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a folder can be read").path();
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty; a target needs examples to begin with", folder.display());
    inputs
}

/// Keeps an input that has broken a promise, outside of the corpus; says where.
pub fn keep(target: &str, input: &[u8]) -> PathBuf {
    let folder = folder("artifacts").join(target);
    let name = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let path = folder.join(format!("{name:016x}"));
    let kept = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input));
    kept.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}
