//! As much HTTP as the service needs: one request a connection.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;

/// The longest head and the longest body that are read.
const HEAD_BYTES_MAX: u64 = 16 << 10;
const BODY_BYTES_MAX: u64 = 1 << 20;

pub struct Asked {
    pub method: String,
    pub path: String,
    pub idempotency_key: Option<String>,
    pub body: Vec<u8>,
}

/// `None` where the connection ends before a request is whole.
pub fn read(stream: &mut TcpStream) -> std::io::Result<Option<Asked>> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    let mut line = String::new();
    let mut left = HEAD_BYTES_MAX;
    loop {
        line.clear();
        let read = (&mut reader).take(left).read_line(&mut line)? as u64;
        left -= read;
        match line.trim_end() {
            _ if read == 0 => return Ok(None),
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let mut words = head.first().map_or("", String::as_str).split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let header = |wanted: &str| {
        let found = head.iter().skip(1).filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim().to_owned())
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0_u64);
    if length > BODY_BYTES_MAX {
        return Ok(None);
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let whole = body.len() as u64 == length;
    Ok(whole.then(|| Asked { method: method.to_owned(), path: path.to_owned(), idempotency_key: header("idempotency-key"), body }))
}

pub fn response(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}
