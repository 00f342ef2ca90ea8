//! systemd unit files and their drop-ins (`systemd.unit(5)`, `systemd.syntax(7)`).

use super::Limits;
use super::line::{Line, Reading, lines, split_once};
use crate::model::{EvidencePath, Outcome, RawText};
use serde::Serialize;

/// One `Key=value`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Line on which it begins, from 1.
    pub line: u64,
    /// The section it stands in; empty before the first.
    pub section: String,
    /// Its name.
    pub key: String,
    /// Its value, continuation lines joined by a space.
    pub value: RawText,
}

impl Setting {
    /// Says whether it is a command line: `ExecStart=` and its like.
    pub fn is_command(&self) -> bool {
        self.key.starts_with("Exec") && !matches!(self.key.as_str(), "ExecSearchPath" | "ExecPaths")
    }

    /// Says whether it runs something, changes what is run, or says when.
    pub fn is_active(&self) -> bool {
        const KEYS: &[&str] = &[
            "Accept",
            "Alias",
            "Also",
            "DirectoryNotEmpty",
            "Environment",
            "EnvironmentFile",
            "PassEnvironment",
            "Persistent",
            "Restart",
            "RestartSec",
            "RootDirectory",
            "RootImage",
            "Service",
            "Type",
            "Unit",
            "User",
            "WorkingDirectory",
        ];
        self.key.starts_with("Exec")
            || self.key.starts_with("Listen")
            || self.key.starts_with("Path")
            || (self.section == "Timer" && self.key.starts_with("On"))
            || (self.section == "Install" && (self.key == "WantedBy" || self.key == "RequiredBy"))
            || KEYS.contains(&self.key.as_str())
    }
}

/// Says whether systemd takes a file of this name for a unit or for a drop-in of one.
pub fn is_unit_name(path: &EvidencePath) -> bool {
    const TYPES: [&[u8]; 6] = [b"service", b"timer", b"socket", b"path", b"mount", b"automount"];
    match path.extension() {
        Some(b"conf") => path.parent().is_some_and(|dir| dir.file_name().ends_with(b".d")),
        Some(extension) => TYPES.contains(&extension),
        None => false,
    }
}

/// Reads all settings in the order of the file.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Setting>> {
    let mut reading = Reading::new(path, limits);
    let mut section = String::new();
    // A setting whose line ended in a backslash: where it began and what it says so far.
    let mut open: Option<(u64, Vec<u8>)> = None;
    for line in lines(bytes) {
        let text = line.text.trim_ascii();
        let is_comment = text.starts_with(b"#") || text.starts_with(b";");
        // Comments between continued lines are passed over; an empty line ends the setting.
        if is_comment || (open.is_none() && text.is_empty()) {
            continue;
        }
        let (number, mut whole) = open.take().unwrap_or((line.number, Vec::new()));
        let continued = text.strip_suffix(b"\\");
        whole.extend_from_slice(continued.unwrap_or(text));
        if !reading.fits(&Line { number, text: &whole }) {
            continue;
        }
        if continued.is_some() {
            whole.push(b' ');
            open = Some((number, whole));
            continue;
        }
        if !setting(&mut reading, &mut section, number, &whole) {
            return reading.finish();
        }
    }
    if let Some((number, whole)) = open {
        setting(&mut reading, &mut section, number, &whole);
    }
    reading.finish()
}

/// Reads one logical line; false when there is room for no more.
fn setting(reading: &mut Reading<'_, Setting>, section: &mut String, line: u64, text: &[u8]) -> bool {
    let text = text.trim_ascii();
    if let Some(name) = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
        match std::str::from_utf8(name) {
            Ok(name) => name.clone_into(section),
            Err(_) => reading.unreadable(line, "the section's name is no text"),
        }
        return true;
    }
    let Some((key, value)) = split_once(text, b"=") else {
        reading.unreadable(line, "neither a section nor a setting");
        return true;
    };
    match std::str::from_utf8(key.trim_ascii()) {
        Ok(key) if !key.is_empty() => reading.push(Setting {
            line,
            section: section.clone(),
            key: key.to_owned(),
            value: value.trim_ascii().into(),
        }),
        _ => {
            reading.unreadable(line, "the setting's name is no text");
            true
        }
    }
}
