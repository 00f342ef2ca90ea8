//! A host that was cleaned: what tells of the past is parted from what could act again.
//!
//! A log tells for years of what an intruder did, and no clean-up may touch it: it is evidence. Without this, a cleaned host would be called compromised for
//! ever, and nobody would look at the day on which it is again. Nothing is looked up here: the caller says which runs there were.

use super::root::is_roots_alone;
use super::{Scan, Target, check, is_blind};
use crate::action::{Action, LiveAction};
use crate::journal::{Event, Run, RunId};
use crate::model::{Evidence, Finding, FindingId, HostIdentity, TimeSource, Timestamp, Verdict};
use crate::plan::Step;
use crate::report::CleanedUp;
use crate::source::SourceKind;
use std::collections::BTreeSet;

/// What the runs on a host come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanUp {
    /// The last one.
    pub run: RunId,
    /// When it ended.
    pub finished: Timestamp,
    /// Says that what one of them took out showed that the intruder was root.
    pub root_shown: bool,
}

impl CleanUp {
    /// Puts together what stands of the runs: those that came to their end on this very host, were not undone, and took out something that was
    /// found. None where there is none.
    pub fn of<'a>(runs: impl IntoIterator<Item = &'a Run>, host: &HostIdentity) -> Option<Self> {
        let mut all: Option<Self> = None;
        for run in runs {
            let Some(finished) = finished(run).filter(|_| run.started().host.digest == host.digest) else { continue };
            let mut taken = taken_out(run).peekable();
            if taken.peek().is_none() {
                continue;
            }
            let root_shown = taken.any(|step| step.action.path().is_some_and(is_roots_alone));
            let now = Self { run: run.id().clone(), finished, root_shown };
            all = Some(match all {
                None => now,
                Some(before) => {
                    let root_shown = before.root_shown || now.root_shown;
                    let last = if before.finished > now.finished { before } else { now };
                    Self { root_shown, ..last }
                }
            });
        }
        all
    }
}

/// When a run that does not undo another came to its end.
fn finished(run: &Run) -> Option<Timestamp> {
    if run.started().rollback_of.is_some() {
        return None;
    }
    let end = run.lines().iter().rev().find(|line| matches!(line.event, Event::RunFinished { .. }));
    end.map(|line| line.time)
}

/// The steps that took something out which was found, and hold. What only sets the host up better says nothing of an intruder.
fn taken_out(run: &Run) -> impl Iterator<Item = &Step> {
    let is_set_up = |action: &Action| match action {
        Action::SetOption { .. } | Action::SetMetadata { .. } | Action::SetFlags { .. } => true,
        Action::Live(live) => !matches!(live, LiveAction::KillProcess { .. }),
        _ => false,
    };
    run.plan()
        .steps
        .iter()
        .filter(move |step| !step.findings.is_empty() && !is_set_up(&step.action))
        .filter(|step| run.step(step.number).is_in_force())
}

impl Scan {
    /// Judges the scan of a host that was cleaned: findings that tell only of what was before the clean-up ended do not count, and where nothing else
    /// is left that would, the verdict is [`Verdict::NoKnownTraceLeft`] or [`Verdict::ContainedRebuildAdvised`].
    ///
    /// Only the host itself or the folder that is its root can be judged so: evidence that was taken earlier does not show what a run did since.
    pub fn after(&mut self, target: &Target, clean_up: &CleanUp) {
        if !matches!(target.source.kind(), SourceKind::Live | SourceKind::Root) {
            return;
        }
        let past = past(&self.findings, clean_up.finished);
        let present = self.findings.iter().filter(|finding| !past.contains(&finding.id));
        let root_shown = clean_up.root_shown || self.findings.iter().any(check::shows_root);
        // Where too much was not read, or anything else points to a compromise, what the past says still holds.
        if Verdict::of(present, is_blind(&self.summary, &self.gaps)) == Verdict::NoEvidence {
            self.verdict = if root_shown { Verdict::ContainedRebuildAdvised } else { Verdict::NoKnownTraceLeft };
        }
        self.clean_up = Some(CleanedUp {
            run: clean_up.run.clone(),
            finished: clean_up.finished,
            root_shown,
            past: self.findings.iter().map(|finding| finding.id.clone()).filter(|id| past.contains(id)).collect(),
        });
    }

