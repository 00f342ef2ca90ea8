//! The binary from outside: what a responder types, sees and gets back.
//!
//! Each test has a folder of its own, an empty environment and a state folder in it. Nothing of the machine is touched.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub
)]

mod apply;
mod collect;
mod demo;
mod env;
mod errors;
mod help;
mod scan;
