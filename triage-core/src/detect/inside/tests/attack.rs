//! Bombs and traps: each ends within its budget, and is told.

use super::super::{Limits, archive_members};
use super::make::{self, How};
use crate::model::{EvidencePath, Gap, GapReason};

/// Limits that a test reaches soon.
fn limits() -> Limits {
    Limits { max_total: 16 << 20, ratio_free: 4 << 20, max_members: 1000, ..Limits::default() }
}

/// What was found in a content: names and sizes, all bytes together, and gaps.
fn members_of(content: &[u8], limits: &Limits) -> (Vec<(String, Option<usize>)>, Vec<Gap>) {
    let mut found = Vec::new();
    let path = EvidencePath::new("/tmp/x").unwrap();
    let gaps = archive_members(content, &path, limits, &mut |member, content| {
        found.push((String::from_utf8_lossy(&member.name).into_owned(), content.map(<[u8]>::len)));
    });
    (found, gaps)
}

fn reasons(gaps: &[Gap]) -> Vec<GapReason> {
    gaps.iter().map(|gap| gap.reason).collect()
}

#[test]
fn gzip_bomb_of_zeros_ends_by_its_ratio() {
    let bomb = make::gz(&vec![0; 64 << 20]);
    let (_, gaps) = members_of(&bomb, &Limits { max_total: 1 << 40, ..limits() });
    assert_eq!(reasons(&gaps), [GapReason::LimitReached]);
    assert!(
        gaps[0].detail.contains("50 times its size") && gaps[0].detail.contains("triage scan"),
        "{}",
        gaps[0].detail
    );
}

#[test]
fn gzip_in_gzip_in_gzip_does_not_multiply() {
    let bomb = make::gz(&make::gz(&make::gz(&vec![0; 64 << 20])));
    let (_, gaps) = members_of(&bomb, &limits());
    assert_eq!(reasons(&gaps), [GapReason::LimitReached]);
}

#[test]
fn forty_two_zip_ends_by_its_total() {
    let layer = |inner: &[u8]| {
        let names: Vec<String> = (0..16).map(|number| format!("lib {number}.zip")).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), How::Deflated, inner)).collect();
        make::zip(&files)
    };
    let bottom = make::zip(&[("0.dll", How::Deflated, &vec![0xaa; 8 << 20])]);
    let bomb = layer(&layer(&layer(&bottom)));
    let (found, gaps) = members_of(&bomb, &limits());
    assert!(found.len() < 100, "{}", found.len());
    assert!(reasons(&gaps).contains(&GapReason::LimitReached), "{gaps:?}");
}

#[test]
fn zip_that_contains_itself_ends_at_the_depth() {
    // Each header says that all behind it is its content, and one entry leads to the first header of whatever there is.
    let name = b"r.zip";
    let one = make::local(name, How::Stored, 0, 0).len();
    let directory = make::central(name, How::Stored, 0, 0, 0).len();
    let depths = 12;
    let rest = |number: usize| (depths - number - 1) * one + directory + 22;
    let mut zip = Vec::new();
    for number in 0..depths {
        zip.extend(make::local(name, How::Stored, rest(number), rest(number)));
    }
    let at = zip.len();
    zip.extend(make::central(name, How::Stored, rest(0), rest(0), 0));
    zip.extend(make::end(1, directory, at));
    let (found, gaps) = members_of(&zip, &limits());
    assert_eq!(found.len(), 4);
    assert_eq!(found[3].0, "r.zip!/r.zip!/r.zip!/r.zip");
    assert_eq!(reasons(&gaps), [GapReason::LimitReached]);
    assert!(gaps[0].detail.contains("more than 4 archives inside each other"), "{}", gaps[0].detail);
}

