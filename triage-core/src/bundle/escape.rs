//! Payload paths: how a name of any bytes lies in a bag that every BagIt reader, `sha256sum -c`, tar and zip agree on.
//!
//! The rules are normative in `docs/formats/bundle.md`.

use crate::model::{Digest, EvidencePath};
use std::fmt::Write as _;

/// Where files lie under their own, escaped, paths.
pub(crate) const FILES: &str = "data/files/";
/// Where files lie whose escaped path would be too long.
pub(crate) const LONG: &str = "data/long/";
/// Longest component that a Linux file system holds.
const MAX_COMPONENT: usize = 255;
/// Longest payload path, so that an unpacked bag fits beneath any folder.
const MAX_PATH: usize = 1024;

/// The payload path of a file: `data/files/` and its escaped path, or `data/long/` and the SHA-256 of its raw path.
///
/// Two different paths never have the same payload path, short of a collision of SHA-256.
pub fn payload_path(path: &EvidencePath) -> String {
    let mut out = String::from(FILES);
    for (at, component) in path.components().enumerate() {
        if at > 0 {
            out.push('/');
        }
        let start = out.len();
        escape_component(component, &mut out);
        if out.len() - start > MAX_COMPONENT || out.len() > MAX_PATH {
            return long_path(path);
        }
    }
    out
}

/// The payload path that depends on nothing but the digest of the raw path.
pub(crate) fn long_path(path: &EvidencePath) -> String {
    format!("{LONG}{}", Digest::of(path.as_bytes()))
}

/// The file that a payload path stands for; `None` for `data/long/…`, for other places, and for a spelling that
/// [`payload_path`] never gives.
pub fn evidence_path(payload: &str) -> Option<EvidencePath> {
    let escaped = payload.strip_prefix(FILES)?;
    let mut bytes = Vec::with_capacity(escaped.len() + 1);
    bytes.push(b'/');
    let mut rest = escaped.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        if byte == b'~' {
            let (high, low) = (hex(*rest.next()?)?, hex(*rest.next()?)?);
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    let path = EvidencePath::new(&bytes).ok()?;
    // One file has one spelling: what decodes but is not what would be written is refused.
    (path.as_bytes() == bytes && payload_path(&path) == payload).then_some(path)
}

fn escape_component(component: &[u8], out: &mut String) {
    let mut at = 0;
    for chunk in component.utf8_chunks() {
        for c in chunk.valid().chars() {
            let is_edge =
                (c == ' ' && (at == 0 || at + 1 == component.len())) || (c == '.' && at + 1 == component.len());
            if is_plain(c) && !is_edge {
                out.push(c);
            } else {
                escape_bytes(c.encode_utf8(&mut [0; 4]).as_bytes(), out);
            }
            at += c.len_utf8();
        }
        escape_bytes(chunk.invalid(), out);
        at += chunk.invalid().len();
    }
}

fn escape_bytes(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "~{byte:02X}");
    }
}

/// The allow-list: ASCII letters, digits and harmless signs, and the letters of the scripts that have one spelling each.
fn is_plain(c: char) -> bool {
    match u32::from(c) {
        0..=0x7f => c.is_ascii_alphanumeric() || " !#$&'()+,-.=@[]^_{}".contains(c),
        0xc0..=0x24f | 0x400..=0x45f | 0x3041..=0x30fa | 0x4e00..=0x9fff | 0xac00..=0xd7a3 => c.is_alphabetic(),
        _ => false,
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn payload(path: &[u8]) -> String {
        payload_path(&EvidencePath::new(path).unwrap())
    }

    #[test]
    fn ordinary_names_stay_readable() {
        for name in
            ["/etc/passwd", "/var/www/html/wp-content/a b (1).php", "/srv/grün/Отчёт/日本語/한국.txt", "/a/.htaccess"]
        {
            assert_eq!(payload(name.as_bytes()), format!("data/files{name}"));
        }
    }

    #[test]
    fn names_that_would_split_a_manifest_line_are_escaped() {
        assert_eq!(payload(b"/new\nline"), "data/files/new~0Aline");
        assert_eq!(payload(b"/back\\slash"), "data/files/back~5Cslash");
        assert_eq!(payload(b"/bad\xff.log"), "data/files/bad~FF.log");
        // Info-ZIP's `unzip` takes `;1` at the end for a VMS version number and drops it.
        assert_eq!(payload(b"/a;1"), "data/files/a~3B1");
        assert_eq!(payload(b"/~tilde%0A"), "data/files/~7Etilde~250A");
        assert_eq!(payload(b"/ lead/trail /dots.."), "data/files/~20lead/trail~20/dots.~2E");
        assert_eq!(payload("/a\u{a0}b\u{2003}c\u{2028}".as_bytes()), "data/files/a~C2~A0b~E2~80~83c~E2~80~A8");
        // A composed and a decomposed letter are two names; BagIt readers that normalise must not take them for one.
        assert_ne!(payload("/é".as_bytes()), payload("/e\u{301}".as_bytes()));
        assert!(payload("/e\u{301}".as_bytes()).ends_with("e~CC~81"));
        assert_eq!(payload("/×÷".as_bytes()), "data/files/~C3~97~C3~B7");
    }

    #[test]
    fn a_name_too_long_to_unpack_is_stored_by_its_digest() {
        let long = [b"/".as_slice(), &[0xff; 86]].concat();
        assert_eq!(payload(&long), format!("data/long/{}", Digest::of(&long)));
        assert!(payload(&[b"/".as_slice(), &[b'a'; 255]].concat()).starts_with(FILES));
        let deep = b"/abcdefg".repeat(500);
        assert!(payload(&deep).starts_with(LONG));
    }

    #[test]
    fn a_second_spelling_of_a_file_is_refused() {
        for payload in [
            "data/files/~41",
            "data/files/a~0a",
            "data/files/a~",
            "data/files/a~4",
            "data/files//a",
            "data/files/a/../b",
            "data/files/./a",
            "data/files/a ",
            "data/files/~2Fetc",
            "data/files/a/",
            "data/other/a",
            "data/files/~00",
        ] {
            assert_eq!(evidence_path(payload), None, "{payload}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(bytes in proptest::collection::vec(any::<u8>(), 1..60)) {
            if let Ok(path) = EvidencePath::new(&bytes) && !path.is_root() {
                let payload = payload_path(&path);
                prop_assert!(!payload.chars().any(|c| c.is_control() || "\\:;%*\"<>|?`".contains(c)));
                if payload.starts_with(FILES) {
                    prop_assert_eq!(evidence_path(&payload), Some(path));
                }
            }
        }
    }
}
