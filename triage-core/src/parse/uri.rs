//! What a request looks like behind the escapes that stand in a log.
//!
//! Two layers: the server escapes what it logs (`ap_escape_logitem` of Apache: `\"`, `\\`, `\xhh`; nginx: `\xHH`), and the client escapes what
//! it asks for (RFC 3986, section 2.1), sometimes twice to get past a filter. A lone backslash that escapes nothing stays: some servers log
//! it raw, and it tells an attack on `FreePBX` from its own requests.

/// Undoes the server's escapes: appends to `out`.
pub fn unescape_log(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match tail {
            [b'"' | b'\\', ..] => {
                out.extend(tail.first());
                rest = tail.get(1..).unwrap_or_default();
            }
            [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(nibble(*high) << 4 | nibble(*low));
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => out.push(byte),
        }
    }
}

/// Undoes one layer of percent escapes: appends to `out`. With `is_query`, `+` is a blank.
pub fn percent_decode(text: &[u8], is_query: bool, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'%', [high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(nibble(*high) << 4 | nibble(*low));
                rest = tail.get(2..).unwrap_or_default();
            }
            // `%u0041` of old Microsoft servers, which filters knew and others did not.
            (b'%', [b'u' | b'U', b'0', b'0', high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(nibble(*high) << 4 | nibble(*low));
                rest = tail.get(5..).unwrap_or_default();
            }
            (b'+', _) if is_query => out.push(b' '),
            _ => out.push(byte),
        }
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// Says whether there is anything to undo.
pub fn has_escapes(text: &[u8]) -> bool {
    memchr::memchr3(b'%', b'\\', b'+', text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(text: &str) -> String {
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        unescape_log(text.as_bytes(), &mut plain);
        percent_decode(&plain, true, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_layers_are_undone_and_raw_backslashes_stay() {
        assert_eq!(once(r"a\x22b\\c\d%27+%5Cx%5cy"), "a\"b\\c\\d' \\x\\y");
        assert_eq!(once(r"FreePBX\modules\endpoint"), r"FreePBX\modules\endpoint");
        assert_eq!(once("%2527"), "%27");
        assert_eq!(once("%"), "%");
        assert_eq!(once("%zz%4"), "%zz%4");
        assert_eq!(once(r"\"), r"\");
    }
}
