//! What a check is: something to be asked of a service, and how its answer is read.

use retold::prelude::*;

use crate::events::CustomerRegistered;

/// Where the services are. A real one would be `https://checks.example.com`, and would want a token:
/// `.secret_header("authorization", "Bearer {{secret:checks}}")`.
const SERVICES: &str = "http://127.0.0.1:17171";

pub struct Check {
    /// Names it in the state and in its request's key.
    pub name: &'static str,
    /// Customers that registered from here on are checked so.
    pub since: Timestamp,
    /// What the service is told.
    pub body: fn(&CustomerRegistered) -> Json,
    /// Why the customer can't be taken, if the answer says so.
    pub finding: fn(&Reply) -> Result<Option<&'static str>>,
}

impl Check {
    pub fn request(&self, customer: &CustomerRegistered) -> Request {
        Request::post(format!("{SERVICES}/{}", self.name)).json(&(self.body)(customer)).key(self.name)
    }
}
