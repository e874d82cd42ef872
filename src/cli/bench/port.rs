//! Ports for what listens.
//!
//! Below every range from which systems take the ports of outgoing connections: a connection to a port
//! of that range where nobody listens may meet itself, and one to elsewhere may take the port away.

use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::runtime::entropy::Entropy;

const PORT_MIN: u16 = 20_000;
const PORTS: u64 = 12_000;
const TRIES: usize = 1_000;

/// Listens on a port that nobody has.
pub(super) fn listen(entropy: &dyn Entropy) -> io::Result<TcpListener> {
    let any = || {
        let offset = u16::try_from(entropy.u64() % PORTS).unwrap_or(0);
        SocketAddr::from(([127, 0, 0, 1], PORT_MIN + offset))
    };
    let mut tries = std::iter::repeat_with(|| TcpListener::bind(any())).take(TRIES);
    tries.find(Result::is_ok).unwrap_or_else(|| Err(io::Error::other("no port is free")))
}
