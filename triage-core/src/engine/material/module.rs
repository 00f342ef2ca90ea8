//! Archives of `FreePBX` modules: `NAME-VERSION.tgz.gpg`, signed as a whole, and plain `.tgz` with the vendor's signed list `module.sig` inside.
//!
//! A file of one is given out when a pinned key has signed the archive, or the list that has its digest. The keys come from the host and are known
//! by their fingerprints. A module of another version than the one that is installed is refused: its files do not belong to those around them.

use super::shelf::{Copy, OpenAt, Shelf, Sums};
use super::{File, MaterialError};
use crate::detect::{SignatureVerdict, Signers, holds_keys, module_places};
use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Mode, Pattern};
use crate::parse::freepbx_dirs::{self, Directories};
use crate::parse::openpgp::KeyRing;
use crate::parse::{Limits, module_xml};
use crate::source::{Container, ContainerFormat, Item, Kept, Selection, Source, SourceError};
use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The most that a module may unpack to; the largest, the framework, has 20 MiB.
const MAX_UNPACKED: u64 = 256 << 20;
/// The most files in one; the largest have some thousands.
const MAX_FILES: usize = 50_000;
/// The largest file of keys.
const MAX_KEYS: u64 = 4 << 20;
const MAX_TEXT: u64 = 8 << 20;
const WEB_ROOT: &[u8] = b"/var/www/html";

/// An archive that is signed as a whole.
pub(super) fn signed(file: &File<'_>, host: &dyn Source) -> Result<Box<dyn Source>, MaterialError> {
    let (signers, keys) = authorities(host, file)?;
    let (verdict, content) = signers.open_archive(&keys, &file.bytes).map_err(|error| file.unusable(error.detail()))?;
    if !verdict.is_good() {
        return Err(unverified(file, &verdict));
    }
    let Some(module) = Module::read(file, content.into())? else {
        return Err(file.unusable("what is signed is no archive of a module"));
    };
    module.onto(file, host, |_, _| None)
}

/// An archive with a signed list in it; none where it is no module.
pub(super) fn plain(file: &File<'_>, host: &dyn Source) -> Result<Option<Box<dyn Source>>, MaterialError> {
    let Some(module) = Module::read(file, Arc::clone(&file.bytes))? else { return Ok(None) };
    let (signers, keys) = authorities(host, file)?;
    let Some(list) = module.list.as_ref() else {
        let detail = "there is no `module.sig` in it: take the signed archive, `….tgz.gpg`".to_owned();
        return Err(MaterialError::Unverified { what: file.what.clone(), detail });
    };
    let (verdict, list) = signers.judge_list(&keys, &EvidencePath::root().join(b"module.sig"), list);
    if !verdict.is_good() {
        return Err(unverified(file, &verdict));
    }
    let listed: HashMap<Vec<u8>, Digest> =
        list.hashes.iter().map(|hash| (hash.file.as_bytes().to_vec(), hash.sha256)).collect();
    let judge = |name: &[u8], sums: &Sums| match listed.get(name) {
        Some(digest) if *digest == sums.sha256 => None,
        Some(_) => Some("it is not the file that the vendor's `module.sig` lists".to_owned()),
        None => Some("the vendor's `module.sig` does not list it".to_owned()),
    };
    module.onto(file, host, judge).map(Some)
}

fn unverified(file: &File<'_>, verdict: &SignatureVerdict) -> MaterialError {
    MaterialError::Unverified { what: file.what.clone(), detail: format!("its signature: {verdict}") }
}

/// The pinned keys, and all keys that the host has.
fn authorities(host: &dyn Source, file: &File<'_>) -> Result<(Signers, KeyRing), MaterialError> {
    let signers = signers().map_err(|error| file.unusable(error))?;
    Ok((signers, keys(host)?))
}

#[cfg(not(test))]
pub(super) fn signers() -> Result<Signers, String> {
    Signers::builtin().map_err(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unnecessary_wraps, reason = "stands for one that can fail")]
