//! What a value is: its type, a number's range, a text's length and pattern, sizes, `enum`, `const`.

use std::fmt::Write;

use serde_json::{Number, Value};

use super::check::{Check, Here, Verdict};
use super::equal::equal;
use super::number;
use super::pointer::shorten;
use super::program::{Bound, Keyword, Size, Types};
use super::steps::Stop;

/// Of a piece of the schema in a message.
const SHOWN_CHARS_MAX: usize = 80;

impl Check<'_> {
    pub(super) fn scalar(&mut self, keyword: &Keyword, here: Here<'_>) -> Verdict {
        match keyword {
            Keyword::Never => Err(self.violated(here, "", || "isn't allowed: the schema here is `false`".to_owned())),
            Keyword::Type(types) if types.0 & types_of(here.value).0 != 0 => Ok(()),
            Keyword::Type(types) => Err(self.violated(here, "type", || format!("must be {}, not {}", names(*types), kind(here.value)))),
            Keyword::Enum(values) => self.one_of_values(values, here),
            Keyword::Const(value) => {
                let same = equal(value, here.value, &mut self.steps)?;
                if same { Ok(()) } else { Err(self.violated(here, "const", || format!("must be {}", shown(value)))) }
            }
            Keyword::Bound(bound, limit) => self.bound(*bound, limit, here),
            Keyword::MultipleOf(divisor) => self.multiple_of(divisor, here),
            Keyword::Size(size, limit) => self.size(*size, *limit, here),
            Keyword::Pattern(pattern) => {
                let Value::String(text) = here.value else { return Ok(()) };
                let found = pattern.is_in(text, &mut self.steps)?;
                let what = || format!("must match the pattern `{}`", shorten(pattern.text(), SHOWN_CHARS_MAX));
                if found { Ok(()) } else { Err(self.violated(here, "pattern", what)) }
            }
            _ => unreachable!("`Check::keyword` takes the keywords that have subschemas or look at members"),
        }
    }

    fn one_of_values(&mut self, values: &[Value], here: Here<'_>) -> Verdict {
        for value in values {
            if equal(value, here.value, &mut self.steps)? {
                return Ok(());
            }
        }
        Err(self.violated(here, "enum", || {
            let some: Vec<String> = values.iter().take(5).map(shown).collect();
            let more = if values.len() > some.len() { format!(" or {} others", values.len() - some.len()) } else { String::new() };
            format!("must be one of {}{more}", some.join(", "))
        }))
    }

    fn bound(&self, bound: Bound, limit: &Number, here: Here<'_>) -> Verdict {
        let Value::Number(found) = here.value else { return Ok(()) };
        let order = number::compare(found, limit);
        let (kept, keyword, words) = match bound {
            Bound::Minimum => (order.is_ge(), "minimum", "at least"),
            Bound::Maximum => (order.is_le(), "maximum", "at most"),
            Bound::ExclusiveMinimum => (order.is_gt(), "exclusiveMinimum", "above"),
            Bound::ExclusiveMaximum => (order.is_lt(), "exclusiveMaximum", "below"),
        };
        if kept { Ok(()) } else { Err(self.violated(here, keyword, || format!("must be {words} {limit}, not {found}"))) }
    }

    fn multiple_of(&mut self, divisor: &Number, here: Here<'_>) -> Verdict {
        let Value::Number(found) = here.value else { return Ok(()) };
        self.steps.spend(10)?;
        if number::is_multiple(found, divisor) {
            return Ok(());
        }
        Err(self.violated(here, "multipleOf", || format!("must be a multiple of {divisor}, not {found}")))
    }

    fn size(&mut self, size: Size, limit: u64, here: Here<'_>) -> Verdict {
        let (keyword, what, found) = match (size, here.value) {
            (Size::MinLength, Value::String(text)) => ("minLength", "at least", self.length(text)?),
            (Size::MaxLength, Value::String(text)) => ("maxLength", "at most", self.length(text)?),
            (Size::MinItems, Value::Array(items)) => ("minItems", "at least", items.len()),
            (Size::MaxItems, Value::Array(items)) => ("maxItems", "at most", items.len()),
            (Size::MinProperties, Value::Object(members)) => ("minProperties", "at least", members.len()),
            (Size::MaxProperties, Value::Object(members)) => ("maxProperties", "at most", members.len()),
            _ => return Ok(()),
        };
        let (kept, (one, many)) = match size {
            Size::MinLength => (found as u64 >= limit, ("character", "characters")),
            Size::MaxLength => (found as u64 <= limit, ("character", "characters")),
            Size::MinItems => (found as u64 >= limit, ("item", "items")),
            Size::MaxItems => (found as u64 <= limit, ("item", "items")),
            Size::MinProperties => (found as u64 >= limit, ("property", "properties")),
            Size::MaxProperties => (found as u64 <= limit, ("property", "properties")),
        };
        let unit = if limit == 1 { one } else { many };
        if kept { Ok(()) } else { Err(self.violated(here, keyword, || format!("must have {what} {limit} {unit}, not {found}"))) }
    }

    fn length(&mut self, text: &str) -> Result<usize, Stop> {
        self.steps.spend_on_text(text.len())?;
        Ok(text.chars().count())
    }
}

/// All types that a value has.
fn types_of(value: &Value) -> Types {
    Types(match value {
        Value::Null => 1,
        Value::Bool(_) => 1 << 1,
        Value::Object(_) => 1 << 2,
        Value::Array(_) => 1 << 3,
        Value::Number(number) if number::is_integer(number) => 1 << 4 | 1 << 6,
        Value::Number(_) => 1 << 4,
        Value::String(_) => 1 << 5,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Object(_) => "an object",
        Value::Array(_) => "an array",
        Value::Number(number) if number::is_integer(number) => "an integer",
        Value::Number(_) => "a number with a fraction",
        Value::String(_) => "a string",
    }
}

/// `"null, a string or an integer"`.
fn names(types: Types) -> String {
    let named = Types::NAMES.iter().enumerate().filter(|(place, _)| types.0 & 1 << place != 0).map(|(_, name)| match *name {
        "null" => "null".to_owned(),
        "object" | "array" | "integer" => format!("an {name}"),
        name => format!("a {name}"),
    });
    let mut names: Vec<String> = named.collect();
    let last = names.pop().unwrap_or_default();
    if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) }
}

/// The beginning of a value of the schema, which may be large.
fn shown(value: &Value) -> String {
    struct Beginning(String);
    impl Write for Beginning {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.push_str(&shorten(text, SHOWN_CHARS_MAX + 1));
            if self.0.len() > 4 * SHOWN_CHARS_MAX { Err(std::fmt::Error) } else { Ok(()) }
        }
    }
    let mut beginning = Beginning(String::new());
    // An error means that there is enough.
    let _ = write!(beginning, "{value}");
    shorten(&beginning.0, SHOWN_CHARS_MAX)
}
