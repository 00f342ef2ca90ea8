//! Processes that one view of the host shows and another hides.
//!
//! A rootkit that filters the listing of `/proc` often leaves the folders in place. So every number up to the kernel's highest is looked up,
//! and beside them the parents that processes name and the members of control groups. What is suspected is looked at again, because
//! processes come and go all the time.

use super::process::pids;
use super::{Flow, Late, Round};
use crate::model::{GapReason, HiddenProcess, Record};
use crate::parse::procfs;
use crate::sys::folder::Folder;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// The highest pid that any kernel gives out (`PID_MAX_LIMIT` of 64-bit kernels).
const MAX_PID: u32 = 1 << 22;
const MAX_CONTROL_GROUPS: usize = 20_000;

/// A process that the listing did not show: its start, and who showed it.
type Suspects = BTreeMap<u32, (Option<u64>, BTreeSet<&'static str>)>;

impl Round<'_> {
    pub(super) fn hidden_processes(&mut self) -> Flow {
        let highest = self.proc.read("sys/kernel/pid_max", 64).ok();
        let highest = highest.and_then(|read| std::str::from_utf8(&read.bytes).ok()?.trim().parse::<u32>().ok());
        let highest = highest.unwrap_or(32_768).min(MAX_PID);
        let (proc, listed, limit) = (self.proc.clone(), self.listed.clone(), self.options.search_time);
        let parents: Vec<u32> = self.parents.iter().copied().filter(|pid| *pid != 0 && !listed.contains(pid)).collect();
        let groups = Folder::open(&self.options.sys.join("fs/cgroup")).ok().filter(|_| self.sees_all());
        let time = self.now();
        // The search watches its own time; this is for a look-up that hangs.
        let searched = self.patience.wait(limit + Duration::from_secs(5), move || {
            let mut suspects = Suspects::new();
            let whole = look_up(&proc, &listed, highest, limit, &mut suspects);
            for pid in parents {
                if let Some(start) = start_of(&proc, pid) {
                    suspects.entry(pid).or_insert_with(|| (Some(start), BTreeSet::new())).1.insert("parent");
                }
            }
            let members = groups.as_ref().map(members).unwrap_or_default();
            for (pid, _) in members.iter().filter(|(pid, _)| !listed.contains(pid)) {
                suspects.entry(*pid).or_insert_with(|| (start_of(&proc, *pid), BTreeSet::new())).1.insert("cgroup");
            }
            // ORDER: listed first and looked up after, so that who was born in between is no suspect.
            let Ok(names) = proc.list() else { return (BTreeMap::new(), whole) };
            (
                confirm(&proc, suspects, &pids(&names), |pid| {
                    let group = members.get(&pid).and_then(|path| groups.as_ref()?.folder(path).ok());
                    group.is_some_and(|group| of_group(&group).contains(&pid))
                }),
                whole,
            )
        });
        let (hidden, reached) = match searched {
            Ok(searched) => searched,
            Err(Late::After(_) | Late::NotAsked) => {
                return self.gap("/proc", GapReason::LimitReached, "the search for hidden processes did not end");
            }
        };
        if reached < highest {
            let detail = format!("hidden processes were looked for up to pid {reached} of {highest}");
            self.gap("/proc", GapReason::LimitReached, detail)?;
        }
        for (pid, (seen_in, missing_from)) in hidden {
            self.give(Record::HiddenProcess(HiddenProcess { time, pid, seen_in, missing_from }))?;
            self.process(pid)?;
        }
        ControlFlow::Continue(())
    }
}

impl Round<'_> {
    /// Says whether this `/proc` shows every process that a control group can name: it is of our own pid namespace, whose numbers the groups
    /// are shown with, and is not mounted so that it keeps others' processes back (`hidepid`).
    fn sees_all(&self) -> bool {
        let is_ours =
            self.proc.link("self").is_ok_and(|own| own.as_bytes() == std::process::id().to_string().as_bytes());
        let mounts = self.own.as_ref().and_then(|own| own.read("mountinfo", 1 << 20).ok()).map(|read| read.bytes);
        let keeps_back = procfs::mounts(&mounts.unwrap_or_default(), self.now()).any(|mount| {
            let options = mount.super_options.as_bytes().split(|&b| b == b',');
            mount.file_system.as_bytes() == b"proc"
                && options
                    .into_iter()
                    .any(|option| option.starts_with(b"hidepid=") && option != b"hidepid=0" && option != b"hidepid=off")
        });
        is_ours && !keeps_back
    }
}

/// Looks up every number that was not listed, and says how far it got in its time.
fn look_up(proc: &Folder, listed: &BTreeSet<u32>, highest: u32, limit: Duration, suspects: &mut Suspects) -> u32 {
    let begin = Instant::now();
    for pid in 1..=highest {
        if pid % 1024 == 0 && begin.elapsed() > limit {
            return pid;
        }
        if !listed.contains(&pid)
            && matches!(proc.has(pid.to_string()), Ok(true))
            && let Some(start) = start_of(proc, pid)
        {
            suspects.entry(pid).or_insert_with(|| (Some(start), BTreeSet::new())).1.insert("lookup");
        }
    }
    highest
}

