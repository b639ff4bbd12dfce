//! What machine code is compiled for, and what it is called.

use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

use super::cache::WHOLE;
use crate::plugin::Digest;

/// The version of wasmtime, the target and the settings of an engine, shortened. Engines with the same one run each other's
/// code.
pub(super) fn fingerprint(engine: &Engine) -> String {
    let mut hasher = Stable(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What the code of a component is called, compiled for an engine with this fingerprint.
pub(super) fn file_name(component: Digest, fingerprint: &str) -> String {
    format!("{component}-{fingerprint}{WHOLE}")
}

/// A hash that is the same in every process. The standard library does not promise that of its own.
struct Stable(Sha256);

impl Hasher for Stable {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        digest.first_chunk().map_or(0, |beginning| u64::from_be_bytes(*beginning))
    }
}
