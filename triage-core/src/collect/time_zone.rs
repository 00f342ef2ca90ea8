//! The host's own time zone, which the times in its local logs are in.

use crate::model::EvidencePath;
use crate::source::Source;

/// The largest zone file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 16;
/// The longest name or rule.
const MAX_NAME: usize = 96;

/// The zone as a name (`Europe/Berlin`) or, where only its file tells, as a POSIX rule (`CET-1CEST,M3.5.0,M10.5.0/3`).
///
/// What counts for programs is `/etc/localtime`; where it is a copy and not a link, Debian's `/etc/timezone` has its name. None where
/// neither tells: then C libraries take UTC.
pub fn time_zone(source: &dyn Source) -> Option<String> {
    let local = EvidencePath::new("/etc/localtime").ok()?;
    if let Ok(Some(meta)) = source.metadata(&local)
        && let Some(target) = &meta.link_target
    {
        return name_of_link(target.as_bytes());
    }
    let named = EvidencePath::new("/etc/timezone").ok().and_then(|path| source.read(&path, MAX_BYTES).ok()?);
    named.and_then(|bytes| zone(bytes.split(|&byte| byte == b'\n').next()?.trim_ascii())).or_else(|| {
        // A zone file of version 2 or later ends in its rule between two newlines (RFC 8536, section 3.3).
        let bytes = source.read(&local, MAX_BYTES).ok()??;
        let is_new = bytes.starts_with(b"TZif") && bytes.get(4).is_some_and(|&version| version >= b'2');
        let rule = bytes.strip_suffix(b"\n").filter(|_| is_new)?.rsplit(|&byte| byte == b'\n').next()?;
        zone(rule)
    })
}

fn name_of_link(target: &[u8]) -> Option<String> {
    const FOLDER: &[u8] = b"zoneinfo/";
    let start = target.windows(FOLDER.len()).rposition(|window| window == FOLDER)?;
    let name = target.get(start + FOLDER.len()..)?;
    zone(name.strip_prefix(b"posix/").or_else(|| name.strip_prefix(b"right/")).unwrap_or(name))
}

/// A name or rule, if it can be one.
fn zone(bytes: &[u8]) -> Option<String> {
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-_/,.:<>".contains(byte);
    let fits = !bytes.is_empty() && bytes.len() <= MAX_NAME && bytes.iter().all(is_good);
    fits.then(|| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileKind, FileMeta, Mode};
    use crate::source::fake::FakeRoot;

    fn link(target: &str) -> FakeRoot {
        let mut meta = FileMeta::bare(FileKind::Symlink, Mode::new(0o777), 0);
        meta.link_target = Some(target.into());
        FakeRoot::new().object("/etc/localtime", meta, b"")
    }

    #[test]
    fn a_link_names_the_zone_and_goes_before_the_note_of_debian() {
        let root = link("/usr/share/zoneinfo/Europe/Berlin").file("/etc/timezone", b"Etc/UTC\n");
        assert_eq!(time_zone(&root).as_deref(), Some("Europe/Berlin"));
        assert_eq!(time_zone(&link("../usr/share/zoneinfo/posix/UTC")).as_deref(), Some("UTC"));
        assert_eq!(time_zone(&link("/tmp/zone")), None);
    }

    #[test]
    fn a_copy_is_named_by_debian_or_by_its_own_rule() {
        let mut file = b"TZif2".to_vec();
        file.extend([0; 60]);
        file.extend(b"\nCET-1CEST,M3.5.0,M10.5.0/3\n");
        let root = FakeRoot::new().file("/etc/localtime", &file);
        assert_eq!(time_zone(&root).as_deref(), Some("CET-1CEST,M3.5.0,M10.5.0/3"));
        assert_eq!(time_zone(&root.file("/etc/timezone", b"Europe/Paris\n")).as_deref(), Some("Europe/Paris"));
        assert_eq!(time_zone(&FakeRoot::new()), None);
    }

    #[test]
    fn a_hostile_zone_is_no_zone() {
        for hostile in [&b"\x1b[2J\n"[..], b"", b"\n", &[b'A'; 200], b"Europe/\xff"] {
            assert_eq!(time_zone(&FakeRoot::new().file("/etc/timezone", hostile)), None);
        }
    }
}
