//! Making a consumer.

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};

use super::super::client::Client;
use super::super::output::{print, print_json};
use super::shown::page;

#[derive(Debug, Args)]
pub struct Create {
    name: String,
    /// Only these types; patterns such as order.*
    #[arg(long, value_delimiter = ',')]
    types: Vec<String>,
    /// Only these subjects
    #[arg(long, value_delimiter = ',')]
    subjects: Vec<String>,
    /// Only events with all of these tags
    #[arg(long, value_delimiter = ',')]
    tags: Vec<String>,
    /// Where it begins: beginning, now, or a cursor
    #[arg(long, value_name = "PLACE", default_value = "beginning")]
    start: String,
    /// An event that was given so often, and not acknowledged, is set aside
    #[arg(long, value_name = "NUMBER")]
    attempts: Option<u32>,
    /// How long a member has for what it fetched, such as 30s
    #[arg(long, value_name = "TIME")]
    lease: Option<String>,
    /// It goes once nobody has used it for so long, such as 1h
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// The host sends events there, as CloudEvents over HTTP
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// How they are sent
    #[arg(long, value_parser = ["structured", "binary", "batch"], requires = "endpoint")]
    form: Option<String>,
    /// Name of the host's secret that signs them
    #[arg(long, value_name = "NAME", requires = "endpoint")]
    secret: Option<String>,
    /// Requests under way at once, each of other subjects
    #[arg(long, value_name = "NUMBER", requires = "endpoint")]
    at_once: Option<u32>,
    /// For one request, such as 10s
    #[arg(long, value_name = "TIME", requires = "endpoint")]
    timeout: Option<String>,
    /// Don't ask the receiver first whether it wants events
    #[arg(long, requires = "endpoint")]
    no_handshake: bool,
}

impl Create {
    fn body(&self) -> Value {
        let given = |pairs: Vec<(&str, Value)>| -> Map<String, Value> {
            let named = pairs.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value));
            named.collect()
        };
        let endpoint = self.endpoint.as_ref().map(|url| {
            given(vec![
                ("url", json!(url)),
                ("form", json!(self.form)),
                ("secret", json!(self.secret)),
                ("at_once", json!(self.at_once)),
                ("timeout", json!(self.timeout)),
                ("handshake", if self.no_handshake { json!(false) } else { Value::Null }),
            ])
        });
        let body = given(vec![
            ("types", json!(self.types)),
            ("subjects", json!(self.subjects)),
            ("tags", json!(self.tags)),
            ("start", json!(self.start)),
            ("attempts", json!(self.attempts)),
            ("lease", json!(self.lease)),
            ("expires", json!(self.expires)),
            ("endpoint", json!(endpoint)),
        ]);
        Value::Object(body)
    }
}

pub fn run(client: &Client, create: &Create, as_json: bool) -> Result<()> {
    let consumer = client.put(&client.path(&["consumers", &create.name]), "application/json", create.body().to_string().as_bytes())?;
    if as_json { print_json(&consumer) } else { print(&page(&consumer)) }
}
