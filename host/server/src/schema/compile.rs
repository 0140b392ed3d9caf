//! From what the survey found to a program: each keyword is read, and refused if it isn't what the
//! meta-schema says it must be.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::error::SchemaError;
use super::library::Document;
use super::limits::*;
use super::loops::first_loop;
use super::number;
use super::pattern::Pattern;
use super::pointer::shorten;
use super::program::{Bound, Keyword, Node, NodeId, Program, Properties, Size, Types};
use super::survey::Survey;

/// See [`Survey::of`].
pub(super) fn compile(root: &Value, library: &[Document], dialects: &[Document]) -> Result<Program, SchemaError> {
    let mut compiler = Compiler { survey: Survey::of(root, library, dialects)?, patterns: 0, pattern_states_left: PATTERN_STATES_MAX };
    let mut keywords = Vec::new();
    // A reference may add nodes behind this one.
    while keywords.len() < compiler.survey.nodes.len() {
        let node = NodeId::try_from(keywords.len()).expect("fewer nodes than the limit");
        keywords.push(compiler.node(node)?);
    }
    let survey = compiler.survey;
    let anchors = survey.resources.into_iter().map(|resource| resource.dynamic_anchors);
    let anchors = anchors.map(|anchors| anchors.into_iter().map(|(name, node)| (name.to_owned(), node)).collect());
    let nodes = survey.nodes.into_iter().zip(keywords).map(|(node, keywords)| Node {
        asks_evaluated: keywords.iter().any(|keyword| matches!(keyword, Keyword::UnevaluatedItems(_) | Keyword::UnevaluatedProperties(_))),
        keywords,
        resource: node.resource,
        parent: node.parent,
        step: node.step,
    });
    let program = Program { nodes: nodes.collect(), dynamic_anchors: anchors.collect() };
    match first_loop(&program) {
        Some(node) => Err(SchemaError::Endless { at: shorten(&program.pointer(node), VIOLATION_CHARS_MAX) }),
        None => Ok(program),
    }
}

struct Compiler<'d> {
    survey: Survey<'d>,
    patterns: usize,
    pattern_states_left: usize,
}

impl<'d> Compiler<'d> {
    fn node(&mut self, id: NodeId) -> Result<Vec<Keyword>, SchemaError> {
        let node = &self.survey.nodes[id as usize];
        let value = node.value;
        let validates = self.survey.resources[node.resource as usize].validates;
        let Value::Object(members) = value else {
            return Ok(if *value == Value::Bool(false) { vec![Keyword::Never] } else { Vec::new() });
        };
        let mut schema = Subschema { compiler: self, id, members, keywords: Vec::new() };
        schema.annotations()?;
        if validates {
            schema.values()?;
            schema.sizes()?;
            schema.requirements()?;
        }
        schema.members()?;
        schema.items(validates)?;
        schema.references()?;
        schema.combinations();
        schema.unevaluated();
        Ok(schema.keywords)
    }
}

/// A subschema while its keywords are read.
struct Subschema<'c, 'd> {
    compiler: &'c mut Compiler<'d>,
    id: NodeId,
    members: &'d Map<String, Value>,
    keywords: Vec<Keyword>,
}

