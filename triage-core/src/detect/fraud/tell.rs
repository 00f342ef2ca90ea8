//! Findings about calls, in words: where they went, how many, how long, by whom, in local time and UTC, and what is odd about them.

use super::book::{Book, DAY, Seen, local};
use super::burst::{self, Burst, Sign};
use super::live;
use super::number::{self, Kind};
use super::sip::{SipLog, Stolen, refusals};
use crate::detect::Report;
use crate::model::{
    AsteriskAnswer, Category, Evidence, EvidencePath, Finding, Gap, GapReason, Severity, Span, Subject, TimeSource,
    Timestamp, escape,
};
use std::collections::{BTreeMap, BTreeSet};

/// Destinations, extensions and other things that are named.
const NAMED: usize = 10;

fn attribute(name: &str, value: &str) -> Evidence {
    Evidence::Attribute { name: name.to_owned(), value: value.into() }
}

fn finding(
    rule: &str,
    title: &str,
    (severity, confidence): (Severity, u8),
    path: &EvidencePath,
    evidence: Vec<Evidence>,
) -> Finding {
    let subject = Subject::File { path: path.clone(), sha256: None };
    Finding::new(rule, title, (Category::TollFraud, severity, confidence), subject, evidence).with_attack(["T1496"])
}

/// A local time, and UTC where the host's distance from it is known.
fn both(seconds: i64, offsets: &BTreeMap<i64, i32>) -> String {
    match offset_at(seconds, offsets) {
        Some(offset) => format!("{} local time, {} UTC", local(seconds), local(seconds - i64::from(offset))),
        None => format!("{} local time, zone not known", local(seconds)),
    }
}

/// When calls were, where the host's distance from UTC is known.
fn span(first: Option<i64>, last: Option<i64>, offsets: &BTreeMap<i64, i32>) -> Option<Span> {
    let utc = |seconds: i64| Some(Timestamp::new(seconds - i64::from(offset_at(seconds, offsets)?), 0));
    Some(Span { first: utc(first?)?, last: utc(last?)?, by: TimeSource::Record })
}

/// Seconds that the host's clock is ahead of UTC then. Before the first that is known, that one is the best that there is.
fn offset_at(seconds: i64, offsets: &BTreeMap<i64, i32>) -> Option<i32> {
    offsets.range(..=seconds).next_back().or_else(|| offsets.iter().next()).map(|(_, offset)| *offset)
}

/// What the calls of one source tell.
pub(super) fn calls(
    path: &EvidencePath,
    book: &mut Book,
    offsets: &BTreeMap<i64, i32>,
    stolen: &[Stolen],
    report: &mut Report,
) {
    let bursts = burst::find(book);
    report.findings.extend(told_bursts(path, book, &bursts, offsets, stolen));
    // The vendor's indicator means calls that begin with the attack; who has had such an extension for long has an extension.
    if book.nines.count > 0 {
        let is_habit = book.nines.days.len() >= 15;
        let weight = if is_habit { (Severity::Low, 30) } else { (Severity::High, 76) };
        let mut evidence = seen(&book.nines, offsets);
        if is_habit {
            evidence
                .push(attribute("habit", "it was called on fifteen days and more, as an extension of the house is"));
        }
        let told = finding(
            "TR-FRAUD-0002",
            "Calls to extension 9998 (vendor's indicator of CVE-2025-57819)",
            weight,
            path,
            evidence,
        )
        .with_span(span(book.nines.first, book.nines.last, offsets));
        report.findings.push(
            told.with_references([
                "FreePBX on CVE-2025-57819, fourth of five indicators (The Hacker News, August 2025)",
            ]),
        );
    }
    if book.originated.count > 0 {
        let title = "Calls to numbers outside that nobody dialled: local channels that wait";
        let told = finding("TR-FRAUD-0003", title, (Severity::High, 80), path, seen(&book.originated, offsets))
            .with_span(span(book.originated.first, book.originated.last, offsets));
        report.findings.push(told.with_references([
            "Cyble on JOMANGY (2026-05-21): `channel originate Local/<num>@<context> application wait`",
        ]));
    }
    if book.dear.count > 0 {
        let title = "Answered calls to premium or satellite numbers";
        let weight = if book.dear.count >= 10 { (Severity::Medium, 50) } else { (Severity::Low, 40) };
        report.findings.push(finding("TR-FRAUD-0004", title, weight, path, seen(&book.dear, offsets)).with_span(span(
            book.dear.first,
            book.dear.last,
            offsets,
        )));
    }
    if book.left_out > 0 {
        let detail = format!("{} calls abroad beyond those that are weighed", book.left_out);
        report.gaps.push(Gap::new(path.clone(), GapReason::LimitReached, detail));
    }
    if book.unread > 20 && book.unread > book.calls {
        let detail = format!("{} lines are no calls as `cdr_csv` writes them", book.unread);
        report.gaps.push(Gap::new(path.clone(), GapReason::Unsupported, detail));
    }
}

