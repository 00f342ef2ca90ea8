//! Writes the seeds of a target, or of all, into `fuzz/corpus/<target>/`, where cargo-fuzz begins.

use std::path::Path;
use triage_fuzz::{TARGETS, seeds};

fn main() -> std::io::Result<()> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for target in TARGETS.iter().filter(|target| wanted.is_empty() || wanted.iter().any(|name| name == target.name)) {
        let folder = own.join("corpus").join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds::of(&own.join(".."), target.name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
    }
    Ok(())
}
