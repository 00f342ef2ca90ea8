//! Runs the detectors of logs and calls over files in memory, one after the other on one thread, and measures them.
//!
//! ```text
//! cargo run --release -p triage-core --example log_scan -- PLACE=FILE…
//! ```
//!
//! `PLACE` is where the file would lie on a host, `/var/log/apache2/access.log`. It prints a line a file (bytes, lines, seconds, MB/s, findings), and is
//! what `benches/logs` drives. Reading and hashing are not measured: a scan does them for every file.
#![allow(clippy::print_stdout, missing_docs)]

use std::time::Instant;
use triage_core::detect::{Detectors, FraudDetector, HostContext, LogDetector, SigmaSet};
use triage_core::model::{EvidencePath, FileKind, FileMeta, Mode};
use triage_core::sweep::{Swept, Visitor as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Compiling the rules is no part of reading a line.
    let rules = SigmaSet::builtin();
    for argument in std::env::args().skip(1) {
        let (place, file) = argument.split_once('=').ok_or("name PLACE=FILE")?;
        let content = std::fs::read(file)?;
        let path = EvidencePath::new(place)?;
        let meta = FileMeta::bare(FileKind::File, Mode::new(0o640), content.len() as u64);
        let detectors =
            Detectors::new(vec![Box::new(LogDetector::new(rules.clone())), Box::new(FraudDetector::default())]);
        let start = Instant::now();
        detectors.visit(&Swept { path: &path, meta: &meta, sha256: None, content: Some(&content) });
        let outcome = detectors.conclude(&HostContext { is_host: false, gaps: &[], selects: &|_| true });
        let seconds = start.elapsed().as_secs_f64();
        let lines = content.split(|byte| *byte == b'\n').count() - 1;
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = content.len() as f64 / 1e6 / seconds;
        println!(
            "{place}\t{} bytes\t{lines} lines\t{seconds:.3} s\t{rate:.1} MB/s\t{} findings\t{} gaps",
            content.len(),
            outcome.value.len(),
            outcome.gaps.len()
        );
    }
    Ok(())
}
