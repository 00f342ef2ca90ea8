//! What a host is doing that it should not: processes, their connections, and what hides them.
//!
//! It judges records and no objects, so that a bundle gives what the host gave. Much that looks odd is ordinary on a server (a service that
//! was updated and not restarted runs a deleted program, a just-in-time compiler writes code), so what is graded high has no
//! other reason that we know of. The collecting program and who started it are known by pid and start, not by name, and left out.

mod kernel;

use super::shell::{self, Sign};
use super::{Detector, HostContext, Indicators, Report};
use crate::model::{
    Category, Evidence, EvidencePath, Finding, GapReason, Process, RawText, Record, Severity, Socket, Subject,
};
use crate::parse::procfs::is_package_place;
use crate::sweep::Swept;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most processes, connections and listeners that are remembered for the conclusion.
const MAX_KEPT: usize = 10_000;

/// Accounts that serve the web or telephony and have no business with a shell on the network.
const SERVICE_USERS: [&[u8]; 9] =
    [b"asterisk", b"www-data", b"apache", b"nginx", b"httpd", b"http", b"wwwrun", b"lighttpd", b"caddy"];

/// Judges the volatile state of a host.
pub struct ProcessDetector {
    indicators: Arc<Indicators>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Interpreters whose input, output and errors are all one socket.
    attached: HashMap<u32, (Subject, Vec<Evidence>)>,
    /// Processes that have one connection of the internet as input, output and errors.
    connected: HashMap<u32, String>,
    /// Processes that run from memory.
    in_memory: HashMap<u32, (Subject, Vec<Evidence>)>,
    /// A connection to another machine of each process that has one.
    online: HashMap<u32, String>,
    listeners: Vec<RawText>,
    /// Connections to places that an indicator names, with who has them.
    known: Vec<(Finding, Vec<u32>)>,
    subjects: HashMap<u32, Subject>,
    own: Vec<u32>,
}

impl ProcessDetector {
    /// A detector with these indicators.
    pub fn new(indicators: Arc<Indicators>) -> Self {
        Self { indicators, state: Mutex::default() }
    }

    fn process(&self, process: &Process, report: &mut Report) {
        if process.is_own {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.own.len() < MAX_KEPT {
                state.own.push(process.pid);
            }
            return;
        }
        let subject = subject(process);
        let mut tell =
            |rule: &str, title: &str, weight: (Category, Severity, u8), more: Vec<Evidence>, attack: &[&str]| {
                let mut evidence = evidence(process);
                evidence.extend(more);
                let finding = Finding::new(rule, title, weight, subject.clone(), evidence);
                report.findings.push(finding.with_attack(attack.iter().copied()));
            };
        self.program(process, &mut tell);
        imitation(process, &mut tell);
        preloads(process, &mut tell);
        mapped(process, &mut tell);
        command(process, &mut tell);
        self.remember(process, subject);
    }