#[test]
fn overlapping_entries_of_a_zip_are_told_and_end() {
    // As David Fifield's bombs: many entries, one kernel of compressed zeros.
    let kernel = make::deflate(&vec![0; 4 << 20]);
    let mut zip = make::local(b"kernel", How::Deflated, kernel.len(), 4 << 20);
    zip.extend(&kernel);
    let at = zip.len();
    let mut directory = Vec::new();
    for number in 0..500 {
        directory.extend(make::central(format!("f{number}").as_bytes(), How::Deflated, kernel.len(), 4 << 20, 0));
    }
    zip.extend(&directory);
    zip.extend(make::end(500, directory.len(), at));
    let (found, gaps) = members_of(&zip, &Limits { max_total: 1 << 40, max_ratio: 1 << 40, ..Limits::default() });
    assert!(found.len() < 12, "{}", found.len());
    assert!(gaps.iter().any(|gap| gap.detail.contains("share their bytes")), "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap.reason == GapReason::LimitReached));
}

#[test]
fn tar_with_a_million_members_ends_by_their_number() {
    let header = make::tar_header(b"x", tar::EntryType::Regular, 0);
    let tar = make::gz(&header.as_bytes().repeat(50_000));
    let (found, gaps) = members_of(&tar, &limits());
    assert_eq!(found.len(), 1000);
    assert_eq!(reasons(&gaps), [GapReason::LimitReached]);
    assert!(gaps[0].detail.contains("more than 1000 members"));
}

#[test]
fn members_that_are_slow_to_judge_end_by_time() {
    let tar = make::tar(&[("a", b"x"), ("b", b"y")]);
    let (found, gaps) = members_of(&tar, &Limits { max_time: std::time::Duration::ZERO, ..limits() });
    assert!(found.is_empty());
    assert_eq!(reasons(&gaps), [GapReason::LimitReached]);
}

#[test]
fn folders_and_links_count_as_members() {
    for kind in [tar::EntryType::Directory, tar::EntryType::Symlink, tar::EntryType::Fifo] {
        let tar = make::tar_header(b"x", kind, 0).as_bytes().repeat(2000);
        assert_eq!(reasons(&members_of(&tar, &limits()).1), [GapReason::LimitReached], "{kind:?}");
    }
}

#[test]
fn tar_header_without_an_end_is_not_kept_in_memory() {
    let mut tar = make::tar_header(b"././@LongLink", tar::EntryType::GNULongName, 8 << 20).as_bytes().to_vec();
    tar.extend(vec![b'a'; 8 << 20]);
    let (found, gaps) = members_of(&tar, &limits());
    assert!(found.is_empty());
    assert_eq!(reasons(&gaps), [GapReason::Unreadable]);
    assert!(gaps[0].detail.contains("headers"), "{}", gaps[0].detail);
}

#[test]
fn hole_in_a_sparse_file_costs_what_bytes_cost() {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..1].copy_from_slice(b"x");
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.realsize.copy_from_slice(b"77777777777\0");
    gnu.sparse[0].offset.copy_from_slice(b"77777777777\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.extend([0; 1024]);
    let (_, gaps) = members_of(&tar, &limits());
    assert_eq!(reasons(&gaps), [GapReason::LimitReached], "{gaps:?}");
}

#[test]
fn member_larger_than_memory_is_seen_in_parts_and_never_held() {
    let noise: Vec<u8> = (0..9_u32 << 18).flat_map(|at| at.wrapping_mul(0x9E37_79B1).to_le_bytes()).collect();
    let limits = Limits { max_member: 1 << 20, max_total: 1 << 30, ..Limits::default() };
    let (found, gaps) = members_of(&make::gz(&make::tar(&[("big", &noise), ("small", b"x")])), &limits);
    assert_eq!(found, [("big".to_owned(), None), ("small".to_owned(), Some(1))]);
    assert!(gaps.is_empty(), "{gaps:?}");
}

#[test]
fn zip_in_an_archive_that_is_larger_than_memory_is_read_as_it_passes() {
    let noise: Vec<u8> = (0..1_u32 << 19).flat_map(|at| at.wrapping_mul(0x9E37_79B1).to_le_bytes()).collect();
    let inner = make::zip(&[("noise", How::Stored, &noise), ("x.php", How::Deflated, make::SHELL)]);
    let limits = Limits { max_member: 1 << 20, ..Limits::default() };
    let (found, gaps) = members_of(&make::gz(&make::tar(&[("a.zip", &inner)])), &limits);
    assert_eq!(found[0], ("a.zip!/noise".to_owned(), None));
    assert_eq!(found[1], ("a.zip!/x.php".to_owned(), Some(make::SHELL.len())));
    assert!(gaps.is_empty(), "{gaps:?}");
}

#[test]
fn zip64_is_read_and_a_thousand_ends_are_not_looked_for_twice() {
    let mut zip = make::local(b"x.php", How::Stored, make::SHELL.len(), make::SHELL.len());
    zip.extend(make::SHELL);
    let at = zip.len() as u64;
    let entry = make::central(b"x.php", How::Stored, make::SHELL.len(), make::SHELL.len(), 0);
    zip.extend(&entry);
    let large_at = zip.len() as u64;
    zip.extend(b"PK\x06\x06");
    zip.extend(44_u64.to_le_bytes());
    zip.extend([0; 12]);
    for number in [1, 1, entry.len() as u64, at] {
        zip.extend(number.to_le_bytes());
    }
    zip.extend(b"PK\x06\x07\0\0\0\0");
    zip.extend(large_at.to_le_bytes());
    zip.extend([1, 0, 0, 0]);
    zip.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    let (found, gaps) = members_of(&zip, &limits());
    assert_eq!(found, [("x.php".to_owned(), Some(make::SHELL.len()))]);
    assert!(gaps.is_empty(), "{gaps:?}");
    let ends = b"PK\x06\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0";
    let many = [vec![b'x'; 8 << 20], ends.repeat(1500)].concat();
    assert!(members_of(&many, &limits()).0.is_empty());
}

#[test]
fn encrypted_member_is_a_gap_that_says_so() {
    let zip = make::zip(&[("secret.php", How::Encrypted, b"????????"), ("open.txt", How::Stored, b"open")]);
    let (found, gaps) = members_of(&zip, &limits());
    assert_eq!(found, [("open.txt".to_owned(), Some(4))]);
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].detail, "encrypted, and not looked into: secret.php");
}

