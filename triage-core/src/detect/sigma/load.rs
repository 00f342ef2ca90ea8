//! Reads rules: YAML, one or more documents a file.

use super::condition::Expr;
use super::event::Field;
use super::search::Search;
use super::source::Reads;
use super::{ProblemKind, Rule, RuleInfo, RuleProblem, RuleSource};

use crate::model::{Category, Severity, YamlFile, YamlLimits, escape};
use crate::parse::log_kind::LogKind;
use serde_json::{Map, Value};

const LIMITS: YamlLimits = YamlLimits { bytes: 4 << 20, nodes: 200_000, documents: 5000 };

/// What a rule may have besides what is evaluated (Sigma rules specification 2.1), and `triage`, which is ours.
const KNOWN: [&str; 20] = [
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "triage",
];

pub(super) fn problem(
    source: &str,
    kind: ProblemKind,
    place: Option<(u64, u64)>,
    message: impl Into<String>,
) -> RuleProblem {
    let message = message.into();
    RuleProblem {
        source: source.to_owned(),
        kind,
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
        report: message.clone(),
        message,
    }
}

/// Reads all rules of a file.
pub(super) fn load(source: &RuleSource, rules: &mut Vec<Rule>, problems: &mut Vec<RuleProblem>) {
    let file = YamlFile::new("Sigma rule", &source.name, &source.text, LIMITS);
    let documents: Vec<Value> = match file.documents(&source.text) {
        Ok(documents) => documents,
        Err(mistake) => {
            let mut broken = problem(
                &source.name,
                ProblemKind::Broken,
                Some((mistake.line, mistake.column)),
                mistake.detail.clone(),
            );
            broken.report = mistake.to_string();
            problems.push(broken);
            return;
        }
    };
    let is_alone = documents.len() == 1;
    for (document, number) in documents.iter().zip(1_usize..) {
        let place = place_of(&source.text, document, number);
        let mut tell = |kind, message: String| problems.push(problem(&source.name, kind, place, message));
        let Value::Object(map) = document else {
            if !document.is_null() {
                tell(ProblemKind::Broken, "this is no rule".to_owned());
            }
            continue;
        };
        let title = text(map, "title").unwrap_or_default();
        match rule(map, source, (!is_alone).then_some(number), &mut tell) {
            Ok(rule) => rules.push(rule),
            Err((kind, message)) if title.is_empty() => tell(kind, message),
            Err((kind, message)) => tell(kind, format!("rule `{title}` is left out: {message}")),
        }
    }
}

/// Where a document's title stands.
fn place_of(text: &str, document: &Value, number: usize) -> Option<(u64, u64)> {
    let title = document.get("title").and_then(Value::as_str)?;
    let mut lines = text.lines().zip(1_u64..).filter(|(line, _)| line.starts_with("title:"));
    // Two rules may have one title; a title that is written in another way stands where it is counted.
    let counted = lines.clone().nth(number.saturating_sub(1));
    let found =
        counted.filter(|(line, _)| line.contains(title)).or_else(|| lines.find(|(line, _)| line.contains(title)));
    found.map(|(_, line)| (line, 1))
}

type Refused = (ProblemKind, String);

