//! What a program knows and a URI must not say: how to prove who we are.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use crate::secret::SecretBytes;

/// The secrets of [`VaultKms`](super::VaultKms), and the files they are in. A file is read again
/// at each login, so that whoever rotates it (Vault Agent, Kubernetes) need not tell us.
#[derive(Clone, Default, Debug)]
pub struct VaultOptions {
    pub(super) token: Option<Arc<SecretBytes>>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) role_id: Option<String>,
    pub(super) secret_id: Option<Arc<SecretBytes>>,
    pub(super) secret_id_file: Option<PathBuf>,
    pub(super) jwt_file: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
}

impl VaultOptions {
    /// Nothing known: for `auth=kubernetes`, which has a usual place.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the environment says, as the Vault tools read it. Empty variables count as not set.
    ///
    /// | variable | for |
    /// |----------|-----|
    /// | `VAULT_TOKEN` | `auth=token` |
    /// | `VAULT_TOKEN_FILE`, else `~/.vault-token` | `auth=token` without `VAULT_TOKEN` |
    /// | `VAULT_ROLE_ID` | `auth=approle` |
    /// | `VAULT_SECRET_ID`, else the file `VAULT_SECRET_ID_FILE` | `auth=approle` |
    /// | `VAULT_KUBERNETES_TOKEN_FILE` | `auth=kubernetes`, if not in the usual place |
    /// | `VAULT_CACERT` | TLS, if the URI has no `ca=` |
    ///
    /// `VAULT_ADDR` and `VAULT_NAMESPACE` are not read: both are part of a key's name, so they
    /// stand in the URI.
    pub fn from_env() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let path =
            |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let secret = |name: &str| text(name).map(|value| Arc::new(SecretBytes::new(value.into())));
        let usual_token = || path("HOME").map(|home| home.join(".vault-token"));
        Self {
            token: secret("VAULT_TOKEN"),
            token_file: path("VAULT_TOKEN_FILE").or_else(usual_token),
            role_id: text("VAULT_ROLE_ID"),
            secret_id: secret("VAULT_SECRET_ID"),
            secret_id_file: path("VAULT_SECRET_ID_FILE"),
            jwt_file: path("VAULT_KUBERNETES_TOKEN_FILE"),
            ca: path("VAULT_CACERT"),
        }
    }

    /// Uses this token; it wins over a file.
    #[must_use]
    pub fn token(mut self, token: SecretBytes) -> Self {
        self.token = Some(Arc::new(token));
        self
    }

    /// Reads the token from this file, which others must not be able to read.
    #[must_use]
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token_file = Some(path.into());
        self
    }

    /// Logs in by AppRole with this role id.
    #[must_use]
    pub fn role_id(mut self, id: impl Into<String>) -> Self {
        self.role_id = Some(id.into());
        self
    }

    /// Logs in by AppRole with this secret id; it wins over a file.
    #[must_use]
    pub fn secret_id(mut self, id: SecretBytes) -> Self {
        self.secret_id = Some(Arc::new(id));
        self
    }

    /// Reads the secret id from this file, which others must not be able to read.
    #[must_use]
    pub fn secret_id_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.secret_id_file = Some(path.into());
        self
    }

    /// Reads the token of the Kubernetes service account from this file.
    #[must_use]
    pub fn kubernetes_token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.jwt_file = Some(path.into());
        self
    }

    /// Trusts these certificate authorities (PEM) and no others, if the URI has no `ca=`.
    #[must_use]
    pub fn ca_certificate(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }
}