    /// What it runs: a published program, one without a name, one in a place where none belongs.
    fn program(&self, process: &Process, tell: &mut Tell<'_>) {
        let Some(executable) = process.executable.as_ref().map(RawText::as_bytes) else { return };
        let place = EvidencePath::new(executable).ok();
        let by_place = place.as_ref().into_iter().flat_map(|place| self.indicators.at(place));
        let by_content = process.sha256.as_ref().and_then(|sha256| self.indicators.of(sha256));
        for indicator in by_content.into_iter().chain(by_place).filter(|known| known.severity >= Severity::High) {
            let named = Evidence::Attribute { name: "indicator".into(), value: indicator.id.as_str().into() };
            let weight = (Category::Exploitation, indicator.severity, indicator.confidence);
            tell("TR-PROC-0011", "Process that runs a program of a known campaign", weight, vec![named], &["T1059"]);
        }
        let is_odd_place = shell::is_temporary(executable) || shell::is_hidden(executable);
        if let Some(name) = executable.strip_prefix(b"/memfd:") {
            // Container runtimes and sandboxes run sealed copies of themselves from memory, so that nobody can overwrite them. Of root's such
            // programs only a connection tells an intruder's, which the conclusion knows.
            let is_runtime = [&b"runc_cloned:"[..], b"crun", b"lxc"].iter().any(|known| name.starts_with(known));
            let (severity, confidence) = if is_service_user(process) {
                (Severity::High, 85)
            } else {
                (Severity::Low, if is_runtime { 20 } else { 45 })
            };
            let weight = (Category::Exploitation, severity, confidence);
            tell("TR-PROC-0002", "Process that runs a program from memory", weight, Vec::new(), &["T1620"]);
        } else if process.is_deleted {
            let (severity, confidence) = match executable {
                _ if is_odd_place => (Severity::High, 85),
                // A package was updated and its service not restarted.
                path if is_package_place(path) => return,
                _ if is_service_user(process) => (Severity::High, 75),
                _ => (Severity::Low, 40),
            };
            let weight = (Category::Exploitation, severity, confidence);
            tell("TR-PROC-0001", "Process that runs a deleted program", weight, Vec::new(), &["T1070.004"]);
        } else if is_odd_place {
            let (severity, confidence) = match executable {
                path if shell::is_temporary(path) && shell::is_hidden(path) => (Severity::High, 80),
                _ if is_service_user(process) => (Severity::High, 75),
                path if shell::is_temporary(path) => (Severity::Medium, 55),
                // Tools of a user's own lie in hidden folders of the home as well: `~/.cargo/bin`.
                _ => (Severity::Low, 30),
            };
            let weight = (Category::Exploitation, severity, confidence);
            let title = "Process that runs a program from a place where none belongs";
            tell("TR-PROC-0003", title, weight, Vec::new(), &["T1036.005", "T1564.001"]);
        }
    }

    fn remember(&self, process: &Process, subject: Subject) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |descriptor| process.files.iter().find(|file| file.descriptor == descriptor).map(|file| &file.target);
        let is_attached =
            of(0).is_some_and(|target| target.as_bytes().starts_with(b"socket:[")) && of(0) == of(1) && of(0) == of(2);
        if is_attached && is_interpreter(process) && state.attached.len() < MAX_KEPT {
            state.attached.insert(process.pid, (subject.clone(), evidence(process)));
        }
        let is_in_memory = process.executable.as_ref().is_some_and(|path| path.as_bytes().starts_with(b"/memfd:"));
        if is_in_memory && state.in_memory.len() < MAX_KEPT {
            state.in_memory.insert(process.pid, (subject.clone(), evidence(process)));
        }
        // Only who has a socket can be needed for a connection.
        let has_socket = process.files.iter().any(|file| file.target.as_bytes().starts_with(b"socket:["));
        if has_socket && state.subjects.len() < MAX_KEPT {
            state.subjects.insert(process.pid, subject);
        }
    }

    fn socket(&self, socket: &Socket) {
        if !matches!(socket.protocol.as_str(), "tcp" | "tcp6" | "udp" | "udp6") {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if socket.state == "listen" {
            if socket.owners.is_empty()
                && socket.inode != 0
                && socket.namespace.is_none()
                && state.listeners.len() < 100
            {
                state.listeners.push(RawText::from(format!("{} {}", socket.protocol, socket.local).as_str()));
            }
            return;
        }
        let Some(remote) = &socket.remote else { return };
        let is_local = ["127.", "[::1]", "[::ffff:127."].iter().any(|local| remote.starts_with(local));
        for owner in &socket.owners {
            if !is_local && (state.online.len() < MAX_KEPT || state.online.contains_key(&owner.pid)) {
                // The least, so that the order of records does not show.
                let known = state.online.entry(owner.pid).or_insert_with(|| remote.clone());
                if remote < known {
                    known.clone_from(remote);
                }
            }
            let has =
                |descriptor| socket.owners.iter().any(|other| other.pid == owner.pid && other.descriptor == descriptor);
            if owner.descriptor == 0 && has(1) && has(2) && state.connected.len() < MAX_KEPT {
                state.connected.insert(owner.pid, remote.clone());
            }
        }
        for indicator in self.indicators.in_line(remote.as_bytes()).filter(|known| known.severity >= Severity::High) {
            if state.known.len() >= MAX_KEPT {
                break;
            }
            let evidence = vec![
                Evidence::Attribute { name: "remote".into(), value: remote.as_str().into() },
                Evidence::Attribute { name: "indicator".into(), value: indicator.id.as_str().into() },
            ];
            let subject = Subject::Kernel { path: proc("/proc/net"), name: remote.as_str().into() };
            let weight = (Category::Exploitation, indicator.severity, indicator.confidence);
            let finding =
                Finding::new("TR-PROC-0012", "Connection to an address of a known campaign", weight, subject, evidence);
            let owners = socket.owners.iter().map(|owner| owner.pid).collect();
            state.known.push((finding.with_attack(["T1071"]), owners));
        }
    }
}

