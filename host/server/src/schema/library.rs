//! Documents that a `$ref` may name besides the schema itself: the 2020-12 meta-schema, which comes
//! with the host. Nothing is fetched.

use std::sync::LazyLock;

use serde_json::Value;

pub(super) struct Document {
    /// Absolute, without fragment.
    pub(super) uri: String,
    pub(super) value: Value,
}

/// From <https://json-schema.org/draft/2020-12/schema>, unchanged but for white space.
pub(super) fn meta_schema() -> &'static [Document] {
    &META_SCHEMA
}

static META_SCHEMA: LazyLock<Vec<Document>> = LazyLock::new(|| {
    [
        include_str!("meta/schema.json"),
        include_str!("meta/core.json"),
        include_str!("meta/applicator.json"),
        include_str!("meta/unevaluated.json"),
        include_str!("meta/validation.json"),
        include_str!("meta/meta-data.json"),
        include_str!("meta/format-annotation.json"),
        include_str!("meta/format-assertion.json"),
        include_str!("meta/content.json"),
    ]
    .into_iter()
    .map(|text| {
        let value: Value = serde_json::from_str(text).expect("the meta-schema is JSON");
        let uri = value["$id"].as_str().expect("the meta-schema has an id").to_owned();
        Document { uri, value }
    })
    .collect()
});
