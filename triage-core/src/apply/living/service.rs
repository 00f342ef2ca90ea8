//! Services, through the program of the host that controls them: systemd's, or the scripts of System V.

use crate::action::live::{ServiceState, ServiceVerb};
use crate::model::RawText;
use crate::sys::program::{self, Call, Ended};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a service may take to do as it was told. systemd itself gives up after 90 seconds.
const PATIENCE: Duration = Duration::from_mins(2);
/// Where there is this folder, systemd is init.
const SYSTEMD: &str = "/run/systemd/system";
const FOLDERS: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// What the service manager tells of a service.
pub(super) fn state(unit: &RawText) -> Result<ServiceState, String> {
    check(unit)?;
    if Path::new(SYSTEMD).is_dir() {
        let ended =
            call("systemctl", &["show", "--property=LoadState,ActiveState,UnitFileState,InvocationID", "--"], unit)
                .map_err(|error| format!("systemctl cannot be asked: {error}"))?;
        if !ended.is_good() {
            return Err(format!("systemctl does not answer: {}", ended.trouble()));
        }
        return Ok(shown(&ended.output));
    }
    if !script(unit).is_file() {
        return Ok(ServiceState {
            load: "not-found".to_owned(),
            active: "inactive".to_owned(),
            enabled: String::new(),
            invocation: String::new(),
        });
    }
    let ended = of_script(unit, "status").map_err(|error| format!("its script cannot be run: {error}"))?;
    // LSB 3: 0 is running, 1 to 3 are not, all else is not known.
    let active = match ended.exit_code {
        Some(0) => "active",
        Some(1..=3) => "inactive",
        _ => "unknown",
    };
    Ok(ServiceState {
        load: "loaded".to_owned(),
        active: active.to_owned(),
        enabled: String::new(),
        invocation: String::new(),
    })
}

/// Asks for something, and waits until it was done.
pub(super) fn control(unit: &RawText, verb: ServiceVerb) -> io::Result<()> {
    check(unit).map_err(io::Error::other)?;
    let ended = if Path::new(SYSTEMD).is_dir() {
        call("systemctl", &["--no-ask-password", verb.as_str(), "--"], unit)?
    } else if matches!(verb, ServiceVerb::Enable | ServiceVerb::Disable) {
        return Err(io::Error::other("the scripts of this host are started by links: use `disable_unit` on them"));
    } else {
        of_script(unit, verb.as_str())?
    };
    if ended.is_good() { Ok(()) } else { Err(io::Error::other(format!("{verb} {unit}: {}", ended.trouble()))) }
}

/// The properties of `systemctl show`, a line each.
fn shown(output: &[u8]) -> ServiceState {
    let text = String::from_utf8_lossy(output);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.split_once('=').filter(|(key, _)| *key == name));
        line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    ServiceState {
        load: value("LoadState"),
        active: value("ActiveState"),
        enabled: value("UnitFileState"),
        invocation: value("InvocationID"),
    }
}

/// A name that a service can have: neither an option nor a path.
fn check(unit: &RawText) -> Result<(), String> {
    let is_fit = |byte: &u8| byte.is_ascii_alphanumeric() || b"@._:-\\".contains(byte);
    let bytes = unit.as_bytes();
    if !bytes.is_empty() && bytes.len() < 256 && bytes.iter().all(is_fit) && !bytes.starts_with(b"-") {
        return Ok(());
    }
    Err(format!("`{unit}` is not the name of a service"))
}

fn script(unit: &RawText) -> PathBuf {
    let name = unit.to_string();
    Path::new("/etc/init.d").join(name.strip_suffix(".service").unwrap_or(&name))
}

fn of_script(unit: &RawText, verb: &str) -> io::Result<Ended> {
    let script = script(unit);
    let file = std::fs::canonicalize(&script)?;
    run(&script, &file, &[RawText::from(verb)])
}

fn call(name: &str, words: &[&str], unit: &RawText) -> io::Result<Ended> {
    let place = FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|place| place.is_file());
    let place = place.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{name} is not there")))?;
    let file = std::fs::canonicalize(&place)?;
    let arguments: Vec<RawText> = words.iter().map(|word| RawText::from(*word)).chain([unit.clone()]).collect();
    run(&place, &file, &arguments)
}

fn run(place: &Path, file: &Path, arguments: &[RawText]) -> io::Result<Ended> {
    let environment = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")];
    program::run(&Call { place, file, arguments, environment: &environment, input: b"", limit: PATIENCE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_shows_is_read() {
        let state = shown(b"LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nInvocationID=ab12\n");
        assert!(state.is_active());
        assert_eq!((state.enabled.as_str(), state.invocation.as_str()), ("enabled", "ab12"));
        assert_eq!(shown(b"LoadState=not-found\n").load, "not-found");
    }

    #[test]
    fn an_option_or_a_path_is_no_service() {
        for name in ["", "--root=/tmp", "-H", "../../tmp/x", "a b", "a;b", "a\nb"] {
            assert!(check(&RawText::from(name)).is_err(), "{name:?}");
        }
        for name in ["apache2.service", "getty@tty1.service", "dev-disk-by\\x2dlabel.swap"] {
            assert!(check(&RawText::from(name)).is_ok(), "{name}");
        }
    }
}
