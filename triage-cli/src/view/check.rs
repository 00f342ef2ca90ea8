//! The answer of a check, for a person at night: the verdict first, then why, then what to do.

use super::findings::count;
use crate::progress::human_bytes;
use std::fmt::Write as _;
use triage_core::engine::check::{Act, Answer, Check, Going, Question, Word};
use triage_core::model::{Finding, FindingId, TimeSource, Timestamp};

/// Width of the column of questions.
const LABEL: usize = 13;
/// Width of the column of answers.
const WORD: usize = 13;

/// The answer. `findings` are those of the scan that it is of.
pub(crate) fn text(check: &Check, findings: &[Finding]) -> String {
    let mut out = String::new();
    let find = |id: &FindingId| findings.iter().find(|finding| finding.id == *id);
    let product = check.product.as_ref().map_or_else(
        || "no telephone system recognised".to_owned(),
        |found| match &found.version {
            Some(version) => format!("{} {version}", found.product),
            None => found.product.to_string(),
        },
    );
    let host = match check.host.hostname.to_string() {
        name if name.is_empty() => check.target.clone(),
        name => name,
    };
    let _ = writeln!(out, "{host} ({product}; host {}): {}", check.host.digest.short(), loud(check.verdict.as_str()));
    if let Some(because) = &check.because {
        let _ = writeln!(out, "  {because}");
    }
    out.push('\n');
    for answer in &check.answers {
        row(&mut out, answer, &find);
    }
    out.push('\n');
    let places = |ids: &[FindingId]| {
        ids.iter().filter_map(&find).map(|finding| finding.subject.to_string()).collect::<Vec<_>>().join(", ")
    };
    let going = match check.ongoing.answer {
        Going::Yes => format!("yes: {}", places(&check.ongoing.because)),
        Going::Likely => format!("likely: {}", places(&check.ongoing.because)),
        Going::NotSeen => "nothing of it was running".to_owned(),
        _ => "not known: the evidence does not have what was running".to_owned(),
    };
    label(&mut out, "going on", &going);
    for (name, act) in [("first act", &check.first_act), ("last act", &check.last_act)] {
        if let Some(act) = act {
            label(&mut out, name, &when(act, find(&act.finding)));
        }
    }
    if !check.root_shown.is_empty() {
        label(&mut out, "root", &format!("the intruder was root: {}", places(&check.root_shown)));
    }
    if let Some(clean_up) = &check.clean_up {
        let past = match clean_up.past.len() {
            0 => String::new(),
            1 => "; one finding tells only of the time before".to_owned(),
            past => format!("; {past} findings tell only of the time before"),
        };
        label(&mut out, "cleaned", &format!("{} UTC, by run {}{past}", seconds(clean_up.finished), clean_up.run));
        if clean_up.root_shown && check.root_shown.is_empty() {
            label(&mut out, "root", "the intruder was root, by what was taken out");
        }
    }
    for family in &check.families {
        let because: Vec<&str> = family.because.iter().map(|because| because.what.as_str()).collect();
        label(&mut out, "looks like", &format!("{}, {} %", family.name, family.confidence));
        label(&mut out, "", &format!("by {}", because.join("; ")));
        label(&mut out, "", &format!("source: {}", family.source));
    }
    let mut read = format!(
        "{} objects, {} files, {}; {}",
        check.totals.objects,
        check.totals.files,
        human_bytes(check.totals.bytes),
        count(check.gaps, "gap")
    );
    if check.allowed > 0 {
        let _ = write!(read, "; {} allowed", count(check.allowed, "finding"));
    }
    label(&mut out, "read", &read);
    out
}

/// One question: the answer, and the strongest evidence.
fn row<'a>(out: &mut String, answer: &Answer, find: &impl Fn(&FindingId) -> Option<&'a Finding>) {
    let word = match answer.answer {
        Word::Compromised => "COMPROMISED",
        Word::Suspicious => "suspicious",
        Word::Past => "past",
        Word::Vulnerable => "VULNERABLE",
        Word::Weak => "weak",
        Word::NoEvidence => "no evidence",
        _ => "not known",
    };
    let speaks = !matches!(answer.answer, Word::NoEvidence | Word::NotKnown);
    let strongest = answer.strongest.first().and_then(find).filter(|_| speaks);
    let what = match strongest {
        Some(finding) => format!("{} ({} {} {})", finding.title, finding.rule, finding.severity, finding.confidence),
        None => answer.unread.clone().unwrap_or_default(),
    };
    let line = format!("  {:LABEL$}{word:WORD$}{what}", name(answer.question));
    let _ = writeln!(out, "{}", line.trim_end());
    if let Some(finding) = strongest {
        let more = match answer.findings - 1 {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let _ = writeln!(out, "  {:width$}{}{more}", "", finding.subject, width = LABEL + WORD);
        if let Some(unread) = &answer.unread {
            let _ = writeln!(out, "  {:width$}{unread}", "", width = LABEL + WORD);
        }
    }
}

fn name(question: Question) -> &'static str {
    match question {
        Question::Shells => "web shells",
        other => other.as_str(),
    }
}

fn label(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "  {name:LABEL$}{text}");
}

fn when(act: &Act, finding: Option<&Finding>) -> String {
    let by = match act.by {
        TimeSource::Inode => "by the inode",
        TimeSource::Modified => "by the modification time, which can be forged",
        TimeSource::Record => "by a record",
        TimeSource::Start => "start of a process",
        _ => "by another source",
    };
    let place = finding.map(|finding| format!(", {}", finding.subject)).unwrap_or_default();
    format!("{} UTC ({by}{place})", seconds(act.time))
}

/// A time in whole seconds, which are enough to read; the JSON has what the source has.
fn seconds(time: Timestamp) -> String {
    let time = time.to_string();
    let (seconds, _) = time.split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
    seconds.replacen('T', " ", 1)
}

/// `no_evidence` → `NO EVIDENCE`.
fn loud(word: &str) -> String {
    word.replace('_', " ").to_uppercase()
}
