//! Events whose attributes are said beside the data: in a path and a query string.

use std::borrow::Cow;

use retold_engine::model::NewEvent;

use super::bad_event::BadEvent;
use super::draft::{Attribute, Draft, Origin};

/// Reads an event of these attributes, by their CloudEvents names, whose data is `body`.
pub fn event_from_parts<'a>(attributes: &[(&str, &'a str)], body: &'a [u8]) -> Result<NewEvent, BadEvent> {
    let mut draft = Draft::new();
    for (name, value) in [("specversion", "1.0")].iter().chain(attributes) {
        let attribute = Attribute::of(name);
        draft.begin(attribute, name)?;
        draft.set(attribute, name, Cow::Borrowed(value))?;
    }
    draft.set_bytes(body);
    draft.finish(Origin::Caller)
}
