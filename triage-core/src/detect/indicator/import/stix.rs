//! STIX 2.1 bundles: `indicator` objects, and the part of the pattern language that says what to look for in files.
//!
//! What is read of a pattern: observations in brackets, joined by OR; in them comparisons joined by OR, or a file's name and its folder joined by AND; the operators `=`, `IN`,
//! `LIKE`, `MATCHES` and, for addresses, `ISSUBSET`. Anything else makes the pattern a problem that is listed: half a pattern would find too much or too little.

use super::{Foreign, Import, Sought, address, domain, hash, path_match, refang, text};
use crate::detect::RuleSource;
use serde_json::Value;

/// Reads all indicators of a bundle; says whether it is one.
pub(super) fn read(file: &str, json: &Value, found: &mut Import) -> bool {
    let word = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let objects = match json.get("objects").and_then(Value::as_array) {
        Some(objects) if word(json, "type") == "bundle" => objects.iter().collect(),
        _ if word(json, "type") == "indicator" => vec![json],
        _ => return false,
    };
    for object in objects.into_iter().filter(|object| word(object, "type") == "indicator") {
        let id = word(object, "id");
        let place = || id.clone();
        if object.get("revoked").and_then(Value::as_bool) == Some(true) {
            found.put(&place, Err("its author has revoked it".to_owned()));
            continue;
        }
        let (name, description) = (word(object, "name"), word(object, "description"));
        let foreign = |sought| Foreign {
            sought,
            title: if name.is_empty() { description.clone() } else { name.clone() },
            score: object
                .get("confidence")
                .and_then(Value::as_u64)
                .map(|score| u8::try_from(score.min(100)).unwrap_or(100)),
            source: format!("{file}: {id}"),
        };
        let written = word(object, "pattern");
        match word(object, "pattern_type").as_str() {
            "stix" => match pattern(&written) {
                Ok(all) => all.into_iter().for_each(|sought| found.put(&place, Ok(foreign(sought)))),
                Err(reason) => found.put(&place, Err(reason)),
            },
            "yara" => found.rules.push(RuleSource { name: format!("{file}#{id}"), text: written }),
            other => found.put(&place, Err(format!("patterns of type `{other}` are not read"))),
        }
    }
    true
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Left,
    Right,
    Comma,
    Word(String),
    Text(String),
}

/// What a pattern looks for; any one of it is enough.
pub(super) fn pattern(written: &str) -> Result<Vec<Sought>, String> {
    let tokens = tokens(written)?;
    let mut rest = tokens.as_slice();
    let mut all = Vec::new();
    loop {
        let Some((Token::Open, after)) = rest.split_first() else {
            return Err("an observation in brackets is missing".to_owned());
        };
        let end = after.iter().position(|token| *token == Token::Close).ok_or("a bracket is not closed")?;
        let (observation, after) = after.split_at(end);
        all.extend(comparisons(observation)?);
        rest = after.get(1..).unwrap_or_default();
        match rest.split_first() {
            None => return Ok(all),
            Some((Token::Word(word), after)) if word == "OR" => rest = after,
            Some((Token::Word(word), _)) => return Err(format!("observations joined by {word} are not read")),
            Some(_) => return Err("what follows the bracket is not read".to_owned()),
        }
    }
}

fn comparisons(tokens: &[Token]) -> Result<Vec<Sought>, String> {
    let mut rest = tokens;
    let mut terms: Vec<(String, Vec<Sought>)> = Vec::new();
    let mut joint = None;
    loop {
        // Brackets around a single comparison change nothing.
        let (term, after) = comparison(rest)?;
        terms.push(term);
        match after.split_first() {
            None => break,
            Some((Token::Word(word), after)) if word == "OR" || word == "AND" => {
                if joint.is_some_and(|joint| joint != word) {
                    return Err("AND and OR in one observation are not read".to_owned());
                }
                joint = Some(word);
                rest = after;
            }
            Some(_) => return Err("what follows the comparison is not read".to_owned()),
        }
    }
    if joint.is_none_or(|joint| joint == "OR") {
        return Ok(terms.into_iter().flat_map(|(_, sought)| sought).collect());
    }
    // A name and its folder are one path; several hashes of one file are one file, and the best of them is enough.
    let one = |path: &str| terms.iter().find(|(of, _)| of == path).and_then(|(_, sought)| sought.first());
    if let (Some(Sought::Name(name)), Some(Sought::Path(folder)), 2) =
        (one("file:name"), one("file:parent_directory_ref.path"), terms.len())
    {
        let folder = folder.strip_suffix(b"/").unwrap_or(folder);
        return Ok(vec![Sought::Path([folder, b"/", name].concat())]);
    }
    let hashes = terms.iter().flat_map(|(_, sought)| sought);
    let best = hashes.min_by_key(|sought| match sought {
        Sought::Sha256(_) => 0,
        Sought::Sha1(_) => 1,
        Sought::Md5(_) => 2,
        _ => 3,
    });
    best.filter(|sought| matches!(sought, Sought::Sha256(_) | Sought::Sha1(_) | Sought::Md5(_)))
        .map(|sought| vec![sought.clone()])
        .ok_or_else(|| {
            "comparisons joined by AND are not read, but for a name with its folder and for a hash with other properties"
                .to_owned()
        })
}

