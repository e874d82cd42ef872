//! `[server]`: the listener, its bounds and certificate, and the first administrator's key.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::limit::{self, Fault};
use super::{secret, unit};
use crate::domain::secret::Secret;

/// The settings of `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port of the one listener.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// How long a stop waits for requests and deliveries in flight.
    #[serde(deserialize_with = "unit::span")]
    pub drain: Duration,
    /// Connections served at once; more wait in the kernel's backlog.
    pub connections_max: u32,
    /// Longest time for a request's head, and for a connection to stay idle between requests.
    #[serde(deserialize_with = "unit::span")]
    pub header_timeout: Duration,
    /// The listener's certificate and those that lead to its root, in PEM; with it, only TLS is spoken.
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    pub tls_key: Option<PathBuf>,
    /// The key with every scope; `None` means that one is made in the store at first start.
    #[serde(deserialize_with = "secret::one")]
    pub admin_key: Option<Secret>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            drain: Duration::from_secs(20),
            connections_max: 4096,
            header_timeout: Duration::from_secs(10),
            tls_certificate: None,
            tls_key: None,
            admin_key: None,
        }
    }
}

impl Server {
    /// The files of certificate and key, if TLS is to be spoken.
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        Some((self.tls_certificate.as_deref()?, self.tls_key.as_deref()?))
    }

    /// Where this machine reaches the listener: "any address" is no address to call.
    pub fn reachable(&self) -> SocketAddr {
        let mut address = self.listen;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        address
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        limit::span("server.drain", self.drain, Duration::from_millis(1), Duration::from_mins(10))?;
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_mins(10));
        limit::span("server.header_timeout", self.header_timeout, shortest, longest)?;
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => {
                return Err(Fault::new("server.tls_certificate", "needs `tls_key` beside it"));
            }
            (None, Some(_)) => {
                return Err(Fault::new("server.tls_key", "needs `tls_certificate` beside it"));
            }
            _ => {}
        }
        limit::count("server.connections_max", self.connections_max.into(), 1, 1_000_000)
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom("must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8080")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_is_reached_on_this_machine() {
        for (listen, reached) in [
            ("0.0.0.0:9000", "127.0.0.1:9000"),
            ("[::]:9000", "[::1]:9000"),
            ("10.0.0.1:9000", "10.0.0.1:9000"),
        ] {
            let server = Server { listen: listen.parse().unwrap(), ..Server::default() };
            assert_eq!(server.reachable().to_string(), reached);
        }
    }
}