/// When a process started; none where there is none, or the number is that of a thread, which no listing shows.
fn start_of(proc: &Folder, pid: u32) -> Option<u64> {
    let folder = proc.folder(pid.to_string()).ok()?;
    let status = procfs::status(&folder.read("status", 64 << 10).ok()?.bytes);
    (status.thread_group == Some(pid)).then_some(())?;
    Some(procfs::stat(&folder.read("stat", 8192).ok()?.bytes)?.start_ticks)
}

/// The members of all control groups: pid, and the group that names it.
fn members(root: &Folder) -> BTreeMap<u32, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![Vec::new()];
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        seen += 1;
        let Ok(folder) = root.folder(&path) else { continue };
        for pid in of_group(&folder) {
            found.entry(pid).or_insert_with(|| path.clone());
        }
        for name in folder.list().unwrap_or_default() {
            if seen + waiting.len() < MAX_CONTROL_GROUPS && folder.is_folder(&name) {
                waiting.push(if path.is_empty() { name } else { [path.as_slice(), &name].join(&b'/') });
            }
        }
    }
    found
}

fn of_group(folder: &Folder) -> BTreeSet<u32> {
    let content = folder.read("cgroup.procs", 4 << 20).map(|read| read.bytes).unwrap_or_default();
    let names: Vec<Vec<u8>> =
        content.split(|&b| b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
    // A member of another pid namespace is 0.
    pids(&names).into_iter().filter(|pid| *pid != 0).collect()
}

/// Of the suspects, those that are still there and still not listed: what shows them, and what does not.
fn confirm(
    proc: &Folder,
    suspects: Suspects,
    listed: &BTreeSet<u32>,
    is_member: impl Fn(u32) -> bool,
) -> BTreeMap<u32, (Vec<String>, Vec<String>)> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let mut hidden = BTreeMap::new();
    for (pid, (start, seen_in)) in suspects {
        if listed.contains(&pid) {
            continue;
        }
        let seen: Vec<&str> = seen_in.into_iter().collect();
        match start {
            Some(start) if start_of(proc, pid) == Some(start) => {
                hidden.insert(pid, (owned(&seen), owned(&["listing"])));
            }
            // Only its control group knows it, and it does so still.
            None if !matches!(proc.has(pid.to_string()), Ok(true)) && is_member(pid) => {
                hidden.insert(pid, (owned(&seen), owned(&["listing", "lookup"])));
            }
            _ => {}
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &std::path::Path, pid: u32, group: u32) {
        let folder = root.join(pid.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("status"), format!("Tgid:\t{group}\n")).unwrap();
        let stat = format!("{pid} (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {} 0 0", pid * 10);
        std::fs::write(folder.join("stat"), stat).unwrap();
    }

    #[test]
    fn a_process_that_the_listing_leaves_out_is_found_and_a_thread_is_none() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), 5, 5);
        put(root.path(), 6, 5);
        put(root.path(), 7, 7);
        let proc = Folder::open(root.path()).unwrap();
        let listed = BTreeSet::from([5]);
        let mut suspects = Suspects::new();
        assert_eq!(look_up(&proc, &listed, 100, Duration::from_mins(1), &mut suspects), 100);
        assert_eq!(suspects.keys().copied().collect::<Vec<u32>>(), [7]);
        // Only its control group shows 9; 8 has ended since.
        suspects.insert(8, (None, BTreeSet::from(["cgroup"])));
        suspects.insert(9, (None, BTreeSet::from(["cgroup"])));
        let hidden = confirm(&proc, suspects.clone(), &listed, |pid| pid == 9);
        let text: Vec<String> =
            hidden.iter().map(|(pid, (seen, missing))| format!("{pid} {seen:?} {missing:?}")).collect();
        assert_eq!(text, [r#"7 ["lookup"] ["listing"]"#, r#"9 ["cgroup"] ["listing", "lookup"]"#]);
        assert!(confirm(&proc, suspects.clone(), &BTreeSet::from([5, 7, 9]), |_| true).keys().eq([&8]));
        // Somebody else has its number by now.
        suspects.retain(|pid, _| *pid == 7);
        std::fs::write(root.path().join("7/stat"), "7 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 71 0 0").unwrap();
        assert!(confirm(&proc, suspects, &listed, |_| true).is_empty());
    }

    #[test]
    fn a_search_that_takes_too_long_says_how_far_it_got() {
        let root = tempfile::tempdir().unwrap();
        let proc = Folder::open(root.path()).unwrap();
        assert_eq!(look_up(&proc, &BTreeSet::new(), 1 << 22, Duration::ZERO, &mut Suspects::new()), 1024);
    }

    #[test]
    fn members_of_nested_groups_are_read_and_those_of_other_namespaces_are_not() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        std::fs::write(root.path().join("cgroup.procs"), "1\n0\n").unwrap();
        std::fs::write(root.path().join("a/b/cgroup.procs"), "7\nx\n-3\n").unwrap();
        std::os::unix::fs::symlink("..", root.path().join("a/loop")).unwrap();
        let found = members(&Folder::open(root.path()).unwrap());
        assert_eq!(found, BTreeMap::from([(1, Vec::new()), (7, b"a/b".to_vec())]));
    }
}
