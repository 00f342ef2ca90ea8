//! Reads the database of a PBX at a socket, as a scan of the running host does, and measures it.
//!
//! ```text
//! cargo run --release -p triage-core --example database_scan -- ROOT SOCKET
//! ```
//!
//! `ROOT` is the host's files, which say how to get in; `SOCKET` is where its server listens. It prints the records, the seconds until the last of them, and
//! the seconds with the detectors of calls and databases. It is what `benches/freepbx` drives.
#![allow(clippy::print_stdout, missing_docs)]

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use triage_core::acquire::{DatabaseOptions, LiveSource, Options};
use triage_core::detect::Detectors;
use triage_core::model::{Clock, Record, Timestamp};
use triage_core::source::{DirectorySource, Observation, Source as _, SourceKind};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::new(1_767_225_600, 0)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args_os().skip(1).map(PathBuf::from);
    let (root, socket) = words.next().zip(words.next()).ok_or("name ROOT SOCKET")?;
    for judged in [false, true] {
        let database = DatabaseOptions { sockets: vec![socket.clone()], ..DatabaseOptions::default() };
        // Nothing else of this machine is looked at.
        let mut options = Options {
            database: Some(database),
            asterisk: Vec::new(),
            programs: Vec::new(),
            ..Options::live(Arc::new(Fixed))
        };
        (options.proc, options.sys) = ("/nonexistent".into(), "/nonexistent".into());
        let source = LiveSource::new(DirectorySource::open(&root, SourceKind::Root)?, options);
        let detectors = Detectors::builtin(Vec::new())?;
        let (mut calls, mut others, mut gaps, start) = (0_u64, 0_u64, 0_u64, Instant::now());
        source.records(&mut |observation| {
            match observation {
                Observation::Record(record) => {
                    if matches!(*record, Record::Call(_)) {
                        calls += 1;
                    } else {
                        others += 1;
                    }
                    if judged {
                        detectors.consider(&record);
                    }
                }
                _ => gaps += 1,
            }
            ControlFlow::Continue(())
        })?;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{}\t{calls} calls\t{others} other records\t{gaps} gaps\t{seconds:.3} s",
            if judged { "judged" } else { "read" }
        );
    }
    Ok(())
}
