//! The part of CEL that nearly all selections are made of, answered without the interpreter.
//!
//! `findings.filter(f, …)` with comparisons of fields and words is what playbooks consist of, and the interpreter copies the whole finding for
//! each field that it looks at: a hundred thousand findings took a minute. What is not understood here in full, and each finding for which an answer
//! would need a field that it does not have, is the interpreter's: its answer and its errors are the language.

use crate::model::{Finding, Severity, Subject};
use cel::common::ast::operators;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr};
use std::borrow::Cow;

/// A finding as expressions see it.
#[derive(Debug)]
pub(super) struct Row<'f> {
    pub(super) finding: &'f Finding,
    /// The path as it is shown.
    path: String,
}

impl<'f> Row<'f> {
    pub(super) fn new(finding: &'f Finding) -> Self {
        Self { path: finding.subject.path().to_string(), finding }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Rule,
    Title,
    Category,
    Severity,
    SeverityRank,
    Confidence,
    Kind,
    Path,
    Name,
    Text,
    Line,
    Sha256,
}

impl Field {
    fn is_number(self) -> bool {
        matches!(self, Self::SeverityRank | Self::Confidence | Self::Line)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Term {
    Word(String),
    Number(i64),
    Field(Field),
}

enum Value<'a> {
    Word(Cow<'a, str>),
    Number(i64),
}

impl Term {
    fn is_number(&self) -> bool {
        match self {
            Self::Word(_) => false,
            Self::Number(_) => true,
            Self::Field(field) => field.is_number(),
        }
    }

    /// None where the finding has no such field.
    fn of<'a>(&'a self, row: &'a Row<'_>) -> Option<Value<'a>> {
        let finding = row.finding;
        let word = |word: &'a str| Some(Value::Word(Cow::Borrowed(word)));
        let field = match self {
            Self::Word(text) => return word(text),
            Self::Number(number) => return Some(Value::Number(*number)),
            Self::Field(field) => field,
        };
        match (field, &finding.subject) {
            (Field::Id, _) => word(&finding.id.0),
            (Field::Rule, _) => word(&finding.rule.0),
            (Field::Title, _) => word(&finding.title),
            (Field::Category, _) => word(finding.category.as_str()),
            (Field::Severity, _) => word(finding.severity.as_str()),
            (Field::SeverityRank, _) => Some(Value::Number(super::expression::rank(finding.severity))),
            (Field::Confidence, _) => Some(Value::Number(finding.confidence.into())),
            (Field::Kind, subject) => word(subject.kind()),
            (Field::Path, _) => word(&row.path),
            (
                Field::Name,
                Subject::Account { name, .. } | Subject::Module { name, .. } | Subject::Kernel { name, .. },
            ) => Some(Value::Word(Cow::Owned(name.to_string()))),
            (Field::Text, Subject::CronEntry { text, .. } | Subject::Line { text, .. }) => {
                Some(Value::Word(Cow::Owned(text.to_string())))
            }
            (Field::Line, Subject::CronEntry { line, .. } | Subject::Line { line, .. }) => {
                i64::try_from(*line).ok().map(Value::Number)
            }
            (Field::Sha256, Subject::File { sha256, .. }) => {
                Some(Value::Word(Cow::Owned(sha256.map(|digest| digest.to_string()).unwrap_or_default())))
            }
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Start,
    End,
    Anywhere,
}

/// What is asked of one finding.
#[derive(Clone, Debug)]
pub(super) enum Predicate {
    Literal(bool),
    Not(Box<Predicate>),
    Both(Box<Predicate>, Box<Predicate>),
    Either(Box<Predicate>, Box<Predicate>),
    Compare(Test),
}

/// A comparison of two terms, of one with several, or of a word with a part of it.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Order(Order, Term, Term),
    In(Term, Vec<Term>),
    Part(Part, Term, Term),
}

impl Predicate {
    /// The predicate of an expression `findings.filter(f, …)`; none where it is more than what is understood here.
    pub(super) fn of(expression: &IdedExpr) -> Option<Self> {
        let Expr::Comprehension(each) = &expression.expr else { return None };
        let is_ident = |node: &IdedExpr, wanted: &str| matches!(&node.expr, Expr::Ident(name) if name == wanted);
        let starts_empty = matches!(&each.accu_init.expr, Expr::List(list) if list.elements.is_empty());
        let goes_on = matches!(&each.loop_cond.expr, Expr::Literal(LiteralValue::Boolean(always)) if *always.inner());
        let is_filter = is_ident(&each.iter_range, "findings")
            && each.iter_var2.is_none()
            && starts_empty
            && goes_on
            && is_ident(&each.result, &each.accu_var);
        // `predicate ? result + [f] : result`
        let Expr::Call(step) = &each.loop_step.expr else { return None };
        let ([predicate, taken, left], true) = (step.args.as_slice(), step.func_name == operators::CONDITIONAL) else {
            return None;
        };
        let Expr::Call(adds) = &taken.expr else { return None };
        let ([so_far, one], true) = (adds.args.as_slice(), adds.func_name == operators::ADD) else { return None };
        let is_that_one = match &one.expr {
            Expr::List(list) => matches!(list.elements.as_slice(), [only] if is_ident(only, &each.iter_var)),
            _ => false,
        };
        if !(is_filter && is_that_one && is_ident(so_far, &each.accu_var) && is_ident(left, &each.accu_var)) {
            return None;
        }
        Self::read(predicate, &each.iter_var)
    }

