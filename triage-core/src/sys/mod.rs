//! Thin safe wrappers over system calls: no policy, no state.
//!
//! `look` and `mounts` only read; `folder` reads kernel file systems. `priority` sets how this process itself is scheduled, `program` starts others. What changes something is in `change`, which nobody but `apply`, `journal` and `bundle` may use.

pub mod change;
pub(crate) mod folder;
pub mod look;
pub mod mounts;
pub mod priority;
pub(crate) mod program;