type Term = (String, Vec<Sought>);

fn comparison(tokens: &[Token]) -> Result<(Term, &[Token]), String> {
    let [Token::Word(path), Token::Word(operator), rest @ ..] = tokens else {
        return Err("a comparison is not of the form PATH OPERATOR VALUE".to_owned());
    };
    let (values, rest) = match rest {
        [Token::Text(value), rest @ ..] => (vec![value.clone()], rest),
        [Token::Left, rest @ ..] if operator == "IN" => {
            let end = rest.iter().position(|token| *token == Token::Right).ok_or("a list is not closed")?;
            let (list, rest) = rest.split_at(end);
            let values =
                list.iter().filter_map(|token| if let Token::Text(text) = token { Some(text.clone()) } else { None });
            (values.collect(), rest.get(1..).unwrap_or_default())
        }
        _ => return Err(format!("the operator {operator} is not read")),
    };
    let sought = values.iter().map(|value| one(path, operator, value)).collect::<Result<_, _>>()?;
    Ok(((path.clone(), sought), rest))
}

fn one(path: &str, operator: &str, value: &str) -> Result<Sought, String> {
    let wrong = |what: &str| format!("`{}` is no {what}", crate::model::escape(value.as_bytes()));
    match (path, operator) {
        (path, "=" | "IN") if path.starts_with("file:hashes.") => {
            hash(value).ok_or_else(|| wrong("MD5, SHA-1 or SHA-256"))
        }
        ("file:name", "=" | "IN") if value.starts_with('/') => Ok(Sought::Path(value.as_bytes().to_vec())),
        ("file:name", "=" | "IN") => Ok(Sought::Name(value.as_bytes().to_vec())),
        ("file:name", "MATCHES") => path_match(&format!("(^|/)(?:{value})$"), None),
        ("file:name", "LIKE") => path_match(&format!("/{}$", like(value)), None),
        ("directory:path" | "file:parent_directory_ref.path", "=" | "IN") if value.starts_with('/') => {
            Ok(Sought::Path(format!("{}/", value.trim_end_matches('/')).into_bytes()))
        }
        ("directory:path" | "file:parent_directory_ref.path", "LIKE") => {
            path_match(&format!("^{}(/|$)", like(value)), None)
        }
        ("ipv4-addr:value" | "ipv6-addr:value", "=" | "IN" | "ISSUBSET") => {
            address(value).ok_or_else(|| wrong("address or network"))
        }
        ("domain-name:value", "=" | "IN") => domain(value).ok_or_else(|| wrong("domain")),
        ("url:value", "=" | "IN") => text(&refang(value)),
        ("process:command_line" | "artifact:payload_bin", _) => Err(format!("{path} is not looked for in files")),
        _ => Err(format!("{path} {operator} is not read")),
    }
}

/// LIKE's `%` and `_` as a regular expression.
fn like(value: &str) -> String {
    value
        .chars()
        .map(|c| match c {
            '%' => "[^/]*".to_owned(),
            '_' => "[^/]".to_owned(),
            c => regex::escape(c.encode_utf8(&mut [0; 4])),
        })
        .collect()
}

fn tokens(written: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = written.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '[' => tokens.push(Token::Open),
            ']' => tokens.push(Token::Close),
            '(' => tokens.push(Token::Left),
            ')' => tokens.push(Token::Right),
            ',' => tokens.push(Token::Comma),
            '\'' => tokens.push(Token::Text(quoted(&mut rest)?)),
            c if c.is_whitespace() => {}
            '=' => tokens.push(Token::Word("=".to_owned())),
            c => {
                let mut word = c.to_string();
                while let Some(&next) = rest.peek() {
                    if next.is_whitespace() || matches!(next, '[' | ']' | '(' | ')' | ',' | '=') {
                        break;
                    }
                    rest.next();
                    if next == '\'' {
                        // `hashes.'SHA-256'`
                        word.push_str(&quoted(&mut rest)?);
                    } else {
                        word.push(next);
                    }
                }
                tokens.push(Token::Word(word));
            }
        }
        if tokens.len() > 10_000 {
            return Err("the pattern is too long".to_owned());
        }
    }
    Ok(tokens)
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match rest.next() {
            Some('\'') => return Ok(text),
            Some('\\') => text.extend(rest.next()),
            Some(c) => text.push(c),
            None => return Err("a quote is not closed".to_owned()),
        }
    }
}
