//! A receiver without an HTTP library: what it answers is bytes, and it counts how many are taken.

use camino_broker::deliver::http::HttpSink;
use camino_broker::deliver::{Report, Sink as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{BODY, attempt, endpoint};

/// The most that a flood offers.
const OFFERED_BYTES: usize = 1 << 30;

/// A connection whose request has come in.
pub struct Caller {
    pub stream: TcpStream,
    /// Bytes that went out; the kernel's buffers hold some of them.
    pub taken: usize,
}

impl Caller {
    /// False once the other side is gone.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let written = self.stream.write_all(bytes.as_ref()).await.is_ok();
        if written {
            self.taken += bytes.as_ref().len();
        }
        written
    }

    /// Writes `piece` over and over, until the other side has had enough.
    pub async fn flood(&mut self, piece: &[u8]) {
        while self.taken < OFFERED_BYTES && self.write(piece).await {}
    }

    /// Keeps the connection until the other side closes it.
    pub async fn linger(&mut self) {
        let mut rest = [0; 1024];
        while matches!(self.stream.read(&mut rest).await, Ok(read) if read > 0) {}
    }
}

/// One attempt, answered by `answer`; the report, and how many bytes of the answer were taken.
pub async fn answered(sink: &HttpSink, answer: impl AsyncFnOnce(&mut Caller)) -> (Report, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::join!(sink.send(attempt(endpoint(&url))), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(BODY.as_bytes()) {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request broke off");
        }
        let mut caller = Caller { stream, taken: 0 };
        answer(&mut caller).await;
        caller.taken
    })
}
