//! acquire's report beside its output, `NAME.report.json`: what it tried and how that ended, by module and outcome
//! (`success`, `failure`, `missing`, `empty`). A failure is evidence that is missing; the others are not.

use crate::model::{EvidencePath, escape};
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Largest report that is read, in bytes.
const MAX_REPORT: u64 = 256 << 20;
const ENDS: [&str; 8] = [".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2", ".tgz", ".txz", ".tar", ".zip"];

/// What could not be collected, by the report that lies beside the archive; nothing where there is none.
pub(super) fn failures_beside(archive: &Path) -> Vec<(EvidencePath, String)> {
    let Some(path) = report_of(archive) else { return Vec::new() };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_REPORT).read_to_end(&mut bytes));
    if read.is_err() { Vec::new() } else { failures(&bytes) }
}

fn report_of(archive: &Path) -> Option<PathBuf> {
    let name = archive.file_name()?.to_str()?;
    let stem = ENDS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let path = archive.with_file_name(format!("{stem}.report.json"));
    path.is_file().then_some(path)
}

fn failures(bytes: &[u8]) -> Vec<(EvidencePath, String)> {
    let Ok(Value::Object(report)) = serde_json::from_slice::<Value>(bytes) else { return Vec::new() };
    let mut found = Vec::new();
    for (module, outcomes) in report {
        if module == "modules-failed" {
            for name in outcomes.as_object().into_iter().flat_map(|failed| failed.keys()) {
                let detail = format!("acquire's module `{}` failed", escape(name.as_bytes()));
                found.push((EvidencePath::root(), detail));
            }
            continue;
        }
        let failed = outcomes.get("failure").and_then(Value::as_array);
        for record in failed.into_iter().flatten() {
            let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
            let value = text("artifact_value");
            // A pattern or a command is no path of the host.
            let is_path =
                matches!(text("artifact_type"), "file" | "path" | "dir" | "symlink") && value.starts_with('/');
            let path = EvidencePath::new(value).ok().filter(|_| is_path).unwrap_or_else(EvidencePath::root);
            let why = record.get("details").and_then(Value::as_str).and_then(|text| text.trim().lines().last());
            let why = why.map(|why| format!(": {}", escape(why.as_bytes()))).unwrap_or_default();
            found.push((path, format!("acquire could not collect `{}`{why}", escape(value.as_bytes()))));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_and_what_was_not_there_is_not() {
        let report = br#"{"name":"pbx1","Etc":{"missing":[{"artifact_value":"/etc/a","outcome":"missing"}],
            "failure":[{"artifact_type":"file","artifact_value":"/etc/b","details":"Traceback\nOSError: disk"},
            {"artifact_type":"glob","artifact_value":"/x*","details":null}]},"modules-failed":{"Var":"Traceback"}}"#;
        let found: Vec<String> =
            failures(report).into_iter().map(|(path, detail)| format!("{path} {detail}")).collect();
        assert_eq!(
            found,
            [
                "/etc/b acquire could not collect `/etc/b`: OSError: disk",
                "/ acquire could not collect `/x*`",
                "/ acquire's module `Var` failed",
            ]
        );
        assert!(failures(b"[1").is_empty());
    }
}
