//! An HTTP/1.1 client that costs little: requests are ready bytes, of answers only what is needed is read.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const READ_BYTES: usize = 256 << 10;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were used.
    used: usize,
}

/// The head of an answer: how its body ends.
struct Head {
    status: u16,
    length: Length,
}

#[derive(Clone, Copy)]
enum Length {
    Bytes(usize),
    Chunked,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(4096), used: 0 })
    }

    /// One request and its answer's body; an answer that is no success is an error.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.send(request).await?;
        self.answer().await
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    pub async fn answer(&mut self) -> io::Result<Vec<u8>> {
        let head = self.head().await?;
        let body = match head.length {
            Length::Bytes(bytes) => {
                while self.unread().len() < bytes {
                    self.read_more().await?;
                }
                self.used += bytes;
                self.buffer[self.used - bytes..self.used].to_vec()
            }
            Length::Chunked => {
                let mut body = Vec::new();
                loop {
                    match self.chunk().await? {
                        [] => break body,
                        chunk => body.extend_from_slice(chunk),
                    }
                }
            }
        };
        if (200..300).contains(&head.status) {
            return Ok(body);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Err(io::Error::other(format!("the host answered {}: {body}", head.status)))
    }

    /// The answer of a stream: its lines are counted, until it ends or `go_on` says no.
    pub async fn count_lines(&mut self, mut go_on: impl FnMut() -> bool) -> io::Result<u64> {
        let head = self.head().await?;
        if head.status != 200 || !matches!(head.length, Length::Chunked) {
            return Err(io::Error::other(format!("the host answered {} and no stream", head.status)));
        }
        let mut lines = 0;
        while go_on() {
            match self.chunk().await? {
                [] => break,
                chunk => lines += chunk.iter().filter(|&&byte| byte == b'\n').count() as u64,
            }
        }
        Ok(lines)
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.used..]
    }

    async fn head(&mut self) -> io::Result<Head> {
        let end = self.find(b"\r\n\r\n").await? + 4;
        let head = parse(&self.unread()[..end])?;
        self.used += end;
        Ok(head)
    }

    /// The next chunk of a body; an empty one ends it.
    async fn chunk(&mut self) -> io::Result<&[u8]> {
        let end = self.find(b"\r\n").await?;
        let size = std::str::from_utf8(&self.unread()[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.ok_or_else(|| io::Error::other("a chunk without a size"))?;
        let whole = end + 2 + size + 2;
        while self.unread().len() < whole {
            self.read_more().await?;
        }
        let start = self.used + end + 2;
        self.used += whole;
        Ok(&self.buffer[start..start + size])
    }

    /// Reads until these bytes are there, and answers where.
    async fn find(&mut self, wanted: &[u8]) -> io::Result<usize> {
        loop {
            match self.unread().windows(wanted.len()).position(|bytes| bytes == wanted) {
                Some(at) => return Ok(at),
                None => self.read_more().await?,
            }
        }
    }

    async fn read_more(&mut self) -> io::Result<()> {
        self.buffer.drain(..std::mem::take(&mut self.used));
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn parse(head: &[u8]) -> io::Result<Head> {
    let text = std::str::from_utf8(head).map_err(io::Error::other)?;
    let status = text.get(9..12).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("an answer without a status"))?;
    let mut length = Length::Bytes(0);
    for line in text.lines().skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            length = Length::Bytes(value.trim().parse().map_err(io::Error::other)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunked;
        }
    }
    Ok(Head { status, length })
}
