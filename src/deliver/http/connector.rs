//! Opens connections to vetted addresses, and to nothing else.
//!
//! Resolves, vets every address, and connects to the very addresses it vetted, so that a name that
//! answers differently the second time gains nothing. A pooled connection was vetted when it was opened.
//! Knows no proxy: no variable of the environment is read.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::Uri;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::domain::address::{Host, parse_host, vet};
use crate::domain::outcome::Failure;
use crate::runtime::clock::Clock;

/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 16;
/// How long one address may take to accept before the next one is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Turns names into addresses. Production has [`SystemResolver`]; tests answer what they like.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `name`, the preferred one first.
    fn resolve<'a>(
        &'a self,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(
        &'a self,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|at| at.ip()).collect()) })
    }
}

/// Why no connection was opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The host is neither a name nor an address in its usual spelling.
    #[error("the host is {0}")]
    Host(&'static str),
    /// No address that deliveries may go to.
    #[error("{address} is not allowed ({kind}); `[delivery] allowed_networks` can name its network")]
    Blocked {
        /// The first refused address.
        address: IpAddr,
        /// What kind of address it is.
        kind: &'static str,
    },
    /// The name has no address.
    #[error("{name} could not be resolved")]
    Dns {
        /// The name.
        name: String,
        /// What the resolver said, if anything.
        source: Option<io::Error>,
    },
    /// No address accepted the connection.
    #[error("no connection to {address}")]
    Connect {
        /// The last address tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No address accepted the connection in time.
    #[error("{address} did not accept the connection in time")]
    Timeout {
        /// The last address tried.
        address: SocketAddr,
    },
}

impl Error {
    pub(super) const fn failure(&self) -> Failure {
        match self {
            Self::Host(_) | Self::Blocked { .. } => Failure::BlockedAddress,
            Self::Dns { .. } => Failure::Dns,
            Self::Connect { .. } => Failure::Connect,
            Self::Timeout { .. } => Failure::Timeout,
        }
    }
}

/// The host of `url`, if it may be looked up or, as an address, called.
pub(super) fn host(url: &Uri, allowed: &[IpNet]) -> Result<Host, Error> {
    let host = parse_host(url.host().unwrap_or_default()).map_err(Error::Host)?;
    if let Host::Address(address) = host {
        vet(address, allowed).map_err(|kind| Error::Blocked { address, kind })?;
    }
    Ok(host)
}

/// The innermost connector of the client, below TLS.
#[derive(Clone)]
pub(super) struct GuardedConnector {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) allowed: Arc<[IpNet]>,
    pub(super) clock: Arc<dyn Clock>,
}

impl GuardedConnector {
    async fn connect(self, url: Uri) -> Result<TokioIo<TcpStream>, Error> {
        let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
        let addresses = match host(&url, &self.allowed)? {
            Host::Address(address) => vec![address],
            Host::Name(name) => self.resolve(name).await?,
        };
        let mut refused = None;
        let mut failed = None;
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            if let Err(kind) = vet(address, &self.allowed) {
                refused.get_or_insert(Error::Blocked { address, kind });
                continue;
            }
            match self.open(SocketAddr::new(address, port)).await {
                Ok(stream) => return Ok(TokioIo::new(stream)),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.or(refused).unwrap_or(Error::Host("without an address")))
    }

    async fn resolve(&self, name: String) -> Result<Vec<IpAddr>, Error> {
        match self.resolver.resolve(&name).await {
            Ok(addresses) if addresses.is_empty() => Err(Error::Dns { name, source: None }),
            Ok(addresses) => Ok(addresses),
            Err(error) => Err(Error::Dns { name, source: Some(error) }),
        }
    }

    async fn open(&self, address: SocketAddr) -> Result<TcpStream, Error> {
        let opened = tokio::select! {
            biased;
            opened = TcpStream::connect(address) => opened,
            () = self.clock.sleep(CONNECT_TIMEOUT) => return Err(Error::Timeout { address }),
        };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::TimedOut => Error::Timeout { address },
            _ => Error::Connect { address, source },
        };
        let stream = opened.map_err(failed)?;
        // A delivery is one small write that the receiver answers: waiting to fill a packet only delays it.
        stream.set_nodelay(true).map_err(failed)?;
        Ok(stream)
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        Box::pin(self.clone().connect(url))
    }
}
