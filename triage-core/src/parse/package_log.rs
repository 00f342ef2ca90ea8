//! The logs of dpkg, apt, yum and dnf.

use super::Limits;
use super::line::{Line, Reading, lines, split_once, word};
use crate::model::{EvidencePath, Outcome, PackageAction, PackageEvent, PackageManager, RawText, Timestamp};

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// `/var/log/dpkg.log`.
    Dpkg,
    /// `/var/log/apt/history.log`.
    Apt,
    /// `/var/log/yum.log`.
    Yum,
    /// `/var/log/dnf.rpm.log`.
    Dnf,
}

/// Reads what was done with which package.
pub fn parse(path: &EvidencePath, kind: LogKind, bytes: &[u8], limits: &Limits) -> Outcome<Vec<PackageEvent>> {
    let mut reading = Reading::new(path, limits);
    match kind {
        LogKind::Dpkg => each(&mut reading, bytes, |line| dpkg(path, line)),
        LogKind::Apt => apt(path, bytes, &mut reading),
        LogKind::Yum => each(&mut reading, bytes, |line| yum(path, line)),
        LogKind::Dnf => each(&mut reading, bytes, |line| dnf(path, line)),
    }
    reading.finish()
}

fn each<'a>(
    reading: &mut Reading<'_, PackageEvent>,
    bytes: &'a [u8],
    mut read: impl FnMut(Line<'a>) -> Option<PackageEvent>,
) {
    for line in lines(bytes) {
        if let Some(event) = reading.fits(&line).then(|| read(line)).flatten()
            && !reading.push(event)
        {
            return;
        }
    }
}

fn event(
    path: &EvidencePath,
    line: u64,
    time_raw: &[u8],
    manager: PackageManager,
    action: PackageAction,
) -> PackageEvent {
    PackageEvent {
        path: path.clone(),
        line,
        time_raw: time_raw.into(),
        time: None,
        manager,
        action,
        package: RawText::default(),
        architecture: RawText::default(),
        version: RawText::default(),
        previous_version: RawText::default(),
        command: RawText::default(),
        requested_by: RawText::default(),
    }
}

/// `2026-01-02 03:04:05 install php8.2-cli:amd64 <none> 8.2.7-1`; states and triggers are passed over.
fn dpkg(path: &EvidencePath, line: Line<'_>) -> Option<PackageEvent> {
    let (date, rest) = word(line.text)?;
    let (clock, rest) = word(rest)?;
    let (action, rest) = word(rest)?;
    let action = match action {
        b"install" => PackageAction::Install,
        b"upgrade" => PackageAction::Upgrade,
        b"configure" => PackageAction::Configure,
        b"remove" => PackageAction::Remove,
        b"purge" => PackageAction::Purge,
        _ => return None,
    };
    let (package, rest) = word(rest)?;
    let (before, after) = word(rest)?;
    let (package, architecture) = split_once(package, b":").unwrap_or((package, b""));
    let version = |text: &[u8]| if text == b"<none>" { RawText::default() } else { text.trim_ascii().into() };
    let mut event = event(path, line.number, &[date, b" ", clock].concat(), PackageManager::Dpkg, action);
    event.package = package.into();
    event.architecture = architecture.into();
    match action {
        PackageAction::Configure | PackageAction::Remove | PackageAction::Purge => event.version = version(before),
        _ => (event.previous_version, event.version) = (version(before), version(after)),
    }
    Some(event)
}

