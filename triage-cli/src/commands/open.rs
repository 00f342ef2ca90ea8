//! What several commands do first: open a target, compile rules, say how to read.

use crate::args::ReadingArgs;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use triage_core::collect::ProfileError;
use triage_core::detect::{Detectors, ProblemKind, RuleProblem, RuleSet, RuleSource, YaraDetector, YaraOptions};
use triage_core::engine::{Opening, Target, TargetError};
use triage_core::model::escape;
use triage_core::source::Inode;
use triage_core::sweep::Options;

/// Opens a target as the reading options say; our own files are left out of it.
pub(super) fn target(path: Option<&Path>, reading: &ReadingArgs, session: &Session) -> Result<Target, Failure> {
    let leave_out = own_inodes(session);
    let opening = Opening { path, root: &reading.root, profile: reading.profile.as_deref(), leave_out: &leave_out };
    let target = Target::open(&opening).map_err(explain)?;
    session.ui.detail(&format!(
        "reading {} with {}",
        target.source.label(),
        target.profile.as_deref().map_or_else(|| "everything selected".to_owned(), |name| format!("profile {name}"))
    ));
    Ok(target)
}

fn explain(error: TargetError) -> Failure {
    match &error {
        TargetError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Failure::hinted(
            error,
            "name a host's root, a folder, a bundle or a tar or zip archive that exists; the host's root is `--root DIR`",
        ),
        TargetError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Failure::hinted(error, "run as root, or as somebody who may read it")
        }
        TargetError::Outside { path, .. } => {
            let hint = format!("say with `--root DIR` which host `{path}` belongs to");
            Failure::hinted(error, hint)
        }
        TargetError::Profile(ProfileError::Unknown { known, .. }) => {
            let hint = format!("the profiles are {}", known.join(", "));
            Failure::hinted(error, hint)
        }
        TargetError::Bundle(_) => Failure {
            exit: Exit::Refused,
            hint: Some("`triage verify BUNDLE` says what is wrong with it".into()),
            error: error.into(),
        },
        _ => error.into(),
    }
}

/// The state folder, and what standard output goes into, are no evidence. What does not exist is not in the evidence either.
fn own_inodes(session: &Session) -> Vec<Inode> {
    let state = session.state().ok().and_then(|state| fs::metadata(state).ok());
    let output = rustix::fs::fstat(std::io::stdout()).ok().filter(|found| found.st_mode & 0o170_000 == 0o100_000);
    let state = state.map(|found| (found.dev(), found.ino()));
    state.into_iter().chain(output.map(|found| (found.st_dev, found.st_ino))).collect()
}

/// How to read: sizes and threads.
pub(super) fn options(reading: &ReadingArgs) -> Options {
    let threads = reading.threads.unwrap_or_else(|| {
        // More threads than that only wait for the disk, and a production host has other work.
        std::thread::available_parallelism()
            .map_or(NonZeroUsize::MIN, |cores| cores.min(NonZeroUsize::MIN.saturating_add(3)))
    });
    Options { threads, size_cap: reading.max_file_size.0, ..Options::default() }
}

/// All detectors, with YARA rules of the user's beside or instead of the built-in ones.
pub(super) fn detectors(rules: &[PathBuf], with_builtin: bool, timeout: u64) -> Result<Detectors, Failure> {
    let (set, problems) = compile(rules, with_builtin)?;
    let broken: Vec<&RuleProblem> = problems.iter().filter(|problem| problem.kind == ProblemKind::Broken).collect();
    if let Some(first) = broken.first() {
        let more = if broken.len() > 1 { format!("\n(and {} more)", broken.len() - 1) } else { String::new() };
        return Err(Failure::hinted(
            anyhow::anyhow!("{first}\n{}{more}", first.report.trim_end()),
            "`triage rules check PATH` lists all that is wrong",
        ));
    }
    let options = YaraOptions { timeout: std::time::Duration::from_secs(timeout.max(1)) };
    Ok(Detectors::builtin(vec![Box::new(YaraDetector::new(set, options))])?)
}

/// Compiles rules from files and folders.
pub(super) fn compile(paths: &[PathBuf], with_builtin: bool) -> Result<(RuleSet, Vec<RuleProblem>), Failure> {
    let mut sources = if with_builtin { RuleSet::builtin_sources() } else { Vec::new() };
    for path in paths {
        read_rules(path, true, &mut sources)?;
    }
    Ok(RuleSet::compile(&sources))
}

fn read_rules(path: &Path, is_named: bool, sources: &mut Vec<RuleSource>) -> Result<(), Failure> {
    let name = escape(path.as_os_str().as_encoded_bytes());
    let fail = |error: std::io::Error| {
        Failure::hinted(
            anyhow::Error::new(error).context(format!("reading rules from `{name}`")),
            "name a YARA file (.yar, .yara) or a folder of them",
        )
    };
    if fs::metadata(path).map_err(fail)?.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path).map_err(fail)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
        entries.sort();
        return entries.iter().try_for_each(|entry| read_rules(entry, false, sources));
    }
    if is_named || path.extension().is_some_and(|extension| extension == "yar" || extension == "yara") {
        let text = String::from_utf8(fs::read(path).map_err(fail)?)
            .map_err(|_| anyhow::anyhow!("rules in `{name}` are not UTF-8 text"))?;
        sources.push(RuleSource { name, text });
    }
    Ok(())
}
