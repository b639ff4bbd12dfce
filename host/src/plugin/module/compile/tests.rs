//! What is compiled once and then found again, and what in the folder is not believed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::config::{CompileConfig, PluginCacheConfig};
use crate::plugin::module::digest::Digest;
use crate::plugin::module::private_file::{self, Durable};
use crate::plugin::module::source::PluginBytes;

/// The smallest component there is, with a custom section so that there are several.
fn component(stamp: u8) -> PluginBytes {
    let bytes = [b"\0asm\x0d\0\x01\0".as_slice(), &[0, 3, 1, b'x', stamp]].concat();
    let digest = Digest::of(&bytes);
    PluginBytes { name: format!("component {stamp}"), bytes: bytes.into(), digest, version: None }
}

/// Compiles in this process, as the tests of a library can.
fn unlimited(engine: Engine) -> Compiler {
    Compiler::new(engine, CompileConfig::default())
}

struct Folder {
    _parent: TempDir,
    path: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("compiled");
        Self { _parent: parent, path }
    }

    /// As a process that has just started.
    fn compiler(&self) -> Compiler {
        self.compiler_with(1 << 30)
    }

    fn compiler_with(&self, size: u64) -> Compiler {
        unlimited(Engine::default()).cached(&PluginCacheConfig { folder: self.path.clone(), size })
    }

    /// The files, once there are as many as expected and none is being written.
    async fn files(&self, expected: usize) -> Vec<PathBuf> {
        for _ in 0..2000 {
            let found = fs::read_dir(&self.path).into_iter().flatten();
            let found: Vec<_> = found.map(|entry| entry.unwrap().path()).collect();
            if found.len() == expected && found.iter().all(|path| path.extension().unwrap() == "code") {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never {expected} files in {}", self.path.display());
    }

    async fn file(&self) -> PathBuf {
        self.files(1).await.remove(0)
    }
}

async fn from(compiler: &Compiler, stamp: u8) -> CodeFrom {
    compiler.compile(&component(stamp), Urgency::Swap).await.unwrap().code_from()
}

#[tokio::test]
async fn a_component_is_compiled_once_per_machine_and_loaded_once_per_process() {
    let folder = Folder::new();
    let compiler = folder.compiler();
    let first = compiler.compile(&component(1), Urgency::Start).await.unwrap();
    assert_eq!(first.code_from(), CodeFrom::Compiler);
    let second = compiler.compile(&component(1), Urgency::Swap).await.unwrap();
    assert_eq!(second.code_from(), CodeFrom::Memory);
    assert!(Arc::ptr_eq(&first.code, &second.code), "one copy of the code");
    folder.file().await;
    drop((first, second));
    assert_eq!(from(&compiler, 1).await, CodeFrom::Cache, "what nobody runs is forgotten");
    assert_eq!(from(&folder.compiler(), 1).await, CodeFrom::Cache);
    assert_eq!(from(&folder.compiler(), 2).await, CodeFrom::Compiler, "another component");
    let other = wasmtime::Config::new().epoch_interruption(true).to_owned();
    let other = unlimited(Engine::new(&other).unwrap()).cached(&PluginCacheConfig::new(folder.path.clone()));
    assert_eq!(from(&other, 1).await, CodeFrom::Compiler, "another engine");
}

#[tokio::test]
async fn two_who_want_the_same_wait_for_one_compilation() {
    let compiler = unlimited(Engine::default());
    let component = component(1);
    let both = tokio::join!(compiler.compile(&component, Urgency::Swap), compiler.compile(&component, Urgency::Swap));
    let mut from = [both.0.unwrap().code_from(), both.1.unwrap().code_from()];
    from.sort_by_key(|from| *from == CodeFrom::Compiler);
    assert_eq!(from, [CodeFrom::Memory, CodeFrom::Compiler]);
}

#[tokio::test]
async fn only_the_owner_can_look_into_the_folder_or_write_to_it() {
    let folder = Folder::new();
    from(&folder.compiler(), 1).await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder.file().await), mode(&folder.path)), (0o600, 0o700));
}

