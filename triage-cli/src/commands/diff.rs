//! `triage diff`

use super::open;
use crate::args::{DiffArgs, DiffFormat, DiffKind, ReadingArgs};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::session::Session;
use crate::view;
use std::path::{Path, PathBuf};
use triage_core::diff::{self, DiffReport, SideReport};
use triage_core::engine::{self, Reading, Target};
use triage_core::model::Clock as _;

pub(crate) fn run(args: &DiffArgs, session: &Session) -> Result<Exit, Failure> {
    let reading = ReadingArgs {
        root: PathBuf::from("/"),
        partition: None,
        expect_sha256: None,
        profile: args.profile.clone(),
        max_file_size: args.max_file_size,
        threads: args.threads,
        no_volatile: true,
        nice: None,
        network_mounts: false,
    };
    let old = open::target(Some(&args.old), &reading, session)?;
    let new = open::target(Some(&args.new), &reading, session)?;
    if old.host.digest != new.host.digest {
        session.ui.warning("the two are of different hosts; much will differ");
    }
    let progress = Progress::start(&session.ui, "comparing");
    let how = Reading { options: open::options(&reading), progress: &progress, cancel: &|| session.is_interrupted() };
    let mut found = engine::diff(&old, &new, how)?;
    drop(progress);
    if found.is_interrupted {
        return Ok(Exit::Interrupted);
    }
    let folded = if args.all { std::collections::BTreeMap::new() } else { found.fold() };
    if !args.only.is_empty() {
        let is_wanted = |group: &str| args.only.iter().any(|kind| word(*kind) == group);
        if !is_wanted("files") {
            found.files.clear();
        }
        found.records.retain(|record| is_wanted(&record.group));
    }
    let report = DiffReport {
        format_version: diff::FORMAT_VERSION,
        tool: Session::tool(),
        created: session.clock.now(),
        old: side(&args.old, &old),
        new: side(&args.new, &new),
        totals: found.totals,
        files: found.files,
        records: found.records,
        folded,
        gaps: found.gaps,
    };
    let text = match args.format {
        DiffFormat::Table => view::diff::table(&report, args.all),
        DiffFormat::Json => diff::json(&report)?,
        DiffFormat::Jsonl => diff::jsonl(&report)?,
    };
    session.ui.data(&text)?;
    session.ui.note(&view::diff::last_line(&report));
    Ok(Exit::of(!report.files.is_empty() || !report.records.is_empty(), !report.gaps.is_empty()))
}

fn side(path: &Path, target: &Target) -> SideReport {
    SideReport { target: triage_core::model::escape(path.as_os_str().as_encoded_bytes()), host: target.host.clone() }
}

/// The library's word for a kind: the folder of its records.
fn word(kind: DiffKind) -> &'static str {
    match kind {
        DiffKind::Files => "files",
        DiffKind::Accounts => "accounts",
        DiffKind::Groups => "groups",
        DiffKind::Cron => "cron",
        DiffKind::Units => "units",
        DiffKind::Modules => "modules",
        DiffKind::AuthorizedKeys => "authorized_keys",
    }
}
