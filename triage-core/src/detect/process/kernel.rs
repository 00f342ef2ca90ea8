//! What hides processes and modules, and what the kernel was told to run.

use super::super::{Report, shell};
use super::proc;
use crate::model::{
    Category, Evidence, Finding, HiddenProcess, KernelModule, Mount, RawText, Severity, Subject, SystemValue,
};
use crate::parse::procfs::is_package_place;

fn words(words: &[String]) -> RawText {
    RawText::from(words.join(", ").as_str())
}

fn attribute(name: &str, value: RawText) -> Evidence {
    Evidence::Attribute { name: name.to_owned(), value }
}

/// A process that a view of the host leaves out.
pub(super) fn hidden_process(hidden: &HiddenProcess, report: &mut Report) {
    let path = proc(&format!("/proc/{}", hidden.pid));
    let name = RawText::from(hidden.pid.to_string().as_str());
    let evidence =
        vec![attribute("seen in", words(&hidden.seen_in)), attribute("missing from", words(&hidden.missing_from))];
    let weight = (Category::Tampering, Severity::High, 90);
    let finding =
        Finding::new("TR-PROC-0010", "Process that is hidden", weight, Subject::Kernel { path, name }, evidence);
    report.findings.push(finding.with_attack(["T1014"]));
}

/// A module that is in the kernel and not in its list.
pub(super) fn module(module: &KernelModule, report: &mut Report) {
    let is_missing = |view: &str| module.missing_from.iter().any(|missing| missing == view);
    let shows = |view: &str| module.seen_in.iter().any(|seen| seen == view);
    let (severity, confidence) = if is_missing("modules") && shows("sysfs") {
        (Severity::High, 90)
    } else if is_missing("modules") {
        // Only symbols: what is left of one that was unloaded just then, or of one that hides well.
        (Severity::Medium, 60)
    } else if is_missing("sysfs") {
        (Severity::High, 75)
    } else {
        return;
    };
    let evidence =
        vec![attribute("seen in", words(&module.seen_in)), attribute("missing from", words(&module.missing_from))];
    let subject = Subject::Kernel { path: proc("/proc/modules"), name: module.name.clone() };
    let weight = (Category::Tampering, severity, confidence);
    let finding = Finding::new("TR-KERNEL-0001", "Kernel module that is hidden", weight, subject, evidence);
    report.findings.push(finding.with_attack(["T1014", "T1547.006"]));
}

/// A mount that puts something else in the place of what the host shows or runs.
pub(super) fn mount(mount: &Mount, report: &mut Report) {
    const EXACT: [&[u8]; 8] = [
        b"/etc/passwd",
        b"/etc/shadow",
        b"/etc/sudoers",
        b"/etc/ld.so.preload",
        b"/etc/crontab",
        b"/etc/pam.d",
        b"/etc/ssh",
        b"/etc/ssh/sshd_config",
    ];
    const BENEATH: [&[u8]; 7] =
        [b"/usr/bin/", b"/usr/sbin/", b"/bin/", b"/sbin/", b"/etc/pam.d/", b"/etc/cron.d/", b"/etc/ld.so.conf.d/"];
    let point = mount.mount_point.as_bytes();
    let in_proc = point.strip_prefix(b"/proc/").map(|rest| rest.split(|&b| b == b'/').next().unwrap_or_default());
    let is_process = in_proc.is_some_and(|name| !name.is_empty() && name.iter().all(u8::is_ascii_digit));
    let is_system = EXACT.contains(&point)
        || BENEATH.iter().any(|folder| point.strip_prefix(*folder).is_some_and(|rest| !rest.is_empty()));
    let is_folder =
        [&b"/usr/bin"[..], b"/usr/sbin", b"/bin", b"/sbin", b"/lib", b"/lib64", b"/usr/lib", b"/etc"].contains(&point);
    let is_overlay = matches!(mount.file_system.as_bytes(), b"overlay" | b"overlayfs" | b"aufs" | b"fuse" | b"tmpfs");
    let (rule, title, severity, confidence) = if is_process {
        ("TR-KERNEL-0002", "Mount that hides a process", Severity::High, 90)
    } else if is_system {
        ("TR-KERNEL-0003", "Mount in the place of a program or file of the system", Severity::Medium, 60)
    } else if is_folder && is_overlay {
        // A host that is read-only by design does this for `/etc`; systemd does it for `/usr` with its extensions.
        ("TR-KERNEL-0003", "Overlay over a folder of the system", Severity::Low, 45)
    } else {
        return;
    };
    let evidence = vec![
        attribute("file system", mount.file_system.clone()),
        attribute("origin", mount.origin.clone()),
        attribute("root", mount.root.clone()),
    ];
    let subject = Subject::Kernel { path: proc("/proc/self/mountinfo"), name: mount.mount_point.clone() };
    let finding = Finding::new(rule, title, (Category::Tampering, severity, confidence), subject, evidence);
    report.findings.push(finding.with_attack(["T1564.013"]));
}

/// A program that the kernel itself starts, as root, on an occasion that anybody can bring about.
pub(super) fn value(value: &SystemValue, report: &mut Report) {
    let text = value.value.as_bytes();
    let (rule, title, program) = match value.name.as_str() {
        "/proc/sys/kernel/core_pattern" => {
            let Some(program) = text.strip_prefix(b"|") else { return };
            ("TR-KERNEL-0004", "Program that the kernel gives crashed processes to", program)
        }
        "/proc/sys/kernel/modprobe" => ("TR-KERNEL-0005", "Program that the kernel loads modules with", text),
        "/proc/sys/kernel/hotplug" => ("TR-KERNEL-0005", "Program that the kernel tells of devices", text),
        _ => return,
    };
    let program = program.trim_ascii_start().split(|&b| b == b' ').next().unwrap_or_default();
    if program.is_empty() || is_package_place(program) {
        return;
    }
    let (severity, confidence) = if shell::is_temporary(program) || shell::is_hidden(program) {
        (Severity::High, 90)
    } else if program.starts_with(b"/opt/") || program.starts_with(b"/usr/local/") {
        (Severity::Low, 40)
    } else {
        (Severity::Medium, 60)
    };
    let subject = Subject::Kernel { path: proc(&value.name), name: value.value.clone() };
    let weight = (Category::Persistence, severity, confidence);
    report.findings.push(Finding::new(rule, title, weight, subject, Vec::new()).with_attack(["T1547", "T1611"]));
}
