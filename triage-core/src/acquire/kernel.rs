//! Kernel modules in three views, mounts, and BPF objects that have a name.

use super::{Flow, Round, reason};
use crate::model::{BpfObject, GapReason, KernelModule, RawText, Record, Timestamp};
use crate::parse::procfs;
use crate::sys::folder::Folder;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::ops::ControlFlow;

/// `kallsyms` of a large kernel has some 15 MiB.
const MAX_SYMBOLS: u64 = 128 << 20;
const MAX_PINNED: usize = 4096;
const PINNED_DEPTH: usize = 8;

/// What each view shows of the modules.
struct Views {
    modules: BTreeMap<RawText, KernelModule>,
    sysfs: BTreeSet<RawText>,
    has_sysfs: bool,
    kallsyms: BTreeSet<RawText>,
}

fn views(proc: &Folder, sys: Option<&Folder>, time: Timestamp, with_symbols: bool) -> io::Result<Views> {
    let modules = proc.read("modules", 16 << 20)?.bytes;
    let modules = procfs::modules(&modules, time).map(|module| (module.name.clone(), module)).collect();
    let mut sysfs = BTreeSet::new();
    let folder = sys.and_then(|sys| sys.folder("module").ok());
    if let Some(folder) = &folder {
        for name in folder.list()? {
            // What is built in has a folder too, without this file.
            let Ok(module) = folder.folder(&name) else { continue };
            if module.read("initstate", 64).is_ok_and(|read| read.bytes.starts_with(b"live")) {
                sysfs.insert(RawText::from(name));
            }
        }
    }
    let mut kallsyms = BTreeSet::new();
    if with_symbols && let Ok(file) = proc.file("kallsyms") {
        let mut lines = BufReader::new(file.take(MAX_SYMBOLS));
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if let Some(name) = procfs::kallsyms_module(line.trim_ascii_end())
                && !kallsyms.contains(&RawText::from(name))
            {
                kallsyms.insert(RawText::from(name));
            }
            line.clear();
        }
    }
    Ok(Views { modules, sysfs, has_sysfs: folder.is_some(), kallsyms })
}

impl Round<'_> {
    pub(super) fn modules(&mut self) -> Flow {
        let (proc, sys, time) = (self.proc.clone(), Folder::open(&self.options.sys).ok(), self.now());
        let limit = self.options.command_time;
        let read = self.patience.wait(limit, move || {
            let first = views(&proc, sys.as_ref(), time, true)?;
            // A module may have been loaded or unloaded between the views: what counts is what both times agree on.
            let second = views(&proc, sys.as_ref(), time, false)?;
            Ok::<_, io::Error>((first, second))
        });
        let (first, second) = match read {
            Ok(Ok(views)) => views,
            // A kernel that cannot load modules.
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return ControlFlow::Continue(()),
            Ok(Err(error)) => return self.gap("/proc/modules", reason(&error), error.to_string()),
            Err(late) => return self.gap("/proc/modules", GapReason::LimitReached, late.to_string()),
        };
        let names: BTreeSet<&RawText> = first.modules.keys().chain(&first.sysfs).chain(&first.kallsyms).collect();
        for name in names {
            let module = first.modules.get(name).cloned();
            let (in_modules, in_sysfs) = (module.is_some(), first.sysfs.contains(name));
            let in_kallsyms = first.kallsyms.contains(name);
            let mut module = module.unwrap_or_else(|| KernelModule {
                time,
                name: name.clone(),
                size_bytes: None,
                used_by: Vec::new(),
                state: String::new(),
                taint: String::new(),
                seen_in: Vec::new(),
                missing_from: Vec::new(),
            });
            let is_steady = second.modules.contains_key(name) == in_modules && second.sysfs.contains(name) == in_sysfs;
            let mut view = |word: &str, shows: bool, ought: bool| {
                if shows && word != "modules" {
                    module.seen_in.push(word.to_owned());
                } else if !shows && ought && is_steady {
                    module.missing_from.push(word.to_owned());
                }
            };
            view("modules", in_modules, true);
            // Between loading and living a module has no state yet.
            let is_live = first.modules.get(name).is_none_or(|module| module.state == "Live");
            view("sysfs", in_sysfs, first.has_sysfs && is_live);
            // A module without symbols of its own is in the others only, and the restriction of pointers hides nothing here.
            view("kallsyms", in_kallsyms, false);
            self.give(Record::KernelModule(module))?;
        }
        ControlFlow::Continue(())
    }

    /// The mounts that we see, which are what the sweep sees.
    pub(super) fn mounts(&mut self) -> Flow {
        let Some(own) = self.own.clone() else { return ControlFlow::Continue(()) };
        let time = self.now();
        match self.wait(move || own.read("mountinfo", 16 << 20)) {
            Ok(Ok(content)) => {
                if content.is_cut {
                    self.gap("/proc/self/mountinfo", GapReason::TooLarge, "only its beginning is kept")?;
                }
                for mount in procfs::mounts(&content.bytes, time) {
                    self.give(Record::Mount(mount))?;
                }
                ControlFlow::Continue(())
            }
            Ok(Err(error)) => self.gap("/proc/self/mountinfo", reason(&error), error.to_string()),
            Err(late) => self.gap("/proc/self/mountinfo", GapReason::LimitReached, late.to_string()),
        }
    }

    /// BPF objects that are pinned in `/sys/fs/bpf`; those of descriptors come with their processes.
    pub(super) fn bpf(&mut self) -> Flow {
        let Ok(root) = Folder::open(&self.options.sys.join("fs/bpf")) else { return ControlFlow::Continue(()) };
        let time = self.now();
        let Ok(places) = self.wait(move || pinned(&root)) else {
            return self.gap("/sys/fs/bpf", GapReason::LimitReached, "it could not be listed in time");
        };
        if places.len() >= MAX_PINNED {
            self.gap("/sys/fs/bpf", GapReason::LimitReached, format!("only the first {MAX_PINNED} are told"))?;
        }
        for place in places {
            self.give(Record::BpfObject(BpfObject { time, place: RawText::from(place), properties: BTreeMap::new() }))?;
        }
        ControlFlow::Continue(())
    }
}

fn pinned(root: &Folder) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut waiting: Vec<(Vec<u8>, usize)> = vec![(Vec::new(), 0)];
    while let Some((path, depth)) = waiting.pop() {
        let Ok(folder) = root.folder(&path) else { continue };
        for name in folder.list().unwrap_or_default() {
            let inner = if path.is_empty() { name.clone() } else { [path.as_slice(), &name].join(&b'/') };
            if found.len() + waiting.len() >= MAX_PINNED {
                break;
            }
            if folder.is_folder(&name) {
                if depth < PINNED_DEPTH {
                    waiting.push((inner, depth + 1));
                }
            } else if depth > 0 || !name.ends_with(b".debug") {
                // The kernel puts `maps.debug` and `progs.debug` there itself.
                found.push([b"/sys/fs/bpf/", inner.as_slice()].concat());
            }
        }
    }
    found.sort_unstable();
    found
}
