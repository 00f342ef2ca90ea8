//! What several commands do first: open a target, compile rules, say how to read.

use super::{artifacts, keys, rule_files};
use crate::args::ReadingArgs;
use crate::args::seal::IdentityArgs;
use crate::exit::{Exit, Failure};
use crate::progress::human_bytes;
use crate::session::Session;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use triage_core::acquire;
use triage_core::bundle::BundleError;
use triage_core::collect::{Catalogue, ProfileError};
use triage_core::detect::{
    self, Advisories, Detector, Detectors, Foreign, ForeignDetector, Indicators, Knowledge, ProblemKind, RuleProblem,
    RuleSet, RuleSource, SigmaSet, YaraDetector, YaraOptions,
};
use triage_core::engine::{Choice, Manners, Opening, Priority, Target, TargetError};
use triage_core::model::{Digest, escape};
use triage_core::source::{ContainerError, Inode, SourceError, SourceKind};
use triage_core::sweep::Options;

/// Files above this size take long enough to be hashed that a person should know what is going on.
const LARGE: u64 = 1 << 30;

/// How long Asterisk may take to tell its calls.
const ASTERISK_PATIENCE: Duration = Duration::from_secs(3);

/// Opens a target as the reading options say; our own files are left out of it.
pub(super) fn target(path: Option<&Path>, reading: &ReadingArgs, session: &Session) -> Result<Target, Failure> {
    sealed_target(path, reading, &IdentityArgs::default(), session)
}

/// The same, of a target that may be encrypted.
pub(super) fn sealed_target(
    path: Option<&Path>,
    reading: &ReadingArgs,
    identity: &IdentityArgs,
    session: &Session,
) -> Result<Target, Failure> {
    chosen(path, reading, identity, &artifacts::catalogue(&[], session)?, &[], session)
}

/// The same with definitions of the user's, and single artifacts.
pub(super) fn chosen(
    path: Option<&Path>,
    reading: &ReadingArgs,
    identity: &IdentityArgs,
    catalogue: &Catalogue,
    artifacts: &[String],
    session: &Session,
) -> Result<Target, Failure> {
    let leave_out = own_inodes(session);
    let identities = keys::identities(identity, session)?;
    let volatile = acquire::Options::live(Arc::new(session.clock));
    // A server of this machine, for evidence that has the files of one.
    let database = acquire::DatabaseOptions {
        servers: acquire::DatabaseOptions::installed_servers(),
        scratch: Some(std::env::temp_dir()),
        ..acquire::DatabaseOptions::default()
    };
    let file = path.unwrap_or(&reading.root);
    if let Some(size) = fs::metadata(file).ok().filter(fs::Metadata::is_file).map(|found| found.len())
        && size > LARGE
    {
        let name = escape(file.as_os_str().as_encoded_bytes());
        session.ui.note(&format!("reading {name} ({}) for its SHA-256 first", human_bytes(size)));
    }
    let opening = Opening {
        path,
        root: &reading.root,
        profile: None,
        leave_out: &leave_out,
        identities: Some(&identities),
        volatile: (!reading.no_volatile).then_some(&volatile),
        partition: reading.partition,
        database: (!reading.no_volatile).then_some(&database),
        expected: reading.expect_sha256,
        network_mounts: reading.network_mounts,
    };
    let choice = Choice { catalogue, profiles: &reading.profile, artifacts };
    let target = Target::open_with(&opening, choice).map_err(explain)?;
    for note in &target.notes {
        session.ui.note(&format!("{}: {note}", target.source.label()));
    }
    if let Some(evidence) = &target.evidence {
        session.ui.note(&format!("sha256 of {}: {} ({})", evidence.name, evidence.sha256, human_bytes(evidence.size)));
    }
    session.ui.detail(&format!(
        "reading {} with {}",
        target.source.label(),
        target.profile.as_deref().map_or_else(|| "everything selected".to_owned(), |name| format!("profile {name}"))
    ));
    Ok(target)
}

/// A bundle that cannot be opened, and what to try.
pub(super) fn explain_bundle(error: BundleError) -> Failure {
    match &error {
        BundleError::Container(ContainerError::Sealed { .. }) => Failure::hinted(error, SEALED),
        _ => Failure::refused(error, "name a bundle that `triage collect` made: a file or an unpacked folder"),
    }
}

const SEALED: &str = "name the secret key that it was encrypted for with `--identity FILE`";

