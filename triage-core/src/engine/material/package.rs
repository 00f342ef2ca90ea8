//! Package files of dpkg and rpm.
//!
//! Neither kind says by itself that it is genuine in a way that we could check without the distribution's keys. So each of its files is held
//! against what the host's own database has for the installed package: that is also what tells a package of another version.

use super::known::{Known, Word};
use super::shelf::{Copy, OpenAt, Shelf, Sums};
use super::{File, MaterialError};
use crate::model::{EvidencePath, FileKind, FileMeta, Mode, Timestamp};
use crate::parse::{cpio, deb, rpm};
use crate::source::{Container, Kept, Source, XzDecoder};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Cursor, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The most that a package may unpack to, in bytes, and the most files in it.
const MAX_UNPACKED: u64 = 8 << 30;
const MAX_FILES: usize = 200_000;

/// User and group numbers below this are the same on every host of Debian's (policy, 9.2.2).
const FIRST_DYNAMIC: u32 = 100;

pub(super) fn deb(file: &File<'_>, host: &dyn Source) -> Result<Box<dyn Source>, MaterialError> {
    let outline = deb::parse(&file.bytes).map_err(|error| file.unusable(error.to_string()))?;
    let part = |range: std::ops::Range<usize>| range.start as u64..range.end as u64;
    let open = |range| {
        Container::in_memory(file.path, Arc::clone(&file.bytes), part(range))
            .map_err(|error| file.unusable(error.to_string()))
    };
    let name = control_name(&open(outline.control)?).unwrap_or_else(|| "a package without a name".to_owned());
    let data = open(outline.data)?;
    let mut copies = BTreeMap::new();
    let mut trouble = None;
    let walked = data.for_each(&mut |entry, content| {
        let (Some(path), Some(offset), true) = (path_of(&entry.name), entry.data, entry.kind == FileKind::File) else {
            return ControlFlow::Continue(());
        };
        match Sums::of(content) {
            Ok(sums) if copies.len() < MAX_FILES => {
                let mut meta = FileMeta::bare(FileKind::File, Mode::new(entry.mode & 0o7777), entry.size);
                (meta.uid, meta.gid, meta.mtime) = (entry.uid, entry.gid, entry.mtime);
                let is_fixed = entry.uid < FIRST_DYNAMIC && entry.gid < FIRST_DYNAMIC;
                let refusal = (!is_fixed).then(|| {
                    "its owner is an account whose number is each host's own: reinstall the package instead".to_owned()
                });
                copies.insert(path, Copy { meta, sums, offset, refusal });
                ControlFlow::Continue(())
            }
            Ok(_) => {
                trouble = Some(format!("it has more than {MAX_FILES} files"));
                ControlFlow::Break(())
            }
            Err(error) => {
                trouble = Some(error.to_string());
                ControlFlow::Break(())
            }
        }
    });
    if let Some(detail) = trouble.or_else(|| walked.err().map(|error| error.to_string())) {
        return Err(file.unusable(detail));
    }
    let open_at: OpenAt = Box::new(move |offset, size| data.tar_content(offset, size));
    shelf(file, host, (&name, "dpkg"), copies, open_at)
}

pub(super) fn rpm(file: &File<'_>, host: &dyn Source) -> Result<Box<dyn Source>, MaterialError> {
    let own = EvidencePath::root().join(b"package.rpm");
    let package = rpm::read_file(&own, &file.bytes).map_err(|error| file.unusable(error.to_string()))?;
    let payload = package.payload;
    let listed = package.package.files;
    let name = format!("{} {}", package.package.package.name, package.package.package.version);
    let accounts = Accounts::read(host)?;
    let by_path: BTreeMap<&EvidencePath, &rpm::PackagedFile> = listed.iter().map(|file| (&file.path, file)).collect();
    let numbered = |index: u32| usize::try_from(index).ok().and_then(|index| listed.get(index));
    let size_of = |index: u32| numbered(index).map(|file| if file.is_file() { file.size_bytes } else { 0 });
    let mut copies = BTreeMap::new();
    let stream = unpacked(&file.bytes, payload).map_err(|error| file.unusable(error.to_string()))?;
    let walked = cpio::each(stream.take(MAX_UNPACKED), &size_of, &mut |member, content| {
        let found = match member.index {
            Some(index) => numbered(index),
            None => path_of(&member.name).and_then(|path| by_path.get(&path).copied()),
        };
        let Some(told) = found.filter(|told| told.is_file()) else { return Ok(()) };
        if copies.len() >= MAX_FILES {
            return Err(io::Error::other(format!("it has more than {MAX_FILES} files")));
        }
        let sums = Sums::of(content)?;
        let mut meta = FileMeta::bare(FileKind::File, told.mode(), member.size);
        meta.mtime = Some(Timestamp::new(i64::from(told.mtime), 0));
        let owner = accounts.user(told.user.as_bytes()).zip(accounts.group(told.group.as_bytes()));
        (meta.uid, meta.gid) = owner.unwrap_or_default();
        // What the header promises and what the payload holds are two things, and rpm checks the one by the other.
        let is_told = told.sha256().is_none_or(|digest| digest == sums.sha256)
            && told.md5().is_none_or(|digest| digest == sums.md5);
        let refusal = if member.links > 1 {
            Some("it has several names in the package: reinstall the package instead".to_owned())
        } else if !is_told {
            Some("the package's own header has another digest for it".to_owned())
        } else if owner.is_none() {
            Some(format!("the host has no account `{}` or group `{}`", told.user, told.group))
        } else {
            None
        };
        copies.insert(told.path.clone(), Copy { meta, sums, offset: member.offset, refusal });
        Ok(())
    });
    walked.map_err(|error| file.unusable(format!("its payload cannot be read: {error}")))?;
    let bytes = Arc::clone(&file.bytes);
    let open_at: OpenAt = Box::new(move |offset, size| {
        let mut stream = unpacked(&bytes, payload)?;
        if io::copy(&mut (&mut stream).take(offset), &mut io::sink())? < offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Box::new(stream.take(size)))
    });
    shelf(file, host, (&name, "rpm"), copies, open_at)
}

