//! The host as a plan sees it: every object is looked at once, and changes as the steps go on.

mod living;
mod look;
mod restore;

use super::login::{Guard, LOCKS_OUT, Verdict};
use super::target::{Edit, Target, Task};
use super::{OpenSource, PlanRequest, Step, StepStatus};
use crate::action::live::LiveObject;
use crate::action::{
    Action, Attributes, Change, CronTable, LineEdit, LiveState, Living, Obstacle, State, is_at_job, matching_edits,
    matching_entries, matching_keys, matching_lines, predict,
};
use crate::model::{EvidencePath, FileKind, Gap, GapReason, RawText, escape};
use crate::source::Source;
use look::found;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How many more lines than were seen may go: the intruder's loop adds the same line again between plan and run.
pub(super) const RESPAWN_ALLOWANCE: u64 = 16;
/// The most links of units that are looked at.
const MAX_LINKS: usize = 20_000;

/// One object, as it was seen or as the steps so far leave it.
pub(super) struct Seen {
    pub(super) state: State,
    /// Shared, because an object is looked at by every step that is about it.
    content: Option<Arc<Vec<u8>>>,
    /// Says that the content was not kept, because nobody needed it so far.
    is_bare: bool,
    /// Why its content, or more, is not known.
    obstacle: Option<String>,
    /// What to tell of an object that could not be looked at.
    gap: Option<Gap>,
    /// Nothing at all could be learned of it; `state` means nothing.
    is_dark: bool,
}

impl Seen {
    /// What a step leaves.
    fn left(state: State, content: Option<Vec<u8>>) -> Self {
        Self { state, content: content.map(Arc::new), is_bare: false, obstacle: None, gap: None, is_dark: false }
    }
}

/// The host as the plan sees it.
pub(super) struct Scene<'a> {
    source: &'a dyn Source,
    material: Option<&'a dyn Source>,
    open_source: &'a OpenSource<'a>,
    living: Option<&'a dyn Living>,
    /// What runs, as it was seen or as the steps so far leave it.
    alive: BTreeMap<LiveObject, LiveState>,
    /// What playbooks name, opened once.
    named: BTreeMap<String, Result<Box<dyn Source>, String>>,
    objects: HashMap<EvidencePath, Arc<Seen>>,
    /// Links of units and where they point; looked for once.
    links: Option<Vec<(EvidencePath, RawText)>>,
    login: Guard,
    pub(super) gaps: Vec<Gap>,
}

/// An action that a task comes to, and why it is not done, where that is known without looking at the object.
pub(super) struct Proposed {
    pub(super) action: Action,
    obstacle: Option<StepStatus>,
}

impl From<Action> for Proposed {
    fn from(action: Action) -> Self {
        Self { action, obstacle: None }
    }
}

impl<'a> Scene<'a> {
    pub(super) fn new(request: &PlanRequest<'a>) -> Self {
        Self {
            source: request.source,
            material: request.material,
            open_source: request.open_source,
            living: request.living,
            alive: BTreeMap::new(),
            named: BTreeMap::new(),
            objects: HashMap::new(),
            links: None,
            login: Guard::default(),
            gaps: Vec::new(),
        }
    }
}

