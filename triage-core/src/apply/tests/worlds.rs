//! Hosts that have something for each action, as small as they can be: each is built and changed hundreds of times.

use super::*;
use crate::action::{Attributes, CronTable, InodeFlag, LineEdit, Lines, Present};
use crate::model::{FileMeta, Mode};
use crate::source::fake::FakeRoot;
use std::os::unix::fs::{FileTypeExt as _, symlink};

type Build = fn() -> World;
type Fill = fn(&mut World);

/// Every way to build a host that is changed, by the name that a failure tells.
pub(super) const WORLDS: [(&str, Build); 8] = [
    ("files", World::varied),
    ("specials", specials),
    ("metadata", metadata),
    ("edits", edits),
    ("accounts", accounts),
    ("units", units),
    ("copies", copies),
    ("materials", materials::materials),
];

/// What each of these puts on a host, wherever that lies.
pub(super) const FILLS: [(&str, Fill); 7] = [
    ("specials", fill_specials),
    ("metadata", fill_metadata),
    ("edits", fill_edits),
    ("accounts", fill_accounts),
    ("units", fill_units),
    ("copies", fill_copies),
    ("materials", materials::fill),
];

fn path(text: &str) -> EvidencePath {
    EvidencePath::new(text).unwrap()
}

/// Links, a FIFO, a socket and a device node, one of them in a folder that is pinned.
pub(super) fn specials() -> World {
    let mut world = World::in_memory();
    fill_specials(&mut world);
    world
}

fn fill_specials(world: &mut World) {
    world.file("/var/www/html/index.php", b"<?php echo 1;", 0o644, (33, 33));
    symlink("/etc/shadow", world.at("/var/www/html/s.txt")).unwrap();
    symlink(std::ffi::OsStr::from_bytes(b"no\xffwhere\n"), world.at("/var/www/html/t")).unwrap();
    let dir = fs::File::open(world.at("/var/www/html")).unwrap();
    for (name, kind, mode, special) in [
        ("fifo", FileKind::Fifo, 0o622, 0),
        ("socket", FileKind::Socket, 0o700, 0),
        // The number of `/dev/null`, whose reading and writing does nothing.
        ("node", FileKind::CharDevice, 0o666, rustix::fs::makedev(1, 3)),
    ] {
        change::make_special(&dir, name.as_bytes(), kind, mode, special).unwrap();
        change::set_owner_at(&dir, name.as_bytes(), 33, 34).unwrap();
        change::set_mode_at(&dir, name.as_bytes(), mode).unwrap();
    }
    assert!(fs::symlink_metadata(world.at("/var/www/html/node")).unwrap().file_type().is_char_device());
    // What is no file has no `user.*`; where the kernel or file system allows none at all, the rest still holds.
    for (name, attribute) in
        [("s.txt", "trusted.note"), ("t", "security.note"), ("fifo", "trusted.note"), ("node", "security.note")]
    {
        if change::set_xattr_at(&dir, name.as_bytes(), attribute, b"kept\xff").is_err() {
            eprintln!("no `{attribute}` here on `{name}`");
        }
    }
    for name in ["s.txt", "t", "fifo", "socket", "node"] {
        world.quarantine_special(&format!("/var/www/html/{name}"));
    }
    world.settle_times();
    world.pin("/var/www/html");
}

/// Set-id bits, an owner, a capability, a folder's mode, flags to set and to clear, and a pinned file.
pub(super) fn metadata() -> World {
    let mut world = World::in_memory();
    fill_metadata(&mut world);
    world
}

