//! Records of what a running host is doing, which is in no file and gone with the next start.
//!
//! They carry no secret: of the environment only names and a few harmless values are kept. Specified in `docs/formats/volatile.md`.

use crate::model::digest::Digest;
use crate::model::text::RawText;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Folders under `data/records/` that hold volatile state, in order of volatility.
pub const VOLATILE_FOLDERS: [&str; 15] = [
    "system_values",
    "processes",
    "hidden_processes",
    "sockets",
    "neighbours",
    "routes",
    "interfaces",
    "asterisk",
    "kernel_modules",
    "mounts",
    "bpf_objects",
    "commands",
    "database_tables",
    "database_rows",
    "database_calls",
];

/// A process as `/proc/PID` shows it (`proc(5)`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// When it was read.
    pub time: Option<Timestamp>,
    /// Process id.
    pub pid: u32,
    /// Process id of its parent.
    pub parent: u32,
    /// When it started: the kernel's boot time, which has whole seconds, and `start_ticks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// Start after boot in clock ticks, of which Linux shows 100 a second. With the pid it names a process for good.
    pub start_ticks: u64,
    /// The kernel's letter for its state: `R`, `S`, `D`, `Z`, `T`, `I`, ….
    pub state: String,
    /// The name of its main thread, at most 15 bytes, which it can set as it likes.
    pub name: RawText,
    /// What it runs, without the kernel's ` (deleted)`; none for kernel threads and where it may not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<RawText>,
    /// Says that what it runs has no name in a folder any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted: bool,
    /// SHA-256 of what it runs, read through `/proc/PID/exe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Path of the file record that holds a copy of what it runs, `/proc/PID/exe` of the first process that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
    /// Its arguments, each ended by a NUL byte, as the process shows them now: it can change them.
    pub command_line: RawText,
    /// Says that there is more of the command line, the environment, the maps or the open files than is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// Working folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<RawText>,
    /// Root folder, where it is not `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RawText>,
    /// Real, effective, saved and file-system user id.
    pub uids: [u32; 4],
    /// Real, effective, saved and file-system group id.
    pub gids: [u32; 4],
    /// Name of the effective user in the host's `/etc/passwd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<RawText>,
    /// The user who logged in (`/proc/PID/loginuid`); none where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// Process group.
    pub group: u32,
    /// Session.
    pub session: u32,
    /// Its terminal, `pts/0`; none for a daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<String>,
    /// Number of threads.
    pub threads: u64,
    /// Who traces it, if anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracer: Option<u32>,
    /// `CapEff`, `CapPrm`, `CapInh`, `CapBnd`, `CapAmb`, `NoNewPrivs` and `Seccomp` as `/proc/PID/status` has them.
    pub privileges: BTreeMap<String, String>,
    /// `/proc/PID/cgroup`.
    pub control_group: RawText,
    /// The namespaces that are not those of process 1: kind and inode.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<String, u64>,
    /// Its environment when it started, as it shows it now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Variable>,
    /// What of its memory maps is worth telling.
    #[serde(default, skip_serializing_if = "Maps::is_unremarkable")]
    pub maps: Maps,
    /// Number of files that it has open.
    pub open_files: u64,
    /// The first of them, by descriptor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<OpenFile>,
    /// Says that it is the collecting program itself or one that started it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_own: bool,
}

/// One variable of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Variable {
    /// Its name.
    pub name: RawText,
    /// Its value, for names that carry no secrets and tell something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<RawText>,
    /// SHA-256 of every other value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// A summary of `/proc/PID/maps`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Maps {
    /// Mapped files that have no name in a folder any more, memory files (`/memfd:…`) among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<MappedFile>,
    /// Executable mapped files, not deleted, outside the folders that packages install libraries and programs into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<MappedFile>,
    /// Memory without a file that can be written and run at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable_code: Vec<Region>,
}

impl Maps {
    fn is_unremarkable(&self) -> bool {
        *self == Self::default()
    }
}

/// A mapped file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct MappedFile {
    /// Its name, without ` (deleted)`.
    pub file: RawText,
    /// Says that a part of it is mapped so that it can be run.
    pub is_executable: bool,
}

/// A range of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Region {
    /// Address of its first byte.
    pub start: u64,
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// A file descriptor of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenFile {
    /// Its number.
    pub descriptor: u32,
    /// What it leads to: a path without ` (deleted)`, `socket:[inode]`, `pipe:[inode]`, `anon_inode:…`.
    pub target: RawText,
    /// Says that the file has no name in a folder any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted: bool,
    /// The flags of `open(2)`, octal, as `/proc/PID/fdinfo` has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
}

