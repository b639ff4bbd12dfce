//! Compiling in a process of its own: the parent's side. The child's is [`super::task`].
//!
//! A compiler that takes too long is killed, and so is one that nobody waits for any more: whoever drops the future. If this
//! process itself is killed, the child notices by its standard input. It has no environment and no descriptors beside the
//! standard ones (all others of the host are closed when a program is started), and it is in no foreground process group, so
//! that a terminal's Ctrl-C is for the host alone.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

use super::task::{CompilerTask, PANICKED, Verdict};
use super::{Urgency, file_name};
use crate::config::CompileConfig;
use crate::plugin::module::compile_error::CompileError;
use crate::plugin::module::private_file::{self, Image};
use crate::plugin::module::source::PluginBytes;
use crate::plugin::sanitize;

/// What is kept of what a compiler says on standard error, bytes; the rest is read and thrown away.
const MOST_SAID: usize = 4096;
/// How the standard library says that there is no more memory, before it ends the process.
const NO_MEMORY: &str = "memory allocation of ";
/// What the system sends a process that has computed for too long, and what it is killed with, the same on all Unixes; the
/// first is 24 on all that this runs on.
const SIGXCPU: i32 = rustix::process::Signal::XCPU.as_raw();

/// What came of a compiler that ended.
struct Ended {
    status: ExitStatus,
    /// `None`: longer than it may be.
    code: Option<Vec<u8>>,
    said: String,
}

/// What a compiler handed over, not looked at yet.
pub(super) struct Delivered {
    bytes: Vec<u8>,
    name: String,
    program: String,
}

impl Delivered {
    /// The code, if it is whole. Blocks for as long as its digest takes.
    pub(super) fn image(self) -> Result<Image, CompileError> {
        let Self { bytes, name, program } = self;
        private_file::received(bytes, &name)
            .map_err(|error| CompileError::Compiler { program, what: format!("gave no code: {error}") })
    }
}

/// The code of `plugin` as `program` compiles it for the engine with this fingerprint.
pub(super) async fn compile(
    program: &Path,
    config: &CompileConfig,
    engine: &str,
    plugin: &PluginBytes,
    urgency: Urgency,
) -> Result<Delivered, CompileError> {
    let broken = |what: String| CompileError::Compiler { program: program.display().to_string(), what };
    let task = CompilerTask {
        memory: config.memory,
        cpu_time: u64::try_from(config.cpu_time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX),
        max_component: config.max_component,
        engine: engine.to_owned(),
        give_way: urgency == Urgency::Swap,
    };
    let mut child = start(program, &task).map_err(|error| broken(format!("cannot be started: {error}")))?;
    let talk = talk(&mut child, &plugin.bytes, config.max_code);
    let ended = match tokio::time::timeout(config.timeout, talk).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) => {
            end(&mut child).await;
            return Err(broken(format!("cannot be talked to: {error}")));
        }
        Err(_) => {
            end(&mut child).await;
            return Err(CompileError::Timeout { limit: config.timeout });
        }
    };
    let Ended { status, code, said } = ended;
    let Some(code) = code else { return Err(CompileError::CodeTooLong { limit: config.max_code }) };
    if let Some(error) = fault(program, config, status, &said) {
        return Err(error);
    }
    Ok(Delivered { bytes: code, name: file_name(plugin.digest, engine), program: program.display().to_string() })
}

fn start(program: &Path, task: &CompilerTask) -> io::Result<Child> {
    Command::new(program)
        .args(task.arguments())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Sends the component and reads what comes, to the end of the process.
async fn talk(child: &mut Child, component: &[u8], max_code: u64) -> io::Result<Ended> {
    let gone = || io::Error::other("it has no standard streams");
    let stdin = child.stdin.take().ok_or_else(gone)?;
    let (stdout, stderr) = child.stdout.take().zip(child.stderr.take()).ok_or_else(gone)?;
    let receiving = async {
        let code = receive(stdout, max_code).await;
        if matches!(code, Ok(None)) {
            // It would wait for ever to be read.
            child.start_kill()?;
        }
        code
    };
    // Standard input stays open until it has ended: when that is closed the child gives up.
    let (stdin, code, said) = tokio::join!(send(stdin, component), receiving, listen(stderr));
    let status = child.wait().await?;
    drop(stdin);
    Ok(Ended { status, code: code?, said })
}

/// A child that ends before it has read all says why in another way.
async fn send(mut stdin: ChildStdin, component: &[u8]) -> ChildStdin {
    let length = (component.len() as u64).to_le_bytes();
    if stdin.write_all(&length).await.is_ok() {
        let _ = stdin.write_all(component).await;
    }
    stdin
}

async fn receive(stdout: impl AsyncRead + Unpin, max_code: u64) -> io::Result<Option<Vec<u8>>> {
    let longest = max_code.saturating_add(private_file::HEADER as u64);
    let mut code = Vec::new();
    stdout.take(longest.saturating_add(1)).read_to_end(&mut code).await?;
    Ok((code.len() as u64 <= longest).then_some(code))
}

async fn listen(mut stderr: impl AsyncRead + Unpin) -> String {
    let (mut said, mut piece) = (Vec::new(), [0; MOST_SAID]);
    // An error is an end, too.
    while let Ok(read @ 1..) = stderr.read(&mut piece).await {
        let room = MOST_SAID - said.len();
        said.extend(piece.iter().take(read.min(room)));
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Kills it and waits for it, which does not take long.
async fn end(child: &mut Child) {
    // Fails if it has ended already.
    let _ = child.start_kill();
    let _ = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
}

/// What is wrong, if something is.
fn fault(program: &Path, config: &CompileConfig, status: ExitStatus, said: &str) -> Option<CompileError> {
    if status.success() {
        return None;
    }
    let program = program.display().to_string();
    let reason = || sanitize::one_line(said.trim());
    let memory = CompileError::Memory { limit: config.memory };
    let cpu_time = CompileError::CpuTime { limit: config.cpu_time };
    Some(match (status.code().map(Verdict::of), status.signal()) {
        (_, Some(SIGXCPU)) => cpu_time,
        (Some(Some(Verdict::Memory)), _) => memory,
        _ if said.contains(NO_MEMORY) => memory,
        (Some(Some(Verdict::Invalid)), _) => CompileError::Invalid { reason: reason() },
        (Some(Some(Verdict::OtherEngine)), _) => CompileError::OtherCompiler { program, reason: reason() },
        _ if status.code() == Some(PANICKED) => {
            CompileError::Invalid { reason: format!("the compiler panicked: {}", reason()) }
        }
        (Some(_), _) => {
            let code = status.code().unwrap_or_default();
            CompileError::Compiler { program, what: format!("ended with exit code {code}: {}", reason()) }
        }
        (None, signal) => {
            CompileError::Compiler { program, what: format!("ended by signal {}", signal.unwrap_or_default()) }
        }
    })
}
