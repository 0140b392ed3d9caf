//! What a consumer may be like.

use retold_engine::model::{ConsumerSettings, Endpoint, TypePattern, limits};

use super::super::types::DriveError;

/// Requests under way at once to one endpoint.
const AT_ONCE_MAX: u32 = 64;
const TIMEOUT_MS_MIN: u64 = 100;
const TIMEOUT_MS_MAX: u64 = 60_000;

fn wrong(field: &'static str, what: impl Into<String>) -> DriveError {
    DriveError::ConsumerSettings { field, what: what.into() }
}

fn within(field: &'static str, ms: u64, least: u64, most: u64) -> Result<(), DriveError> {
    if (least..=most).contains(&ms) {
        return Ok(());
    }
    Err(wrong(field, format!("is {ms} ms: use a time from {least} ms to {} s", most / 1_000)))
}

pub fn check(settings: &ConsumerSettings) -> Result<(), DriveError> {
    for (field, terms) in [("types", &settings.types), ("subjects", &settings.subjects), ("tags", &settings.tags)] {
        if terms.len() > limits::FILTER_TERMS_MAX {
            return Err(wrong(field, format!("name {} terms: at most {}; make several consumers", terms.len(), limits::FILTER_TERMS_MAX)));
        }
    }
    if let Some(text) = settings.types.iter().find(|text| TypePattern::parse(text).is_none()) {
        return Err(wrong(
            "types",
            format!("hold {text:?}: use a type such as order.placed, or a pattern that ends in *, such as order.*"),
        ));
    }
    if settings.subjects.iter().any(|subject| subject.len() > limits::SUBJECT_BYTES_MAX) {
        return Err(wrong("subjects", format!("hold one of more than {} bytes: no event has such a subject", limits::SUBJECT_BYTES_MAX)));
    }
    if settings.tags.iter().any(|tag| tag.len() > limits::TAG_BYTES_MAX) {
        return Err(wrong("tags", format!("hold one of more than {} bytes: no event has such a tag", limits::TAG_BYTES_MAX)));
    }
    if !(1..=limits::ATTEMPTS_MAX).contains(&settings.attempts_max) {
        return Err(wrong("attempts", format!("is {}: use a number from 1 to {}", settings.attempts_max, limits::ATTEMPTS_MAX)));
    }
    within("lease", settings.lease_ms, limits::CONSUMER_LEASE_MS_MIN, limits::CONSUMER_LEASE_MS_MAX)?;
    if let Some(expires_ms) = settings.expires_ms {
        within("expires", expires_ms, limits::CONSUMER_EXPIRES_MS_MIN, limits::CONSUMER_EXPIRES_MS_MAX)?;
        if settings.endpoint.is_some() {
            return Err(wrong(
                "expires",
                "is for consumers that are fetched from: one with an endpoint is always in use; leave one of both out",
            ));
        }
    }
    settings.endpoint.as_ref().map_or(Ok(()), check_endpoint)
}

fn check_endpoint(endpoint: &Endpoint) -> Result<(), DriveError> {
    if !(1..=AT_ONCE_MAX).contains(&endpoint.at_once) {
        return Err(wrong("endpoint.at_once", format!("is {}: use a number from 1 to {AT_ONCE_MAX}", endpoint.at_once)));
    }
    within("endpoint.timeout", endpoint.timeout_ms, TIMEOUT_MS_MIN, TIMEOUT_MS_MAX)
}
