//! TLS to a database server: always verified, by rustls.

use std::path::Path;

use llm_keys::error::{Error, ErrorKind, Result};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

#[cfg(feature = "postgres")]
use crate::url::server::Tls;

const OP: &str = "store.connect";

/// The authorities in this file, or those that the system trusts; every one can be used.
pub(crate) fn roots(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>> {
    let found = match file {
        Some(file) => in_file(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let usable = |root: &CertificateDer<'_>| RootCertStore::empty().add(root.clone()).is_ok();
    let roots: Vec<_> = found.into_iter().filter(usable).collect();
    match (roots.is_empty(), file) {
        (false, _) => Ok(roots),
        (true, Some(file)) => {
            Err(Error::invalid(OP, format!("there is no certificate in {}", file.display())))
        }
        (true, None) => Err(Error::invalid(OP, "this system trusts no certificate authority")
            .with_hint("install its certificates, or name a file by sslrootcert=/PATH")),
    }
}

fn in_file(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = std::fs::read(file).map_err(|error| {
        let detail = format!("the certificates in {} cannot be read", file.display());
        Error::new(ErrorKind::Io, OP, detail).with_source(error)
    })?;
    CertificateDer::pem_slice_iter(&text)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::invalid(OP, format!("{} is no PEM file", file.display())))
}

/// What makes connections of `tokio-postgres` secure; `None` where they stay on the machine.
#[cfg(feature = "postgres")]
pub(crate) fn connector(tls: &Tls) -> Result<Option<tokio_postgres_rustls::MakeRustlsConnect>> {
    match tls {
        Tls::Off => Ok(None),
        Tls::Verified { roots: file } => {
            let config = config(roots(file.as_deref())?)?;
            Ok(Some(tokio_postgres_rustls::MakeRustlsConnect::new(config)))
        }
    }
}

/// What a client of `tokio-postgres` needs.
#[cfg(feature = "postgres")]
fn config(roots: Vec<CertificateDer<'static>>) -> Result<rustls::ClientConfig> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            Error::new(ErrorKind::Internal, OP, "TLS cannot be set up").with_source(error)
        })?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// `mysql_async` asks the process for its provider. Gives it one, unless the application did.
#[cfg(feature = "mysql")]
pub(crate) fn provide() {
    // An error says that somebody else was first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
