//! What findings and playbooks want done, object by object.
//!
//! A step changes one object. What a playbook asks for can be several: a unit and its links, an account in two files. And several
//! findings can ask for one: lines of one crontab are one edit.

use super::scene::Scene;
use super::{Affects, PlanError, PlanRequest, Risk};
use crate::action::live::{Argv, ProcessSelector, ServiceVerb};
use crate::action::{Attributes, InodeFlag, Lines, is_at_job};
use crate::model::{Digest, EvidencePath, Finding, FindingId, Mode, RawText, Subject, escape};
use crate::playbook::{ActionKind, Facts, Inputs, Phase, Playbook, PlaybookStep, Values};
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

/// How long a command may take where nobody says it, in seconds.
const COMMAND_LIMIT: &str = "60";

/// What is done to which object: the key under which requests are one task. In the order in which they are done to one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Quarantine(EvidencePath),
    /// The file, and where the playbook says that a good copy is; empty where it does not.
    Restore(EvidencePath, String),
    Flags(EvidencePath, BTreeSet<InodeFlag>, BTreeSet<InodeFlag>),
    Metadata(EvidencePath, Attributes),
    Edit(EvidencePath),
    Cron(EvidencePath),
    Key(EvidencePath, RawText),
    EditFile(EvidencePath, Vec<Edit>),
    Option(EvidencePath, String, RawText),
    /// Shadow file and name.
    Lock(EvidencePath, RawText),
    Expire(EvidencePath, RawText),
    Account(EvidencePath, RawText),
    /// File, group and name of one whose membership is to be as it was.
    Member(EvidencePath, RawText, RawText),
    Shell(EvidencePath, RawText, RawText),
    /// File, group and name.
    Leave(EvidencePath, RawText, RawText),
    Mask(EvidencePath),
    Live(Want),
}

/// What is wanted of the running host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Want {
    Freeze(ProcessSelector),
    Kill(ProcessSelector),
    Service(RawText, ServiceVerb),
    /// The command, how long it may take in seconds, and what undoes it.
    Command(Argv, u64, Option<Argv>),
}

/// What tells most of them apart is enough; two that are equal have it in common.
impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        self.path().hash(state);
        match self {
            Self::Key(_, name)
            | Self::Lock(_, name)
            | Self::Expire(_, name)
            | Self::Account(_, name)
            | Self::Shell(_, name, _) => name.hash(state),
            Self::Member(_, group, name) | Self::Leave(_, group, name) => (group, name).hash(state),
            _ => {}
        }
    }
}

/// An edit before the file was looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edit {
    Remove(Lines),
    Replace(Lines, RawText),
    Ensure(RawText),
}

impl Target {
    /// The file that it is about; none for what is wanted of the running host.
    pub(super) fn path(&self) -> Option<&EvidencePath> {
        match self {
            Self::Quarantine(path)
            | Self::Restore(path, _)
            | Self::Flags(path, ..)
            | Self::Metadata(path, _)
            | Self::Edit(path)
            | Self::Cron(path)
            | Self::Key(path, _)
            | Self::EditFile(path, _)
            | Self::Option(path, ..)
            | Self::Lock(path, _)
            | Self::Expire(path, _)
            | Self::Account(path, _)
            | Self::Member(path, ..)
            | Self::Shell(path, ..)
            | Self::Leave(path, ..)
            | Self::Mask(path) => Some(path),
            Self::Live(_) => None,
        }
    }

    /// Says whether it is left out where the file goes into quarantine.
    pub(super) fn goes_with_the_file(&self) -> bool {
        matches!(
            self,
            Self::Flags(..) | Self::Metadata(..) | Self::Edit(_) | Self::Cron(_) | Self::Key(..) | Self::EditFile(..)
        )
    }
}

/// Where a task stands in the plan: phase, playbook, step.
pub(super) type Rank = (Phase, usize, usize);

/// All that findings and playbooks want of one object in one way.
pub(super) struct Task<'a> {
    pub(super) target: Target,
    pub(super) rank: Rank,
    pub(super) playbook: &'a Playbook,
    pub(super) step: &'a PlaybookStep,
    pub(super) risk: Risk,
    pub(super) affects: BTreeSet<Affects>,
    pub(super) findings: BTreeSet<FindingId>,
    /// The contents that were convicted.
    pub(super) digests: BTreeSet<Digest>,
    pub(super) lines: BTreeSet<RawText>,
    /// What a person has to say first.
    pub(super) needs: Option<String>,
}