fn fill_metadata(world: &mut World) {
    world.file("/usr/bin/tool", b"#!/bin/true\n", 0o6755, (33, 33));
    world.xattr("/usr/bin/tool", "security.capability", b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    world.xattr("/usr/bin/tool", "user.note", b"kept");
    world.file("/etc/pinned.conf", b"a=1\n", 0o666, (0, 0));
    world.file("/etc/loose.conf", b"a=1\n", 0o644, (0, 0));
    world.file("/srv/open/file", b"x", 0o644, (33, 33));
    fs::set_permissions(world.at("/srv/open"), fs::Permissions::from_mode(0o1777)).unwrap();
    let some = |mode: Option<u32>, owner: Option<u32>| Attributes {
        mode: mode.map(Mode::new),
        uid: owner,
        gid: owner,
        ..Attributes::default()
    };
    world.set_metadata("/usr/bin/tool", some(Some(0o755), Some(0)));
    world.set_metadata("/etc/pinned.conf", some(Some(0o640), None));
    world.set_metadata("/srv/open", some(Some(0o750), Some(33)));
    let flags = |path: &str, set: &[InodeFlag], clear: &[InodeFlag]| Action::SetFlags {
        path: EvidencePath::new(path).unwrap(),
        set: set.iter().copied().collect(),
        clear: clear.iter().copied().collect(),
    };
    world.step(flags("/etc/pinned.conf", &[], &[InodeFlag::Immutable]));
    world.step(flags("/etc/loose.conf", &[InodeFlag::AppendOnly], &[]));
    let time = Attributes { mtime: Some(Timestamp::new(1_500_000_000, 7)), ..Attributes::default() };
    world.set_metadata("/srv/open/file", time);
    world.settle_times();
    world.pin("/etc/pinned.conf");
}

/// Text files of every kind that lines are taken out of, put into and changed in.
pub(super) fn edits() -> World {
    let mut world = World::in_memory();
    fill_edits(&mut world);
    world
}

fn fill_edits(world: &mut World) {
    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExam";
    world.file("/etc/rc.local", b"#!/bin/sh\n/tmp/.k &\nallow_url_include=On\n", 0o755, (0, 0));
    world.xattr("/etc/rc.local", "user.note", b"kept");
    world.file("/var/spool/cron/crontabs/asterisk", CRON, 0o600, (995, 105));
    let keys = format!("ssh-ed25519 {KEY} who\nfrom=\"*\" ssh-ed25519 {KEY}\n# mine\n");
    world.file("/root/.ssh/authorized_keys", keys.as_bytes(), 0o600, (0, 0));
    world.file("/etc/ssh/sshd_config", b"Include x\nPermitRootLogin yes\nMatch User a\n", 0o600, (0, 0));
    world.step(Action::EditFile {
        path: path("/etc/rc.local"),
        edits: vec![
            LineEdit::Remove { lines: Lines::Exact(RawText::from("/tmp/.k &")), max: 1 },
            LineEdit::Replace {
                lines: Lines::Matching("^allow_url_include *=.*On$".to_owned()),
                with: RawText::from("allow_url_include=Off"),
                max: 1,
            },
            LineEdit::Ensure { line: RawText::from("exit 0") },
        ],
    });
    world.step(Action::RemoveCronEntry {
        path: path("/var/spool/cron/crontabs/asterisk"),
        table: CronTable::User,
        entries: vec![RawText::from("*/3 * * * * /tmp/.k")],
        max: 1,
    });
    world.step(Action::RemoveKey { path: path("/root/.ssh/authorized_keys"), key: RawText::from(KEY), max: 2 });
    world.step(Action::SetOption {
        path: path("/etc/ssh/sshd_config"),
        option: "PermitRootLogin".to_owned(),
        value: RawText::from("prohibit-password"),
    });
    world.settle_times();
    world.pin("/root/.ssh/authorized_keys");
}

/// The four account files and their lock.
pub(super) fn accounts() -> World {
    let mut world = World::in_memory();
    fill_accounts(&mut world);
    world
}

fn fill_accounts(world: &mut World) {
    let passwd = b"root:x:0:0::/root:/bin/bash\neve:x:0:0::/root:/bin/bash\nwww:x:0:33::/var/www:/bin/sh\n";
    world.file("/etc/passwd", passwd, 0o644, (0, 0));
    world.file(
        "/etc/shadow",
        b"root:$6$a:1::::::\neve:$6$b:1::::::\nwww:*:1::::::\nadm:$6$c:1::::::\n",
        0o640,
        (0, 42),
    );
    world.file("/etc/group", b"root:x:0:\nsudo:x:27:adam,eve\nlp:x:7:eve\n", 0o644, (0, 0));
    world.file("/etc/gshadow", b"root:*::\nsudo:*:eve:adam,eve\nlp:!::eve\n", 0o640, (0, 42));
    world.file("/etc/.pwd.lock", b"", 0o600, (0, 0));
    let (eve, sudo) = (RawText::from("eve"), RawText::from("sudo"));
    world.lock_account("/etc/shadow", "eve");
    world.step(Action::SetShell {
        path: path("/etc/passwd"),
        name: eve.clone(),
        shell: RawText::from("/sbin/nologin"),
    });
    for file in ["/etc/group", "/etc/gshadow"] {
        world.step(Action::RemoveFromGroup { path: path(file), group: sudo.clone(), name: eve.clone() });
    }
    world.step(Action::RestoreAccount {
        path: path("/etc/passwd"),
        name: RawText::from("www"),
        from: Some(RawText::from("www:(password):0:33::/var/www:/bin/sh")),
        to: RawText::from("www:(password):33:33::/var/www:/usr/sbin/nologin"),
    });
    // What the copies of the other files say of it, in each of them.
    let restored = [
        ("/etc/shadow", "adm", "adm:(password):1::::::", "adm:*:1::::::"),
        ("/etc/group", "lp", "lp:(password):7:eve", "lp:(password):7:"),
        ("/etc/gshadow", "lp", "lp:(password)::eve", "lp:(password)::"),
    ];
    for (file, name, from, to) in restored {
        let (name, from, to) = (RawText::from(name), Some(RawText::from(from)), RawText::from(to));
        world.step(Action::RestoreAccount { path: path(file), name, from, to });
    }
    world.step(Action::ExpireAccount { path: path("/etc/shadow"), name: RawText::from("www") });
    world.settle_times();
}

/// A unit, its links, and the mask that comes into its place.
pub(super) fn units() -> World {
    let mut world = World::in_memory();
    fill_units(&mut world);
    world
}

fn fill_units(world: &mut World) {
    let unit = "/etc/systemd/system/k.service";
    world.file(unit, b"[Service]\nExecStart=/tmp/.k\n[Install]\nWantedBy=multi-user.target\n", 0o644, (0, 0));
    for folder in ["multi-user.target.wants", "timers.target.wants"] {
        let folder = world.at(format!("/etc/systemd/system/{folder}"));
        fs::create_dir_all(&folder).unwrap();
        symlink("/etc/systemd/system/k.service", folder.join("k.service")).unwrap();
    }
    world.quarantine_special("/etc/systemd/system/multi-user.target.wants/k.service");
    world.quarantine_special("/etc/systemd/system/timers.target.wants/k.service");
    world.quarantine(unit);
    world.step(Action::MakeLink { path: path(unit), points_to: RawText::from("/dev/null") });
    world.settle_times();
}

/// A program that was altered, one that is gone, and one that became a link.
pub(super) fn copies() -> World {
    let mut world = World::in_memory();
    fill_copies(&mut world);
    world
}

fn fill_copies(world: &mut World) {
    let good = b"#!/bin/true the vendor's\n";
    world.file("/usr/bin/ls", b"#!/bin/true somebody else's\n", 0o6777, (33, 33));
    world.xattr("/usr/bin/ls", "user.note", b"theirs");
    symlink("/tmp/.ps", world.at("/usr/bin/ps")).unwrap();
    let mut source = FakeRoot::new();
    for name in ["/usr/bin/ls", "/usr/bin/ss", "/usr/bin/ps"] {
        let content = [&good[..], name.as_bytes()].concat();
        source = source.file(name, &content);
        let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o755), content.len() as u64);
        meta.mtime = Some(Timestamp::new(1_600_000_000, 5));
        let to = State::Present(Box::new(Present { meta, sha256: Some(Digest::of(&content)) }));
        let from = world.state_of(name);
        world.step(Action::RestoreFile { path: path(name), from, to, origin: "good".to_owned(), source_sha256: None });
    }
    world.good = Some(Arc::new(source));
    world.settle_times();
    world.pin("/usr/bin/ls");
}

impl World {
    pub(super) fn quarantine_special(&mut self, path: &str) {
        let State::Present(present) = self.state_of(path) else { panic!("{path}") };
        let (kind, points_to, special) = (present.meta.kind, present.meta.link_target, present.meta.special);
        self.step(Action::QuarantineSpecial { path: EvidencePath::new(path).unwrap(), kind, points_to, special });
    }

    pub(super) fn set_metadata(&mut self, path: &str, to: Attributes) {
        let State::Present(present) = self.state_of(path) else { panic!("{path}") };
        // Times are set when the host is complete, so what was seen of them is not known here.
        let from = Attributes { mtime: None, ..Attributes::seen(&present.meta, &to) };
        self.step(Action::SetMetadata { path: EvidencePath::new(path).unwrap(), from, to });
    }
}
