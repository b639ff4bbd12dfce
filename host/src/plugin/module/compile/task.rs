//! What the process that compiles is told, and what it does: the child's side. The parent's is [`super::child`].
//!
//! ```text
//! arguments        compile-plugin and [`CompilerTask`]'s
//! standard input   the length of the component, 8 bytes, little endian; the component; then nothing until the parent is gone
//! standard output  the machine code in the form of the compile cache, see `private_file`
//! standard error   a line that says what is wrong
//! exit code        see [`Verdict`]
//! ```

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use wasmtime::Engine;

use super::{Urgency, file_name, fingerprint, priority};
use crate::plugin::module::digest::Digest;
use crate::plugin::{private_file, sanitize};

/// The subcommand of the program that compiles.
pub const COMPILER_COMMAND: &str = "compile-plugin";

/// The exit code of a Rust program that panicked.
pub(super) const PANICKED: i32 = 101;

/// How the process ends, beside 0: the code is on standard output. No numbers that a shell or another program has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is no good.
    Invalid = 10,
    /// An engine that is not the parent's.
    OtherEngine = 11,
    /// It cannot limit itself, or has no input.
    Unable = 12,
    /// Out of memory, and it could still say so.
    Memory = 13,
    /// The parent is gone, or does not want it any more.
    Abandoned = 14,
}

impl Verdict {
    pub(super) fn of(code: i32) -> Option<Self> {
        [Self::Invalid, Self::OtherEngine, Self::Unable, Self::Memory, Self::Abandoned]
            .into_iter()
            .find(|verdict| *verdict as i32 == code)
    }
}

/// Compiles one plugin in a process of its own, within limits that it sets itself before it reads anything.
///
/// `roster-host` does this for the subcommand [`COMPILER_COMMAND`]. A program that embeds the host can be its own compiler: it
/// parses these arguments behind that word (they are [`clap::Args`]), calls [`run`](Self::run) and ends with what it returns,
/// before it has started any thread.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct CompilerTask {
    /// Memory of this process, bytes.
    #[arg(long)]
    pub(super) memory: u64,
    /// Seconds that all threads together may compute.
    #[arg(long)]
    pub(super) cpu_time: u64,
    /// The longest component, bytes.
    #[arg(long)]
    pub(super) max_component: u64,
    /// What the parent's engine runs: version, target, settings.
    #[arg(long)]
    pub(super) engine: String,
    /// With few threads that give way to others.
    #[arg(long)]
    pub(super) give_way: bool,
}

/// What it ends with, and what it says.
struct Failed(Verdict, String);

impl Failed {
    fn unable(what: &str, error: impl std::fmt::Display) -> Self {
        Self(Verdict::Unable, format!("{what}: {error}"))
    }
}

impl CompilerTask {
    /// The arguments that make a process do this.
    pub(super) fn arguments(&self) -> Vec<String> {
        let Self { memory, cpu_time, max_component, engine, give_way } = self;
        let mut arguments = vec![
            COMPILER_COMMAND.to_owned(),
            format!("--memory={memory}"),
            format!("--cpu-time={cpu_time}"),
            format!("--max-component={max_component}"),
            format!("--engine={engine}"),
        ];
        arguments.extend(give_way.then(|| "--give-way".to_owned()));
        arguments
    }

