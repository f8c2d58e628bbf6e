//! URLs of PostgreSQL and of what speaks its protocol.

use std::fmt;
use std::time::Duration;

use llm_keys::error::Result;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::server::{Ours, Place, Tls, bad};

/// A server, and how to reach it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Postgres {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
}

impl Postgres {
    /// All that `tokio-postgres` takes, but with our own rule for TLS.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (ours, rest) = Ours::take(url)?;
        // Its error may quote the URL, so it is no source of ours.
        let mut config: Config = rest.parse().map_err(|_| {
            bad("is none that we understand").with_hint(
                "write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %XX for what is special",
            )
        })?;
        let tls = ours.tls(place(&config)?)?;
        config.ssl_mode(match tls {
            Tls::Off => SslMode::Disable,
            Tls::Verified { .. } => SslMode::Require,
        });
        // A server that went away without a word is noticed, even in the middle of a call.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        config.keepalives_idle(SILENCE);
        if config.get_application_name().is_none() {
            config.application_name("llm-keys");
        }
        Ok(Self { config, tls })
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres(…)")
    }
}

/// How long a server may leave bytes of ours unconfirmed.
const SILENCE: Duration = Duration::from_secs(10);

/// The farthest of the hosts.
fn place(config: &Config) -> Result<Place> {
    // With addresses, the names are for the certificate only.
    let addresses = config.get_hostaddrs().iter();
    let mut places: Vec<_> = addresses
        .map(|address| if address.is_loopback() { Place::Loopback } else { Place::Away })
        .collect();
    if places.is_empty() {
        places = config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => Place::of_host(name),
                Host::Unix(_) => Place::Socket,
            })
            .collect();
    }
    match places.as_slice() {
        [] => Err(bad("names no host")),
        [first, rest @ ..] if rest.iter().all(|place| place == first) => Ok(*first),
        _ => Err(bad("mixes hosts on this machine with others")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(url: &str) -> Tls {
        Postgres::parse(url).unwrap().tls
    }

    #[test]
    fn where_the_server_is_decides_about_tls() {
        for near in [
            "postgres://u:p@localhost/d",
            "postgresql://u:p@127.0.0.1:5433/d",
            "postgres://u@[::1]/d",
            "postgres:///d?host=/run/postgresql&user=u",
            "postgres://u@%2Frun%2Fpostgresql/d",
            "postgres://u@db.example/d?hostaddr=127.0.0.1",
            "postgres://u@localhost,127.0.0.1/d",
        ] {
            assert_eq!(tls(near), Tls::Off, "{near}");
        }
        for far in [
            "postgres://u:p@db.example/d",
            "postgres://u:p@10.0.0.1/d",
            "postgres://u@localhost/d?hostaddr=10.0.0.1",
            "postgres://u@a.example,b.example/d?target_session_attrs=read-write",
        ] {
            let Postgres { config, tls } = Postgres::parse(far).unwrap();
            assert_eq!(tls, Tls::Verified { roots: None }, "{far}");
            assert_eq!(config.get_ssl_mode(), SslMode::Require, "{far}");
        }
        for wrong in [
            "postgres://",
            "postgres:///d",
            "postgres://u@localhost,db.example/d",
            "postgres://u@%2Frun%2Fpostgresql,db.example/d",
            "postgres://u@h/d?sslmode=prefer",
            "postgres://u@h/d?sslkey=/x",
        ] {
            assert!(Postgres::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_of_the_url_is_shown() {
        let target = Postgres::parse("postgres://u:hunter2@h/d").unwrap();
        assert_eq!(format!("{target:?}"), "Postgres(…)");
    }
}
