//! A running `roster-host` and what it writes.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take on a machine that is busy with other things. A test that passes never waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// What has been written to one of the two outputs so far.
#[derive(Clone, Default)]
pub(crate) struct Output(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    closed: bool,
}

/// The process. It is killed when dropped.
pub(crate) struct Program {
    child: Child,
    /// Standard output.
    pub(crate) stdout: Output,
    /// Standard error.
    pub(crate) stderr: Output,
}

/// How the process ended and everything it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Where a host listens, as it says itself.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) http: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
    /// XMPP clients that begin without TLS.
    pub(crate) xmpp: Option<SocketAddr>,
}

/// Runs the program until it ends by itself.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ended {
    Program::start(arguments).end()
}

/// The same with `input` on its standard input.
pub(crate) fn run_with_input<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, input: &str) -> Ended {
    let mut program = Program::start_with(arguments, Stdio::piped());
    let mut stdin = program.child.stdin.take().unwrap();
    // It may end without having read it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    program.end()
}

impl Program {
    /// Starts it with these arguments.
    pub(crate) fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start_with(arguments, Stdio::null())
    }

    /// The same where the system allows it to have only so many files and connections open.
    pub(crate) fn start_with_descriptors<A: AsRef<OsStr>>(
        limit: usize,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::start_by_shell(&format!("ulimit -n {limit}"), arguments)
    }

    /// The same where it may raise the limit.
    pub(crate) fn start_with_soft_descriptors<A: AsRef<OsStr>>(
        limit: usize,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::start_by_shell(&format!("ulimit -S -n {limit}"), arguments)
    }

    /// The same by a shell that has this file open.
    pub(crate) fn start_with_open<A: AsRef<OsStr>>(file: &Path, arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start_by_shell(&format!("exec 9<'{}'", file.display()), arguments)
    }

    /// The same with sockets that a service manager has opened before, as it hands them over.
    pub(crate) fn start_on<A: AsRef<OsStr>>(sockets: &[&TcpListener], arguments: impl IntoIterator<Item = A>) -> Self {
        let mut before = format!("export LISTEN_FDS={} LISTEN_PID=$$", sockets.len());
        // First out of the way, for one may have the number that another is to have.
        for (socket, n) in sockets.iter().zip(0..) {
            // It is for the child; those of other tests do nothing with it.
            rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::empty()).unwrap();
            before += &format!(" && exec {}<&{}", 500 + n, socket.as_raw_fd());
        }
        (0..sockets.len()).for_each(|n| before += &format!(" && exec {}<&{}", 3 + n, 500 + n));
        // Not every sh takes descriptors of two digits.
        Self::start_by("bash", &before, arguments)
    }

    /// After a command of the shell, in the same process.
    pub(crate) fn start_by_shell<A: AsRef<OsStr>>(before: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start_by("sh", before, arguments)
    }

    fn start_by<A: AsRef<OsStr>>(shell: &str, before: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(shell);
        command.args(["-c", &format!("{before} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_roster-host")]);
        Self::spawn(command, arguments, Stdio::null())
    }

    fn start_with<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, stdin: Stdio) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_roster-host")), arguments, stdin)
    }

    fn spawn<A: AsRef<OsStr>>(mut command: Command, arguments: impl IntoIterator<Item = A>, stdin: Stdio) -> Self {
        command.args(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = Output::of(child.stdout.take().unwrap());
        let stderr = Output::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Waits until the log says that the host is up.
    pub(crate) fn listening(&self) -> Listening {
        self.stderr.wait("the host is up", |log| {
            let line = log.lines().find(|line| line.contains("roster-host is up"))?;
            Some(Listening {
                http: address_after(line, &["http=", "\"http\":"]),
                https: address_after(line, &["https=", "\"https\":"]),
                admin: address_after(line, &["admin=", "\"admin\":"]),
                xmpp: address_after(line, &["xmpp=", "\"xmpp\":"]),
            })
        })
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `TERM` or `INT`. By way of the shell: the standard library cannot.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Waits for the end of the process.
    pub(crate) fn end(mut self) -> Ended {
        let began = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(began.elapsed() < TIMEOUT, "it does not end; standard error:\n{}", self.stderr.text());
            thread::sleep(Duration::from_millis(5));
        };
        Ended { code, stdout: self.stdout.rest(), stderr: self.stderr.rest() }
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(self) -> Ended {
        self.signal("TERM");
        self.end()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails if it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    /// What comes out of this.
    pub(crate) fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let ours = output.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let read = pipe.read(&mut buffer).unwrap_or(0);
                let (written, news) = &*ours.0;
                let mut written = written.lock().unwrap();
                written.bytes.extend_from_slice(&buffer[..read]);
                written.closed = read == 0;
                news.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        output
    }

    /// What is there now.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }

    /// Waits until `find` finds something in all that was written.
    pub(crate) fn wait<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let (written, news) = &*self.0;
        let began = Instant::now();
        let mut now = written.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&now.bytes).into_owned();
            if let Some(found) = find(&text) {
                return found;
            }
            assert!(!now.closed && began.elapsed() < TIMEOUT, "never seen: {what}; but:\n{text}");
            now = news.wait_timeout(now, TIMEOUT).unwrap().0;
        }
    }

    /// Waits until this text was written.
    pub(crate) fn wait_for(&self, expected: &str) {
        self.wait(expected, |text| text.contains(expected).then_some(()));
    }

    /// Everything, once the process has closed its end.
    fn rest(&self) -> String {
        let (written, news) = &*self.0;
        let (now, timeout) = news.wait_timeout_while(written.lock().unwrap(), TIMEOUT, |now| !now.closed).unwrap();
        assert!(!timeout.timed_out(), "somebody keeps the output open");
        String::from_utf8(now.bytes.clone()).expect("it writes UTF-8")
    }
}

impl Ended {
    /// The only line on standard error, without the line break.
    pub(crate) fn only_line(&self) -> &str {
        let line = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {self:?}"));
        assert!(!line.contains('\n'), "more than one line: {self:?}");
        line
    }
}

/// The IPv4 address that follows one of the keys at the beginning of a word.
fn address_after(line: &str, keys: &[&str]) -> Option<SocketAddr> {
    let words = line.split([' ', ',', '{', '}']);
    let value = words.into_iter().find_map(|word| keys.iter().find_map(|key| word.strip_prefix(key)))?;
    value.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok()
}
