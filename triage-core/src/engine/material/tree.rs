//! Trees and archives of a host, of which each file is given out only when somebody vouches for it; and several sources as one.

use super::alias;
use super::known::{Known, Word};
use super::module;
use super::shelf::Sums;
use crate::detect::Signers;
use crate::model::{Digest, EvidencePath, FileMeta};
use crate::parse::openpgp::KeyRing;
use crate::source::{Item, Kept, Opened, Selection, Source, SourceError, SourceKind};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

/// The largest `module.sig`.
const MAX_LIST: u64 = 8 << 20;

/// A tree of which each file is held against the package databases of the host and of the tree itself, and against the lists that a vendor has
/// signed. A file that none of them knows is refused, and so is one of which the host's database has another digest.
///
/// # Errors
/// When the databases or keys cannot be read.
pub fn vouched(tree: Box<dyn Source>, host: &dyn Source) -> Result<Box<dyn Source>, SourceError> {
    let mut keys = module::keys(host)?;
    keys.add(module::keys(tree.as_ref())?);
    Ok(Box::new(Vouched {
        of_host: Known::read(host, &|_| true)?,
        of_tree: Known::read(tree.as_ref(), &|_| true)?,
        signers: module::signers().unwrap_or_default(),
        keys,
        lists: Mutex::default(),
        tree,
    }))
}

/// Says whether a package of the host has this content at this place, and the host still has it there.
pub fn is_pristine(host: &dyn Source, path: &EvidencePath, sha256: &Digest) -> bool {
    let Ok(Some(opened)) = host.open(path) else { return false };
    let Ok(sums) = Sums::of(opened.reader) else { return false };
    let other = alias(path);
    let known = Known::read(host, &|wanted| wanted == path || Some(wanted) == other.as_ref());
    sums.sha256 == *sha256 && known.is_ok_and(|known| matches!(known.judge(path, &sums), Word::Pristine(_)))
}

/// The same source, of which the digest of its file is known: what a plan records of where a copy came from.
pub fn identified(source: Box<dyn Source>, sha256: Digest) -> Box<dyn Source> {
    Box::new(Identified { source, sha256 })
}

struct Identified {
    source: Box<dyn Source>,
    sha256: Digest,
}

impl Source for Identified {
    fn kind(&self) -> SourceKind {
        self.source.kind()
    }

    fn label(&self) -> String {
        format!("{} (sha256 {})", self.source.label(), self.sha256)
    }

    fn kept(&self) -> Kept {
        self.source.kept()
    }

    fn identity(&self) -> Option<Digest> {
        Some(self.sha256)
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        self.source.walk(selection, sink)
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        self.source.metadata(path)
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        self.source.open(path)
    }
}

/// Several sources as one: of a file, the first copy that is given out counts.
pub fn several(sources: Vec<Box<dyn Source>>) -> Option<Box<dyn Source>> {
    match sources.len() {
        0 | 1 => sources.into_iter().next(),
        _ => Some(Box::new(Several(sources))),
    }
}

struct Vouched {
    tree: Box<dyn Source>,
    of_host: Known,
    of_tree: Known,
    signers: Signers,
    keys: KeyRing,
    /// What genuine lists have, by the module's folder.
    lists: Mutex<BTreeMap<EvidencePath, HashMap<Vec<u8>, Digest>>>,
}

impl Vouched {
    /// Why a file is not given out.
    fn refusal(&self, path: &EvidencePath, sums: &Sums) -> Result<Option<String>, SourceError> {
        match self.of_host.judge(path, sums) {
            Word::Pristine(_) => return Ok(None),
            Word::Other(owner) => {
                return Ok(Some(format!(
                    "the host's package database has another digest for it ({owner}): take a copy of the very version that is installed"
                )));
            }
            Word::Unknown => {}
        }
        if matches!(self.of_tree.judge(path, sums), Word::Pristine(_)) || self.is_listed(path, sums)? {
            return Ok(None);
        }
        let why = if self.of_host.is_empty() && self.of_tree.is_empty() {
            "neither side has a package database"
        } else {
            "no package database knows it"
        };
        Ok(Some(format!(
            "nobody vouches for it: {why}, and no signed list has it. A bundle that you made of a good host (`triage collect`) is taken as it is"
        )))
    }

