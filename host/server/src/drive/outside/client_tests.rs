use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, Method};

use super::client::{ANSWER_BYTES_MAX, Client, OutgoingRequest, Response, SendError, SendErrorKind};
use super::connect::Names;
use super::{Network, Outside};

/// Answers each connection by its number, in a thread of its own.
fn server(answer: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let answer = answer.clone();
            std::thread::spawn(move || answer(number, stream));
        }
    });
    address
}

/// Reads a request's head, and its body by its length.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        read.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&read).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    read.extend_from_slice(&body);
    Some(String::from_utf8_lossy(&read).into_owned())
}

fn local() -> Outside {
    let network = |text: &str| text.parse::<Network>().expect("a network");
    let hosts = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"];
    Outside { hosts: hosts.map(String::from).into(), addresses: vec![network("127.0.0.0/8"), network("::1")], ..Outside::default() }
}

fn send_as(outside: Outside, requests: &[(&str, Duration)]) -> Vec<Result<Response, SendError>> {
    send_over(&Client::new(Arc::new(outside)), requests)
}

fn send_over(client: &Client, requests: &[(&str, Duration)]) -> Vec<Result<Response, SendError>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut answers = Vec::new();
        for (url, timeout) in requests {
            let request = OutgoingRequest {
                method: Method::POST,
                url: (*url).to_owned(),
                headers: HeaderMap::new(),
                body: "hello".into(),
                timeout: *timeout,
            };
            answers.push(client.send(request).await);
            tokio::task::yield_now().await;
        }
        answers
    })
}

fn send(outside: Outside, url: &str) -> Result<Response, SendError> {
    send_as(outside, &[(url, Duration::from_secs(5))]).remove(0)
}

#[track_caller]
fn fails(outside: Outside, url: &str, kind: SendErrorKind) {
    let error = send(outside, url).expect_err(url);
    assert_eq!(error.kind, kind, "{url}: {error}");
}

#[test]
fn a_request_is_sent_and_its_answer_read_and_the_connection_is_used_again() {
    let address = server(|number, mut stream| {
        while let Some(request) = request(&mut stream) {
            let first = request.lines().next().unwrap_or_default().to_owned();
            assert!(request.ends_with("\r\n\r\nhello"));
            let body = format!("{number} {first}");
            write!(stream, "HTTP/1.1 201 Created\r\ncontent-length: {}\r\nx-a: b\r\n\r\n{body}", body.len()).expect("sent");
        }
    });
    let url = format!("http://{address}/in?a=b");
    let answers = send_as(local(), &[(url.as_str(), Duration::from_secs(5)); 2]);
    for answer in answers {
        let answer = answer.expect("answered");
        assert_eq!((answer.status, &*answer.body, answer.truncated), (201, &b"0 POST /in?a=b HTTP/1.1"[..], false));
        assert_eq!(answer.headers["x-a"], "b");
    }
}

#[test]
fn a_connection_that_the_other_side_closed_is_made_anew() {
    let address = server(|_, mut stream| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("sent");
    });
    let url = format!("http://{address}/");
    for answer in send_as(local(), &[(url.as_str(), Duration::from_secs(5)); 5]) {
        assert_eq!(answer.expect("answered").status, 204);
    }
}

#[test]
fn what_a_kept_connection_does_not_answer_is_asked_again_over_a_new_one() {
    let address = server(|number, mut stream| {
        request(&mut stream);
        write!(stream, "HTTP/1.1 {} Told\r\ncontent-length: 0\r\n\r\n", 200 + number).expect("sent");
        // The next request is read, and the connection closed on it.
        request(&mut stream);
    });
    let url = format!("http://{address}/");
    let answers = send_as(local(), &[(url.as_str(), Duration::from_secs(5)); 2]);
    let statuses: Vec<u16> = answers.into_iter().map(|answer| answer.expect("answered").status).collect();
    assert_eq!(statuses, [200, 201]);
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() {
    let address = server(|number, mut stream| {
        while request(&mut stream).is_some() {
            let answer = format!("HTTP/1.1 {} Told\r\ncontent-length: 0\r\n\r\n", 200 + number);
            // Who hears it twice closes the connection.
            if stream.write_all(answer.repeat(2).as_bytes()).is_err() {
                return;
            }
        }
    });
    let url = format!("http://{address}/");
    let answers = send_as(local(), &[(url.as_str(), Duration::from_secs(5)); 3]);
    let statuses: Vec<u16> = answers.into_iter().map(|answer| answer.expect("answered").status).collect();
    assert_eq!(statuses, [200, 201, 202]);
}

#[test]
fn an_address_that_is_not_public_is_refused_in_whatever_form_it_comes() {
    let hosts = Outside { addresses: Vec::new(), ..local() };
    for url in
        ["http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/", "http://localhost/"]
    {
        fails(hosts.clone(), url, SendErrorKind::Address);
    }
    let aws = Outside { hosts: vec!["169.254.169.254".into()], ..hosts };
    fails(aws, "http://169.254.169.254/latest/meta-data", SendErrorKind::Address);
}

#[test]
fn a_name_is_looked_up_once_a_connection_and_everything_that_it_stands_for_at_that_time_is_looked_at() {
    let address = server(|_, mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    });
    let here = address.ip();
    let metadata = Ipv4Addr::new(169, 254, 169, 254).into();
    let told: [Vec<IpAddr>; 5] = [vec![here], vec![metadata], vec![here, Ipv4Addr::new(10, 0, 0, 1).into()], vec![], vec![here]];
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let names: Names = Box::new(move |_, port| {
        let found = told[counted.fetch_add(1, Ordering::Relaxed)].iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        Box::pin(std::future::ready(Ok(found)))
    });
    // The name is nobody's: whoever looked it up elsewhere would find nothing.
    let outside =
        Outside { hosts: vec!["rebinds.invalid".into()], addresses: vec!["127.0.0.1".parse().expect("a network")], ..Outside::default() };
    let url = format!("http://rebinds.invalid:{}/", address.port());
    let answers = send_over(&Client::asking(outside, names), &[(url.as_str(), Duration::from_secs(5)); 5]);
    let ends: Vec<_> = answers.into_iter().map(|answer| answer.map(|answer| answer.status).map_err(|error| error.kind)).collect();
    assert_eq!(ends, [Ok(204), Err(SendErrorKind::Address), Err(SendErrorKind::Address), Err(SendErrorKind::Name), Ok(204)]);
    assert_eq!(asked.load(Ordering::Relaxed), 5);
}

