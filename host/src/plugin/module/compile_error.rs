//! Why there is no machine code of a component.

use std::time::Duration;

use bytesize::ByteSize;

/// A component cannot be compiled, or not within what it may cost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The compiler does not take it, or it does not fit the limits of instances.
    #[error("the component cannot be used: {reason}")]
    Invalid {
        /// The compiler's complaint.
        reason: String,
    },
    /// The compiler needed more memory than it may have.
    #[error("it took more than {} to compile (compile.memory)", ByteSize(*limit))]
    Memory {
        /// What it may have, bytes.
        limit: u64,
    },
    /// The compiler computed for longer than it may.
    #[error("it took more than {} of computing to compile (compile.cpu_time)", humantime::format_duration(*limit))]
    CpuTime {
        /// What all of its threads may take together.
        limit: Duration,
    },
    /// The compiler was not done in time.
    #[error("it took longer than {} to compile (compile.timeout)", humantime::format_duration(*limit))]
    Timeout {
        /// How long it may take.
        limit: Duration,
    },
    /// What came out is too long.
    #[error("its machine code is longer than {} (compile.max_code)", ByteSize(*limit))]
    CodeTooLong {
        /// The longest, bytes.
        limit: u64,
    },
    /// Others were compiling for too long.
    #[error(
        "other plugins are being compiled ({places} at once, compile.max_concurrent), for longer than {} (compile.timeout); \
         try again",
        humantime::format_duration(*waited)
    )]
    Busy {
        /// Compilers at once.
        places: usize,
        /// How long it waited.
        waited: Duration,
    },
    /// The compiler is another one than this host's.
    #[error("the compiler {program} is not of this version of roster-host: {reason}")]
    OtherCompiler {
        /// The program.
        program: String,
        /// What differs.
        reason: String,
    },
    /// The compiler cannot be started, or ended in a way that says nothing about the component.
    #[error("the compiler {program} {what}")]
    Compiler {
        /// The program.
        program: String,
        /// What is wrong with it, as in "ended by signal 9".
        what: String,
    },
}
