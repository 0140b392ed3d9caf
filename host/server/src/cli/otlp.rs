//! Whom a host tells what it does, as its operator says it.

use anyhow::Result;
use clap::Args;
use http::header::{HeaderName, HeaderValue};

use super::failure::Usage;
use crate::drive::TracingOptions;

#[derive(Debug, Args)]
#[command(next_help_heading = "Traces")]
pub struct OtlpOptions {
    /// Tell this OpenTelemetry collector what is done, such as http://127.0.0.1:4318, by OTLP over HTTP with JSON. What is sent along
    /// is taken from OTEL_EXPORTER_OTLP_HEADERS, what the host is called from OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    otlp_endpoint: Option<String>,
    /// Of the traces that begin here, how many are told of, such as 0.1; one that comes in says so itself
    #[arg(long, value_name = "PART", default_value = "1", value_parser = part)]
    otlp_sample: f64,
}

fn part(text: &str) -> Result<f64, String> {
    let part = text.parse::<f64>().ok().filter(|part| (0.0..=1.0).contains(part));
    part.ok_or_else(|| "write a part of all, from 0 to 1, such as 0.1".to_owned())
}

impl OtlpOptions {
    /// `None`: nobody is told.
    pub fn tracing(&self) -> Result<Option<TracingOptions>> {
        let said = |name: &str| std::env::var(name).unwrap_or_default();
        self.tracing_with(said)
    }

    /// `said` answers what the environment has under a name, or nothing.
    fn tracing_with(&self, said: impl Fn(&str) -> String) -> Result<Option<TracingOptions>> {
        let Some(endpoint) = self.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) else { return Ok(None) };
        let wrong = |what: String| {
            Usage(format!("--otlp-endpoint: {what}; write where a collector takes OTLP over HTTP, such as http://127.0.0.1:4318"))
        };
        let mut options = TracingOptions::to(endpoint).map_err(wrong)?;
        options.sample = self.otlp_sample;
        for (name, value) in pairs("OTEL_EXPORTER_OTLP_HEADERS", &said("OTEL_EXPORTER_OTLP_HEADERS"))? {
            // Its value may be a secret, and is not told.
            let wrong = || Usage(format!("OTEL_EXPORTER_OTLP_HEADERS: {name:?} is no header, or its value is none"));
            let mut value = HeaderValue::try_from(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            options.headers.insert(HeaderName::try_from(&name).map_err(|_| wrong())?, value);
        }
        options.resource = resource(pairs("OTEL_RESOURCE_ATTRIBUTES", &said("OTEL_RESOURCE_ATTRIBUTES"))?, said("OTEL_SERVICE_NAME"));
        Ok(Some(options))
    }
}

/// `name=value,name=value`, with `%` escapes in the values.
fn pairs(variable: &str, text: &str) -> Result<Vec<(String, String)>> {
    let wrong = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        Usage(format!("{variable}: what begins with {name:?} can't be read: write NAME=VALUE, several with commas between them"))
    };
    let all = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let read = |pair: &str| {
        let (name, value) = pair.split_once('=').filter(|(name, _)| !name.trim().is_empty()).ok_or_else(|| wrong(pair))?;
        Ok((name.trim().to_owned(), unescaped(value.trim()).ok_or_else(|| wrong(pair))?))
    };
    all.map(read).collect()
}

fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

/// With the name and version, which the environment may say otherwise; a name by itself stands before one among attributes.
fn resource(said: Vec<(String, String)>, name: String) -> Vec<(String, String)> {
    const NAME: &str = "service.name";
    let mut all = said;
    if !name.is_empty() {
        all.retain(|(known, _)| known != NAME);
        all.push((NAME.into(), name));
    }
    for (name, value) in [(NAME, "retold"), ("service.version", env!("CARGO_PKG_VERSION"))] {
        if all.iter().all(|(known, _)| known != name) {
            all.push((name.into(), value.into()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(endpoint: Option<&str>, environment: &[(&str, &str)]) -> Result<Option<TracingOptions>> {
        let said = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let options = OtlpOptions { otlp_endpoint: endpoint.map(str::to_owned), otlp_sample: 0.5 };
        options.tracing_with(|name| said(name).unwrap_or_default())
    }

    #[test]
    fn without_an_endpoint_nobody_is_told_whatever_else_is_said() {
        for endpoint in [None, Some("")] {
            assert!(check(endpoint, &[("OTEL_SERVICE_NAME", "shop")]).expect("good").is_none());
        }
    }

    #[test]
    fn what_the_environment_says_is_taken_or_refused_without_telling_secrets() {
        let here = Some("http://127.0.0.1:4318");
        let plain = check(here, &[]).expect("good").expect("options");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(plain.resource, [pair("service.name", "retold"), pair("service.version", env!("CARGO_PKG_VERSION"))]);
        assert_eq!(plain.sample, 0.5);
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other, deployment.environment.name=test%20one,service.version=9");
        let all = [("OTEL_SERVICE_NAME", "shop"), attributes, ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%3Db,y=1")];
        let options = check(here, &all).expect("good").expect("options");
        let expected = [pair("deployment.environment.name", "test one"), pair("service.version", "9"), pair("service.name", "shop")];
        assert_eq!(options.resource, expected);
        assert!(options.headers["x-key"] == "a=b" && options.headers["y"] == "1");
        for bad in ["x-key", "=secret", "x key=secret", "x-key=secret%0a", "x-key=secret%", "x-key=secret%zz"] {
            let error = check(here, &[("OTEL_EXPORTER_OTLP_HEADERS", bad)]).expect_err(bad).to_string();
            assert!(error.contains("OTEL_EXPORTER_OTLP_HEADERS") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_part_is_between_nothing_and_all() {
        assert_eq!((part("0"), part("0.1"), part("1")), (Ok(0.0), Ok(0.1), Ok(1.0)));
        for text in ["", "-0.1", "1.1", "10%", "NaN", "inf"] {
            assert!(part(text).is_err(), "{text}");
        }
    }
}
