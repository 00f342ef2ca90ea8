//! Databases made by rpm and by Berkeley DB themselves, and damaged ones. The golden files are of the same package.

use super::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn read(bytes: &[u8]) -> Outcome<Vec<Installed>> {
    parse(&EvidencePath::new("/var/lib/rpm/Packages").unwrap(), bytes, &Limits::default())
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/rpm")).join(name)).unwrap()
}

fn bdb() -> Vec<u8> {
    fixture("berkeley_db_with_overflow_pages.in")
}

/// The same package, whatever holds it.
fn package(mut installed: Installed) -> Installed {
    installed.package.path = EvidencePath::root();
    installed
}

#[test]
fn all_three_kinds_give_the_same_package() {
    let packed = fixture("sqlite_of_rpm_4_18.in.gz");
    let (sqlite, _) = crate::parse::unpack::unpack(&packed);
    let all: Vec<_> = [sqlite.to_vec(), fixture("ndb.in"), bdb()]
        .iter()
        .map(|bytes| {
            let outcome = read(bytes);
            assert_eq!(outcome.value.len(), 1, "{:?}", outcome.gaps);
            package(outcome.value.into_iter().next().unwrap())
        })
        .collect();
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    let tiny = &all[0];
    assert_eq!(tiny.package.version.as_bytes(), b"3:1.2-4");
    let program = tiny.files.iter().find(|file| file.path.as_bytes() == b"/usr/bin/tiny").unwrap();
    assert_eq!((program.mode().bits(), program.is_file()), (0o4755, true));
    assert_eq!(program.sha256(), Some(crate::model::Digest::of(b"#!/bin/sh\n")));
    let flags = |path: &str| tiny.files.iter().find(|file| file.path.as_bytes() == path.as_bytes()).unwrap().flags;
    assert!(flags("/etc/tiny/tiny.conf").is_config());
    assert!(flags("/var/log/tiny.log").is_ghost());
    assert!(flags("/usr/share/doc/tiny/README").is_doc());
}

/// Pages of 512 bytes: meta, then buckets, then the chain of the one value.
fn first_overflow(bytes: &[u8]) -> usize {
    bytes.chunks(512).position(|page| page[25] == 7).unwrap()
}

#[test]
fn an_overflow_chain_that_goes_in_a_circle_ends() {
    let mut bytes = bdb();
    let page = first_overflow(&bytes);
    let next = u32::try_from(page).unwrap();
    bytes[page * 512 + 16..page * 512 + 20].copy_from_slice(&next.to_le_bytes());
    let outcome = read(&bytes);
    assert_eq!(outcome.value, []);
    assert!(outcome.gaps.iter().any(|gap| gap.detail.contains("circle")), "{:?}", outcome.gaps);
}

