//! The host as a plan sees it: every object is looked at once, and changes as the steps go on.

mod restore;

use super::login::{self, Found, Guard, LOCKS_OUT, Verdict};
use super::target::{Edit, Target, Task};
use super::{OpenSource, PlanRequest, Step, StepStatus};
use crate::action::{
    Action, Attributes, Change, CronTable, EDIT_LIMIT, LineEdit, Obstacle, Present, State, groups_with, is_at_job,
    matching_edits, matching_entries, matching_keys, matching_lines, observe, predict,
};
use crate::model::{EvidencePath, FileKind, Gap, GapReason, Pattern, RawText, escape};
use crate::source::{Item, Selection, Source, SourceError};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::ControlFlow;
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
            named: BTreeMap::new(),
            objects: HashMap::new(),
            links: None,
            login: Guard::default(),
            gaps: Vec::new(),
        }
    }
}

impl Scene<'_> {
    /// Looks at an object as the steps so far leave it, with its content.
    pub(super) fn look(&mut self, path: &EvidencePath) -> Arc<Seen> {
        let seen = match self.objects.get(path) {
            Some(seen) if !seen.is_bare => return Arc::clone(seen),
            Some(bare) => {
                // Between two looks it may have become another.
                let mut seen = see(self.source, path, EDIT_LIMIT);
                if !seen.state.differences(&bare.state).is_empty() {
                    let why = "it changed while the plan was made".to_owned();
                    seen.obstacle.get_or_insert(why);
                    (seen.state, seen.content) = (bare.state.clone(), None);
                }
                seen
            }
            None => see(self.source, path, EDIT_LIMIT),
        };
        self.keep(path, seen)
    }

    /// The same without its content, which is most of what there is to be kept of thousands of files.
    fn look_at_state(&mut self, path: &EvidencePath) -> Arc<Seen> {
        if let Some(seen) = self.objects.get(path) {
            return Arc::clone(seen);
        }
        let seen = see(self.source, path, 0);
        self.keep(path, seen)
    }

    fn keep(&mut self, path: &EvidencePath, seen: Seen) -> Arc<Seen> {
        let seen = Arc::new(seen);
        self.objects.insert(path.clone(), Arc::clone(&seen));
        seen
    }

    /// The action of a task. None, and a gap, for a file that nobody knows the content of, so that no step could name it.
    pub(super) fn action(&mut self, task: &Task<'_>) -> Option<Proposed> {
        let path = task.target.path().clone();
        let seen = if is_stateless(&task.target) { self.look_at_state(&path) } else { self.look(&path) };
        let content = seen.content.as_ref().map(|content| content.as_slice()).unwrap_or_default();
        let lines = || task.lines.iter().cloned().collect::<Vec<RawText>>();
        let most = |seen: u64, known: usize| seen.max(known as u64) + RESPAWN_ALLOWANCE;
        let action = match &task.target {
            Target::Quarantine(_) => {
                let action = self.quarantine(task, path, &seen)?;
                return Some(Proposed { obstacle: another_job(task, &seen), action });
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
                    State::Absent => Attributes::default(),
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
            State::Absent => None,
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

    /// The links in the folders of systemd that start the unit at `path`, or give it another name.
    pub(super) fn unit_links(&mut self, path: &EvidencePath) -> Vec<EvidencePath> {
        let unit = path.file_name();
        if self.links.is_none() {
            let links = self.find_links();
            self.links = Some(links);
        }
        let points_to = |target: &RawText| target.as_bytes().rsplit(|&byte| byte == b'/').next() == Some(unit);
        let is_mask = |link: &EvidencePath, target: &RawText| link == path || target.as_bytes() == crate::action::MASK;
        let all = self.links.iter().flatten();
        all.filter(|(link, target)| (link.file_name() == unit || points_to(target)) && !is_mask(link, target))
            .map(|(link, _)| link.clone())
            .collect()
    }

    fn find_links(&mut self) -> Vec<(EvidencePath, RawText)> {
        let folders = ["/etc/systemd/system", "/etc/systemd/user"];
        let below = ["*", "*.wants/*", "*.requires/*", "*.upholds/*"];
        let patterns = folders.iter().flat_map(|folder| below.iter().map(move |part| format!("{folder}/{part}")));
        let patterns = patterns.filter_map(|text| Pattern::new(&text).ok()).collect();
        let mut links = Vec::new();
        let mut is_cut = false;
        let walked = self.source.walk(&Selection::new(patterns, Vec::new()), &mut |item| {
            if let Item::Entry(entry) = item
                && let Some(target) = entry.meta.link_target
            {
                if links.len() == MAX_LINKS {
                    is_cut = true;
                    return ControlFlow::Break(());
                }
                links.push((entry.path, target));
            }
            ControlFlow::Continue(())
        });
        let gap = |detail: String| {
            Gap::new(EvidencePath::root().join(b"etc").join(b"systemd"), GapReason::ReadFailed, detail)
        };
        if let Err(error) = walked {
            self.gaps.push(gap(format!("links of units could not be looked for: {}", reason(&error))));
        }
        if is_cut {
            self.gaps.push(gap(format!("only the first {MAX_LINKS} links of units were looked at")));
        }
        links
    }

    /// The files that add to the unit at `path`.
    pub(super) fn unit_additions(&mut self, path: &EvidencePath) -> Vec<EvidencePath> {
        let folder = [path.file_name(), b".d"].concat();
        let at = path.parent().unwrap_or_else(EvidencePath::root).join(&folder);
        let mut found = Vec::new();
        let walked = self.source.walk(&Selection::new(vec![Pattern::tree(&at)], Vec::new()), &mut |item| {
            if let Item::Entry(entry) = item
                && entry.meta.is_file()
                && found.len() < MAX_LINKS
            {
                found.push(entry.path);
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = walked {
            self.gaps.push(Gap::new(at, GapReason::ReadFailed, reason(&error)));
        }
        found
    }

    pub(super) fn groups_with(&mut self, path: &EvidencePath, name: &RawText) -> Vec<RawText> {
        self.text(path).map(|content| groups_with(&content, name.as_bytes())).unwrap_or_default()
    }

    /// Says whether a file has a line that begins with `name` and `:`.
    pub(super) fn has_line(&mut self, path: &EvidencePath, name: &RawText) -> bool {
        let start = [name.as_bytes(), b":"].concat();
        self.text(path).is_some_and(|content| content.split(|&byte| byte == b'\n').any(|line| line.starts_with(&start)))
    }

    pub(super) fn step(&mut self, task: Task<'_>) -> Option<Step> {
        let Proposed { action, obstacle } = self.action(&task)?;
        let path = action.path().clone();
        let before = if action.needs_content() { self.look(&path) } else { self.look_at_state(&path) };
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
            None => self.judge(&action, &before),
        };
        let left = after.as_ref().map_or_else(|| before.state.clone(), |after| after.state.clone());
        if let Some(after) = after.filter(|_| matches!(status, StepStatus::WouldChange) || left != before.state) {
            self.login.changed(&path);
            self.objects.insert(path, Arc::new(after));
        }
        Some(Step {
            number: 0,
            title: title(&task, &action),
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
    fn judge(&mut self, action: &Action, before: &Seen) -> (StepStatus, Option<Seen>, String) {
        let path = action.path();
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
            Change::Nothing | Change::Put => return (StepStatus::NoOp, None, preview),
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

    /// The content of a file that matters for logins. That one cannot be read is no gap of the plan.
    fn text(&mut self, path: &EvidencePath) -> Option<Arc<Vec<u8>>> {
        self.look(path).content.clone()
    }
}

/// Says of a job of `at` whose lines were found that none of them is in it any more.
fn another_job(task: &Task<'_>, seen: &Seen) -> Option<StepStatus> {
    let content = seen.content.as_ref().filter(|_| is_at_job(task.target.path()) && !task.lines.is_empty())?;
    // A line that goes on in the next one was found as one.
    let joined = String::from_utf8_lossy(content.as_slice()).replace("\\\n", "").into_bytes();
    let lines = content.split(|&byte| byte == b'\n').chain(joined.split(|&byte| byte == b'\n'));
    let has_any =
        { lines }.any(|line| task.lines.iter().any(|wanted| wanted.as_bytes().trim_ascii() == line.trim_ascii()));
    (!has_any).then(|| StepStatus::Blocked { why: "it is not the job that was found: scan again".to_owned() })
}

/// Looks at an object through a source, and keeps its content where that has at most `keep` bytes.
fn see(source: &dyn Source, path: &EvidencePath, keep: u64) -> Seen {
    match observe(source, path, keep) {
        Ok((state, content)) => {
            let is_file = matches!(&state, State::Present(present) if present.meta.is_file());
            let is_unknown = matches!(&state, State::Present(p) if p.meta.is_file() && p.sha256.is_none());
            let obstacle = is_unknown.then(|| format!("its content is not in {}", source.label()));
            let is_bare = keep < EDIT_LIMIT && is_file && !is_unknown;
            Seen { is_bare, obstacle, ..Seen::left(state, content.filter(|_| keep > 0)) }
        }
        Err(error) => {
            let why = reason(&error);
            let gap = Some(Gap::new(path.clone(), gap_reason(&error), why.clone()));
            let meta = source.metadata(path).ok().flatten();
            let is_dark = meta.is_none();
            let state = meta.map_or(State::Absent, |meta| State::Present(Box::new(Present { meta, sha256: None })));
            Seen { state, content: None, is_bare: false, obstacle: Some(why), gap, is_dark }
        }
    }
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

/// What a reader of the object finds.
fn found(seen: &Seen) -> Found {
    match (&seen.content, &seen.state) {
        (Some(content), _) => Found::Content(content.to_vec()),
        (None, State::Absent) if !seen.is_dark => Found::Absent,
        _ => Found::Unknown,
    }
}

impl login::Host for Scene<'_> {
    fn read(&mut self, path: &EvidencePath) -> Found {
        found(&self.look(path))
    }

    fn list(&mut self, folder: &EvidencePath) -> Vec<EvidencePath> {
        let planned = self.objects.iter().filter(|(_, seen)| seen.state.is_present()).map(|(path, _)| path);
        let mut all: Vec<EvidencePath> =
            planned.filter(|path| path.parent().as_ref() == Some(folder)).cloned().collect();
        all.sort();
        // What cannot be listed here is told where it is scanned.
        let _ = self.source.walk(&Selection::new(vec![Pattern::tree(folder)], Vec::new()), &mut |item| {
            if let Item::Entry(entry) = item
                && entry.path.parent().as_ref() == Some(folder)
                && !self.objects.contains_key(&entry.path)
            {
                all.push(entry.path);
            }
            if all.len() < MAX_LINKS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        all
    }
}

fn title(task: &Task<'_>, action: &Action) -> String {
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
        _ => escape(task.target.path().file_name()),
    };
    let path = task.target.path().to_string();
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
        State::Absent => {
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

fn reason(error: &SourceError) -> String {
    match error {
        SourceError::Io { source, .. } => format!("{error}: {source}"),
        error => error.to_string(),
    }
}

fn gap_reason(error: &SourceError) -> GapReason {
    match error {
        SourceError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            GapReason::PermissionDenied
        }
        SourceError::Io { .. } => GapReason::ReadFailed,
        SourceError::Damaged { .. } => GapReason::Damaged,
        _ => GapReason::Unsupported,
    }
}