    /// Compiles what is on standard input; to be the whole of a process.
    pub fn run(self) -> ExitCode {
        match self.compile() {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failed(verdict, reason)) => {
                // Nobody may be there to read it; the exit code says the kind.
                let _ = writeln!(io::stderr(), "{}", sanitize::one_line(&reason));
                ExitCode::from(verdict as u8)
            }
        }
    }

    fn compile(&self) -> Result<(), Failed> {
        say_in_a_line_what_panics();
        if self.give_way {
            priority::give_way();
        }
        self.limit().map_err(|error| Failed::unable("the limits cannot be set", error))?;
        outlive_signals().map_err(|error| Failed::unable("signals cannot be left to the parent", error))?;
        let settings = super::settings();
        let engine = Engine::new(&settings).map_err(|error| Failed::unable("no engine", error))?;
        let ours = fingerprint(&engine);
        if ours != self.engine {
            return Err(Failed(Verdict::OtherEngine, format!("its engine is {ours}, the host's {}", self.engine)));
        }
        let component = self.read().map_err(|error| Failed::unable("no component", error))?;
        end_with_the_parent().map_err(|error| Failed::unable("no thread", error))?;
        let urgency = if self.give_way { Urgency::Swap } else { Urgency::Start };
        let threads = priority::threads(urgency).map_err(|error| Failed::unable("no threads", error))?;
        let code = threads.install(|| engine.precompile_component(&component));
        let code = code.map_err(|error| {
            let verdict = if is_out_of_memory(&error) { Verdict::Memory } else { Verdict::Invalid };
            Failed(verdict, format!("{error:#}"))
        })?;
        let name = file_name(Digest::of(&component), &ours);
        let mut out = io::stdout().lock();
        let written = private_file::write_sealed(&mut out, &name, &code).and_then(|()| out.flush());
        written.map_err(|error| Failed(Verdict::Abandoned, error.to_string()))
    }

    /// Bounds this process. The system ends it if it passes a limit, so nothing that is compiled can get around them.
    fn limit(&self) -> io::Result<()> {
        // What the heap and the threads' stacks take. Not address space, of which an allocator sets aside more than it uses.
        #[cfg(target_os = "linux")]
        lower(Resource::Data, self.memory, 0)?;
        #[cfg(not(target_os = "linux"))]
        lower(Resource::As, self.memory, 0)?;
        // At the soft limit comes a signal that says what it is about, at the hard one SIGKILL.
        lower(Resource::Cpu, self.cpu_time, 1)?;
        // It writes no files, and its memory is nobody's to look into.
        lower(Resource::Core, 0, 0)?;
        lower(Resource::Fsize, 0, 0)?;
        // If memory is short, this is what can be spared. A hint, and elsewhere than on Linux there is no such thing.
        #[cfg(target_os = "linux")]
        let _ = std::fs::File::options()
            .write(true)
            .open("/proc/self/oom_score_adj")
            .and_then(|mut file| file.write_all(b"1000"));
        std::env::set_current_dir("/")
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut input = io::stdin().lock();
        let mut length = [0; 8];
        input.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > self.max_component {
            return Err(io::Error::other(format!("{length} bytes are too many")));
        }
        let mut component = Vec::new();
        input.take(length).read_to_end(&mut component)?;
        if component.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(component)
    }
}

/// Sets a soft limit, and a hard one so much above; neither higher than they are.
fn lower(resource: Resource, to: u64, above: u64) -> io::Result<()> {
    let least = |limit: Option<u64>, to: u64| Some(limit.map_or(to, |limit| limit.min(to)));
    let now = getrlimit(resource);
    let new = Rlimit { current: least(now.current, to), maximum: least(now.maximum, to.saturating_add(above)) };
    setrlimit(resource, new)?;
    Ok(())
}

/// A compiler that panics on a component says why, and not where in whose folder; it ends with [`PANICKED`].
fn say_in_a_line_what_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let _ = writeln!(io::stderr(), "{}", sanitize::one_line(panic.payload_as_str().unwrap_or("for no reason")));
    }));
}

/// What is sent to the host and all of its processes is for the host to answer: it ends this one, or does not.
fn outlive_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _within = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        // The handler stays when what it returns is dropped.
        drop(signal(kind)?);
    }
    Ok(())
}

/// The parent holds the other end of standard input open for as long as it wants the code.
fn end_with_the_parent() -> io::Result<()> {
    let wait = || {
        let _ = io::stdin().lock().read(&mut [0]);
        std::process::exit(Verdict::Abandoned as i32);
    };
    thread::Builder::new().name("parent".to_owned()).spawn(wait).map(drop)
}

fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    let io = |error: &io::Error| error.kind() == io::ErrorKind::OutOfMemory;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(io))
}
