//! Quarantine: a convicted file leaves its place and is kept in the vault of the run.

use super::{Change, Obstacle, State};
use crate::model::{Digest, EvidencePath, FileKind, RawText};

pub(super) fn change(path: &EvidencePath, sha256: &Digest, now: &State) -> Result<Change, Obstacle> {
    if let Some(why) = is_needed(path) {
        return Err(Obstacle::Blocked(why.to_owned()));
    }
    let State::Present(present) = now else {
        return Err(Obstacle::Stale("the file is gone".to_owned()));
    };
    if present.meta.kind != FileKind::File {
        return Err(Obstacle::Blocked(format!("it is a {} now, and a file was convicted", present.meta.kind.as_str())));
    }
    match &present.sha256 {
        Some(found) if found == sha256 => Ok(Change::Remove),
        Some(found) => Err(Obstacle::Stale(format!(
            "its content has the digest {}, and the convicted one has {}",
            found.short(),
            sha256.short()
        ))),
        None => Err(Obstacle::Stale("its content could not be read".to_owned())),
    }
}

/// The same for what has no content: a link, FIFO, socket or device node. All that it is stands in the journal.
pub(super) fn change_special(
    path: &EvidencePath,
    kind: FileKind,
    points_to: Option<&RawText>,
    special: Option<u64>,
    now: &State,
) -> Result<Change, Obstacle> {
    if let Some(why) = is_needed(path) {
        return Err(Obstacle::Blocked(why.to_owned()));
    }
    if path.parent().is_some_and(|folder| folder.is_root()) {
        return Err(Obstacle::Blocked("links in the root folder lead to the programs of the host".to_owned()));
    }
    if matches!(kind, FileKind::File | FileKind::Directory | FileKind::Unknown) {
        return Err(Obstacle::Blocked(format!("a {} is not quarantined as a special file", kind.as_str())));
    }
    let State::Present(present) = now else {
        return Err(Obstacle::Stale("it is gone".to_owned()));
    };
    if present.meta.kind != kind {
        let why = format!("it is a {}, and a {} was convicted", present.meta.kind.as_str(), kind.as_str());
        return Err(Obstacle::Stale(why));
    }
    if present.meta.link_target.as_ref() != points_to {
        return Err(Obstacle::Stale("it points somewhere else".to_owned()));
    }
    if special.is_some() && present.meta.special != special {
        return Err(Obstacle::Stale("it is another device".to_owned()));
    }
    Ok(Change::Remove)
}

/// Files that a host does not start, or lets nobody in, without. An intruder can put a matching string into many of them (a comment
/// field, a user agent), and then the cure would be the attack.
fn is_needed(path: &EvidencePath) -> Option<&'static str> {
    const ACCOUNTS: &str = "the host lets nobody log in without it: take the intruder's lines out of it instead";
    const SYSTEM: &str = "the host does not work without it: put the vendor's copy in its place instead";
    const KERNEL: &str = "it is no file on a disk but a view into the kernel";
    match path.as_bytes() {
        b"/etc/passwd"
        | b"/etc/shadow"
        | b"/etc/group"
        | b"/etc/gshadow"
        | b"/etc/nsswitch.conf"
        | b"/etc/sudoers"
        | b"/etc/ssh/sshd_config" => return Some(ACCOUNTS),
        b"/etc/fstab"
        | b"/etc/inittab"
        | b"/etc/crontab"
        | b"/etc/freepbx.conf"
        | b"/etc/amportal.conf"
        | b"/etc/asterisk/asterisk.conf" => return Some(SYSTEM),
        _ => {}
    }
    let mut components = path.components();
    match (components.next(), components.next()) {
        (Some(b"proc" | b"sys"), _) => return Some(KERNEL),
        // What the kernel makes there itself. `/dev/shm` is a folder like any other.
        (Some(b"dev"), Some(name)) if name != b"shm" => return Some(KERNEL),
        (Some(b"boot"), _) => return Some(SYSTEM),
        (Some(b"etc"), Some(b"pam.d")) => return Some(ACCOUNTS),
        _ => {}
    }
    if matches!(path.file_name(), b"authorized_keys" | b"authorized_keys2") {
        return Some(ACCOUNTS);
    }
    is_program_of_the_host(path).then_some(SYSTEM)
}

