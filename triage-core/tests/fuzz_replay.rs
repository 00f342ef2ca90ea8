//! Replays what the fuzz targets begin with, and a fixed row of mutations of it, on stable Rust: no input may make a reader panic, hang or
//! take memory without bounds. `fuzz/README.md` says how to look for new ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs
)]

#[path = "../../fuzz/bodies/lib.rs"]
#[allow(unreachable_pub, dead_code)]
mod bodies;

use bodies::{TARGETS, Target, seeds};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Private writable memory that all replays of one process may have together, in bytes. What asks for more is aborted.
const MEMORY: u64 = 3 << 29;
/// Processor time that all replays of one process may take together, in seconds. What hangs is killed.
const SECONDS: u64 = 600;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn confine() {
    for (resource, most) in [(Resource::Data, MEMORY), (Resource::Cpu, SECONDS)] {
        let maximum = getrlimit(resource).maximum;
        let most = maximum.map_or(most, |maximum| maximum.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum }).unwrap();
    }
}

/// xorshift64* (Marsaglia; Vigna): the same row on every machine.
struct Dice(u64);

impl Dice {
    fn new(text: &str) -> Self {
        let seed = text
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
        Self(seed | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % end.max(1)
    }
}

/// What breaks readers: ends of ranges in both byte orders, and characters that mean something to somebody.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\\\n",
    b"\"",
    b"'",
    b"{",
    b"}",
    b"[",
    b"(",
    b"<",
    b"%",
    b"$",
    b"../",
    b"*",
    b"**",
    b"\xFF\xFF\xFF\xFF",
    b"\0\0\0\0",
    b"\xFF\xFF\xFF\x7F",
    b"\x7F\xFF\xFF\xFF",
    b"\0\0\0\x80",
    b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
    b"18446744073709551616",
    b"-1",
    b"1e999",
    b"\xC3\x28",
    b"\xE2\x80\xAE",
    b"&a [*a,*a]",
    b"Include *\n",
    b"#include /etc/sudoers\n",
];

/// One mutation of a seed: bits, words, a cut, a splice with another seed, or a part many times.
fn mutated(seed: &[u8], other: &[u8], longest: usize, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed[..seed.len().min(longest)].to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        match dice.below(7) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            2 => bytes.truncate(at),
            3 => {
                let word = WORDS[dice.below(WORDS.len())];
                let end = (at + word.len() * dice.below(2)).min(bytes.len());
                bytes.splice(at..end, word.iter().copied());
            }
            4 => {
                let from = dice.below(other.len());
                let length = dice.below(other.len() - from.min(other.len()) + 1).min(4096);
                bytes.splice(at..at, other[from.min(other.len())..][..length].iter().copied());
            }
            5 => {
                let length = dice.below(64).min(bytes.len() - at);
                let part = bytes[at..at + length].repeat(1 + dice.below(200));
                bytes.splice(at..at, part);
            }
            _ => {
                let end = (at + 1 + dice.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
        bytes.truncate(longest);
    }
    bytes
}

fn replay(name: &str) {
    confine();
    let target = *TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = seeds::of(&project(), name);
    assert!(!seeds.is_empty(), "no seeds for `{name}`");
    attempt(target, b"", "nothing");
    let mut dice = Dice::new(name);
    for (number, seed) in seeds.iter().enumerate() {
        attempt(target, seed, &format!("seed {number}"));
    }
    for round in 0..target.rounds {
        let (number, other) = (round % seeds.len(), dice.below(seeds.len()));
        let input = mutated(&seeds[number], &seeds[other], target.longest, &mut dice);
        attempt(target, &input, &format!("round {round}, of seed {number}"));
    }
}

fn attempt(target: Target, input: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.body)(input))).is_err() {
        let at = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-replay-{}", target.name));
        fs::write(&at, input).unwrap();
        panic!("`{}` breaks on {what}, which is kept in `{}`", target.name, at.display());
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed_and_listed() {
            let replayed = BTreeSet::from([$(stringify!($name).to_owned()),*]);
            let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
            assert_eq!(replayed, targets);
            let names = |file: fs::DirEntry| file.path().file_stem().unwrap().to_str().unwrap().to_owned();
            let files = fs::read_dir(project().join("fuzz/fuzz_targets")).unwrap().map(|file| names(file.unwrap()));
            assert_eq!(files.collect::<BTreeSet<_>>(), targets);
            let manifest = fs::read_to_string(project().join("fuzz/Cargo.toml")).unwrap();
            for name in targets {
                assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
            }
        }
    };
}

replays! {
    records journal rpm sqlite login module_sig web_config sudoers ssh_config dpkg package asterisk_conf procfs redact log_window
    container archive collection archive_names container_image disk_image inside
    bundle bundle_index bundle_escape coverage run
    plan playbook definition advisories indicator yara_rule pattern key php
    access_log asterisk_log master_csv sigma mysqldump
}

#[test]
fn every_parser_with_a_golden_is_among_the_records() {
    let known: BTreeSet<&str> = seeds::folders().collect();
    for entry in fs::read_dir(project().join("testdata")).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(mut files) = fs::read_dir(&folder) else { continue };
        let has_golden = files.any(|file| {
            let name = file.unwrap().file_name().into_encoded_bytes();
            name.ends_with(b".in") || name.ends_with(b".in.gz")
        });
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(!has_golden || known.contains(name), "`{name}` is to be added to `PLACES` of `fuzz/bodies/parser.rs`");
    }
}

#[test]
fn containers_that_the_targets_build_are_believed() {
    bodies::built_containers_are_believed(&project());
}