impl Detector for ProcessDetector {
    fn inspect(&self, _: &Swept<'_>, _: &mut Report) {}

    fn consider(&self, record: &Record, report: &mut Report) {
        match record {
            Record::Process(process) => self.process(process, report),
            Record::Socket(socket) => self.socket(socket),
            Record::HiddenProcess(hidden) => kernel::hidden_process(hidden, report),
            Record::KernelModule(module) => kernel::module(module, report),
            Record::Mount(mount) => kernel::mount(mount, report),
            Record::SystemValue(value) => kernel::value(value, report),
            _ => {}
        }
    }

    fn conclude(&self, host: &HostContext, report: &mut Report) {
        let state = std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner));
        for (pid, (subject, mut evidence)) in state.attached {
            let Some(remote) = state.connected.get(&pid) else { continue };
            evidence.push(Evidence::Attribute { name: "remote".into(), value: remote.as_str().into() });
            let weight = (Category::Exploitation, Severity::High, 90);
            let title = "Interpreter that takes its input from the network and answers there";
            report
                .findings
                .push(Finding::new("TR-PROC-0004", title, weight, subject, evidence).with_attack(["T1059.004"]));
        }
        for (pid, (subject, mut evidence)) in state.in_memory {
            let Some(remote) = state.online.get(&pid) else { continue };
            evidence.push(Evidence::Attribute { name: "remote".into(), value: remote.as_str().into() });
            let weight = (Category::Exploitation, Severity::High, 80);
            let title = "Process that runs a program from memory and is connected to another machine";
            report
                .findings
                .push(Finding::new("TR-PROC-0002", title, weight, subject, evidence).with_attack(["T1620", "T1071"]));
        }
        for (finding, owners) in state.known {
            if owners.iter().any(|pid| state.own.contains(pid)) {
                continue;
            }
            let mut of: Vec<&Subject> = owners.iter().filter_map(|pid| state.subjects.get(pid)).collect();
            of.dedup();
            if of.is_empty() {
                report.findings.push(finding);
                continue;
            }
            for subject in of {
                let Finding { rule, title, category, severity, confidence, evidence, attack, .. } = finding.clone();
                let weight = (category, severity, confidence);
                report
                    .findings
                    .push(Finding::new(rule.0, title, weight, subject.clone(), evidence).with_attack(attack));
            }
        }
        // Who has a socket is not known where processes could not be seen whole.
        let is_blind = host.gaps.iter().any(|gap| {
            gap.path.as_bytes().starts_with(b"/proc")
                && matches!(gap.reason, GapReason::PermissionDenied | GapReason::LimitReached | GapReason::ReadFailed)
        });
        for listener in state.listeners.into_iter().filter(|_| !is_blind) {
            let subject = Subject::Kernel { path: proc("/proc/net"), name: listener };
            let weight = (Category::Tampering, Severity::Low, 30);
            let title = "Listening port that no process owns: the kernel's own, or a process's that is hidden";
            report
                .findings
                .push(Finding::new("TR-PROC-0013", title, weight, subject, Vec::new()).with_attack(["T1014"]));
        }
    }
}

