//! Results as text for a terminal. JSON and Markdown are made by `triage_core::report`.

pub(crate) mod findings;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod verification;
