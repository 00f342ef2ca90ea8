//! A `/proc` that the test made, with hostile content; processes that the test started; a namespace of its own.

use super::*;
use crate::model::{Digest, Process, Socket};
use crate::source::Observation;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::new(1_767_225_600, 0)
    }
}

#[derive(Default)]
struct Seen {
    records: Vec<Record>,
    files: Vec<(String, Vec<u8>)>,
    gaps: Vec<Gap>,
}

impl Seen {
    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.records.iter().filter_map(|record| match record {
            Record::Process(process) => Some(&**process),
            _ => None,
        })
    }

    fn process(&self, pid: u32) -> &Process {
        self.processes().find(|process| process.pid == pid).expect("the process is seen")
    }

    fn sockets(&self) -> impl Iterator<Item = &Socket> {
        self.records.iter().filter_map(|record| match record {
            Record::Socket(socket) => Some(socket),
            _ => None,
        })
    }
}

fn observe(options: Options) -> Seen {
    let mut seen = Seen::default();
    let users = BTreeMap::from([(0, "root".into())]);
    Host::new(options, users).observe(&mut |observation| {
        match observation {
            Observation::Record(record) => seen.records.push(*record),
            Observation::File(entry) => {
                let mut bytes = Vec::new();
                let mut opened = (entry.content.unwrap())().unwrap();
                std::io::Read::read_to_end(&mut opened.reader, &mut bytes).unwrap();
                seen.files.push((entry.path.to_string(), bytes));
            }
            Observation::Gap(gap) => seen.gaps.push(gap),
        }
        ControlFlow::Continue(())
    });
    seen
}

fn fake(root: &Path) -> Options {
    Options {
        proc: root.join("proc"),
        sys: root.join("sys"),
        asterisk: Vec::new(),
        programs: Vec::new(),
        ..Options::live(Arc::new(Fixed))
    }
}

/// This machine, without what needs long or leaves this process.
fn live() -> Options {
    Options {
        asterisk: Vec::new(),
        programs: Vec::new(),
        search_time: Duration::from_mins(1),
        ..Options::live(Arc::new(Fixed))
    }
}

fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn stat(pid: u32, name: &str, parent: u32) -> String {
    format!("{pid} ({name}) S {parent} {pid} {pid} 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 {} 0 0\n", pid * 100)
}

fn status(pid: u32) -> String {
    format!("Name:\tx\nTgid:\t{pid}\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nTracerPid:\t0\n")
}

fn put_process(root: &Path, pid: u32, name: &str, parent: u32) {
    put(root, &format!("proc/{pid}/stat"), stat(pid, name, parent));
    put(root, &format!("proc/{pid}/status"), status(pid));
}

#[test]
fn a_hostile_process_keeps_its_fields_in_place_and_its_bytes_whole() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    put(at, "proc/stat", "cpu 1\nbtime 1767000000\n");
    put_process(at, 1, "init", 0);
    put_process(at, 42, "a) R 1 1 1\n7 (x", 1);
    put(at, "proc/42/cmdline", vec![b'A'; 10 << 20]);
    put(at, "proc/42/environ", b"TOKEN=geheim\0LD_PRELOAD=/tmp/x.so\0");
    put(at, "proc/42/maps", "");
    let program = at.join(std::ffi::OsStr::from_bytes(b"bad\xff\nname"));
    fs::write(&program, b"program").unwrap();
    symlink(&program, at.join("proc/42/exe")).unwrap();
    put_process(at, 43, "loop", 42);
    symlink("exe", at.join("proc/43/exe")).unwrap();
    symlink("/dev/zero", at.join("proc/43/cwd")).unwrap();
    fs::create_dir(at.join("proc/43/fd")).unwrap();
    symlink("socket:[77]", at.join("proc/43/fd/0")).unwrap();
    symlink("/tmp/x (deleted)", at.join("proc/43/fd/1")).unwrap();
    put(at, "proc/1/net/tcp", "head\n0: 0100007F:0016 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n");
    let seen = observe(fake(at));

    let process = seen.process(42);
    assert_eq!(process.name.as_bytes(), b"a) R 1 1 1\n7 (x");
    assert_eq!((process.parent, process.start_ticks), (1, 4200));
    assert_eq!(process.start, Some(Timestamp::new(1_767_000_042, 0)));
    assert_eq!(process.user.as_ref().unwrap().as_bytes(), b"root");
    assert_eq!(process.executable.as_ref().unwrap().as_bytes(), program.as_os_str().as_bytes());
    assert_eq!(process.sha256, Some(Digest::of(b"program")));
    assert_eq!((process.command_line.as_bytes().len(), process.is_cut), (64 << 10, true));
    let json = serde_json::to_string(&seen.records).unwrap();
    assert!(!json.contains("geheim"));
    assert_eq!(serde_json::from_str::<Vec<Record>>(&json).unwrap(), seen.records);

    let process = seen.process(43);
    assert_eq!((process.executable.as_ref().unwrap().as_bytes(), process.sha256), (&b"exe"[..], None));
    assert_eq!((process.files.len(), process.files[1].is_deleted), (2, true));
    let socket = seen.sockets().next().unwrap();
    assert_eq!((socket.inode, socket.owners.len(), socket.owners[0].pid), (77, 1, 43));
    assert!(!process.is_own, "this is no view of ourselves");
}

