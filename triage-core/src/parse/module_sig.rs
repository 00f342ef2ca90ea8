//! `module.sig`, the signed list of a `FreePBX` module's files, as the framework's `GPG` class and the vendor's `sign.php`
//! write it: an `OpenPGP` clear-signed (RFC 4880, section 7) ini file.
//!
//! Only the text that the signature covers counts. The signature itself is checked by [`super::openpgp`], with keys that this knows
//! nothing of: who trusts what this says has to check it, or to say that it was not.

use super::Limits;
use super::clear_sign::ClearSigned;
use super::line::{Reading, rsplit_once, split_once};
use crate::model::{EvidencePath, ModuleHash, Outcome};
use serde::Serialize;
use std::collections::HashMap;

/// What a `module.sig` says. All of it is a claim as long as nobody has checked the signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModuleSignature {
    /// `version` of the format: `1`, or `2` by `sign.php`.
    pub version: Option<String>,
    /// The hash that the list is made of; `sha256`.
    pub hash: Option<String>,
    /// The key id in `signedwith`.
    pub signed_with: Option<String>,
    /// The name in `signedby`.
    pub signed_by: Option<String>,
    /// `repo`: `standard`, `extended`, `commercial`, `manual`, `local`.
    pub repository: Option<String>,
    /// `type`: `public` or `local`; only in version 2.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `timestamp`, seconds since 1970 with a fraction, as written.
    pub timestamp: Option<String>,
    /// `expiresafter`, seconds since 1970, as written; only in version 2.
    pub expires_after: Option<String>,
    /// The listed files; of a file that is listed twice, the last line, as PHP reads it.
    pub hashes: Vec<ModuleHash>,
    /// What no genuine file has.
    pub oddities: Vec<Oddity>,
}

/// What no genuine `module.sig` has: in a sample of 60 there was none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Oddity {
    /// There is no clear-signed message in it.
    NotSigned,
    /// The message or its signature breaks off.
    CutShort,
    /// Text before the signed message.
    TextBeforeMessage,
    /// Text after the signature.
    TextAfterSignature,
    /// An armour header other than `Hash`.
    UnknownHeader,
    /// Lines that are escaped with `- `.
    DashEscapes,
    /// Lines that begin with a dash and are not escaped.
    UnescapedDash,
    /// Carriage returns at the ends of lines.
    CarriageReturns,
    /// A carriage return within a line, where some readers see the end of one.
    StrayCarriageReturn,
    /// Text after the line `;# End`.
    TextAfterEnd,
    /// A file that is listed twice.
    ListedTwice,
    /// A file name that leads out of the module's folder.
    LeadsOutOfModule,
    /// Another section than `[config]` and `[hashes]`.
    UnknownSection,
}

impl Oddity {
    /// The oddity in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NotSigned => "it holds no signed message",
            Self::CutShort => "the message or its signature breaks off",
            Self::TextBeforeMessage => "text stands before the signed message, where no signature covers it",
            Self::TextAfterSignature => "text stands after the signature, where it does not cover it",
            Self::UnknownHeader => "the message has a header other than `Hash`",
            Self::DashEscapes => "lines are escaped with a dash",
            Self::UnescapedDash => "a line begins with a dash that is not escaped",
            Self::CarriageReturns => "lines end in carriage returns",
            Self::StrayCarriageReturn => "a carriage return stands within a line",
            Self::TextAfterEnd => "text stands after the line `;# End`",
            Self::ListedTwice => "a file is listed twice",
            Self::LeadsOutOfModule => "a listed name leads out of the module's folder",
            Self::UnknownSection => "it has a section that the format does not know",
        }
    }
}

/// Reads the signed part.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<ModuleSignature> {
    parse_signed(path, &ClearSigned::read(bytes), limits)
}

/// Reads the list in a message that was taken apart already, so that its signature can be checked over the same lines.
pub fn parse_signed(path: &EvidencePath, message: &ClearSigned<'_>, limits: &Limits) -> Outcome<ModuleSignature> {
    let mut signature = ModuleSignature { oddities: message.oddities.clone(), ..ModuleSignature::default() };
    let mut reading = Reading::new(path, limits);
    let mut section: &[u8] = b"";
    let mut is_after_end = false;
    for line in message.lines() {
        if !reading.fits(&line) {
            continue;
        }
        let text = line.text.trim_ascii();
        if text == b";# End" {
            is_after_end = true;
            continue;
        }
        if is_after_end && !text.is_empty() {
            signature.oddities.push(Oddity::TextAfterEnd);
        }
        if text.is_empty() || text.starts_with(b";") {
            continue;
        }
        if let Some(name) = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
            section = name;
            if name != b"config" && name != b"hashes" {
                signature.oddities.push(Oddity::UnknownSection);
            }
            continue;
        }
        match section {
            b"config" => match config(text, &mut signature) {
                Ok(()) => {}
                Err(why) => reading.unreadable(line.number, why),
            },
            b"hashes" => match listed(text, &mut signature.oddities) {
                Ok(hash) => {
                    if !reading.push(hash) {
                        break;
                    }
                }
                Err(why) => reading.unreadable(line.number, why),
            },
            _ => reading.unreadable(line.number, "it stands in no section of the format"),
        }
    }
    let Outcome { value, gaps } = reading.finish();
    signature.hashes = last_of_each(value, &mut signature.oddities);
    signature.oddities.sort();
    signature.oddities.dedup();
    Outcome { value: signature, gaps }
}

