//! `bad-ingress`: does what the body says.

use retold::__private::{Output, Unchecked, wire};
use retold::prelude::*;

/// What a body can ask for in `do`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// `test.posted`, with the key `key`.
    Ok,
    Trap,
    Loop,
    /// An event of a type that isn't declared.
    Undeclared,
    /// An event of a type of the host's own.
    HostsType,
    /// An event beyond the year 9999.
    BeyondYear9999,
    /// `count` (10,000) events.
    Flood,
    /// Two events of one key.
    Twice,
    /// Asks for a secret that isn't declared.
    UndeclaredSecret,
    /// Answers with `count` as the status.
    Status,
    /// Answers with a line break in a header.
    HeaderInjection,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "do")]
    what: What,
    key: Option<String>,
    count: Option<u16>,
}

#[derive(Event, Serialize)]
#[event("test.posted")]
pub struct Posted {}

#[ingress(secrets("declared"))]
pub fn bad_ingress(incoming: Incoming) -> Result<(Option<Posted>, Unchecked), Response> {
    // As some services ask before they send anything.
    if incoming.method() == "GET"
        && let Some((_, challenge)) = incoming.url().split_once("hub.challenge=")
    {
        return Err(Response::new(200).text(challenge));
    }
    let Asked { what, key, count } = incoming.json()?;
    let posted = || event(Posted::TYPE, key.clone());
    let events = match what {
        What::Ok => vec![posted()],
        What::Trap => panic!("told to trap"),
        What::Loop => loop {
            std::hint::black_box(());
        },
        What::Undeclared => vec![event("test.undeclared", key)],
        What::HostsType => vec![event("retold.request.replied", key)],
        What::BeyondYear9999 => vec![wire::NewEvent { time: Some(u64::MAX), ..posted() }],
        What::Flood => (0..count.unwrap_or(10_000)).map(|n| event(Posted::TYPE, Some(n.to_string()))).collect(),
        What::Twice => vec![posted(), posted()],
        What::UndeclaredSecret => {
            let right = incoming.verify_hmac_sha256("undeclared", b"", b"");
            return Err(Response::new(200).text(right.to_string()));
        }
        What::Status => return Err(Response::new(count.unwrap_or(42))),
        What::HeaderInjection => return Err(Response::new(200).header("x-a", "1\r\nx-b: 2")),
    };
    Ok((None, Unchecked(events.into_iter().map(|event| (None, Output::Emit(event))).collect())))
}

fn event(of_type: &str, key: Option<String>) -> wire::NewEvent {
    wire::NewEvent {
        type_: of_type.to_owned(),
        subject: "posted".to_owned(),
        tags: Vec::new(),
        content_type: None,
        data: b"{}".to_vec(),
        key,
        time: None,
    }
}

#[cfg(test)]
mod tests {
    use retold::testing::{Posted as Body, Trial};

    use super::*;

    #[test]
    fn each_fault_is_what_it_says() {
        let accept = |body: &str| Trial::<bad_ingress>::new().accept(&Body::new(body));
        assert_eq!(accept(r#"{"do":"ok","key":"7"}"#).unwrap()[0].key.as_deref(), Some("7"));
        assert_eq!(accept(r#"{"do":"flood","count":9}"#).unwrap().len(), 9);
        assert_eq!(accept(r#"{"do":"status","count":99}"#).unwrap_err().status, 99);
        assert_eq!(accept("{").unwrap_err().status, 400);
    }
}