fn rule(
    map: &Map<String, Value>,
    source: &RuleSource,
    number: Option<usize>,
    tell: &mut impl FnMut(ProblemKind, String),
) -> Result<Rule, Refused> {
    let broken = |message: &str| (ProblemKind::Broken, message.to_owned());
    for (key, what) in [("correlation", "a correlation of other rules"), ("filter", "a filter for other rules")] {
        if map.contains_key(key) {
            return Err((ProblemKind::Ignored, format!("it is {what}, which is not evaluated")));
        }
    }
    if map.contains_key("action") {
        return Err((ProblemKind::Ignored, "`action` (collections of the first Sigma) is not evaluated".to_owned()));
    }
    for key in map.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
        tell(
            ProblemKind::Warning,
            format!("`{}` is no field of a rule and means nothing here", escape(key.as_bytes())),
        );
    }
    if text(map, "title").is_none() {
        return Err(broken("the field `title` is missing"));
    }
    let logsource = map.get("logsource").ok_or_else(|| broken("the field `logsource` is missing"))?;
    let reads = Reads::parse(logsource).map_err(|message| (ProblemKind::Ignored, message))?;
    let detection =
        map.get("detection").and_then(Value::as_object).ok_or_else(|| broken("the field `detection` is missing"))?;
    let (mut names, mut searches) = (Vec::new(), Vec::new());
    for (name, value) in detection.iter().filter(|(name, _)| *name != "condition") {
        if name == "timeframe" {
            return Err((ProblemKind::Ignored, "a `timeframe` is not evaluated".to_owned()));
        }
        let search = Search::parse(value, &reads)
            .map_err(|message| (ProblemKind::Ignored, format!("search `{}`: {message}", escape(name.as_bytes()))))?;
        names.push(name.clone());
        searches.push(search);
    }
    let conditions: Vec<&str> = match detection.get("condition") {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if conditions.is_empty() {
        return Err(broken("the `condition` is missing"));
    }
    let parsed = conditions.iter().map(|text| Expr::parse(text, &names)).collect::<Result<Vec<_>, _>>();
    let is_aggregate = conditions.iter().any(|text| text.contains('|'));
    let kind = if is_aggregate { ProblemKind::Ignored } else { ProblemKind::Broken };
    let condition = Expr::Any(parsed.map_err(|message| (kind, message))?);
    let asks_status = searches.iter().any(|search: &Search| search.asks(Field::Status));
    let info = info(map, source, number, &reads, tell);
    Ok(Rule { info, reads, searches, condition, asks_status })
}

fn info(
    map: &Map<String, Value>,
    source: &RuleSource,
    number: Option<usize>,
    reads: &Reads,
    tell: &mut impl FnMut(ProblemKind, String),
) -> RuleInfo {
    let title = text(map, "title").unwrap_or_default();
    let file = source.name.rsplit('/').next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    // A UUID is not for people: the rule's own name, else that of its file.
    let name = text(map, "name").unwrap_or_else(|| number.map_or_else(|| stem.to_owned(), |n| format!("{stem}-{n}")));
    let severity = match text(map, "level").as_deref() {
        Some("informational") => Severity::Info,
        Some(word) => Severity::parse(word).unwrap_or_else(|| {
            tell(ProblemKind::Warning, format!("`{}` is no level; it is taken as medium", escape(word.as_bytes())));
            Severity::Medium
        }),
        None => Severity::Medium,
    };
    let own = map.get("triage");
    let category = own
        .and_then(|own| own.get("category"))
        .and_then(Value::as_str)
        .and_then(Category::parse)
        .unwrap_or_else(|| usual_category(reads));
    let confidence = own.and_then(|own| own.get("confidence")).and_then(Value::as_u64).unwrap_or(50).min(100);
    let mut other: Vec<(String, String)> = Vec::new();
    for key in ["id", "status", "author", "date", "modified", "description"] {
        other.extend(text(map, key).map(|value| (key.to_owned(), value)));
    }
    other.extend(list(map, "falsepositives").into_iter().map(|value| ("falsepositives".to_owned(), value)));
    let own_texts = own.and_then(Value::as_object).into_iter().flatten();
    other.extend(own_texts.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))));
    let technique = |tag: &String| {
        let technique = tag.strip_prefix("attack.")?.to_ascii_uppercase();
        let is_one = technique.strip_prefix('T').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        is_one.then_some(technique)
    };
    RuleInfo {
        id: name.clone(),
        name,
        source: source.name.clone(),
        title,
        category,
        severity,
        confidence: u8::try_from(confidence).unwrap_or(50),
        attack: list(map, "tags").iter().filter_map(technique).collect(),
        references: list(map, "references"),
        other,
    }
}

fn usual_category(reads: &Reads) -> Category {
    match reads.kinds.first() {
        Some(LogKind::Auth) => Category::Account,
        Some(LogKind::Cron) => Category::Persistence,
        _ => Category::Exploitation,
    }
}

fn text(map: &Map<String, Value>, key: &str) -> Option<String> {
    match map.get(key)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn list(map: &Map<String, Value>, key: &str) -> Vec<String> {
    match map.get(key) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}
