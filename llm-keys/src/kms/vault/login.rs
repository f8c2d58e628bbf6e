//! Getting a token: from a file or the environment, by AppRole, by a Kubernetes service account.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use zeroize::Zeroizing;

use super::address::{Address, Auth};
use super::answer::{self, Lease};
use super::fault;
use super::options::VaultOptions;
use super::wire::{Call, RequestBody, Wire};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::secret::SecretBytes;

/// How to get a token, again and again.
pub(super) enum Login {
    Token(Source),
    AppRole { path: String, role_id: String, secret_id: Option<Source> },
    Kubernetes { path: String, role: String, jwt: Source },
}

/// Where a secret is.
#[derive(Clone)]
pub(super) enum Source {
    Given(Arc<SecretBytes>),
    File { path: PathBuf, private: bool },
}

impl Login {
    /// # Errors
    /// `Kms(Misconfigured)` if `options` lack what the URI asks for.
    pub(super) fn new(address: &Address, options: VaultOptions) -> Result<Self> {
        let path = format!("auth/{}/login", address.auth_mount);
        let private = |path| Source::File { path, private: true };
        Ok(match address.auth {
            Auth::Token => {
                let given = options.token.map(Source::Given);
                let source = given.or(options.token_file.map(private)).ok_or_else(|| {
                    misconfigured("there is no Vault token").with_hint(
                        "set VAULT_TOKEN or VAULT_TOKEN_FILE, or log in with `bao login`",
                    )
                })?;
                Self::Token(source)
            }
            Auth::AppRole => {
                let role_id =
                    options.role_id.or_else(|| address.role.clone()).ok_or_else(|| {
                        misconfigured("there is no AppRole role id")
                            .with_hint("set VAULT_ROLE_ID, or role= in the URI, to the role id")
                    })?;
                let given = options.secret_id.map(Source::Given);
                let secret_id = given.or(options.secret_id_file.map(private));
                Self::AppRole { path, role_id, secret_id }
            }
            Auth::Kubernetes => {
                let jwt = options.jwt_file.unwrap_or_else(|| PathBuf::from(USUAL_JWT));
                let jwt = Source::File { path: jwt, private: false };
                let role = address.role.clone().unwrap_or_default();
                Self::Kubernetes { path, role, jwt }
            }
        })
    }

    /// Whether the token is somebody else's: we may prolong it but cannot get another.
    pub(super) fn is_given(&self) -> bool {
        matches!(self, Self::Token(_))
    }

    /// A token and how long it lives, if the server says.
    ///
    /// # Errors
    /// `Kms(Misconfigured)` if a file is unusable, `Kms(Denied)` if the server refuses, else as
    /// [`Wire::send`].
    pub(super) async fn obtain(&self, wire: &Wire) -> Result<(Arc<SecretBytes>, Option<Lease>)> {
        match self {
            Self::Token(source) => {
                let token = source.read().await?;
                // Nothing: it is dead, or its policy hides it from itself. Use will tell.
                let lease = look_up(wire, &token).await?;
                Ok((token, lease))
            }
            Self::AppRole { path, role_id, secret_id } => {
                let secret_id = match secret_id {
                    None => None,
                    Some(source) => Some(source.read().await?),
                };
                let body = [("role_id", role_id.as_bytes()), ("secret_id", b"")];
                let hint = "the role id is wrong, or the secret id expired or is used up: \
                    bao write -f auth/approle/role/ROLE/secret-id";
                match &secret_id {
                    None => post(wire, path, json(&body[..1])?, hint).await,
                    Some(secret_id) => {
                        let body = secret_id
                            .expose(|secret_id| json(&[body[0], ("secret_id", secret_id)]));
                        post(wire, path, body?, hint).await
                    }
                }
            }
            Self::Kubernetes { path, role, jwt } => {
                let jwt = jwt.read().await?;
                let body = jwt.expose(|jwt| json(&[("role", role.as_bytes()), ("jwt", jwt)]));
                let hint = "bao write auth/kubernetes/role/ROLE bound_service_account_names=… \
                    bound_service_account_namespaces=… token_policies=…";
                post(wire, path, body?, hint).await
            }
        }
    }
}

