//! Going through a plan step by step.

use crate::exit::Failure;
use crate::session::Session;
use crate::view;
use triage_core::plan::{Plan, StepStatus};

/// What a person says to one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    /// This one and all after it.
    All,
    /// None after the last yes.
    Done,
    Quit,
}

impl Answer {
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "y" | "yes" => Self::Yes,
            "n" | "no" | "s" | "skip" => Self::No,
            "a" | "all" => Self::All,
            "d" | "done" => Self::Done,
            "q" | "quit" => Self::Quit,
            _ => return None,
        })
    }
}

const HELP: &str = "y - do this step\nn - leave it out, and what builds on it\na - do this one and all that follow\n\
                    d - do those so far and no more\nq - do nothing at all";

/// Shows each step that would change something and asks for it. What builds on a step that is left out is left out too.
pub(super) fn review(plan: &Plan, session: &Session) -> Result<Plan, Failure> {
    choose(plan, |step, (at, count)| {
        session.ui.note(&view::plan::step(step));
        loop {
            let question = format!("Do step {} ({at} of {count}) [y,n,a,d,q,?]?", step.number);
            let answer = session.ui.ask(&question)?;
            match Answer::of(&answer) {
                Some(answer) => return Some(answer),
                None => session.ui.note(HELP),
            }
        }
    })
    .ok_or_else(|| {
        Failure::refused(
            anyhow::anyhow!("the review was ended, and nothing was changed"),
            "answer each step on a terminal, or choose steps with `--only` and `--skip`",
        )
    })
    .map(|(part, dropped)| {
        if !dropped.is_empty() {
            session.ui.note(&format!("Left out: {}.", numbers(&dropped)));
        }
        part
    })
}

fn choose(
    plan: &Plan,
    mut ask: impl FnMut(&triage_core::plan::Step, (usize, usize)) -> Option<Answer>,
) -> Option<(Plan, Vec<u32>)> {
    // What cannot be known is tried like the others, so it is asked for like them.
    let is_tried = |status: &StepStatus| matches!(status, StepStatus::WouldChange | StepStatus::CannotKnow { .. });
    let open: Vec<_> = plan.steps.iter().filter(|step| is_tried(&step.status)).collect();
    let mut unwanted = Vec::new();
    for (at, step) in open.iter().enumerate() {
        match ask(step, (at + 1, open.len()))? {
            Answer::Yes => {}
            Answer::No => unwanted.push(step.number),
            Answer::All => break,
            Answer::Done => {
                unwanted.extend(open.iter().skip(at).map(|step| step.number));
                break;
            }
            Answer::Quit => return None,
        }
    }
    Some(plan.leave_out(&unwanted))
}

/// `step 3` or `steps 3, 4, 7`.
pub(super) fn numbers(steps: &[u32]) -> String {
    let list: Vec<String> = steps.iter().map(u32::to_string).collect();
    format!("{} {}", if steps.len() == 1 { "step" } else { "steps" }, list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan::from_json(include_bytes!("../../../testdata/plans/v1.json")).unwrap()
    }

    #[test]
    fn only_what_was_said_yes_to_stays() {
        let plan = plan();
        let changing: Vec<u32> =
            plan.steps.iter().filter(|step| step.status == StepStatus::WouldChange).map(|step| step.number).collect();
        let (all, dropped) = choose(&plan, |_, _| Some(Answer::All)).unwrap();
        assert_eq!((all, dropped), (plan.clone(), Vec::new()));
        let (_, dropped) = choose(&plan, |_, _| Some(Answer::Done)).unwrap();
        assert!(changing.iter().all(|step| dropped.contains(step)));
        let first = *changing.first().unwrap();
        let (part, _) =
            choose(&plan, |step, _| Some(if step.number == first { Answer::No } else { Answer::Yes })).unwrap();
        assert!(part.steps.iter().all(|step| step.number != first));
        assert!(choose(&plan, |_, _| Some(Answer::Quit)).is_none());
        assert!(choose(&plan, |_, _| None).is_none(), "a terminal that went away is no yes");
    }

    /// What a plan cannot know is tried by `apply`, so nobody may be passed over with it.
    #[test]
    fn a_step_that_cannot_be_known_is_asked_for() {
        let mut plan = plan();
        let first = plan.steps.iter_mut().find(|step| step.status == StepStatus::WouldChange).unwrap();
        first.status = StepStatus::CannotKnow { why: "it is not in the bundle".to_owned() };
        let number = first.number;
        let mut asked = Vec::new();
        let (part, dropped) = choose(&plan, |step, _| {
            asked.push(step.number);
            Some(Answer::No)
        })
        .unwrap();
        assert!(asked.contains(&number) && dropped.contains(&number));
        assert!(part.steps.iter().all(|step| step.number != number));
    }

    #[test]
    fn the_words_of_git_are_known() {
        for (word, answer) in
            [("y", Answer::Yes), ("skip", Answer::No), ("a", Answer::All), ("d", Answer::Done), ("quit", Answer::Quit)]
        {
            assert_eq!(Answer::of(word), Some(answer));
        }
        assert_eq!(Answer::of(""), None);
    }
}
