//! The folders that a web server serves, from Apache's or nginx's configuration, so that they are looked at wherever they lie.

use super::Limits;
use super::line::{Line, Reading, lines};
use crate::model::{EvidencePath, Outcome};
use serde::Serialize;

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Apache: one directive a line, names in any case.
    Apache,
    /// nginx: directives end at `;` or `{`.
    Nginx,
}

/// A folder that is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServedFolder {
    /// Line on which the directive begins, from 1.
    pub line: u64,
    /// The directive in lower case: `documentroot`, `alias`, `scriptalias`, `directory`; `root`, `alias`.
    pub directive: String,
    /// The folder.
    #[serde(flatten)]
    pub path: EvidencePath,
}

/// Reads the folders. A relative path, and one with a variable in it, is a gap.
pub fn parse(path: &EvidencePath, flavour: Flavour, bytes: &[u8], limits: &Limits) -> Outcome<Vec<ServedFolder>> {
    let mut reading = Reading::new(path, limits);
    match flavour {
        Flavour::Apache => apache(bytes, &mut reading),
        Flavour::Nginx => nginx(bytes, &mut reading),
    }
    reading.finish()
}

fn apache(bytes: &[u8], reading: &mut Reading<'_, ServedFolder>) {
    let mut open: Option<(u64, Vec<u8>)> = None;
    for line in lines(bytes) {
        let (number, mut whole) = open.take().unwrap_or((line.number, Vec::new()));
        let text = line.text.trim_ascii_end();
        let continued = text.strip_suffix(b"\\");
        whole.extend_from_slice(continued.unwrap_or(text));
        if !reading.fits(&Line { number, text: &whole }) {
            continue;
        }
        if continued.is_some() {
            open = Some((number, whole));
        } else if !apache_line(number, &whole, reading) {
            return;
        }
    }
    if let Some((number, whole)) = open {
        apache_line(number, &whole, reading);
    }
}

/// Reads one directive; false when there is room for no more.
fn apache_line(line: u64, text: &[u8], reading: &mut Reading<'_, ServedFolder>) -> bool {
    let text = text.trim_ascii();
    if text.starts_with(b"#") {
        return true;
    }
    let is_section = text.starts_with(b"<");
    let inner = text.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")).unwrap_or(text);
    let mut words = apache_words(inner).into_iter();
    let Some(name) = words.next() else { return true };
    let name = name.to_ascii_lowercase();
    let folder = match (name.as_slice(), is_section) {
        (b"documentroot", false) => words.next(),
        (b"alias" | b"scriptalias", false) => words.nth(1),
        // `<Directory ~ "…">` is a regular expression, no folder.
        (b"directory", true) => words.next().filter(|word| word != b"~"),
        _ => return true,
    };
    let Some(folder) = folder else { return true };
    serve(line, &name, &folder, reading)
}

/// Words as Apache's `ap_getword_conf` takes them: quoted by `"` or `'`, in which a backslash keeps a quote.
pub(super) fn apache_words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some((&first, tail)) = rest.split_first() {
        let mut word = Vec::new();
        let mut used = 0;
        if matches!(first, b'"' | b'\'') {
            used = 1;
            let mut bytes = tail.iter().copied();
            while let Some(byte) = bytes.next() {
                used += 1;
                match byte {
                    b'\\' => {
                        let next = bytes.next();
                        used += usize::from(next.is_some());
                        if !next.is_some_and(|next| next == first || next == b'\\') {
                            word.push(byte);
                        }
                        word.extend(next);
                    }
                    byte if byte == first => break,
                    byte => word.push(byte),
                }
            }
        } else {
            word.extend(rest.iter().take_while(|byte| !byte.is_ascii_whitespace()));
            used += word.len();
        }
        words.push(word);
        rest = rest.get(used..).unwrap_or_default().trim_ascii_start();
    }
    words
}

fn nginx(bytes: &[u8], reading: &mut Reading<'_, ServedFolder>) {
    let limit = reading.limit();
    // No directive of interest has more than two words; a server_name may have thousands.
    let trouble =
        nginx_directives(bytes, limit, 3, |line, words, end| end != b';' || nginx_directive(line, words, reading));
    if let Some(line) = trouble {
        reading.unreadable(line, "a word of it is too long");
    }
}

/// Gives each directive: the line on which it begins, at most `max_words` of its words without quotes, and what ends it (`;`, `{` or `}`), until
/// `found` says that there is room for no more. The result is the line of a word longer than `limit` bytes, at which it stops.
pub(super) fn nginx_directives(
    bytes: &[u8],
    limit: usize,
    max_words: usize,
    mut found: impl FnMut(u64, &[Vec<u8>], u8) -> bool,
) -> Option<u64> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut is_comment = false;
    let (mut line, mut start) = (1, 1);
    let mut bytes = bytes.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\n' {
            line += 1;
            is_comment = false;
        }
        if is_comment {
            continue;
        }
        if word.as_ref().is_some_and(|word| word.len() > limit) {
            return Some(start);
        }
        match (quote, byte) {
            (_, b'\\') => {
                // nginx drops the backslash only before a quote and itself.
                let next = bytes.next();
                line += u64::from(next == Some(b'\n'));
                let word = word.get_or_insert_default();
                if !matches!(next, Some(b'"' | b'\'' | b'\\')) {
                    word.push(byte);
                }
                word.extend(next);
            }
            (Some(open), byte) if byte == open => quote = None,
            (None, b'#') if word.is_none() => is_comment = true,
            (None, b'"' | b'\'') if word.is_none() => {
                quote = Some(byte);
                word = Some(Vec::new());
            }
            // `${name}` is a variable, not a block.
            (None, b'{') if word.as_ref().is_some_and(|word| word.ends_with(b"$")) => {
                let word = word.get_or_insert_default();
                word.push(byte);
                while let Some(inner) = bytes.next_if(|&inner| !matches!(inner, b'}' | b';' | b'\n')) {
                    word.push(inner);
                }
                word.extend(bytes.next_if_eq(&b'}'));
            }
            (None, b';' | b'{' | b'}') => {
                words.extend(word.take());
                if !found(start, &words, byte) {
                    return None;
                }
                words.clear();
            }
            (None, byte) if byte.is_ascii_whitespace() => words.extend(word.take()),
            (_, byte) => word.get_or_insert_default().push(byte),
        }
        if words.is_empty() && (word.is_none() || word.as_ref().is_some_and(|word| word.len() <= 1)) {
            start = line;
        }
        words.truncate(max_words);
    }
    None
}

fn nginx_directive(line: u64, words: &[Vec<u8>], reading: &mut Reading<'_, ServedFolder>) -> bool {
    match words {
        [name, folder] if name == b"root" || name == b"alias" => serve(line, name, folder, reading),
        _ => true,
    }
}

fn serve(line: u64, directive: &[u8], folder: &[u8], reading: &mut Reading<'_, ServedFolder>) -> bool {
    if folder.contains(&b'$') {
        reading.unreadable(line, "the folder's name has a variable in it");
        return true;
    }
    // Apache's own default section for the whole machine serves nothing.
    if folder == b"/" {
        return true;
    }
    if !folder.starts_with(b"/") {
        reading.unreadable(line, "the folder is relative to one that is not known here");
        return true;
    }
    let Ok(path) = EvidencePath::new(folder) else {
        reading.unreadable(line, "the folder's name is not a normal path");
        return true;
    };
    reading.push(ServedFolder { line, directive: String::from_utf8_lossy(directive).into_owned(), path })
}