type Tell<'a> = dyn FnMut(&str, &str, (Category, Severity, u8), Vec<Evidence>, &[&str]) + 'a;

/// A process that calls itself as a kernel thread does and runs a program, which no kernel thread does.
fn imitation(process: &Process, tell: &mut Tell<'_>) {
    const THREADS: [&[u8]; 22] = [
        b"kworker",
        b"kthreadd",
        b"ksoftirqd",
        b"migration",
        b"rcu_",
        b"kswapd",
        b"kdevtmpfs",
        b"watchdog",
        b"kblockd",
        b"khugepaged",
        b"jbd2",
        b"scsi_eh",
        b"ksmd",
        b"kauditd",
        b"kcompactd",
        b"cpuhp",
        b"bioset",
        b"khungtaskd",
        b"oom_reaper",
        b"kintegrityd",
        b"writeback",
        b"xfs",
    ];
    if process.executable.is_none() {
        return;
    }
    let is_thread = |name: &[u8]| THREADS.iter().any(|known| name.starts_with(known));
    let first = process.command_line.as_bytes().split(|&b| b == 0).next().unwrap_or_default().trim_ascii();
    let inner = first.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]"));
    let name = process.name.as_bytes();
    // `xfs` and `watchdog` stand for programs of these names too; without the brackets only what no program is called counts.
    let (severity, confidence) = if inner.is_some_and(is_thread) || name.starts_with(b"kworker/") || name == b"kthreadd"
    {
        (Severity::High, 85)
    } else if inner.is_some_and(|name| !name.is_empty() && !name.contains(&b' ')) {
        (Severity::Low, 35)
    } else {
        return;
    };
    let weight = (Category::Exploitation, severity, confidence);
    tell("TR-PROC-0005", "Process that calls itself a kernel thread", weight, Vec::new(), &["T1036.004"]);
}

fn preloads(process: &Process, tell: &mut Tell<'_>) {
    for variable in
        process.environment.iter().filter(|variable| matches!(variable.name.as_bytes(), b"LD_PRELOAD" | b"LD_AUDIT"))
    {
        let value = variable.value.as_ref().map(RawText::as_bytes).unwrap_or_default();
        // A bare name is looked for in the folders of the system.
        let paths = value.split(|&b| b == b':' || b.is_ascii_whitespace()).filter(|path| path.contains(&b'/'));
        let Some((severity, confidence)) = paths.filter_map(library).max() else { continue };
        let evidence = vec![Evidence::Attribute { name: variable.name.to_string(), value: RawText::from(value) }];
        let weight = (Category::Persistence, severity, confidence);
        tell("TR-PROC-0006", "Process that is made to load a library first", weight, evidence, &["T1574.006"]);
    }
}

/// How odd a library's place is; none where packages put them.
fn library(path: &[u8]) -> Option<(Severity, u8)> {
    if shell::is_temporary(path) || shell::is_hidden(path) {
        Some((Severity::High, 80))
    } else if is_package_place(path) || !path.starts_with(b"/") {
        None
    } else if path.starts_with(b"/usr/local/") || path.starts_with(b"/opt/") {
        Some((Severity::Low, 30))
    } else {
        Some((Severity::Low, 45))
    }
}

