//! Files that run because they lie where they lie: shell start-up files line by line, hook scripts and boot scripts as a whole.

use super::Limits;
use super::line::{Reading, joined, lines, split_once};
use crate::model::{EvidencePath, InitScript, Mechanism, Outcome, RawText, StartupCommand};

/// A `#!` line is looked at up to here; Linux reads 256 bytes of it.
const SHEBANG_BYTES: usize = 256;

/// How far into a boot script its header is looked for.
const HEADER_LINES: usize = 200;

/// Words that only hold a script together.
const SYNTAX: [&[u8]; 14] =
    [b"{", b"}", b"(", b")", b";;", b"do", b"done", b"else", b"esac", b"fi", b"then", b"fi;", b"done;", b"};"];

/// Reads a file of shell commands: one record a line that says something. It is not parsed further; a command over several lines is
/// several records, but for those joined by a backslash.
pub fn parse_lines(
    path: &EvidencePath,
    mechanism: Mechanism,
    bytes: &[u8],
    limits: &Limits,
) -> Outcome<Vec<StartupCommand>> {
    let mut reading = Reading::new(path, limits);
    for (line, whole) in joined(bytes, &mut reading) {
        let text = whole.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") || SYNTAX.contains(&text) {
            continue;
        }
        let command = StartupCommand {
            path: path.clone(),
            line: Some(line),
            mechanism,
            trigger: RawText::default(),
            user: None,
            command: text.into(),
            text: whole.as_ref().into(),
        };
        if !reading.push(command) {
            break;
        }
    }
    reading.finish()
}

/// The record of a hook that is run as a whole, script or program.
pub fn hook(path: &EvidencePath, mechanism: Mechanism, bytes: &[u8]) -> StartupCommand {
    StartupCommand {
        path: path.clone(),
        line: None,
        mechanism,
        trigger: RawText::default(),
        user: None,
        command: path.as_bytes().into(),
        text: shebang(bytes).into(),
    }
}

fn shebang(bytes: &[u8]) -> &[u8] {
    let start = bytes.get(..SHEBANG_BYTES).unwrap_or(bytes);
    let line = start.split(|&b| b == b'\n').next().unwrap_or_default();
    if line.starts_with(b"#!") { line.trim_ascii_end() } else { b"" }
}

/// Says whether a file in a hook folder is one that is run: not a package manager's leftover, not an editor's backup, not a note.
pub fn is_hook_name(path: &EvidencePath) -> bool {
    const LEFTOVERS: [&[u8]; 11] = [
        b".dpkg-old",
        b".dpkg-new",
        b".dpkg-dist",
        b".rpmsave",
        b".rpmnew",
        b".rpmorig",
        b".placeholder",
        b"~",
        b".swp",
        b".pyc",
        b".pyo",
    ];
    let name = path.file_name();
    name != b"README" && !LEFTOVERS.iter().any(|end| name.ends_with(end))
}

/// What a script in `init.d` says of itself, between `### BEGIN INIT INFO` and `### END INIT INFO` (Linux Standard Base Core 5.0, 22.3), or in
/// `# chkconfig:` and `# description:` lines.
pub fn parse_init(path: &EvidencePath, bytes: &[u8]) -> InitScript {
    let mut script = InitScript {
        path: path.clone(),
        provides: RawText::default(),
        required_start: RawText::default(),
        default_start: RawText::default(),
        description: RawText::default(),
        has_header: false,
    };
    for line in lines(bytes).take(HEADER_LINES) {
        let Some(text) = line.text.get(..1024).unwrap_or(line.text).strip_prefix(b"#") else { continue };
        if text.starts_with(b"## BEGIN INIT INFO") {
            script.has_header = true;
        }
        if text.starts_with(b"## END INIT INFO") {
            break;
        }
        let Some((key, value)) = split_once(text, b":") else { continue };
        let value = value.trim_ascii();
        let field = match key.trim_ascii().to_ascii_lowercase().as_slice() {
            b"provides" => &mut script.provides,
            b"required-start" => &mut script.required_start,
            b"default-start" => &mut script.default_start,
            b"chkconfig" => {
                script.has_header = true;
                script.default_start = value.split(u8::is_ascii_whitespace).next().unwrap_or_default().into();
                continue;
            }
            b"short-description" | b"description" if script.description.is_empty() => &mut script.description,
            _ => continue,
        };
        *field = value.into();
    }
    script
}