#[tokio::test]
async fn a_file_that_cannot_be_believed_is_compiled_again_and_replaced() {
    type Harm = fn(&std::path::Path);
    let cases: [(&str, Harm); 8] = [
        ("empty", |file| fs::write(file, b"").unwrap()),
        ("cut off in the header", |file| File::options().write(true).open(file).unwrap().set_len(40).unwrap()),
        ("cut off", |file| {
            let file = File::options().write(true).open(file).unwrap();
            file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        }),
        ("longer", |file| fs::write(file, [fs::read(file).unwrap(), vec![0]].concat()).unwrap()),
        ("one bit", |file| {
            let mut bytes = fs::read(file).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(file, bytes).unwrap();
        }),
        ("another's name", |file| {
            let other = file.parent().unwrap().join("other.code");
            private_file::write(file.parent().unwrap(), "other.code", "x.part", b"not this one", Durable::No).unwrap();
            fs::rename(other, file).unwrap();
        }),
        ("others may write", |file| fs::set_permissions(file, Permissions::from_mode(0o620)).unwrap()),
        ("a link", |file| {
            let elsewhere = file.parent().unwrap().parent().unwrap().join("elsewhere");
            fs::rename(file, &elsewhere).unwrap();
            symlink(elsewhere, file).unwrap();
        }),
    ];
    for (what, harm) in cases {
        let folder = Folder::new();
        from(&folder.compiler(), 1).await;
        let file = folder.file().await;
        let whole = fs::read(&file).unwrap();
        harm(&file);
        assert_eq!(from(&folder.compiler(), 1).await, CodeFrom::Compiler, "{what}");
        for attempt in 0.. {
            // It is replaced in the background; the bytes alone do not show it where only the permissions were wrong.
            let found = fs::symlink_metadata(&file).unwrap();
            let private = found.is_file() && found.permissions().mode() & 0o777 == 0o600;
            if private && fs::read(&file).unwrap() == whole {
                break;
            }
            assert!(attempt < 2000, "{what}: it is not replaced");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        folder.file().await;
        assert_eq!(from(&folder.compiler(), 1).await, CodeFrom::Cache, "{what}");
    }
}

#[tokio::test]
async fn a_folder_that_others_can_write_to_is_not_used() {
    let folder = Folder::new();
    from(&folder.compiler(), 1).await;
    folder.file().await;
    fs::set_permissions(&folder.path, Permissions::from_mode(0o770)).unwrap();
    assert_eq!(from(&folder.compiler(), 1).await, CodeFrom::Compiler);
    // Writing happens in the background, so the folder stays as it is until all have looked.
    assert_eq!(from(&folder.compiler(), 2).await, CodeFrom::Compiler);
    folder.file().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_costs_only_the_compilation() {
    let folder = Folder::new();
    fs::write(&folder.path, b"a file").unwrap();
    assert_eq!(from(&folder.compiler(), 1).await, CodeFrom::Compiler);
}

#[tokio::test]
async fn what_was_not_used_for_longest_goes_first_and_leftovers_go_too() {
    let folder = Folder::new();
    from(&folder.compiler(), 1).await;
    let first = folder.file().await;
    let size = fs::metadata(&first).unwrap().len();
    let room = folder.compiler_with(3 * size);
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    let age = |path: &std::path::Path| File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    for stamp in [2, 3] {
        from(&room, stamp).await;
        folder.files(usize::from(stamp)).await.iter().for_each(|path| age(path));
    }
    // Used again, so that another is the oldest.
    from(&room, 1).await;
    let left = folder.path.join("left.part");
    fs::write(&left, b"by a process that was killed").unwrap();
    age(&left);
    from(&room, 4).await;
    for attempt in 0.. {
        if !left.exists() {
            break;
        }
        assert!(attempt < 2000, "the leftover stays");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let files = folder.files(3).await;
    assert!(files.contains(&first), "{files:?}");
}

#[tokio::test]
async fn what_is_no_component_is_refused_by_name() {
    let compiler = unlimited(Engine::default());
    for (bytes, expected) in [
        (&b""[..], "plugin it: not a WebAssembly component: it is not WebAssembly"),
        (b"\0asm\x01\0\0\0", "plugin it: not a WebAssembly component: it is a core module"),
        (b"\0asm\x0d\0\x01\0\x07\x09", "plugin it: the component cannot be used: "),
    ] {
        let plugin = PluginBytes { name: "it".into(), bytes: bytes.into(), digest: Digest::of(bytes), version: None };
        let error = compiler.compile(&plugin, Urgency::Swap).await.err().unwrap().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
