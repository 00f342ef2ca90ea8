//! Plans as text.

use std::fmt::Write as _;
use triage_core::plan::{Plan, Step, StepStatus};

/// The plan for a person: each step with what it changes.
pub(crate) fn text(plan: &Plan) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Plan for host {} ({}), from {}: {}",
        plan.host.hostname,
        plan.host.digest.short(),
        plan.target,
        plan.playbooks.join(", ")
    );
    for step in &plan.steps {
        out.push_str(&self::step(step));
    }
    if plan.steps.is_empty() {
        out.push_str("      no steps: nothing that these playbooks deal with was found\n");
    }
    out
}

/// One step with what it changes.
pub(crate) fn step(step: &Step) -> String {
    let mut out = String::new();
    let status = match &step.status {
        StepStatus::WouldChange => "would change".to_owned(),
        StepStatus::NoOp => "nothing to do".to_owned(),
        StepStatus::Blocked { why } => format!("BLOCKED: {why}"),
        StepStatus::CannotKnow { why } => format!("cannot know: {why}"),
        StepStatus::NeedsInput { what } => format!("needs input: {what}"),
        _ => "unknown".to_owned(),
    };
    let risk = match step.risk {
        triage_core::plan::Risk::Low => "low",
        triage_core::plan::Risk::Medium => "medium",
        triage_core::plan::Risk::High => "high",
    };
    let _ = writeln!(out, "{:>4}. {}  [{status}; risk {risk}]", step.number, step.title);
    for line in step.preview.lines() {
        let _ = writeln!(out, "      {line}");
    }
    out
}