#[test]
fn packing_that_is_not_read_is_a_gap() {
    let zip = make::zip(&[("a", How::Method(12), b"BZh9"), ("b", How::Method(12), b"BZh9")]);
    let (_, gaps) = members_of(&zip, &limits());
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].detail, "packed with bzip2 in zip, and not looked into: a, b");
    for head in [&b"BZh91AY&SY...."[..], b"Rar!\x1a\x07\x01\0", b"7z\xbc\xaf\x27\x1c\0\x04"] {
        assert_eq!(reasons(&members_of(head, &limits()).1), [GapReason::Unsupported]);
    }
}

#[test]
fn what_stands_before_a_cut_is_seen() {
    let noise: Vec<u8> = (0..1_u32 << 16).flat_map(|at| at.wrapping_mul(0x9E37_79B1).to_le_bytes()).collect();
    let tar = make::tar(&[("first.php", make::SHELL), ("noise", &noise)]);
    let zip = make::zip(&[("first.php", How::Deflated, make::SHELL), ("noise", How::Stored, &noise)]);
    for cut in [make::gz(&tar), tar, zip] {
        let (found, gaps) = members_of(&cut[..cut.len() / 2], &limits());
        assert_eq!(found[0], ("first.php".to_owned(), Some(make::SHELL.len())));
        assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap.reason == GapReason::Unreadable), "{gaps:?}");
    }
}

#[test]
fn what_only_looks_packed_gives_no_gap() {
    let noise: Vec<u8> = (0..4096_u32).flat_map(|at| at.wrapping_mul(0x9E37_79B1).to_le_bytes()).collect();
    let with = |head: &[u8]| [head, &noise].concat();
    for content in [
        with(b"\x1f\x8b\x08\0"),
        with(b"\x28\xb5\x2f\xfd"),
        with(b"\xfd7zXZ\0"),
        vec![0; 4096],
        with(b"PK\x05\x06"),
        b"<?php __HALT_COMPILER(); GBMB".to_vec(),
        b"PK\x03\x04".to_vec(),
        Vec::new(),
    ] {
        let (found, _) = members_of(&content, &limits());
        assert!(found.is_empty(), "{found:?}");
    }
    for content in [with(b"\x1f\x8b\x08\xe0"), vec![0; 4096], b"<?php __HALT_COMPILER(); GBMB".to_vec()] {
        assert!(members_of(&content, &limits()).1.is_empty());
    }
}

#[test]
fn name_in_an_error_cannot_forge_a_line_and_many_errors_make_few_gaps() {
    let broken = |number: usize| {
        let mut header = make::tar_header(format!("a\x1b[2J\n{number}").as_bytes(), tar::EntryType::Regular, 1);
        header.as_old_mut().size.copy_from_slice(b"not octal!!!");
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let tars: Vec<(String, Vec<u8>)> = (0..100).map(|number| (format!("{number}.tar"), broken(number))).collect();
    let files: Vec<_> = tars.iter().map(|(name, tar)| (name.as_str(), How::Stored, tar.as_slice())).collect();
    let (_, gaps) = members_of(&make::zip(&files), &limits());
    assert!(!gaps.is_empty() && gaps.len() <= 25, "{}", gaps.len());
    assert!(gaps.iter().all(|gap| !gap.detail.contains(['\x1b', '\n'])), "{gaps:?}");
}

#[test]
fn phar_whose_list_lies_ends() {
    let mut phar = make::phar(b"<?php exit;", b"", &[("a.php", 0, make::SHELL)]);
    let at = phar.windows(2).rposition(|pair| pair == b"\r\n").unwrap() + 2;
    for wrong in [[0xff; 4], [0, 0, 0, 0x7f]] {
        phar[at + 4..at + 8].copy_from_slice(&wrong);
        members_of(&phar, &limits());
        phar[at..at + 4].copy_from_slice(&wrong);
        members_of(&phar, &limits());
    }
}

#[test]
fn names_cannot_leave_the_root_or_forge_a_line() {
    let zip = make::zip(&[("../../etc/cron.d/x\nok: clean", How::Stored, b"x"), ("", How::Stored, b"y")]);
    let mut paths = Vec::new();
    let path = EvidencePath::new("/tmp/x").unwrap();
    archive_members(&zip, &path, &limits(), &mut |member, _| paths.push(member.path.to_string()));
    assert_eq!(paths, ["/etc/cron.d/x\\nok: clean", "/"]);
}
