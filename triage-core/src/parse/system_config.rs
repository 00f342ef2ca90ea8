//! `fstab(5)`, PAM stacks, `modprobe.d(5)`, `modules-load.d(5)`, polkit rules.

use super::hook_config::spawned;
use super::line::{Reading, each_line, joined, lines, name, split_once, word};
use super::{Limits, redact};
use crate::model::{
    EvidencePath, FstabEntry, Mechanism, Outcome, PamRule, Program, RawText, Record, Setting, StartupCommand,
};

/// Reads a mount table.
pub fn parse_fstab(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<FstabEntry>> {
    each_line(path, bytes, limits, |line| {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(None);
        }
        let mut fields = text.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let (Some(device), Some(target), Some(file_system)) = (fields.next(), fields.next(), fields.next()) else {
            return Err("it has fewer than three fields");
        };
        let options = fields.next().unwrap_or(b"defaults");
        Ok(Some(FstabEntry {
            path: path.clone(),
            line: line.number,
            device: octal(device).into(),
            target: octal(target).into(),
            file_system: file_system.into(),
            options: options.split(|&b| b == b',').map(option).collect(),
        }))
    })
}

/// A mount option; what follows `password=` and its like is taken out whole, whatever it looks like.
fn option(option: &[u8]) -> RawText {
    match split_once(option, b"=") {
        Some((key, _)) if matches!(key, b"password" | b"pass" | b"passwd" | b"password2") => {
            [key, b"=", redact::MARK].concat().into()
        }
        _ => option.into(),
    }
}