#[test]
fn a_fifo_or_device_in_the_place_of_a_file_of_proc_does_not_hang() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    put_process(at, 1, "init", 0);
    put_process(at, 7, "x", 1);
    for name in ["cmdline", "environ", "maps", "cgroup"] {
        let fifo = at.join("proc/7").join(name);
        rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    }
    symlink("/dev/zero", at.join("proc/7/exe")).unwrap();
    put(at, "proc/8/stat", "garbage");
    fs::create_dir_all(at.join("proc/9")).unwrap();
    let seen = observe(fake(at));
    assert_eq!(seen.processes().count(), 2);
    assert_eq!(seen.process(7).sha256, None);
    assert!(seen.gaps.iter().any(|gap| gap.path.as_bytes() == b"/proc/7/exe" && gap.reason == GapReason::NotRegular));
    assert!(seen.gaps.iter().any(|gap| gap.path.as_bytes() == b"/proc/8"));
}

#[test]
fn a_module_that_is_not_in_the_list_shows_in_the_other_views() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    put_process(at, 1, "init", 0);
    put(at, "proc/modules", "ext4 1000 1 - Live 0x0\n");
    put(at, "proc/kallsyms", "0 t a\t[ext4]\n0 t b\t[hider]\n0 t c\t[bpf]\n0 T d\n");
    for name in ["ext4", "hider"] {
        put(at, &format!("sys/module/{name}/initstate"), "live\n");
    }
    put(at, "sys/module/builtin/parameters/x", "1");
    let seen = observe(fake(at));
    let modules: Vec<(String, String)> = seen
        .records
        .iter()
        .filter_map(|record| match record {
            Record::KernelModule(module) => Some((module.name.to_string(), module.missing_from.join(","))),
            _ => None,
        })
        .collect();
    assert_eq!(modules, [("ext4".to_owned(), String::new()), ("hider".to_owned(), "modules".to_owned())]);
}

/// A program of the test's own that sleeps: a copy of the machine's, so that it can be deleted.
fn sleeper(folder: &Path, name: &str) -> Option<(Child, Vec<u8>)> {
    let Ok(bytes) = fs::read("/bin/sleep") else {
        println!("skipped: there is no /bin/sleep");
        return None;
    };
    let path = folder.join(name);
    fs::copy("/bin/sleep", &path).unwrap();
    let child = Command::new(&path).arg("1000").env("DB_PASSWORD", "geheim").stdin(Stdio::null()).spawn().unwrap();
    Some((child, bytes))
}

/// Ends a child of the test's own when the test ends, however it does.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_deleted_program_that_runs_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let Some((child, bytes)) = sleeper(folder.path(), "worker") else { return };
    let child = Ends(child);
    fs::remove_file(folder.path().join("worker")).unwrap();
    let seen = observe(live());
    let process = seen.process(child.0.id());
    assert!(process.is_deleted && !process.is_own);
    assert_eq!(process.executable.as_ref().unwrap().as_bytes(), folder.path().join("worker").as_os_str().as_bytes());
    assert_eq!(process.sha256, Some(Digest::of(&bytes)));
    assert!(process.command_line.as_bytes().ends_with(b"/worker\x001000\0"));
    assert!(
        process
            .environment
            .iter()
            .any(|variable| variable.name.as_bytes() == b"DB_PASSWORD" && variable.value.is_none())
    );
    assert_eq!(process.parent, std::process::id());
    let copy = process.copy.clone().unwrap();
    assert_eq!(copy, format!("/proc/{}/exe", child.0.id()));
    assert!(seen.files.iter().any(|(path, content)| *path == copy && *content == bytes));
    let own = seen.process(std::process::id());
    assert!(own.is_own);
    assert!(!seen.records.iter().any(|record| matches!(record, Record::HiddenProcess(_))), "nothing hides here");
}

