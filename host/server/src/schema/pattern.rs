//! `pattern` and `patternProperties`: ECMA-262 regular expressions without what can't be decided in
//! linear time (look-around, back-references).
//!
//! An expression is rewritten for the `regex` family's syntax, where a few letters mean something
//! else, and matched by its automata, which never backtrack: the work is at most the length of the
//! text times the number of states, and that is what a match is charged.

use regex_automata::meta;
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_syntax::ParserBuilder;

use super::limits::PATTERN_STATES_MAX;
use super::steps::{Steps, Stop};

/// Of one automaton, in memory.
const AUTOMATON_BYTES_MAX: usize = 4 << 20;
const GROUPS_NESTING_MAX: u32 = 100;
/// Of the automaton that is made while matching.
const CACHE_BYTES_MAX: usize = 256 << 10;
/// Bytes times states that one step pays for.
const WORK_PER_STEP: u64 = 32;

pub(super) struct Pattern {
    text: String,
    regex: meta::Regex,
    states: u64,
}

impl Pattern {
    /// Takes its states from `states_left`. The error reads on after "the pattern".
    pub(super) fn compile(text: &str, states_left: &mut usize) -> Result<Pattern, String> {
        let rewritten = translate(text)?;
        let tree = ParserBuilder::new().nest_limit(GROUPS_NESTING_MAX).build().parse(&rewritten).map_err(|error| reason(&error))?;
        let too_large = || {
            format!("is too large: the patterns of a schema together may have {PATTERN_STATES_MAX} states (limit `schema-pattern-states`)")
        };
        let sizes = thompson::Config::new().which_captures(WhichCaptures::None).nfa_size_limit(Some(AUTOMATON_BYTES_MAX));
        let automaton = thompson::Compiler::new().configure(sizes).build_from_hir(&tree).map_err(|_| too_large())?;
        let states = automaton.states().len();
        *states_left = states_left.checked_sub(states).ok_or_else(too_large)?;
        let config = meta::Config::new()
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(AUTOMATON_BYTES_MAX))
            .hybrid_cache_capacity(CACHE_BYTES_MAX)
            .onepass(false)
            .backtrack(false);
        let regex = meta::Builder::new().configure(config).build_from_hir(&tree).map_err(|_| too_large())?;
        Ok(Pattern { text: text.to_owned(), regex, states: states as u64 })
    }

    /// As the schema has it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern is found anywhere in `text`.
    pub(super) fn is_in(&self, text: &str, steps: &mut Steps) -> Result<bool, Stop> {
        steps.spend(1 + text.len() as u64 * self.states / WORK_PER_STEP)?;
        Ok(self.regex.is_match(text))
    }
}

fn reason(error: &regex_syntax::Error) -> String {
    let what = match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        _ => "not understood".to_owned(),
    };
    format!("isn't one that is supported: {what}")
}

/// An ECMA-262 expression (with the flag `u`) in the syntax of `regex-syntax`.
fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len() + 16) };
    while let Some(letter) = translator.rest.next() {
        match letter {
            '\\' => translator.escape(false)?,
            '[' => translator.class()?,
            '(' => translator.group()?,
            '.' => translator.out.push_str(r"[^\n\r\x{2028}\x{2029}]"),
            letter => translator.out.push(letter),
        }
    }
    Ok(translator.out)
}

struct Translator<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    out: String,
}

