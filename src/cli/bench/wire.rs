//! One HTTP connection with one request at a time, and nothing around it: no pool, no TLS, no redirects.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// An open connection; it closes when this goes.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    /// Moves the bytes.
    _driver: JoinSet<()>,
}

impl Connection {
    /// Connects.
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let host = HeaderValue::try_from(address.to_string()).map_err(io::Error::other)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ends is seen by whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Self { sender, host, _driver: driver })
    }

    /// Sends `request`, and hands the body of the answer's status over as it comes.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> hyper::Result<(StatusCode, Incoming)> {
        request.headers_mut().insert(HOST, self.host.clone());
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        Ok((head.status, body))
    }
}

/// Reads `body` to its end and keeps nothing.
pub(super) async fn drain(mut body: Incoming) -> hyper::Result<()> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

/// Asks `address` for `path`; `None` when there is no whole answer.
pub(super) async fn get(address: SocketAddr, path: &str) -> Option<(StatusCode, Bytes)> {
    let request = Request::get(path).body(Full::default()).ok()?;
    // Held until the body is whole: it stops moving when the connection goes.
    let mut connection = Connection::open(address).await.ok()?;
    let (status, body) = connection.send(request).await.ok()?;
    Some((status, body.collect().await.ok()?.to_bytes()))
}
