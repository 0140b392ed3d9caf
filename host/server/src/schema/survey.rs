//! Finds the subschemas of a document, and what a reference means: `$id`, `$anchor`, JSON pointers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::{DIALECT, SchemaError};
use super::library::Document;
use super::limits::*;
use super::pointer::{escape, join_from_last, shorten, unescape};
use super::program::{NodeId, ResourceId};
use super::uri;

/// The base of a document without `$id`.
const UNNAMED: &str = "schema:/";
const VOCABULARY_VALIDATION: &str = "https://json-schema.org/draft/2020-12/vocab/validation";

/// What a keyword holds that has subschemas.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    One,
    List,
    Map,
}

/// Every keyword that has subschemas.
pub(super) const APPLICATORS: &[(&str, Holds)] = &[
    ("$defs", Holds::Map),
    ("additionalProperties", Holds::One),
    ("allOf", Holds::List),
    ("anyOf", Holds::List),
    ("contains", Holds::One),
    ("contentSchema", Holds::One),
    ("definitions", Holds::Map),
    ("dependentSchemas", Holds::Map),
    ("else", Holds::One),
    ("if", Holds::One),
    ("items", Holds::One),
    ("not", Holds::One),
    ("oneOf", Holds::List),
    ("patternProperties", Holds::Map),
    ("prefixItems", Holds::List),
    ("properties", Holds::Map),
    ("propertyNames", Holds::One),
    ("then", Holds::One),
    ("unevaluatedItems", Holds::One),
    ("unevaluatedProperties", Holds::One),
];

pub(super) struct Survey<'d> {
    pub(super) nodes: Vec<Surveyed<'d>>,
    pub(super) resources: Vec<Resource<'d>>,
    /// A subschema is known by where it lies in memory: the documents stay put for `'d`.
    by_address: BTreeMap<usize, NodeId>,
    by_uri: BTreeMap<String, ResourceId>,
    /// Documents that may be referred to.
    library: Vec<&'d Document>,
    /// Documents that may be named by `$schema` besides [`DIALECT`]; none but in tests.
    dialects: &'d [Document],
}

/// A subschema.
pub(super) struct Surveyed<'d> {
    pub(super) value: &'d Value,
    pub(super) resource: ResourceId,
    pub(super) parent: Option<NodeId>,
    /// From the parent, as a part of a JSON pointer; `URI#` for the root of a library's document.
    pub(super) step: String,
}

/// A schema with a URI of its own, to which references inside it are relative.
pub(super) struct Resource<'d> {
    uri: String,
    root: NodeId,
    anchors: BTreeMap<&'d str, NodeId>,
    pub(super) dynamic_anchors: BTreeMap<&'d str, NodeId>,
    /// Whether its dialect has the keywords that assert, like `type`.
    pub(super) validates: bool,
}

