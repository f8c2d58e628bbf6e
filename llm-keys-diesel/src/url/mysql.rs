//! URLs of MySQL and MariaDB.

use std::fmt;

use llm_keys::error::Result;
use mysql_async::{Opts, OptsBuilder};
use url::{Host, Url};

use super::server::{Ours, Place, Tls, bad, decoded};

/// A server, and how to reach it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Mysql {
    pub(crate) opts: Opts,
    pub(crate) tls: Tls,
}

impl Mysql {
    /// What follows `mysql:`. Only the parameters that the documentation lists: some of
    /// `mysql_async`'s own would turn verification off.
    pub(super) fn parse(rest: &str) -> Result<Self> {
        let (ours, rest) = Ours::take(rest)?;
        let url = Url::parse(&format!("mysql:{rest}")).map_err(|_| misspelt())?;
        let database = decoded(url.path().trim_start_matches('/'))?;
        if url.cannot_be_a_base() || database.contains('/') || url.fragment().is_some() {
            return Err(misspelt());
        }
        if database.is_empty() {
            return Err(bad("names no database"));
        }
        let mut socket = None;
        for (name, value) in url.query_pairs() {
            match (name.as_ref(), &socket) {
                ("socket", None) if value.starts_with('/') => socket = Some(value.into_owned()),
                ("socket", _) => return Err(bad("needs one absolute path after `socket=`")),
                _ => {
                    return Err(bad("has a parameter that we do not know")
                        .with_hint("there may be socket=, sslmode= and sslrootcert="));
                }
            }
        }
        let host = match url.host() {
            Some(Host::Domain("")) | None => None,
            Some(Host::Ipv6(address)) => Some(address.to_string()),
            Some(host) => Some(host.to_string()),
        };
        let place = match (&socket, &host) {
            (Some(_), _) => Place::Socket,
            (None, Some(host)) => Place::of_host(host),
            (None, None) => return Err(bad("names no host")),
        };
        let password = url.password().map(decoded).transpose()?;
        let opts = OptsBuilder::default()
            .ip_or_hostname(host.unwrap_or_else(|| "localhost".to_owned()))
            .tcp_port(url.port().unwrap_or(3306))
            .user(Some(decoded(url.username())?).filter(|user| !user.is_empty()))
            .pass(password)
            .db_name(Some(database))
            .socket(socket)
            // Where the server is was decided above.
            .prefer_socket(false)
            // As on the others: a row that was found counts, even if nothing in it changed.
            .client_found_rows(true)
            // Diesel has its own.
            .stmt_cache_size(0)
            .tcp_keepalive(Some(10_000_u32));
        Ok(Self { opts: opts.into(), tls: ours.tls(place)? })
    }
}

fn misspelt() -> llm_keys::Error {
    bad("is none that we understand")
        .with_hint("write mysql://USER:PASSWORD@HOST:PORT/DATABASE, with %XX for what is special")
}

impl fmt::Debug for Mysql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mysql(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Target;

    fn parse(url: &str) -> Result<Mysql> {
        match Target::parse(url)? {
            Target::Mysql(target) => Ok(*target),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_part_arrives() {
        let opts = parse("mariadb://us%40er:p%2Fw%3A@127.0.0.1:3307/d%2Dx").unwrap().opts;
        assert_eq!((opts.user(), opts.pass()), (Some("us@er"), Some("p/w:")));
        assert_eq!((opts.ip_or_hostname(), opts.tcp_port()), ("127.0.0.1", 3307));
        assert_eq!((opts.db_name(), opts.socket()), (Some("d-x"), None));
        assert!(opts.client_found_rows() && !opts.prefer_socket());
        let opts = parse("mysql://u@localhost/d?socket=/run/mysqld/mysqld.sock").unwrap().opts;
        assert_eq!(opts.socket(), Some("/run/mysqld/mysqld.sock"));
    }

    #[test]
    fn where_the_server_is_decides_about_tls() {
        for near in ["mysql://u@localhost/d", "mysql://u@[::1]/d", "mysql:///d?socket=/s"] {
            assert_eq!(parse(near).unwrap().tls, Tls::Off, "{near}");
        }
        for far in ["mysql://u:p@db.example/d", "mysql://u:p@[fe80::1]:3307/d"] {
            assert_eq!(parse(far).unwrap().tls, Tls::Verified { roots: None }, "{far}");
        }
        for wrong in [
            "mysql:x",
            "mysql://",
            "mysql:///d",
            "mysql://h",
            "mysql://h/a/b",
            "mysql://h/d?verify_ca=false",
            "mysql://h/d?require_ssl=true",
            "mysql://h/d?socket=x",
            "mysql://h/d?socket=/x&socket=/y",
            "mysql://h/d?socket=/x&sslmode=verify-full",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_of_the_url_is_shown() {
        let target = parse("mysql://u:hunter2@h/d").unwrap();
        assert_eq!(format!("{target:?}"), "Mysql(…)");
    }
}
