//! How a server is asked to stop, and how the process keeps its memory to itself.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears SIGTERM and SIGINT. Made before the server starts, so that no signal falls between.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on the two signals no longer end the process by themselves.
    pub fn install() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one and names it.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Turns core dumps off for this process, and with them other processes' view into its memory (`ptrace`, `/proc/PID/mem`)
/// for all but root: table keys and decrypted pages are in there.
pub fn forbid_core_dumps() -> io::Result<()> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
