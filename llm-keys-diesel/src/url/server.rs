//! What the URLs of database servers have in common: parameters of our own, and the rule for TLS.

use std::net::IpAddr;
use std::path::PathBuf;

use llm_keys::error::{Error, Result};
use percent_encoding::percent_decode_str;

use super::OP;

/// How a connection is protected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Tls {
    /// Not at all: it never leaves the machine.
    Off,
    /// By a certificate for the name of the host, from an authority in this file, or of the system.
    Verified { roots: Option<PathBuf> },
}

/// How far away a server is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Socket,
    Loopback,
    Away,
}

impl Place {
    /// Where a host of this name or address is. Other names may lead anywhere.
    pub(super) fn of_host(host: &str) -> Self {
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        match host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            true => Self::Loopback,
            false => Self::Away,
        }
    }
}

/// The parameters of a URL that are ours.
#[derive(Default)]
pub(super) struct Ours {
    sslmode: Option<String>,
    sslrootcert: Option<String>,
}

impl Ours {
    /// Takes our parameters out of `url`; also gives what is left of it.
    pub(super) fn take(url: &str) -> Result<(Self, String)> {
        let mut ours = Self::default();
        let Some((place, query)) = url.split_once('?') else { return Ok((ours, url.to_owned())) };
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let into = match pair.split_once('=') {
                Some(("sslmode", _)) => &mut ours.sslmode,
                Some(("sslrootcert", _)) => &mut ours.sslrootcert,
                _ => {
                    others.push(pair);
                    continue;
                }
            };
            let value = decoded(pair.split_once('=').map_or("", |(_, value)| value))?;
            if into.replace(value).is_some() {
                return Err(bad("says the same twice"));
            }
        }
        let rest = match others.is_empty() {
            true => place.to_owned(),
            false => format!("{place}?{}", others.join("&")),
        };
        Ok((ours, rest))
    }

    /// What they mean for a server in `place`.
    pub(super) fn tls(self, place: Place) -> Result<Tls> {
        let roots = self.sslrootcert.map(PathBuf::from);
        if roots.as_deref().is_some_and(|path| !path.is_absolute()) {
            return Err(bad("needs an absolute path after `sslrootcert=`"));
        }
        let verified = match self.sslmode.as_deref() {
            None => place == Place::Away || roots.is_some(),
            Some("require" | "verify-ca" | "verify-full") => true,
            Some("disable") if place != Place::Away => false,
            Some("disable") => {
                return Err(bad(
                    "says `sslmode=disable`, which is for the loopback address and Unix sockets only",
                )
                .with_hint(
                    "leave sslmode out: TLS is then used and verified; name the file of an \
                     authority of your own by sslrootcert=/PATH",
                ));
            }
            Some(_) => {
                return Err(bad("needs `sslmode=verify-full` or `sslmode=disable`").with_hint(
                    "a connection is verified or stays on this machine; there is nothing in between",
                ));
            }
        };
        match (verified, place) {
            (true, Place::Socket) => Err(bad("asks for TLS on a Unix socket, which has none")),
            (true, _) => Ok(Tls::Verified { roots }),
            (false, _) if roots.is_some() => {
                Err(bad("names an authority and says `sslmode=disable`"))
            }
            (false, _) => Ok(Tls::Off),
        }
    }
}

/// A part of a URL without its percent signs.
pub(super) fn decoded(text: &str) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(std::borrow::Cow::into_owned).map_err(|_| bad("holds bytes that are no UTF-8 text"))
}

/// A URL that we do not take. The message never repeats a part of it.
pub(super) fn bad(what: &'static str) -> Error {
    Error::invalid(OP, format!("the database URL {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(query: &str, place: Place) -> Result<Tls> {
        Ours::take(&format!("x://h?{query}")).unwrap().0.tls(place)
    }

    #[test]
    fn plain_stays_on_this_machine() {
        let verified = |roots: Option<&str>| Tls::Verified { roots: roots.map(PathBuf::from) };
        for (query, place, wanted) in [
            ("", Place::Loopback, Tls::Off),
            ("", Place::Socket, Tls::Off),
            ("", Place::Away, verified(None)),
            ("sslmode=disable", Place::Loopback, Tls::Off),
            ("sslmode=disable", Place::Socket, Tls::Off),
            ("sslmode=verify-full", Place::Loopback, verified(None)),
            ("sslmode=require", Place::Away, verified(None)),
            ("sslmode=verify-ca", Place::Away, verified(None)),
            ("sslrootcert=/a%20b", Place::Away, verified(Some("/a b"))),
            ("sslrootcert=/a", Place::Loopback, verified(Some("/a"))),
        ] {
            assert_eq!(tls(query, place).unwrap(), wanted, "{query} {place:?}");
        }
        for (query, place) in [
            ("sslmode=disable", Place::Away),
            ("sslmode=prefer", Place::Away),
            ("sslmode=allow", Place::Loopback),
            ("sslmode=", Place::Loopback),
            ("sslmode=verify-full", Place::Socket),
            ("sslrootcert=/a", Place::Socket),
            ("sslrootcert=a", Place::Away),
            ("sslrootcert=/a&sslmode=disable", Place::Loopback),
        ] {
            let error = tls(query, place).unwrap_err();
            assert_eq!(error.kind().code(), "invalid_input", "{query} {place:?}");
        }
    }

    #[test]
    fn what_to_do_instead_is_said() {
        let error = tls("sslmode=disable", Place::Away).unwrap_err();
        assert!(error.to_string().contains("Unix sockets only"), "{error}");
        assert!(error.hint().unwrap().contains("sslrootcert="), "{error:?}");
    }

    #[test]
    fn other_parameters_stay() {
        let take = |url| Ours::take(url).unwrap().1;
        assert_eq!(take("x://h/d"), "x://h/d");
        assert_eq!(take("x://h/d?sslmode=disable"), "x://h/d");
        assert_eq!(take("x://h/d?a=1&sslmode=disable&b=%3d"), "x://h/d?a=1&b=%3d");
        assert!(Ours::take("x://h/d?sslmode=disable&sslmode=require").is_err());
    }

    #[test]
    fn only_these_hosts_are_near() {
        for near in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
            assert_eq!(Place::of_host(near), Place::Loopback, "{near}");
        }
        for far in ["", "localhost.example", "db", "0.0.0.0", "::", "127.0.0.1.example", "10.0.0.1"]
        {
            assert_eq!(Place::of_host(far), Place::Away, "{far}");
        }
    }
}
