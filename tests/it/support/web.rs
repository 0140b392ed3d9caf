//! HTTP as a test speaks it.

use std::time::Duration;

use serde_json::Value;

/// Requests to one namespace of a host.
#[derive(Clone)]
pub struct Web {
    pub base: String,
    agent: ureq::Agent,
    /// Shown with each request.
    token: Option<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}", self = self.text()))
    }

    pub fn text(&self) -> String {
        format!("{} {} {}", self.status, self.content_type, String::from_utf8_lossy(&self.body))
    }

    /// The answer, if its status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The problem that it must be, by the last part of its type. Every problem says what to do.
    #[track_caller]
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.content_type, "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:retold:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{problem}");
        problem
    }
}

impl Web {
    pub fn new(url: &str) -> Web {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(120))).build();
        Web { base: format!("{url}/v1/namespaces/main"), agent: config.into(), token: None }
    }

    /// The same host, another namespace.
    pub fn namespace(&self, name: &str) -> Web {
        let (root, _) = self.base.rsplit_once('/').expect("a namespace's address");
        Web { base: format!("{root}/{name}"), ..self.clone() }
    }

    /// The same, by who holds this token.
    pub fn holding(&self, token: &str) -> Web {
        Web { token: Some(token.to_owned()), ..self.clone() }
    }

    /// `path` follows the namespace; one that begins with `//` is the host's own.
    fn url(&self, path: &str) -> String {
        match path.strip_prefix("//") {
            Some(path) => {
                let root = self.base.split("/v1/").next().expect("an address");
                format!("{root}/{path}")
            }
            None => format!("{}/{path}", self.base),
        }
    }

    /// One request; an `Err` is a host that can't be reached.
    pub fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(body.to_vec()).map_err(|error| error.to_string())?;
        let mut answer = self.agent.run(request).map_err(|error| error.to_string())?;
        let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let body = answer.body_mut().with_config().limit(4 << 30).read_to_vec().map_err(|error| error.to_string())?;
        Ok(Answer { status: answer.status().as_u16(), content_type, body })
    }

    /// The body of an answer as it comes; an `Err` is a host that can't be reached, or that refuses.
    pub fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Result<impl std::io::Read + use<>, String> {
        let mut request = ureq::http::Request::builder().method("GET").uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.agent.run(request.body(()).map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
        if answer.status() != 200 {
            return Err(answer.status().to_string());
        }
        Ok(answer.into_body().into_reader())
    }

    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    #[track_caller]
    pub fn post(&self, path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send("POST", path, &[("content-type", content_type)], body.as_ref())
    }

    /// Appends one event in the structured form.
    #[track_caller]
    pub fn append(&self, event: &Value) -> Answer {
        self.post("events", "application/cloudevents+json", event.to_string())
    }

    #[track_caller]
    pub fn deploy(&self, name: &str, module: &[u8]) -> Answer {
        self.send("PUT", &format!("modules/{name}"), &[("content-type", "application/wasm")], module)
    }

    /// A command with this id.
    #[track_caller]
    pub fn command(&self, r#type: &str, subject: &str, id: &str, data: &Value) -> Answer {
        self.post(&format!("commands/{type}?subject={subject}&id={id}"), "application/json", data.to_string())
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    #[track_caller]
    pub fn set_schema(&self, r#type: &str, schema: impl AsRef<[u8]>) -> Answer {
        self.send("PUT", &format!("types/{type}/schema"), &[("content-type", "application/schema+json")], schema.as_ref())
    }

    /// Rows of a view, all of them, page by page.
    #[track_caller]
    pub fn rows(&self, view: &str, query: &str) -> Vec<(String, Value)> {
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("views/{view}?limit=1000&{query}{after}")).expect(200).json();
            for row in page["rows"].as_array().expect("rows") {
                rows.push((row["key"].as_str().expect("a key").to_owned(), row["value"].clone()));
            }
            if page["more"] != true {
                return rows;
            }
            after = format!("&after-key={}", page["next"].as_str().expect("where the next page begins"));
        }
    }

    /// All events after a position, as NDJSON.
    #[track_caller]
    pub fn events(&self, query: &str) -> Vec<Value> {
        let answer = self.send("GET", &format!("events?{query}"), &[("accept", "application/x-ndjson")], b"").expect(200);
        answer
            .body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a line of JSON"))
            .collect()
    }

    /// Entries of other kinds left out: commands, timers, requests.
    #[track_caller]
    pub fn happened(&self, query: &str) -> Vec<Value> {
        let mut events = self.events(query);
        events.retain(|event| event["entrykind"].is_null());
        events
    }

    #[track_caller]
    pub fn function(&self, name: &str) -> Value {
        self.get(&format!("functions/{name}")).expect(200).json()
    }
}