/// Holds each file against the host's database.
fn shelf(
    file: &File<'_>,
    host: &dyn Source,
    (name, manager): (&str, &str),
    mut copies: BTreeMap<EvidencePath, Copy>,
    open_at: OpenAt,
) -> Result<Box<dyn Source>, MaterialError> {
    let known = {
        let wanted = |path: &EvidencePath| {
            copies.contains_key(path) || super::alias(path).is_some_and(|path| copies.contains_key(&path))
        };
        Known::read(host, &wanted)?
    };
    for (path, copy) in &mut copies {
        let refusal = match known.judge(path, &copy.sums) {
            Word::Pristine(_) => None,
            Word::Other(owner) => Some(format!(
                "the host's package database has another digest for it ({owner}), and this is {name}: take the package of the very version that is \
                 installed"
            )),
            Word::Unknown => {
                Some(format!("the host's package database does not know it, and nothing else vouches for {name}"))
            }
        };
        copy.refusal = copy.refusal.take().or(refusal);
    }
    let kept = Kept { modes: true, owners: true, mtimes: true, attributes: false };
    let label = format!("{} ({manager} package {name}, sha256 {})", file.what, file.sha256);
    Ok(Box::new(Shelf { label, sha256: file.sha256, kept, copies, open_at }))
}

/// Name and version in `control` of `control.tar`.
fn control_name(control: &Container) -> Option<String> {
    let mut found = None;
    let _ = control.for_each(&mut |entry, content| {
        if !matches!(entry.name.as_slice(), b"./control" | b"control") {
            return ControlFlow::Continue(());
        }
        let mut text = Vec::new();
        // What cannot be read here is a name that is not shown.
        let _ = content.take(64 * 1024).read_to_end(&mut text);
        let field = |name: &[u8]| {
            let mut lines = text.split(|&byte| byte == b'\n');
            lines.find_map(|line| Some(crate::model::escape(line.strip_prefix(name)?.strip_prefix(b":")?.trim_ascii())))
        };
        found = field(b"Package").map(|name| format!("{name} {}", field(b"Version").unwrap_or_default()));
        ControlFlow::Break(())
    });
    found
}

/// A member's name as a place on the host; none for one that leads out of it.
fn path_of(name: &[u8]) -> Option<EvidencePath> {
    let name = name.strip_prefix(b".").unwrap_or(name);
    let name = name.strip_prefix(b"/").unwrap_or(name);
    EvidencePath::new([b"/", name].concat()).ok().filter(|path| !path.is_root())
}

/// The payload of an rpm package, unpacked as it is read.
fn unpacked(bytes: &Arc<[u8]>, start: usize) -> io::Result<Box<dyn Read + Send>> {
    let mut raw = Cursor::new(Arc::clone(bytes));
    raw.set_position(start as u64);
    let raw = BufReader::with_capacity(1 << 16, raw);
    Ok(match bytes.get(start..).unwrap_or_default() {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(XzDecoder::new(raw)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(raw)?),
        [b'0', b'7', b'0', b'7', ..] => Box::new(raw),
        _ => {
            let detail =
                "it is packed in a way that is not read here: unpack it with `rpm2cpio` and make a bundle of the files";
            return Err(io::Error::other(detail));
        }
    })
}

/// The numbers of the host's accounts and groups.
struct Accounts {
    users: BTreeMap<Vec<u8>, u32>,
    groups: BTreeMap<Vec<u8>, u32>,
}

impl Accounts {
    fn read(host: &dyn Source) -> Result<Self, MaterialError> {
        let numbers = |name: &[u8]| -> Result<BTreeMap<Vec<u8>, u32>, MaterialError> {
            let path = EvidencePath::root().join(b"etc").join(name);
            let text = host.read(&path, crate::action::EDIT_LIMIT)?.unwrap_or_default();
            let line = |line: &[u8]| {
                let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
                let number = std::str::from_utf8(fields.get(2)?).ok()?.parse().ok()?;
                Some((fields.first()?.to_vec(), number))
            };
            // Of two lines of a name the first counts, for the system as well.
            Ok(text.split(|&byte| byte == b'\n').rev().filter_map(line).collect())
        };
        Ok(Self { users: numbers(b"passwd")?, groups: numbers(b"group")? })
    }

    /// Root is 0 whatever an intruder has written.
    fn user(&self, name: &[u8]) -> Option<u32> {
        if name == b"root" { Some(0) } else { self.users.get(name).copied() }
    }

    fn group(&self, name: &[u8]) -> Option<u32> {
        if name == b"root" { Some(0) } else { self.groups.get(name).copied() }
    }
}
