//! A service on the outside that answers as a test says: one request a connection, any bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Its idempotency key.
    #[track_caller]
    pub fn key(&self) -> &str {
        self.header("idempotency-key").unwrap_or_else(|| panic!("no Idempotency-Key: {self:?}"))
    }
}

pub struct Service {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Service {
    /// `answer` writes what is said to the nth request, counted from 0; then the connection is closed.
    pub fn start(answer: impl Fn(usize, &Asked, &mut TcpStream) + Send + Sync + 'static) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let service = Service { address: listener.local_addr().expect("an address"), asked: Arc::default() };
        let (asked, answer) = (service.asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (all, answer) = (asked.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(asked) = read(&mut stream) else { return };
                    let number = {
                        let mut all = all.lock().expect("not poisoned");
                        all.push(asked.clone());
                        all.len() - 1
                    };
                    answer(number, &asked, &mut stream);
                });
            }
        });
        service
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

/// Writes an answer with a status, more headers (a line each, ended), and a body.
pub fn say(to: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let length = body.len();
    // Who closed the connection has heard enough.
    let _ = write!(to, "HTTP/1.1 {status} -\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
}

fn read(from: &mut TcpStream) -> Option<Asked> {
    let mut from = BufReader::new(from);
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        from.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let mut asked = Asked { method, path, headers, body: Vec::new() };
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    asked.body.resize(length, 0);
    from.read_exact(&mut asked.body).ok()?;
    Some(asked)
}

/// Events of one type, oldest first.
#[track_caller]
pub fn of_type(web: &super::Web, r#type: &str) -> Vec<Value> {
    web.events(&format!("types={type}"))
}
