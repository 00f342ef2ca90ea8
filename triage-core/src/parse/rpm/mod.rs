//! The databases of `rpm`: which packages are installed, and what each of their files should be.
//!
//! There are three kinds of file: Berkeley DB's hash (`Packages`; Red Hat 7 and older), `rpm`'s own (`Packages.db`; SUSE) and `SQLite`
//! (`rpmdb.sqlite`; since Fedora 33 and Red Hat 9). All hold one header a package. The kind is told by the bytes, not by the name.
//!
//! The database lies on the host, and who has root there can write it; nothing here checks a signature.

mod bdb;
mod file;
mod header;
mod key;
mod ndb;

pub use file::{FileError, PackageFile, is_rpm, read as read_file};
pub use header::{Algorithm, FileFlags, PackagedFile};

use super::Limits;
use super::sqlite::{Database, explain};
use crate::model::{EvidencePath, Gap, GapReason, Outcome, Package, PackageManager, RawText, Timestamp};
use serde::Serialize;

/// The largest header that is read, in bytes; `rpm` itself refuses more than 256 MiB, and the largest genuine ones (kernels, firmware)
/// have some megabytes.
const MAX_HEADER: usize = 64 << 20;

/// The most gaps that are told one by one.
const MAX_GAPS: usize = 100;

/// A package and its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// The package.
    pub package: Package,
    /// Its files, in the header's order.
    pub files: Vec<PackagedFile>,
}

/// Reads every package of a database, with its files.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Installed>> {
    let mut packages = Vec::new();
    let gaps = each(path, bytes, limits, &mut |installed| packages.push(installed));
    Outcome { value: packages, gaps }
}

/// Gives every package of a database to `take`, one at a time: the files of all of them together are ten times the database.
pub fn each(path: &EvidencePath, bytes: &[u8], limits: &Limits, take: &mut dyn FnMut(Installed)) -> Vec<Gap> {
    let mut reading = Reading { path, limits, take, packages: 0, files: 0, gaps: Vec::new(), is_full: false };
    if bytes.starts_with(b"SQLite format 3\0") {
        reading.sqlite(bytes);
    } else if ndb::is_ndb(bytes) {
        ndb::blobs(bytes, &mut |item| reading.item(item));
    } else if bdb::is_bdb(bytes) {
        bdb::blobs(bytes, &mut |item| reading.item(item));
    } else if !bytes.is_empty() {
        reading.gap(GapReason::Unsupported, "is none of the three kinds of rpm database".to_owned());
    }
    reading.gaps
}

/// Takes one header blob, or why there is none; says whether to go on.
type Take<'t> = dyn FnMut(Result<&[u8], &'static str>) -> bool + 't;

struct Reading<'a> {
    path: &'a EvidencePath,
    limits: &'a Limits,
    take: &'a mut dyn FnMut(Installed),
    packages: usize,
    files: usize,
    gaps: Vec<Gap>,
    is_full: bool,
}

impl Reading<'_> {
    fn sqlite(&mut self, bytes: &[u8]) {
        let result = Database::open(bytes).and_then(|database| {
            if database.has_log {
                self.gap(
                    GapReason::Unsupported,
                    "what stands only in its write-ahead log (-wal) was not read".to_owned(),
                );
            }
            database.rows("Packages", &["hnum", "blob"], |row| {
                let &[_, super::sqlite::Value::Bytes(blob)] = row else { return self.item(Err("a row has no header")) };
                self.item(Ok(blob))
            })
        });
        if let Err(error) = result {
            self.gap(GapReason::Unreadable, explain(&error));
        }
    }

    /// Takes one header, or why there is none. Says whether to go on.
    fn item(&mut self, item: Result<&[u8], &'static str>) -> bool {
        let read = item.and_then(|blob| {
            if blob.len() > MAX_HEADER {
                return Err("a header is larger than 64 MiB");
            }
            header::Header::read(blob).ok_or("a header makes no sense")
        });
        match read {
            Err(why) => self.gap(GapReason::Unreadable, why.to_owned()),
            Ok(header) => {
                let room = self.limits.max_records.saturating_sub(self.packages);
                // A Red Hat with everything on it has a million files; ten times the records is as much as a database may ask for.
                let file_room = self.limits.max_records.saturating_mul(10).saturating_sub(self.files);
                if room == 0 || file_room == 0 {
                    if !self.is_full {
                        self.is_full = true;
                        let detail = format!("more than {} packages, or {} files", self.packages, self.files);
                        self.gaps.push(Gap::new(self.path.clone(), GapReason::LimitReached, detail));
                    }
                    return false;
                }
                // The keys that rpm trusts are kept as packages of this name; they are no packages.
                let Some(installed) = installed(self.path, &header, file_room) else {
                    self.gap(GapReason::Unreadable, "a header has no name".to_owned());
                    return true;
                };
                if header.has_bad_files {
                    self.gap(
                        GapReason::Unreadable,
                        format!("the files of package {} make no sense", installed.package.name),
                    );
                }
                self.packages += 1;
                self.files += installed.files.len();
                (self.take)(installed);
            }
        }
        true
    }

    fn gap(&mut self, reason: GapReason, detail: String) {
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push(Gap::new(self.path.clone(), reason, detail));
        }
    }
}

fn installed(path: &EvidencePath, header: &header::Header<'_>, room: usize) -> Option<Installed> {
    let name = header.text(header::NAME)?;
    let text = |tag| header.text(tag).unwrap_or_default();
    let version = match header.number(header::EPOCH) {
        Some(epoch) => format!("{epoch}:").into_bytes(),
        None => Vec::new(),
    };
    let version = [&version, text(header::VERSION), b"-", text(header::RELEASE)].concat();
    let files = header.files(room);
    Some(Installed {
        package: Package {
            path: path.clone(),
            manager: PackageManager::Rpm,
            name: RawText::from(name),
            version: RawText::from(version),
            architecture: RawText::from(text(header::ARCH)),
            state: RawText::from("installed"),
            vendor: RawText::from(text(header::VENDOR)),
            installed: header.number(header::INSTALLTIME).map(|time| Timestamp::new(i64::from(time), 0)),
            signing_key: header.signatures().find_map(key::id),
            listed_files: files.len() as u64,
        },
        files,
    })
}

#[cfg(test)]
mod tests;
