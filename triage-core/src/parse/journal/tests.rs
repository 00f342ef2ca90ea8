//! Journals made here object by object, damaged ones, and real ones of systemd's own writer where it is installed.

use super::*;
use crate::model::Digest;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

const HEADER: usize = 264;

/// How a field is stored.
#[derive(Clone, Copy, Debug)]
enum Packing {
    None = 0,
    Xz = 1,
    Lz4 = 2,
    Zstd = 4,
}

/// `MESSAGE=` and six hundred times `so it goes `, packed by xz without a check, as journald does it.
const LONG_IN_XZ: &str = "fd377a585a000000ff12d9410200210116000000742fe5a3e019cf00385d00269146c0d19457e49528327b77092029fe356c89a50dd0f991\
    d3442d417ea75a55ca6567bec440d91a9ac004c8eeb66d0c8adca4505ee2000000014cd033000000dc36a4d0a8000afc020000000000595a";

/// Writes a journal as journald does, without the hash tables, which are of no use to the reader.
struct Writer {
    out: Vec<u8>,
    is_compact: bool,
    entries: Vec<usize>,
    sequence: u64,
}

impl Writer {
    fn new(is_compact: bool) -> Self {
        let mut out = vec![0; HEADER];
        out[..8].copy_from_slice(b"LPKSHHRH");
        out[12] = if is_compact { 0x1f } else { 0xf };
        out[40..56].copy_from_slice(&[0xfe; 16]);
        out[88..96].copy_from_slice(&(HEADER as u64).to_le_bytes());
        Self { out, is_compact, entries: Vec::new(), sequence: 0 }
    }

    fn object(&mut self, kind: u8, flags: u8, body: &[u8]) -> usize {
        let at = self.out.len();
        self.out.extend([kind, flags, 0, 0, 0, 0, 0, 0]);
        self.out.extend((16 + body.len() as u64).to_le_bytes());
        self.out.extend(body);
        self.out.resize(self.out.len().next_multiple_of(8), 0);
        at
    }

    fn data(&mut self, payload: &[u8], packing: Packing) -> usize {
        let payload = match packing {
            Packing::None => payload.to_vec(),
            Packing::Xz => {
                assert_eq!(payload.len(), 8 + 600 * 11, "there is one fixture");
                LONG_IN_XZ
                    .as_bytes()
                    .chunks(2)
                    .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
                    .collect()
            }
            Packing::Lz4 => [&(payload.len() as u64).to_le_bytes()[..], &lz4_flex::block::compress(payload)].concat(),
            Packing::Zstd => zstd::bulk::compress(payload, 3).unwrap(),
        };
        let head = vec![0; if self.is_compact { 56 } else { 48 }];
        self.object(1, packing as u8, &[head, payload].concat())
    }

    fn items(&self, offsets: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        for &offset in offsets {
            if self.is_compact {
                out.extend(u32::try_from(offset).unwrap().to_le_bytes());
            } else {
                out.extend((offset as u64).to_le_bytes());
                out.extend([0; 8]);
            }
        }
        out
    }

    fn entry(&mut self, time: u64, offsets: &[usize]) -> usize {
        self.sequence += 1;
        let mut body = Vec::new();
        body.extend(self.sequence.to_le_bytes());
        body.extend(time.to_le_bytes());
        body.extend(7_u64.to_le_bytes());
        body.extend([0xb0; 16]);
        body.extend([0; 8]);
        body.extend(self.items(offsets));
        let at = self.object(3, 0, &body);
        self.entries.push(at);
        at
    }

    fn log(&mut self, time: u64, fields: &[&str], packing: Packing) -> usize {
        let offsets: Vec<_> = fields
            .iter()
            .map(|field| {
                let packing = if field.starts_with("MESSAGE=") { packing } else { Packing::None };
                self.data(field.as_bytes(), packing)
            })
            .collect();
        self.entry(time, &offsets)
    }

    /// The list of all entries in one part, and the header's counts.
    fn finish(mut self) -> Vec<u8> {
        let mut body = vec![0; 8];
        for &offset in &self.entries {
            if self.is_compact {
                body.extend(u32::try_from(offset).unwrap().to_le_bytes());
            } else {
                body.extend((offset as u64).to_le_bytes());
            }
        }
        let list = self.object(6, 0, &body);
        let arena = (self.out.len() - HEADER) as u64;
        self.out[96..104].copy_from_slice(&arena.to_le_bytes());
        self.out[152..160].copy_from_slice(&(self.entries.len() as u64).to_le_bytes());
        self.out[176..184].copy_from_slice(&(list as u64).to_le_bytes());
        self.out
    }
}