impl Task<'_> {
    pub(super) fn absorb(&mut self, risk: Risk, affects: &[Affects]) {
        self.risk = self.risk.max(risk);
        self.affects.extend(affects);
    }
}

/// Evaluates the playbooks and brings together what is about one object. In the order of the plan.
pub(super) fn tasks<'a>(request: &PlanRequest<'a>, scene: &mut Scene<'_>) -> Result<Vec<Task<'a>>, PlanError> {
    let facts = Facts::new(request.findings, &request.host);
    crate::playbook::check_inputs(request.playbooks, request.inputs).map_err(PlanError::Playbook)?;
    let mut tasks: Vec<Task<'a>> = Vec::new();
    let mut known: HashMap<Target, usize> = HashMap::new();
    let playbooks: &'a [Playbook] = request.playbooks;
    for (book, playbook) in playbooks.iter().enumerate() {
        let inputs = playbook.inputs_with(request.inputs).map_err(PlanError::Playbook)?;
        for (order, step) in playbook.steps.iter().enumerate() {
            let rank = (step.phase, book, order);
            for index in playbook.select(step, &facts, &inputs).map_err(PlanError::Playbook)? {
                let Some(finding) = request.findings.get(index) else { continue };
                for target in targets(playbook, step, (&facts, &inputs, index), finding, scene)? {
                    let at = *known.entry(target.clone()).or_insert(tasks.len());
                    if at == tasks.len() {
                        tasks.push(Task {
                            target,
                            rank,
                            playbook,
                            step,
                            risk: step.risk,
                            affects: BTreeSet::new(),
                            findings: BTreeSet::new(),
                            digests: BTreeSet::new(),
                            lines: BTreeSet::new(),
                            needs: playbook.needs(step, &inputs),
                        });
                    }
                    let Some(task) = tasks.get_mut(at) else { continue };
                    task.absorb(step.risk, &step.affects);
                    if rank < task.rank {
                        (task.rank, task.playbook, task.step) = (rank, playbook, step);
                    }
                    task.findings.insert(finding.id.clone());
                    match &finding.subject {
                        // What belongs to a unit was not itself convicted by its content.
                        Subject::File { path, sha256 } if Some(path) == task.target.path() => {
                            task.digests.extend(sha256);
                        }
                        Subject::CronEntry { text, .. } | Subject::Line { text, .. } => {
                            task.lines.insert(text.clone());
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    sort(&mut tasks);
    Ok(tasks)
}

pub(super) fn sort(tasks: &mut [Task<'_>]) {
    tasks.sort_by(|a, b| (a.rank, a.target.path(), &a.target).cmp(&(b.rank, b.target.path(), &b.target)));
}

type Given<'a> = (&'a Facts<'a>, &'a Inputs, usize);

/// What a step does for one finding, object by object.
fn targets(
    playbook: &Playbook,
    step: &PlaybookStep,
    (facts, inputs, index): Given<'_>,
    finding: &Finding,
    scene: &mut Scene<'_>,
) -> Result<Vec<Target>, PlanError> {
    let source = || format!("{}#{}", playbook.name, step.id);
    let value = |detail: String| PlanError::Value { step: source(), detail };
    // Most actions take no values: nothing is evaluated for them.
    let values = if step.action.values().is_empty() {
        Values::default()
    } else {
        playbook.values(step, facts, inputs, index).map_err(PlanError::Playbook)?
    };
    // Until a person has said what is missing, the values mean nothing.
    let is_open = playbook.needs(step, inputs).is_some();
    let text = |name: &str| RawText::from(values.text(name).unwrap_or_default());
    if let Some(want) = want(step.action, &values, &finding.subject, is_open).map_err(value)? {
        return Ok(vec![Target::Live(want)]);
    }
    Ok(match (step.action, &finding.subject) {
        (ActionKind::RunCommand, _) => {
            // A step without its command could not even be named.
            let what = playbook.needs(step, inputs).unwrap_or_default();
            return Err(value(format!("somebody has to say first: {what}")));
        }
        (ActionKind::QuarantineFile, Subject::File { path, .. } | Subject::Process { path, .. }) => {
            vec![Target::Quarantine(path.clone())]
        }
        (ActionKind::RestoreFile, Subject::File { path, .. }) => {
            vec![Target::Restore(path.clone(), values.text("from").unwrap_or_default().to_owned())]
        }
        (ActionKind::SetMetadata, Subject::File { path, .. }) => {
            let wanted = if is_open { Attributes::default() } else { attributes(&values).map_err(value)? };
            vec![Target::Metadata(path.clone(), wanted)]
        }
        (ActionKind::SetFlags, Subject::File { path, .. }) => {
            let (set, clear) = (flags(&values, "set").map_err(value)?, flags(&values, "clear").map_err(value)?);
            vec![Target::Flags(path.clone(), set, clear)]
        }
        (
            ActionKind::EditFile,
            Subject::File { path, .. } | Subject::CronEntry { path, .. } | Subject::Line { path, .. },
        ) => vec![Target::EditFile(path.clone(), edits(&values))],
        // A job of `at` is a whole file, environment and all: without its lines it would still be one.
        (
            ActionKind::RemoveLines | ActionKind::RemoveCronEntry,
            Subject::CronEntry { path, .. } | Subject::Line { path, .. },
        ) if is_at_job(path) => vec![Target::Quarantine(path.clone())],
        (ActionKind::RemoveLines, Subject::CronEntry { path, .. } | Subject::Line { path, .. }) => {
            vec![Target::Edit(path.clone())]
        }
        (ActionKind::RemoveCronEntry, Subject::CronEntry { path, .. }) => vec![Target::Cron(path.clone())],
        (ActionKind::RemoveKey, Subject::Line { path, text, .. }) => {
            match crate::action::key_in(text.as_bytes()) {
                Some(key) => vec![Target::Key(path.clone(), key)],
                // A line without a key that we can read goes as a line.
                None => vec![Target::Edit(path.clone())],
            }
        }
        (ActionKind::DisableUnit, Subject::File { path, .. }) => {
            scene.unit_links(path).into_iter().map(Target::Quarantine).collect()
        }
        (ActionKind::RemoveUnit, Subject::File { path, .. }) => {
            let parts = scene.unit_links(path).into_iter().chain(scene.unit_additions(path)).chain([path.clone()]);
            parts.map(Target::Quarantine).collect()
        }
        (ActionKind::MaskUnit, Subject::File { path, .. }) => {
            let mask = EvidencePath::root().join(b"etc").join(b"systemd").join(b"system").join(path.file_name());
            let mut parts: Vec<Target> = scene.unit_links(path).into_iter().map(Target::Quarantine).collect();
            // The mask comes into the place of an administrator's unit; the vendor's stays where it is and is not read any more.
            parts.extend((*path == mask).then(|| Target::Quarantine(path.clone())));
            parts.push(Target::Mask(mask));
            parts
        }
        (ActionKind::LockAccount, Subject::Account { path, name }) => {
            vec![Target::Lock(beside(path, b"shadow"), name.clone())]
        }
        (ActionKind::ExpireAccount, Subject::Account { path, name }) => {
            vec![Target::Expire(beside(path, b"shadow"), name.clone())]
        }
        (ActionKind::SetShell, Subject::Account { path, name }) => {
            vec![Target::Shell(beside(path, b"passwd"), name.clone(), text("shell"))]
        }
        (ActionKind::RestoreAccount, Subject::Account { path, name }) => account_files(path, name, scene),
        (ActionKind::RemoveFromGroup, Subject::Account { path, name }) => {
            group_files(path, name, values.text("group"), scene)
        }
        (ActionKind::SetOption, subject) => {
            let path = match subject {
                Subject::File { path, .. } | Subject::Line { path, .. } if path.file_name() == b"sshd_config" => {
                    path.clone()
                }
                _ => EvidencePath::root().join(b"etc").join(b"ssh").join(b"sshd_config"),
            };
            vec![Target::Option(path, values.text("option").unwrap_or_default().to_owned(), text("value"))]
        }
        (action, subject) => {
            return Err(PlanError::Subject {
                step: source(),
                finding: escape(finding.id.0.as_bytes()),
                kind: subject.kind(),
                action: action.as_str(),
            });
        }
    })
}

/// What an action wants of the running host; none for the others, and where a person has to say first what.
fn want(action: ActionKind, values: &Values, subject: &Subject, is_open: bool) -> Result<Option<Want>, String> {
    let selector = |program: &EvidencePath, command_line: &RawText| ProcessSelector {
        program: program.clone(),
        command_line: command_line.clone(),
    };
    Ok(Some(match (action, subject) {
        (ActionKind::FreezeProcess, Subject::Process { path, command_line, .. }) => {
            Want::Freeze(selector(path, command_line))
        }
        (ActionKind::KillProcess, Subject::Process { path, command_line, .. }) => {
            Want::Kill(selector(path, command_line))
        }
        (ActionKind::ControlService, subject) => {
            let unit = match (values.text("unit"), subject) {
                (Some(unit), _) => RawText::from(unit),
                // A finding about a unit's file is about that unit.
                (None, Subject::File { path, .. }) => RawText::from(path.file_name()),
                (None, _) => return Err("`unit` is missing: the finding is about no unit".to_owned()),
            };
            let verb = if is_open { ServiceVerb::Restart } else { values.text("verb").unwrap_or_default().parse()? };
            Want::Service(unit, verb)
        }
        (ActionKind::RunCommand, _) if !is_open => {
            let argv = Argv::parse(values.text("command").unwrap_or_default())?;
            let undo = values.text("undo").map(Argv::parse).transpose()?;
            let limit = values.text("limit").unwrap_or(COMMAND_LIMIT).parse().ok();
            let limit = limit.filter(|limit| (1..=3600).contains(limit));
            Want::Command(argv, limit.ok_or("`limit` is a number of seconds from 1 to 3600")?, undo)
        }
        _ => return Ok(None),
    }))
}

/// The files in which an account comes back, and of groups which.
fn account_files(path: &EvidencePath, name: &RawText, scene: &mut Scene<'_>) -> Vec<Target> {
    let mut files = vec![Target::Account(beside(path, b"passwd"), name.clone())];
    let shadow = beside(path, b"shadow");
    // Where there is no copy of one of the others, the account still gets its line in `passwd` back.
    files.extend(scene.has_line(&beside(path, b"shadow-"), name).then(|| Target::Account(shadow, name.clone())));
    for file in [&b"group"[..], b"gshadow"] {
        let file = beside(path, file);
        let groups = scene.memberships(&file, name);
        files.extend(groups.into_iter().map(|group| Target::Member(file.clone(), group, name.clone())));
    }
    files
}

/// The groups that an account leaves: the one that is named, or all, each in both of its files.
fn group_files(path: &EvidencePath, name: &RawText, group: Option<&str>, scene: &mut Scene<'_>) -> Vec<Target> {
    let (groups, shadow) = (beside(path, b"group"), beside(path, b"gshadow"));
    let names = group.map_or_else(|| scene.groups_with(&groups, name), |group| vec![RawText::from(group)]);
    let mut files = Vec::new();
    for group in names {
        let is_shadowed = scene.has_line(&shadow, &group);
        files.push(Target::Leave(groups.clone(), group.clone(), name.clone()));
        files.extend(is_shadowed.then(|| Target::Leave(shadow.clone(), group, name.clone())));
    }
    files
}

/// The file of that name that belongs to an account file.
fn beside(accounts: &EvidencePath, name: &[u8]) -> EvidencePath {
    accounts.parent().unwrap_or_else(EvidencePath::root).join(name)
}

fn attributes(values: &Values) -> Result<Attributes, String> {
    let wrong = |name: &str, text: &str| format!("`{}` is no {name}", escape(text.as_bytes()));
    let number =
        |name: &str| values.text(name).map(|text| text.parse::<u32>().map_err(|_| wrong(name, text))).transpose();
    let mode = values.text("mode").map(|text| match u32::from_str_radix(text, 8) {
        Ok(bits) if bits <= 0o7777 => Ok(Mode::new(bits)),
        _ => Err(wrong("mode", text)),
    });
    Ok(Attributes { mode: mode.transpose()?, uid: number("uid")?, gid: number("gid")?, mtime: None })
}

fn flags(values: &Values, name: &str) -> Result<BTreeSet<InodeFlag>, String> {
    let words = values.text(name).unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| InodeFlag::parse(word).ok_or_else(|| format!("there is no flag `{}`", escape(word.as_bytes()))))
        .collect()
}

fn edits(values: &Values) -> Vec<Edit> {
    let text = |name: &str| values.text(name).map(RawText::from);
    let exact = |name: &str| text(name).map(Lines::Exact);
    let matching = |name: &str| values.text(name).map(|text| Lines::Matching(text.to_owned()));
    let by = || text("by").unwrap_or_else(|| RawText::from(""));
    let mut edits: Vec<Edit> = Vec::new();
    edits.extend(exact("remove").map(Edit::Remove));
    edits.extend(matching("remove_matching").map(Edit::Remove));
    edits.extend(exact("replace").map(|lines| Edit::Replace(lines, by())));
    edits.extend(matching("replace_matching").map(|lines| Edit::Replace(lines, by())));
    edits.extend(text("ensure").map(Edit::Ensure));
    edits
}