impl<'d> Subschema<'_, 'd> {
    /// What says nothing of data, but must be well-formed.
    fn annotations(&self) -> Result<(), SchemaError> {
        for keyword in ["$comment", "title", "description", "format", "contentEncoding", "contentMediaType"] {
            self.expect(keyword, Value::is_string, "must be a string")?;
        }
        for keyword in ["deprecated", "readOnly", "writeOnly"] {
            self.expect(keyword, Value::is_boolean, "must be `true` or `false`")?;
        }
        self.expect("examples", Value::is_array, "must be an array")?;
        self.expect("$vocabulary", Value::is_object, "must be an object")
    }

    fn values(&mut self) -> Result<(), SchemaError> {
        if let Some(types) = self.members.get("type") {
            let what = "must be one of null, boolean, object, array, number, string, integer, or an array of some of them";
            self.keywords.push(Keyword::Type(types_of(types).ok_or_else(|| self.invalid("type", what))?));
        }
        if let Some(values) = self.members.get("enum") {
            let values = values.as_array().ok_or_else(|| self.invalid("enum", "must be an array of the values that are allowed"))?;
            self.keywords.push(Keyword::Enum(values.clone()));
        }
        if let Some(value) = self.members.get("const") {
            self.keywords.push(Keyword::Const(value.clone()));
        }
        let bounds = [
            ("minimum", Bound::Minimum),
            ("maximum", Bound::Maximum),
            ("exclusiveMinimum", Bound::ExclusiveMinimum),
            ("exclusiveMaximum", Bound::ExclusiveMaximum),
        ];
        for (keyword, bound) in bounds {
            if let Some(number) = self.number(keyword)? {
                self.keywords.push(Keyword::Bound(bound, number));
            }
        }
        if let Some(number) = self.number("multipleOf")? {
            if number::compare(&number, &Number::from(0)).is_le() {
                return Err(self.invalid("multipleOf", "must be above 0"));
            }
            self.keywords.push(Keyword::MultipleOf(number));
        }
        if let Some(pattern) = self.members.get("pattern") {
            let pattern = pattern.as_str().ok_or_else(|| self.invalid("pattern", "must be a string"))?;
            let pattern = self.pattern("/pattern", pattern)?;
            self.keywords.push(Keyword::Pattern(pattern));
        }
        Ok(())
    }

    fn sizes(&mut self) -> Result<(), SchemaError> {
        let sizes = [
            ("minLength", Size::MinLength),
            ("maxLength", Size::MaxLength),
            ("minItems", Size::MinItems),
            ("maxItems", Size::MaxItems),
            ("minProperties", Size::MinProperties),
            ("maxProperties", Size::MaxProperties),
        ];
        for (keyword, size) in sizes {
            if let Some(count) = self.count(keyword)? {
                self.keywords.push(Keyword::Size(size, count));
            }
        }
        let unique = self.members.get("uniqueItems");
        self.expect("uniqueItems", Value::is_boolean, "must be `true` or `false`")?;
        if unique == Some(&Value::Bool(true)) {
            self.keywords.push(Keyword::UniqueItems);
        }
        Ok(())
    }

    fn requirements(&mut self) -> Result<(), SchemaError> {
        let what = "must be an array of property names, none twice";
        if let Some(names) = self.members.get("required") {
            self.keywords.push(Keyword::Required(names_of(names).ok_or_else(|| self.invalid("required", what))?));
        }
        if let Some(value) = self.members.get("dependentRequired") {
            let what = "must be an object whose values are arrays of property names, none twice";
            let read = |members: &Map<String, Value>| members.iter().map(|(key, names)| Some((key.clone(), names_of(names)?))).collect();
            let dependents: Option<BTreeMap<_, _>> = value.as_object().and_then(read);
            self.keywords.push(Keyword::DependentRequired(dependents.ok_or_else(|| self.invalid("dependentRequired", what))?));
        }
        Ok(())
    }

    fn members(&mut self) -> Result<(), SchemaError> {
        let named = self.map("properties");
        let mut patterns = Vec::new();
        for (pattern, node) in self.map("patternProperties") {
            patterns.push((self.pattern("/patternProperties", &pattern)?, node));
        }
        let additional = self.one("additionalProperties");
        if self.members.contains_key("properties") || !patterns.is_empty() || additional.is_some() {
            self.keywords.push(Keyword::Properties(Box::new(Properties { named, patterns, additional })));
        }
        self.keywords.extend(self.one("propertyNames").map(Keyword::PropertyNames));
        Ok(())
    }

    fn items(&mut self, validates: bool) -> Result<(), SchemaError> {
        let (prefix, rest) = (self.list("prefixItems"), self.one("items"));
        if !prefix.is_empty() || rest.is_some() {
            self.keywords.push(Keyword::Items { prefix, rest });
        }
        let (min, max) = if validates { (self.count("minContains")?, self.count("maxContains")?) } else { (None, None) };
        if let Some(node) = self.one("contains") {
            self.keywords.push(Keyword::Contains { node, min: min.unwrap_or(1), max });
        }
        Ok(())
    }

    fn references(&mut self) -> Result<(), SchemaError> {
        if let Some((node, _)) = self.reference("$ref")? {
            self.keywords.push(Keyword::Ref(node));
        }
        if let Some((node, anchor)) = self.reference("$dynamicRef")? {
            // Without a dynamic anchor where it points at first, it is a plain reference.
            let survey = &self.compiler.survey;
            let resource = survey.nodes[node as usize].resource;
            let dynamic = |anchor: &String| survey.resources[resource as usize].dynamic_anchors.get(anchor.as_str()) == Some(&node);
            self.keywords.push(Keyword::DynamicRef { node, anchor: anchor.filter(dynamic) });
        }
        Ok(())
    }

    fn combinations(&mut self) {
        for (keyword, make) in
            [("allOf", Keyword::AllOf as fn(Vec<NodeId>) -> Keyword), ("anyOf", Keyword::AnyOf), ("oneOf", Keyword::OneOf)]
        {
            let list = self.list(keyword);
            if !list.is_empty() {
                self.keywords.push(make(list));
            }
        }
        self.keywords.extend(self.one("not").map(Keyword::Not));
        if let Some(condition) = self.one("if") {
            self.keywords.push(Keyword::If { condition, then: self.one("then"), otherwise: self.one("else") });
        }
        let dependents = self.map("dependentSchemas");
        if !dependents.is_empty() {
            self.keywords.push(Keyword::DependentSchemas(dependents));
        }
    }

    fn unevaluated(&mut self) {
        self.keywords.extend(self.one("unevaluatedItems").map(Keyword::UnevaluatedItems));
        self.keywords.extend(self.one("unevaluatedProperties").map(Keyword::UnevaluatedProperties));
    }

    // The survey has seen that these hold subschemas.

    fn one(&self, keyword: &str) -> Option<NodeId> {
        self.members.get(keyword).map(|value| self.compiler.survey.node_of(value))
    }

    fn list(&self, keyword: &str) -> Vec<NodeId> {
        let items = self.members.get(keyword).and_then(Value::as_array);
        items.into_iter().flatten().map(|item| self.compiler.survey.node_of(item)).collect()
    }

    fn map(&self, keyword: &str) -> BTreeMap<String, NodeId> {
        let members = self.members.get(keyword).and_then(Value::as_object);
        members.into_iter().flatten().map(|(key, value)| (key.clone(), self.compiler.survey.node_of(value))).collect()
    }

    fn reference(&mut self, keyword: &str) -> Result<Option<(NodeId, Option<String>)>, SchemaError> {
        let Some(reference) = self.members.get(keyword) else { return Ok(None) };
        let reference = reference.as_str().ok_or_else(|| self.invalid(keyword, "must be a URI reference"))?;
        self.compiler.survey.resolve(self.id, &format!("/{keyword}"), reference).map(Some)
    }

    fn number(&self, keyword: &str) -> Result<Option<Number>, SchemaError> {
        self.expect(keyword, Value::is_number, "must be a number")?;
        Ok(self.members.get(keyword).and_then(Value::as_number).cloned())
    }

    fn count(&self, keyword: &str) -> Result<Option<u64>, SchemaError> {
        let Some(value) = self.members.get(keyword) else { return Ok(None) };
        let number = value.as_number().filter(|number| number::is_integer(number) && number::compare(number, &Number::from(0)).is_ge());
        let number = number.ok_or_else(|| self.invalid(keyword, "must be a whole number, 0 or more"))?;
        // Whatever is beyond 64 bits can't be reached.
        Ok(Some(number::integer(number).and_then(|integer| u64::try_from(integer).ok()).unwrap_or(u64::MAX)))
    }

    fn pattern(&mut self, inside: &str, pattern: &str) -> Result<Pattern, SchemaError> {
        let compiler = &mut self.compiler;
        compiler.patterns += 1;
        if compiler.patterns > PATTERNS_MAX {
            return Err(SchemaError::TooManyPatterns);
        }
        Pattern::compile(pattern, &mut compiler.pattern_states_left)
            .map_err(|what| SchemaError::Pattern { at: compiler.survey.at(self.id, inside), what })
    }

    fn expect(&self, keyword: &str, is_so: fn(&Value) -> bool, what: &str) -> Result<(), SchemaError> {
        if self.members.get(keyword).is_none_or(is_so) { Ok(()) } else { Err(self.invalid(keyword, what)) }
    }

    fn invalid(&self, keyword: &str, what: &str) -> SchemaError {
        self.compiler.survey.invalid(self.id, &format!("/{keyword}"), what)
    }
}

fn types_of(value: &Value) -> Option<Types> {
    match value {
        Value::String(name) => Types::named(name),
        Value::Array(names) if !names.is_empty() => names.iter().try_fold(Types::default(), |types, name| {
            let named = Types::named(name.as_str()?)?;
            (types.0 & named.0 == 0).then_some(Types(types.0 | named.0))
        }),
        _ => None,
    }
}

fn names_of(value: &Value) -> Option<Vec<String>> {
    let names: Vec<String> = value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    (distinct.len() == names.len()).then_some(names)
}
