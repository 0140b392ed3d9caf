//! A server that answers every request at once, for a host to ask: what it takes is as little as can be.

use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::load::{Load, Until};
use super::requests::row_request;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Ends when dropped.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// On a thread of its own.
    pub fn start() -> io::Result<Server> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("bench-server".into()).spawn(move || {
            runtime.block_on(async {
                tokio::spawn(accept(listener));
                // Ends with its sender.
                let _: Result<(), _> = stopped.await;
            });
        })?;
        Ok(Server { address, stop: Some(stop), thread: Some(thread) })
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many requests a second it answers, asked by so many clients.
    pub fn requests(&self, clients: usize, length: Duration) -> io::Result<f64> {
        let outcome = Load::new(self.address)?.requests(clients, Until::Elapsed(length), |_| row_request("/"))?;
        Ok(outcome.events_per_second())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream));
    }
}

/// Answers requests whose bodies have a length, until the other side goes.
async fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer: Vec<u8> = Vec::new();
    loop {
        let whole = loop {
            if let Some(whole) = length_of_first(&buffer).filter(|whole| buffer.len() >= *whole) {
                break whole;
            }
            if buffer.len() > HEAD_BYTES_MAX || stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        buffer.drain(..whole);
        stream.write_all(ANSWER).await?;
    }
}

/// Bytes of the first request, once its head is there.
fn length_of_first(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..head]).ok()?.to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Some(head + length.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_with_its_body() {
        assert_eq!(length_of_first(b"POST / HTTP/1.1\r\n"), None);
        assert_eq!(length_of_first(b"GET / HTTP/1.1\r\n\r\nGET"), Some(18));
        assert_eq!(length_of_first(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12"), Some(43));
    }
}
