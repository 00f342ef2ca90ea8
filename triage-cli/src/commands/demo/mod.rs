//! `triage demo`: the whole way, with the very commands that a responder types.

mod host;

use super::{apply, collect, plan, rollback, scan, verify};
use crate::args::seal::{IdentityArgs, SealArgs};
use crate::args::{
    AllowArgs, ApplyArgs, BudgetArgs, ByteSize, CaseArgs, CollectArgs, ConsentArgs, DefinitionArgs, DemoArgs,
    FindingFormat, Format, LookArgs, PlanArgs, ReadingArgs, RollbackArgs, ScanArgs, VerifyArgs,
};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use std::path::{Path, PathBuf};
use triage_core::model::{Finding, Severity, Verdict};

const PLAYBOOK: &str = "freepbx/web-shell";

pub(crate) fn run(args: &DemoArgs, session: &Session) -> Result<Exit, Failure> {
    let folder = folder(args)?;
    let session = &session.with_state(folder.join("state"));
    let ui = &session.ui;
    let root = folder.join("host");
    let at = |name: &str| folder.join(name);
    let (bundle, plan_file, report) = (at("bundle.tar.zst"), at("plan.json"), at("report.md"));

    ui.heading("A telephone system has been taken over");
    make_folder(&root)?;
    host::lay(&root)?;
    let before = host::snapshot(&root)?;
    ui.note(&format!(
        "An inert copy of one lies in {}: {} objects, with web shells, cron jobs that fetch them again, a stager in root's \
         .bashrc and a second root account. Nothing in it can run.\n",
        root.display(),
        before.len()
    ));

    ui.heading(&format!("1. Evidence first\n$ triage collect --root {} -o {}", root.display(), bundle.display()));
    expect(collect::run(&collecting(&root, &bundle), session)?, Exit::Gaps, "collect")?;
    session.ui.note("(A gap: the copy has no database. What was not read is said each time, and is exit code 3.)");

    ui.heading(&format!("\n2. Is it whole?\n$ triage verify {}", bundle.display()));
    let verifying = VerifyArgs {
        bundle: bundle.clone(),
        public_key: None,
        identity: IdentityArgs::default(),
        format: Format::Human,
    };
    expect(verify::run(&verifying, session)?, Exit::Gaps, "verify")?;

    ui.heading(&format!("\n3. What happened?\n$ triage scan {}", bundle.display()));
    let found = scanning(&bundle, FindingFormat::Table);
    expect(scan::run(&found, session)?, Exit::Found, "scan")?;
    write(&report, &scan::markdown(&found, session)?)?;

    ui.heading(&format!(
        "\n4. What would be done? Nothing is changed yet.\n$ triage plan --root {} --playbook {PLAYBOOK} -o {}",
        root.display(),
        plan_file.display()
    ));
    expect(plan::run(&planning(&root, &plan_file), session)?, Exit::Found, "plan")?;

    ui.heading(&format!(
        "\n5. Do it\n$ triage apply {} --root {} --evidence {} --yes",
        plan_file.display(),
        root.display(),
        bundle.display()
    ));
    expect(apply::run(&applying(&plan_file, &root, &bundle), session)?, Exit::Done, "apply")?;

    ui.heading(&format!("\n6. Is anything left?\n$ triage scan {}", root.display()));
    let left = scan::scan(&root, &scanning(&root, FindingFormat::Table), session)?;
    scan::show(&left, FindingFormat::Table, session)?;
    let acts = |finding: &&Finding| {
        finding.severity >= Severity::High && !finding.subject.path().as_bytes().starts_with(b"/var/log/")
    };
    if let Some(finding) = left.findings.iter().find(acts) {
        return Err(anyhow::anyhow!("the playbook left something: {} ({})", finding.subject, finding.rule).into());
    }
    // On a machine whose clock is behind the log, what the log tells is still to come.
    if left.verdict == Verdict::ContainedRebuildAdvised {
        ui.note("(The log still tells what happened: it is evidence and is not touched. The intruder was root: on a real host, rebuild.)");
    }

    ui.heading(&format!(
        "\n7. Undo it. This is a demo, so the malicious objects come back too.\n$ triage rollback last --root {} --restore-malicious --yes",
        root.display()
    ));
    expect(rollback::run(&rolling_back(&root), session)?, Exit::Done, "rollback")?;
    let after = host::snapshot(&root)?;
    let differing = before.iter().filter(|(path, state)| after.get(*path) != Some(state)).count()
        + after.keys().filter(|path| !before.contains_key(*path)).count();
    if differing > 0 {
        return Err(Failure::refused(
            anyhow::anyhow!("{differing} objects are not as they were before"),
            "this is a bug in triage; the folder is left as it is",
        ));
    }
    ui.note(&format!(
        "All {} objects are as they were: content, mode, owner, modification time to the nanosecond.",
        before.len()
    ));

    ui.heading("\nWhat is left to look at");
    for (what, path) in [
        ("the bundle", bundle),
        ("the plan", plan_file),
        ("the report", report),
        ("journals and vaults", at("state").join("runs")),
        ("the inert host", root),
    ] {
        ui.note(&format!("  {what:<20} {}", path.display()));
    }
    ui.note(&format!("Remove all of it with: rm -r {}", folder.display()));
    Ok(Exit::Done)
}

