//! The state of a running host that is in no file: processes, sockets, kernel modules, mounts, calls, firewall rules.
//!
//! It is read from `/proc` and `/sys` in order of volatility (RFC 3227), without the host's own programs, because an intruder may have
//! exchanged them. There are three exceptions. Asterisk is asked over its control socket, and the database of a PBX over its own
//! (`database`). The firewall's rules cannot be had from files, so the host's `iptables-save` and `nft` are run, and the digest of the program
//! is kept with what it said ([`Program`]).
//!
//! It may touch kernel interfaces, these sockets and these programs. It never reads the memory of a process, never writes, sends no
//! signal to anything that it did not start itself, and never waits for longer than it says in [`Options`]: a process that waits for a
//! dead disk makes everybody who asks for its arguments wait too.

pub mod asterisk;
mod command;
mod database;
mod hidden;
mod kernel;
mod live;
mod network;
mod patience;
mod process;
#[cfg(test)]
mod tests;

pub use asterisk::AsteriskError;
pub use command::Program;
pub use database::{DatabaseOptions, DumpSource, WithDatabase};
pub use live::LiveSource;

use crate::model::{Clock, EvidencePath, Gap, GapReason, RawText, Record, SystemValue, Timestamp};
use crate::source::Observation;
use crate::sys::folder::Folder;
use patience::{Late, Patience};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Who is asked, and how long for.
#[derive(Clone)]
pub struct Options {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where `proc(5)` is mounted.
    pub proc: PathBuf,
    /// Where `sysfs(5)` is mounted.
    pub sys: PathBuf,
    /// Asterisk's control socket; the first that there is is asked.
    pub asterisk: Vec<PathBuf>,
    /// Programs of the host that are run.
    pub programs: Vec<Program>,
    /// How the database of a PBX is asked; none to leave it alone.
    pub database: Option<DatabaseOptions>,
    /// The longest wait for one answer of the kernel.
    pub patience: Duration,
    /// The longest wait for a program of the host or for Asterisk.
    pub command_time: Duration,
    /// The longest search for processes that the listing does not show.
    pub search_time: Duration,
    /// The largest program that is hashed or copied, in bytes.
    pub program_cap: u64,
    /// The most bytes of deleted programs that are copied.
    pub copies_cap: u64,
}

impl Options {
    /// The running host, with waits that suit a host in production.
    pub fn live(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            proc: "/proc".into(),
            sys: "/sys".into(),
            asterisk: asterisk::SOCKETS.map(Into::into).to_vec(),
            programs: Program::firewall(),
            database: Some(DatabaseOptions::default()),
            patience: Duration::from_secs(2),
            command_time: Duration::from_secs(10),
            search_time: Duration::from_secs(10),
            program_cap: 256 << 20,
            copies_cap: 1 << 30,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("proc", &self.proc).field("sys", &self.sys).finish_non_exhaustive()
    }
}

/// A running host.
#[derive(Debug)]
pub struct Host {
    options: Options,
    users: BTreeMap<u32, RawText>,
}

type Flow = ControlFlow<()>;

impl Host {
    /// A host; `users` are the names of its user ids.
    pub fn new(options: Options, users: BTreeMap<u32, RawText>) -> Self {
        Self { options, users }
    }

    /// Reads everything once and gives it to `sink`, the most volatile first, until it breaks.
    pub fn observe(&self, sink: &mut dyn FnMut(Observation) -> ControlFlow<()>) {
        let proc = match Folder::open(&self.options.proc) {
            Ok(proc) => proc,
            Err(error) => {
                let detail = format!("the processes and the kernel's state cannot be seen: {error}");
                let _ = sink(Observation::Gap(Gap::new(place("/proc"), GapReason::ReadFailed, detail)));
                return;
            }
        };
        let own = proc.own();
        let mut round = Round {
            options: &self.options,
            users: &self.users,
            own_processes: own.as_ref().map(|own| process::ancestry(&proc, own)).unwrap_or_default(),
            base: own.as_ref().map(process::namespaces).unwrap_or_default(),
            boot: process::boot_time(&proc),
            own,
            proc,
            patience: Patience::new(),
            sink,
            owners: HashMap::new(),
            networks: BTreeMap::new(),
            digests: HashMap::new(),
            copied: BTreeMap::new(),
            copied_bytes: 0,
            listed: BTreeSet::new(),
            parents: BTreeSet::new(),
            refused: 0,
            late: 0,
        };
        if let Ok(init) = round.proc.folder("1") {
            let of_init = process::namespaces(&init);
            round.base.extend(of_init);
        }
        let _ = round.run();
    }
}

/// One reading of a host.
struct Round<'a> {
    options: &'a Options,
    users: &'a BTreeMap<u32, RawText>,
    proc: Folder,
    /// `/proc/PID` of ourselves, else of process 1.
    own: Option<Folder>,
    /// Ourselves and who started us: pid and start.
    own_processes: BTreeSet<(u32, u64)>,
    /// The namespaces of process 1.
    base: BTreeMap<String, u64>,
    boot: Option<i64>,
    patience: Patience,
    sink: &'a mut dyn FnMut(Observation) -> Flow,
    /// Who has which socket open.
    owners: HashMap<u64, Vec<crate::model::SocketOwner>>,
    /// A process of each network namespace.
    networks: BTreeMap<u64, Folder>,
    digests: HashMap<process::Identity, crate::model::Digest>,
    copied: BTreeMap<(u64, u64), String>,
    copied_bytes: u64,
    listed: BTreeSet<u32>,
    parents: BTreeSet<u32>,
    /// Processes of which something was refused.
    refused: u64,
    /// Processes that did not answer in time.
    late: u64,
}