/// Says what to try when a target cannot be opened.
pub(super) fn explain(error: TargetError) -> Failure {
    match &error {
        TargetError::Bundle(BundleError::Container(ContainerError::Sealed { .. })) => Failure::hinted(error, SEALED),
        TargetError::Source(SourceError::Unsupported { detail, .. }) if detail.starts_with("encrypted") => {
            Failure::hinted(error, SEALED)
        }
        TargetError::Source(SourceError::Unsupported { detail, .. }) if detail.starts_with("neither") => {
            Failure::hinted(error, "to look at a single file, name the folder that it lies in")
        }
        TargetError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Failure::hinted(
            error,
            "name a host's root, a folder, a bundle, an archive or an image that exists; the host's root is `--root DIR`",
        ),
        TargetError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Failure::hinted(error, "run as root, or as somebody who may read it")
        }
        TargetError::Outside { path, .. } => {
            let hint = format!("say with `--root DIR` which host `{path}` belongs to");
            Failure::hinted(error, hint)
        }
        TargetError::Source(SourceError::Foreign { commands, .. }) => {
            let hint = format!("as root, without writing to it:\n    {}", commands.join("\n    "));
            Failure::hinted(error, hint)
        }
        TargetError::Source(SourceError::NoRoot { .. }) => {
            Failure::hinted(error, "say which partition is the root with `--partition N`")
        }
        TargetError::OtherFile { .. } => Failure::refused(
            error,
            "it is not the file that the digest was taken of, or it was changed since; nothing of it was used",
        ),
        TargetError::NoFile { .. } => Failure::refused(
            error,
            "leave `--expect-sha256` away, or name the archive or image; a bundle's folder has `triage verify`",
        ),
        TargetError::Profile(_) => match error {
            TargetError::Profile(error) => explain_profile(error),
            error => error.into(),
        },
        TargetError::Bundle(_) => Failure {
            exit: Exit::Refused,
            hint: Some("`triage verify BUNDLE` says what is wrong with it".into()),
            error: error.into(),
        },
        _ => error.into(),
    }
}

/// What to do about a profile that cannot be used.
pub(super) fn explain_profile(error: ProfileError) -> Failure {
    let hint = match &error {
        ProfileError::Unknown { known, .. } => format!("the profiles are {}", known.join(", ")),
        ProfileError::UnknownArtifact { hint, .. } => {
            hint.clone().unwrap_or_else(|| "`triage artifacts list` lists what there is".to_owned())
        }
        ProfileError::Definition(_) => "`triage artifacts check PATH` lists all that is wrong".to_owned(),
        _ => return error.into(),
    };
    Failure::hinted(error, hint)
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
    let threads = reading.threads.unwrap_or_else(usual_threads);
    Options { threads, size_cap: reading.max_file_size.0, ..Options::default() }
}

/// More threads than that only wait for the disk, and a production host has other work.
fn usual_threads() -> NonZeroUsize {
    std::thread::available_parallelism()
        .map_or(NonZeroUsize::MIN, |cores| cores.min(NonZeroUsize::MIN.saturating_add(3)))
}

/// How many calls this host has, as its Asterisk says; none where there is none to ask. No answer counts as one call.
pub(super) fn active_calls() -> Option<u32> {
    let ask = |socket| acquire::asterisk::active_calls(Path::new(socket), ASTERISK_PATIENCE).unwrap_or(Some(1));
    acquire::asterisk::SOCKETS.iter().find_map(ask)
}

/// Takes the priority that fits the target, before any thread is started, and says so. Where the host runs Asterisk, that is asked for its
/// active calls; no answer counts as one.
pub(super) fn manners(target: &Target, reading: &ReadingArgs, session: &Session) -> Manners {
    let is_live = target.source.kind() == SourceKind::Live;
    let calls = if is_live && !reading.no_volatile { active_calls() } else { None };
    let asked = reading.nice.map(Into::into);
    let manners = Manners::fitting(is_live, calls, asked, reading.threads, usual_threads());
    for refused in manners.take() {
        session.ui.detail(&format!("could not take the priority: {refused}"));
    }
    if manners.priority == Priority::Idle {
        session.ui.note(&manners.to_string());
    } else {
        session.ui.detail(&manners.to_string());
    }
    manners
}

