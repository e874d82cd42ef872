//! One HTTP connection to the broker, and waits for another process.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long anything may take before the test has failed. Generous: these are debug builds that share
/// their cores.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks at another process, which gives no signal of its own.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Why a request had no answer: the other side is gone.
#[derive(Debug)]
pub struct Gone;

pub struct Connection {
    send: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    /// Drives the connection, and ends with it.
    _driver: JoinSet<()>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self, Gone> {
        let stream = TcpStream::connect(address).await.map_err(|_| Gone)?;
        stream.set_nodelay(true).map_err(|_| Gone)?;
        let (send, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Gone)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ends is seen by whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Self { send, address, _driver: driver })
    }

    /// Sends one request and reads the whole answer. One without an answer in time fails the test.
    pub async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Gone> {
        let host = self.address.to_string().parse().unwrap();
        request.headers_mut().insert(http::header::HOST, host);
        let answer = async {
            self.send.ready().await.map_err(|_| Gone)?;
            let response = self.send.send_request(request).await.map_err(|_| Gone)?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(|_| Gone)?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("the broker answers or hangs up")
    }
}

pub async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes), Gone> {
    let request = Request::get(path).body(Full::default()).unwrap();
    Connection::open(address).await?.send(request).await
}

/// Looks until `look` finds something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut pause = tokio::time::interval(BETWEEN_LOOKS);
    let looking = async {
        loop {
            pause.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await.ok();
    found.unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain: {what}"))
}
