#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]
use super::*;
use crate::source::{FollowingSource, read_resolved};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

const ROOT_UUID: &str = "11111111-2222-3333-4444-555555555555";
const VAR_UUID: &str = "66666666-7777-8888-9999-aaaaaaaaaaaa";

/// An ext4 file system with the content of a folder, made without mounting; none where the tool is missing.
fn ext4(dir: &TempDir, name: &str, uuid: &str, options: &[&str], fill: impl FnOnce(&Path)) -> Option<PathBuf> {
    let tree = dir.path().join(format!("{name}.d"));
    fs::create_dir(&tree).unwrap();
    fill(&tree);
    let image = dir.path().join(name);
    fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-F", "-b", "1024", "-L", name, "-U", uuid, "-d"])
        .arg(&tree)
        .args(options)
        .arg(&image)
        .output();
    match made {
        Ok(output) if output.status.success() => Some(image),
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => {
            println!("skipped: there is no mkfs.ext4 on this machine");
            None
        }
    }
}

fn put(root: &Path, path: impl AsRef<Path>, content: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn host(root: &Path) {
    put(root, "etc/passwd", b"root:x:0:0::/root:/bin/bash\n");
    put(
        root,
        "etc/fstab",
        format!("UUID={ROOT_UUID} / ext4 defaults 0 1\nUUID={VAR_UUID} /var ext4 defaults 0 2\nproc /proc proc\n")
            .as_bytes(),
    );
    put(root, "etc/shadow", b"root:*:1:0:::::\n");
    fs::set_permissions(root.join("etc/shadow"), fs::Permissions::from_mode(0o640)).unwrap();
    put(root, "opt/site/index.php", b"<?php exit;");
    put(root, "opt/big", &(0..300_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    put(root, Path::new(OsStr::from_bytes(b"opt/new\nline\xff")), b"x");
    symlink("/opt/site", root.join("opt/link")).unwrap();
    symlink("../../../../etc/passwd", root.join("opt/up")).unwrap();
    fs::hard_link(root.join("etc/passwd"), root.join("etc/passwd-")).unwrap();
    fs::create_dir_all(root.join("var")).unwrap();
}

fn seen(image: &dyn Source) -> (BTreeMap<String, String>, Vec<Gap>) {
    let (mut seen, mut gaps) = (BTreeMap::new(), Vec::new());
    image
        .walk(&Selection::everything(), &mut |item| {
            match item {
                Item::Entry(entry) => {
                    let mut bytes = Vec::new();
                    if let Some(open) = entry.content {
                        let read = open().map_err(|error| error.to_string()).and_then(|opened| {
                            opened.reader.take(1 << 24).read_to_end(&mut bytes).map_err(|error| error.to_string())
                        });
                        if let Err(error) = read {
                            bytes = error.into_bytes();
                        }
                    }
                    let text =
                        format!("{} {} {}", entry.meta.kind.as_str(), entry.meta.mode, Digest::of(&bytes).short());
                    seen.insert(entry.path.to_string(), text);
                }
                Item::Gap(gap) => gaps.push(gap),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    (seen, gaps)
}

fn at(path: &str) -> EvidencePath {
    EvidencePath::new(path).unwrap()
}

#[test]
fn a_raw_file_system_gives_names_content_modes_times_and_links() {
    let dir = TempDir::new().unwrap();
    let Some(path) = ext4(&dir, "root", ROOT_UUID, &[], host) else { return };
    assert!(is_disk_image(&path).unwrap());
    let image = DiskImage::open(&path, None).unwrap();
    let (found, gaps) = seen(&image);
    let big: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    assert_eq!(found["/opt/big"], format!("file 0644 {}", Digest::of(&big).short()));
    assert!(found["/etc/shadow"].starts_with("file 0640"), "{found:?}");
    assert!(found.contains_key("/opt/new\\nline\\xff"), "{found:?}");
    assert_eq!(found["/etc/passwd-"], found["/etc/passwd"]);
    // The table names a second file system, which is not in the image.
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].path, at("/var"));
    let meta = image.metadata(&at("/opt/link")).unwrap().unwrap();
    assert_eq!(meta.link_target.unwrap().as_bytes(), b"/opt/site");
    let meta = image.metadata(&at("/etc/passwd")).unwrap().unwrap();
    assert!(meta.mtime.unwrap().seconds() > 1_600_000_000);
    // From the inode table; held against what the kernel says of the tree that the image was made of.
    assert_eq!((meta.links, meta.inode_flags.map(|flags| flags & 0x30)), (Some(2), Some(0)));
    assert!(meta.inode.is_some_and(|inode| inode > 10) && meta.ctime.is_some());
    assert_eq!(image.metadata(&at("/etc/passwd-")).unwrap().unwrap().inode, meta.inode);
    let tree = fs::metadata(dir.path().join("root.d/etc/shadow")).unwrap();
    let shadow = image.metadata(&at("/etc/shadow")).unwrap().unwrap();
    assert_eq!((shadow.uid, shadow.mtime.unwrap().seconds(), shadow.links), (tree.uid(), tree.mtime(), Some(1)));
    assert!(image.open(&at("/opt")).unwrap().is_none());
    assert!(image.open(&at("/etc/none")).unwrap().is_none());
    assert!(image.notes()[0].contains(ROOT_UUID), "{:?}", image.notes());
    assert_eq!(image.sha256().unwrap(), Digest::of(&fs::read(&path).unwrap()));
}

#[test]
fn extended_attributes_and_flags_are_read_from_the_inode_table() {
    let dir = TempDir::new().unwrap();
    let long = "v".repeat(700);
    let mut is_set = false;
    let fill = |root: &Path| {
        host(root);
        let set = |path: &str, name: &str, value: &str| {
            let file = fs::File::open(root.join(path)).unwrap();
            rustix::fs::fsetxattr(file, name, value.as_bytes(), rustix::fs::XattrFlags::empty()).is_ok()
        };
        is_set = set("etc/passwd", "user.short", "seen") && set("opt/big", "user.long", &long);
    };
    let Some(path) = ext4(&dir, "root", ROOT_UUID, &["-I", "256"], fill) else { return };
    let pinned =
        Command::new("debugfs").args(["-w", "-R", "set_inode_field /etc/shadow flags 0x80010"]).arg(&path).output();
    let image = DiskImage::open(&path, None).unwrap();
    let meta = |path: &str| image.metadata(&at(path)).unwrap().unwrap();
    if pinned.is_ok_and(|output| output.status.success()) {
        assert!(meta("/etc/shadow").is_pinned(), "{:?}", meta("/etc/shadow"));
    } else {
        println!("skipped: there is no debugfs on this machine");
    }
    assert!(!meta("/etc/passwd").is_pinned());
    if !is_set {
        println!("skipped: the temporary folder takes no extended attributes");
        return;
    }
    assert_eq!(meta("/etc/passwd").xattrs["user.short"].as_bytes(), b"seen");
    assert_eq!(meta("/opt/big").xattrs["user.long"].as_bytes(), long.as_bytes());
    // The walk says the same as the look by name.
    let mut walked = None;
    image
        .walk(&Selection::everything(), &mut |item| {
            if let Item::Entry(entry) = item
                && entry.path == at("/opt/big")
            {
                walked = Some(entry.meta);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(walked.unwrap(), meta("/opt/big"));
}

#[test]
fn links_of_an_image_lead_nowhere_but_into_it() {
    let dir = TempDir::new().unwrap();
    let Some(path) = ext4(&dir, "root", ROOT_UUID, &[], host) else { return };
    let image = FollowingSource::new(DiskImage::open(&path, None).unwrap());
    // By name a link on the way is not followed, and where it is, it ends in the image.
    assert!(image.open(&at("/opt/link/index.php")).unwrap().is_none());
    assert_eq!(image.metadata(&at("/opt/link/index.php")).unwrap(), None);
    assert_eq!(read_resolved(&image, &at("/opt/link/index.php"), 5).unwrap().unwrap(), b"<?php");
    assert_eq!(read_resolved(&image, &at("/opt/up"), 8).unwrap().unwrap(), b"root:x:0");
}

/// A disk with file systems from sector 2048 on, each of 8 MiB.
fn disk(dir: &TempDir, parts: &[&Path], is_gpt: bool) -> PathBuf {
    let size = 16_384_u32;
    let mut disk = vec![0; 512 * 2048];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    if is_gpt {
        disk[450] = 0xee;
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[584] = 2;
        disk[592] = 16;
        disk[596] = 128;
    }
    for (index, _) in parts.iter().enumerate() {
        let start = 2048 + u32::try_from(index).unwrap() * size;
        if is_gpt {
            let at = 1024 + 128 * index;
            disk[at] = 0xaf;
            disk[at + 16] = 7;
            disk[at + 32..at + 36].copy_from_slice(&start.to_le_bytes());
            disk[at + 40..at + 44].copy_from_slice(&(start + size - 1).to_le_bytes());
        } else {
            let at = 446 + 16 * index;
            disk[at + 4] = 0x83;
            disk[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            disk[at + 12..at + 16].copy_from_slice(&size.to_le_bytes());
        }
    }
    for part in parts {
        disk.extend(fs::read(part).unwrap());
    }
    let path = dir.path().join("disk.img");
    fs::write(&path, disk).unwrap();
    path
}

#[test]
fn partitions_are_mounted_where_the_hosts_own_table_says() {
    let dir = TempDir::new().unwrap();
    let Some(root) = ext4(&dir, "root", ROOT_UUID, &[], host) else { return };
    let var = |root: &Path| put(root, "log/auth.log", b"log\n");
    let Some(var) = ext4(&dir, "var", VAR_UUID, &["-O", "^has_journal,^metadata_csum"], var) else { return };
    for is_gpt in [false, true] {
        let path = disk(&dir, &[&var, &root], is_gpt);
        assert!(is_disk_image(&path).unwrap());
        let image = DiskImage::open(&path, None).unwrap();
        let (found, gaps) = seen(&image);
        assert!(gaps.is_empty(), "{gaps:?}");
        assert!(found.contains_key("/etc/passwd") && found.contains_key("/var/log/auth.log"), "{found:?}");
        assert_eq!(image.read(&at("/var/log/auth.log"), 9).unwrap().unwrap(), b"log\n");
        assert!(image.notes()[0].contains("partition 2"), "{:?}", image.notes());
        assert!(image.notes()[1].contains("partition 1 is `/var`"), "{:?}", image.notes());
        // The other one, when that is asked for.
        let image = DiskImage::open(&path, Some(1)).unwrap();
        assert_eq!(image.read(&at("/log/auth.log"), 9).unwrap().unwrap(), b"log\n");
        assert!(matches!(DiskImage::open(&path, Some(3)), Err(SourceError::NoRoot { .. })));
    }
}

#[test]
fn what_is_no_ext4_is_refused_with_the_commands_that_open_it() {
    let dir = TempDir::new().unwrap();
    let part = dir.path().join("part");
    let mut bytes = vec![0; 8 << 20];
    bytes[..4].copy_from_slice(b"XFSB");
    fs::write(&part, &bytes).unwrap();
    let path = disk(&dir, &[&part], false);
    let Err(SourceError::Foreign { commands, detail, .. }) = DiskImage::open(&path, None) else {
        panic!("it was opened")
    };
    assert_eq!(detail, "an XFS file system");
    assert!(commands[0].starts_with("losetup -r -P --show -f "), "{commands:?}");
    assert_eq!(commands[1], "mount -o ro,norecovery /dev/loopNp1 /mnt/evidence");
    let error = DiskImage::open(&path, Some(9)).err().unwrap().to_string();
    assert!(error.contains("no partition that can be taken"), "{error}");
    for (magic, tool) in [(&b"QFI\xfb"[..], "qemu-nbd -r -c"), (b"EVF\x09\x0d\x0a\xff\x00", "ewfmount")] {
        fs::write(&part, [magic, &[0; 4096]].concat()).unwrap();
        assert!(is_disk_image(&part).unwrap());
        let Err(SourceError::Foreign { commands, .. }) = DiskImage::open(&part, None) else { panic!("it was opened") };
        assert!(commands.iter().any(|command| command.contains(tool)), "{commands:?}");
    }
    fs::write(&part, b"just text").unwrap();
    assert!(!is_disk_image(&part).unwrap());
}

#[test]
fn features_that_are_not_read_are_told_with_the_commands_too() {
    let dir = TempDir::new().unwrap();
    let Some(path) = ext4(&dir, "root", ROOT_UUID, &["-O", "inline_data"], host) else { return };
    let error = DiskImage::open(&path, None).err().unwrap();
    let SourceError::Foreign { commands, detail, .. } = error else { panic!("{error}") };
    assert!(detail.contains("incompatible"), "{detail}");
    assert!(commands.contains(&"mount -o ro,noload /dev/loopN /mnt/evidence".to_owned()), "{commands:?}");
}

#[test]
fn hostile_file_systems_are_read_to_an_end() {
    let dir = TempDir::new().unwrap();
    // Without checksums the damage gets further.
    let options = ["-O", "^metadata_csum,^has_journal"];
    let Some(path) = ext4(&dir, "root", ROOT_UUID, &options, host) else { return };
    let whole = fs::read(&path).unwrap();
    let used: Vec<usize> = whole.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(at, _)| at).collect();
    // The first megabyte has superblock, descriptors, bitmaps, inodes and folders.
    let used: Vec<usize> = used.into_iter().filter(|&at| at < 1 << 20).collect();
    for (round, &place) in used.iter().step_by(used.len() / 60 + 1).enumerate() {
        let mut bytes = whole.clone();
        bytes[place] ^= [0xff, 0x01, 0x80][round % 3];
        let broken = dir.path().join("broken");
        fs::write(&broken, &bytes).unwrap();
        if let Ok(image) = DiskImage::open(&broken, None) {
            let (found, _) = seen(&image);
            assert!(found.len() < 10_000, "byte {place}");
        }
    }
    for cut in [2048, 100_000, 1 << 20, 5 << 20] {
        let broken = dir.path().join("broken");
        fs::write(&broken, &whole[..cut]).unwrap();
        if let Ok(image) = DiskImage::open(&broken, None) {
            seen(&image);
        }
    }
}

#[test]
fn a_folder_that_contains_itself_ends() {
    let dir = TempDir::new().unwrap();
    let options = ["-O", "^metadata_csum,^has_journal,^dir_index"];
    let fill = |root: &Path| put(root, "etc/loop/passwd", b"x");
    let Some(path) = ext4(&dir, "root", ROOT_UUID, &options, fill) else { return };
    let mut bytes = fs::read(&path).unwrap();
    // The entry `loop` in `etc` gets the inode of its own folder.
    let at = bytes.windows(5).position(|window| window == [4, 2, b'l', b'o', b'o']).unwrap() - 6;
    let own = bytes.windows(5).position(|window| window == [3, 2, b'e', b't', b'c']).unwrap() - 6;
    let inode: Vec<u8> = bytes[own..own + 4].to_vec();
    bytes[at..at + 4].copy_from_slice(&inode);
    fs::write(&path, &bytes).unwrap();
    let image = DiskImage::open(&path, Some(0)).unwrap();
    let (found, gaps) = seen(&image);
    assert!(found.len() < 10_000);
    assert!(!gaps.is_empty(), "a loop of folders is told");
}
