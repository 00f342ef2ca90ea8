//! `module.xml` of a `FreePBX` module: only its name, version and repository.
//!
//! The framework reads these files tolerantly, and real ones hold change logs that are not well-formed XML, so this looks for
//! the direct children of the root element and gives no verdict on the rest. Entities are not expanded, beyond the five of XML;
//! nothing is fetched.

use super::Limits;
use super::line::find;
use crate::model::{EvidencePath, Gap, GapReason, Outcome};
use serde::Serialize;

/// What a `module.xml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModuleXml {
    /// `rawname`, the name of the folder.
    pub raw_name: Option<String>,
    /// `version`.
    pub version: Option<String>,
    /// `repo`.
    pub repository: Option<String>,
}

/// Reads the three values; of an element that stands there twice, the first counts.
///
/// A value longer than 1000 bytes or than the limit, or one that is not UTF-8, is left out with a gap.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<ModuleXml> {
    let mut module = ModuleXml::default();
    let mut gaps = Vec::new();
    let mut open: Vec<&[u8]> = Vec::new();
    let mut rest = bytes;
    let mut elements = 0;
    while let Some(tag) = next_tag(&mut rest) {
        match tag {
            Tag::Open(name) => {
                let text = rest.get(..find(rest, b"<").unwrap_or(rest.len())).unwrap_or_default().trim_ascii();
                let field = match (open.len(), name) {
                    (1, b"rawname") => Some(&mut module.raw_name),
                    (1, b"version") => Some(&mut module.version),
                    (1, b"repo") => Some(&mut module.repository),
                    _ => None,
                };
                if let Some(field @ None) = field
                    && !text.is_empty()
                {
                    match std::str::from_utf8(text) {
                        Ok(text) if text.len() <= limits.max_line_bytes.min(1000) => *field = Some(unescape(text)),
                        _ => gaps.push(Gap::new(
                            path.clone(),
                            GapReason::Unreadable,
                            format!("`{}` is too long or no text", String::from_utf8_lossy(name)),
                        )),
                    }
                }
                // What is nested deeper is of no interest, and a file of opening tags is not to cost quadratic time.
                if open.len() < 64 {
                    open.push(name);
                }
            }
            // A closing tag closes what is inside it too, so that one unclosed element in a change log does not hide the rest.
            Tag::Close(name) => {
                if let Some(at) = open.iter().rposition(|other| *other == name) {
                    open.truncate(at);
                }
            }
        }
        elements += 1;
        if elements >= limits.max_records || gaps.len() >= 3 {
            gaps.push(Gap::new(path.clone(), GapReason::LimitReached, format!("more than {elements} elements")));
            break;
        }
    }
    if elements == 0 {
        gaps.push(Gap::new(path.clone(), GapReason::Unreadable, "it has no XML element"));
    }
    Outcome { value: module, gaps }
}

enum Tag<'a> {
    Open(&'a [u8]),
    Close(&'a [u8]),
}

/// The next element that opens or closes. Comments, CDATA, declarations and empty elements are passed over.
fn next_tag<'a>(rest: &mut &'a [u8]) -> Option<Tag<'a>> {
    loop {
        let at = find(rest, b"<")?;
        let text = rest.get(at..)?;
        let skip = |from: &'static [u8], to: &'static [u8]| {
            let inner = text.strip_prefix(from)?;
            Some(find(inner, to).and_then(|end| inner.get(end + to.len()..)).unwrap_or_default())
        };
        if let Some(after) = skip(b"<!--", b"-->").or_else(|| skip(b"<![CDATA[", b"]]>")).or_else(|| skip(b"<?", b"?>"))
        {
            *rest = after;
            continue;
        }
        let inner = text.get(1..)?;
        let (is_close, inner) = inner.strip_prefix(b"/").map_or((false, inner), |inner| (true, inner));
        let length =
            inner.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_.:".contains(b))).unwrap_or(inner.len());
        let (name, after) = inner.split_at_checked(length)?;
        if name.is_empty() {
            // A bare `<` in text, or `<!DOCTYPE`.
            *rest = inner;
            continue;
        }
        let end = find(after, b">")?;
        let is_empty = after.get(..end)?.ends_with(b"/");
        *rest = after.get(end + 1..)?;
        match (is_close, is_empty) {
            (true, _) => return Some(Tag::Close(name)),
            (false, false) => return Some(Tag::Open(name)),
            (false, true) => {}
        }
    }
}

fn unescape(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}