impl Translator<'_> {
    /// After `(`.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        let ahead: String = self.rest.clone().take(3).collect();
        if ahead.starts_with("?=") || ahead.starts_with("?!") {
            return Err("looks ahead (`(?=` or `(?!`), which can't be matched in linear time".to_owned());
        }
        if ahead.starts_with("?<=") || ahead.starts_with("?<!") {
            return Err("looks behind (`(?<=` or `(?<!`), which can't be matched in linear time".to_owned());
        }
        if ahead.starts_with('?') && !ahead.starts_with("?:") && !ahead.starts_with("?<") {
            return Err("has a group that isn't ECMA-262: after `(?` comes `:` or `<name>`".to_owned());
        }
        Ok(())
    }

    /// After `[`, to the closing `]`. What has a meaning only for `regex-syntax` is escaped.
    fn class(&mut self) -> Result<(), String> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        if self.rest.next_if_eq(&']').is_some() {
            // No character, or any.
            self.out.push_str(if negated { "(?s:.)" } else { "[a&&b]" });
            return Ok(());
        }
        self.out.push_str(if negated { "[^" } else { "[" });
        let mut may_be_range = false;
        while let Some(letter) = self.rest.next() {
            match letter {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '-' if may_be_range && self.rest.peek() != Some(&']') => {
                    self.out.push('-');
                    may_be_range = false;
                    // The end of the range: never an operator.
                    if self.rest.next_if_eq(&'-').is_some() {
                        self.out.push_str(r"\-");
                    }
                    continue;
                }
                '\\' => {
                    let set = self.rest.peek().is_some_and(|next| "dDwWsSpP".contains(*next));
                    self.escape(true)?;
                    may_be_range = !set;
                    continue;
                }
                '[' | '&' | '~' | '-' | '^' => self.out.extend(['\\', letter]),
                letter => self.out.push(letter),
            }
            may_be_range = true;
        }
        Err("has a `[` without `]`".to_owned())
    }

    /// After `\`.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(letter) = self.rest.next() else { return Err("ends with a single `\\`".to_owned()) };
        match letter {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str("[0-9A-Za-z_]"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            's' => self.out.push_str(r"[\t\n\x0B\x0C\r\p{Zs}\x{2028}\x{2029}\x{FEFF}]"),
            'S' => self.out.push_str(r"[^\t\n\x0B\x0C\r\p{Zs}\x{2028}\x{2029}\x{FEFF}]"),
            'b' if in_class => self.out.push_str(r"\x08"),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'B' if !in_class => self.out.push_str(r"(?-u:\B)"),
            't' | 'n' | 'r' | 'f' | 'v' | 'p' | 'P' => self.out.extend(['\\', letter]),
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => self.out.push_str(r"\x00"),
            '1'..='9' if !in_class => return Err(format!("refers back to a group (`\\{letter}`), which can't be matched in linear time")),
            'k' if !in_class => return Err("refers back to a group (`\\k`), which can't be matched in linear time".to_owned()),
            'c' => {
                let control = self.rest.next().filter(char::is_ascii_alphabetic).ok_or("has a `\\c` without a letter")?;
                self.point(u32::from(control) % 32)?;
            }
            'x' => {
                let point = self.hexadecimal(2)?;
                self.point(point)?;
            }
            'u' => self.unicode()?,
            // Escaped, these two would be borders of words.
            '<' | '>' => self.out.push(letter),
            letter if letter.is_ascii_punctuation() => self.out.extend(['\\', letter]),
            letter => return Err(format!("has `\\{letter}`, which means nothing in ECMA-262")),
        }
        Ok(())
    }

    /// After `\u`: `{...}`, four digits, or two surrogates.
    fn unicode(&mut self) -> Result<(), String> {
        if self.rest.next_if_eq(&'{').is_some() {
            let digits: String = std::iter::from_fn(|| self.rest.next_if(char::is_ascii_hexdigit)).collect();
            let closed = self.rest.next() == Some('}');
            let point = u32::from_str_radix(&digits, 16).ok().filter(|_| closed).ok_or("has a `\\u{` that isn't `\\u{HEX}`")?;
            return self.point(point);
        }
        let first = self.hexadecimal(4)?;
        let two_follow = self.rest.clone().take(2).eq(['\\', 'u']);
        if !(0xD800..0xDC00).contains(&first) || !two_follow {
            return self.point(first);
        }
        self.rest.nth(1);
        let second = self.hexadecimal(4)?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err("has half a surrogate pair".to_owned());
        }
        self.point(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<u32, String> {
        let text: String = self.rest.by_ref().take(digits).collect();
        let valid = text.len() == digits && text.chars().all(|digit| digit.is_ascii_hexdigit());
        let point = u32::from_str_radix(&text, 16).ok().filter(|_| valid);
        point.ok_or_else(|| format!("has a `\\x` or `\\u` without {digits} hexadecimal digits"))
    }

    fn point(&mut self, point: u32) -> Result<(), String> {
        let letter = char::from_u32(point).ok_or("names a code point that isn't a character")?;
        self.out.push_str(&format!(r"\x{{{:X}}}", u32::from(letter)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, fit: &[&str], unfit: &[&str]) {
        let compiled = Pattern::compile(pattern, &mut 10_000).unwrap();
        for (texts, expected) in [(fit, true), (unfit, false)] {
            for text in texts {
                assert_eq!(compiled.is_in(text, &mut Steps::new(10_000)).ok(), Some(expected), "{pattern} {text:?}");
            }
        }
    }

    #[test]
    fn a_pattern_means_what_ecma_262_says() {
        check(r"^\d+$", &["123"], &["١٢", "1\n", ""]);
        check(r"^\w$", &["a", "_"], &["ä"]);
        check(r"^\s$", &["\u{FEFF}", "\u{00A0}", "\n"], &["a", "\u{0085}"]);
        check(r"^\p{Letter}$", &["ä", "z"], &["1"]);
        check(r"^[\w.-]+$", &["a.b-c"], &["a b"]);
        check(r"^[[&&~~-]+$", &["[&~-"], &["]"]);
        check(r"^[+--]$", &["+", ",", "-"], &["a", "."]);
        check(r"^[\w-.]$", &["a", "-", "."], &["/"]);
        check(r"^\u0041\x42\u{43}\cA$", &["ABC\u{1}"], &["ABC"]);
        check(r"^\uD83D\uDE00$", &["😀"], &[]);
        check(r"^a.b$", &["axb", "a\u{85}b"], &["a\nb", "a\u{2028}b"]);
        check(r"^(?<year>\d{4})\/(?:a|b)$", &["2020/a"], &["2020/c"]);
        check(r"\bx\b", &["a x b"], &["axb"]);
        check(r"[^\d\D]|[]", &[], &["a", ""]);
    }

    #[test]
    fn a_pattern_that_cannot_be_linear_or_small_is_refused_and_says_why() {
        for (pattern, reason) in [
            (r"^(?=a)", "looks ahead"),
            (r"(?<!a)b", "looks behind"),
            (r"(a)\1", "refers back"),
            (r"(?<n>a)\k<n>", "refers back"),
            (r"\Aabc", "`\\A`, which means nothing"),
            (r"(?i)a", "isn't ECMA-262"),
            (r"[a", "`[` without `]`"),
            (r"a{2,1}", "isn't one that is supported"),
            (r"((a{1000}){1000}){1000}", "too large"),
            (&"(".repeat(500), "isn't one that is supported"),
        ] {
            let refusal = Pattern::compile(pattern, &mut 10_000).err().unwrap_or_default();
            assert!(refusal.contains(reason), "{pattern}: {refusal}");
        }
    }

    #[test]
    fn a_pattern_that_makes_others_backtrack_is_charged_by_length_and_states() {
        let text = format!("{}!", "a".repeat(50_000));
        let compiled = Pattern::compile("^(a+)+$", &mut 10_000).unwrap();
        let mut steps = Steps::new(1_000_000);
        assert_eq!(compiled.is_in(&text, &mut steps).ok(), Some(false));
        assert!(compiled.is_in(&text, &mut Steps::new(100)).is_err());
    }
}
