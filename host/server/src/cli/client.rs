//! The HTTP client of all verbs: one host, one namespace, problems as errors.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use ureq::http::{Response, header};
use ureq::{Agent, Body, RequestBuilder, SendBody};

use super::address;
use super::arguments::Common;
use super::failure::Usage;
use super::problem::Problem;
use super::tls::trusting;
use super::token::Bearer;

pub const URL_DEFAULT: &str = "http://127.0.0.1:7070";
const NAMESPACE_DEFAULT: &str = "main";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Answers that are read whole; longer ones are streamed.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

#[derive(Clone)]
pub struct Client {
    agent: Agent,
    url: String,
    namespace: String,
    token: Option<Bearer>,
}

impl Client {
    /// Connects to nothing yet.
    pub fn new(common: &Common) -> Result<Self> {
        let url = common.url.clone().or_else(|| std::env::var("RETOLD_URL").ok());
        Client::at(url.as_deref().unwrap_or(URL_DEFAULT), common)
    }

    /// A client of the host at `url`, whatever the command line says of it.
    pub fn at(url: &str, common: &Common) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let secured = url.starts_with("https://");
        if !secured && !url.starts_with("http://") {
            return Err(Usage(format!("`{url}` is not an address of a host: write https://HOST:PORT or http://HOST:PORT")).into());
        }
        common.token.as_ref().map_or(Ok(()), Bearer::check)?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .input_buffer_size(256 << 10)
            .output_buffer_size(256 << 10);
        if secured {
            config = config.tls_config(trusting(common.ca.as_deref())?);
        }
        Ok(Client {
            agent: config.build().into(),
            url,
            namespace: common.namespace.clone().unwrap_or_else(|| NAMESPACE_DEFAULT.to_owned()),
            token: common.token.clone(),
        })
    }

    /// A client of another namespace of the same host.
    pub fn of(&self, namespace: &str) -> Client {
        Client { namespace: namespace.to_owned(), ..self.clone() }
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A path within the namespace of the command line.
    pub fn path(&self, segments: &[&str]) -> String {
        address::namespaced(&self.namespace, segments)
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        self.answer(self.dressed(self.agent.get(self.full(path))).call())
    }

    /// An answer that isn't JSON.
    pub fn text(&self, path: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.whole(path)?).into_owned())
    }

    /// The same as it came.
    pub fn whole(&self, path: &str) -> Result<Vec<u8>> {
        let mut answer = self.accepted(self.dressed(self.agent.get(self.full(path))).call())?;
        read_whole(answer.body_mut()).context("the host's answer broke off")
    }

    pub fn delete(&self, path: &str) -> Result<Value> {
        self.answer(self.dressed(self.agent.delete(self.full(path))).call())
    }

    /// A POST whose meaning is in its path and query.
    pub fn post_empty(&self, path: &str) -> Result<Value> {
        self.answer(self.dressed(self.agent.post(self.full(path))).send_empty())
    }

    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Value> {
        let request = self.dressed(self.agent.post(self.full(path)));
        self.answer(request.header(header::CONTENT_TYPE, content_type).send(body))
    }

    /// A POST of any length, read as it is sent.
    pub fn post_stream(&self, path: &str, content_type: &str, body: impl Read + 'static) -> Result<Value> {
        let request = self.dressed(self.agent.post(self.full(path)));
        self.answer(request.header(header::CONTENT_TYPE, content_type).send(SendBody::from_owned_reader(body)))
    }

    /// A POST whose answer may be anything.
    pub fn bytes(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Vec<u8>> {
        let request = self.dressed(self.agent.post(self.full(path)));
        let mut answer = self.accepted(request.header(header::CONTENT_TYPE, content_type).send(body))?;
        read_whole(answer.body_mut()).context("the host's answer broke off")
    }

    pub fn put(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Value> {
        let request = self.dressed(self.agent.put(self.full(path)));
        self.answer(request.header(header::CONTENT_TYPE, content_type).send(body))
    }

    /// The body as it comes, for as long as it comes. With `idle_max`, a pause longer than that ends it.
    pub fn stream(&self, path: &str, headers: &[(&str, &str)], idle_max: Option<Duration>) -> Result<impl Read + use<>> {
        let mut request = self.dressed(self.agent.get(self.full(path)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.accepted(request.config().timeout_per_read(idle_max).build().call())?;
        Ok(answer.into_body().into_with_config().limit(u64::MAX).reader())
    }

    fn full(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn dressed<Any>(&self, request: RequestBuilder<Any>) -> RequestBuilder<Any> {
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, token.header()),
            None => request,
        }
    }

    fn answer(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value> {
        let mut answer = self.accepted(answer)?;
        let body = read_whole(answer.body_mut()).context("the host's answer broke off")?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).with_context(|| format!("what answers at {} is not Retold", self.url))
    }

    fn accepted(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>> {
        let mut answer =
            answer.with_context(|| format!("no host answers at {} (is one running? start it with: retold serve)", self.url))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let body = read_whole(answer.body_mut()).unwrap_or_default();
        Err(Problem::new(answer.status().as_u16(), &body).into())
    }
}

fn read_whole(body: &mut Body) -> Result<Vec<u8>, ureq::Error> {
    body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()
}
