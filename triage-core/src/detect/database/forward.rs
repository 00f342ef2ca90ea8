//! Calls that go on to numbers outside: forwards and follow-me in Asterisk's own database, ring groups and follow-me in rows.

use super::{Court, Grade, Rule, attribute};
use crate::detect::Report;
use crate::model::{AstdbEntry, Category, Finding, Severity, Subject};
use crate::sweep::Swept;

const ABROAD: Rule = Rule {
    id: "TR-DB-0095",
    title: "Calls are forwarded abroad",
    category: Category::TollFraud,
    attack: &["T1496"],
    source: "Asterisk: families `CF`, `CFB`, `CFU` of astdb; modules findmefollow and ringgroups",
    grade: Grade::Derived,
};
const OUTSIDE: Rule = Rule {
    id: "TR-DB-0096",
    title: "Calls are forwarded to a number outside",
    category: Category::TollFraud,
    attack: &["T1496"],
    source: "Asterisk: families `CF`, `CFB`, `CFU` of astdb; modules findmefollow and ringgroups",
    grade: Grade::Derived,
};

/// The shortest number that is none of the PBX's own, in digits.
const OUTSIDE_DIGITS: usize = 7;

/// Where a number leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Inside,
    Outside,
    Abroad,
}

/// Where a number leads. Prefixes that get a line (`9`, `0`) and signs between digits do not count.
fn reach(text: &[u8]) -> Reach {
    const PREFIXES: [&[u8]; 6] = [b"00", b"011", b"9011", b"900", b"000", b"810"];
    let is_international_by_sign = text.trim_ascii().starts_with(b"+");
    let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
    if digits.len() < OUTSIDE_DIGITS || text.iter().any(u8::is_ascii_alphabetic) {
        return Reach::Inside;
    }
    let is_abroad = digits.len() >= 10 && PREFIXES.iter().any(|prefix| digits.starts_with(prefix));
    if is_international_by_sign || is_abroad { Reach::Abroad } else { Reach::Outside }
}

/// The furthest of several numbers, `100-101#-0044…#`.
fn furthest(list: &[u8]) -> Reach {
    list.split(|byte| b"-&,\n".contains(byte)).map(reach).max().unwrap_or(Reach::Inside)
}

fn weigh(reach: Reach) -> Option<(&'static Rule, Severity, u8)> {
    match reach {
        Reach::Inside => None,
        // A mobile telephone is where most forwards go.
        Reach::Outside => Some((&OUTSIDE, Severity::Low, 25)),
        Reach::Abroad => Some((&ABROAD, Severity::Medium, 50)),
    }
}

/// Judges the keys of `astdb.sqlite3`.
pub(super) fn entries(file: &Swept<'_>, entries: &[AstdbEntry], report: &mut Report) {
    for entry in entries {
        let is_follow_me =
            entry.family.as_bytes() == b"AMPUSER" && entry.key.as_bytes().ends_with(b"/followme/grplist");
        if !is_follow_me && !matches!(entry.family.as_bytes(), b"CF" | b"CFB" | b"CFU") {
            continue;
        }
        let Some((rule, severity, confidence)) = weigh(furthest(entry.value.as_bytes())) else { continue };
        // The entry and not the file is what it is about: a forward is taken back by itself.
        let subject = Subject::DatabaseRow {
            path: file.path.clone(),
            database: "astdb".into(),
            table: entry.family.clone(),
            key: entry.key.clone(),
        };
        let evidence = vec![attribute("value", entry.value.as_bytes())];
        let finding = Finding::new(rule.id, rule.title, (rule.category, severity, confidence), subject, evidence)
            .with_attack(rule.attack.iter().copied())
            .with_references([format!("{} ({})", rule.source, rule.grade.as_str())]);
        report.findings.push(finding);
    }
}

/// Judges follow-me and ring groups in rows.
pub(super) fn judge(court: &mut Court<'_>) {
    for table in ["findmefollow", "ringgroups"] {
        for row in court.rows.of(table) {
            if let Some((rule, severity, confidence)) = weigh(furthest(row.text("grplist"))) {
                court.tell(rule, severity, confidence, row, &["grpnum", "grplist", "strategy", "description"]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_stay_inside_and_numbers_go_out() {
        for (text, where_to) in [
            ("101", Reach::Inside),
            ("100-101-102#", Reach::Inside),
            ("ext-queues,600,1", Reach::Inside),
            ("", Reach::Inside),
            ("0301234567", Reach::Outside),
            ("100-5551234567#", Reach::Outside),
            ("00442079460000", Reach::Abroad),
            ("+442079460000", Reach::Abroad),
            ("9011442079460000#", Reach::Abroad),
            ("100&011442079460000", Reach::Abroad),
        ] {
            assert_eq!(furthest(text.as_bytes()), where_to, "{text}");
        }
    }
}
