//! What one pass over a content tells, and regular expressions find out at great cost: they would have to be tried at every quotation mark and at
//! every variable.

/// The shape of a content. A function of its bytes alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Length of the longest run of letters, digits, `_`, `+` and `/` that follows a quotation mark: base64 in one piece is one.
    pub(super) blob: usize,
    /// Calls of functions that a variable names (`$f($x)`, `$f['x']("y")`) and that are given a variable or a text.
    pub(super) calls: usize,
}

impl Shape {
    pub(super) fn of(content: &[u8]) -> Self {
        let mut shape = Self::default();
        // What lies before it was looked at with the mark before.
        let mut next = 0;
        for mark in memchr::memchr3_iter(b'"', b'\'', b'$', content) {
            if mark < next {
                continue;
            }
            let at = mark + 1;
            let rest = content.get(at..).unwrap_or_default();
            if content.get(mark) == Some(&b'$') {
                let name = count(rest, is_word);
                if (1..=30).contains(&name) && is_call(rest.get(name..).unwrap_or_default()) {
                    let before = content.get(..mark).unwrap_or_default();
                    shape.calls += usize::from(begins_expression(before));
                }
                next = at + name;
            } else {
                let run = count(rest, |byte| is_word(byte) || matches!(byte, b'+' | b'/'));
                shape.blob = shape.blob.max(run);
                next = at + run;
            }
        }
        shape
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn count(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|&&byte| is(byte)).count()
}

/// Without the blanks that it begins with, if they are few.
fn after_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = count(bytes.get(..bytes.len().min(8)).unwrap_or_default(), |byte| byte.is_ascii_whitespace());
    bytes.get(blanks..).unwrap_or_default()
}

/// Says whether behind a variable's name stands a call with a variable or a text, an index before it or not.
fn is_call(rest: &[u8]) -> bool {
    let mut rest = after_blanks(rest);
    if rest.first() == Some(&b'[') {
        let index = rest.get(1..rest.len().min(22)).unwrap_or_default();
        let Some(end) = index.iter().position(|&byte| matches!(byte, b']' | b'\n')) else { return false };
        rest = after_blanks(rest.get(end + 2..).unwrap_or_default());
    }
    let Some(argument) = rest.strip_prefix(b"(") else { return false };
    let argument = after_blanks(argument);
    let argument = argument.strip_prefix(b"@").unwrap_or(argument);
    matches!(argument.first(), Some(b'$' | b'"' | b'\''))
}

/// Says whether a variable behind these bytes begins an expression: it is no method, no property and no class.
fn begins_expression(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    match before.last() {
        Some(b':') => !before.ends_with(b"::"),
        Some(byte) => {
            matches!(byte, b'=' | b';' | b'(' | b'{' | b'}' | b'!' | b',' | b'?' | b'.' | b'@' | b'&' | b'|' | b'[')
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_run_behind_a_quotation_mark_counts() {
        let blob = |text: &str| Shape::of(text.as_bytes()).blob;
        assert_eq!(blob("$x = 'abc+/9_=='; $y = \"ab\";"), 7);
        assert_eq!(blob("no quotation mark before a long_run_of_letters"), 0);
        assert_eq!(blob(&format!("('{}')", "A".repeat(500))), 500);
        assert_eq!(blob("'"), 0);
    }

    #[test]
    fn calls_of_what_a_variable_names_are_counted() {
        let calls = |text: &str| Shape::of(text.as_bytes()).calls;
        for text in ["$f($x);", "= $f ( @$x)", "{$f['a']( \"b\")", ";\n$f('x')", "? $a('b')", "@$f($_POST[1])"] {
            assert_eq!(calls(text), 1, "{text}");
        }
        for text in ["$this->$f($x)", "A::$f($x)", "new $class($x)", "$f(1)", "$f()", "$ ($x)", "$f[\n]($x)", "$f", "$"]
        {
            assert_eq!(calls(text), 0, "{text}");
        }
        assert_eq!(calls("$a($b($c('d')));"), 3);
    }

    #[test]
    fn hostile_contents_take_one_pass() {
        for (text, blob, calls) in
            [("$", 0, 0), ("'", 0, 0), ("$a", 0, 0), ("$a[", 0, 0), ("'a", 1, 0), ("$a(", 0, 1), ("$\n", 0, 0)]
        {
            let content = text.repeat(1_000_000 / text.len());
            let shape = Shape::of(content.as_bytes());
            // The last of a row of calls has no argument.
            let row = 1_000_000 / text.len() - 1;
            assert_eq!((shape.blob, shape.calls), (blob, calls * row), "{text}");
        }
    }
}