/// A step of the demo that ends otherwise than it should is a failure of the demo, whatever it printed.
fn expect(actual: Exit, wanted: Exit, step: &str) -> Result<(), Failure> {
    if actual == wanted {
        return Ok(());
    }
    Err(Failure {
        exit: Exit::Error,
        hint: None,
        error: anyhow::anyhow!("{step} ended with {actual:?}, not {wanted:?}"),
    })
}

fn folder(args: &DemoArgs) -> Result<PathBuf, Failure> {
    let Some(folder) = &args.folder else {
        return Ok(tempfile::Builder::new().prefix("triage-demo-").tempdir()?.keep());
    };
    make_folder(folder).map_err(|failure| Failure {
        hint: Some("name a folder that does not exist yet".to_owned()),
        error: failure.error.context(format!("making `{}`", folder.display())),
        ..failure
    })?;
    Ok(std::fs::canonicalize(folder)?)
}

#[expect(clippy::disallowed_methods, reason = "the demo works in a folder of its own")]
fn make_folder(path: &Path) -> Result<(), Failure> {
    Ok(std::fs::create_dir(path)?)
}

#[expect(clippy::disallowed_methods, reason = "the demo works in a folder of its own")]
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    Ok(std::fs::write(path, text)?)
}

fn reading(root: &Path) -> ReadingArgs {
    ReadingArgs {
        root: root.to_owned(),
        partition: None,
        expect_sha256: None,
        profile: Vec::new(),
        max_file_size: ByteSize(1 << 30),
        threads: None,
        no_volatile: false,
        nice: None,
        network_mounts: false,
    }
}

fn collecting(root: &Path, bundle: &Path) -> CollectArgs {
    CollectArgs {
        resume: None,
        seal: SealArgs::default(),
        reading: reading(root),
        output: Some(bundle.to_owned()),
        format: None,
        scan: false,
        allow: AllowArgs::default(),
        omit_secrets: false,
        definitions: DefinitionArgs::default(),
        look: LookArgs::default(),
        case: CaseArgs::default(),
        md5: false,
        sha1: false,
        budget: BudgetArgs::default(),
    }
}

fn scanning(target: &Path, format: FindingFormat) -> ScanArgs {
    ScanArgs {
        identity: IdentityArgs::default(),
        targets: vec![target.to_owned()],
        reading: reading(Path::new("/")),
        format,
        baseline: Vec::new(),
        rules: Vec::new(),
        no_builtin_rules: false,
        fail_on: Vec::new(),
        verify_packages: false,
        timeout: 30,
        max_time: None,
        allow: AllowArgs::default(),
        iocs: Vec::new(),
        cache: None,
        profile_rules: false,
    }
}

fn planning(root: &Path, output: &Path) -> PlanArgs {
    PlanArgs {
        identity: IdentityArgs::default(),
        target: None,
        reading: reading(root),
        playbook: vec![PLAYBOOK.to_owned()],
        set: Vec::new(),
        from: Vec::new(),
        rules: Vec::new(),
        allow: AllowArgs::default(),
        output: Some(output.to_owned()),
        format: Format::Human,
    }
}

fn applying(plan: &Path, root: &Path, evidence: &Path) -> ApplyArgs {
    ApplyArgs {
        plan: plan.to_owned(),
        root: root.to_owned(),
        digest: None,
        only: Vec::new(),
        skip: Vec::new(),
        max_risk: None,
        review: false,
        watch: None,
        from: Vec::new(),
        evidence: Some(evidence.to_owned()),
        without_evidence: false,
        allow_irreversible: false,
        allow_call_impact: false,
        consent: ConsentArgs { yes: true, skip_stale: false },
    }
}

fn rolling_back(root: &Path) -> RollbackArgs {
    RollbackArgs {
        run: "last".to_owned(),
        root: root.to_owned(),
        step: None,
        service: false,
        restore_malicious: true,
        keep_both: false,
        consent: ConsentArgs { yes: true, skip_stale: false },
    }
}
