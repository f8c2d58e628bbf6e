//! Free ports of the loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::failure::{Failure, Result};

/// A port where nothing listens on `[::1]`.
pub(super) fn free_v6() -> Result<u16> {
    listen(Ipv6Addr::LOCALHOST.into(), 0).and_then(|listener| listener.local_addr()).map_or_else(
        |error| {
            Err(Failure::new(format!(
                "cannot listen on [::1] ({error}): this machine needs the loopback of IPv6"
            )))
        },
        |address| Ok(address.port()),
    )
}

/// A port of 127.0.0.1 where nothing listens, nor on the one after it: for servers that take two.
pub(super) fn free_pair() -> Result<u16> {
    let address = Ipv4Addr::LOCALHOST.into();
    for _ in 0..ATTEMPTS {
        let Ok(first) = listen(address, 0) else { continue };
        let Ok(port) = first.local_addr().map(|address| address.port()) else { continue };
        let Some(next) = port.checked_add(1) else { continue };
        if listen(address, next).is_ok() {
            return Ok(port);
        }
    }
    Err(Failure::new("found no two free ports side by side on 127.0.0.1"))
}

/// Someone else may take the port before the server does; then the server says so and ends.
fn listen(address: IpAddr, port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::new(address, port))
}

const ATTEMPTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ports_of_a_pair_are_free() {
        let port = free_pair().unwrap();
        let address = Ipv4Addr::LOCALHOST.into();
        let (_first, _second) =
            (listen(address, port).unwrap(), listen(address, port + 1).unwrap());
    }
}