fn read(bytes: &[u8]) -> Outcome<Journal> {
    parse(&EvidencePath::new("/var/log/journal/m/system.journal").unwrap(), bytes, &Limits::default())
}

const TIME: u64 = 1_767_323_045_250_000;

fn small(is_compact: bool) -> Vec<u8> {
    let mut writer = Writer::new(is_compact);
    let login = [
        "SYSLOG_IDENTIFIER=sshd",
        "_PID=7",
        "_UID=0",
        "PRIORITY=6",
        "MESSAGE=Accepted password for root from 192.0.2.7",
    ];
    writer.log(TIME, &login, Packing::None);
    writer.log(TIME + 1_000_000, &["SYSLOG_IDENTIFIER=dbus-daemon", "MESSAGE=nothing of interest"], Packing::None);
    writer.log(
        TIME + 90_000_000,
        &["SYSLOG_IDENTIFIER=systemd", "UNIT=evil.service", "JOB_TYPE=start", "MESSAGE=Started evil."],
        Packing::None,
    );
    writer.finish()
}

#[test]
fn both_forms_and_every_packing_are_read() {
    let long = format!("MESSAGE={}", "so it goes ".repeat(600));
    for is_compact in [false, true] {
        for packing in [Packing::None, Packing::Xz, Packing::Lz4, Packing::Zstd] {
            let mut writer = Writer::new(is_compact);
            writer.log(TIME, &["SYSLOG_IDENTIFIER=sudo", "_COMM=sudo", &long], packing);
            let Outcome { value, gaps } = read(&writer.finish());
            assert_eq!(gaps, [], "{packing:?}");
            let entry = &value.entries[0];
            assert!(entry.is_cut && entry.message.as_bytes().len() == LONGEST, "{packing:?}");
            assert!(entry.message.as_bytes().starts_with(b"so it goes so it goes"), "{packing:?}");
            assert_eq!(entry.time.to_string(), "2026-01-02T03:04:05.25Z");
        }
    }
}

#[test]
fn what_a_file_covers_counts_also_what_is_no_record() {
    let Outcome { value, gaps } = read(&small(false));
    assert_eq!(gaps, []);
    let file = value.file.unwrap();
    assert_eq!((file.entries, file.entries_selected, file.boots, file.missing_sequence_numbers), (3, 2, 1, 0));
    let silence = file.silence.unwrap();
    assert_eq!((silence.from.seconds(), silence.to.seconds()), (1_767_323_046, 1_767_323_135));
    assert_eq!((file.first.unwrap().seconds(), file.last.unwrap().seconds()), (1_767_323_045, 1_767_323_135));
    assert_eq!(value.entries[1].unit.as_bytes(), b"evil.service");
}

#[test]
fn an_entry_that_a_lying_size_swallows_is_found_by_the_list() {
    let mut writer = Writer::new(false);
    let cover = writer.data(b"MESSAGE=x", Packing::None);
    writer.log(TIME, &["SYSLOG_IDENTIFIER=sshd", "MESSAGE=swallowed"], Packing::None);
    let end = writer.out.len();
    writer.log(TIME, &["SYSLOG_IDENTIFIER=sshd", "MESSAGE=seen"], Packing::None);
    let mut bytes = writer.finish();
    bytes[cover + 8..cover + 16].copy_from_slice(&((end - cover) as u64).to_le_bytes());
    let messages: Vec<_> = read(&bytes).value.entries.iter().map(|entry| entry.message.to_string()).collect();
    assert_eq!(messages, ["swallowed", "seen"]);
}

#[test]
fn a_list_that_goes_in_a_circle_ends() {
    let mut writer = Writer::new(false);
    let entry = writer.log(TIME, &["SYSLOG_IDENTIFIER=sshd", "MESSAGE=x"], Packing::None) as u64;
    let first = writer.out.len() as u64;
    // Two parts that name each other, and one that names itself.
    let second = writer.object(6, 0, &[(first + 32).to_le_bytes(), entry.to_le_bytes()].concat()) as u64;
    writer.object(6, 0, &[first.to_le_bytes(), entry.to_le_bytes()].concat());
    let mut bytes = writer.finish();
    for start in [first, second, first + 32] {
        bytes[176..184].copy_from_slice(&start.to_le_bytes());
        assert_eq!(read(&bytes).value.entries.len(), 1);
    }
}

#[test]
fn offsets_out_of_range_are_survived() {
    for offset in [1, 7, 8, 264, u64::MAX, u64::MAX - 7, 1 << 63, u64::from(u32::MAX)] {
        let mut bytes = small(false);
        bytes[176..184].copy_from_slice(&offset.to_le_bytes());
        assert_eq!(read(&bytes).value.entries.len(), 2);
        let mut writer = Writer::new(false);
        let name = writer.data(b"SYSLOG_IDENTIFIER=sshd", Packing::None);
        writer.entry(TIME, &[name, usize::try_from(offset).unwrap(), 0]);
        assert_eq!(read(&writer.finish()).value.entries.len(), 1);
    }
}