impl Round<'_> {
    fn run(&mut self) -> Flow {
        self.values()?;
        // ORDER: connections end within milliseconds; their tables are read before the processes, whose descriptors say whose they are.
        let tables = self.own_tables();
        self.processes()?;
        self.hidden_processes()?;
        self.sockets(tables)?;
        self.links()?;
        self.asterisk()?;
        self.modules()?;
        self.mounts()?;
        self.bpf()?;
        self.programs()?;
        self.summary()
    }

    fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    fn give(&mut self, record: Record) -> Flow {
        (self.sink)(Observation::Record(Box::new(record)))
    }

    fn gap(&mut self, at: &str, reason: GapReason, detail: impl Into<String>) -> Flow {
        (self.sink)(Observation::Gap(Gap::new(place(at), reason, detail)))
    }

    /// Runs a read that may never come back.
    fn wait<T: Send + 'static>(&mut self, read: impl FnOnce() -> T + Send + 'static) -> Result<T, Late> {
        self.patience.wait(self.options.patience, read)
    }

    /// Single values, which say what moment and what kernel everything else is of.
    fn values(&mut self) -> Flow {
        const VALUES: [&str; 22] = [
            "uptime",
            "loadavg",
            "stat",
            "swaps",
            "version",
            "cmdline",
            "sys/kernel/random/boot_id",
            "sys/kernel/hostname",
            "sys/kernel/tainted",
            "sys/kernel/core_pattern",
            "sys/kernel/core_pipe_limit",
            "sys/kernel/modprobe",
            "sys/kernel/hotplug",
            "sys/kernel/modules_disabled",
            "sys/kernel/kptr_restrict",
            "sys/kernel/randomize_va_space",
            "sys/kernel/unprivileged_bpf_disabled",
            "sys/kernel/yama/ptrace_scope",
            "sys/fs/suid_dumpable",
            "sys/fs/binfmt_misc/status",
            "sys/net/ipv4/ip_forward",
            "sys/net/ipv6/conf/all/forwarding",
        ];
        for name in VALUES {
            let (proc, time) = (self.proc.clone(), self.now());
            match self.wait(move || proc.read(name, 1 << 20)) {
                Ok(Ok(content)) => {
                    let mut value = content.bytes.as_slice();
                    if name == "stat" {
                        // The counts of each interrupt are of no use and long.
                        value =
                            value.split(|&b| b == b'\n').find(|line| line.starts_with(b"btime")).unwrap_or_default();
                    }
                    let value = RawText::from(value.strip_suffix(b"\n").unwrap_or(value));
                    self.give(Record::SystemValue(SystemValue { time, name: format!("/proc/{name}"), value }))?;
                }
                // Not every kernel has every one.
                Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(Err(error)) => self.gap(&format!("/proc/{name}"), reason(&error), error.to_string())?,
                Err(late) => self.gap(&format!("/proc/{name}"), GapReason::LimitReached, late.to_string())?,
            }
        }
        ControlFlow::Continue(())
    }

    /// Runs the programs that are to be run.
    fn programs(&mut self) -> Flow {
        // A kernel without this file can load nothing, and so nobody can make it load something by asking.
        let modules = self.proc.read("modules", 4 << 20).map(|content| content.bytes).ok();
        for program in &self.options.programs {
            let time = self.now();
            match program.run(modules.as_deref(), self.options.command_time, time) {
                Ok(Some(run)) => {
                    if let Some(why) = &run.stopped {
                        let detail = format!("its output is not whole: {why}");
                        self.gap(&run.program.to_string(), GapReason::LimitReached, detail)?;
                    }
                    self.give(Record::Command(run))?;
                }
                Ok(None) => {}
                Err((path, error)) => self.gap(&path, reason(&error), format!("it was not run: {error}"))?,
            }
        }
        ControlFlow::Continue(())
    }

    /// Asks Asterisk.
    fn asterisk(&mut self) -> Flow {
        let Some(socket) = self.options.asterisk.iter().find(|path| asterisk::is_socket(path)) else {
            return ControlFlow::Continue(());
        };
        for command in asterisk::COMMANDS {
            let time = self.now();
            match asterisk::ask(socket, command, self.options.command_time) {
                Ok(answer) => {
                    self.give(Record::AsteriskAnswer(crate::model::AsteriskAnswer {
                        time,
                        command: command.to_owned(),
                        answer: answer.text,
                        is_cut: answer.is_cut,
                    }))?;
                    if answer.is_cut {
                        let detail = format!("Asterisk's answer to `{command}` is not whole");
                        self.gap("/run/asterisk/asterisk.ctl", GapReason::LimitReached, detail)?;
                    }
                }
                Err(error) => {
                    let mut detail = error.to_string();
                    if let Some(source) = std::error::Error::source(&error) {
                        detail = format!("{detail}: {source}");
                    }
                    self.gap("/run/asterisk/asterisk.ctl", GapReason::ReadFailed, detail)?;
                    // It is not running, or it hangs: the next question would wait as long.
                    break;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// One gap for all that was refused: an unprivileged reader would else drown the others.
    fn summary(&mut self) -> Flow {
        if self.refused > 0 {
            let detail = format!("the kernel did not let us see {} processes whole; root sees most", self.refused);
            self.gap("/proc", GapReason::PermissionDenied, detail)?;
        }
        ControlFlow::Continue(())
    }
}

fn place(path: &str) -> EvidencePath {
    EvidencePath::new(path).unwrap_or_else(|_| EvidencePath::root())
}

fn reason(error: &io::Error) -> GapReason {
    match error.kind() {
        io::ErrorKind::PermissionDenied => GapReason::PermissionDenied,
        io::ErrorKind::NotFound => GapReason::Vanished,
        io::ErrorKind::InvalidInput => GapReason::NotRegular,
        _ => GapReason::ReadFailed,
    }
}