#[test]
fn a_file_that_is_called_deleted_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some((child, _)) = sleeper(folder.path(), "worker (deleted)") else { return };
    let child = Ends(child);
    let seen = observe(live());
    let process = seen.process(child.0.id());
    assert!(!process.is_deleted && process.copy.is_none());
    assert!(process.executable.as_ref().unwrap().as_bytes().ends_with(b"/worker (deleted)"));
}

#[test]
fn a_program_in_memory_is_recovered() {
    let Ok(bytes) = fs::read("/bin/sleep") else { return println!("skipped: there is no /bin/sleep") };
    let memory = rustix::fs::memfd_create("triage-test", rustix::fs::MemfdFlags::empty()).unwrap();
    rustix::io::write(&memory, &bytes).unwrap();
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let child = Ends(Command::new(path).arg("1000").stdin(Stdio::null()).spawn().unwrap());
    let seen = observe(live());
    let process = seen.process(child.0.id());
    assert_eq!(process.executable.as_ref().unwrap().as_bytes(), b"/memfd:triage-test");
    assert!(seen.files.iter().any(|(path, content)| Some(path) == process.copy.as_ref() && *content == bytes));
}

#[test]
fn sockets_have_their_owners() {
    let (one, other) = UnixStream::pair().unwrap();
    let inode = rustix::fs::fstat(&one).unwrap().st_ino;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let local = listener.local_addr().unwrap().to_string();
    let given = Stdio::from(OwnedFd::from(other));
    let child = Ends(Command::new("/bin/sleep").arg("1000").stdin(given).spawn().unwrap());
    let seen = observe(live());
    let pair = seen.sockets().find(|socket| socket.protocol == "unix" && socket.inode == inode).unwrap();
    assert!(pair.owners.iter().any(|owner| owner.pid == std::process::id()));
    let process = seen.process(child.0.id());
    let target = process.files.iter().find(|file| file.descriptor == 0).unwrap().target.to_string();
    assert!(target.starts_with("socket:["), "{target}");
    let tcp = seen.sockets().find(|socket| socket.protocol == "tcp" && socket.local.to_string() == local).unwrap();
    assert_eq!(tcp.state, "listen");
    assert!(tcp.owners.iter().any(|owner| owner.pid == std::process::id()));
}

/// In a namespace of its own a folder is mounted over a process's, as an intruder does to hide it.
#[test]
fn a_mount_over_a_process_is_seen_in_a_namespace_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let script = format!(
        "sleep 1000 & pid=$!; mount -t proc proc /proc && mount -t tmpfs none /proc/$pid && echo $pid > {0}/pid && \
         cp /proc/self/mountinfo {0}/mountinfo && ls /proc/$pid > {0}/listing; kill $pid",
        root.path().display()
    );
    let run =
        Command::new("unshare").args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", &script]).output();
    let done = run.is_ok() && root.path().join("listing").exists();
    if !done {
        return println!("skipped: no namespaces for this user, or no `unshare`");
    }
    let pid = fs::read_to_string(root.path().join("pid")).unwrap();
    let mountinfo = fs::read(root.path().join("mountinfo")).unwrap();
    let point = format!("/proc/{}", pid.trim());
    let mounts: Vec<_> = crate::parse::procfs::mounts(&mountinfo, Fixed.now()).collect();
    assert!(mounts.iter().any(|mount| mount.mount_point.as_bytes() == point.as_bytes()));
    assert_eq!(fs::read_to_string(root.path().join("listing")).unwrap(), "", "the mount hides what is beneath");
    put_process(root.path(), 1, "init", 0);
    put(root.path(), "proc/1/mountinfo", &mountinfo);
    let seen = observe(fake(root.path()));
    assert!(
        seen.records
            .iter()
            .any(|record| matches!(record, Record::Mount(mount) if mount.mount_point.as_bytes() == point.as_bytes()))
    );
}

#[test]
fn a_reader_that_has_enough_ends_it() {
    let mut count = 0;
    Host::new(live(), BTreeMap::new()).observe(&mut |_| {
        count += 1;
        if count < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!(count, 3);
}

#[test]
fn without_proc_there_is_a_gap_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let seen = observe(fake(root.path()));
    assert_eq!((seen.records.len(), seen.gaps.len()), (0, 1));
}