#[test]
fn entries_that_lie_over_one_another_run_out_of_budget() {
    // Each field of the list's one huge entry is the head of another entry, 8 bytes further.
    let mut writer = Writer::new(false);
    let mut offsets = Vec::new();
    let name = writer.data(b"SYSLOG_IDENTIFIER=sshd", Packing::None);
    for _ in 0..200 {
        offsets.push(writer.entry(TIME, &[name; 40]));
    }
    let nested: Vec<u8> = (0..3000)
        .flat_map(|_| {
            let mut head = vec![3, 0, 0, 0, 0, 0, 0, 0];
            head.extend(40_000_u64.to_le_bytes());
            head.extend((name as u64).to_le_bytes());
            head.extend([0; 8]);
            head
        })
        .collect();
    let start = writer.object(3, 0, &nested);
    writer.out.resize(writer.out.len() + 40_000, 0);
    writer.entries.extend((0..3000).map(|n| start + 16 + n * 32));
    let Outcome { gaps, .. } = read(&writer.finish());
    assert!(gaps.iter().any(|gap| gap.reason == GapReason::LimitReached), "{gaps:?}");
}

#[test]
fn a_bomb_in_a_field_is_unpacked_as_far_as_it_is_kept() {
    let bomb = zstd::bulk::compress(&[&b"MESSAGE="[..], &vec![b'a'; 256 << 20]].concat(), 19).unwrap();
    assert!(bomb.len() < 100_000);
    let mut writer = Writer::new(true);
    let name = writer.data(b"_COMM=su", Packing::None);
    let field = writer.object(1, 4, &[vec![0; 56], bomb].concat());
    for n in 0..300 {
        writer.entry(TIME + n, &[name, field]);
    }
    let entries = read(&writer.finish()).value.entries;
    assert_eq!(entries.len(), 300);
    assert!(entries.iter().all(|entry| entry.is_cut || entry.message.is_empty()));

    // A size that lz4 could never come to.
    let mut writer = Writer::new(true);
    let name = writer.data(b"_COMM=su", Packing::None);
    let field = writer.object(1, 2, &[vec![0; 56], vec![0xff; 7], vec![0; 30]].concat());
    writer.entry(TIME, &[name, field]);
    let Outcome { value, gaps } = read(&writer.finish());
    assert_eq!((value.entries.len(), gaps.len()), (1, 1));
}

#[test]
fn an_unclean_file_with_a_tail_of_zeros_has_no_gap() {
    let mut bytes = small(true);
    bytes[16] = 1;
    bytes.resize(bytes.len() + 100_000, 0);
    let Outcome { value, gaps } = read(&bytes);
    assert_eq!((gaps.len(), value.entries.len()), (0, 2));
    assert_eq!(value.file.unwrap().state, "online");
}

#[test]
fn garbage_in_the_middle_costs_what_it_overwrote_and_no_more() {
    let mut writer = Writer::new(false);
    for n in 0..50 {
        writer.log(TIME + n, &["SYSLOG_IDENTIFIER=sshd", "MESSAGE=x"], Packing::None);
    }
    let middle = writer.entries[25];
    let mut bytes = writer.finish();
    bytes[middle..middle + 40].fill(0xa5);
    let Outcome { value, gaps } = read(&bytes);
    assert_eq!(value.entries.len(), 49);
    assert_eq!(gaps.len(), 2, "{gaps:?}");
}

#[test]
fn every_cut_is_survived_and_loses_only_what_is_behind_it() {
    for is_compact in [false, true] {
        let bytes = small(is_compact);
        let mut before = 0;
        for end in 0..bytes.len() {
            let Outcome { value, gaps } = read(&bytes[..end]);
            assert!(value.entries.len() >= before);
            assert!(end == 0 || !gaps.is_empty(), "{end}");
            before = value.entries.len();
        }
        assert_eq!(before, 2);
    }
}

#[test]
fn a_clock_that_was_set_back_and_missing_numbers_are_counted() {
    let mut writer = Writer::new(false);
    writer.log(TIME, &["_COMM=su"], Packing::None);
    writer.sequence += 5;
    writer.log(TIME - 1, &["_COMM=su"], Packing::None);
    let file = read(&writer.finish()).value.file.unwrap();
    assert_eq!((file.backward_steps, file.missing_sequence_numbers), (1, 5));
}