/// Code that is mapped from where none belongs.
fn mapped(process: &Process, tell: &mut Tell<'_>) {
    let executable = process.executable.as_ref();
    let all = process.maps.deleted.iter().chain(&process.maps.outside);
    for file in all.filter(|file| file.is_executable && Some(&file.file) != executable) {
        let path = file.file.as_bytes();
        let is_system =
            [&b"/usr/"[..], b"/lib", b"/etc/", b"/bin/", b"/sbin/"].iter().any(|folder| path.starts_with(folder));
        let has_libs = path.split(|&b| b == b'/').any(|part| part == b".libs");
        let (severity, confidence) = match path {
            // Just-in-time compilers map their memory files twice, to write and to run.
            _ if path.starts_with(b"/memfd:") => continue,
            // Python's wheels bring libraries in folders of that name.
            _ if is_system && shell::is_hidden(path) && !has_libs => (Severity::Medium, 60),
            _ if !shell::is_temporary(path) => continue,
            _ if shell::is_hidden(path) && is_service_user(process) => (Severity::High, 75),
            // libffi, Java and others unpack libraries into the temporary folder and load them there.
            _ => (Severity::Low, 35),
        };
        let evidence = vec![Evidence::Attribute { name: "mapped".into(), value: file.file.clone() }];
        let weight = (Category::Exploitation, severity, confidence);
        tell(
            "TR-PROC-0009",
            "Process that runs code from a library where none belongs",
            weight,
            evidence,
            &["T1574.006"],
        );
    }
}

/// What its command line does.
fn command(process: &Process, tell: &mut Tell<'_>) {
    let line = as_shell(&process.command_line);
    // A script that stands whole in a command line, with text for files in it, is beyond this judgement.
    if line.windows(2).any(|two| two == b"<<") || process.is_cut && line.len() > 60_000 {
        return;
    }
    let is_service = is_service_user(process);
    for sign in shell::signs(&line) {
        let (severity, confidence) = match (&sign, is_service) {
            (Sign::Mines, is_service) => {
                let weight = (Category::Exploitation, Severity::High, if is_service { 90 } else { 80 });
                tell("TR-PROC-0018", "Process that mines a cryptocurrency", weight, Vec::new(), &["T1496"]);
                continue;
            }
            (Sign::ConnectsShell | Sign::DecodesAndRuns, true) => (Severity::High, 85),
            (Sign::ConnectsShell | Sign::DecodesAndRuns, false) => (Severity::Medium, 60),
            (Sign::RunsFromTemporary(_) | Sign::DownloadsAndRuns | Sign::WritesPhp(_), true) => (Severity::High, 75),
            (Sign::RunsHidden(_) | Sign::RestartsIfMissing(_), true) => (Severity::Medium, 55),
            // An administrator installs like this, and builds in temporary folders.
            (_, false) => (Severity::Low, 35),
        };
        let (rule, title) = if is_service {
            ("TR-PROC-0007", format!("Command of a service's account that {}", sign.describe()))
        } else {
            ("TR-PROC-0008", format!("Command that {}", sign.describe()))
        };
        tell(rule, &title, (Category::Exploitation, severity, confidence), Vec::new(), &["T1059.004"]);
    }
    if !is_service {
        return;
    }
    let name = program_name(process);
    let words = || line.split(|b| b.is_ascii_whitespace() || b"'\";|&()".contains(b));
    let loops = is_shell(name)
        && words().any(|word| word == b"while" || word == b"until" || word == b"for")
        && words().any(|word| [&b"curl"[..], b"wget", b"nc", b"ncat", b"socat", b"crontab"].contains(&word));
    let (title, severity, confidence) = match name {
        b"nc" | b"ncat" | b"nc.traditional" | b"nc.openbsd" | b"netcat" | b"socat" | b"chisel" => {
            ("Service's account that runs a tool for tunnels", Severity::Medium, 60)
        }
        b"curl" | b"wget" => ("Service's account that downloads", Severity::Low, 40),
        _ if loops => ("Service's account that runs a loop of downloads", Severity::Medium, 65),
        name if is_shell(name) && process.terminal.is_some() && process.login_uid.is_none() => {
            ("Service's account that has a terminal and nobody who logged in", Severity::Medium, 60)
        }
        _ => return,
    };
    tell("TR-PROC-0014", title, (Category::Exploitation, severity, confidence), Vec::new(), &["T1059.004"]);
}