fn seen(seen: &Seen, offsets: &BTreeMap<i64, i32>) -> Vec<Evidence> {
    let minutes = seen.seconds / 60;
    let mut evidence =
        vec![attribute("calls", &format!("{} calls, {} answered, {minutes} min", seen.count, seen.answered))];
    evidence.extend(seen.first.map(|first| attribute("first", &both(first, offsets))));
    evidence.extend(seen.last.map(|last| attribute("last", &both(last, offsets))));
    evidence.extend(seen.examples.iter().map(|example| attribute("call", example)));
    evidence
}

/// All bursts as one finding, weighed by the worst.
fn told_bursts(
    path: &EvidencePath,
    book: &Book,
    bursts: &[Burst],
    offsets: &BTreeMap<i64, i32>,
    stolen: &[Stolen],
) -> Option<Finding> {
    let worst = bursts.iter().max_by_key(|burst| (burst.signs.len(), burst.answered))?;
    let calls = || bursts.iter().filter_map(|burst| book.abroad.get(burst.calls.clone())).flatten();
    let accounts: BTreeSet<String> = calls().map(|call| book.sources.name(call.src)).collect();
    let is_stolen = stolen.iter().any(|stolen| accounts.contains(&escape(&stolen.account)));
    let weight = match worst.signs.len() + usize::from(is_stolen) {
        0..=2 => (Severity::Medium, 60),
        3 => (Severity::High, 80),
        _ => (Severity::High, 90),
    };
    let mut evidence = Vec::new();
    let signs: BTreeSet<Sign> = worst.signs.clone();
    evidence.extend(signs.iter().map(|sign| attribute("sign", sign.describe())));
    if is_stolen {
        evidence.push(attribute("sign", "an extension whose password was guessed before (TR-FRAUD-0005)"));
    }
    if let (Some(first), Some(last)) = (calls().map(|call| call.start).min(), calls().map(|call| call.start).max()) {
        evidence.push(attribute("first", &both(first, offsets)));
        evidence.push(attribute("last", &both(last, offsets)));
    }
    let (mut to, mut by, mut through) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for call in calls() {
        for (counts, name) in [
            (&mut to, book.destinations.name(call.destination)),
            (&mut by, book.sources.name(call.src)),
            (&mut through, book.contexts.name(call.context)),
        ] {
            let known: &mut (u64, u64, u64) = counts.entry(name).or_default();
            known.0 += 1;
            known.1 += u64::from(call.is_answered);
            known.2 += u64::from(call.billable);
        }
    }
    let all = calls().fold((0, 0, 0_u64), |(count, answered, seconds), call| {
        (count + 1, answered + usize::from(call.is_answered), seconds + u64::from(call.billable))
    });
    evidence.push(attribute("calls", &format!("{} calls, {} answered, {} min", all.0, all.1, all.2 / 60)));
    for (name, counts) in [("destination", to), ("caller", by), ("context", through)] {
        let mut counts: Vec<(String, (u64, u64, u64))> = counts.into_iter().collect();
        counts.sort_by(|a, b| (b.1.2, &a.0).cmp(&(a.1.2, &b.0)));
        let more = counts.len().saturating_sub(NAMED);
        for (value, (count, answered, seconds)) in counts.into_iter().take(NAMED) {
            let value = if name == "destination" { named(&value) } else { value };
            evidence
                .push(attribute(name, &format!("{value}: {count} calls, {answered} answered, {} min", seconds / 60)));
        }
        if more > 0 {
            evidence.push(attribute(name, &format!("and {more} more")));
        }
    }
    let title = "Burst of calls abroad as this host has not made them before";
    let span = span(calls().map(|call| call.start).min(), calls().map(|call| call.start).max(), offsets);
    Some(finding("TR-FRAUD-0001", title, weight, path, evidence).with_attack(["T1078"]).with_span(span))
}

/// `+371 (Latvia, in lists of such fraud)`.
fn named(destination: &str) -> String {
    let digits = destination.as_bytes();
    match number::known(digits) {
        Some((name, Kind::Watched)) => format!("+{destination} ({name}, in lists of such fraud)"),
        Some((name, Kind::Premium | Kind::Satellite)) => format!("+{destination} ({name})"),
        None => format!("+{destination}"),
    }
}