/// Programs that everything else rests on, in the folders where a distribution installs them.
fn is_program_of_the_host(path: &EvidencePath) -> bool {
    let Some(folder) = path.parent() else { return false };
    let folder = folder.as_bytes();
    let name = path.file_name();
    let folder = folder.strip_prefix(b"/usr").unwrap_or(folder);
    match folder {
        b"/bin" | b"/sbin" | b"/lib/systemd" => matches!(
            name,
            b"init"
                | b"systemd"
                | b"sshd"
                | b"login"
                | b"su"
                | b"sudo"
                | b"sh"
                | b"bash"
                | b"dash"
                | b"busybox"
                | b"asterisk"
                | b"safe_asterisk"
                | b"mysqld"
                | b"mysqld_safe"
                | b"mariadbd"
                | b"mariadbd-safe"
        ),
        // The loader and the C library, also below the architecture's own folder.
        _ if folder.starts_with(b"/lib") => {
            name.starts_with(b"ld-linux") || name.starts_with(b"libc.so") || name.starts_with(b"libc-2.")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::{file, kind};

    fn action(path: &[u8], content: &[u8]) -> Action {
        Action::QuarantineFile { path: EvidencePath::new(path).unwrap(), sha256: Digest::of(content) }
    }

    #[test]
    fn the_convicted_content_goes_and_no_other() {
        let shell = action(b"/var/www/html/a\nb\xff.php", b"<?php exit; // inert");
        assert_eq!(shell.change(&file(b"<?php exit; // inert"), None), Ok(Change::Remove));
        assert!(matches!(shell.change(&file(b"<?php // mended"), None), Err(Obstacle::Stale(_))));
        assert!(matches!(shell.change(&State::Absent, None), Err(Obstacle::Stale(_))));
    }

    #[test]
    fn a_link_or_folder_put_in_place_of_the_file_is_left_alone() {
        for kind in [kind(FileKind::Symlink), kind(FileKind::Directory), kind(FileKind::Fifo)] {
            assert!(matches!(action(b"/var/www/a.php", b"").change(&kind, None), Err(Obstacle::Blocked(_))));
        }
    }

    #[test]
    fn a_convicted_link_fifo_or_device_goes_and_nothing_that_took_its_place() {
        let at = |path: &str, kind: FileKind, to: Option<&str>| Action::QuarantineSpecial {
            path: EvidencePath::new(path).unwrap(),
            kind,
            points_to: to.map(RawText::from),
            special: None,
        };
        let link = |to: &str| {
            let State::Present(mut present) = kind(FileKind::Symlink) else { unreachable!() };
            present.meta.link_target = Some(RawText::from(to));
            State::Present(present)
        };
        let shadow = at("/var/www/html/s", FileKind::Symlink, Some("/etc/shadow"));
        assert_eq!(shadow.change(&link("/etc/shadow"), None), Ok(Change::Remove));
        assert!(matches!(shadow.change(&link("/etc/motd"), None), Err(Obstacle::Stale(_))));
        assert!(matches!(shadow.change(&file(b"x"), None), Err(Obstacle::Stale(_))));
        let fifo = at("/tmp/.f", FileKind::Fifo, None);
        assert_eq!(fifo.change(&kind(FileKind::Fifo), None), Ok(Change::Remove));
        for path in ["/lib64", "/bin", "/dev/null", "/bin/sh"] {
            let blocked = at(path, FileKind::Symlink, Some("usr/lib64")).change(&link("usr/lib64"), None);
            assert!(matches!(blocked, Err(Obstacle::Blocked(_))), "{path}");
        }
        let folder = at("/srv/x", FileKind::Directory, None).change(&kind(FileKind::Directory), None);
        assert!(matches!(folder, Err(Obstacle::Blocked(_))));
    }

    #[test]
    fn a_matching_string_planted_in_a_vital_file_does_not_break_the_host() {
        for path in [
            "/etc/passwd",
            "/etc/shadow",
            "/etc/pam.d/common-auth",
            "/root/.ssh/authorized_keys",
            "/usr/sbin/asterisk",
            "/bin/bash",
            "/usr/lib/systemd/systemd",
            "/lib64/ld-linux-x86-64.so.2",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/boot/vmlinuz",
            "/proc/self/environ",
            "/dev/null",
        ] {
            let change = action(path.as_bytes(), b"x").change(&file(b"x"), None);
            assert!(matches!(change, Err(Obstacle::Blocked(_))), "{path}");
        }
        for path in
            ["/var/lib/bash", "/etc/ld.so.preload", "/dev/shm/asterisk", "/usr/local/bin/sshd", "/home/x/passwd"]
        {
            assert_eq!(action(path.as_bytes(), b"x").change(&file(b"x"), None), Ok(Change::Remove), "{path}");
        }
    }
}
