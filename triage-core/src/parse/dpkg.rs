//! The database of `dpkg`: what is installed, and what each file should be (`dpkg(1)`, `deb-conffiles(5)`, `dpkg-divert(1)`,
//! `dpkg-statoverride(1)`; <https://wiki.debian.org/Teams/Dpkg> for the files under `info`).
//!
//! It holds the MD5 of most files of most packages, and of configuration files as they were shipped. It lies on the host, and who has root
//! there can write it.

use super::Limits;
use super::line::{Reading, each_line, lines, split_once, trim_start, word};
use crate::model::{EvidencePath, Mode, Outcome, Package, PackageManager, RawText};
use serde::Serialize;

/// A package in the `status` file, and its configuration files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The package.
    pub package: Package,
    /// Its configuration files.
    pub conffiles: Vec<Conffile>,
}

/// A configuration file as the package ships it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conffile {
    /// Where it lies.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// MD5 of what was shipped; none where it was never unpacked (`newconffile`).
    #[serde(serialize_with = "as_hex")]
    pub md5: Option<[u8; 16]>,
    /// Says that the package no longer ships it.
    pub is_obsolete: bool,
}

/// A line of an `.md5sums` file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Md5Sum {
    /// The file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// MD5 of its content.
    #[serde(serialize_with = "as_hex_always")]
    pub md5: [u8; 16],
}

/// A file that a package ships and that lies elsewhere, because another package, or the administrator, has its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diversion {
    /// The place.
    pub from: RawText,
    /// Where the files of all other packages go instead.
    pub to: RawText,
    /// The package whose file stays; `:` for the administrator.
    pub by: RawText,
}

/// A mode or owner that the administrator, or a package's script, has set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatOverride {
    /// The object.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Owner, a name or `#` and a number.
    pub user: RawText,
    /// Group.
    pub group: RawText,
    /// Mode bits.
    pub mode: Mode,
}

impl Status {
    /// Says whether its files are on the disk: the third word of the state is not `not-installed` or `config-files`.
    pub fn is_installed(&self) -> bool {
        let last = self.package.state.as_bytes().rsplit(|&b| b == b' ').next().unwrap_or_default();
        !matches!(last, b"not-installed" | b"config-files" | b"")
    }

    /// The name of its files under `info`, without what follows the dot: with the architecture where several can be installed at once.
    pub fn names(&self) -> [Vec<u8>; 2] {
        let package = &self.package;
        [package.name.as_bytes().to_vec(), [package.name.as_bytes(), b":", package.architecture.as_bytes()].concat()]
    }
}

/// Reads `/var/lib/dpkg/status`: paragraphs of fields, `deb822(5)`.
pub fn status(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Status>> {
    let mut reading = Reading::new(path, limits);
    let mut current = Paragraph::default();
    let mut first = 1;
    for line in lines(bytes) {
        if !reading.fits(&line) {
            continue;
        }
        let text = line.text.strip_suffix(b"\r").unwrap_or(line.text);
        if text.iter().all(u8::is_ascii_whitespace) {
            if !finish(&mut reading, path, std::mem::take(&mut current), first) {
                return reading.finish();
            }
            first = line.number + 1;
        } else if text.starts_with(b" ") || text.starts_with(b"\t") {
            if current.is_in_conffiles && !current.conffile(trim_start(text), limits) {
                reading.unreadable(line.number, "no configuration file and its digest");
            }
        } else if let Some((name, value)) = split_once(text, b":") {
            current.field(name, value.trim_ascii());
        } else {
            reading.unreadable(line.number, "no field of a package");
        }
    }
    let _ = finish(&mut reading, path, current, first);
    reading.finish()
}

/// The fields of one package that are of use.
#[derive(Default)]
struct Paragraph {
    name: RawText,
    version: RawText,
    architecture: RawText,
    state: RawText,
    vendor: RawText,
    conffiles: Vec<Conffile>,
    is_in_conffiles: bool,
}

impl Paragraph {
    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.is_in_conffiles = name.eq_ignore_ascii_case(b"Conffiles");
        let place = match name.to_ascii_lowercase().as_slice() {
            b"package" => &mut self.name,
            b"version" => &mut self.version,
            b"architecture" => &mut self.architecture,
            b"status" => &mut self.state,
            b"maintainer" => &mut self.vendor,
            _ => return,
        };
        *place = RawText::from(value);
    }

    /// ` /etc/x MD5 [obsolete] [remove-on-upgrade]`; a path may hold blanks, so that the words are taken from the end.
    fn conffile(&mut self, text: &[u8], limits: &Limits) -> bool {
        let mut rest = text.trim_ascii();
        let mut is_obsolete = false;
        for flag in [&b" remove-on-upgrade"[..], b" obsolete"] {
            if let Some(before) = rest.strip_suffix(flag) {
                rest = before;
                is_obsolete = true;
            }
        }
        let Some((path, digest)) = super::line::rsplit_once(rest, b" ") else { return false };
        let Ok(path) = EvidencePath::new(path) else { return false };
        let md5 = md5_of_hex(digest);
        if md5.is_none() && digest != b"newconffile" {
            return false;
        }
        if self.conffiles.len() < limits.max_records {
            self.conffiles.push(Conffile { path, md5, is_obsolete });
        }
        true
    }
}

