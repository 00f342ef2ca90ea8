//! Results as text for a terminal. JSON and Markdown are made by `triage_core::report`.

pub(crate) mod artifacts;
pub(crate) mod check;
pub(crate) mod coverage;
pub(crate) mod diff;
pub(crate) mod findings;
pub(crate) mod modules;
pub(crate) mod plan;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod verification;
