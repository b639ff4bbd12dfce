//! The process that compiles plugins: what it may cost, what is said if it costs more, and when it ends.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use roster_host::config::{CompileConfig, PluginCacheConfig};
use roster_host::plugin::{
    BUILT_IN, COMPILER_COMMAND, CodeFrom, CompileError, CompiledPlugin, EngineSize, LoadError, PluginBytes,
    PluginEngine, Urgency,
};
use tempfile::TempDir;
use test_guests::shapes;

use crate::support::children;

const HOST: &str = env!("CARGO_BIN_EXE_roster-host");
const MIB: u64 = 1 << 20;

fn limits() -> CompileConfig {
    // Where others are busy, time is not what is to run out.
    let timeout = Duration::from_secs(600);
    CompileConfig { program: Some(HOST.into()), timeout, ..CompileConfig::default() }
}

fn engine(limits: &CompileConfig) -> PluginEngine {
    PluginEngine::new(EngineSize { instances: 1, memory: 16 << 20 }).unwrap().with_compiler(limits)
}

fn plugin(bytes: impl Into<Arc<[u8]>>) -> PluginBytes {
    PluginBytes::new("it".to_owned(), bytes.into())
}

async fn compile(limits: &CompileConfig, bytes: impl Into<Arc<[u8]>>) -> Result<CompiledPlugin, LoadError> {
    engine(limits).compile(&plugin(bytes), Urgency::Swap).await
}

/// A compiler that is this script; `$host` is the real one.
fn script(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compiler");
    let text = format!("#!/bin/sh\nhost='{HOST}'\nfolder='{}'\n{text}\n", folder.path().display());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    (folder, path)
}

#[tokio::test]
async fn a_process_compiles_for_an_engine_that_is_as_the_hosts() {
    let compiled = compile(&limits(), BUILT_IN).await.unwrap();
    assert_eq!(compiled.code_from(), CodeFrom::Compiler);
    let here = compile(&CompileConfig::default(), BUILT_IN).await.unwrap();
    assert_eq!(compiled.imports(), here.imports());
}

#[tokio::test]
async fn what_costs_too_much_to_compile_is_refused_by_the_limit_it_passes() {
    let slow = || shapes::locals_and_loops(49_000, 1000);
    let second = Duration::from_secs(1);
    for (what, limits, bytes, expected) in [
        (
            "memory",
            CompileConfig { memory: 128 * MIB, ..limits() },
            slow(),
            "it took more than 128.0 MiB to compile (compile.memory)",
        ),
        (
            "memory for its names",
            CompileConfig { memory: 128 * MIB, ..limits() },
            shapes::exports(500_000),
            "it took more than 128.0 MiB to compile (compile.memory)",
        ),
        (
            "computing",
            CompileConfig { cpu_time: second, memory: 4096 * MIB, ..limits() },
            slow(),
            "it took more than 1s of computing to compile (compile.cpu_time)",
        ),
        (
            "time",
            CompileConfig { timeout: second, memory: 4096 * MIB, ..limits() },
            slow(),
            "it took longer than 1s to compile (compile.timeout)",
        ),
        (
            "input",
            CompileConfig { max_component: MIB, ..limits() },
            shapes::data_segments(2, 600_000),
            "longer than 1048576 bytes (compile.max_component)",
        ),
        (
            "output",
            CompileConfig { max_code: MIB, ..limits() },
            shapes::data_segments(2, 600_000),
            "its machine code is longer than 1.0 MiB (compile.max_code)",
        ),
    ] {
        let error = compile(&limits, bytes).await.err().unwrap_or_else(|| panic!("{what}: it was compiled"));
        assert_eq!(error.to_string(), format!("plugin it: {expected}"), "{what}");
    }
}