/// Adds a package. Says whether there is room for more.
fn finish(reading: &mut Reading<'_, Status>, path: &EvidencePath, paragraph: Paragraph, line: u64) -> bool {
    if paragraph.name.is_empty() {
        if !paragraph.version.is_empty() || !paragraph.state.is_empty() {
            reading.unreadable(line, "a package without a name");
        }
        return true;
    }
    let listed_files = paragraph.conffiles.len() as u64;
    reading.push(Status {
        package: Package {
            path: path.clone(),
            manager: PackageManager::Dpkg,
            name: paragraph.name,
            version: paragraph.version,
            architecture: paragraph.architecture,
            state: paragraph.state,
            vendor: paragraph.vendor,
            installed: None,
            signing_key: None,
            listed_files,
        },
        conffiles: paragraph.conffiles,
    })
}

/// Reads an `.md5sums` file: a digest, two blanks, a path relative to the root.
pub fn md5sums(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Md5Sum>> {
    each_line(path, bytes, limits, |line| {
        if line.text.trim_ascii().is_empty() {
            return Ok(None);
        }
        let (digest, name) = line.text.split_at_checked(32).ok_or("no digest")?;
        let md5 = md5_of_hex(digest).ok_or("no digest")?;
        let name = name.strip_prefix(b"  ").or_else(|| name.strip_prefix(b" *")).ok_or("no path")?;
        let path = EvidencePath::new(name).map_err(|_| "a path that no package has")?;
        Ok(Some(Md5Sum { path, md5 }))
    })
}

/// Reads a `.list` file: every object of the package, folders too.
pub fn list(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<EvidencePath>> {
    each_line(path, bytes, limits, |line| match line.text {
        b"" | b"/." => Ok(None),
        text => EvidencePath::new(text).map(Some).map_err(|_| "a path that no package has"),
    })
}

/// Reads `/var/lib/dpkg/diversions`: three lines each.
pub fn diversions(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Diversion>> {
    let mut reading = Reading::new(path, limits);
    let mut all = lines(bytes);
    while let Some(from) = all.next() {
        let (Some(to), Some(by)) = (all.next(), all.next()) else {
            reading.unreadable(from.number, "a diversion needs three lines");
            break;
        };
        if !reading.fits(&from) || !reading.fits(&to) || !reading.fits(&by) {
            continue;
        }
        let diversion =
            Diversion { from: RawText::from(from.text), to: RawText::from(to.text), by: RawText::from(by.text) };
        if !reading.push(diversion) {
            break;
        }
    }
    reading.finish()
}

/// Reads `/var/lib/dpkg/statoverride`: owner, group, mode, path.
pub fn stat_overrides(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StatOverride>> {
    each_line(path, bytes, limits, |line| {
        if line.text.trim_ascii().is_empty() {
            return Ok(None);
        }
        let (user, rest) = word(line.text).ok_or("no owner")?;
        let (group, rest) = word(rest).ok_or("no group")?;
        let (mode, rest) = word(rest).ok_or("no mode")?;
        let mode =
            std::str::from_utf8(mode).ok().and_then(|mode| u32::from_str_radix(mode, 8).ok()).ok_or("no mode")?;
        let path = EvidencePath::new(rest).map_err(|_| "a path that no package has")?;
        Ok(Some(StatOverride {
            path,
            user: RawText::from(user),
            group: RawText::from(group),
            mode: Mode::new(mode & 0o7777),
        }))
    })
}

/// 16 bytes of 32 hexadecimal digits.
pub(crate) fn md5_of_hex(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 32 {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = [0; 16];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(out)
}

/// The digits of some bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[expect(clippy::ref_option, reason = "serde's shape")]
fn as_hex<S: serde::Serializer>(md5: &Option<[u8; 16]>, serializer: S) -> Result<S::Ok, S::Error> {
    match md5 {
        Some(md5) => serializer.serialize_str(&hex(md5)),
        None => serializer.serialize_none(),
    }
}

fn as_hex_always<S: serde::Serializer>(md5: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(md5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EvidencePath {
        EvidencePath::new(text).unwrap()
    }

    #[test]
    fn conffiles_with_blanks_flags_and_without_digest() {
        let text = b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\nConffiles:\n \
            /etc/with blank/x 0123456789abcdef0123456789abcdef\n /etc/old 0123456789abcdef0123456789abcdef obsolete\n \
            /etc/new newconffile\nDescription: x\n /etc/not-a-conffile 0123456789abcdef0123456789abcdef\n\n\
            Package: b\nStatus: deinstall ok config-files\nArchitecture: all\n";
        let outcome = status(&path("/var/lib/dpkg/status"), text, &Limits::default());
        assert_eq!(outcome.gaps, []);
        let [a, b] = outcome.value.as_slice() else { panic!() };
        let shown: Vec<_> = a.conffiles.iter().map(|c| (c.path.to_string(), c.md5.is_some(), c.is_obsolete)).collect();
        let expected = [
            ("/etc/with blank/x".into(), true, false),
            ("/etc/old".into(), true, true),
            ("/etc/new".into(), false, false),
        ];
        assert_eq!(shown, expected);
        assert_eq!((a.is_installed(), b.is_installed()), (true, false));
        assert_eq!(a.names()[1], b"a:amd64");
    }

    #[test]
    fn a_path_that_climbs_out_is_a_gap_and_hides_no_other() {
        let text = b"0123456789abcdef0123456789abcdef  ../../x\n0123456789abcdef0123456789abcdef  usr/bin/y\nshort\n";
        let outcome = md5sums(&path("/var/lib/dpkg/info/a.md5sums"), text, &Limits::default());
        assert_eq!((outcome.value.len(), outcome.gaps.len()), (1, 2));
        assert_eq!(outcome.value[0].path, path("/usr/bin/y"));
    }

    #[test]
    fn diversions_come_in_threes() {
        let text = b"/usr/bin/a\n/usr/bin/a.distrib\n:\n/usr/bin/b\n";
        let outcome = diversions(&path("/var/lib/dpkg/diversions"), text, &Limits::default());
        assert_eq!((outcome.value.len(), outcome.gaps.len()), (1, 1));
        assert_eq!(outcome.value[0].to.as_bytes(), b"/usr/bin/a.distrib");
    }

    #[test]
    fn modes_are_octal() {
        let text = b"root messagebus 4754 /usr/lib/dbus-1.0/dbus-daemon-launch-helper\n";
        let found = stat_overrides(&path("/var/lib/dpkg/statoverride"), text, &Limits::default()).value.remove(0);
        assert_eq!(found.mode.bits(), 0o4754);
    }

    #[test]
    fn digests_survive_hexadecimal() {
        let md5 = md5_of_hex(b"d41d8cd98f00b204e9800998ecf8427E").unwrap();
        assert_eq!(hex(&md5), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(md5_of_hex(b"+41d8cd98f00b204e9800998ecf8427e"), None);
    }
}