/// Stanzas of `Key: value`, each a run of apt.
fn apt(path: &EvidencePath, bytes: &[u8], reading: &mut Reading<'_, PackageEvent>) {
    let (mut time, mut command, mut requested_by) = (RawText::default(), RawText::default(), RawText::default());
    for line in lines(bytes) {
        if !reading.fits(&line) {
            continue;
        }
        let Some((key, value)) = split_once(line.text, b":") else { continue };
        let value = value.trim_ascii();
        let action = match key {
            b"Start-Date" => {
                time = value.into();
                (command, requested_by) = (RawText::default(), RawText::default());
                continue;
            }
            b"Commandline" => {
                command = value.into();
                continue;
            }
            b"Requested-By" => {
                requested_by = value.into();
                continue;
            }
            b"Install" => PackageAction::Install,
            b"Upgrade" => PackageAction::Upgrade,
            b"Downgrade" => PackageAction::Downgrade,
            b"Reinstall" => PackageAction::Reinstall,
            b"Remove" => PackageAction::Remove,
            b"Purge" => PackageAction::Purge,
            _ => continue,
        };
        // `a:amd64 (1.0, automatic), b:amd64 (1.0, 2.0)`: a comma outside brackets is between packages.
        for part in value.split(|&b| b == b')') {
            let part = part.trim_ascii_start();
            let part = part.strip_prefix(b",").unwrap_or(part).trim_ascii();
            let Some((package, versions)) = split_once(part, b"(") else { continue };
            let (package, architecture) = split_once(package.trim_ascii(), b":").unwrap_or((package.trim_ascii(), b""));
            let mut versions = versions.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|v| *v != b"automatic");
            let mut event = event(path, line.number, time.as_bytes(), PackageManager::Apt, action);
            event.package = package.into();
            event.architecture = architecture.into();
            let (first, second) = (versions.next(), versions.next());
            match (first, second) {
                (Some(before), Some(after)) => (event.previous_version, event.version) = (before.into(), after.into()),
                (only, _) => event.version = only.unwrap_or_default().into(),
            }
            event.command = command.clone();
            event.requested_by = requested_by.clone();
            if !reading.push(event) {
                return;
            }
        }
    }
}

fn rpm_action(word: &[u8]) -> Option<PackageAction> {
    Some(match word.strip_suffix(b":").unwrap_or(word) {
        b"Installed" | b"Dep-Installed" => PackageAction::Install,
        b"Updated" | b"Upgraded" | b"Upgrade" => PackageAction::Upgrade,
        b"Downgraded" | b"Downgrade" => PackageAction::Downgrade,
        b"Reinstalled" | b"Reinstall" => PackageAction::Reinstall,
        b"Erased" | b"Removed" => PackageAction::Remove,
        _ => return None,
    })
}

/// `name-version-release.arch`, as far as it can be told: the last two hyphens and the last dot.
fn rpm_name(event: &mut PackageEvent, text: &[u8]) {
    let text = text.trim_ascii();
    let parts = super::line::rsplit_once(text, b".").and_then(|(rest, architecture)| {
        let (rest, release) = super::line::rsplit_once(rest, b"-")?;
        let (name, version) = super::line::rsplit_once(rest, b"-")?;
        Some((name, [version, b"-", release].concat(), architecture))
    });
    match parts {
        Some((name, version, architecture)) => {
            event.package = name.into();
            event.version = version.into();
            event.architecture = architecture.into();
        }
        None => event.package = text.into(),
    }
}

/// `Jan 02 03:04:05 Installed: name-version.arch`
fn yum(path: &EvidencePath, line: Line<'_>) -> Option<PackageEvent> {
    let (month, rest) = word(line.text)?;
    let (day, rest) = word(rest)?;
    let (clock, rest) = word(rest)?;
    let (action, package) = word(rest)?;
    let time = [month, b" ", day, b" ", clock].concat();
    let mut event = event(path, line.number, &time, PackageManager::Yum, rpm_action(action)?);
    rpm_name(&mut event, package);
    Some(event)
}

/// `2026-01-02T03:04:05+0100 SUBDEBUG Installed: name-version.arch`
fn dnf(path: &EvidencePath, line: Line<'_>) -> Option<PackageEvent> {
    let (time, rest) = word(line.text)?;
    let (_, rest) = word(rest)?;
    let (action, package) = word(rest)?;
    let mut event = event(path, line.number, time, PackageManager::Dnf, rpm_action(action)?);
    event.time = zoned(time);
    rpm_name(&mut event, package);
    Some(event)
}

/// The point in time of an ISO 8601 text that names its zone: `Z`, `+01:00` or `+0100`.
pub(super) fn zoned(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let has_date = text.as_bytes().get(10) == Some(&b'T');
    if !has_date {
        return None;
    }
    // RFC 3339 has a colon in the offset, dnf and Python have none.
    let fixed = match text.len().checked_sub(5).and_then(|at| text.split_at_checked(at)) {
        Some((head, offset)) if offset.starts_with(['+', '-']) && !offset.contains(':') => {
            let (hours, minutes) = offset.split_at_checked(3)?;
            format!("{head}{hours}:{minutes}")
        }
        _ => text.to_owned(),
    };
    fixed.parse().ok()
}