#[tokio::test]
async fn what_nobody_would_build_is_compiled_or_refused_within_the_limits() {
    let limits = CompileConfig { memory: 256 * MIB, ..limits() };
    for (what, bytes) in [
        ("functions", shapes::functions(10_000)),
        ("exports of a module", shapes::core_exports(100_000)),
        ("imports of a module", shapes::core_imports(100_000)),
        ("types of a module", shapes::core_types(50_000)),
        ("segments", shapes::data_segments(90_000, 100)),
        ("exports", shapes::exports(10_000)),
        ("nesting", shapes::nested(5000)),
        ("instances of modules", shapes::core_instances(90_000)),
        ("few instances of modules", shapes::core_instances(1000)),
        ("types that double", shapes::doubled_types(40)),
        ("fewer of these", shapes::doubled_types(18)),
    ] {
        match compile(&limits, bytes).await {
            Ok(_) => {}
            Err(LoadError::Compile { source: CompileError::Invalid { .. } | CompileError::Memory { .. }, .. }) => {}
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_compiler_that_is_none_or_breaks_is_told_from_a_component_that_is_bad() {
    let second = Duration::from_secs(1);
    for (what, text, expected) in [
        ("bad", "exec $host \"$@\"", "the component cannot be used: "),
        ("silent", "exit 0", "gave no code: it is damaged"),
        ("another program", "echo hello", "gave no code: it is damaged"),
        ("killed", "kill -KILL $$", "ended by signal 9"),
        ("failing", "echo 'out of\nluck' >&2; exit 7", "ended with exit code 7: out of luck"),
        ("hanging", "while :; do :; done", "it took longer than 1s to compile (compile.timeout)"),
        ("talking", "while :; do echo no no no no no >&2; done", "it took longer than 1s to compile (compile.timeout)"),
        (
            "too much",
            "while :; do echo no no no no no; done",
            "its machine code is longer than 1.0 MiB (compile.max_code)",
        ),
        (
            "of another version",
            "exec $host compile-plugin --memory=1000000000 --cpu-time=9 --max-component=99 --engine=no",
            "is not of this version of roster-host: its engine is ",
        ),
    ] {
        let (_folder, program) = script(text);
        let timeout = if what == "hanging" || what == "talking" { second } else { limits().timeout };
        let limits = CompileConfig { program: Some(program), timeout, max_code: MIB, ..limits() };
        let error = compile(&limits, *b"\0asm\x0d\0\x01\0\x07\x09").await.err().unwrap().to_string();
        assert!(error.contains(expected) && error.len() < 1000, "{what}: {error}");
    }
    let limits = CompileConfig { program: Some("/no/such/program".into()), ..limits() };
    let error = compile(&limits, BUILT_IN).await.err().unwrap().to_string();
    assert!(error.starts_with("plugin it: the compiler /no/such/program cannot be started: "), "{error}");
}

#[tokio::test]
async fn a_compiler_has_no_environment() {
    let (folder, program) = script("env > $folder/env; exec $host \"$@\"");
    compile(&CompileConfig { program: Some(program), ..limits() }, BUILT_IN).await.unwrap();
    let set = fs::read_to_string(folder.path().join("env")).unwrap();
    let set: Vec<_> = set.lines().map(|line| line.split('=').next().unwrap()).collect();
    // The shell sets these itself.
    assert!(set.iter().all(|name| ["PWD", "OLDPWD", "SHLVL", "_"].contains(name)), "{set:?}");
}

#[tokio::test]
async fn several_who_want_the_same_start_one_compiler() {
    let (folder, program) = script("echo started >> $folder/starts; exec $host \"$@\"");
    let limits = CompileConfig { program: Some(program), ..limits() };
    let engine = engine(&limits);
    let component = plugin(BUILT_IN);
    let all = (0..8).map(|_| engine.compile(&component, Urgency::Swap));
    let all = futures::future::try_join_all(all).await.unwrap();
    let from = |wanted| all.iter().filter(|compiled| compiled.code_from() == wanted).count();
    assert_eq!((from(CodeFrom::Compiler), from(CodeFrom::Memory)), (1, 7));
    assert_eq!(fs::read_to_string(folder.path().join("starts")).unwrap(), "started\n");
    // A failure is one for all of them, too.
    let bad = plugin(*b"\0asm\x0d\0\x01\0\x07\x09");
    let all = (0..8).map(|_| engine.compile(&bad, Urgency::Swap));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_err));
    assert_eq!(fs::read_to_string(folder.path().join("starts")).unwrap(), "started\nstarted\n");
}

#[tokio::test]
async fn who_finds_all_compilers_at_work_is_refused_as_busy_in_the_end() {
    let (_folder, program) = script("while :; do :; done");
    let limits =
        CompileConfig { program: Some(program), timeout: Duration::from_secs(2), max_concurrent: 1, ..limits() };
    let engine = engine(&limits);
    let components: Vec<_> = (1..=3).map(|count| plugin(shapes::functions(count))).collect();
    let all = components.iter().map(|component| engine.compile(component, Urgency::Swap));
    let said: Vec<_> =
        futures::future::join_all(all).await.into_iter().map(|result| result.err().unwrap().to_string()).collect();
    let count = |part: &str| said.iter().filter(|error| error.contains(part)).count();
    // The second may still have had the place of the first, but not the third.
    let (given_up, busy) = (count("it took longer than 2s"), count("(1 at once, compile.max_concurrent)"));
    assert!(given_up >= 1 && busy >= 1 && given_up + busy == 3, "{said:?}");
}

#[tokio::test]
async fn a_compiler_that_nobody_waits_for_is_ended() {
    let (folder, program) = script("echo $$ > $folder/new; mv $folder/new $folder/pid; exec $host \"$@\"");
    let limits = CompileConfig { program: Some(program), memory: 4096 * MIB, ..limits() };
    let engine = engine(&limits);
    let slow = plugin(shapes::locals_and_loops(49_000, 1000));
    let path = folder.path().join("pid");
    let pid = tokio::select! {
        result = engine.compile(&slow, Urgency::Swap) => panic!("{:?}", result.err()),
        pid = async {
            while !path.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            fs::read_to_string(&path).unwrap().trim().parse().unwrap()
        } => pid,
    };
    children::wait("the compiler ends", || !children::runs(pid));
}

/// What a compiler says and how it ends, started by hand.
fn by_hand(engine: &str, input: &[u8]) -> (Option<i32>, String) {
    let mut child = Command::new(HOST)
        .args([COMPILER_COMMAND, "--memory=1000000000", "--cpu-time=60", "--max-component=100"])
        .arg(format!("--engine={engine}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended before it reads any of it.
    let _ = child.stdin.take().unwrap().write_all(input);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
fn a_compiler_serves_only_the_engine_it_has_itself() {
    let (code, said) = by_hand("0123456789abcdef", &[]);
    let ours = said.strip_prefix("its engine is ").and_then(|rest| rest.split(',').next()).unwrap();
    assert_eq!((code, said.ends_with(", the host's 0123456789abcdef\n")), (Some(11), true), "{said}");
    for (what, input, expected) in [
        ("no length", &[][..], Some(12)),
        ("cut off", &[[50, 0, 0, 0, 0, 0, 0, 0].as_slice(), b"\0asm"].concat(), Some(12)),
        ("too long", &[101, 0, 0, 0, 0, 0, 0, 0], Some(12)),
    ] {
        let (code, said) = by_hand(ours, input);
        assert_eq!((code, said.starts_with("no component: ")), (expected, true), "{what}: {said}");
    }
    let help = Command::new(HOST).arg("--help").output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains(COMPILER_COMMAND), "it is for hosts");
}

#[tokio::test]
async fn what_a_process_compiled_is_kept_in_the_cache_for_any_host() {
    let folder = tempfile::tempdir().unwrap();
    let cache = PluginCacheConfig::new(folder.path().join("cache"));
    let from = async |limits: &CompileConfig| {
        let engine = engine(limits).with_cache(&cache);
        engine.compile(&plugin(BUILT_IN), Urgency::Start).await.unwrap().code_from()
    };
    assert_eq!(from(&limits()).await, CodeFrom::Compiler);
    let is_kept = |path: &Path| {
        fs::read_dir(path)
            .is_ok_and(|mut files| files.any(|file| file.unwrap().path().extension().is_some_and(|end| end == "code")))
    };
    children::wait("it is in the cache", || is_kept(&cache.folder));
    assert_eq!(from(&limits()).await, CodeFrom::Cache);
    assert_eq!(from(&CompileConfig::default()).await, CodeFrom::Cache, "compiled in this process or not");
}
