//! Where in a JSON text a place is: `items[2].quantity`. For messages to people; serde's errors name
//! only line and column.

/// The path to what ends at this line and column (both from 1, columns in bytes, as serde_json counts
/// them). Empty at the top.
///
/// The text need not be whole: it is read up to the place and no further.
pub fn at(text: &str, line: usize, column: usize) -> String {
    let lines_before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let end = lines_before.map(str::len).sum::<usize>() + column;
    let mut path = Path::default();
    let mut bytes = text.as_bytes()[..end.min(text.len())].iter().enumerate();
    while let Some((start, byte)) = bytes.next() {
        match byte {
            b'{' => path.steps.push(Step::Key(None)),
            b'[' => path.steps.push(Step::Index(0)),
            b'}' | b']' => drop(path.steps.pop()),
            b',' => path.next(),
            b'"' => {
                let mut escaped = false;
                let closing = bytes.find(|(_, byte)| {
                    let closes = **byte == b'"' && !escaped;
                    escaped = **byte == b'\\' && !escaped;
                    closes
                });
                let Some((close, _)) = closing else { break };
                path.text(&text[start + 1..close]);
            }
            _ => {}
        }
    }
    path.write()
}

#[derive(Default)]
struct Path<'a> {
    steps: Vec<Step<'a>>,
}

enum Step<'a> {
    /// In an object; absent until its key was read.
    Key(Option<&'a str>),
    Index(usize),
}

impl<'a> Path<'a> {
    /// A text is a key where none was read yet.
    fn text(&mut self, text: &'a str) {
        if let Some(Step::Key(key @ None)) = self.steps.last_mut() {
            *key = Some(text);
        }
    }

    fn next(&mut self) {
        match self.steps.last_mut() {
            Some(Step::Key(key)) => *key = None,
            Some(Step::Index(index)) => *index += 1,
            None => {}
        }
    }

    fn write(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                Step::Key(None) => {}
                Step::Key(Some(key)) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: serde::de::DeserializeOwned>(text: &str, expected: &str) {
        let error = serde_json::from_str::<T>(text).err().expect("the text fits");
        assert_eq!(at(text, error.line(), error.column()), expected, "{error}");
    }

    #[derive(serde::Deserialize)]
    #[serde(crate = "serde")]
    struct Line {
        #[serde(rename = "quantity")]
        _quantity: u32,
    }

    #[derive(serde::Deserialize)]
    struct Cart {
        #[serde(rename = "lines")]
        _lines: Vec<Line>,
    }

    #[test]
    fn what_is_wrong_is_found_by_its_path() {
        check::<Cart>(r#"{"lines":[{"quantity":1},{"quantity":"two"}]}"#, "lines[1].quantity");
        check::<Cart>("{\n  \"li\\\"ne\": 1,\n  \"lines\": [\n    {\"quantity\": -1}\n  ]\n}", "lines[0].quantity");
        check::<Cart>(r#"{"lines":[{"quantity":1},{}]}"#, "lines[1]");
        check::<Cart>(r#"{"lines":7}"#, "lines");
        check::<Cart>("[]", "");
        check::<Cart>("", "");
        check::<Cart>(r#"{"lines":[{"quantity":1},{"quantity"#, "lines[1]");
    }
}
