//! Forensic triage and remediation of compromised Linux servers: the library behind `triage`.
//!
//! A responder faces a host that may be compromised. This library takes them from alarm to clean host, with proof: collect the
//! evidence before it changes, look at it anywhere, plan the clean-up, look at the plan, apply it, undo it.
//!
//! ```text
//! live host ┐
//! image     ├─ Source ─ sweep ─┬─ collect ─▶ bundle ─(a bundle is a Source again)
//! bundle    ┘   (each file     └─ detect  ─▶ findings ─┬─▶ report
//!                is read once)                         └─ playbook ─▶ plan ─▶ apply ─▶ journal
//!                                                                      ▲                  │
//!                                                                      └──── rollback ◀───┘
//! ```
//!
//! # What it is not
//!
//! It is no daemon, no agent and no live response shell. It runs nothing of the host that it looks at, but for the
//! firewall's own programs on a live one ([`acquire`]). It has no terminal, reads no
//! environment variable and has no clock of its own: time comes in as a [`model::Clock`], the wish to stop as a function.
//! It never says that a host is clean; it says what it saw and what it did not see.
//!
//! # The modules, in reading order
//!
//! [`model`] has the nouns, [`source`] what can be read, [`sweep`] the one walk that reads it. [`parse`] turns bytes into records, [`acquire`] a running host. [`collect`] says what is
//! evidence, [`bundle`] keeps it. [`detect`] makes findings of it, [`diff`] compares it with what it was. [`action`] says what could be done to an object, [`playbook`] what should be done about
//! a finding, [`plan`] puts both together. [`journal`] records, [`apply`] changes, [`rollback`] undoes. [`report`] is for readers elsewhere.
//! [`engine`] has the compositions that most callers want, and [`sys`] the system calls beneath it all.
//!
//! # An example: scan a folder as a host
//!
//! ```
//! use triage_core::{detect::{Detectors, RuleSet, YaraDetector, YaraOptions}, engine, model::Verdict, sweep};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = tempfile::tempdir()?;
//! std::fs::create_dir_all(host.path().join("etc"))?;
//! std::fs::create_dir_all(host.path().join("var/www/html"))?;
//! std::fs::write(
//!     host.path().join("var/www/html/img.php"),
//!     "<?php exit; // inert\n@eval(base64_decode($_POST['c']));\n",
//! )?;
//!
//! let opening = engine::Opening::new(Some(host.path()), host.path());
//! let target = engine::Target::open(&opening)?;
//! let yara = YaraDetector::new(RuleSet::builtin(), YaraOptions::default());
//! let detectors = Detectors::builtin(vec![Box::new(yara)])?;
//! let reading = engine::Reading { options: sweep::Options::default(), progress: &(), cancel: &|| false };
//! let scan = engine::scan(&target, detectors, reading)?;
//!
//! assert_eq!(scan.verdict, Verdict::Compromised);
//! assert!(scan.findings.iter().any(|finding| finding.subject.path().file_name() == b"img.php"));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing
    )
)]

mod builtin;

pub mod model;

pub mod acquire;
pub mod action;
pub mod apply;
pub mod bundle;
pub mod collect;
pub mod detect;
pub mod diff;
pub mod engine;
pub mod journal;
pub mod parse;
pub mod plan;
pub mod playbook;
pub mod report;
pub mod rollback;
pub mod source;
pub mod sweep;
pub mod sys;
