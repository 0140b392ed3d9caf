//! A server on the outside, as a test wants it to be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub at: Instant,
}

/// What is answered to it.
#[derive(Clone, Debug)]
pub struct Answering {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// Before it is answered.
    pub after: Duration,
}

impl Answering {
    pub fn status(status: u16) -> Answering {
        Answering { status, headers: Vec::new(), after: Duration::ZERO }
    }

    pub fn with(mut self, name: &str, value: &str) -> Answering {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn after(mut self, after: Duration) -> Answering {
        self.after = after;
        self
    }
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

type Answer = dyn Fn(&Received) -> Answering + Send + Sync;

pub struct Receiver {
    pub address: SocketAddr,
    /// Requests in the order in which they were answered, and what was answered.
    answered: Arc<Mutex<Vec<(Received, u16)>>>,
    answer: Arc<Mutex<Arc<Answer>>>,
}

impl Receiver {
    /// Welcomes whoever asks whether it wants events, and answers what comes.
    pub fn start(answer: impl Fn(&Received) -> Answering + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let receiver = Receiver { address, answered: Arc::default(), answer: Arc::new(Mutex::new(Arc::new(answer))) };
        let (answered, answer) = (receiver.answered.clone(), receiver.answer.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answered, answer) = (answered.clone(), answer.clone());
                std::thread::spawn(move || {
                    let mut stream = BufReader::new(stream);
                    while let Some(received) = read(&mut stream) {
                        let answering = if received.method == "OPTIONS" {
                            Answering::status(200).with("WebHook-Allowed-Origin", "*")
                        } else {
                            let answer = answer.lock().expect("not poisoned").clone();
                            answer(&received)
                        };
                        std::thread::park_timeout(answering.after);
                        if received.method != "OPTIONS" {
                            answered.lock().expect("not poisoned").push((received, answering.status));
                        }
                        if write(stream.get_mut(), &answering).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        receiver
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answer: impl Fn(&Received) -> Answering + Send + Sync + 'static) {
        *self.answer.lock().expect("not poisoned") = Arc::new(answer);
    }

    pub fn url(&self) -> String {
        format!("http://{}/in", self.address)
    }

    pub fn all(&self) -> Vec<(Received, u16)> {
        self.answered.lock().expect("not poisoned").clone()
    }

    /// Those that were answered with success.
    pub fn taken(&self) -> Vec<Received> {
        self.all().into_iter().filter(|(_, status)| (200..300).contains(status)).map(|(received, _)| received).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "a test tells when a request came")]
fn read(from: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    let method = line.split(' ').next().filter(|method| !method.is_empty())?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        from.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let mut received = Received { method, headers, body: Vec::new(), at: Instant::now() };
    let length = received.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    received.body.resize(length, 0);
    from.read_exact(&mut received.body).ok()?;
    Some(received)
}

fn write(to: &mut TcpStream, answering: &Answering) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Told\r\ncontent-length: 0\r\n", answering.status);
    answering.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    to.write_all(format!("{head}\r\n").as_bytes())
}