/// All detectors, with rules of the user's beside or instead of the built-in ones.
pub(super) fn detectors(rules: &[PathBuf], with_builtin: bool, timeout: u64) -> Result<Detectors, Failure> {
    let sources = rule_files::sources(rules, with_builtin)?;
    detectors_of(RuleSet::compile(&sources.yara), &sources, timeout, Iocs::default())
}

/// All detectors, with YARA rules that are compiled, the rest of the sources, and with indicators of others.
pub(super) fn detectors_of(
    (set, mut problems): (RuleSet, Vec<RuleProblem>),
    sources: &rule_files::Sources,
    timeout: u64,
    iocs: Iocs,
) -> Result<Detectors, Failure> {
    let (logs, mut more) = SigmaSet::compile(&sources.sigma);
    problems.append(&mut more);
    let broken: Vec<&RuleProblem> = problems.iter().filter(|problem| problem.kind == ProblemKind::Broken).collect();
    if let Some(first) = broken.first() {
        let more = if broken.len() > 1 { format!("\n(and {} more)", broken.len() - 1) } else { String::new() };
        return Err(Failure::hinted(
            anyhow::anyhow!("{first}\n{}{more}", first.report.trim_end()),
            "`triage rules check PATH` lists all that is wrong",
        ));
    }
    let mut others: Vec<Box<dyn Detector>> = vec![Box::new(YaraDetector::new(set, yara_options(timeout)))];
    if !iocs.foreign.is_empty() {
        let detector = ForeignDetector::new(iocs.foreign)
            .map_err(|error| anyhow::anyhow!("the indicators are too many: {error}"))?;
        others.push(Box::new(detector));
    }
    let mut indicators = Indicators::builtin()?;
    for (name, text) in &iocs.own {
        indicators.add(name, text)?;
    }
    let mut advisories = Advisories::builtin()?;
    for RuleSource { name, text } in &sources.advisories {
        advisories.join(Advisories::read(name, text.as_bytes()).map_err(|error| {
            Failure::hinted(
                error,
                "`triage rules check FILE` says what is wrong; docs/formats/advisories.md says what a file has",
            )
        })?);
    }
    let knowledge = Knowledge { indicators, sigma: logs, advisories };
    Ok(Detectors::with_knowledge(knowledge, others).within(yara_options(timeout).timeout))
}

/// Indicators of `--iocs`.
#[derive(Default)]
pub(super) struct Iocs {
    foreign: Vec<Foreign>,
    /// Files of our own format.
    own: Vec<(String, String)>,
    /// YARA rules that came along.
    pub(super) rules: Vec<RuleSource>,
    /// A digest over all files, for what is kept of a scan.
    pub(super) digest: Digest,
}

/// Reads the files of `--iocs`. What cannot be used in them is told, the first few by name.
pub(super) fn iocs(paths: &[PathBuf], session: &Session) -> Result<Iocs, Failure> {
    const NAMED: usize = 5;
    let mut all = Iocs::default();
    for path in paths {
        let name = escape(path.as_os_str().as_encoded_bytes());
        let bytes = fs::read(path).map_err(|error| {
            Failure::hinted(
                anyhow::Error::new(error).context(format!("reading indicators from `{name}`")),
                "name a file: STIX 2.1, MISP, LOKI, CSV, a plain list, or our own YAML",
            )
        })?;
        all.digest = Digest::of(&[&all.digest.as_bytes()[..], &bytes].concat());
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            let text =
                String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("indicators in `{name}` are not UTF-8 text"))?;
            all.own.push((name, text));
            continue;
        }
        let found = detect::import(&name, &bytes)?;
        if !found.problems.is_empty() {
            let used = found.indicators.len() + found.rules.len();
            session
                .ui
                .warning(&format!("`{name}`: {used} indicators are used, {} entries cannot be", found.problems.len()));
            for problem in found.problems.iter().take(NAMED) {
                session.ui.note(&format!(
                    "  {}: {}",
                    escape(problem.place.as_bytes()),
                    escape(problem.reason.as_bytes())
                ));
            }
            if let Some(more @ 1..) = found.problems.len().checked_sub(NAMED) {
                session.ui.note(&format!("  and {more} more"));
            }
        }
        all.foreign.extend(found.indicators);
        all.rules.extend(found.rules);
    }
    Ok(all)
}

/// The limits of YARA, with `timeout` seconds for a file.
pub(super) fn yara_options(timeout: u64) -> YaraOptions {
    YaraOptions { timeout: std::time::Duration::from_secs(timeout.max(1)) }
}