#[test]
fn only_what_the_operator_allows_is_gone_to() {
    fails(Outside { requests_off: true, ..local() }, "http://127.0.0.1/", SendErrorKind::Off);
    fails(Outside::default(), "http://127.0.0.1/", SendErrorKind::Host);
    fails(local(), "http://other.example/", SendErrorKind::Host);
    fails(Outside { hosts: vec!["none.invalid".into()], ..local() }, "http://none.invalid/", SendErrorKind::Name);
    for url in ["ftp://127.0.0.1/", "127.0.0.1", "http://user@127.0.0.1/", "http:///x", "http://127.0.0.1\\@other/", "http://127.0.0.1/ x"]
    {
        fails(local(), url, SendErrorKind::Url);
    }
}

#[test]
fn what_does_not_answer_as_it_should_is_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    fails(local(), &format!("http://{closed}/"), SendErrorKind::Refused);
    let silent = server(|_, stream| {
        std::thread::park_timeout(Duration::from_secs(5));
        drop(stream);
    });
    let late = send_as(local(), &[(format!("http://{silent}/").as_str(), Duration::from_millis(200))]).remove(0);
    assert_eq!(late.expect_err("late").kind, SendErrorKind::Timeout);
    let drop_by_drop = server(|_, mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    let late = send_as(local(), &[(format!("http://{drop_by_drop}/").as_str(), Duration::from_millis(300))]).remove(0);
    assert_eq!(late.expect_err("late").kind, SendErrorKind::Timeout);
    for nonsense in ["SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", ""] {
        let address = server(move |_, mut stream| {
            request(&mut stream);
            let _ = stream.write_all(nonsense.as_bytes());
        });
        fails(local(), &format!("http://{address}/"), SendErrorKind::Protocol);
    }
    let plain = server(|_, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    fails(local(), &format!("https://{plain}/"), SendErrorKind::Tls);
}

#[test]
fn an_answer_without_end_is_read_up_to_one_and_a_redirect_is_only_an_answer() {
    let endless = server(|_, mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while stream.write_all(format!("1000\r\n{}\r\n", "x".repeat(4_096)).as_bytes()).is_ok() {}
    });
    let answer = send(local(), &format!("http://{endless}/")).expect("answered");
    assert!(answer.truncated && answer.body.len() == ANSWER_BYTES_MAX);
    let moved = server(|_, mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n");
    });
    assert_eq!(send(local(), &format!("http://{moved}/")).expect("answered").status, 307);
}

/// Answers one TLS connection after the other, as `localhost` with a certificate of a CA of its own.
async fn tls_server() -> SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring::default_provider;

    let certificate = include_bytes!("test_certificates/localhost.der").to_vec().into();
    let key = include_bytes!("test_certificates/localhost.key.der").to_vec().try_into().expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth().with_single_cert(vec![certificate], key).expect("a config");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret").await;
        }
    });
    address
}

#[test]
fn over_tls_only_who_proves_to_be_the_name_that_was_asked_for_is_spoken_to() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let address = tls_server().await;
        let mut roots = tokio_rustls::rustls::RootCertStore::empty();
        roots.add(include_bytes!("test_certificates/ca.der").to_vec().into()).expect("a certificate");
        let request = |host: &str| OutgoingRequest {
            method: Method::POST,
            url: format!("https://{host}:{}/", address.port()),
            headers: HeaderMap::new(),
            body: "hello".into(),
            timeout: Duration::from_secs(5),
        };
        let client = Client::trusting(local(), roots);
        assert_eq!(client.send(request("localhost")).await.map(|answer| answer.body.to_vec()), Ok(b"secret".to_vec()));
        // The certificate is another's.
        assert_eq!(client.send(request("127.0.0.1")).await.map(|_| ()).map_err(|error| error.kind), Err(SendErrorKind::Tls));
        // Nobody that this machine trusts vouches for it.
        let stranger = Client::new(Arc::new(local())).send(request("localhost")).await;
        assert_eq!(stranger.map(|_| ()).map_err(|error| error.kind), Err(SendErrorKind::Tls));
    });
}