/// Credentials of telephones that were guessed.
pub(super) fn credentials(path: &EvidencePath, stolen: &[Stolen], book: Option<&Book>, report: &mut Report) {
    let called = |stolen: &Stolen| {
        let account = escape(&stolen.account);
        let after = stolen.success.seconds..stolen.success.seconds + 7 * DAY;
        let book = book?;
        let calls =
            book.abroad.iter().filter(|call| after.contains(&call.start) && book.sources.name(call.src) == account);
        Some(calls.count()).filter(|count| *count > 0)
    };
    let mut has_called = false;
    let mut evidence = Vec::new();
    for one in stolen.iter().take(NAMED) {
        evidence.push(attribute("login", &format!("{}; {} local time", one.describe(), local(one.success.seconds))));
        if let Some(count) = called(one) {
            has_called = true;
            evidence.push(attribute(
                "calls",
                &format!("{} called abroad {count} times in the seven days after", escape(&one.account)),
            ));
        }
    }
    if stolen.len() > NAMED {
        evidence.push(attribute("login", &format!("and {} more", stolen.len() - NAMED)));
    }
    let weight = if has_called { (Severity::High, 85) } else { (Severity::Medium, 65) };
    let title = "Telephone account that was logged in to from abroad after its password was guessed";
    report.findings.push(finding("TR-FRAUD-0005", title, weight, path, evidence).with_attack(["T1110", "T1078"]));
}

/// What goes on now.
pub(super) fn live(answers: &[AsteriskAnswer], logs: &[&SipLog], report: &mut Report) {
    let Ok(path) = EvidencePath::new("/run/asterisk/asterisk.ctl") else { return };
    let channels: Vec<live::Channel> = answers.iter().flat_map(live::channels).collect();
    let originated: Vec<&live::Channel> = channels.iter().filter(|channel| channel.is_originated).collect();
    let abroad: Vec<&live::Channel> = channels.iter().filter(|channel| channel.abroad.is_some()).collect();
    if !originated.is_empty() || !abroad.is_empty() {
        let is_listed = abroad
            .iter()
            .filter_map(|channel| channel.abroad.as_ref())
            .any(|number| number::known(number.as_bytes()).is_some());
        let weight = match (originated.is_empty(), abroad.len(), is_listed) {
            (false, ..) => (Severity::High, 85),
            (true, 10.., _) => (Severity::Medium, 60),
            (true, 3.., true) => (Severity::Medium, 65),
            (true, _, true) => (Severity::Low, 45),
            _ => (Severity::Info, 30),
        };
        let mut evidence =
            vec![attribute("channels", &format!("{} abroad, {} that nobody dialled", abroad.len(), originated.len()))];
        let shown: BTreeSet<&str> = originated.iter().chain(&abroad).map(|channel| channel.text.as_str()).collect();
        evidence.extend(shown.iter().take(NAMED).map(|text| attribute("channel", text)));
        report.findings.push(finding("TR-FRAUD-0006", "Calls abroad that go on now", weight, &path, evidence));
    }
    let mut foreign: BTreeSet<(u64, String)> = BTreeSet::new();
    for contact in answers.iter().flat_map(live::contacts) {
        let address = std::str::from_utf8(&contact.address).ok().and_then(|text| text.parse().ok());
        if address.is_some_and(|address| !super::is_local(address)) {
            let refused = refusals(logs, &contact.address);
            foreign.insert((refused, format!("{} at {}", escape(&contact.account), escape(&contact.address))));
        }
    }
    if let Some((refused, _)) = foreign.last() {
        // Trunks and telephones at home are foreign addresses too.
        let weight = if *refused >= 20 { (Severity::High, 78) } else { (Severity::Info, 30) };
        let mut evidence = vec![attribute("contacts", &format!("{} at addresses of the internet", foreign.len()))];
        evidence.extend(foreign.iter().rev().take(NAMED).map(|(refused, text)| {
            let note = if *refused > 0 {
                format!(", of which the security log has {refused} refusals")
            } else {
                String::new()
            };
            attribute("contact", &format!("{text}{note}"))
        }));
        let title = "Telephones or trunks that are registered from the internet now";
        report.findings.push(finding("TR-FRAUD-0007", title, weight, &path, evidence).with_attack(["T1078"]));
    }
}

/// Calls that wait in the spool to be placed.
pub(super) fn spool(files: &BTreeMap<EvidencePath, Vec<u8>>, report: &mut Report) {
    for (path, content) in files {
        let value = |name: &str| {
            content.split(|byte| *byte == b'\n').find_map(|line| {
                let (key, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
                key.trim_ascii()
                    .eq_ignore_ascii_case(name.as_bytes())
                    .then(|| value.get(1..).unwrap_or_default().trim_ascii())
            })
        };
        let channel = value("Channel").unwrap_or_default();
        let number = channel.split(|byte| matches!(byte, b'/' | b'@')).nth(1).unwrap_or_default();
        // Any other call, and one that runs a program, is told of by who knows the spool (TR-AST-0040, TR-AST-0041).
        if number::international(number).is_none() && number::premium(number).is_none() {
            continue;
        }
        let mut evidence = Vec::new();
        for name in ["Channel", "Application", "Data", "Context", "Extension", "CallerID", "Account"] {
            evidence.extend(
                value(name).map(|text| attribute(&name.to_ascii_lowercase(), &escape(text.get(..200).unwrap_or(text)))),
            );
        }
        let title = "Call abroad that waits in Asterisk's spool to be placed";
        report.findings.push(finding("TR-FRAUD-0008", title, (Severity::Medium, 65), path, evidence));
    }
}
