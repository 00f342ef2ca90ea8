//! Bytes that an intruder may have chosen, and how they are shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Text for people: what is printable stays, everything that could forge a line, move a cursor or hide is escaped.
///
/// `\` becomes `\\`; a newline, tab or carriage return `\n`, `\t`, `\r`; other control characters and bytes that are not UTF-8
/// `\xNN`; direction marks, zero-width and other invisible characters `\u{NNNN}`. The result is one line, and two
/// different inputs never give the same text.
pub fn escape(bytes: &[u8]) -> String {
    use fmt::Write as _;
    // Nearly all names are of these.
    if let Some(plain) = printable_ascii(bytes) {
        return plain.to_owned();
    }
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                    let _ = write!(out, "\\x{:02x}", u32::from(c));
                }
                c if is_deceptive(c) => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Says whether the bytes are shown as they are, that is whether [`escape`] changes nothing.
pub fn is_plain(bytes: &[u8]) -> bool {
    printable_ascii(bytes).is_some()
        || std::str::from_utf8(bytes).is_ok_and(|text| {
            !text.chars().any(|c| c == '\\' || u32::from(c) < 0x20 || c == '\u{7f}' || is_deceptive(c))
        })
}

/// The bytes as text where each is a printable character of ASCII, and none the one that begins an escape.
fn printable_ascii(bytes: &[u8]) -> Option<&str> {
    let is_printable = bytes.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\');
    if is_printable { std::str::from_utf8(bytes).ok() } else { None }
}

/// Characters that a terminal or page does not show as what they are: C1 controls, direction marks, zero-width
/// and other default-ignorable characters, exotic spaces, line separators, private use.
fn is_deceptive(c: char) -> bool {
    matches!(u32::from(c),
        0x80..=0xa0 | 0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x1680 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
        | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f | 0x2800 | 0x3000 | 0x3164
        | 0xe000..=0xf8ff | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
        | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff | 0xf0000..=0x0010_ffff)
}

/// A short piece of evidence text, kept as bytes.
///
/// In JSON it is a plain string where [`is_plain`] holds, else `{"display": escaped, "b64": bytes}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RawText(Vec<u8>);

impl RawText {
    /// The bytes as found.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Says whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&[u8]> for RawText {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for RawText {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&str> for RawText {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Display for RawText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0))
    }
}

impl fmt::Debug for RawText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Wire {
    Plain(String),
    Escaped { display: String, b64: String },
}

impl Serialize for RawText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) if is_plain(&self.0) => serializer.serialize_str(text),
            _ => Wire::Escaped { display: escape(&self.0), b64: BASE64.encode(&self.0) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RawText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Wire::deserialize(deserializer)? {
            Wire::Plain(text) => Ok(Self(text.into_bytes())),
            Wire::Escaped { b64, .. } => BASE64.decode(b64).map(Self).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newline_in_a_name_cannot_forge_a_second_line() {
        assert_eq!(escape(b"a\nok: nothing found"), "a\\nok: nothing found");
    }

    #[test]
    fn terminal_sequences_and_direction_marks_are_defused() {
        assert_eq!(escape(b"\x1b[2Jx"), "\\x1b[2Jx");
        assert_eq!(escape("photo\u{202e}gpj.php".as_bytes()), "photo\\u{202e}gpj.php");
        assert_eq!(escape("a\u{9b}31m".as_bytes()), "a\\u{9b}31m");
    }

    #[test]
    fn bytes_that_are_not_utf8_survive_json() {
        let raw = RawText::from(&b"bad\xff.log"[..]);
        let json = serde_json::to_string(&raw).unwrap();
        assert_eq!(json, r#"{"display":"bad\\xff.log","b64":"YmFk/y5sb2c="}"#);
        assert_eq!(serde_json::from_str::<RawText>(&json).unwrap(), raw);
    }

    #[test]
    fn a_literal_backslash_is_not_taken_for_an_escape() {
        assert_ne!(escape(br"\n"), escape(b"\n"));
        assert!(!is_plain(br"\n"));
    }
}
