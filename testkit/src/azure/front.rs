//! TLS before a server that speaks none: the only way to put something between a client of Key
//! Vault, which insists on TLS, and the vault.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::tls;

/// Ends TLS, and passes what is inside to an address of this machine, until it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    ca_pem: String,
    server: JoinHandle<()>,
}

impl TlsFront {
    /// Starts before `upstream`, with a certificate for `host` of a private authority.
    ///
    /// # Errors
    /// No free port, or a certificate that cannot be made.
    pub async fn start(host: &str, upstream: SocketAddr) -> io::Result<Self> {
        let (config, ca_pem) = tls::server(&[host])?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let served = serve(listener, TlsAcceptor::from(Arc::new(config)), upstream);
        Ok(Self { address, ca_pem, server: tokio::spawn(served) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of its authority.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, upstream: SocketAddr) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let tls = tls.clone();
        connections.spawn(async move {
            let Ok(mut inside) = tls.accept(stream).await else { return };
            let Ok(mut server) = TcpStream::connect(upstream).await else { return };
            // An end on either side, however it comes, is the end of both.
            drop(copy_bidirectional(&mut inside, &mut server).await);
        });
        while connections.try_join_next().is_some() {}
    }
}