#[test]
fn a_value_longer_than_the_database_takes_no_memory() {
    let mut bytes = bdb();
    // The item: kind 3, three bytes, the first page, the length.
    let item = bytes.windows(8).position(|item| item[0] == 3 && item[4] as usize == first_overflow(&bytes)).unwrap();
    bytes[item + 8..item + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(read(&bytes).gaps.iter().any(|gap| gap.detail.contains("longer than the database")));
}

#[test]
fn slots_that_all_name_one_blob_are_no_bomb() {
    let mut bytes = fixture("ndb.in");
    let slot = bytes[32..48].to_vec();
    for place in bytes[..4096].chunks_exact_mut(16).skip(2) {
        place.copy_from_slice(&slot);
    }
    let outcome = read(&bytes);
    assert!(outcome.value.len() <= 2);
    assert!(outcome.gaps.iter().any(|gap| gap.detail.contains("over one another")), "{:?}", outcome.gaps);
}

#[test]
fn a_header_that_counts_more_than_it_has_is_refused() {
    for (at, value) in [(0, u32::MAX), (4, u32::MAX), (0, 0x00ff_ffff)] {
        let mut blob = vec![0; 64];
        blob[3] = 1;
        blob[7] = 16;
        blob[at..at + 4].copy_from_slice(&value.to_be_bytes());
        assert!(header::Header::read(&blob).is_none());
    }
}

#[test]
fn a_list_of_four_thousand_million_names_is_bounded_by_its_store() {
    let mut blob = vec![0, 0, 0, 2, 0, 0, 0, 8];
    for (tag, kind, offset, count) in [(1000_u32, 6_u32, 0_u32, 1_u32), (1117, 8, 2, u32::MAX)] {
        blob.extend([tag, kind, offset, count].iter().flat_map(|number| number.to_be_bytes()));
    }
    blob.extend(b"a\0b\0c\0d\0");
    let header = header::Header::read(&blob).unwrap();
    assert!(header.has_bad_files);
    assert!(header.files(usize::MAX).len() < 8);
}

struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    fn rpm(&self, arguments: &[&str]) -> String {
        let output = Command::new("rpm")
            .args(["--root".as_ref(), self.folder.path().as_os_str()])
            .args(["--dbpath", "/var/lib/rpm"])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

const SPEC: &str = "Name: some\nVersion: 2\nRelease: 1\nSummary: x\nLicense: none\nBuildArch: noarch\n%description\nx\n%install\n\
    mkdir -p %{buildroot}/usr/share/some\nfor n in $(seq 300); do echo $n > %{buildroot}/usr/share/some/file-$n; done\n\
    echo a > '%{buildroot}/usr/share/some/with blank'\n%files\n/usr/share/some\n";

/// A package built, installed and shown by rpm itself, and the same header in a database made by Berkeley DB itself.
#[test]
fn databases_of_rpm_and_of_berkeley_db_are_read_as_rpm_reads_them() {
    let exists = |name: &str| Path::new("/usr/bin").join(name).exists();
    if !exists("rpm") || !exists("rpmbuild") || !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root, rpm and rpmbuild (Debian: rpm)");
        return;
    }
    let host = Host { folder: tempfile::tempdir().unwrap() };
    fs::write(host.path("some.spec"), SPEC).unwrap();
    let top = format!("_topdir {}", host.path("build").display());
    let built = Command::new("rpmbuild").args(["-bb", "--define", &top]).arg(host.path("some.spec")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    host.rpm(&["--initdb"]);
    // rpm changes its root before it opens the package.
    host.rpm(&["-i", "--nodeps", "--noscripts", host.path("build/RPMS/noarch/some-2-1.noarch.rpm").to_str().unwrap()]);
    let dump = host.rpm(&["-q", "--dump", "some"]);
    assert!(dump.lines().count() > 300, "{dump}");

    let bytes = fs::read(host.path("var/lib/rpm/rpmdb.sqlite")).unwrap();
    let sqlite = read(&bytes);
    assert_eq!(sqlite.value.len(), 1, "{:?}", sqlite.gaps);
    let shown: String = sqlite.value[0].files.iter().map(line).collect();
    assert_eq!(shown, dump);

    if !exists("db5.3_load") {
        eprintln!("skipped in part: db5.3_load is not installed (Debian: db5.3-util)");
        return;
    }
    let blob: String = rusqlite::Connection::open(host.path("var/lib/rpm/rpmdb.sqlite"))
        .unwrap()
        .query_row("SELECT hex(blob) FROM Packages", [], |row| row.get(0))
        .unwrap();
    // Fifty packages, so that there are several buckets.
    let pairs: Vec<String> = (1..50).map(|n| format!(" {n:02x}000000\n {}\n", blob.to_lowercase())).collect();
    let pairs = pairs.concat();
    for page_size in [512, 4096, 65536] {
        let text = format!(
            "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize={page_size}\nHEADER=END\n 00000000\n 32000000\n{pairs}DATA=END\n"
        );
        fs::write(host.path("dump"), text).unwrap();
        let database = host.path(&format!("Packages-{page_size}"));
        assert!(Command::new("db5.3_load").arg("-f").arg(host.path("dump")).arg(&database).status().unwrap().success());
        let outcome = read(&fs::read(database).unwrap());
        assert_eq!((outcome.value.len(), outcome.gaps.len()), (49, 0), "{page_size}");
        for installed in outcome.value {
            assert_eq!(installed, sqlite.value[0], "{page_size}");
        }
    }
}

/// A line of `rpm --dump`: path, size, time, digest, mode, owner, group, is configuration, is documentation, device, link.
fn line(file: &PackagedFile) -> String {
    let digest = if file.digest.is_empty() { "0".repeat(64) } else { file.digest.clone() };
    let link = if file.link_target.is_empty() { "X".to_owned() } else { file.link_target.to_string() };
    format!(
        "{} {} {} {digest} 0{:o} {} {} {} {} 0 {link}\n",
        file.path,
        // What rpm says of the size of a folder is that of the file system it was built on; it shows none.
        if file.is_file() { file.size_bytes } else { 0 },
        file.mtime,
        file.st_mode,
        file.user,
        file.group,
        u8::from(file.flags.is_config()),
        u8::from(file.flags.is_doc()),
    )
}