impl Source {
    /// The secret, without white space at its end.
    async fn read(&self) -> Result<Arc<SecretBytes>> {
        match self {
            Self::Given(secret) => Ok(Arc::clone(secret)),
            Self::File { path, private } => {
                let (path, private) = (path.clone(), *private);
                let read = tokio::task::spawn_blocking(move || read_file(&path, private)).await;
                let secret = read.map_err(|error| {
                    Error::new(ErrorKind::Internal, OP, "the thread that reads the file is gone")
                        .with_source(error)
                })??;
                Ok(Arc::new(secret))
            }
        }
    }
}

/// What the server says about `token`; nothing if it denies.
pub(super) async fn look_up(wire: &Wire, token: &SecretBytes) -> Result<Option<Lease>> {
    let path = "auth/token/lookup-self";
    let answer = wire.send(Call { op: OP, path, body: None, token: Some(token) }).await?;
    match answer.status {
        200 => answer::lookup(OP, &answer.body).map(Some),
        403 => Ok(None),
        _ => Err(fault::explain(wire, OP, &answer).await),
    }
}

/// Prolongs `token`.
pub(super) async fn renew(wire: &Wire, token: &SecretBytes) -> Result<Lease> {
    let body = Some(RequestBody::new(Zeroizing::new(b"{}".to_vec())));
    let path = "auth/token/renew-self";
    let answer = wire.send(Call { op: OP, path, body, token: Some(token) }).await?;
    if answer.status != 200 {
        return Err(fault::explain(wire, OP, &answer).await);
    }
    answer::renewal(OP, &answer.body)
}

async fn post(
    wire: &Wire,
    path: &str,
    body: RequestBody,
    hint: &'static str,
) -> Result<(Arc<SecretBytes>, Option<Lease>)> {
    let answer = wire.send(Call { op: OP, path, body: Some(body), token: None }).await?;
    match answer.status {
        200 => {
            let (token, lease) = answer::login(OP, &answer.body)?;
            Ok((Arc::new(token), Some(lease)))
        }
        400 | 401 | 403 => {
            let what = "the Vault server refused the login";
            Err(Error::new(ErrorKind::Kms(KmsFault::Denied), OP, what).with_hint(hint))
        }
        404 => Err(misconfigured("no auth method is mounted there").with_hint(
            "bao auth enable approle (or kubernetes); auth_mount=PATH names another path",
        )),
        _ => Err(fault::explain(wire, OP, &answer).await),
    }
}

/// A JSON object of strings, in a buffer that never grows.
fn json(pairs: &[(&str, &[u8])]) -> Result<RequestBody> {
    let wrong = |_| misconfigured("a secret for the login is not UTF-8 text");
    // Six bytes are the longest escape.
    let room = pairs.iter().map(|(name, value)| name.len() + 6 * value.len() + 8).sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(room + 2));
    out.push(b'{');
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let value = std::str::from_utf8(value).map_err(wrong)?;
        write_json(&mut out, name)?;
        out.push(b':');
        write_json(&mut out, value)?;
    }
    out.push(b'}');
    Ok(RequestBody::new(out))
}

fn write_json(out: &mut Vec<u8>, text: &str) -> Result<()> {
    text.serialize(&mut serde_json::Serializer::new(out))
        .map_err(|_| Error::new(ErrorKind::Internal, OP, "text cannot be written as JSON"))
}

fn read_file(path: &Path, private: bool) -> Result<SecretBytes> {
    let shown = path.display();
    let failed =
        |error| misconfigured(format!("the file {shown} cannot be read")).with_source(error);
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if private && mode & 0o007 != 0 {
        let what = format!("the file {shown} holds a secret that everybody can read");
        return Err(misconfigured(what).with_hint(format!("chmod o= {shown}")));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 1));
    let limit = u64::try_from(MAX_SECRET + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    let secret = bytes.trim_ascii();
    if secret.is_empty() || bytes.len() > MAX_SECRET {
        return Err(misconfigured(format!("the file {shown} is empty or far too long")));
    }
    Ok(SecretBytes::copy_from(secret))
}

fn misconfigured(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Kms(KmsFault::Misconfigured), OP, what)
}

const OP: &str = "kms.login";
const USUAL_JWT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const MAX_SECRET: usize = 16 * 1024;
