//! Servers that a test starts, kills and starts again: in a folder of its own, on a port of its own.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use diesel_async::{AsyncConnection as _, AsyncMysqlConnection, AsyncPgConnection};
use tempfile::TempDir;

use crate::database::Kind;

/// A server with data that survive it.
pub(crate) struct Own {
    kind: Kind,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    running: Option<Child>,
}

impl Own {
    /// Makes its data; it does not run yet.
    pub(crate) fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own = Self { kind, folder, port, options: Vec::new(), running: None };
        let data = own.path("data");
        let mut make = match kind {
            Kind::Postgres => {
                if is_root() {
                    must(Command::new("chown").arg("postgres").arg(own.folder.path()));
                }
                let mut make = own.program("initdb");
                make.args(["-U", "postgres", "-A", "trust", "-D"]).arg(data);
                make
            }
            Kind::Mysql => {
                let mut make = own.program("mariadb-install-db");
                make.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
                make.arg("--skip-test-db")
                    .args(root())
                    .arg(format!("--datadir={}", data.display()));
                make
            }
        };
        must(&mut make);
        own
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Options for the next start.
    pub(crate) fn options(&mut self, options: &[String]) {
        self.options = options.to_vec();
    }

    /// Writes a file that the server can read and nobody else.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if is_root() && self.kind == Kind::Postgres {
            must(Command::new("chown").arg("postgres").arg(&path));
        }
        path.display().to_string()
    }

    /// On the loopback address, as the one who may do everything.
    pub(crate) fn url(&self) -> String {
        self.url_of("127.0.0.1")
    }

    pub(crate) fn url_of(&self, host: &str) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://postgres@{host}:{}/postgres", self.port),
            Kind::Mysql => format!("mysql://root@{host}:{}/mysql", self.port),
        }
    }

    /// By its Unix socket.
    pub(crate) fn socket_url(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        match self.kind {
            Kind::Postgres => format!("postgres://postgres@{folder}:{}/postgres", self.port),
            Kind::Mysql => format!("mysql://root@localhost/mysql?socket={folder}%2Fs"),
        }
    }

    /// Starts it, without waiting.
    pub(crate) fn start(&mut self) {
        let data = self.path("data").display().to_string();
        let folder = self.folder.path().display();
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = self.program("postgres");
                command.args(["-c", "listen_addresses=127.0.0.1", "-c"]);
                command.arg(format!("unix_socket_directories={folder}"));
                command.arg("-p").arg(self.port.to_string()).arg("-D").arg(data);
                command
            }
            Kind::Mysql => {
                let mut command = self.program("mariadbd");
                command.args(["--no-defaults", "--bind-address=127.0.0.1"]).args(root());
                command.arg(format!("--port={}", self.port)).arg(format!("--datadir={data}"));
                command.arg(format!("--socket={folder}/s")).arg("--pid-file=pid");
                command
            }
        };
        command.args(&self.options);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.running = Some(command.spawn().unwrap());
    }

    /// Waits until it takes connections at `url`.
    pub(crate) async fn until_ready(&self, url: &str) {
        for _ in 0..600 {
            let answer = match self.kind {
                Kind::Postgres => AsyncPgConnection::establish(url).await.map(drop),
                Kind::Mysql => AsyncMysqlConnection::establish(url).await.map(drop),
            };
            if answer.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not start");
    }

    /// Writes everything that it holds into a file beside its data, with its own tool.
    pub(crate) fn dump(&self, name: &str) {
        let port = self.port.to_string();
        let mut dump = match self.kind {
            Kind::Postgres => {
                let mut dump = Command::new(find("pg_dumpall"));
                dump.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port]);
                dump
            }
            Kind::Mysql => {
                let mut dump = Command::new(find("mariadb-dump"));
                dump.args(["--no-defaults", "-h127.0.0.1", "-uroot", "-P", &port]);
                dump.args(["--single-transaction", "--all-databases"]);
                dump
            }
        };
        let output = dump.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.len() > 10_000);
        fs::write(self.path(name), output.stdout).unwrap();
    }

    /// Ends it as a crash would: nothing is finished, nothing is written.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        match self.kind {
            // All its processes, at once.
            Kind::Postgres => {
                let mut stop = self.program("pg_ctl");
                stop.args(["stop", "-s", "-m", "immediate", "-D"]).arg(self.path("data"));
                must(&mut stop);
            }
            Kind::Mysql => child.kill().unwrap(),
        }
        child.wait().unwrap();
    }

    /// An installed program, as who may run it. It ends with this process at the latest.
    fn program(&self, name: &str) -> Command {
        let program = find(name);
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if is_root() && self.kind == Kind::Postgres {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
        command.arg("--").arg(program).current_dir("/");
        command
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            // Not a panic in a panic.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn must(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {talk}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// MariaDB wants to be told that root is meant.
fn root() -> Option<&'static str> {
    is_root().then_some("--user=root")
}

fn find(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.extend(std::env::split_paths(&path));
    folders.push("/usr/sbin".into());
    let found = folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file());
    let package = if name.starts_with("maria") { "mariadb-server" } else { "postgresql" };
    found.unwrap_or_else(|| panic!("{name} is not installed: `apt-get install {package}`"))
}