impl<'d> Survey<'d> {
    /// The root is node 0.
    pub(super) fn of(root: &'d Value, library: &'d [Document], dialects: &'d [Document]) -> Result<Survey<'d>, SchemaError> {
        let mut survey = Survey {
            nodes: Vec::new(),
            resources: Vec::new(),
            by_address: BTreeMap::new(),
            by_uri: BTreeMap::new(),
            library: dialects.iter().chain(library).collect(),
            dialects,
        };
        survey.document(root, UNNAMED, String::new())?;
        Ok(survey)
    }

    /// The subschema that the walk found at `value`.
    pub(super) fn node_of(&self, value: &'d Value) -> NodeId {
        self.by_address[&address(value)]
    }

    /// JSON pointer of a subschema and something in it.
    pub(super) fn at(&self, node: NodeId, inside: &str) -> String {
        let mut steps = vec![inside];
        let mut next = Some(node);
        while let Some(node) = next {
            let node = &self.nodes[node as usize];
            steps.push(&node.step);
            next = node.parent;
        }
        shorten(&join_from_last(&steps, VIOLATION_CHARS_MAX), VIOLATION_CHARS_MAX)
    }

    /// The subschema that `reference` means in `from`, and its anchor if it was named by one.
    pub(super) fn resolve(&mut self, from: NodeId, keyword: &str, reference: &'d str) -> Result<(NodeId, Option<String>), SchemaError> {
        let at = self.at(from, keyword);
        let shown = shorten(reference, VIOLATION_CHARS_MAX);
        let dangling = |what: &str| SchemaError::Dangling { at: at.clone(), reference: shown.clone(), what: what.to_owned() };
        let (target, fragment) = uri::split(reference);
        let absolute = self.absolute(from, keyword, target)?;
        let Some(resource) = self.resource(&absolute)? else { return Err(SchemaError::Outside { at, reference: shown }) };
        let fragment = uri::decode(fragment).ok_or_else(|| dangling("its fragment isn't percent-encoded UTF-8"))?;
        let resource = &self.resources[resource as usize];
        if fragment.is_empty() {
            return Ok((resource.root, None));
        }
        if !fragment.starts_with('/') {
            let node = resource.anchors.get(fragment.as_str()).copied();
            return node.map(|node| (node, Some(fragment))).ok_or_else(|| dangling("there is no such anchor"));
        }
        let (node, rest, value) = self.walk(resource.root, &fragment).ok_or_else(|| dangling("nothing is there"))?;
        if rest.is_empty() {
            return Ok((node, None));
        }
        // Somewhere the walk didn't go, like an unknown keyword: a schema because it's referred to.
        let resource = self.nodes[node as usize].resource;
        Ok((self.schema(value, resource, Some(node), rest)?, None))
    }

    /// Goes down a JSON pointer: the last subschema on the way, the way from there, and what is there.
    fn walk(&self, root: NodeId, pointer: &str) -> Option<(NodeId, String, &'d Value)> {
        let (mut node, mut rest, mut value) = (root, String::new(), self.nodes[root as usize].value);
        for token in pointer[1..].split('/') {
            value = match value {
                Value::Object(members) => members.get(unescape(token).as_ref())?,
                Value::Array(items) if token == "0" || !token.starts_with(['0', '+']) => items.get(token.parse::<usize>().ok()?)?,
                _ => return None,
            };
            rest.extend(["/", token]);
            if let Some(&found) = self.by_address.get(&address(value)) {
                node = found;
                rest.clear();
            }
        }
        Some((node, rest, value))
    }

    fn absolute(&self, from: NodeId, keyword: &str, reference: &str) -> Result<String, SchemaError> {
        let base = &self.resources[self.nodes[from as usize].resource as usize].uri;
        let absolute = uri::resolve(base, reference);
        if reference.len().max(absolute.len()) > URI_BYTES_MAX {
            let what = format!("is a URI of more than {URI_BYTES_MAX} bytes (limit `schema-uri-bytes`)");
            return Err(SchemaError::Invalid { at: self.at(from, keyword), what });
        }
        Ok(absolute)
    }

    fn resource(&mut self, uri: &str) -> Result<Option<ResourceId>, SchemaError> {
        if let Some(&resource) = self.by_uri.get(uri) {
            return Ok(Some(resource));
        }
        let Some(document) = self.library.iter().copied().find(|document| document.uri == uri) else { return Ok(None) };
        self.document(&document.value, uri, format!("{uri}#")).map(Some)
    }

    fn document(&mut self, value: &'d Value, uri: &str, step: String) -> Result<ResourceId, SchemaError> {
        let resource = self.new_resource(uri, true);
        self.by_uri.insert(uri.to_owned(), resource);
        self.schema(value, resource, None, step)?;
        Ok(resource)
    }

    fn new_resource(&mut self, uri: &str, validates: bool) -> ResourceId {
        let id = ResourceId::try_from(self.resources.len()).expect("fewer resources than subschemas");
        let root = NodeId::try_from(self.nodes.len()).expect("fewer nodes than the limit");
        let (anchors, dynamic_anchors) = (BTreeMap::new(), BTreeMap::new());
        self.resources.push(Resource { uri: uri.to_owned(), root, anchors, dynamic_anchors, validates });
        id
    }

    fn schema(&mut self, value: &'d Value, resource: ResourceId, parent: Option<NodeId>, step: String) -> Result<NodeId, SchemaError> {
        if self.nodes.len() >= SUBSCHEMAS_MAX {
            return Err(SchemaError::TooManySubschemas);
        }
        let id = NodeId::try_from(self.nodes.len()).expect("fewer nodes than the limit");
        self.nodes.push(Surveyed { value, resource, parent, step });
        self.by_address.insert(address(value), id);
        match value {
            Value::Bool(_) => {}
            Value::Object(members) => {
                self.name(id, members, parent.is_none())?;
                for &(keyword, holds) in APPLICATORS {
                    if let Some(value) = members.get(keyword) {
                        self.keyword(id, keyword, holds, value)?;
                    }
                }
            }
            _ => return Err(self.invalid(id, "", "must be a schema: an object, `true` or `false`")),
        }
        Ok(id)
    }

    fn keyword(&mut self, id: NodeId, keyword: &str, holds: Holds, value: &'d Value) -> Result<(), SchemaError> {
        let resource = self.nodes[id as usize].resource;
        match (holds, value) {
            (Holds::One, Value::Array(_)) if keyword == "items" => {
                let what = "must be one schema; a list of them is called `prefixItems` in 2020-12";
                return Err(self.invalid(id, "/items", what));
            }
            (Holds::One, value) => {
                self.schema(value, resource, Some(id), format!("/{keyword}"))?;
            }
            (Holds::List, Value::Array(items)) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    self.schema(item, resource, Some(id), format!("/{keyword}/{index}"))?;
                }
            }
            (Holds::Map, Value::Object(members)) => {
                for (key, value) in members {
                    self.schema(value, resource, Some(id), format!("/{keyword}/{}", escape(key)))?;
                }
            }
            (Holds::List, _) => return Err(self.invalid(id, &format!("/{keyword}"), "must be an array of at least one schema")),
            (Holds::Map, _) => return Err(self.invalid(id, &format!("/{keyword}"), "must be an object whose values are schemas")),
        }
        Ok(())
    }

    /// What a subschema says of its own names: `$id`, `$schema`, `$anchor`, `$dynamicAnchor`.
    fn name(&mut self, id: NodeId, members: &'d Map<String, Value>, is_document: bool) -> Result<(), SchemaError> {
        if let Some(named) = members.get("$id") {
            let valid = named.as_str().map(uri::split).filter(|(_, fragment)| fragment.is_empty());
            let (named, _) = valid.ok_or_else(|| self.invalid(id, "/$id", "must be a URI reference without a fragment"))?;
            let absolute = self.absolute(id, "/$id", named)?;
            self.identify(id, absolute, is_document)?;
        }
        if let Some(named) = members.get("$schema") {
            let validates = self.dialect(id, named)?;
            let resource = self.nodes[id as usize].resource;
            if self.resources[resource as usize].root != id {
                return Err(self.invalid(id, "/$schema", "stands in a subschema without `$id`: it belongs to the root of a schema"));
            }
            self.resources[resource as usize].validates = validates;
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = members.get(keyword) {
                self.anchor(id, keyword, anchor)?;
            }
        }
        Ok(())
    }

    fn identify(&mut self, id: NodeId, absolute: String, is_document: bool) -> Result<(), SchemaError> {
        let current = self.nodes[id as usize].resource;
        if self.resources[current as usize].uri == absolute && self.resources[current as usize].root == id {
            return Ok(());
        }
        if self.by_uri.contains_key(&absolute) {
            return Err(self.invalid(id, "/$id", "names a schema that another subschema names already"));
        }
        let resource = if is_document {
            self.resources[current as usize].uri.clone_from(&absolute);
            current
        } else {
            let resource = self.new_resource(&absolute, self.resources[current as usize].validates);
            self.resources[resource as usize].root = id;
            self.nodes[id as usize].resource = resource;
            resource
        };
        self.by_uri.insert(absolute, resource);
        Ok(())
    }

    /// Whether the dialect has the keywords that assert.
    fn dialect(&self, id: NodeId, named: &Value) -> Result<bool, SchemaError> {
        let uri = named.as_str().ok_or_else(|| self.invalid(id, "/$schema", "must be a URI"))?;
        let plain = uri.strip_suffix('#').unwrap_or(uri);
        if plain == DIALECT {
            return Ok(true);
        }
        let Some(dialect) = self.dialects.iter().find(|document| document.uri == plain) else {
            let named = known_draft(plain).map_or_else(|| format!("`{}`", shorten(uri, 100)), str::to_owned);
            return Err(SchemaError::OtherDialect { at: self.at(id, "/$schema"), named });
        };
        Ok(dialect.value["$vocabulary"].get(VOCABULARY_VALIDATION).is_some())
    }

    fn anchor(&mut self, id: NodeId, keyword: &str, anchor: &'d Value) -> Result<(), SchemaError> {
        let valid = anchor.as_str().filter(|anchor| is_anchor(anchor));
        let inside = format!("/{keyword}");
        let what = "must be a name: a letter or `_`, then letters, digits, `-`, `_` and `.`";
        let anchor = valid.ok_or_else(|| self.invalid(id, &inside, what))?;
        let resource = &mut self.resources[self.nodes[id as usize].resource as usize];
        if keyword == "$dynamicAnchor" {
            resource.dynamic_anchors.insert(anchor, id);
        }
        if resource.anchors.insert(anchor, id).is_some_and(|other| other != id) {
            return Err(self.invalid(id, &inside, "is an anchor that another subschema has already"));
        }
        Ok(())
    }

    pub(super) fn invalid(&self, id: NodeId, inside: &str, what: &str) -> SchemaError {
        SchemaError::Invalid { at: self.at(id, inside), what: what.to_owned() }
    }
}

fn address(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

fn is_anchor(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
}

fn known_draft(uri: &str) -> Option<&'static str> {
    let (_, name) = uri.split_once("://json-schema.org/")?;
    Some(match name {
        "draft-03/schema" => "JSON Schema draft 3",
        "draft-04/schema" => "JSON Schema draft 4",
        "draft-06/schema" => "JSON Schema draft 6",
        "draft-07/schema" => "JSON Schema draft 7",
        "draft/2019-09/schema" => "JSON Schema 2019-09",
        "schema" => "whatever JSON Schema is newest",
        _ => return None,
    })
}
