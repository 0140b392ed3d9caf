//! Who may ask: programs that reach this host under a name of its own, and no page of another site in somebody's
//! browser. A page can send requests to any address, and its own name can be made to mean this machine.

use std::net::IpAddr;

use http::Version;
use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;

use super::problem::Problem;
use super::problem_kinds as kinds;

/// `names`: under which something in front of the host passes requests on, beside this machine's own.
pub fn check(parts: &Parts, names: &[String]) -> Result<(), Problem> {
    // RFC 9112, section 3.2.
    let named = parts.headers.get_all(HOST).iter().count();
    if named > 1 || named == 0 && parts.version == Version::HTTP_11 {
        return Err(Problem::new(&kinds::MALFORMED_REQUEST, format!("a request has one header Host, and this one has {named}")));
    }
    let host = parts.headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
    for authority in host.into_iter().chain(parts.uri.authority().map(Authority::as_str)) {
        if !is_own(authority, names) {
            let detail = format!("this host is not {}: ask it as localhost, or start it with --host-name NAME", shown(authority));
            return Err(Problem::new(&kinds::FOREIGN_HOST, detail));
        }
    }
    let Some(origin) = parts.headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let of_this = origin.split_once("://").is_some_and(|(_, page)| host.is_some_and(|host| page.eq_ignore_ascii_case(host)));
    if of_this {
        return Ok(());
    }
    let detail = format!("pages of {} may not send requests here: send them from a program", shown(origin));
    Err(Problem::new(&kinds::FOREIGN_ORIGIN, detail))
}

fn is_own(authority: &str, names: &[String]) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let loopback = name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    loopback || name == "localhost" || name.ends_with(".localhost") || names.iter().any(|own| own.eq_ignore_ascii_case(&name))
}

fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(100).collect::<String>())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn asked(headers: &[(&str, &str)], uri: &str) -> Result<(), &'static str> {
        let request = headers.iter().fold(Request::builder().uri(uri), |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        check(&parts, &["events.example.com".to_owned()]).map_err(|problem| problem.kind.name)
    }

    #[test]
    fn a_host_is_asked_under_its_own_names_only() {
        for own in [
            "localhost",
            "LOCALHOST:7070",
            "a.localhost:1",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]:7070",
            "[::ffff:127.0.0.1]",
            "events.example.com",
        ] {
            assert_eq!(asked(&[("host", own)], "/"), Ok(()), "{own}");
        }
        for foreign in
            ["evil.example", "evil.example:7070", "10.0.0.1", "localhost.evil.example", "xlocalhost", "", "a b", "127.0.0.1.nip.io"]
        {
            assert_eq!(asked(&[("host", foreign)], "/"), Err("foreign-host"), "{foreign}");
        }
        assert_eq!(asked(&[("host", "localhost")], "http://evil.example/"), Err("foreign-host"));
        assert_eq!(asked(&[], "/"), Err("malformed-request"));
        assert_eq!(asked(&[("host", "localhost"), ("host", "localhost")], "/"), Err("malformed-request"));
        // HTTP/1.0 has none, and no browser speaks it.
        let old = Request::builder().version(Version::HTTP_10).uri("/").body(()).expect("a request");
        assert!(check(&old.into_parts().0, &[]).is_ok());
    }

    #[test]
    fn pages_of_others_may_ask_nothing() {
        let from = |origin: &str| asked(&[("host", "localhost:7070"), ("origin", origin)], "/");
        assert_eq!(from("http://localhost:7070"), Ok(()));
        for foreign in ["null", "http://evil.example", "http://localhost:3000", "http://localhost", "localhost:7070", ""] {
            assert_eq!(from(foreign), Err("foreign-origin"), "{foreign}");
        }
    }
}