    /// Says whether a genuine `module.sig` of the tree lists a file of a module's own folder with this digest.
    fn is_listed(&self, path: &EvidencePath, sums: &Sums) -> Result<bool, SourceError> {
        let mut folder = path.parent();
        while let Some(module) = folder {
            let is_module = module.parent().is_some_and(|above| above.as_bytes().ends_with(b"/admin/modules"));
            if is_module {
                let name = path.as_bytes().get(module.as_bytes().len() + 1..).unwrap_or_default();
                let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
                if !lists.contains_key(&module) {
                    let list = self.list(&module)?;
                    lists.insert(module.clone(), list);
                }
                return Ok(lists.get(&module).and_then(|list| list.get(name)) == Some(&sums.sha256));
            }
            folder = module.parent();
        }
        Ok(false)
    }

    fn list(&self, module: &EvidencePath) -> Result<HashMap<Vec<u8>, Digest>, SourceError> {
        let path = module.join(b"module.sig");
        let Some(text) = self.tree.read(&path, MAX_LIST)? else { return Ok(HashMap::new()) };
        let (verdict, list) = self.signers.judge_list(&self.keys, &path, &text);
        if !verdict.is_good() {
            return Ok(HashMap::new());
        }
        Ok(list.hashes.iter().map(|hash| (hash.file.as_bytes().to_vec(), hash.sha256)).collect())
    }

    fn check(&self, path: &EvidencePath) -> Result<(), SourceError> {
        let Some(opened) = self.tree.open(path)? else { return Ok(()) };
        let sums = Sums::of(opened.reader).map_err(|source| SourceError::Io {
            doing: "reading",
            what: path.to_string(),
            source,
        })?;
        match self.refusal(path, &sums)? {
            Some(detail) => Err(SourceError::Unvouched { what: path.to_string(), detail }),
            None => Ok(()),
        }
    }
}

impl Source for Vouched {
    fn kind(&self) -> SourceKind {
        self.tree.kind()
    }

    fn label(&self) -> String {
        self.tree.label()
    }

    fn kept(&self) -> Kept {
        self.tree.kept()
    }

    fn identity(&self) -> Option<Digest> {
        self.tree.identity()
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        self.tree.walk(selection, sink)
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        self.tree.metadata(path)
    }

    /// Reads it once to know what it is. That it is the same when it is read again is for who reads it: a plan has its digest.
    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        self.check(path)?;
        self.tree.open(path)
    }
}

struct Several(Vec<Box<dyn Source>>);

impl Several {
    /// The first that gives something; where none does, the first refusal.
    fn first<T>(
        &self,
        ask: impl Fn(&dyn Source) -> Result<Option<T>, SourceError>,
    ) -> Result<Option<(usize, T)>, SourceError> {
        let mut refusal = None;
        for (number, source) in self.0.iter().enumerate() {
            match ask(source.as_ref()) {
                Ok(Some(found)) => return Ok(Some((number, found))),
                Ok(None) => {}
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        refusal.map_or(Ok(None), Err)
    }
}

impl Source for Several {
    fn kind(&self) -> SourceKind {
        SourceKind::Archive
    }

    fn label(&self) -> String {
        self.0.iter().map(|source| source.label()).collect::<Vec<_>>().join("; ")
    }

    fn kept(&self) -> Kept {
        // What one of them does not keep is kept of none: who reads cannot tell which it was.
        let all = self.0.iter().map(|source| source.kept());
        all.fold(Kept { modes: true, owners: true, mtimes: true, attributes: true }, |a, b| Kept {
            modes: a.modes && b.modes,
            owners: a.owners && b.owners,
            mtimes: a.mtimes && b.mtimes,
            attributes: a.attributes && b.attributes,
        })
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        self.0.iter().try_for_each(|source| source.walk(selection, sink))
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        Ok(self
            .first(|source| if source.open(path)?.is_some() { source.metadata(path) } else { Ok(None) })?
            .map(|(_, meta)| meta))
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        Ok(self.first(|source| source.open(path))?.map(|(_, opened)| opened))
    }
}