fn config(text: &[u8], signature: &mut ModuleSignature) -> Result<(), &'static str> {
    let (key, value) = split_once(text, b"=").ok_or("neither a section nor a setting")?;
    let value = std::str::from_utf8(value.trim_ascii()).map_err(|_| "the value is no text")?;
    let value = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(value);
    let field = match key.trim_ascii() {
        b"version" => &mut signature.version,
        b"hash" => &mut signature.hash,
        b"signedwith" => &mut signature.signed_with,
        b"signedby" => &mut signature.signed_by,
        b"repo" => &mut signature.repository,
        b"type" => &mut signature.kind,
        b"timestamp" => &mut signature.timestamp,
        b"expiresafter" => &mut signature.expires_after,
        _ => return Ok(()),
    };
    *field = Some(value.to_owned());
    Ok(())
}

fn listed(text: &[u8], oddities: &mut Vec<Oddity>) -> Result<ModuleHash, &'static str> {
    // Names with spaces and with `=` occur; the hash is what stands after the last separator.
    let (file, hash) = rsplit_once(text, b" = ").ok_or("no ` = ` in it")?;
    let sha256 = std::str::from_utf8(hash).ok().and_then(|hash| hash.parse().ok()).ok_or("not a SHA-256 digest")?;
    let name = file.trim_ascii();
    if name.starts_with(b"/") || name.contains(&0) || name.split(|&b| b == b'/').any(|part| part == b"..") {
        oddities.push(Oddity::LeadsOutOfModule);
        oddities.dedup();
        return Err("the name leads out of the module's folder");
    }
    Ok(ModuleHash { file: name.into(), sha256 })
}

fn last_of_each(hashes: Vec<ModuleHash>, oddities: &mut Vec<Oddity>) -> Vec<ModuleHash> {
    let last: HashMap<_, _> = hashes.iter().enumerate().map(|(at, hash)| (hash.file.clone(), at)).collect();
    if last.len() != hashes.len() {
        oddities.push(Oddity::ListedTwice);
    }
    hashes.into_iter().enumerate().filter(|(at, hash)| last.get(&hash.file) == Some(at)).map(|(_, hash)| hash).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]
mod tests {
    use super::*;

    /// Genuine files are not in the repository; where they lie beside it, all of them are read.
    #[test]
    fn genuine_files_are_read_whole_and_without_oddities() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/freepbx/module-sig");
        let Ok(files) = std::fs::read_dir(folder) else {
            eprintln!("skipped: no genuine module.sig files beside the repository");
            return;
        };
        let (mut count, mut hashes) = (0, 0);
        for file in files {
            let file = file.unwrap().path();
            let path = EvidencePath::new("/var/www/html/admin/modules/x/module.sig").unwrap();
            let Outcome { value, gaps } = parse(&path, &std::fs::read(&file).unwrap(), &Limits::default());
            assert!(gaps.is_empty(), "{}: {gaps:?}", file.display());
            assert!(value.oddities.is_empty(), "{}: {:?}", file.display(), value.oddities);
            assert_eq!(value.signed_with.as_deref(), Some("B53D215A755231A3"));
            count += 1;
            hashes += value.hashes.len();
        }
        assert_eq!((count, hashes), (60, 19_229));
    }

    #[test]
    fn a_list_outside_the_signed_text_does_not_count() {
        let text = format!(
            "[hashes]\nbefore.php = {0}\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n[hashes]\na.php = {0}\n;# End\n\
             -----BEGIN PGP SIGNATURE-----\n\n=x\n-----END PGP SIGNATURE-----\nafter.php = {0}\n",
            "0".repeat(64)
        );
        let path = EvidencePath::new("/m/module.sig").unwrap();
        let read = parse(&path, text.as_bytes(), &Limits::default()).value;
        assert_eq!(read.hashes.iter().map(|hash| hash.file.to_string()).collect::<Vec<_>>(), ["a.php"]);
        assert_eq!(read.oddities, [Oddity::TextBeforeMessage, Oddity::TextAfterSignature]);
    }
}
