//! Azure Key Vault, as far as keys that wrap and unwrap go: HTTPS, the challenge, `GET key`,
//! `wrapkey` and `unwrapkey` with real RSA-OAEP-256, versions, states and error answers.
//!
//! A token is nothing but the list of what its holder may do, such as `get-wrapkey-unwrapkey`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub use self::front::TlsFront;
pub use self::keys::State;
pub use self::vault::{Trouble, Vault};

mod front;
mod keys;
mod tls;
mod vault;
mod wire;

/// A vault that listens on loopback until it is dropped.
#[derive(Debug)]
pub struct FakeKeyVault {
    address: SocketAddr,
    plain_address: SocketAddr,
    ca_pem: String,
    vault: Arc<Vault>,
    servers: [JoinHandle<()>; 2],
}

impl FakeKeyVault {
    /// Starts one with a certificate for `host`, for `localhost` and for `127.0.0.1`, of a private
    /// authority. It has no keys yet.
    ///
    /// # Errors
    /// No free port, or a certificate that cannot be made.
    pub async fn start(host: &str) -> io::Result<Self> {
        let (config, ca_pem) = tls::server(&[host, "localhost", "127.0.0.1"])?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let plain_address = plain.local_addr()?;
        let vault = Arc::new(Vault::default());
        let tls = TlsAcceptor::from(Arc::new(config));
        let servers = [(listener, Some(tls)), (plain, None)]
            .map(|(listener, tls)| tokio::spawn(serve(listener, tls, Arc::clone(&vault))));
        Ok(Self { address, plain_address, ca_pem, vault, servers })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the same vault listens without TLS, for something that stands between it and a
    /// [`TlsFront`].
    pub fn plain_address(&self) -> SocketAddr {
        self.plain_address
    }

    /// The certificate of its authority.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// What is in it.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }
}

impl Drop for FakeKeyVault {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, vault: Arc<Vault>) {
    // Dropped with this task, so that no connection outlives the server.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, vault) = (tls.clone(), Arc::clone(&vault));
        connections.spawn(async move {
            match tls {
                None => serve_one(stream, &vault).await,
                Some(tls) => {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    serve_one(stream, &vault).await;
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_one(stream: impl AsyncRead + AsyncWrite + Unpin, vault: &Vault) {
    let service = service_fn(|request| wire::answer(vault, request));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that goes away is the client's business.
    drop(served.await);
}
