//! The published checksums of a `WordPress` release: the answer of `https://api.wordpress.org/core/checksums/1.0/?version=V&locale=L`, as somebody
//! has saved it. Nothing here goes to the network.

use serde::Deserialize;
use std::collections::BTreeMap;
use thiserror::Error;

/// The most files that one list may have; release 6.8 has under four thousand.
const MAX_FILES: usize = 100_000;

/// One release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreChecksums {
    /// What a person calls the list: the name of its file.
    pub name: String,
    /// Its version, where the list says it: it does when it was asked for without a locale.
    pub version: Option<String>,
    /// MD5 by path below the installation.
    pub files: BTreeMap<Vec<u8>, [u8; 16]>,
}

/// Why checksums cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChecksumError {
    /// It is not JSON of the known shape.
    #[error("checksums of WordPress in `{name}` are not valid")]
    Syntax {
        /// The file, escaped.
        name: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The publisher knows no such release.
    #[error("`{name}` has no checksums: there is no release of that version and locale")]
    NoRelease {
        /// The file, escaped.
        name: String,
    },
    /// A path leads out of the installation, or a checksum is none.
    #[error("`{name}` has an entry that is no file with its MD5: `{entry}`")]
    Entry {
        /// The file, escaped.
        name: String,
        /// The entry, escaped.
        entry: String,
    },
    /// More files than any release has.
    #[error("`{name}` lists more than {limit} files")]
    TooMany {
        /// The file, escaped.
        name: String,
        /// The most that are taken.
        limit: usize,
    },
}

#[derive(Deserialize)]
struct Answer {
    checksums: Checksums,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Checksums {
    Files(BTreeMap<String, String>),
    Versions(BTreeMap<String, BTreeMap<String, String>>),
    None(#[expect(dead_code, reason = "`false` says all there is to say")] bool),
}

impl CoreChecksums {
    /// Says whether the bytes may be checksums: a JSON object that begins with them.
    pub fn is_like(bytes: &[u8]) -> bool {
        let start = bytes.trim_ascii_start();
        start.starts_with(b"{") && super::super::find(start.get(..64).unwrap_or(start), b"\"checksums\"").is_some()
    }

    /// Reads the answer; one with several versions gives several lists.
    ///
    /// # Errors
    /// [`ChecksumError`], for the first mistake in it.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Vec<Self>, ChecksumError> {
        let name = crate::model::escape(name.as_bytes());
        let answer: Answer =
            serde_json::from_slice(bytes).map_err(|source| ChecksumError::Syntax { name: name.clone(), source })?;
        let lists: Vec<(Option<String>, BTreeMap<String, String>)> = match answer.checksums {
            Checksums::Files(files) => vec![(None, files)],
            Checksums::Versions(versions) => {
                versions.into_iter().map(|(version, files)| (Some(version), files)).collect()
            }
            Checksums::None(_) => Vec::new(),
        };
        if lists.iter().all(|(_, files)| files.is_empty()) {
            return Err(ChecksumError::NoRelease { name });
        }
        let list = |(version, files): (Option<String>, BTreeMap<String, String>)| {
            if files.len() > MAX_FILES {
                return Err(ChecksumError::TooMany { name: name.clone(), limit: MAX_FILES });
            }
            let files = files.into_iter().map(|(path, md5)| {
                let leads_out = path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | ".."));
                let digest = md5_of(&md5).filter(|_| !leads_out);
                let digest = digest.ok_or_else(|| ChecksumError::Entry {
                    name: name.clone(),
                    entry: crate::model::escape(path.as_bytes()),
                })?;
                Ok((path.into_bytes(), digest))
            });
            Ok(Self { name: name.clone(), version, files: files.collect::<Result<_, _>>()? })
        };
        lists.into_iter().map(list).collect()
    }
}

fn md5_of(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| high << 4 | low).collect::<Vec<_>>().try_into().ok()
}
