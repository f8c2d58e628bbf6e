//! A server never outlives the run it was started for.
//!
//! Between the run and the server stands a keeper: this program again, with the hidden command
//! `keep`. It holds one end of a pipe. When the other end closes, because the run is over, failed,
//! was interrupted or killed, the keeper stops the server. So nothing here needs a signal handler.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::failure::{Failure, Result};

use super::patience::until;
use super::place::{Place, cannot, open};
use super::{START_LIMIT, http, listeners};

/// A server that stops when this is dropped.
pub(super) struct Kept {
    keeper: Child,
    /// As long as this is open, the server lives.
    pipe: Option<ChildStdin>,
    log: PathBuf,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Locked while the server lives
    #[arg(long)]
    lock: PathBuf,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Kept {
    /// Starts a server. It gets the variables of `command`, and of ours only the `PATH`.
    pub(super) fn start(place: &Place, name: &str, command: &Command) -> Result<Self> {
        let log = place.log(name)?;
        let output = File::create(&log).map_err(|error| cannot("write", &log, &error))?;
        let errors = output.try_clone().map_err(|error| cannot("write", &log, &error))?;
        let this = std::env::current_exe().map_err(|error| {
            Failure::new(format!("this program does not know its file: {error}"))
        })?;
        let mut keeper = Command::new(this);
        keeper.arg("keep").arg("--lock").arg(place.lock()).arg("--");
        keeper.arg(command.get_program()).args(command.get_args());
        keeper.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        keeper.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        keeper.current_dir(place.scratch(name)?);
        keeper.stdin(Stdio::piped()).stdout(output).stderr(errors);
        // A group of its own: Ctrl-C in the terminal is not for the keeper, which acts on the pipe.
        keeper.process_group(0);
        let mut keeper = keeper
            .spawn()
            .map_err(|error| Failure::new(format!("cannot start its keeper: {error}")))?;
        let pipe = keeper.stdin.take();
        Ok(Self { keeper, pipe, log })
    }

    /// Waits until `ask` has an answer. `None` means: not yet.
    ///
    /// # Errors
    /// The server ended, or is still not ready after [`START_LIMIT`]; with its last words.
    pub(super) fn wait<T>(&mut self, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let answer = until(START_LIMIT, || {
            self.check()?;
            ask()
        })?;
        let late = || self.failure(&format!("is not ready after {} s", START_LIMIT.as_secs()));
        answer.ok_or_else(late)
    }

    /// Waits until a request of this path is answered with 200 and a text that contains `word`.
    pub(super) fn wait_for_http(
        &mut self,
        address: std::net::SocketAddr,
        path: &str,
        word: &str,
    ) -> Result {
        self.wait(|| {
            let answer = http::ask(address, &format!("GET {path}"), &[], "");
            Ok(answer.filter(|(status, body)| *status == 200 && body.contains(word)).map(drop))
        })
    }

    /// Fails if the server has ended.
    pub(super) fn check(&mut self) -> Result {
        match self.keeper.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failure(&format!("ended ({status})"))),
            Err(error) => Err(self.failure(&format!("cannot be watched: {error}"))),
        }
    }

    /// Fails if the server listens on another address than the loopback.
    pub(super) fn check_listeners(&self) -> Result {
        listeners::only_loopback(self.keeper.id())
    }

    /// Lets the keeper stop the server, without waiting for it.
    pub(super) fn ask_to_stop(&mut self) {
        self.pipe = None;
    }

    /// What is wrong with this server, and its last words.
    pub(super) fn failure(&self, what: &str) -> Failure {
        let log = &self.log;
        Failure::new(format!("it {what}; the end of {}:\n{}", log.display(), tail(log)))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.ask_to_stop();
        // The keeper kills what does not stop, so this ends.
        let _ = self.keeper.wait();
    }
}

/// The command `keep`: runs a server until standard input closes, then stops all its processes.
pub(crate) fn run(args: &Args) -> Result {
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Failure::new("there is nothing to keep"));
    };
    let lock = open(&args.lock)?;
    lock.lock_shared().map_err(|error| cannot("lock", &args.lock, &error))?;
    let mut server = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| Failure::new(format!("cannot start {}: {error}", program.display())))?;
    let (closed, is_closed) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        // Nobody writes: this returns when the pipe closes.
        let _ = std::io::stdin().read(&mut [0]);
        drop(closed);
    });
    while is_closed.recv_timeout(WATCH) == Err(RecvTimeoutError::Timeout) {
        if let Ok(Some(status)) = server.try_wait() {
            stop_group(&mut server, GRACE)?;
            return Err(Failure::new(format!("the server ended: {status}")));
        }
    }
    stop_group(&mut server, GRACE)
}

/// Stops a process that leads a group, and the rest of the group.
fn stop_group(leader: &mut Child, grace: Duration) -> Result {
    let Some(group) = i32::try_from(leader.id()).ok().and_then(Pid::from_raw) else {
        return Err(Failure::new("the server has no process id"));
    };
    // Signals fail when there is no one left, which is what they are for.
    let _ = kill_process_group(group, Signal::TERM);
    until(grace, || Ok(leader.try_wait().ok().flatten()))?;
    let _ = kill_process_group(group, Signal::KILL);
    let _ = leader.wait();
    Ok(())
}

/// The last lines of a file.
pub(super) fn tail(path: &std::path::Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

const WATCH: Duration = Duration::from_millis(100);

/// How long a server may take to stop by itself. There is nothing to lose.
const GRACE: Duration = Duration::from_secs(5);

const TAIL_LINES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: Vec<_> = (0..100).map(|line| line.to_string()).collect();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        assert!(tail(file.path()).starts_with("80\n81\n"));
        assert!(tail(file.path()).ends_with("\n99"));
    }

    #[test]
    fn a_group_is_stopped_even_if_it_will_not() {
        let script = "trap '' TERM; sleep 600 & echo; wait; wait";
        let mut server = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut output = server.stdout.take().unwrap();
        assert_eq!(output.read(&mut [0]).unwrap(), 1);
        stop_group(&mut server, Duration::from_millis(1)).unwrap();
        // Its child held the output too.
        assert_eq!(output.read(&mut [0]).unwrap(), 0);
    }
}
