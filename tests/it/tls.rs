//! TLS on the real binary: who is spoken to, and with which certificate.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Host, retold};

fn made(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/certificates").join(name).to_str().expect("text").to_owned()
}

/// Certificates in a folder of their own, which a test changes.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Files {
        let folder = std::env::temp_dir().join(format!("retold-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Files(folder)
    }

    fn put(&self, certificate: &str, key: &str) {
        std::fs::copy(made(certificate), self.0.join("host.pem")).expect("copied");
        std::fs::copy(made(key), self.0.join("host.key.pem")).expect("copied");
    }

    fn start(&self) -> Host {
        let path = |name: &str| self.0.join(name).to_str().expect("text").to_owned();
        Host::start_saying(&["--tls-certificate", &path("host.pem"), "--tls-key", &path("host.key.pem")])
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The command line, which trusts one CA alone.
fn trusting(host: &Host, ca: &str, arguments: &[&str]) -> Output {
    Command::new(retold()).args(arguments).env("RETOLD_URL", &host.url).env("RETOLD_CA", made(ca)).output().expect("retold runs")
}

fn connect(host: &Host) -> TcpStream {
    TcpStream::connect(host.url.trim_start_matches("https://")).expect("a connection")
}

#[test]
fn a_host_with_a_certificate_speaks_tls_and_tells_who_does_not_h22() {
    let files = Files::new("speaks");
    files.put("first.pem", "first.key.pem");
    let host = files.start();
    assert!(host.url.starts_with("https://"), "{}", host.url);
    let created = trusting(&host, "first-ca.pem", &["namespaces", "create", "shop"]);
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let by_name = host.url.replace("127.0.0.1", "localhost");
    let listed = Command::new(retold()).args(["namespaces", "--json", "--url", &by_name, "--ca", &made("first-ca.pem")]).output();
    assert!(String::from_utf8_lossy(&listed.expect("retold runs").stdout).contains("shop"));
    // Whom the client doesn't trust is sent nothing.
    let distrusted = trusting(&host, "second-ca.pem", &["namespaces"]);
    assert_eq!(distrusted.status.code(), Some(1), "{}", String::from_utf8_lossy(&distrusted.stderr));
    let mut clear = connect(&host);
    clear.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut text = String::new();
    clear.read_to_string(&mut text).expect("an answer, and an end");
    assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("urn:retold:problem:tls-needed"), "{text}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is tested is how long a client may take")]
fn who_does_not_come_to_the_end_of_a_handshake_is_let_go_h22() {
    let files = Files::new("handshake");
    files.put("first.pem", "first.key.pem");
    let host = files.start();
    let began = Instant::now();
    let mut silent = connect(&host);
    let mut slow = connect(&host);
    slow.write_all(&[0x16, 3, 1, 2, 0, 1]).expect("sent");
    for stream in [&mut silent, &mut slow] {
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn another_certificate_is_shown_without_a_restart_and_a_wrong_pair_changes_nothing_h22() {
    let files = Files::new("renewed");
    files.put("first.pem", "first.key.pem");
    let host = files.start();
    let trusts = |ca: &str| trusting(&host, ca, &["namespaces"]).status.success();
    assert!(trusts("first-ca.pem") && !trusts("second-ca.pem"));
    files.put("second.pem", "first.key.pem");
    host.signal(Signal::HUP);
    std::thread::park_timeout(Duration::from_millis(500));
    assert!(trusts("first-ca.pem") && !trusts("second-ca.pem"));
    files.put("second.pem", "second.key.pem");
    host.signal(Signal::HUP);
    host.wait_until("the second certificate is shown", || trusts("second-ca.pem"));
    assert!(!trusts("first-ca.pem"));
}

#[test]
fn a_host_asked_for_its_new_certificate_as_soon_as_it_listens_is_not_ended_by_it_h22() {
    let files = Files::new("early");
    files.put("first.pem", "first.key.pem");
    let mut host = files.start();
    for _ in 0..15 {
        host.signal(Signal::HUP);
        assert!(host.terminate().success());
        host.restart();
    }
}

#[test]
fn a_host_does_not_start_with_a_key_that_is_not_its_certificates_h22() {
    let data = std::env::temp_dir().join(format!("retold-tls-wrong-{}", std::process::id()));
    let serve = |words: &[&str]| {
        let output = Command::new(retold()).args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).args(words).output();
        let output = output.expect("retold runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (first, second) = (made("first.pem"), made("second.key.pem"));
    for (words, told) in [
        (&["--tls-certificate", &first, "--tls-key", &second][..], "second.key.pem can't be used"),
        (&["--tls-certificate", &first, "--tls-key", &first], "first.pem holds no key in PEM"),
        (&["--tls-certificate", "nowhere.pem", "--tls-key", &second], "nowhere.pem can't be read"),
        (&["--tls-certificate", &first], "--tls-key"),
    ] {
        let (code, said) = serve(words);
        assert!(code == Some(2) && said.contains(told), "{words:?}: {said}");
    }
    assert!(!data.exists(), "nothing was made");
}