impl Scene<'_> {
    /// The action of a task. None, and a gap, for a file that nobody knows the content of, so that no step could name it.
    pub(super) fn action(&mut self, task: &Task<'_>, path: &EvidencePath) -> Option<Proposed> {
        let path = path.clone();
        let seen = if is_stateless(&task.target) { self.look_at_state(&path) } else { self.look(&path) };
        let content = seen.content.as_ref().map(|content| content.as_slice()).unwrap_or_default();
        let lines = || task.lines.iter().cloned().collect::<Vec<RawText>>();
        let most = |seen: u64, known: usize| seen.max(known as u64) + RESPAWN_ALLOWANCE;
        let action = match &task.target {
            Target::Quarantine(_) => {
                let obstacle = another_job(task, &path, &seen);
                return Some(Proposed { action: self.quarantine(task, path, &seen)?, obstacle });
            }
            Target::Restore(_, from) => return Some(self.restore(&path, from, &seen)),
            Target::Account(_, name) => return Some(self.restore_account(path, name, content)),
            Target::Member(_, group, name) => return self.restore_member(path, group, name, content),
            Target::Edit(_) => {
                let lines = lines();
                let max = most(matching_lines(&lines, content), lines.len());
                Action::RemoveLines { path, lines, max }
            }
            Target::Cron(_) => {
                let entries = lines();
                // A place that is no table's is the action's to refuse.
                let table = CronTable::at(&path).unwrap_or(CronTable::User);
                let max = most(matching_entries(&entries, content), entries.len());
                Action::RemoveCronEntry { path, table, entries, max }
            }
            Target::Key(_, key) => {
                let max = most(matching_keys(key, content), 1);
                Action::RemoveKey { path, key: key.clone(), max }
            }
            Target::EditFile(_, edits) => {
                let max = |lines| most(matching_edits(lines, content), 1);
                let edits = edits.iter().map(|edit| match edit {
                    Edit::Remove(lines) => LineEdit::Remove { lines: lines.clone(), max: max(lines) },
                    Edit::Replace(lines, with) => {
                        LineEdit::Replace { lines: lines.clone(), with: with.clone(), max: max(lines) }
                    }
                    Edit::Ensure(line) => LineEdit::Ensure { line: line.clone() },
                });
                Action::EditFile { path, edits: edits.collect() }
            }
            Target::Metadata(_, to) => {
                let from = match &seen.state {
                    State::Present(present) => Attributes::seen(&present.meta, to),
                    State::Absent | State::Live(_) => Attributes::default(),
                };
                Action::SetMetadata { path, from, to: to.clone() }
            }
            Target::Flags(_, set, clear) => Action::SetFlags { path, set: set.clone(), clear: clear.clone() },
            Target::Option(_, option, value) => {
                Action::SetOption { path, option: option.clone(), value: value.clone() }
            }
            Target::Lock(_, name) => Action::LockAccount { path, name: name.clone() },
            Target::Expire(_, name) => Action::ExpireAccount { path, name: name.clone() },
            Target::Shell(_, name, shell) => Action::SetShell { path, name: name.clone(), shell: shell.clone() },
            Target::Leave(_, group, name) => Action::RemoveFromGroup { path, group: group.clone(), name: name.clone() },
            Target::Mask(_) => Action::MakeLink { path, points_to: RawText::from(crate::action::MASK) },
            Target::Live(_) => return None,
        };
        Some(action.into())
    }

    fn quarantine(&mut self, task: &Task<'_>, path: EvidencePath, seen: &Seen) -> Option<Action> {
        let found = match &seen.state {
            State::Present(present) if is_special(present.meta.kind) && task.digests.is_empty() => {
                let (kind, special) = (present.meta.kind, present.meta.special);
                let points_to = present.meta.link_target.clone();
                return Some(Action::QuarantineSpecial { path, kind, points_to, special });
            }
            State::Present(present) => present.sha256,
            State::Absent | State::Live(_) => None,
        };
        // A finding by name alone convicts what is there now.
        let convicted = match found {
            Some(found) if task.digests.is_empty() || task.digests.contains(&found) => Some(found),
            _ => task.digests.first().copied(),
        };
        let Some(sha256) = convicted else {
            self.gaps.push(seen.gap.clone().unwrap_or_else(|| unnamed(path, seen)));
            return None;
        };
        Some(Action::QuarantineFile { path, sha256 })
    }

    pub(super) fn step(&mut self, task: Task<'_>) -> Option<Step> {
        match (&task.target, task.target.path().cloned()) {
            (Target::Live(want), _) => Some(self.live_step(&want.clone(), task)),
            (_, Some(path)) => self.file_step(task, &path),
            (_, None) => None,
        }
    }

    fn file_step(&mut self, task: Task<'_>, path: &EvidencePath) -> Option<Step> {
        let Proposed { action, obstacle } = self.action(&task, path)?;
        let before = if action.needs_content() { self.look(path) } else { self.look_at_state(path) };
        self.gaps.extend(before.gap.clone());
        if before.is_dark {
            // There is a gap; a step that claims the object's absence would be a lie.
            return None;
        }
        let open = task.needs.clone().map(|what| StepStatus::NeedsInput { what });
        let (status, after, preview) = match open.or(obstacle) {
            Some(status) => {
                let preview = match &status {
                    StepStatus::NeedsInput { what } => format!("{path} waits for somebody to say {what}\n"),
                    StepStatus::Blocked { why } => format!("{path} stays as it is: {why}\n"),
                    _ => String::new(),
                };
                (status, None, preview)
            }
            None => self.judge(&action, path, &before),
        };
        let left = after.as_ref().map_or_else(|| before.state.clone(), |after| after.state.clone());
        if let Some(after) = after.filter(|_| matches!(status, StepStatus::WouldChange) || left != before.state) {
            self.login.changed(path);
            self.objects.insert(path.clone(), Arc::new(after));
        }
        Some(Step {
            number: 0,
            title: title(&task, &action, Some(path)),
            action,
            status,
            before: before.state.clone(),
            after: left,
            preview,
            risk: task.risk,
            affects: task.affects.into_iter().collect(),
            findings: task.findings.into_iter().collect(),
            source: format!("{}#{}", task.playbook.name, task.step.id),
            restores_malicious: false,
        })
    }

    /// What becomes of the object: status, the object afterwards where it is another, and the preview.
    fn judge(&mut self, action: &Action, path: &EvidencePath, before: &Seen) -> (StepStatus, Option<Seen>, String) {
        let unchanged = |status: StepStatus, why: &str| (status, None, format!("{why}\n"));
        let is_gone = before.state == State::Absent;
        let is_done_with_it = matches!(
            action,
            Action::QuarantineFile { .. }
                | Action::QuarantineSpecial { .. }
                | Action::RemoveLines { .. }
                | Action::RemoveCronEntry { .. }
                | Action::RemoveKey { .. }
        );
        if is_gone && is_done_with_it {
            return unchanged(StepStatus::NoOp, &format!("{path} is already gone"));
        }
        let content = before.content.as_ref().map(|content| content.as_slice());
        let change = action.change(&before.state, content);
        let refused = match (&change, &before.obstacle) {
            (Ok(_), _) => None,
            // What must not be done in any case is blocked, whether the content is known or not.
            (Err(Obstacle::Blocked(why)), None) => Some(StepStatus::Blocked { why: why.clone() }),
            (Err(_), Some(why)) => Some(StepStatus::CannotKnow { why: why.clone() }),
            (Err(_), None) if is_gone => Some(StepStatus::Blocked { why: format!("there is no {path}") }),
            (Err(Obstacle::Stale(why)), None) => {
                Some(StepStatus::Blocked { why: format!("{why}: it is not what the finding is about, scan again") })
            }
        };
        if let Some(status) = refused {
            let why = match &status {
                StepStatus::Blocked { why } | StepStatus::CannotKnow { why } => format!("{path} stays as it is: {why}"),
                _ => String::new(),
            };
            return unchanged(status, &why);
        }
        let change = change.unwrap_or(Change::Nothing);
        let preview = action.preview(&before.state, content, &change);
        let after = match &change {
            Change::Nothing | Change::Put | Change::Live => return (StepStatus::NoOp, None, preview),
            Change::Rewrite(new) => Seen::left(predict(action, &before.state, &change), Some(new.clone())),
            Change::Alter(_) => Seen {
                content: before.content.clone(),
                is_bare: before.is_bare,
                ..Seen::left(predict(action, &before.state, &change), None)
            },
            Change::Remove | Change::Make(_) => Seen::left(predict(action, &before.state, &change), None),
        };
        match self.guard(path, &after) {
            Verdict::Fine => {}
            Verdict::LocksOut => {
                let text = format!("{path} stays as it is: {LOCKS_OUT}");
                return unchanged(StepStatus::Blocked { why: LOCKS_OUT.to_owned() }, &text);
            }
            Verdict::Unsure(why) => {
                let why = format!("whether anybody can log in afterwards: {why}");
                return (StepStatus::CannotKnow { why }, Some(after), preview);
            }
        }
        (StepStatus::WouldChange, Some(after), preview)
    }

    /// What becomes of the ways to log in.
    fn guard(&mut self, path: &EvidencePath, after: &Seen) -> Verdict {
        let mut guard = std::mem::take(&mut self.login);
        let verdict = guard.judge(self, path, &found(after));
        self.login = guard;
        verdict
    }
}