pub(super) fn signers() -> Result<Signers, String> {
    Ok(super::tests::signers())
}

/// The keys that lie on a host: the framework's own, those of modules, key rings.
pub(super) fn keys(host: &dyn Source) -> Result<KeyRing, SourceError> {
    let found = found_directories(host)?;
    let web_root = web_root(&found);
    let below = |text: &str| Pattern::new(text).ok();
    let mut patterns: Vec<Pattern> = Vec::new();
    let modules = web_root.join(b"admin").join(b"modules");
    let bmo = web_root.join(b"admin").join(b"libraries").join(b"BMO");
    patterns.extend([Pattern::tree(&bmo), Pattern::tree(&modules.join(b"framework"))]);
    for home in ["/home/*/.gnupg/pubring.*", "/root/.gnupg/pubring.*", "/var/lib/asterisk/.gnupg/pubring.*"] {
        patterns.extend(below(home));
    }
    let mut ring = KeyRing::default();
    host.walk(&Selection::new(patterns, Vec::new()), &mut |item| {
        let Item::Entry(entry) = item else { return ControlFlow::Continue(()) };
        if !holds_keys(&entry.path) {
            return ControlFlow::Continue(());
        }
        let mut bytes = Vec::new();
        let opened = entry.content.and_then(|open| open().ok());
        if opened.is_some_and(|opened| opened.reader.take(MAX_KEYS).read_to_end(&mut bytes).is_ok())
            // A file without a key that can be read makes nothing genuine.
            && let Ok(found) = KeyRing::read(&bytes)
        {
            ring.add(found);
        }
        ControlFlow::Continue(())
    })?;
    Ok(ring)
}

/// Where the host's own files say that its `FreePBX` lies.
pub(super) fn found_directories(host: &dyn Source) -> Result<BTreeMap<usize, Directories>, SourceError> {
    let mut found = BTreeMap::new();
    for (rank, file) in freepbx_dirs::FILES.iter().enumerate() {
        let Ok(path) = EvidencePath::new(file) else { continue };
        if let Some(text) = host.read(&path, MAX_TEXT)? {
            found.insert(rank, Directories::read(&path, &text, &Limits::default()));
        }
    }
    Ok(found)
}

pub(super) fn web_root(found: &BTreeMap<usize, Directories>) -> EvidencePath {
    let set = found.values().cloned().fold(Directories::default(), |less, more| more.over(less));
    set.web_root.or_else(|| EvidencePath::new(WEB_ROOT).ok()).unwrap_or_else(EvidencePath::root)
}

/// An archive with one module's folder in it.
struct Module {
    name: Vec<u8>,
    container: Container,
    /// By the name beneath the folder.
    files: BTreeMap<Vec<u8>, Copy>,
    list: Option<Vec<u8>>,
    version: Option<String>,
}

