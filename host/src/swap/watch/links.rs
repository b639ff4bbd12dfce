//! The names that decide which file a path means: its own, and those of the links on the way.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// As the system's own bound on links in one path.
const MOST_LINKS: usize = 40;

/// A name in a folder; something happening to it may give the path another meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) folder: PathBuf,
    pub(super) name: OsString,
}

/// The names on the way of `path`: links wherever they are, and the file itself at the end, whether it is there or not.
///
/// With a Kubernetes config map `/etc/plugin/my.wasm` that is `my.wasm` and `..data` in `/etc/plugin` (both links) and
/// `my.wasm` in `/etc/plugin/..2026_11_24`.
pub(super) fn names(path: &Path) -> BTreeSet<Name> {
    let mut found = BTreeSet::new();
    let mut links = 0;
    let mut so_far = if path.is_absolute() { PathBuf::new() } else { PathBuf::from(".") };
    // The parts still to walk, the next one last.
    let mut ahead: Vec<OsString> = parts(path);
    while let Some(part) = ahead.pop() {
        let next = so_far.join(&part);
        let link = fs::read_link(&next).ok().filter(|_| links < MOST_LINKS);
        let is_last = ahead.is_empty();
        if link.is_some() || is_last {
            found.insert(Name { folder: so_far.clone(), name: part });
        }
        match link {
            Some(target) => {
                links += 1;
                if target.is_absolute() {
                    so_far = PathBuf::new();
                }
                ahead.extend(parts(&target));
            }
            None => so_far = next,
        }
    }
    found
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let mut parts: Vec<OsString> = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| part.as_os_str().to_owned())
        .collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    fn shown(path: &Path, root: &Path) -> Vec<String> {
        let names = names(path).into_iter().filter(|name| name.folder.starts_with(root));
        let paths = names.map(|name| name.folder.join(name.name));
        let mut shown: Vec<_> = paths.map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect();
        shown.sort();
        shown
    }

    #[test]
    fn the_names_of_links_and_of_the_file_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("..2026_1")).unwrap();
        fs::write(root.join("..2026_1/my.wasm"), "x").unwrap();
        symlink("..2026_1", root.join("..data")).unwrap();
        symlink("..data/my.wasm", root.join("my.wasm")).unwrap();
        symlink(root.join("my.wasm"), root.join("absolute")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        for (path, expected) in [
            ("..2026_1/my.wasm", &["..2026_1/my.wasm"][..]),
            ("my.wasm", &["..2026_1/my.wasm", "..data", "my.wasm"]),
            ("absolute", &["..2026_1/my.wasm", "..data", "absolute", "my.wasm"]),
            ("missing/folder/my.wasm", &["missing/folder/my.wasm"]),
            ("loop", &["loop"]),
        ] {
            assert_eq!(shown(&root.join(path), &root), expected, "{path}");
        }
    }
}
