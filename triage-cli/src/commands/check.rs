//! `triage check`

use super::{allow, clean_up, open, scan};
use crate::args::{CheckArgs, CheckFormat};
use crate::exit::{Exit, Failure};
use crate::progress::{Progress, human_bytes};
use crate::session::Session;
use crate::view;
use serde::Serialize;
use std::path::Path;
use triage_core::bundle::{BundleFormat, BundleSink, Seal};
use triage_core::engine::check::{About, Check, Checker, Families, Question, Word};
use triage_core::engine::{self, Care, Collection, Reading, Target};
use triage_core::model::{Clock as _, Verdict, escape};
use triage_core::playbook;
use triage_core::report::{self, ScanReport};
use triage_core::source::SourceKind;
use triage_core::sweep::Options;

pub(crate) fn run(args: &CheckArgs, session: &Session) -> Result<Exit, Failure> {
    let target = open::sealed_target(args.target.as_deref(), &args.reading, &args.identity, session)?;
    let list = allow::list(&args.allow, args.target.as_deref(), &target, &args.reading, session)?;
    let families = Families::builtin()?;
    let checker = Checker::default();
    let mut detectors = open::detectors(&[], true, 30)?.allowing(list);
    checker.watch(&mut detectors);
    let manners = open::manners(&target, &args.reading, session);
    let options = Options { threads: manners.threads, ..open::options(&args.reading) };
    let progress = Progress::start(&session.ui, "checking");
    let reading = Reading { options, progress: &progress, cancel: &|| session.is_interrupted() };
    let (mut scan, saved) = match &args.save {
        None => (engine::scan(&target, detectors, reading)?, None),
        Some(file) => {
            let info = engine::bundle_info(&target, Session::VERSION, session.clock.now(), options.threads.get());
            let collection = Collection {
                target: &target,
                info,
                sink: BundleSink::path(file.clone(), BundleFormat::of_name(file).unwrap_or(BundleFormat::TarZst)),
                seal: Seal::default(),
                omits_secrets: false,
                detectors: Some(detectors),
                care: Care { elapsed: &|| session.started.elapsed(), ..Care::default() },
                clock: &session.clock,
            };
            let mut collected = engine::collect(collection, reading).map_err(|error| {
                Failure::hinted(
                    error,
                    "name another file with `--save`; what was written until then ends in `.partial`",
                )
            })?;
            let scan = collected.scan.take().ok_or_else(|| anyhow::anyhow!("nothing was scanned"))?;
            (scan, Some(collected.sealed))
        }
    };
    drop(progress);
    allow::tell_unused(&scan, session);
    clean_up::judge(&mut scan, &target, session);
    let is_live = target.source.kind() == SourceKind::Live;
    let created = session.clock.now();
    let about = About { tool: Session::tool(), now: is_live.then_some(created), created };
    let check = checker.answer(&target, &scan, &families, about)?;
    let is_interrupted = scan.summary.is_interrupted;
    let report = ScanReport { verdict: check.verdict, ..scan::report_of(&target, scan, session) };
    show(&check, &report, args.format, session)?;
    if let Some(sealed) = &saved {
        if let Some(path) = &sealed.path {
            let name = escape(path.as_os_str().as_encoded_bytes());
            session.ui.note(&format!("kept in {name} ({})", human_bytes(sealed.bytes)));
        }
        session.ui.note(&view::verification::paper(sealed.sha256.as_ref(), &sealed.tag_manifest));
    }
    if args.format == CheckFormat::Human {
        next(&check, args, &target, session);
    }
    let found = check.verdict.is_found() || scan::is_asked_for(&report, &args.fail_on);
    Ok(if is_interrupted { Exit::Interrupted } else { Exit::of(found, !report.gaps.is_empty()) })
}

fn show(check: &Check, report: &ScanReport, format: CheckFormat, session: &Session) -> Result<(), Failure> {
    /// The check, with what it rests on.
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        check: &'a Check,
        scan: &'a ScanReport,
    }
    let text = match format {
        CheckFormat::Human => view::check::text(check, &report.findings),
        CheckFormat::Json => serde_json::to_string_pretty(&Whole { check, scan: report })? + "\n",
        CheckFormat::Jsonl => report::jsonl_body(report)? + &engine::check::verdict_line(check)? + "\n",
    };
    session.ui.data(&text)?;
    Ok(())
}

/// The exact next commands.
fn next(check: &Check, args: &CheckArgs, target: &Target, session: &Session) {
    let is_live = target.source.kind() == SourceKind::Live;
    let quoted = |path: &Path| format!("'{}'", escape(path.as_os_str().as_encoded_bytes()));
    let root = Some(args.reading.root.as_path()).filter(|root| *root != Path::new("/"));
    let place = args.target.as_deref().or(args.save.as_deref()).or(root);
    let of = place.map(|path| format!(" {}", quoted(path))).unwrap_or_default();
    let mut steps: Vec<String> = Vec::new();
    match check.verdict {
        Verdict::Compromised | Verdict::Suspicious => {
            if is_live {
                steps.push(
                    "leave the machine on, and do not restart it: what is running now does not come again".to_owned(),
                );
                if args.save.is_none() {
                    steps.push("triage collect -o evidence.tar.zst       # before anything changes".to_owned());
                }
            }
            let all = place.map_or_else(|| "/".to_owned(), quoted);
            steps.push(format!("triage scan {all}       # every finding, with its evidence"));
            if check.verdict == Verdict::Compromised {
                steps.push(format!(
                    "triage plan{of} --playbook {} -o plan.json       # says what would change, and changes nothing",
                    playbook_for(check)
                ));
                steps.push("triage apply plan.json       # on the host; `triage rollback last` undoes it".to_owned());
            }
            if !check.root_shown.is_empty() {
                steps.push("set the machine up anew once calls are safe: an intruder who was root may have hidden what no tool finds".to_owned());
            }
        }
        Verdict::Undetermined => steps.push(
            "read what was not read: run as root, or collect on the host with `triage collect` and check the bundle"
                .to_owned(),
        ),
        Verdict::NoEvidence => {}
        Verdict::NoKnownTraceLeft | Verdict::ContainedRebuildAdvised => {
            steps.extend(clean_up::left_to_do(check.verdict).iter().map(|step| (*step).to_owned()));
        }
    }
    let open =
        check.answers.iter().any(|answer| answer.question == Question::Patches && answer.answer == Word::Vulnerable);
    if open {
        steps.push(
            "close the holes that are named under `patches`; the same intruder comes back through them".to_owned(),
        );
    }
    if steps.is_empty() {
        return;
    }
    session.ui.note("next:");
    for (number, step) in steps.iter().enumerate() {
        session.ui.note(&format!("  {}. {step}", number + 1));
    }
}

/// The playbook that fits: that of the incident's family where there is one, else that of the host's kind.
fn playbook_for(check: &Check) -> &str {
    let known = |name: &&str| playbook::builtin_names().any(|builtin| builtin == *name);
    let of_family = check.families.iter().map(|family| family.playbook.as_str()).find(known);
    let is_freepbx = check.product.as_ref().is_some_and(|found| found.product.has_pack());
    of_family.unwrap_or(if is_freepbx { "freepbx/web-shell" } else { "linux/web-shell" })
}
