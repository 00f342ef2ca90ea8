//! The evidence that `apply` keeps by itself, where it does not fit.

use super::*;
use crate::apply::{self, ApplyRequest, Watch};
use crate::engine::Opening;
use crate::journal::{Consent, RunState, Runs};
use crate::model::{Category, FileKind, FileMeta, Finding, Mode, Severity, Subject, Timestamp};
use crate::plan::{PlanRequest, Step, make};
use crate::playbook::builtin;
use crate::rollback::{self, RollbackOptions, Scope};
use crate::source::{DirectorySource, SourceKind};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

const SMALL: &[u8] = b"<?php exit; // inert sample, small\n";

/// A clock that goes on by so many seconds each time it is looked at.
struct Stepping(AtomicI64, i64);

impl Clock for Stepping {
    fn now(&self) -> Timestamp {
        Timestamp::new(self.0.fetch_add(self.1, Ordering::Relaxed), 0)
    }
}

fn clock(step: i64) -> Stepping {
    Stepping(AtomicI64::new(1_767_323_045), step)
}

/// What no packer makes smaller, from a fixed beginning.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = b"<?php exit; // inert sample, large\n".to_vec();
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend(state.to_le_bytes());
    }
    out
}

/// A host with three files that were convicted, one of them large.
struct Host {
    folder: tempfile::TempDir,
    plan: Plan,
}

const FILES: [&str; 3] = ["var/www/html/a.php", "var/www/html/large.php", "var/www/html/z.php"];

impl Host {
    #[allow(clippy::disallowed_methods, reason = "a test makes the host that it changes")]
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let large = noise(300_000);
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::create_dir_all(root.join("var/www/html")).unwrap();
        std::fs::write(root.join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        let mut findings = Vec::new();
        for file in FILES {
            let content: &[u8] = if file.contains("large") { &large } else { SMALL };
            std::fs::write(root.join(file), content).unwrap();
            let path = EvidencePath::new(format!("/{file}")).unwrap();
            let subject = Subject::File { path, sha256: Some(Digest::of(content)) };
            let weight = (Category::WebShell, Severity::Critical, 95);
            findings.push(Finding::new("TR-WEBSHELL-0001", "t", weight, subject, Vec::new()));
        }
        let target = Target::open(&Opening::new(None, &root)).unwrap();
        let plan = make(&PlanRequest {
            living: None,
            findings: &findings,
            playbooks: &[builtin("linux/web-shell").unwrap().unwrap()],
            inputs: &BTreeMap::new(),
            material: None,
            open_source: &|_| Err("no source here".to_owned()),
            source: target.source.as_ref(),
            host: target.host.clone(),
            target: "/".to_owned(),
            tool: "triage test".to_owned(),
            created: Timestamp::new(1_767_323_000, 0),
        });
        let plan = plan.unwrap().value;
        assert_eq!(plan.steps.len(), 3);
        Self { folder, plan }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("evidence.tar.zst")
    }

    fn gather(&self, bound: Bound, clock: &dyn Clock) -> Result<Evidence, EvidenceError> {
        let target = Target::open(&Opening::new(None, &self.root())).unwrap();
        let options = crate::sweep::Options { threads: std::num::NonZeroUsize::MIN, ..Default::default() };
        let reading = Reading { options, progress: &(), cancel: &|| false };
        gather(&self.plan, target, &self.bundle(), ("test", bound), clock, reading)
    }

    fn snapshot(&self) -> Vec<(Vec<u8>, u32, i64, i64)> {
        let seen = |file: &&str| {
            let path = self.root().join(file);
            let meta = std::fs::metadata(&path).unwrap();
            (std::fs::read(&path).unwrap(), meta.permissions().mode(), meta.mtime(), meta.mtime_nsec())
        };
        FILES.iter().map(seen).collect()
    }

    fn run(&self, plan: &Plan, evidence: Evidence, consent: Consent, runs: &Runs) -> apply::RunReport {
        let target = apply::Target::open(&self.root()).unwrap();
        let watch = Watch { clock: &clock(1), cancel: &|| false, progress: &mut |_| {}, examine: &apply::accept };
        let tool = "triage test".to_owned();
        apply::apply(ApplyRequest { plan, target: &target, runs, tool, evidence, consent, material: None, watch })
            .unwrap()
    }
}

fn left_out(evidence: &Evidence) -> Vec<String> {
    let Evidence::Bundle { left_out, .. } = evidence else { panic!("{evidence:?}") };
    left_out.iter().map(ToString::to_string).collect()
}