/// Undoes `\040` and its like.
pub(super) fn octal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.first_chunk::<3>().filter(|digits| digits.iter().all(|b| (b'0'..=b'7').contains(b)));
        let value = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        if let Some(byte) = value.filter(|_| first == b'\\') {
            out.push(byte);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

/// Reads a PAM stack: each rule, and as a start-up command each `pam_exec` and each module that is named by an absolute path.
pub fn parse_pam(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    let mut reading = Reading::new(path, limits);
    let has_service = path.file_name() == b"pam.conf";
    for (line, whole) in joined(bytes, &mut reading) {
        let text = whole.split(|&b| b == b'#').next().unwrap_or_default().trim_ascii();
        if text.is_empty() {
            continue;
        }
        let Some(rule) = pam_rule(path, line, text, has_service) else {
            reading.unreadable(line, "it has fewer fields than a rule has");
            continue;
        };
        let is_exec = rule.module.as_bytes().rsplit(|&b| b == b'/').next() == Some(b"pam_exec.so");
        let is_absolute = rule.module.as_bytes().starts_with(b"/");
        if is_exec || is_absolute {
            let command = if is_exec { exec_command(rule.arguments.as_bytes()) } else { rule.module.as_bytes() };
            let startup = StartupCommand {
                path: path.clone(),
                line: Some(line),
                mechanism: Mechanism::Pam,
                trigger: [rule.service.as_bytes(), b" ", rule.facility.as_bytes()].concat().into(),
                user: None,
                command: command.into(),
                text: text.into(),
            };
            if !reading.push(Record::StartupCommand(startup)) {
                break;
            }
        }
        if !reading.push(Record::PamRule(rule)) {
            break;
        }
    }
    reading.finish()
}

fn pam_rule(path: &EvidencePath, line: u64, text: &[u8], has_service: bool) -> Option<PamRule> {
    let mut rest = text;
    let mut service = RawText::from(path.file_name());
    if has_service {
        let (first, after) = word(rest)?;
        service = first.into();
        rest = after;
    }
    let (facility, after) = word(rest)?;
    let (control, after) = if facility == b"@include" {
        return Some(PamRule {
            path: path.clone(),
            line,
            service,
            facility: RawText::default(),
            control: "@include".into(),
            module: after.into(),
            arguments: RawText::default(),
        });
    } else if after.starts_with(b"[") {
        let end = after.iter().position(|&b| b == b']')? + 1;
        after.split_at_checked(end)?
    } else {
        word(after)?
    };
    let (module, arguments) = word(after)?;
    Some(PamRule {
        path: path.clone(),
        line,
        service,
        facility: facility.into(),
        control: control.into(),
        module: module.into(),
        arguments: arguments.into(),
    })
}

/// The command in the arguments of `pam_exec(8)`: what follows its options.
fn exec_command(arguments: &[u8]) -> &[u8] {
    let mut rest = arguments;
    while let Some((first, after)) = word(rest) {
        if first.starts_with(b"/") {
            return rest;
        }
        rest = after;
    }
    arguments
}

/// Reads `modprobe.d(5)`: every line as a setting, and what `install` and `remove` run.
pub fn parse_modprobe(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    let mut reading = Reading::new(path, limits);
    for (line, whole) in joined(bytes, &mut reading) {
        let text = whole.trim_ascii();
        let Some((directive, rest)) = word(text).filter(|(first, _)| !first.starts_with(b"#")) else { continue };
        if matches!(directive, b"install" | b"remove")
            && let Some((module, command)) = word(rest)
            // The usual ways to say that a module is not to be loaded run nothing.
            && !matches!(command, b"" | b"/bin/true" | b"/bin/false" | b"/usr/bin/true" | b"/usr/bin/false" | b"true" | b"false")
        {
            let startup = StartupCommand {
                path: path.clone(),
                line: Some(line),
                mechanism: Mechanism::KernelModule,
                trigger: [directive, b" ", module].concat().into(),
                user: None,
                command: command.into(),
                text: text.into(),
            };
            if !reading.push(Record::StartupCommand(startup)) {
                break;
            }
        }
        let setting = setting(path, line, Program::Modprobe, name(directive), rest);
        if !reading.push(Record::Setting(setting)) {
            break;
        }
    }
    reading.finish()
}

/// Reads a list of kernel modules that are loaded at boot, with their parameters.
pub fn parse_modules(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Setting>> {
    each_line(path, bytes, limits, |line| {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") || text.starts_with(b";") {
            return Ok(None);
        }
        Ok(Some(setting(path, line.number, Program::ModulesLoad, "module".to_owned(), text)))
    })
}

/// Reads those lines of a polkit rule that name an action, give an answer or start a program, and the settings of a `.pkla` file
/// (`polkit(8)`, `pklocalauthority(8)`). The program in a rule is not run or understood further.
pub fn parse_polkit(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    let mut reading = Reading::new(path, limits);
    let mut scope = RawText::default();
    let is_pkla = path.extension() == Some(b"pkla");
    for line in lines(bytes) {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"//") || text.starts_with(b"#") || !reading.fits(&line) {
            continue;
        }
        if is_pkla {
            if text.starts_with(b"[") {
                scope = text.into();
            } else if let Some((key, value)) = split_once(text, b"=") {
                let setting = setting(path, line.number, Program::Polkit, name(key.trim_ascii()), value.trim_ascii());
                if !reading.push(Record::Setting(Setting { scope: scope.clone(), ..setting })) {
                    break;
                }
            }
            continue;
        }
        let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
        if let Some(command) = spawned(text) {
            let startup = StartupCommand {
                path: path.clone(),
                line: Some(line.number),
                mechanism: Mechanism::Polkit,
                trigger: RawText::default(),
                user: Some("polkitd".into()),
                command,
                text: text.into(),
            };
            if !reading.push(Record::StartupCommand(startup)) {
                break;
            }
        }
        let kind = if has(b"polkit.Result.") {
            "result"
        } else if has(b"action.id") {
            "action"
        } else if has(b"subject.") || has(b"unix-user:") || has(b"unix-group:") {
            "subject"
        } else {
            continue;
        };
        if !reading.push(Record::Setting(setting(path, line.number, Program::Polkit, kind.to_owned(), text))) {
            break;
        }
    }
    reading.finish()
}

fn setting(path: &EvidencePath, line: u64, program: Program, name: String, value: &[u8]) -> Setting {
    Setting { path: path.clone(), line, program, scope: RawText::default(), name, value: value.into() }
}

/// Reads the settings of a plugin of yum or dnf, an INI file.
pub fn parse_plugin(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Setting>> {
    let mut scope = RawText::default();
    each_line(path, bytes, limits, |line| {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") || text.starts_with(b";") {
            return Ok(None);
        }
        if let Some(section) = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
            scope = section.into();
            return Ok(None);
        }
        let Some((key, value)) = split_once(text, b"=") else { return Ok(None) };
        let setting = setting(path, line.number, Program::Yum, name(key.trim_ascii()), value.trim_ascii());
        Ok(Some(Setting { scope: scope.clone(), ..setting }))
    })
}