impl Module {
    /// Reads an archive; none where it holds no module: one folder with `module.xml`.
    fn read(file: &File<'_>, bytes: Arc<[u8]>) -> Result<Option<Self>, MaterialError> {
        let length = bytes.len() as u64;
        let Ok(container) = Container::in_memory(file.path, bytes, 0..length) else { return Ok(None) };
        if !matches!(container.format(), ContainerFormat::Tar | ContainerFormat::TarGz) {
            return Ok(None);
        }
        let limits = crate::source::Limits { max_total: MAX_UNPACKED, ..crate::source::Limits::default() };
        let container = container.with_limits(limits);
        let (mut name, mut is_module, mut trouble) = (None::<Vec<u8>>, true, None);
        let (mut files, mut list, mut version) = (BTreeMap::new(), None, None);
        let walked = container.for_each(&mut |entry, content| {
            let bare = entry.name.strip_prefix(b"./").unwrap_or(&entry.name);
            let mut parts = bare.splitn(2, |&byte| byte == b'/');
            let (top, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            if top.is_empty() || name.as_deref().is_some_and(|name| name != top) {
                is_module = top.is_empty() && is_module;
                return if is_module { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
            }
            name.get_or_insert_with(|| top.to_vec());
            let (true, Some(offset)) = (entry.kind == FileKind::File && !rest.is_empty(), entry.data) else {
                return ControlFlow::Continue(());
            };
            if files.len() >= MAX_FILES {
                trouble = Some(format!("it has more than {MAX_FILES} files"));
                return ControlFlow::Break(());
            }
            let mut meta = FileMeta::bare(FileKind::File, Mode::new(entry.mode & 0o777), entry.size);
            meta.mtime = entry.mtime;
            let mut head = Vec::new();
            let is_read_here = matches!(rest, b"module.sig" | b"module.xml") && entry.size <= MAX_TEXT;
            let sums = if is_read_here {
                content.read_to_end(&mut head).and_then(|_| Sums::of(head.as_slice()))
            } else {
                Sums::of(content)
            };
            match sums {
                Ok(sums) => {
                    files.insert(rest.to_vec(), Copy { meta, sums, offset, refusal: None });
                }
                Err(error) => {
                    trouble = Some(error.to_string());
                    return ControlFlow::Break(());
                }
            }
            match rest {
                b"module.sig" => list = Some(head),
                b"module.xml" => version = Some(version_of(&head)),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        let (Some(name), true, Some(version)) = (name, is_module, version) else { return Ok(None) };
        if let Some(detail) = trouble.or_else(|| walked.err().map(|error| error.to_string())) {
            return Err(file.unusable(detail));
        }
        Ok(Some(Self { name, container, files, list, version }))
    }

    /// The files at the places that they have on the host. `judge` says why one is not given out.
    fn onto(
        self,
        file: &File<'_>,
        host: &dyn Source,
        judge: impl Fn(&[u8], &Sums) -> Option<String>,
    ) -> Result<Box<dyn Source>, MaterialError> {
        let found = found_directories(host)?;
        let folder = web_root(&found).join(b"admin").join(b"modules").join(&self.name);
        let description = host.read(&folder.join(b"module.xml"), MAX_TEXT)?;
        let installed = description.and_then(|text| version_of(&text));
        let shown = |version: &Option<String>| {
            version.as_ref().map_or_else(|| "none".to_owned(), |version| crate::model::escape(version.as_bytes()))
        };
        if installed.is_some() && installed != self.version {
            let detail = format!(
                "it is version {}, and the host has {}: take the archive of the very version that is installed",
                shown(&self.version),
                shown(&installed)
            );
            return Err(file.unusable(detail));
        }
        let mut copies = BTreeMap::new();
        for (name, copy) in self.files {
            let refusal = judge(&name, &copy.sums);
            let mut places = module_places(&found, &folder, &name);
            if name == b"module.sig" {
                // The list is vouched for by its own signature.
                places = vec![folder.join(&name)];
            }
            let is_list = name == b"module.sig";
            for place in places {
                let refusal = refusal.clone().filter(|_| !is_list);
                copies.insert(place, Copy { refusal, ..copy.clone() });
            }
        }
        let label = format!(
            "{} (module {} {}, signed by the vendor, sha256 {})",
            file.what,
            crate::model::escape(&self.name),
            shown(&self.version),
            file.sha256
        );
        let container = self.container;
        let open_at: OpenAt = Box::new(move |offset, size| container.tar_content(offset, size));
        // Owner and mode are set by the installer: what is there stays.
        let kept = Kept { modes: false, owners: false, mtimes: true, attributes: false };
        Ok(Box::new(Shelf { label, sha256: file.sha256, kept, copies, open_at }))
    }
}

fn version_of(description: &[u8]) -> Option<String> {
    module_xml::parse(&EvidencePath::root().join(b"module.xml"), description, &Limits::default()).value.version
}
