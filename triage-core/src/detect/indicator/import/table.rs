//! Lists, CSV and LOKI's files: one entry a line.

use super::{Foreign, Import, Sought, address, domain, hash, named, path, path_match, text};

/// Columns of a CSV by what their headers may be called.
const VALUE: [&str; 4] = ["value", "indicator", "ioc", "observable"];
const TYPE: [&str; 4] = ["type", "indicator_type", "indicator type", "kind"];
const TITLE: [&str; 4] = ["description", "comment", "title", "name"];
const SCORE: [&str; 2] = ["score", "confidence"];
const SOURCE: [&str; 3] = ["source", "reference", "url"];

pub(super) fn read(file: &str, bytes: &[u8], found: &mut Import) {
    let first = bytes
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .find(|line| !line.is_empty() && !line.starts_with(b"#"));
    let header = first.map(|line| String::from_utf8_lossy(line).to_ascii_lowercase()).unwrap_or_default();
    for delimiter in [',', ';', '\t'] {
        let names: Vec<String> = header.split(delimiter).map(|name| name.trim().trim_matches('"').to_owned()).collect();
        let column = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        if let (Some(value), true) = (column(&VALUE), names.len() > 1) {
            let columns = Columns {
                value,
                kind: column(&TYPE),
                title: column(&TITLE),
                score: column(&SCORE),
                source: column(&SOURCE),
            };
            return csv(file, bytes, delimiter, &columns, found);
        }
    }
    lines(file, bytes, found);
}

struct Columns {
    value: usize,
    kind: Option<usize>,
    title: Option<usize>,
    score: Option<usize>,
    source: Option<usize>,
}

fn csv(file: &str, bytes: &[u8], delimiter: char, columns: &Columns, found: &mut Import) {
    let delimiter = u8::try_from(delimiter).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .comment(Some(b'#'))
        .has_headers(true)
        .from_reader(bytes);
    let mut row = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut row) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                let place = || "the table".to_owned();
                return found.put(&place, Err(error.to_string()));
            }
        }
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |column: Option<usize>| {
            column.and_then(|column| row.get(column)).map(|cell| String::from_utf8_lossy(cell).trim().to_owned())
        };
        let value = cell(Some(columns.value)).unwrap_or_default();
        let sought = match cell(columns.kind).filter(|kind| !kind.is_empty()) {
            Some(kind) => named(&kind, &value),
            None => guess(&value),
        };
        let reference = cell(columns.source).filter(|source| !source.is_empty());
        let entry = sought.map(|sought| Foreign {
            sought,
            title: cell(columns.title).unwrap_or_default(),
            score: cell(columns.score).and_then(|score| score.parse::<u8>().ok()).map(|score| score.min(100)),
            source: reference.map_or_else(|| file.to_owned(), |reference| format!("{file}: {reference}")),
        });
        found.put(&|| format!("line {line}"), entry);
    }
}

/// One entry a line, each by its own looks: LOKI's three files, and plain lists.
fn lines(file: &str, bytes: &[u8], found: &mut Import) {
    let mut remark = String::new();
    for (line, number) in bytes.split(|&byte| byte == b'\n').zip(1_u64..) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if let Some(said) = line.strip_prefix('#') {
            // A remark above a list of addresses says what they are.
            said.trim().clone_into(&mut remark);
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let entry = entry(line).map(|(sought, title, score)| Foreign {
            sought,
            title: title.unwrap_or_else(|| remark.clone()),
            score,
            source: file.to_owned(),
        });
        found.put(&|| format!("line {number}"), entry);
    }
}

type Entry = (Sought, Option<String>, Option<u8>);

fn entry(line: &str) -> Result<Entry, String> {
    let (head, tail) = line.split_once(';').map_or((line, None), |(head, tail)| (head.trim(), Some(tail.trim())));
    if let Some(hash) = hash(head) {
        return Ok((hash, tail.map(str::to_owned), None));
    }
    if let Some((score, unless)) = tail.and_then(score) {
        return match address(head).or_else(|| domain(head)) {
            Some(sought) => Ok((sought, None, Some(score))),
            None => path_match(head, unless).map(|sought| (sought, None, Some(score))),
        };
    }
    // What follows the first blank of a hash list, as `sha256sum` writes it, is a file's name.
    if let Some((first, rest)) = line.split_once([' ', ',', '\t'])
        && let Some(hash) = hash(first)
    {
        return Ok((hash, Some(rest.trim_start_matches([' ', '*', ',']).to_owned()), None));
    }
    guess(head).map(|sought| (sought, tail.map(str::to_owned), None))
}

/// `SCORE` or `SCORE;EXCEPTION` of LOKI's list of file names.
fn score(tail: &str) -> Option<(u8, Option<&str>)> {
    let (score, unless) = tail.split_once(';').map_or((tail, None), |(score, unless)| (score, Some(unless)));
    let score = score.trim().parse::<u8>().ok().filter(|&score| score <= 100)?;
    Some((score, unless.filter(|unless| !unless.is_empty())))
}

fn guess(value: &str) -> Result<Sought, String> {
    if value.contains("://") {
        return text(&super::refang(value));
    }
    hash(value)
        .or_else(|| address(value))
        .or_else(|| path(value))
        .or_else(|| domain(value))
        .ok_or_else(|| "it is no hash, address, network, domain, URL or absolute path".to_owned())
}
