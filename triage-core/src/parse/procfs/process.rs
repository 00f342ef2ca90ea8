//! `/proc/PID`: `stat`, `status`, `environ`, `maps`, and the texts of its links.

use super::{hex, number, words};
use crate::model::{Digest, MappedFile, Maps, RawText, Region, Variable};
use std::collections::{BTreeMap, BTreeSet};

/// The most entries of one list of a process that are kept.
const MAX_LIST: usize = 256;
/// The most variables of an environment that are kept.
const MAX_VARIABLES: usize = 1024;
/// Longest name or value of a variable that is kept.
const MAX_VALUE: usize = 4096;

/// What is needed of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Process id.
    pub pid: u32,
    /// Name of the main thread.
    pub name: RawText,
    /// State letter.
    pub state: char,
    /// Parent.
    pub parent: u32,
    /// Process group.
    pub group: u32,
    /// Session.
    pub session: u32,
    /// Terminal: `pts/0`, `tty1`, `ttyS0`, else `major:minor`.
    pub terminal: Option<String>,
    /// Number of threads.
    pub threads: u64,
    /// Start after boot, in clock ticks.
    pub start_ticks: u64,
}

/// Reads `/proc/PID/stat`. The name is all between the first bracket and the last: it may hold brackets, blanks and newlines.
pub fn stat(bytes: &[u8]) -> Option<Stat> {
    let open = bytes.iter().position(|&b| b == b'(')?;
    let close = bytes.iter().rposition(|&b| b == b')')?;
    let pid = number(bytes.get(..open)?.trim_ascii())?;
    let name = RawText::from(bytes.get(open + 1..close)?);
    let rest: Vec<&[u8]> = words(bytes.get(close + 1..)?.trim_ascii()).collect();
    let at = |field: usize| rest.get(field - 3).copied();
    // A kernel thread's group and session are 0; -1 stands for none.
    let id = |field| at(field).and_then(number::<i64>).map(|id| u32::try_from(id).unwrap_or(0));
    Some(Stat {
        pid,
        name,
        state: char::from(*at(3)?.first()?),
        parent: id(4)?,
        group: id(5)?,
        session: id(6)?,
        terminal: terminal(number::<i64>(at(7)?)?),
        threads: number(at(20)?)?,
        start_ticks: number(at(22)?)?,
    })
}

/// The terminal of a device number: bits 8–19 are the major, 0–7 and 20–31 the minor number (`proc_pid_stat(5)`).
fn terminal(device: i64) -> Option<String> {
    let device = u32::try_from(device & 0xffff_ffff).ok().filter(|&device| device != 0)?;
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    Some(match major {
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        _ => format!("{major}:{minor}"),
    })
}

/// What is needed of `/proc/PID/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The process that this is a thread of.
    pub thread_group: Option<u32>,
    /// Real, effective, saved, file-system user id.
    pub uids: [u32; 4],
    /// The same for groups.
    pub gids: [u32; 4],
    /// Who traces it; 0 for nobody.
    pub tracer: u32,
    /// Capabilities, `NoNewPrivs`, `Seccomp`.
    pub privileges: BTreeMap<String, String>,
}

/// Reads `/proc/PID/status`. Of a field that occurs twice the last counts: the name stands first, and is the only one that the
/// process chooses.
pub fn status(bytes: &[u8]) -> Status {
    const PRIVILEGES: [&str; 7] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"];
    let mut status = Status::default();
    for line in bytes.split(|&b| b == b'\n') {
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        let (name, value) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
        match name {
            b"Tgid" => status.thread_group = number(value.trim_ascii()),
            b"Uid" => status.uids = ids(value),
            b"Gid" => status.gids = ids(value),
            b"TracerPid" => status.tracer = number(value.trim_ascii()).unwrap_or(0),
            name => {
                if let Some(name) = PRIVILEGES.iter().find(|known| known.as_bytes() == name) {
                    status.privileges.insert((*name).to_owned(), super::text(value.trim_ascii()));
                }
            }
        }
    }
    status
}

fn ids(value: &[u8]) -> [u32; 4] {
    let mut ids = [0; 4];
    for (id, word) in ids.iter_mut().zip(words(value)) {
        *id = number(word).unwrap_or(u32::MAX);
    }
    ids
}

/// What a link of `/proc/PID` leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The target, without ` (deleted)`.
    pub target: RawText,
    /// Says that the kernel calls it deleted. A file can bear that ending as its name; no text tells the two apart.
    pub is_deleted: bool,
}

/// Reads the text of a link.
pub fn link(target: &[u8]) -> Link {
    const ENDING: &[u8] = b" (deleted)";
    match target.strip_suffix(ENDING) {
        Some(name) => Link { target: name.into(), is_deleted: true },
        None => Link { target: target.into(), is_deleted: false },
    }
}

