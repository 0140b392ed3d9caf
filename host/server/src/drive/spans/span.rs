//! `Span`: something that the host did, from when to when, and what it is a part of.

use super::super::clock;
use super::context::SpanContext;

/// Of one text; the rest is cut off.
const TEXT_BYTES_MAX: usize = 1_024;
/// Of one span, as OpenTelemetry has it by default.
const LINKS_MAX: usize = 128;

#[derive(Clone, Debug)]
pub struct Span {
    pub context: SpanContext,
    /// A span of the same trace; `None`: it is the first.
    pub parent: Option<u64>,
    pub name: String,
    pub kind: SpanKind,
    /// In nanoseconds since 1970, by the machine's clock.
    pub began_ns: u64,
    pub ended_ns: u64,
    pub attributes: Vec<(&'static str, Attribute)>,
    /// What else it is of, in whatever traces.
    pub links: Vec<SpanContext>,
    pub links_dropped: usize,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// With OTLP's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    Internal = 1,
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    Text(String),
    Number(u64),
}

impl Span {
    /// Begins now, and has ended now unless it is told otherwise.
    pub fn begin(context: SpanContext, parent: Option<u64>, name: String, kind: SpanKind) -> Span {
        let now = clock::wall_ns();
        Span {
            context,
            parent,
            name,
            kind,
            began_ns: now,
            ended_ns: now,
            attributes: Vec::new(),
            links: Vec::new(),
            links_dropped: 0,
            error: None,
        }
    }

    pub fn text(&mut self, name: &'static str, text: &str) -> &mut Span {
        self.attributes.push((name, Attribute::Text(cut(text))));
        self
    }

    pub fn number(&mut self, name: &'static str, number: u64) -> &mut Span {
        self.attributes.push((name, Attribute::Number(number)));
        self
    }

    pub fn link(&mut self, to: SpanContext) {
        if self.links.len() < LINKS_MAX { self.links.push(to) } else { self.links_dropped += 1 }
    }

    /// `kind` is a word, `what` is for who reads it.
    pub fn fail(&mut self, kind: &str, what: &str) -> &mut Span {
        self.error = Some(cut(what));
        self.text("error.type", kind)
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_takes_so_much_and_no_more() {
        let context = SpanContext { trace: 1, span: 2, sampled: true };
        let mut span = Span::begin(context, None, "commit".into(), SpanKind::Internal);
        (0..LINKS_MAX + 5).for_each(|_| span.link(context));
        assert_eq!((span.links.len(), span.links_dropped), (LINKS_MAX, 5));
        span.text("url.path", &"é".repeat(TEXT_BYTES_MAX));
        assert_eq!(span.attributes[0].1, Attribute::Text("é".repeat(TEXT_BYTES_MAX / 2)));
    }
}