/// Says of a job of `at` whose lines were found that none of them is in it any more.
fn another_job(task: &Task<'_>, path: &EvidencePath, seen: &Seen) -> Option<StepStatus> {
    let content = seen.content.as_ref().filter(|_| is_at_job(path) && !task.lines.is_empty())?;
    // A line that goes on in the next one was found as one.
    let joined = String::from_utf8_lossy(content.as_slice()).replace("\\\n", "").into_bytes();
    let lines = content.split(|&byte| byte == b'\n').chain(joined.split(|&byte| byte == b'\n'));
    let has_any =
        { lines }.any(|line| task.lines.iter().any(|wanted| wanted.as_bytes().trim_ascii() == line.trim_ascii()));
    (!has_any).then(|| StepStatus::Blocked { why: "it is not the job that was found: scan again".to_owned() })
}

/// Says whether the state of the object is enough to say what becomes of it.
fn is_stateless(target: &Target) -> bool {
    match target {
        // The lines that were found say whether it is the job that was found.
        Target::Quarantine(path) => !is_at_job(path),
        // What only has its metadata changed may be edited afterwards.
        Target::Restore(..) | Target::Mask(_) => true,
        _ => false,
    }
}

/// The title of a step with what it is done to. Where that is no file, `path` is what the object is called.
fn title(task: &Task<'_>, action: &Action, file: Option<&EvidencePath>) -> String {
    let count = match action {
        Action::RemoveLines { lines, .. } => lines.len(),
        Action::RemoveCronEntry { entries, .. } => entries.len(),
        _ => task.findings.len(),
    };
    let name = match &task.target {
        Target::Lock(_, name)
        | Target::Expire(_, name)
        | Target::Account(_, name)
        | Target::Shell(_, name, _)
        | Target::Leave(_, _, name)
        | Target::Member(_, _, name) => name.to_string(),
        Target::Live(want) => want.name(),
        _ => escape(file.map(EvidencePath::file_name).unwrap_or_default()),
    };
    let path = action.object().to_string();
    // One pass, so that a name that looks like a placeholder is not filled in.
    let mut out = String::new();
    let mut rest = task.step.title.as_str();
    while let Some((head, tail)) = rest.split_once('{') {
        let (word, tail) = tail.split_once('}').unwrap_or((tail, ""));
        out.push_str(head);
        match word {
            "path" => out.push_str(&path),
            "name" => out.push_str(&name),
            "count" => out.push_str(&count.to_string()),
            // The loader lets no other word pass.
            _ => {}
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn is_special(kind: FileKind) -> bool {
    !matches!(kind, FileKind::File | FileKind::Directory | FileKind::Unknown)
}

/// The gap for a file that was convicted by its name and has no content that a step could name.
fn unnamed(path: EvidencePath, seen: &Seen) -> Gap {
    match &seen.state {
        State::Absent | State::Live(_) => {
            Gap::new(path, GapReason::Vanished, "it was convicted by its name and is gone: nothing is planned for it")
        }
        State::Present(present) if present.meta.kind != FileKind::File => {
            let detail =
                format!("it is a {}: those do not go into quarantine, see to it by hand", present.meta.kind.as_str());
            Gap::new(path, GapReason::NotRegular, detail)
        }
        State::Present(_) => {
            let why = seen.obstacle.clone().unwrap_or_default();
            Gap::new(path, GapReason::Unreadable, format!("nothing is planned for it, because {why}"))
        }
    }
}
