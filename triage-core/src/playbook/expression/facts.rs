//! What expressions see of findings and the host.

use super::check::CATEGORIES;
use crate::model::{Category, Finding, HostIdentity, Severity, Subject, escape};
use crate::playbook::InputValue;
use crate::playbook::predicate::Row;
use cel::objects::{Key, Map, Value};
use cel::{Context, ExecutionError};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What expressions see.
pub struct Facts<'a> {
    pub(super) rows: Vec<Row<'a>>,
    host: HostIdentity,
    /// What the interpreter sees, made when it is first asked.
    values: OnceLock<Arc<Vec<Value>>>,
    context: OnceLock<Context<'static, 'static>>,
    pub(super) count: usize,
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "facts of {} findings", self.count)
    }
}

impl<'a> Facts<'a> {
    /// Findings, which handles are indices of, and the host.
    pub fn new(findings: &'a [Finding], host: &HostIdentity) -> Self {
        Self {
            rows: findings.iter().map(Row::new).collect(),
            host: host.clone(),
            values: OnceLock::new(),
            context: OnceLock::new(),
            count: findings.len(),
        }
    }

    pub(super) fn values(&self) -> &Arc<Vec<Value>> {
        self.values.get_or_init(|| {
            Arc::new(self.rows.iter().enumerate().map(|(index, row)| finding_value(index, row.finding)).collect())
        })
    }

    pub(super) fn context(&self) -> &Context<'static, 'static> {
        self.context.get_or_init(|| {
            let mut context = Context::default();
            context.add_variable_from_value("findings", Value::List(Arc::clone(self.values())));
            let (name, marks) = (Value::from(self.host.hostname.to_string()), Value::from(self.host.marks.clone()));
            context.add_variable_from_value("host", object([("hostname", name), ("marks", marks)]));
            // The name is ours and no standard function has it; were that to change, `compile` of every built-in playbook would fail
            // its test.
            let _ = context.add_function("severity", severity_rank);
            context
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the interpreter calls it with an owned text")]
fn severity_rank(word: Arc<String>) -> Result<i64, ExecutionError> {
    Severity::parse(&word).map(rank).ok_or_else(|| ExecutionError::FunctionError {
        function: "severity".to_owned(),
        message: format!("there is no severity `{}`", escape(word.as_bytes())),
    })
}

/// 0 for info to 4 for critical.
pub(in crate::playbook) fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let map: HashMap<Key, Value> = fields.into_iter().map(|(name, value)| (Key::from(name), value)).collect();
    Value::Map(Map { map: Arc::new(map) })
}

pub(super) fn input_value(value: &InputValue) -> Value {
    match value {
        InputValue::String(text) => Value::from(text.as_str()),
        InputValue::Integer(number) => Value::Int(*number),
        InputValue::Boolean(holds) => Value::Bool(*holds),
    }
}

/// Handles and counts that do not fit are those of no list that fits into memory.
fn int(number: impl TryInto<i64>) -> Value {
    Value::Int(number.try_into().unwrap_or(i64::MAX))
}

fn finding_value(index: usize, finding: &Finding) -> Value {
    object([
        ("index", int(index)),
        ("id", Value::from(finding.id.0.as_str())),
        ("rule", Value::from(finding.rule.0.as_str())),
        ("title", Value::from(finding.title.as_str())),
        ("category", Value::from(finding.category.as_str())),
        ("severity", Value::from(finding.severity.as_str())),
        ("severity_rank", Value::Int(rank(finding.severity))),
        ("confidence", int(finding.confidence)),
        ("subject", subject_value(&finding.subject)),
        ("attack", Value::from(finding.attack.clone())),
    ])
}

fn subject_value(subject: &Subject) -> Value {
    let kind = ("type", Value::from(subject.kind()));
    let path = ("path", Value::from(subject.path().to_string()));
    match subject {
        Subject::File { sha256, .. } => {
            object([kind, path, ("sha256", Value::from(sha256.map(|digest| digest.to_string()).unwrap_or_default()))])
        }
        Subject::Account { name, .. } | Subject::Module { name, .. } | Subject::Kernel { name, .. } => {
            object([kind, path, ("name", Value::from(name.to_string()))])
        }
        Subject::CronEntry { line, text, .. } | Subject::Line { line, text, .. } => {
            object([kind, path, ("line", int(*line)), ("text", Value::from(text.to_string()))])
        }
        Subject::Process { pid, command_line, .. } => {
            object([kind, path, ("pid", int(*pid)), ("command_line", Value::from(command_line.to_string()))])
        }
        Subject::DatabaseRow { database, table, key, .. } => object([
            kind,
            path,
            ("database", Value::from(database.to_string())),
            ("table", Value::from(table.to_string())),
            ("key", Value::from(key.to_string())),
        ]),
    }
}

/// One finding of every kind of subject in every category, critical and certain: what a playbook is tried on when it is loaded.
pub(in crate::playbook) fn specimens() -> Vec<Finding> {
    use crate::model::{Digest, EvidencePath, RawText};
    let path = EvidencePath::root().join(b"specimen");
    let text = RawText::from("specimen");
    let subjects = [
        Subject::File { path: path.clone(), sha256: Some(Digest::of(b"")) },
        Subject::Account { path: path.clone(), name: text.clone() },
        Subject::CronEntry { path: path.clone(), line: 1, text: text.clone() },
        Subject::Line { path: path.clone(), line: 1, text: text.clone() },
        Subject::Module { path: path.clone(), name: text.clone() },
        Subject::Process { path: path.clone(), pid: 1, start_ticks: 1, command_line: text.clone() },
        Subject::DatabaseRow { path: path.clone(), database: text.clone(), table: text.clone(), key: text.clone() },
        Subject::Kernel { path, name: text },
    ];
    CATEGORIES
        .iter()
        .filter_map(|word| Category::parse(word))
        .flat_map(|category| {
            subjects.iter().map(move |subject| {
                let weight = (category, Severity::Critical, 100);
                Finding::new("TR-SPECIMEN-0001", "specimen", weight, subject.clone(), Vec::new())
            })
        })
        .collect()
}