fn is_shell(name: &[u8]) -> bool {
    [&b"sh"[..], b"bash", b"dash", b"ash", b"zsh", b"ksh", b"busybox"].contains(&name)
}

fn is_interpreter(process: &Process) -> bool {
    let name = program_name(process);
    let is_language = |prefix: &&[u8]| {
        name.strip_prefix(*prefix).is_some_and(|rest| rest.iter().all(|b| b.is_ascii_digit() || *b == b'.'))
    };
    is_shell(name)
        || [&b"python"[..], b"perl", b"php", b"ruby", b"node", b"lua", b"awk", b"gawk", b"mawk"].iter().any(is_language)
}

/// The name of the program's file, which the process cannot choose; of one that may not be seen, its own.
fn program_name(process: &Process) -> &[u8] {
    let executable = process.executable.as_ref().map_or(process.name.as_bytes(), RawText::as_bytes);
    executable.rsplit(|&b| b == b'/').next().unwrap_or_default()
}

fn is_service_user(process: &Process) -> bool {
    process.user.as_ref().is_some_and(|user| SERVICE_USERS.contains(&user.as_bytes()))
}

/// The arguments as a person would type them.
fn as_shell(command_line: &RawText) -> Vec<u8> {
    let bytes = command_line.as_bytes();
    let mut line = Vec::with_capacity(bytes.len() + 16);
    for argument in bytes.strip_suffix(b"\0").unwrap_or(bytes).split(|&b| b == 0) {
        if !line.is_empty() {
            line.push(b' ');
        }
        if argument.iter().all(|b| b.is_ascii_alphanumeric() || b"-_./:=,@%+[]".contains(b)) && !argument.is_empty() {
            line.extend_from_slice(argument);
        } else {
            line.push(b'\'');
            for &byte in argument {
                if byte == b'\'' { line.extend_from_slice(br"'\''") } else { line.push(byte) }
            }
            line.push(b'\'');
        }
    }
    line
}

fn subject(process: &Process) -> Subject {
    let executable = process.executable.as_ref().and_then(|path| EvidencePath::new(path.as_bytes()).ok());
    let words: Vec<u8> = process.command_line.as_bytes().iter().map(|&b| if b == 0 { b' ' } else { b }).collect();
    Subject::Process {
        path: executable.unwrap_or_else(|| proc(&format!("/proc/{}", process.pid))),
        pid: process.pid,
        start_ticks: process.start_ticks,
        command_line: RawText::from(words.trim_ascii_end().get(..4096).unwrap_or(words.trim_ascii_end())),
    }
}

fn evidence(process: &Process) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    let mut add = |name: &str, value: RawText| evidence.push(Evidence::Attribute { name: name.to_owned(), value });
    let number = |number: u32| RawText::from(number.to_string().as_str());
    add("pid", number(process.pid));
    add("parent", number(process.parent));
    add("name", process.name.clone());
    let [_, effective, ..] = process.uids;
    add("user", process.user.clone().unwrap_or_else(|| number(effective)));
    if let Some(start) = process.start {
        add("start", RawText::from(start.to_string().as_str()));
    }
    if process.is_deleted {
        add("deleted", "yes".into());
    }
    if let Some(sha256) = process.sha256 {
        add("sha256", RawText::from(sha256.to_string().as_str()));
    }
    if let Some(copy) = &process.copy {
        add("copy", copy.as_str().into());
    }
    evidence
}

fn proc(path: &str) -> EvidencePath {
    EvidencePath::new(path).unwrap_or_else(|_| EvidencePath::root())
}

#[cfg(test)]
mod tests;