    /// Says whether a finding tells only of what was before the host was cleaned.
    pub fn is_past(&self, finding: &Finding) -> bool {
        self.clean_up.as_ref().is_some_and(|clean_up| clean_up.past.contains(&finding.id))
    }
}

/// The findings that tell of what was done before, and can do nothing themselves: a record says it, and says when. What lies there as a file can act again,
/// whatever its times say; and what has no time may be of today.
fn past(findings: &[Finding], finished: Timestamp) -> BTreeSet<FindingId> {
    let was_before =
        |finding: &Finding| finding.seen.is_some_and(|seen| seen.by == TimeSource::Record && seen.last < finished);
    let told: BTreeSet<&FindingId> = findings
        .iter()
        .filter(|finding| signals(finding).next().is_none() && was_before(finding))
        .map(|finding| &finding.id)
        .collect();
    // A sum is of the past where all that it sums up is.
    let is_past = |finding: &Finding| {
        told.contains(&finding.id)
            || (signals(finding).next().is_some() && signals(finding).all(|id| told.contains(id)))
    };
    findings.iter().filter(|finding| is_past(finding)).map(|finding| finding.id.clone()).collect()
}

fn signals(finding: &Finding) -> impl Iterator<Item = &FindingId> {
    finding.evidence.iter().filter_map(|evidence| match evidence {
        Evidence::Signal { finding, .. } => Some(finding),
        _ => None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{Category, EvidencePath, Severity, Span, Subject};

    fn end() -> Timestamp {
        Timestamp::new(1_000, 0)
    }

    fn finding(rule: &str, path: &str, seen: Option<(i64, i64, TimeSource)>) -> Finding {
        let subject = Subject::File { path: EvidencePath::new(path).unwrap(), sha256: None };
        let span =
            seen.map(|(first, last, by)| Span { first: Timestamp::new(first, 0), last: Timestamp::new(last, 0), by });
        Finding::new(rule, "t", (Category::Exploitation, Severity::High, 90), subject, Vec::new()).with_span(span)
    }

    fn is_past(finding: Finding) -> bool {
        !past(&[finding], end()).is_empty()
    }

    #[test]
    fn only_a_record_of_before_is_of_the_past() {
        let log = "/var/log/apache2/access.log";
        assert!(is_past(finding("TR-LOG-0101", log, Some((1, 999, TimeSource::Record)))));
        assert!(
            !is_past(finding("TR-LOG-0101", log, Some((1, 1_000, TimeSource::Record)))),
            "the last act is not before the end"
        );
        assert!(!is_past(finding("TR-LOG-0101", log, None)), "it may be of today");
    }

    #[test]
    fn a_file_whose_times_were_set_back_is_not_of_the_past() {
        for by in [TimeSource::Modified, TimeSource::Inode, TimeSource::Start] {
            assert!(!is_past(finding("TR-WEBSHELL-0001", "/var/www/html/x.php", Some((1, 2, by)))), "{by:?}");
        }
    }

    #[test]
    fn a_sum_is_of_the_past_where_all_that_it_sums_up_is() {
        let sign = |of: &Finding| Evidence::Signal {
            finding: of.id.clone(),
            rule: of.rule.clone(),
            family: "f".to_owned(),
            severity: Severity::Medium,
            confidence: 50,
            adds: 10,
            together: 60,
        };
        let (told, lies) = (
            finding("TR-LOG-0601", "/var/www/html/x.php", Some((1, 2, TimeSource::Record))),
            finding("TR-PLACE-0001", "/var/www/html/x.php", Some((1, 2, TimeSource::Inode))),
        );
        // The sum of a file and a record of it bears the record's word for its time.
        let mut sum = finding("TR-SCORE-0001", "/var/www/html/x.php", Some((1, 2, TimeSource::Record)));
        sum.evidence = vec![sign(&told), sign(&lies)];
        assert_eq!(past(&[told.clone(), lies.clone(), sum.clone()], end()), BTreeSet::from([told.id.clone()]));
        sum.evidence = vec![sign(&told)];
        assert!(past(&[told, sum.clone()], end()).contains(&sum.id));
    }
}