proptest! {
    #[test]
    fn flipped_bytes_are_survived(is_compact: bool, flips in prop::collection::vec((0_usize..4096, any::<u8>()), 1..20)) {
        let mut bytes = small(is_compact);
        let length = bytes.len();
        for (at, byte) in flips {
            bytes[at % length] ^= byte;
        }
        let limits = Limits { max_records: 2, ..Limits::default() };
        let outcome = parse(&EvidencePath::root(), &bytes, &limits);
        prop_assert!(outcome.value.entries.len() <= 2);
    }
}

const REMOTE: &str = "/lib/systemd/systemd-journal-remote";

/// Entries in the export format (<https://systemd.io/JOURNAL_EXPORT_FORMATS/>).
fn export() -> Vec<u8> {
    let programs = ["sshd", "CRON", "dbus-daemon", "sudo", "asterisk", "systemd", "kernel", "NetworkManager"];
    let mut out = Vec::new();
    for n in 0..3000_usize {
        let program = programs[n % programs.len()];
        let time = TIME + n as u64 * 1_333_333;
        // Words that no packer can make much of, so that messages have every length up to some kilobytes.
        let noise: String =
            (0..n % 61).map(|part| Digest::of(&[n.to_le_bytes(), part.to_le_bytes()].concat()).to_string()).collect();
        let boot = if n < 2000 { "0123456789abcdef0123456789abcdef" } else { "00000000000000000000000000000b02" };
        out.extend(format!(
            "__REALTIME_TIMESTAMP={time}\n__MONOTONIC_TIMESTAMP={n}\n_BOOT_ID={boot}\n_MACHINE_ID=fedcba9876543210fedcba9876543210\n\
             _HOSTNAME=pbx\nSYSLOG_IDENTIFIER={program}\n_COMM={program}\n_PID={n}\n_UID={}\nPRIORITY={}\nJOB_TYPE=start\nUNIT=u{}.service\n\
             MESSAGE=module {n} {noise}\n\n",
            n % 3 * 500, n % 8, n % 17,
        ).into_bytes());
    }
    out
}

/// systemd's own writer and reader against this one, for every form that the writer knows.
#[test]
fn real_journals_are_read_as_journalctl_reads_them() {
    if !std::path::Path::new(REMOTE).exists() {
        eprintln!("skipped: {REMOTE} is not installed (Debian: systemd-journal-remote)");
        return;
    }
    for settings in [
        [("SYSTEMD_JOURNAL_COMPACT", "1"), ("SYSTEMD_JOURNAL_KEYED_HASH", "1")],
        [("SYSTEMD_JOURNAL_COMPACT", "0"), ("SYSTEMD_JOURNAL_KEYED_HASH", "0")],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.journal");
        let mut child = Command::new(REMOTE)
            .arg("-o")
            .arg(&file)
            .arg("-")
            .envs(settings)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&export()).unwrap();
        assert!(child.wait().unwrap().success());
        let bytes = std::fs::read(&file).unwrap();
        let Outcome { value, gaps } = read(&bytes);
        assert_eq!(gaps, []);
        let cover = value.file.unwrap();
        assert_eq!((cover.entries, cover.entries_stated, cover.boots), (3000, 3000, 2));

        let shown = Command::new("journalctl").arg("--file").arg(&file).args(["-o", "json", "--all"]).output().unwrap();
        let mut expected = BTreeMap::new();
        for line in String::from_utf8(shown.stdout).unwrap().lines() {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            expected.insert(entry["__REALTIME_TIMESTAMP"].as_str().unwrap().parse::<u64>().unwrap(), entry);
        }
        assert_eq!(expected.len(), 3000);
        // Of eight programs two are of no interest.
        assert_eq!(value.entries.len(), 3000 / 8 * 6);
        for entry in &value.entries {
            let time = entry.time.seconds().cast_unsigned() * 1_000_000 + u64::from(entry.time.nanoseconds()) / 1000;
            let other = &expected[&time];
            assert_eq!(other["SYSLOG_IDENTIFIER"], entry.identifier.to_string());
            assert_eq!(other["_PID"], entry.pid.unwrap().to_string());
            assert_eq!(other["_UID"], entry.uid.unwrap().to_string());
            assert_eq!(other["PRIORITY"], entry.priority.unwrap().to_string());
            assert_eq!(other["UNIT"], entry.unit.to_string());
            assert_eq!(other["_BOOT_ID"], entry.boot_id);
            assert_eq!(other["MESSAGE"], entry.message.to_string());
        }
        // Cut as by a full disk: what stands before the cut is there, and the cut is told.
        let Outcome { value: cut, gaps } = read(&bytes[..bytes.len() / 2]);
        assert!(!gaps.is_empty() && cut.entries.len() <= value.entries.len());
    }
}
