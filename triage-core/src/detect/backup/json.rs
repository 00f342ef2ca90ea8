//! The strings of a JSON text with the names that they stand under, without building the document: a backup's may have a hundred megabytes.
//!
//! It is no validator: what PHP would refuse may give strings here, and none of them means more than what it says.

/// Bytes of one string that are kept.
const LONGEST: usize = 64 << 10;

/// Gives each string that is a value, with the last name in front of it and its line.
pub(super) fn strings(text: &[u8], mut found: impl FnMut(&[u8], &[u8], u64)) {
    let mut name: Vec<u8> = Vec::new();
    let (mut at, mut line) = (0, 1_u64);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'\n' => line += 1,
            b'"' => {
                let value = string(text, &mut at);
                let follows = text.get(at..).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace());
                if follows == Some(&b':') {
                    name = value;
                } else {
                    found(&name, &value, line);
                }
            }
            _ => {}
        }
    }
}

/// The string that begins at `at`, which is moved behind its end.
fn string(text: &[u8], at: &mut usize) -> Vec<u8> {
    let mut value = Vec::new();
    let mut push = |bytes: &[u8]| {
        if value.len() < LONGEST {
            value.extend_from_slice(bytes);
        }
    };
    while let Some(&byte) = text.get(*at) {
        *at += 1;
        match byte {
            b'"' => break,
            b'\\' => {
                let escaped = text.get(*at).copied().unwrap_or(b'\\');
                *at += 1;
                match escaped {
                    b'n' => push(b"\n"),
                    b't' => push(b"\t"),
                    b'r' => push(b"\r"),
                    b'b' | b'f' => push(b" "),
                    b'u' => {
                        let digits = text.get(*at..).and_then(|rest| rest.get(..4)).unwrap_or_default();
                        let code = std::str::from_utf8(digits).ok().and_then(|text| u32::from_str_radix(text, 16).ok());
                        *at += digits.len();
                        let character = code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
                        push(character.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    other => push(&[other]),
                }
            }
            byte => push(&[byte]),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(String, String, u64)> {
        let mut all = Vec::new();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        strings(text.as_bytes(), |name, value, line| all.push((lossy(name), lossy(value), line)));
        all
    }

    #[test]
    fn values_have_their_names_and_lines() {
        let text = "{\n \"a\": \"x\\/y\\n\\u0024\\\"\",\n \"b\": [\"1\", {\"c\" : \"2\"}],\n \"n\": 5, \"e\": \"\"}";
        let expected = [("a", "x/y\n$\"", 2), ("b", "1", 3), ("c", "2", 3), ("e", "", 4)];
        assert_eq!(all(text), expected.map(|(name, value, line)| (name.into(), value.into(), line)));
    }

    #[test]
    fn broken_text_ends() {
        for text in ["\"", "\"\\", "\"\\u12", "{\"a\": \"\\uzzzz", "\\\"\"", "\"a\":"] {
            all(text);
        }
    }
}
