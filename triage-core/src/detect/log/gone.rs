//! What is missing from logs: holes against their own rhythm, rotations that are not there, logs that stay empty, steps back in time.
//!
//! All of it has honest reasons (a host that was switched off, a clock that was set, a rotation by hand), so each is low; beside other
//! signs it says that somebody may have removed traces.

use super::rhythm::Rhythm;
use super::tell::{Log, attribute, length, time};
use crate::model::{Category, Evidence, EvidencePath, Finding, Severity};
use crate::parse::log_kind::{LogKind, Rotation, family};
use std::collections::BTreeMap;

/// A day, in seconds.
const DAY: i64 = 86_400;

/// A log file as it was met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) modified: i64,
    pub(super) kind: LogKind,
}

fn low(log: &Log<'_>, rule: &str, title: &str, confidence: u8, evidence: Vec<Evidence>) -> Finding {
    let weight = (Category::Tampering, Severity::Low, confidence);
    Finding::new(rule, title, weight, log.subject(), evidence).with_attack(["T1070.002"])
}

/// What the times in a log tell.
pub(super) fn times(log: &Log<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut all = Rhythm::default();
    for (_, facts) in &log.files {
        all.join(&facts.rhythm);
    }
    if let Some(hole) = all.hole_against_it() {
        let evidence = vec![
            attribute("silent_for", &length(hole.seconds)),
            attribute("from", &time(hole.from, all.is_without_year)),
            attribute("to", &time(hole.from + hole.seconds, all.is_without_year)),
        ];
        found.push(low(log, "TR-LOG-0502", "Log that is silent for longer than it ever is", 35, evidence));
    }
    let steps: u64 = log.files.iter().map(|(_, facts)| facts.rhythm.steps).sum();
    let largest = log.files.iter().filter_map(|(path, facts)| Some((path, facts.rhythm.step?)));
    if let Some((path, step)) = largest.max_by_key(|(_, step)| step.seconds) {
        let evidence = vec![
            attribute("steps_back", &steps.to_string()),
            attribute("largest", &format!("{} before line {} of {path}", length(step.seconds), step.line)),
        ];
        found.push(low(log, "TR-LOG-0501", "Log in which time goes back", 30, evidence));
    }
    let zeros = log.files.iter().filter_map(|(path, facts)| Some((path, facts.rhythm.zeros?)));
    let zeros: Vec<Evidence> = zeros
        .take(5)
        .map(|(path, (line, bytes))| attribute("zero_bytes", &format!("{bytes} before line {line} of {path}")))
        .collect();
    if !zeros.is_empty() {
        let title = "Log with zero bytes: it was emptied while its writer went on, or the host went down";
        found.push(low(log, "TR-LOG-0503", title, 40, zeros));
    }
    found
}

/// What the names, sizes and times of the files tell. `latest` is the newest change of any log in the folder.
pub(super) fn files(log: &Log<'_>, seen: &BTreeMap<EvidencePath, Seen>, latest: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    let of_log: Vec<(&EvidencePath, &Seen, Rotation)> = seen
        .iter()
        .filter_map(|(path, seen)| {
            let (name, rotation) = family(path);
            (name == *log.path).then_some((path, seen, rotation))
        })
        .collect();
    let mut numbers: Vec<u32> = of_log
        .iter()
        .filter_map(|(_, _, rotation)| if let Rotation::Numbered(number) = rotation { Some(*number) } else { None })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    // The first rotation is 1, of Asterisk's own 0.
    if let (Some(&first), Some(&last)) = (numbers.first(), numbers.last())
        && last < 1000
    {
        let missing: Vec<String> =
            (first.min(1)..last).filter(|n| numbers.binary_search(n).is_err()).map(|n| n.to_string()).collect();
        // Asterisk begins with 0, logrotate with 1.
        let missing: Vec<String> = missing.into_iter().filter(|n| n != "0").collect();
        if !missing.is_empty() {
            let evidence = vec![
                attribute("missing", &missing.join(", ")),
                attribute("there", &numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
            ];
            found.push(low(log, "TR-LOG-0505", "Rotation of a log is missing", 40, evidence));
        }
    }
    found.extend(dated(log, &of_log));
    found.extend(emptied(log, &of_log, latest));
    found
}

/// A rotation by date that is missing in a row that is even otherwise.
fn dated(log: &Log<'_>, of_log: &[(&EvidencePath, &Seen, Rotation)]) -> Option<Finding> {
    let mut days: Vec<i64> = of_log
        .iter()
        .filter_map(|(_, _, rotation)| {
            let Rotation::Dated(date) = rotation else { return None };
            let date = i64::try_from(*date).ok()? / 100;
            crate::parse::log_time::day(date / 10_000, date / 100 % 100, date % 100)
        })
        .collect();
    days.sort_unstable();
    days.dedup();
    let mut steps: Vec<i64> = days.windows(2).filter_map(|two| Some(two.get(1)? - two.first()?)).collect();
    let largest = days.windows(2).filter_map(|two| Some((two.get(1)? - two.first()?, *two.first()?))).max()?;
    steps.sort_unstable();
    let usual = *steps.get(steps.len() / 2)?;
    // logrotate passes over a log that is empty; so the row has to be even but for one place.
    let even = steps.iter().filter(|step| **step <= usual + DAY).count();
    let is_missing = steps.len() >= 3 && even == steps.len() - 1 && largest.0 >= usual * 2 && largest.0 > usual + DAY;
    is_missing.then(|| {
        let evidence = vec![
            attribute("missing", &format!("{} after {}", length(largest.0), time(largest.1, false))),
            attribute("usual", &format!("one each {}", length(usual))),
        ];
        low(log, "TR-LOG-0505", "Rotation of a log is missing", 40, evidence)
    })
}

/// The log that is being written is empty, and others beside it were written for more than a day since.
fn emptied(log: &Log<'_>, of_log: &[(&EvidencePath, &Seen, Rotation)], latest: i64) -> Option<Finding> {
    let (_, now, _) = of_log.iter().find(|(path, _, _)| *path == log.path)?;
    let was_written = of_log.iter().any(|(path, seen, _)| *path != log.path && seen.size > 64);
    let is_regular =
        matches!(now.kind, LogKind::WebAccess | LogKind::Auth | LogKind::Cron | LogKind::Syslog | LogKind::Asterisk);
    let is_emptied = now.size == 0 && was_written && is_regular && latest - now.modified > DAY;
    is_emptied.then(|| {
        let evidence = vec![
            attribute("empty_since", &time(now.modified, false)),
            attribute("others_written", &time(latest, false)),
        ];
        low(log, "TR-LOG-0504", "Log that stays empty although others beside it are written", 45, evidence)
    })
}
