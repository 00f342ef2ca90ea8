//! Exit codes, and errors as a person reads them: one line, and a hint where there is one.

use crate::ui::Ui;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, nothing found.
    Done,
    /// 1: an error.
    Error,
    /// 2: evidence of compromise, or a plan with changes.
    Found,
    /// 3: done, with gaps.
    Gaps,
    /// 4: refused by a safety rule, or failed integrity.
    Refused,
    /// 5: apply stopped half-way; rollback advised.
    Stopped,
    /// 130: interrupted.
    Interrupted,
}

impl Exit {
    /// The code for a result that may have findings and gaps: where both hold, findings win and the gaps are in the output.
    pub(crate) fn of(found: bool, gaps: bool) -> Self {
        match (found, gaps) {
            (true, _) => Self::Found,
            (false, true) => Self::Gaps,
            (false, false) => Self::Done,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Error => 1,
            Exit::Found => 2,
            Exit::Gaps => 3,
            Exit::Refused => 4,
            Exit::Stopped => 5,
            Exit::Interrupted => 130,
        })
    }
}

/// An error with the exit code that it means and the next thing to try.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) hint: Option<String>,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    /// A refusal: exit code 4.
    pub(crate) fn refused(error: impl Into<anyhow::Error>, hint: impl Into<String>) -> Self {
        Self { exit: Exit::Refused, hint: Some(hint.into()), error: error.into() }
    }

    /// An error with a hint.
    pub(crate) fn hinted(error: impl Into<anyhow::Error>, hint: impl Into<String>) -> Self {
        Self { exit: Exit::Error, hint: Some(hint.into()), error: error.into() }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: Exit::Error, hint: None, error: error.into() }
    }
}

/// Tells of a failure.
pub(crate) fn failed(ui: &Ui, failure: &Failure) -> Exit {
    // The chain in one line; a cause that repeats what was just said is dropped.
    let mut text = String::new();
    for cause in failure.error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    ui.error(&text);
    if let Some(hint) = &failure.hint {
        ui.hint(hint);
    }
    failure.exit
}

/// Prints clap's answer: help and version are results, everything else is misuse (64, `EX_USAGE` of sysexits.h).
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 64 } else { 0 })
}