/// A process that one view of the host shows and another hides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HiddenProcess {
    /// When that was seen, after a second look.
    pub time: Timestamp,
    /// Process id.
    pub pid: u32,
    /// Views that show it: `lookup` (`/proc/PID` by name), `cgroup`, `task`, `parent`.
    pub seen_in: Vec<String>,
    /// Views that do not: `listing` (of `/proc`), `lookup`.
    pub missing_from: Vec<String>,
}

/// A socket as `/proc/net` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Socket {
    /// When its table was read.
    pub time: Timestamp,
    /// `tcp`, `tcp6`, `udp`, `udp6`, `raw`, `raw6`, `packet`, `unix`.
    pub protocol: String,
    /// Address and port, `192.0.2.1:80`, `[::1]:80`; the name of a unix socket, `@` before an abstract one.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub local: RawText,
    /// The other side; none where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// `established`, `listen`, …; empty where the kernel has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// User id of who made it; none for unix sockets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its number; 0 where the kernel has let go of it.
    pub inode: u64,
    /// Inode of its network namespace, where it is not that of process 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<u64>,
    /// Who has it open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<SocketOwner>,
}

/// A process that has a socket open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SocketOwner {
    /// Its pid.
    pub pid: u32,
    /// The descriptor.
    pub descriptor: u32,
}

/// A neighbour on the link (`/proc/net/arp`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Neighbour {
    /// When it was read.
    pub time: Timestamp,
    /// Its address.
    pub address: String,
    /// Its hardware address.
    pub hardware_address: String,
    /// The interface.
    pub interface: RawText,
}

/// A route (`/proc/net/route`, `/proc/net/ipv6_route`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// When it was read.
    pub time: Timestamp,
    /// Where to, `192.0.2.0/24`.
    pub destination: String,
    /// By way of whom; none for what is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The interface.
    pub interface: RawText,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// When it was read.
    pub time: Timestamp,
    /// Its name.
    pub name: RawText,
    /// Hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_address: Option<RawText>,
    /// `IFF_…` flags of `netdevice(7)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<u32>,
    /// Says that it takes in what is not meant for it (`IFF_PROMISC`).
    pub is_promiscuous: bool,
    /// Bytes received since it came up.
    pub received_bytes: u64,
    /// Bytes sent since it came up.
    pub sent_bytes: u64,
}

/// A loadable kernel module, and which views of the kernel show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelModule {
    /// When it was read.
    pub time: Timestamp,
    /// Its name.
    pub name: RawText,
    /// Its size in memory; none where `/proc/modules` does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Who uses it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<RawText>,
    /// `Live`, `Loading`, `Unloading`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Why it taints the kernel: letters of `Documentation/admin-guide/tainted-kernels.rst`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub taint: String,
    /// Views that show it: `modules` (`/proc/modules`), `sysfs` (`/sys/module` with an `initstate`), `kallsyms`.
    pub seen_in: Vec<String>,
    /// Views that do not and should.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_from: Vec<String>,
}

/// A mount (`/proc/PID/mountinfo`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mount {
    /// When it was read.
    pub time: Timestamp,
    /// Its number.
    pub id: u64,
    /// Number of the mount that it is mounted in.
    pub parent: u64,
    /// `major:minor` of the file system.
    pub device: String,
    /// Which folder of the file system is mounted; `/` but for a bind mount.
    pub root: RawText,
    /// Where.
    pub mount_point: RawText,
    /// Options of the mount.
    pub options: RawText,
    /// Type of the file system.
    pub file_system: RawText,
    /// What is mounted: a device, a server, a word.
    pub origin: RawText,
    /// Options of the file system; credentials in them are struck out.
    pub super_options: RawText,
}

/// A program or map of the kernel's BPF machine, as far as files tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BpfObject {
    /// When it was read.
    pub time: Timestamp,
    /// Where it is pinned, or whose descriptor it is, `/proc/PID/fd/N`.
    pub place: RawText,
    /// What `/proc/PID/fdinfo` says of it: `prog_type`, `prog_id`, `map_type`, `map_id`, `link_type`, ….
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, RawText>,
}

/// The content of a kernel interface that holds one value or a small table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SystemValue {
    /// When it was read.
    pub time: Timestamp,
    /// Which: `/proc/uptime`.
    pub name: String,
    /// What it said, without the last newline.
    pub value: RawText,
}

/// What Asterisk answered on its control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AsteriskAnswer {
    /// When it was asked.
    pub time: Timestamp,
    /// What it was asked, `core show channels concise`.
    pub command: String,
    /// Its answer.
    pub answer: RawText,
    /// Says that there was more, or that it did not end in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
}

/// A program of the host that was run, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandRun {
    /// When it was started.
    pub time: Timestamp,
    /// The program.
    pub program: RawText,
    /// SHA-256 of the program: what it says is worth as much as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Exit code; none where a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What it wrote to standard output.
    pub output: RawText,
    /// What it wrote to standard error.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub errors: RawText,
    /// Why the output is not whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}