    fn read(node: &IdedExpr, each: &str) -> Option<Self> {
        let call = match &node.expr {
            Expr::Literal(LiteralValue::Boolean(holds)) => return Some(Self::Literal(*holds.inner())),
            Expr::Call(call) => call,
            _ => return None,
        };
        let both = |wanted: &str| match call.args.as_slice() {
            [a, b] if call.func_name == wanted => Some((Self::read(a, each)?, Self::read(b, each)?)),
            _ => None,
        };
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, _) => {
                both(operators::LOGICAL_AND).map(|(a, b)| Self::Both(Box::new(a), Box::new(b)))
            }
            (operators::LOGICAL_OR, _) => {
                both(operators::LOGICAL_OR).map(|(a, b)| Self::Either(Box::new(a), Box::new(b)))
            }
            (operators::LOGICAL_NOT, [inner]) => Some(Self::Not(Box::new(Self::read(inner, each)?))),
            _ => Test::read(call, each).map(Self::Compare),
        }
    }

    /// Says whether it holds; none where the interpreter has to say.
    pub(super) fn holds(&self, row: &Row<'_>) -> Option<bool> {
        match self {
            Self::Literal(holds) => Some(*holds),
            Self::Not(inner) => inner.holds(row).map(|holds| !holds),
            Self::Both(a, b) => Some(a.holds(row)? && b.holds(row)?),
            Self::Either(a, b) => Some(a.holds(row)? || b.holds(row)?),
            Self::Compare(test) => test.holds(row),
        }
    }
}

impl Test {
    fn read(call: &CallExpr, each: &str) -> Option<Self> {
        let part = match call.func_name.as_str() {
            "startsWith" => Some(Part::Start),
            "endsWith" => Some(Part::End),
            "contains" => Some(Part::Anywhere),
            _ => None,
        };
        if let Some(part) = part {
            let (target, [wanted]) = (call.target.as_deref()?, call.args.as_slice()) else { return None };
            let (target, wanted) = (term(target, each)?, term(wanted, each)?);
            return (!target.is_number() && !wanted.is_number()).then_some(Self::Part(part, target, wanted));
        }
        let ([a, b], None) = (call.args.as_slice(), &call.target) else { return None };
        if call.func_name == operators::IN {
            let Expr::List(list) = &b.expr else { return None };
            let a = term(a, each)?;
            let all = list.elements.iter().map(|element| term(element, each)).collect::<Option<Vec<Term>>>()?;
            let is_alike = list.optional_indices.is_empty() && all.iter().all(|one| one.is_number() == a.is_number());
            return is_alike.then_some(Self::In(a, all));
        }
        let order = match call.func_name.as_str() {
            operators::EQUALS => Order::Equal,
            operators::NOT_EQUALS => Order::NotEqual,
            operators::LESS => Order::Less,
            operators::LESS_EQUALS => Order::LessOrEqual,
            operators::GREATER => Order::Greater,
            operators::GREATER_EQUALS => Order::GreaterOrEqual,
            _ => return None,
        };
        let (a, b) = (term(a, each)?, term(b, each)?);
        // What the language makes of a word compared with a number is the interpreter's to say.
        (a.is_number() == b.is_number()).then_some(Self::Order(order, a, b))
    }

    fn holds(&self, row: &Row<'_>) -> Option<bool> {
        match self {
            Self::Order(order, a, b) => {
                let found = compare(&a.of(row)?, &b.of(row)?)?;
                Some(match order {
                    Order::Equal => found.is_eq(),
                    Order::NotEqual => found.is_ne(),
                    Order::Less => found.is_lt(),
                    Order::LessOrEqual => found.is_le(),
                    Order::Greater => found.is_gt(),
                    Order::GreaterOrEqual => found.is_ge(),
                })
            }
            Self::In(one, all) => {
                let one = one.of(row)?;
                for other in all {
                    if compare(&one, &other.of(row)?)?.is_eq() {
                        return Some(true);
                    }
                }
                Some(false)
            }
            Self::Part(part, text, wanted) => {
                let (Value::Word(text), Value::Word(wanted)) = (text.of(row)?, wanted.of(row)?) else { return None };
                Some(match part {
                    Part::Start => text.starts_with(&*wanted),
                    Part::End => text.ends_with(&*wanted),
                    Part::Anywhere => text.contains(&*wanted),
                })
            }
        }
    }
}

fn compare(a: &Value<'_>, b: &Value<'_>) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Word(a), Value::Word(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn term(node: &IdedExpr, each: &str) -> Option<Term> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(Term::Word(text.inner().to_owned())),
        Expr::Literal(LiteralValue::Int(number)) => Some(Term::Number(*number.inner())),
        Expr::Call(call) if call.func_name == "severity" && call.target.is_none() => match call.args.as_slice() {
            [IdedExpr { expr: Expr::Literal(LiteralValue::String(word)), .. }] => {
                Severity::parse(word.inner()).map(|severity| Term::Number(super::expression::rank(severity)))
            }
            _ => None,
        },
        Expr::Select(select) if !select.test => field(select, each).map(Term::Field),
        _ => None,
    }
}

fn field(select: &SelectExpr, each: &str) -> Option<Field> {
    match &select.operand.expr {
        Expr::Ident(name) if name == each => Some(match select.field.as_str() {
            "id" => Field::Id,
            "rule" => Field::Rule,
            "title" => Field::Title,
            "category" => Field::Category,
            "severity" => Field::Severity,
            "severity_rank" => Field::SeverityRank,
            "confidence" => Field::Confidence,
            _ => return None,
        }),
        Expr::Select(outer) if !outer.test && outer.field == "subject" => match &outer.operand.expr {
            Expr::Ident(name) if name == each => Some(match select.field.as_str() {
                "type" => Field::Kind,
                "path" => Field::Path,
                "name" => Field::Name,
                "text" => Field::Text,
                "line" => Field::Line,
                "sha256" => Field::Sha256,
                _ => return None,
            }),
            _ => None,
        },
        _ => None,
    }
}
