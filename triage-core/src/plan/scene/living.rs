//! What runs on the host, as a plan sees it.

use super::{RESPAWN_ALLOWANCE, Scene, title};
use crate::action::live::{LiveChange, Undo};
use crate::action::{Action, LiveAction, LiveState, Obstacle, State};
use crate::plan::target::{Task, Want};
use crate::plan::{Step, StepStatus};
use crate::source::SourceKind;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Why nobody can say here what a step on the running host would do.
const ELSEWHERE: &str = "what runs on the host can only be seen on the host itself";
/// Why an image has nothing to do it to.
const IMAGE: &str = "it needs the running host, and this is an image or a folder";

impl Want {
    /// What a person calls it, in few words.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Freeze(which) | Self::Kill(which) => which.program.to_string(),
            Self::Service(unit, _) => unit.to_string(),
            Self::Command(argv, ..) => argv.program().to_string(),
        }
    }

    /// The action, bound to what was seen.
    fn action(&self, seen: &LiveState) -> LiveAction {
        let running = match seen {
            LiveState::Processes { running } => running.as_slice(),
            _ => &[],
        };
        let programs: BTreeSet<_> = running.iter().filter_map(|process| process.sha256).collect();
        let max = running.len() as u64 + RESPAWN_ALLOWANCE;
        match self {
            Self::Freeze(which) => LiveAction::FreezeProcess { which: which.clone(), programs, max },
            Self::Kill(which) => LiveAction::KillProcess { which: which.clone(), programs, max },
            Self::Service(unit, verb) => LiveAction::ControlService { unit: unit.clone(), verb: *verb },
            Self::Command(argv, limit_seconds, undo) => {
                LiveAction::RunCommand { argv: argv.clone(), limit_seconds: *limit_seconds, undo: undo.clone() }
            }
        }
    }
}

impl Scene<'_> {
    pub(super) fn live_step(&mut self, want: &Want, task: Task<'_>) -> Step {
        let blind = want.action(&LiveState::Unseen);
        let object = blind.object();
        let seen = match (self.alive.get(&object), self.living) {
            (Some(state), _) => Ok(state.clone()),
            (None, Some(host)) => host.observe(&blind).map_err(|why| StepStatus::Blocked { why }),
            (None, None)
                if matches!(
                    self.source.kind(),
                    SourceKind::Bundle | SourceKind::Collection | SourceKind::Archive | SourceKind::Live
                ) =>
            {
                Err(StepStatus::CannotKnow { why: ELSEWHERE.to_owned() })
            }
            (None, None) => Err(StepStatus::Blocked { why: IMAGE.to_owned() }),
        };
        let before = seen.clone().unwrap_or(LiveState::Unseen);
        let action = want.action(&before);
        let change = seen.and_then(|state| {
            action.change(&state).map_err(|obstacle| match obstacle {
                Obstacle::Stale(why) | Obstacle::Blocked(why) => StepStatus::Blocked { why },
            })
        });
        let open = task.needs.clone().map(|what| StepStatus::NeedsInput { what });
        let (status, after, preview) = match (open, change) {
            (Some(open), _) => (open, before.clone(), format!("{object} waits for somebody to say what is missing\n")),
            (None, Err(status)) => {
                let preview = match &status {
                    StepStatus::Blocked { why } => format!("{object} stays as it is: {why}\n"),
                    _ => action.preview(&before, LiveChange::Perform),
                };
                (status, before.clone(), preview)
            }
            (None, Ok(change)) => {
                let is_done = change == LiveChange::Nothing;
                let after = if is_done { before.clone() } else { action.predict(&before) };
                let mut preview = action.preview(&before, change);
                if let (false, Undo::Impossible { why }) = (is_done, action.undo(&before)) {
                    let _ = writeln!(preview, "nothing undoes that: {why}");
                }
                (if is_done { StepStatus::NoOp } else { StepStatus::WouldChange }, after, preview)
            }
        };
        self.alive.insert(object, after.clone());
        let action = Action::Live(action);
        Step {
            number: 0,
            title: title(&task, &action, None),
            action,
            status,
            before: State::Live(before),
            after: State::Live(after),
            preview,
            risk: task.risk,
            affects: task.affects.into_iter().collect(),
            findings: task.findings.into_iter().collect(),
            source: format!("{}#{}", task.playbook.name, task.step.id),
            restores_malicious: false,
        }
    }
}
