//! The real servers that the tests of KMS and databases need beside them.
//!
//! Each has a room under `services/`: how it is installed, started, and known to be ready.

use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use crate::failure::{Failure, Result};

use self::keeper::Kept;
use self::patience::Stopwatch;
use self::place::Place;

pub(crate) mod environment;
mod http;
mod judges;
pub(crate) mod keeper;
mod listeners;
mod localstack;
mod mariadb;
mod ministack;
mod openbao;
mod patience;
mod place;
mod ports;
mod postgres;
mod programs;
mod python;
mod random;
mod softhsm;

/// The servers of one test run. Dropping it stops them, so that a failing run leaves nothing
/// behind; if this program is killed, their keepers stop them.
pub(crate) struct Services {
    running: Vec<Started>,
    /// Held until the servers are gone.
    _place: Place,
}

/// What a room gives back.
struct Started {
    /// Missing if it is no server.
    server: Option<Kept>,
    /// How the tests find it.
    variables: Vec<(&'static str, OsString)>,
}

/// One kind of server.
struct Room {
    name: &'static str,
    /// If this variable is set, the tests have such a server already.
    variable: &'static str,
    start: fn(&Place) -> Result<Started>,
}

impl Services {
    /// Starts all of them at once, and returns when they answer.
    ///
    /// # Errors
    /// A server that does not start fails the run; no test is skipped for want of one.
    pub(crate) fn start() -> Result<Self> {
        Self::start_rooms(ROOMS.iter().collect())
    }

    /// Starts those of these names.
    ///
    /// # Errors
    /// As [`start`](Self::start), or if there is none of such a name.
    pub(crate) fn start_some(names: &[&str]) -> Result<Self> {
        let find = |name: &&str| {
            let room = ROOMS.iter().find(|room| room.name == *name);
            room.ok_or_else(|| Failure::new(format!("no server is called {name}")))
        };
        Self::start_rooms(names.iter().map(find).collect::<Result<_>>()?)
    }

    fn start_rooms(rooms: Vec<&Room>) -> Result<Self> {
        let place = Place::take()?;
        let wanted = rooms.into_iter().filter(|room| std::env::var_os(room.variable).is_none());
        let outcomes = std::thread::scope(|scope| {
            let starting: Vec<_> =
                wanted.map(|room| scope.spawn(|| start_one(room, &place))).collect();
            starting.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        let mut running = Vec::new();
        let mut wrong = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(Ok(started)) => running.push(started),
                Ok(Err(failure)) => wrong.push(failure.to_string()),
                Err(_) => wrong.push("starting a server panicked".to_owned()),
            }
        }
        let services = Self { running, _place: place };
        if wrong.is_empty() { Ok(services) } else { Err(Failure::new(wrong.join("\nxtask: "))) }
    }

    /// The variables by which the tests find the servers.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &(&'static str, OsString)> {
        self.running.iter().flat_map(|started| &started.variables)
    }

    /// Tells a command where the servers are.
    pub(crate) fn introduce<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.variables().map(|(name, value)| (name, value)))
    }

    /// Fails once a server has ended by itself, or listens where others can reach it.
    pub(crate) fn check(&mut self) -> Result {
        self.running.iter_mut().filter_map(|started| started.server.as_mut()).try_for_each(
            |server| {
                server.check()?;
                server.check_listeners()
            },
        )
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        // All are asked before the first is waited for.
        for server in self.running.iter_mut().filter_map(|started| started.server.as_mut()) {
            server.ask_to_stop();
        }
    }
}

fn start_one(room: &Room, place: &Place) -> Result<Started> {
    let stopwatch = Stopwatch::start();
    let started = (room.start)(place)
        .and_then(|started| {
            started.server.as_ref().map_or(Ok(()), Kept::check_listeners)?;
            Ok(started)
        })
        .map_err(|failure| Failure::new(format!("{} did not start: {failure}", room.name)))?;
    eprintln!("xtask: {} is ready ({:.1} s)", room.name, stopwatch.elapsed().as_secs_f64());
    Ok(started)
}

/// A server is a line here and a file.
const ROOMS: &[Room] = &[
    Room { name: "LocalStack", variable: localstack::VARIABLE, start: localstack::start },
    Room { name: "MiniStack", variable: ministack::VARIABLE, start: ministack::start },
    Room { name: "OpenBao", variable: openbao::dev::VARIABLE, start: openbao::dev::start },
    Room { name: "OpenBao with TLS", variable: openbao::tls::VARIABLE, start: openbao::tls::start },
    Room { name: "the OpenBao program", variable: openbao::VARIABLE, start: openbao::program },
    Room { name: "SoftHSM", variable: softhsm::VARIABLE, start: softhsm::find },
    Room { name: "Python", variable: judges::VARIABLE, start: judges::install },
    Room { name: "PostgreSQL", variable: postgres::VARIABLE, start: postgres::start },
    Room { name: "MariaDB", variable: mariadb::VARIABLE, start: mariadb::start },
];

/// The servers that a test of storage needs.
pub(crate) const DATABASES: &[&str] = &["PostgreSQL", "MariaDB"];

/// How long a server may take. A cold start on a busy machine is ten times slower than usual.
const START_LIMIT: Duration = Duration::from_secs(120);
