//! Plans: what would be done, step by step, as data that can be shown, kept, compared and refused.
//!
//! Planning never writes. A plan records what it saw of each object; `apply` refuses an object that no longer meets the
//! step's expectation. The dry run *is* the plan.

mod error;
#[cfg(test)]
mod expansion;
pub mod file;
pub(crate) mod login;
mod make;
mod scene;
mod step;
mod subset;
mod target;

pub use crate::playbook::{Affects, Risk};
pub use error::PlanError;
pub use make::{OpenSource, PlanRequest, make};
pub(crate) use step::ROLLBACK_OF;
pub use step::{Plan, Step, StepStatus};
