//! A host on a port of its own, and a client that can send any bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::super::{ServeOptions, serve};
use crate::drive::{Host, HostOptions};

pub struct Running {
    pub host: Host,
    address: SocketAddr,
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<std::io::Result<()>>>,
    folder: PathBuf,
}

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Of a problem: the last part of its type.
    #[track_caller]
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let json = self.json();
        assert_eq!(json["status"], self.status);
        assert!(json["title"].is_string() && json["detail"].is_string());
        json["type"].as_str().and_then(|name| name.strip_prefix("urn:retold:problem:")).expect("a type").to_owned()
    }
}

impl Running {
    pub fn start() -> Running {
        Running::with(ServeOptions { heartbeat: Duration::from_millis(100), ..ServeOptions::default() })
    }

    pub fn with(options: ServeOptions) -> Running {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let folder = std::env::temp_dir().join(format!("retold-http-{}-{}", std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed)));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let host = Host::open(HostOptions { data: folder.clone(), ..HostOptions::default() }).expect("a host");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let served = {
            let _entered = runtime.enter();
            serve(listener, host.clone(), options, async move { drop(stopped.await) }).expect("it is served")
        };
        Running { host, address, runtime: Some(runtime), stop: Some(stop), served: Some(served), folder }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    /// Sends bytes and reads one reply.
    pub fn raw(&self, request: &[u8]) -> Reply {
        let mut stream = self.connect();
        stream.write_all(request).expect("sent");
        reply(&mut BufReader::new(stream))
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
        headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
        let mut request = request.into_bytes();
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        self.raw(&request)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, content_type: &str, body: &str) -> Reply {
        self.send("POST", path, &[("Content-Type", content_type)], body.as_bytes())
    }

    /// Appends one event, and answers its reply.
    pub fn append(&self, id: &str, more: &str) -> Reply {
        self.post("/v1/namespaces/main/events", "application/cloudevents+json", &event(id, more))
    }

    /// Lets go of the doors; answers when they are closed.
    pub fn stop_serving(&mut self) {
        drop(self.stop.take());
        if let (Some(runtime), Some(served)) = (&self.runtime, self.served.take()) {
            runtime.block_on(served).expect("no panic").expect("served");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.host.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An event as JSON: `more` begins with a comma.
pub fn event(id: &str, more: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/shop","type":"order.placed"{more}}}"#)
}

/// Reads a reply whole, by its length, its chunks or to the end.
pub fn reply(from: &mut BufReader<TcpStream>) -> Reply {
    let (status, headers) = head(from);
    let mut reply = Reply { status, headers, body: Vec::new() };
    if let Some(length) = reply.header("content-length") {
        reply.body = vec![0; length.parse().expect("a number")];
        from.read_exact(&mut reply.body).expect("a whole body");
    } else if reply.header("transfer-encoding") == Some("chunked") {
        while let Some(chunk) = chunk(from) {
            reply.body.extend_from_slice(&chunk);
        }
    }
    reply
}

pub fn head(from: &mut BufReader<TcpStream>) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    from.read_line(&mut line).expect("a status line");
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status in {line:?}"));
    let mut headers = Vec::new();
    loop {
        line.clear();
        from.read_line(&mut line).expect("a header");
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => return (status, headers),
        }
    }
}

/// The next chunk of a chunked body; `None` at its end.
pub fn chunk(from: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut line = String::new();
    from.read_line(&mut line).expect("a chunk's length");
    let length = usize::from_str_radix(line.trim_end(), 16).unwrap_or_else(|_| panic!("no length in {line:?}"));
    let mut chunk = vec![0; length + 2];
    from.read_exact(&mut chunk).expect("a whole chunk");
    chunk.truncate(length);
    (length > 0).then_some(chunk)
}
