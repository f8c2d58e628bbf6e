//! `vault://…`: where the key is, and how to get there.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use super::KeyUri;
use crate::error::{Error, Result};

/// A parsed setting. What identifies the key is in `uri`; the rest says how to reach it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    /// `vault://host:port/mount/key`, with `?namespace=…` if there is one: what envelopes say.
    pub(super) uri: KeyUri,
    /// `host:port`, as an HTTP URL takes it.
    pub(super) authority: String,
    /// The path of the Transit mount.
    pub(super) mount: String,
    /// The name of the Transit key.
    pub(super) key: String,
    pub(super) namespace: Option<String>,
    pub(super) tls: bool,
    /// The only certificate authorities to trust; else those of this machine.
    pub(super) ca: Option<PathBuf>,
    pub(super) auth: Auth,
    /// The role to log in as.
    pub(super) role: Option<String>,
    /// Where the auth method is mounted.
    pub(super) auth_mount: String,
}

/// How to get a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Auth {
    Token,
    AppRole,
    Kubernetes,
}

impl Address {
    /// # Errors
    /// `InvalidInput` that says what is wrong and repeats no value: people put secrets in URLs.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let rest = text.strip_prefix("vault://").ok_or_else(|| bad("does not start `vault://`"))?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) =
            place.split_once('/').ok_or_else(|| bad("names no mount and no key"))?;
        let (authority, loopback) = authority_of(authority)?;
        let (mount, key) =
            path.rsplit_once('/').ok_or_else(|| bad("names no mount, or no key in it"))?;
        if !is_path(mount) || !is_path(key) {
            return Err(bad("has a mount or key that is no plain path"));
        }
        let mut options = Options::parse(options)?;
        let tls = match options.take("tls").as_deref() {
            None | Some("on") => true,
            Some("off") if loopback => false,
            Some("off") => {
                return Err(bad("says `tls=off`, which is for the loopback address only"));
            }
            Some(_) => return Err(bad("needs `tls=on` or `tls=off`")),
        };
        let auth = match options.take("auth").as_deref() {
            None | Some("token") => Auth::Token,
            Some("approle") => Auth::AppRole,
            Some("kubernetes") => Auth::Kubernetes,
            Some(_) => return Err(bad("needs `auth=token`, `approle` or `kubernetes`")),
        };
        let ca = options.take("ca").map(PathBuf::from);
        if ca.as_deref().is_some_and(|path| !path.is_absolute()) {
            return Err(bad("needs an absolute path after `ca=`"));
        }
        let mut path_option = |name, complaint| match options.take(name) {
            Some(path) if !is_path(&path) => Err(bad(complaint)),
            path => Ok(path),
        };
        let namespace = path_option("namespace", "has a namespace that is no plain path")?;
        let role = path_option("role", "has a role that is no plain name")?;
        let auth_mount = path_option("auth_mount", "has an auth mount that is no plain path")?;
        options.finish()?;
        if auth == Auth::Kubernetes && role.is_none() {
            return Err(bad("says `auth=kubernetes`, which needs `role=…`"));
        }
        let mut uri = format!("vault://{authority}/{mount}/{key}");
        if let Some(namespace) = &namespace {
            uri = format!("{uri}?namespace={namespace}");
        }
        Ok(Self {
            uri: KeyUri::new(uri)?,
            mount: mount.to_owned(),
            key: key.to_owned(),
            authority,
            namespace,
            tls,
            ca,
            auth,
            role,
            auth_mount: auth_mount.unwrap_or_else(|| auth.usual_mount().to_owned()),
        })
    }

    /// The base of all calls.
    pub(super) fn base(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}/v1/", self.authority)
    }
}

impl Auth {
    fn usual_mount(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::AppRole => "approle",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// `name=value` pairs, each name once.
struct Options(Vec<(String, String)>);

impl Options {
    fn parse(text: &str) -> Result<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| bad("has an odd option"))?;
            let value = percent_decoded(value).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| bad("has an option without a readable value"))?;
            if pairs.iter().any(|(known, _)| known == name) {
                return Err(bad("has an option twice"));
            }
            pairs.push((name.to_owned(), value));
        }
        Ok(Self(pairs))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn finish(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(bad("has an option that is not known").with_hint(
            "use tls, ca, namespace, auth, auth_mount, role; secrets never stand in a URI",
        ))
    }
}

/// The authority in its one spelling, and whether it is this machine.
fn authority_of(text: &str) -> Result<(String, bool)> {
    if text.contains('@') {
        return Err(bad("has a user or password, which never stand in a URI"));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(|| bad("has a broken address"))?;
            let host: Ipv6Addr = host.parse().map_err(|_| bad("has a broken IPv6 address"))?;
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':').ok_or_else(|| bad("has a broken port"))?),
            };
            return Ok((format!("[{host}]:{}", port_of(port)?), host.is_loopback()));
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let host = host.to_ascii_lowercase();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(bad("has a host that is neither a name nor an address"));
    }
    let address = host.parse::<IpAddr>();
    let loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    Ok((format!("{host}:{}", port_of(port)?), loopback))
}

fn port_of(text: Option<&str>) -> Result<u16> {
    let Some(text) = text else { return Ok(USUAL_PORT) };
    let port = text.parse().ok().filter(|port| *port != 0);
    port.filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| bad("has a broken port"))
}

/// One or more names between slashes that mean the same in every URL parser.
fn is_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    text.split('/')
        .all(|name| !name.is_empty() && name != "." && name != ".." && name.bytes().all(plain))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}

fn bad(what: &'static str) -> Error {
    Error::invalid("kms.from_uri", format!("the Vault URI {what}"))
        .with_hint("write vault://host:8200/transit/key, then options such as ?auth=approle")
}

const USUAL_PORT: u16 = 8200;

#[cfg(test)]
mod tests;
