//! Clear-signed text: the framework that `OpenPGP` puts around a text that stays readable (RFC 4880, section 7).
//!
//! One reading serves both who checks the signature and who reads the text: what is believed is, line by line, what was hashed. Two readings that
//! disagree about where the text begins, or about a blank at the end of a line, are how signed text is forged.

use super::line::{Line, lines};
use super::module_sig::Oddity;

const BEGIN: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";

/// The most bytes of armoured signatures that are kept; one by RSA-4096 has under a thousand.
const MAX_ARMOUR: usize = 64 * 1024;

/// The first clear-signed message of a file.
#[derive(Clone, Debug, Default)]
pub struct ClearSigned<'a> {
    /// The lines between the headers and the signature, their dash-escapes undone and their ends as they stand.
    lines: Vec<Line<'a>>,
    armour: Vec<u8>,
    is_whole: bool,
    /// What no genuine file has.
    pub oddities: Vec<Oddity>,
}

impl<'a> ClearSigned<'a> {
    /// Finds the message. Text outside of it is an oddity and counts for nothing.
    pub fn read(bytes: &'a [u8]) -> Self {
        enum At {
            Before,
            Headers,
            Text,
            Signature,
            After,
        }
        let mut at = At::Before;
        let mut read = Self::default();
        for mut line in lines(bytes) {
            if line.text.ends_with(b"\r") {
                read.oddities.push(Oddity::CarriageReturns);
            }
            let text = line.text.trim_ascii_end();
            match at {
                At::Before if text == BEGIN => at = At::Headers,
                At::Before | At::After if text.is_empty() => {}
                At::Before => read.oddities.push(Oddity::TextBeforeMessage),
                At::Headers if text.is_empty() => at = At::Text,
                At::Headers if text.starts_with(b"Hash: ") => {}
                At::Headers => read.oddities.push(Oddity::UnknownHeader),
                At::Text if text == SIGNATURE => {
                    read.keep(text);
                    at = At::Signature;
                }
                At::Text => {
                    if let Some(rest) = line.text.strip_prefix(b"- ") {
                        read.oddities.push(Oddity::DashEscapes);
                        line.text = rest;
                    } else if line.text.starts_with(b"-") {
                        read.oddities.push(Oddity::UnescapedDash);
                    }
                    if trimmed(line.text).contains(&b'\r') {
                        read.oddities.push(Oddity::StrayCarriageReturn);
                    }
                    read.lines.push(line);
                }
                At::Signature => {
                    read.keep(text);
                    if text == END {
                        at = At::After;
                    }
                }
                At::After => read.oddities.push(Oddity::TextAfterSignature),
            }
            // A file of nothing but oddities is not to fill the memory with them.
            read.oddities.dedup();
        }
        match at {
            At::Before => read.oddities = vec![Oddity::NotSigned],
            At::After => read.is_whole = true,
            _ => read.oddities.push(Oddity::CutShort),
        }
        read
    }

    fn keep(&mut self, line: &[u8]) {
        if self.armour.len() + line.len() < MAX_ARMOUR {
            self.armour.extend_from_slice(line);
            self.armour.push(b'\n');
        }
    }

    /// The signed lines, numbered as in the file.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        self.lines.iter().copied()
    }

    /// The text as it was hashed: spaces, tabs and carriage returns at the ends of lines are gone, each line ends in CR LF but the last, whose end
    /// belongs to the signature. None where another reader could see other lines in it, so that a signature over it proves nothing.
    pub fn signed_text(&self) -> Option<Vec<u8>> {
        if !self.is_whole || self.oddities.contains(&Oddity::StrayCarriageReturn) {
            return None;
        }
        let mut text = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            if at > 0 {
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(trimmed(line.text));
        }
        Some(text)
    }

    /// The armoured signatures, with their first and last line.
    pub fn armour(&self) -> &[u8] {
        &self.armour
    }
}

/// What of a line is signed.
fn trimmed(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| !matches!(b, b' ' | b'\t' | b'\r')).map_or(0, |at| at + 1);
    line.get(..end).unwrap_or(line)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        format!("{0}\nHash: SHA1\n\n{text}{1}\n\n=x\n{2}\n", utf8(BEGIN), utf8(SIGNATURE), utf8(END))
    }

    fn utf8(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    fn signed(text: &str) -> Option<String> {
        ClearSigned::read(message(text).as_bytes()).signed_text().map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn blanks_and_line_ends_do_not_count_and_the_last_line_end_is_not_signed() {
        assert_eq!(signed("a  \nb\t\r\n\n c\n").unwrap(), "a\r\nb\r\n\r\n c");
        assert_eq!(signed("a\n").unwrap(), "a");
        assert_eq!(signed("").unwrap(), "");
        assert_eq!(signed("a\n\n").unwrap(), "a\r\n");
    }

    #[test]
    fn dash_escapes_are_undone_once() {
        assert_eq!(signed("- -----BEGIN X\n- - y\n-z\n").unwrap(), "-----BEGIN X\r\n- y\r\n-z");
        let text = message("-z\n");
        assert_eq!(ClearSigned::read(text.as_bytes()).oddities, [Oddity::UnescapedDash]);
    }

    #[test]
    fn a_line_that_another_reader_would_split_is_not_signed_text() {
        assert_eq!(signed("a = 1\rb = 2\n"), None);
    }

    #[test]
    fn what_breaks_off_is_not_signed_text() {
        let whole = message("a\n");
        for cut in ["-----BEGIN PGP SIGNATURE-----", "-----END"] {
            let part = whole.split(cut).next().unwrap();
            let read = ClearSigned::read(part.as_bytes());
            assert_eq!((read.signed_text(), read.oddities), (None, vec![Oddity::CutShort]), "{cut}");
        }
    }

    #[test]
    fn only_the_first_message_counts_and_its_armour_is_bounded() {
        let two = message("a\n") + &message("b\n");
        let read = ClearSigned::read(two.as_bytes());
        assert_eq!(read.signed_text().unwrap(), b"a");
        assert_eq!(read.oddities, [Oddity::TextAfterSignature]);
        assert!(read.armour().starts_with(SIGNATURE) && read.armour().ends_with(b"SIGNATURE-----\n"));
        let long = format!("{}\n\n{}\n{}", utf8(BEGIN), utf8(SIGNATURE), "x\n".repeat(100_000));
        assert!(ClearSigned::read(long.as_bytes()).armour().len() <= MAX_ARMOUR);
    }
}
