//! Clocks that need no waiting, and a client that speaks plain sockets.

use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::domain::time::Millis;
use crate::runtime::clock::Clock;

macro_rules! fixed_clock {
    ($(#[$doc:meta])* $name:ident, $sleep:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl Clock for $name {
            fn now(&self) -> Millis {
                Millis(0)
            }

            fn monotonic(&self) -> Duration {
                Duration::ZERO
            }

            fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
                Box::pin($sleep)
            }
        }
    };
}

fixed_clock!(
    /// Time stands still: no wait ends.
    StillClock,
    std::future::pending()
);
fixed_clock!(
    /// Every wait is over at once.
    InstantClock,
    std::future::ready(())
);

/// Writes `request` and reads one answer: its head, and as many bytes as it announces.
pub async fn exchange(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    answer(stream).await
}

/// Reads one answer.
pub async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "the connection ended after {text:?}");
        bytes.extend_from_slice(&piece[..read]);
    }
}