/// The inode of `net:[4026531840]`.
pub fn namespace_inode(target: &[u8]) -> Option<u64> {
    let open = target.iter().position(|&b| b == b'[')?;
    number(target.get(open + 1..)?.strip_suffix(b"]")?)
}

/// The inode of `socket:[1234]`.
pub fn socket_inode(target: &[u8]) -> Option<u64> {
    number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

/// `/proc/PID/cgroup` without its last newline.
pub fn cgroup(bytes: &[u8]) -> RawText {
    RawText::from(bytes.strip_suffix(b"\n").unwrap_or(bytes))
}

/// Reads an environment; the second value says that there was more of it than is kept.
///
/// A value is kept only for names that say how the process came to be or what it loads and that hold no secrets; of every other the digest.
pub fn environment(bytes: &[u8]) -> (Vec<Variable>, bool) {
    const KEPT: [&[u8]; 29] = [
        b"PATH",
        b"HOME",
        b"SHELL",
        b"USER",
        b"LOGNAME",
        b"PWD",
        b"OLDPWD",
        b"TERM",
        b"LANG",
        b"TZ",
        b"SHLVL",
        b"_",
        b"HISTFILE",
        b"HISTSIZE",
        b"HISTFILESIZE",
        b"HISTCONTROL",
        b"BASH_ENV",
        b"ENV",
        b"LD_PRELOAD",
        b"LD_AUDIT",
        b"LD_LIBRARY_PATH",
        b"SSH_CONNECTION",
        b"SSH_CLIENT",
        b"SSH_TTY",
        b"SUDO_USER",
        b"SUDO_UID",
        b"SUDO_COMMAND",
        b"INVOCATION_ID",
        b"PERL5OPT",
    ];
    let mut variables = Vec::new();
    let mut is_cut = false;
    for entry in bytes.split(|&b| b == 0).filter(|entry| !entry.is_empty()) {
        if variables.len() >= MAX_VARIABLES {
            is_cut = true;
            break;
        }
        let cut = entry.iter().position(|&b| b == b'=').unwrap_or(entry.len());
        let (name, value) = (entry.get(..cut).unwrap_or_default(), entry.get(cut + 1..));
        is_cut |= name.len() > MAX_VALUE || value.is_some_and(|value| value.len() > MAX_VALUE);
        let short = |bytes: &[u8]| RawText::from(bytes.get(..MAX_VALUE).unwrap_or(bytes));
        // What has no `=` is no variable, and may be the remains of a command line that was written over it.
        let is_kept = KEPT.contains(&name);
        variables.push(match value {
            Some(value) if is_kept => Variable { name: short(name), value: Some(short(value)), sha256: None },
            Some(value) => Variable { name: short(name), value: None, sha256: Some(Digest::of(value)) },
            None => Variable { name: RawText::default(), value: None, sha256: Some(Digest::of(entry)) },
        });
    }
    (variables, is_cut)
}

/// Reads `/proc/PID/maps`; the second value says that there was more than is kept.
pub fn maps(bytes: &[u8]) -> (Maps, bool) {
    let mut maps = Maps::default();
    let mut deleted: BTreeMap<RawText, bool> = BTreeMap::new();
    let mut outside: BTreeSet<RawText> = BTreeSet::new();
    let mut is_cut = false;
    for line in bytes.split(|&b| b == b'\n') {
        let Some((range, permissions, name)) = region(line) else { continue };
        let is_executable = permissions.get(2) == Some(&b'x');
        let name = unescape_newlines(name);
        if let Some(file) = name.strip_suffix(b" (deleted)") {
            if deleted.len() >= MAX_LIST {
                is_cut = true;
                continue;
            }
            *deleted.entry(file.into()).or_default() |= is_executable;
        } else if name.starts_with(b"/") {
            if is_executable && !is_package_place(&name) {
                if outside.len() >= MAX_LIST {
                    is_cut = true;
                    continue;
                }
                outside.insert(RawText::from(name));
            }
        } else if is_executable && permissions.get(1) == Some(&b'w') {
            if maps.writable_code.len() >= MAX_LIST {
                is_cut = true;
                continue;
            }
            maps.writable_code.push(range);
        }
    }
    maps.deleted = deleted.into_iter().map(|(file, is_executable)| MappedFile { file, is_executable }).collect();
    maps.outside = outside.into_iter().map(|file| MappedFile { file, is_executable: true }).collect();
    (maps, is_cut)
}

/// Address range, permissions and name of a line `start-end perms offset dev inode   name`.
fn region(line: &[u8]) -> Option<(Region, &[u8], &[u8])> {
    let mut rest = line;
    let mut next = || {
        let blank = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
        let (word, tail) = rest.split_at_checked(blank)?;
        rest = tail.get(1..).unwrap_or_default();
        Some(word)
    };
    let range = next()?;
    let permissions = next().filter(|word| word.len() == 4)?;
    for _ in ["offset", "device", "inode"] {
        next()?;
    }
    let dash = range.iter().position(|&b| b == b'-')?;
    let (start, end) = (hex(range.get(..dash)?)?, hex(range.get(dash + 1..)?)?);
    let region = Region { start, size_bytes: end.checked_sub(start)? };
    Some((region, permissions, rest.trim_ascii_start()))
}

/// The kernel escapes only the newline in a mapped file's name.
fn unescape_newlines(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(br"\012") {
            out.push(b'\n');
            rest = after;
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

/// Says whether packages install programs and libraries there. `/usr/local` is not theirs.
pub(crate) fn is_package_place(path: &[u8]) -> bool {
    const FOLDERS: [&[u8]; 6] = [b"/usr/", b"/bin/", b"/sbin/", b"/lib/", b"/lib64/", b"/lib32/"];
    FOLDERS.iter().any(|folder| path.starts_with(folder))
        && !path.starts_with(b"/usr/local/")
        && !path.split(|&b| b == b'/').any(|part| part.starts_with(b".") && part.len() > 1 && part != b".build-id")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "S 7 8 9 34816 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 987654 1 2";

    #[test]
    fn a_name_with_brackets_and_a_forged_state_does_not_move_the_fields() {
        for name in ["a) R 1 (b", ") R 1 ", "x\ny) Z 1", ""] {
            let stat = stat(format!("42 ({name}) {TAIL}\n").as_bytes()).unwrap();
            assert_eq!((stat.pid, stat.parent, stat.state, stat.start_ticks), (42, 7, 'S', 987_654), "{name}");
            assert_eq!(stat.name.as_bytes(), name.as_bytes());
            assert_eq!((stat.threads, stat.terminal.as_deref()), (3, Some("pts/0")));
        }
        for broken in ["", "1", "1 (", "1 (a)", "x (a) S 1", &format!(")( {TAIL}")] {
            assert_eq!(stat(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn a_forged_uid_in_the_name_does_not_count() {
        let text = b"Name:\tx\nUid:\t0\t0\t0\t0\nTgid:\t12\nUid:\t1000\t1001\t1002\t1003\nCapEff:\t000001ffffffffff\n";
        let status = status(text);
        assert_eq!(status.uids, [1000, 1001, 1002, 1003]);
        assert_eq!(status.thread_group, Some(12));
        assert_eq!(status.privileges["CapEff"], "000001ffffffffff");
    }

    #[test]
    fn secrets_of_an_environment_are_digests() {
        let (variables, is_cut) = environment(b"PATH=/bin\0DB_PASS=geheim\0junk\0LD_PRELOAD=/tmp/x.so\0\0=odd\0");
        assert!(!is_cut);
        let json = serde_json::to_string(&variables).unwrap();
        assert!(!json.contains("geheim") && !json.contains("junk"), "{json}");
        assert_eq!(variables[0].value.as_ref().unwrap().as_bytes(), b"/bin");
        assert_eq!(variables[1].sha256, Some(Digest::of(b"geheim")));
        assert_eq!(variables[3].value.as_ref().unwrap().as_bytes(), b"/tmp/x.so");
        let many: Vec<u8> = (0..5000).flat_map(|n| format!("A{n}=1\0").into_bytes()).collect();
        assert_eq!((environment(&many).0.len(), environment(&many).1), (MAX_VARIABLES, true));
    }

    #[test]
    fn maps_tell_what_is_deleted_outside_and_writable_code() {
        let text = b"00400000-00401000 r-xp 00000000 08:01 12 /usr/bin/cat\n\
            7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n\
            7f0000002000-7f0000003000 r-xp 00000000 00:01 9      /memfd:a b (deleted)\n\
            7f0000003000-7f0000004000 rw-p 00000000 00:01 9      /memfd:a b (deleted)\n\
            7f0000005000-7f0000006000 r-xp 00000000 08:01 9 /tmp/x\\012y.so\n\
            7f0000006000-7f0000007000 r--p 00000000 08:01 9 /tmp/data\n\
            garbage\n0-f rwx\n";
        let (maps, is_cut) = maps(text);
        assert!(!is_cut);
        assert_eq!(maps.deleted, [MappedFile { file: "/memfd:a b".into(), is_executable: true }]);
        assert_eq!(maps.outside, [MappedFile { file: "/tmp/x\ny.so".into(), is_executable: true }]);
        assert_eq!(maps.writable_code, [Region { start: 0x7f00_0000_0000, size_bytes: 4096 }]);
    }

    #[test]
    fn links() {
        assert_eq!(link(b"/a (deleted)"), Link { target: "/a".into(), is_deleted: true });
        assert_eq!(namespace_inode(b"net:[4026531840]"), Some(4_026_531_840));
        assert_eq!(socket_inode(b"socket:[77]"), Some(77));
        assert_eq!(socket_inode(b"socket:[77"), None);
        assert!(is_package_place(b"/usr/lib/x.so") && !is_package_place(b"/usr/lib/.x/y.so"));
        assert!(!is_package_place(b"/usr/local/lib/x.so"));
    }
}
