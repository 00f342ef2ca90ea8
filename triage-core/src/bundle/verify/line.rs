//! What is read line by line: manifests, record segments, the collection log.

use super::check::{Check, Hashing, text};
use crate::bundle::escape::{long_path, payload_path};
use crate::bundle::index;
use crate::bundle::listing::MANIFEST;
use crate::bundle::segment;
use crate::model::{Digest, EvidencePath};
use serde::Deserialize;
use std::io::{self, BufRead, BufReader, Read as _};

/// Longest line of a manifest, a record or an event.
const MAX_LINE: u64 = 16 << 20;
/// Members that a manifest may list before they come. In a bundle of ours there are some hundred: those of a folder.
const MAX_AWAITED: usize = 2_000_000;

impl Check {
    /// Reads a segment line by line. Gives its number and the digest of the segment before it.
    pub(super) fn segment(
        &mut self,
        path: &str,
        kind: &str,
        n: u64,
        reader: &mut Hashing<'_, '_>,
    ) -> io::Result<(u64, Option<Digest>)> {
        let mut lines = BufReader::with_capacity(1 << 16, reader);
        let mut line = Vec::new();
        let mut number: u64 = 0;
        let mut header = None;
        loop {
            line.clear();
            let count = (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line)?;
            if count == 0 {
                break;
            }
            number += 1;
            if line.last() != Some(&b'\n') {
                self.fail(path, format!("line {number} has no end"));
                break;
            }
            let understood = if number == 1 {
                serde_json::from_slice::<segment::Header<'_>>(&line).map(|first| {
                    let is_right = first.records == kind && first.n == n;
                    header = Some((first.n, first.previous));
                    is_right
                })
            } else if kind == segment::COLLECTION {
                self.event_line(path, &line).map(|()| true)
            } else if kind == "files" {
                self.file_line(path, &line).map(|()| true)
            } else {
                serde_json::from_slice::<KindOnly>(&line).map(|line| !line.kind.is_empty())
            };
            match understood {
                Ok(true) => {}
                Ok(false) => self.fail(path, format!("line {number} does not belong here")),
                Err(error) => self.fail(path, format!("line {number} cannot be read: {error}")),
            }
        }
        Ok(header.unwrap_or((n, None)))
    }

    fn event_line(&mut self, path: &str, line: &[u8]) -> serde_json::Result<()> {
        // An event of a later minor version is not a fault; one that lies about a digest is.
        match serde_json::from_slice::<EventLine>(line)? {
            EventLine { kind, path: Some(named), sha256: Some(digest), .. } if kind == "segment" => {
                if segment::parse_path(&named).is_some_and(|(kind, _)| kind != segment::COLLECTION) {
                    self.claim(named, digest);
                } else {
                    self.fail(path, "it names a segment that is none");
                }
            }
            EventLine { kind, payload: Some(named), sha256: Some(digest), .. } if kind == "payload" => {
                self.claim(named, digest);
            }
            EventLine { kind, .. } if kind == "segment" || kind == "payload" => {
                self.fail(path, "it names a member without a digest");
            }
            _ => {}
        }
        Ok(())
    }

    fn file_line(&mut self, path: &str, line: &[u8]) -> serde_json::Result<()> {
        let file: FileLine = serde_json::from_slice(line)?;
        match (file.payload, file.sha256) {
            (Some(payload), Some(digest)) => {
                if payload == payload_path(&file.path) || payload == long_path(&file.path) {
                    self.claim(payload, digest);
                } else {
                    self.fail(path, format!("the record of `{}` names the payload of another file", file.path));
                }
            }
            (None, _) => {}
            (Some(_), None) => self.fail(path, format!("the record of `{}` has a payload and no digest", file.path)),
        }
        Ok(())
    }

    /// Holds what a record says of a member against the member.
    fn claim(&mut self, name: String, digest: Digest) {
        let key = index::key(&name);
        match self.seen.get_mut(&key) {
            Some(seen) if seen.digest == digest => seen.is_recorded = true,
            Some(seen) => {
                // Told here and not again for being without a record.
                seen.is_recorded = true;
                let why = format!("its SHA-256 is {} and its record says {digest}", seen.digest);
                self.fail(&name, why);
            }
            None => {
                self.claims.insert(key, (digest, name));
            }
        }
    }

    /// Holds a manifest against what was seen. Gives the number of files that agree.
    pub(super) fn hold_against(&mut self, mut lines: impl BufRead, name: &str) -> io::Result<u64> {
        let wants_payload = name == MANIFEST;
        let mut line = Vec::new();
        let mut agreed = 0;
        loop {
            line.clear();
            if (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(agreed);
            }
            let parsed = line.strip_suffix(b"\n").and_then(manifest_line);
            let Some((digest, path)) = parsed.filter(|(_, path)| path.starts_with("data/") == wants_payload) else {
                self.fail(name, format!("the line `{}` does not belong in it", text(&line)));
                continue;
            };
            let key = index::key(path);
            let why = match self.seen.get_mut(&key) {
                None if self.awaited.contains_key(&key) => Some("it is listed more than once".to_owned()),
                None if self.awaited.len() >= MAX_AWAITED => Some("it is listed before it comes".to_owned()),
                None => {
                    self.awaited.insert(key, (digest, path.to_owned()));
                    None
                }
                Some(seen) if seen.is_listed => Some("it is listed more than once".to_owned()),
                Some(seen) => {
                    seen.is_listed = true;
                    let is_right = seen.digest == digest;
                    (!is_right).then(|| format!("its SHA-256 is {} and the manifest says {digest}", seen.digest))
                }
            };
            match why {
                Some(why) => self.fail(path, why),
                None => agreed += 1,
            }
        }
    }
}

/// `<64 hexadecimal digits>  <path>`.
fn manifest_line(line: &[u8]) -> Option<(Digest, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let (digest, path) = line.split_once("  ")?;
    Some((digest.parse().ok()?, path))
}

#[derive(Deserialize)]
struct KindOnly {
    kind: String,
}

#[derive(Deserialize)]
struct EventLine {
    kind: String,
    path: Option<String>,
    payload: Option<String>,
    sha256: Option<Digest>,
}

#[derive(Deserialize)]
struct FileLine {
    #[serde(flatten)]
    path: EvidencePath,
    payload: Option<String>,
    sha256: Option<Digest>,
}
