//! Is a file the whole of a module, or does more of it have to come?
//!
//! Not whether it is any good: that is for [`super::super::candidate`]. This only tells a copy that has stopped half way from
//! one that is done, so that the half is not tried.

use std::path::Path;

use wasmparser::{Parser, Payload};

use crate::model::read_file;
use crate::plugin::LONGEST_PLUGIN;

/// False if more may have to come; true also if that is not known.
pub(super) async fn is_whole(path: &Path) -> bool {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read_file(&path, LONGEST_PLUGIN).map(|bytes| ends(&bytes)));
    // What cannot be read, or is too long, is refused however it ends.
    read.await.is_ok_and(|read| read.unwrap_or(true))
}

/// Whether every section is there. A component has exports, and those come last.
fn ends(bytes: &[u8]) -> bool {
    let (mut depth, mut is_component, mut has_exports) = (0_usize, false, false);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::Version { encoding, .. }) if depth == 0 => {
                is_component = encoding == wasmparser::Encoding::Component;
            }
            Ok(Payload::ComponentExportSection(_)) if depth == 0 => has_exports = true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    has_exports || !is_component
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;
    use crate::plugin::BUILT_IN;

    #[test]
    fn a_module_is_whole_with_its_last_byte() {
        assert!(ends(BUILT_IN));
        // A core module is refused as such, without waiting.
        assert!(ends(b"\0asm\x01\0\0\0"));
        for cut in (0..100).map(|part| BUILT_IN.len() * part / 100).chain([1, 4, 7, 8, 9, BUILT_IN.len() - 1]) {
            assert!(!ends(&BUILT_IN[..cut]), "the first {cut} bytes");
        }
        let zeros = [&BUILT_IN[..BUILT_IN.len() / 2], &vec![0; BUILT_IN.len() / 2]].concat();
        assert!(!ends(&zeros), "room was made for it, and half of it is there");
        assert!(!ends(b"hello"));
    }
}
