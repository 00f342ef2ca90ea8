//! The binary from outside: what a responder types, sees and gets back.
//!
//! Each test has a folder of its own, an empty environment and a state folder in it. Nothing of the machine is touched.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub
)]

mod advisories;
mod allow;
mod apply;
mod baseline;
#[allow(clippy::format_collect)]
mod budget;
mod check;
mod clean_up;
mod collect;
mod definitions;
mod demo;
mod diff;
mod env;
mod errors;
mod footprint;
mod help;
mod modules;
mod remediate;
mod rules;
mod runs;
mod scan;
mod seal;
mod source;
mod unknown;
