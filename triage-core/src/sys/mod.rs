//! Thin safe wrappers over system calls: no policy, no state.
//!
//! `look` only reads. What changes something is in `change`, which nobody but `apply`, `journal` and `bundle` may use.

pub mod change;
pub mod look;
