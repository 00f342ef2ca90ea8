//! Thin safe wrappers over system calls: no policy, no state.
//!
//! `look` and `mounts` only read; `priority` sets how this process itself is scheduled. What changes something is in `change`, which nobody but `apply`, `journal` and `bundle` may use.

pub mod change;
pub mod look;
pub mod mounts;
pub mod priority;