/// The bundle that `apply` makes by itself has an end. What lies beyond it is named, in the answer, in the bundle and in the journal, is in the vault all the
/// same, and comes back from there.
#[test]
fn what_overruns_the_bounds_of_the_evidence_is_named_and_the_vault_has_it() {
    let host = Host::new();
    let before = host.snapshot();
    let bound = Bound { total: 100_000, ..Bound::default() };
    let evidence = host.gather(bound, &clock(0)).unwrap();
    assert_eq!(left_out(&evidence), ["/var/www/html/large.php"]);
    let size = std::fs::metadata(host.bundle()).unwrap().len();
    assert!(size < 100_000, "the bundle is bounded: {size}");
    let bundle = BundleSource::open(&host.bundle()).unwrap();
    let gap = bundle.gaps().iter().find(|gap| gap.path.to_string() == "/var/www/html/large.php").unwrap();
    assert_eq!(gap.reason, GapReason::BudgetSpent);
    for (file, has) in FILES.iter().zip([true, false, true]) {
        let path = EvidencePath::new(format!("/{file}")).unwrap();
        assert_eq!(bundle.open(&path).unwrap().is_some(), has, "{file}");
    }

    let runs = Runs::create(&host.folder.path().join("state")).unwrap();
    let report = host.run(&host.plan, evidence.clone(), Consent::default(), &runs);
    assert_eq!(report.state, RunState::Applied, "{:#?}", report.outcomes);
    assert!(FILES.iter().all(|file| !host.root().join(file).exists()));
    let run = runs.run(&report.run).unwrap();
    assert_eq!(run.started().evidence, evidence, "the journal says what was left out");
    for (content, ..) in &before {
        run.vault().verify(&Digest::of(content)).unwrap();
    }

    let options = RollbackOptions {
        scope: Scope::Everything,
        keep_both: false,
        tool: "triage test".to_owned(),
        created: Timestamp::new(1_767_400_000, 0),
    };
    let source = DirectorySource::open(&host.root(), SourceKind::Root).unwrap();
    let undo = rollback::plan(&run, &source, None, &options).unwrap().value;
    let consent = Consent { restore_malicious: true, ..Consent::default() };
    let undone = host.run(&undo, Evidence::Rollback, consent, &runs);
    assert_eq!(undone.state, RunState::Applied, "{:#?}", undone.outcomes);
    assert_eq!(host.snapshot(), before);
}

#[test]
fn evidence_whose_time_is_up_verifies_as_far_as_it_goes_and_names_the_rest() {
    let host = Host::new();
    // Each look at the clock takes an hour.
    let evidence = host.gather(Bound::default(), &clock(3600)).unwrap();
    let names = left_out(&evidence);
    assert!(!names.is_empty());
    let bundle = BundleSource::open(&host.bundle()).unwrap();
    for file in FILES {
        let path = EvidencePath::new(format!("/{file}")).unwrap();
        let is_kept = bundle.open(&path).unwrap().is_some();
        assert_eq!(is_kept, !names.contains(&path.to_string()), "{file}");
    }
    let verification = bundle::verify(&host.bundle(), &mut |_| {}, &|| false).unwrap();
    assert!(verification.failures.is_empty(), "{:?}", verification.failures);
}

#[test]
fn what_fits_is_all_kept_and_nothing_is_named() {
    let host = Host::new();
    assert_eq!(left_out(&host.gather(Bound::default(), &clock(0)).unwrap()), [""; 0]);
    check(&host.bundle(), &host.plan, &|| false).unwrap();
}

/// A step whose object's content was not known when it was planned is tried, so the object is evidence like any other.
#[test]
fn what_was_not_known_when_it_was_planned_has_to_be_kept_too() {
    let mut host = Host::new();
    let is_a = |step: &&mut Step| step.action.path().unwrap().as_bytes().ends_with(b"/a.php");
    let step = host.plan.steps.iter_mut().find(is_a).unwrap();
    step.status = StepStatus::CannotKnow { why: "its content is not in the bundle".to_owned() };
    step.before = State::Present(Box::new(crate::action::Present {
        meta: FileMeta::bare(FileKind::File, Mode::new(0o644), SMALL.len() as u64),
        sha256: None,
    }));
    // A bundle that was made without it.
    let target = Target::open(&Opening::new(None, &host.root())).unwrap();
    let others = host
        .plan
        .skip(&[host
            .plan
            .steps
            .iter()
            .find(|step| step.action.path().unwrap().as_bytes().ends_with(b"/a.php"))
            .unwrap()
            .number])
        .unwrap();
    let options = crate::sweep::Options { threads: std::num::NonZeroUsize::MIN, ..Default::default() };
    let reading = Reading { options, progress: &(), cancel: &|| false };
    let without = host.folder.path().join("without.tar.zst");
    gather(&others, target, &without, ("test", Bound::default()), &clock(0), reading).unwrap();
    let error = check(&without, &host.plan, &|| false).unwrap_err();
    assert!(matches!(&error, EvidenceError::Uncovered { path, .. } if path == "/var/www/html/a.php"), "{error}");
    // The one that is made for the plan has it, or names it.
    assert_eq!(left_out(&host.gather(Bound::default(), &clock(0)).unwrap()), [""; 0]);
    check(&host.bundle(), &host.plan, &|| false).unwrap();
    std::fs::File::options()
        .write(true)
        .open(host.root().join(FILES[0]))
        .unwrap()
        .write_all(b"<?php exit; // changed")
        .unwrap();
    check(&host.bundle(), &host.plan, &|| false).unwrap();
}
