//! `Call`: one request on its way to its handler.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Response};

use super::admission::Pass;
use super::body::Body;
use super::problem::Problem;
use super::problem_kinds as kinds;
use super::query::{self, Query};
use super::route::Route;
use super::site::Site;
use super::upload::{self, Arriving, Upload};
use crate::drive::Namespace;

pub type Answer = Result<Response<Body>, Problem>;
pub type Handler = fn(Box<Call>) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Handed on in a box: futures would hold it twice.
pub struct Call {
    pub site: Arc<Site>,
    pub route: &'static Route,
    pub pass: Pass,
    pub parts: Parts,
    pub body: Arriving,
}

impl Call {
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// What stands in the path where the template has `{name}`, as it was sent. `{name+}`, the last part
    /// of a template, stands for all the rest.
    pub fn parameter(&self, name: &str) -> &str {
        self.route.part(self.parts.uri.path(), name)
    }

    /// The same with `%` escapes resolved.
    pub fn decoded(&self, name: &str) -> Result<String, Problem> {
        query::decoded_path(name, self.parameter(name))
    }

    pub fn query(&self) -> Result<Query<'_>, Problem> {
        Query::read(self.parts.uri.query().unwrap_or_default(), self.route.query)
    }

    /// The namespace that the path names, as it is written: the `@` of an earlier generation unescaped.
    pub fn namespace(&self) -> Result<Namespace, Problem> {
        let name = self.parameter("ns");
        self.site.host.namespace(name).ok_or_else(|| {
            let detail =
                format!("there is no namespace {name:?}: GET /v1/namespaces lists those that there are, POST /v1/namespaces makes one");
            Problem::new(&kinds::UNKNOWN_NAMESPACE, detail).with("namespace", name)
        })
    }

    /// The whole body, of at most `bytes_max`.
    pub async fn whole_body(self: Box<Self>, bytes_max: usize) -> Result<Upload, Problem> {
        upload::whole(self.body, &self.parts.headers, bytes_max, &self.site.bodies).await
    }
}
