//! What the fuzz targets do, as plain functions: each takes hostile bytes, and has to come back.
//!
//! Two callers share them: the targets beside this folder, which libFuzzer drives, and `triage-core/tests/fuzz_replay.rs`, which
//! replays the seeds and a fixed row of mutations of them on stable Rust. A body panics where a promise is broken (more records
//! than the limit allows, a name that does not survive its escape); that, a hang, and memory without bounds are what is sought.
//! Nothing but a temporary folder and anonymous memory is written to.

mod archive;
mod bundle;
mod inside;
mod knowledge;
mod log;
mod make;
mod parser;
mod php;
pub mod seeds;

/// One target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: of the file in `fuzz_targets`, of the folder in `seeds`.
    pub name: &'static str,
    /// What it does.
    pub body: fn(&[u8]),
    /// Longest input that a replay makes, in bytes.
    pub longest: usize,
    /// Inputs that a replay makes of the seeds together; fewer where one costs more.
    pub rounds: usize,
}

const fn target(name: &'static str, body: fn(&[u8]), rounds: usize) -> Target {
    Target { name, body, longest: 64 << 10, rounds }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("records", parser::records, 6000),
    target("journal", parser::journal, 1000),
    target("rpm", parser::rpm, 1800),
    target("sqlite", parser::sqlite, 1200),
    target("login", parser::login, 3000),
    target("mysqldump", parser::mysqldump, 1500),
    target("module_sig", parser::module_sig, 1500),
    target("web_config", parser::web_config, 1500),
    target("sudoers", parser::sudoers, 1800),
    target("ssh_config", parser::ssh_config, 1800),
    target("dpkg", parser::dpkg, 1200),
    target("package", parser::package, 1200),
    target("asterisk_conf", parser::asterisk_conf, 1200),
    target("procfs", parser::procfs, 1800),
    target("redact", parser::redact, 1800),
    target("log_window", parser::log_window, 1200),
    target("container", archive::container, 1000),
    target("archive", archive::archive, 600),
    target("collection", archive::collection, 700),
    target("archive_names", archive::names, 500),
    target("container_image", archive::container_image, 400),
    target("disk_image", archive::disk_image, 1500),
    target("inside", inside::inside, 900),
    target("bundle", bundle::bundle, 450),
    target("bundle_index", bundle::index, 600),
    target("bundle_escape", bundle::escape, 3000),
    target("coverage", bundle::coverage, 1200),
    target("run", bundle::run, 300),
    target("plan", knowledge::plan, 1200),
    target("playbook", knowledge::playbook, 900),
    target("definition", knowledge::definition, 1200),
    target("advisories", knowledge::advisories, 600),
    target("indicator", knowledge::indicator, 400),
    target("yara_rule", knowledge::yara_rule, 200),
    target("pattern", knowledge::pattern, 1800),
    target("key", knowledge::key, 1200),
    target("php", php::php, 400),
    target("access_log", log::access_log, 900),
    target("asterisk_log", log::asterisk_log, 900),
    target("master_csv", log::master_csv, 900),
    target("sigma", log::sigma, 900),
];

/// Does what the target of this name does.
///
/// # Panics
/// When there is none, and when a promise is broken.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.body)(data);
}

/// Says whether the containers that bodies build are believed by the readers, so that a fuzzer gets behind the first check: of a whole
/// index a file is found, of a container image the only file is read. `project` is as for [`seeds::of`].
///
/// # Panics
/// When one is not.
pub fn built_containers_are_believed(project: &std::path::Path) {
    let found = |index: &Vec<u8>| bundle::find(&make::InMemory::new(&bundle::indexed(index)).path());
    assert!(seeds::of(project, "bundle_index").iter().any(|index| found(index) == 1), "no index is believed");
    for image in seeds::of(project, "container_image") {
        assert_eq!(archive::images(&image), 1);
    }
    let disk = project.join("fuzz/seeds/disk_image/ext4");
    let disk = triage_core::source::DiskImage::open(&disk, None).expect("an ext4 file system");
    let passwd = triage_core::source::Source::read(&disk, &parser::path("/etc/passwd"), 4096).expect("a file");
    assert!(passwd.is_some_and(|passwd| passwd.starts_with(b"root:x:0:0:")));
}
