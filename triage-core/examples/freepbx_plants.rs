//! Lays the plants of the tests on a root, and tells as JSON lines what has to be found of each.
//!
//! usage: `freepbx_plants ROOT [count | NUMBER]`
//!
//! Without a number all that stand together are laid; with one the plant that stands alone, which removes something first; `count` says how many of them there are. The root must have been made
//! for this: it has a file `.made`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

#[path = "../tests/freepbx/plants.rs"]
mod plants;

use plants::{ALONE, PLANTS, PROCESSES, Plant};
use std::fs;
use std::io::{self, Error, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let mut words = std::env::args_os().skip(1);
    let usage = || Error::other("usage: freepbx_plants ROOT [count | NUMBER]");
    let root = PathBuf::from(words.next().ok_or_else(usage)?);
    if root == Path::new("/") || !root.join(".made").exists() {
        return Err(Error::other("the root was not made for this"));
    }
    let Some(number) = words.next() else {
        for plant in PLANTS {
            lay(&root, plant)?;
            tell(plant)?;
        }
        // Nothing is started: they are told so that what is left out is counted.
        return writeln!(io::stdout(), "{}", serde_json::json!({ "processes": PROCESSES.len(), "alone": ALONE.len() }));
    };
    if number == "count" {
        return writeln!(io::stdout(), "{}", serde_json::json!({ "alone": ALONE.len() }));
    }
    let number: usize = number.to_str().and_then(|text| text.parse().ok()).ok_or_else(usage)?;
    let (removed, plant) = ALONE.get(number).ok_or_else(usage)?;
    let mut has_removed = false;
    for path in *removed {
        let path = at(&root, path);
        has_removed |= match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(path).map(|()| true)?,
            Ok(_) => fs::remove_file(path).map(|()| true)?,
            Err(_) => false,
        };
    }
    if !has_removed && plant.path.is_empty() {
        // What this host never had cannot be missed on it.
        return writeln!(io::stdout(), "{}", serde_json::json!({ "row": plant.row, "skipped": removed }));
    }
    if !plant.path.is_empty() {
        lay(&root, plant)?;
    }
    tell(plant)
}

fn at(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// A folder where the path ends in `/`, else a file, or more lines of one that is there.
fn lay(root: &Path, plant: &Plant) -> io::Result<()> {
    let path = at(root, plant.path);
    if plant.path.ends_with('/') {
        return fs::create_dir_all(path);
    }
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    let mut content = fs::read(&path).unwrap_or_default();
    if matches!(plant.path, "/etc/passwd" | "/etc/shadow" | "/etc/group") {
        // The first line of a name counts: one that is there is changed.
        let is_changed = |line: &[u8]| {
            let name = line.split_inclusive(|byte| *byte == b':').next().unwrap_or_default();
            plant.content.lines().any(|new| new.as_bytes().starts_with(name))
        };
        content = content
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| !is_changed(line))
            .flatten()
            .copied()
            .collect();
    }
    content.extend_from_slice(plant.content.as_bytes());
    fs::write(&path, content)?;
    if plant.mode != 0o644 {
        fs::set_permissions(&path, fs::Permissions::from_mode(plant.mode % 0o10000))?;
    }
    Ok(())
}

fn tell(plant: &Plant) -> io::Result<()> {
    let Plant { row, path, about, rule, severity, grade, needs_root, .. } = plant;
    let line = serde_json::json!({
        "row": row, "path": path, "about": about, "rule": rule, "severity": severity.to_string(), "grade": grade.to_string(),
        "needs_root": needs_root,
    });
    writeln!(io::stdout(), "{line}")
}
