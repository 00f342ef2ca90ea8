//! The comparison of what lies there with what the lists have.

use super::super::placement::is_php_extension;
use super::super::{HostContext, Indicators, Report};
use super::finding::{self, limited};
use super::layout::{Layout, web_root};
use super::object::Object;
use super::signer::{Authorities, SignatureState, SignatureVerdict};
use super::standing::{ArchiveStanding, FileClass, ModuleStanding, ModuleState};
use super::{List, Seen};
use crate::model::{
    Category, Digest, Evidence, EvidencePath, FileKind, Finding, Gap, GapReason, RawText, Severity, Subject,
};
use std::collections::{BTreeMap, BTreeSet};

/// All that a comparison looks at.
pub(super) struct Check<'a> {
    pub(super) seen: &'a Seen,
    /// What the lists expect, by place; all web roots together.
    pub(super) expected: BTreeMap<EvidencePath, BTreeSet<Digest>>,
    /// What the signature of each module's list is worth, by its folder.
    pub(super) verdicts: &'a BTreeMap<EvidencePath, SignatureVerdict>,
    pub(super) layout: &'a Layout,
    pub(super) authorities: &'a Authorities<'a>,
    pub(super) host: &'a HostContext<'a>,
    pub(super) indicators: &'a Indicators,
}

/// One module whose list can be compared.
struct Signed<'a> {
    folder: EvidencePath,
    list: &'a List,
    verdict: &'a SignatureVerdict,
}

impl Signed<'_> {
    fn has_list(&self) -> bool {
        !self.list.text.hashes.is_empty()
    }
}

type Modules = BTreeMap<EvidencePath, ModuleStanding>;

fn standing<'m>(modules: &'m mut Modules, folder: &EvidencePath) -> &'m mut ModuleStanding {
    modules.entry(folder.clone()).or_insert_with(|| ModuleStanding::new(folder.clone()))
}

impl Check<'_> {
    pub(super) fn web_root(&self, root: &EvidencePath, modules: &mut Modules, report: &mut Report) {
        let signed: Vec<Signed<'_>> = self
            .seen
            .lists
            .iter()
            .filter(|(path, _)| path.starts_with(root))
            .filter_map(|(path, list)| {
                let folder = path.parent()?;
                let verdict = self.verdicts.get(&folder)?;
                Some(Signed { folder, list, verdict })
            })
            .collect();
        let Some(top) = root.parent().and_then(|admin| admin.parent()) else { return };
        for module in &signed {
            let standing = standing(modules, &module.folder);
            standing.signature = Some(module.verdict.clone());
            standing.repository.clone_from(&module.list.text.repository);
            standing.listed = module.list.text.hashes.len() as u64;
            self.list_itself(module, standing, report);
            self.listed_files(module, standing, report);
        }
        self.unlisted_files(root, &top, &signed, modules, report);
        self.unsigned_folders(root, &signed, modules, report);
        self.archives(root, modules, report);
        for (folder, standing) in modules.iter_mut().filter(|(folder, _)| folder.starts_with(root)) {
            let description = self.seen.descriptions.get(&folder.join(b"module.xml"));
            standing.version = description.and_then(|found| found.version.clone());
        }
    }

    fn sha256(&self, path: &EvidencePath) -> Option<Digest> {
        self.seen.files.get(path).and_then(|object| object.sha256)
    }

    /// What the list and its signature say of themselves.
    fn list_itself(&self, module: &Signed<'_>, standing: &mut ModuleStanding, report: &mut Report) {
        let text = &module.list.text;
        let path = module.folder.join(b"module.sig");
        let subject = Subject::File { path: path.clone(), sha256: self.sha256(&path) };
        if !text.oddities.is_empty() {
            report.findings.push(finding::odd(subject.clone(), &text.oddities, module.verdict));
        }
        let is_local =
            text.kind.as_deref() == Some("local") || matches!(text.repository.as_deref(), Some("manual" | "local"));
        if is_local {
            standing.is(ModuleState::Local);
        }
        let over = text.expires_after.as_deref().and_then(|end| end.split('.').next()?.parse::<i64>().ok());
        let is_over = over.is_some_and(|end| self.authorities.latest.is_some_and(|latest| end < latest.seconds()));
        let state = match module.verdict.state {
            SignatureState::Good if is_over => Some(ModuleState::Expired),
            SignatureState::Good => None,
            SignatureState::Expired => Some(ModuleState::Expired),
            SignatureState::Unverified => Some(ModuleState::Unverified),
            SignatureState::Revoked => Some(ModuleState::Revoked),
            SignatureState::Foreign => Some(ModuleState::ForeignSigner),
            SignatureState::Weak | SignatureState::Altered => Some(ModuleState::BadSignature),
            SignatureState::Unreadable if module.has_list() => Some(ModuleState::BadSignature),
            SignatureState::Unreadable | SignatureState::Absent => Some(ModuleState::Unsigned),
        };
        if let Some(state) = state {
            standing.is(state);
        }
        let told = match state {
            _ if !module.has_list() => None,
            // Who takes a signature away gains no more than who takes the whole list away.
            Some(ModuleState::Unsigned) => Some(finding::unsigned(&module.folder, text, module.verdict)),
            Some(ModuleState::BadSignature) => Some(finding::bad_signature(subject, text, module.verdict)),
            Some(ModuleState::Revoked) => Some(finding::revoked(subject, module.verdict)),
            Some(ModuleState::ForeignSigner) => Some(finding::foreign(subject, text, module.verdict)),
            _ if is_local => Some(finding::foreign(subject, text, module.verdict)),
            Some(ModuleState::Expired) => Some(finding::expired(subject, text, module.verdict)),
            _ => None,
        };
        report.findings.extend(told);
    }

    /// Altered and missing files, and lists that are another module's.
    fn listed_files(&self, module: &Signed<'_>, standing: &mut ModuleStanding, report: &mut Report) {
        let (mut changed, mut missing) = (Vec::new(), Vec::new());
        let hashes = &module.list.text.hashes;
        for hash in hashes {
            let places = self.layout.destinations(&module.folder, hash.file.as_bytes());
            for (at, place) in places.iter().enumerate() {
                match self.judge(place) {
                    State::Altered(object) => {
                        standing.altered(place);
                        changed.push(finding::altered(place, object, hash, module.verdict));
                    }
                    // What counts is the place that the file is used from; the other is a copy.
                    State::Absent if at == 0 && self.host.shows_absence_of(place) => {
                        missing.push(finding::missing_file(place, hash, module.verdict));
                    }
                    State::Fine if at == 0 => standing.matching += 1,
                    State::Absent | State::Fine => {}
                }
            }
        }
        let listed = hashes.len();
        let stands_alone = missing.len() == listed;
        let matching = usize::try_from(standing.matching).unwrap_or(usize::MAX);
        // Nothing in a list names its module: one that was signed for another is genuine, and most of its files are not here.
        let has_few = listed >= 3 && missing.len() * 2 >= listed && matching * 2 < listed;
        let other_name = self.other_name(module);
        if module.verdict.is_good() && ((has_few && self.has_files(&module.folder)) || other_name.is_some()) {
            standing.is(ModuleState::WrongModule);
            let twin = self.twin(module);
            let path = module.folder.join(b"module.sig");
            let subject = Subject::File { sha256: self.sha256(&path), path };
            let counts = (standing.matching, listed as u64);
            report.findings.push(finding::wrong_module(subject, counts, other_name, twin.as_ref(), module.verdict));
            missing.clear();
        }
        limited(
            module.folder.clone(),
            module.verdict,
            changed,
            ("TR-MODSIG-0002", "altered", Severity::Medium),
            report,
        );
        if stands_alone {
            // The list stands alone: a collection of lists, not a module.
            missing.truncate(1);
        }
        for finding in &missing {
            standing.missing(finding.subject.path());
        }
        limited(module.folder.clone(), module.verdict, missing, ("TR-MODSIG-0003", "missing", Severity::Low), report);
    }

    /// The name that the module's description gives, where it is the signed one and names another module.
    fn other_name(&self, module: &Signed<'_>) -> Option<String> {
        let path = module.folder.join(b"module.xml");
        let name = self.seen.descriptions.get(&path)?.raw_name.clone()?;
        let is_signed = module
            .list
            .text
            .hashes
            .iter()
            .any(|hash| hash.file.as_bytes() == b"module.xml" && self.sha256(&path) == Some(hash.sha256));
        (is_signed && name.as_bytes() != module.folder.file_name()).then_some(name)
    }

    /// Says whether there is more in a folder than a list.
    fn has_files(&self, folder: &EvidencePath) -> bool {
        let after = self.seen.files.range(folder.clone()..).take_while(|(path, _)| path.starts_with(folder));
        after.into_iter().any(|(path, object)| object.kind == FileKind::File && path.file_name() != b"module.sig")
    }

    /// Another module with the same list.
    fn twin(&self, module: &Signed<'_>) -> Option<EvidencePath> {
        let own = module.folder.join(b"module.sig");
        let digest = self.sha256(&own)?;
        let others = self.seen.lists.keys().filter(|path| **path != own);
        others.into_iter().find(|path| self.sha256(path) == Some(digest))?.parent()
    }

    /// Compares an object with everything that a list expects of its place: where two modules or two web roots share a folder of
    /// programs, each of their files is as good as the other's.
    fn judge(&self, place: &EvidencePath) -> State<'_> {
        let Some(object) = self.seen.files.get(place) else { return State::Absent };
        let digest = match object.kind {
            // It is there and was not read; that is a gap elsewhere.
            FileKind::File if object.is_unread => return State::Fine,
            FileKind::File => object.sha256,
            FileKind::Symlink => object
                .link_target
                .as_ref()
                .and_then(|target| self.seen.files.get(target))
                .and_then(|target| target.sha256),
            _ => None,
        };
        let is_expected = |digest| self.expected.get(place).is_some_and(|expected| expected.contains(&digest));
        if digest.is_some_and(is_expected) { State::Fine } else { State::Altered(object) }
    }

    /// Files that lie where a module's or the framework's do, and that no list has.
    fn unlisted_files(
        &self,
        root: &EvidencePath,
        top: &EvidencePath,
        signed: &[Signed<'_>],
        modules: &mut Modules,
        report: &mut Report,
    ) {
        let admin = top.join(b"admin");
        let framework = root.join(b"framework");
        let by_folder: BTreeMap<&EvidencePath, &Signed<'_>> =
            signed.iter().filter(|module| module.has_list()).map(|module| (&module.folder, module)).collect();
        let has_framework = by_folder.contains_key(&framework);
        let mut by_owner: BTreeMap<EvidencePath, Vec<Finding>> = BTreeMap::new();
        for (path, object) in &self.seen.files {
            if object.kind != FileKind::File || self.expected.contains_key(path) {
                continue;
            }
            let folder = path.parent().unwrap_or_else(EvidencePath::root);
            let owner = std::iter::successors(Some(folder.clone()), EvidencePath::parent)
                .find_map(|folder| by_folder.get(&folder));
            let is_program = || folder == self.layout.programs || folder == self.layout.agi;
            let (owner, weight) = if let Some(module) = owner {
                (module.folder.clone(), unlisted_weight(path, &module.folder, object))
            } else if has_framework && path.starts_with(&admin) && !path.starts_with(root) {
                (framework.clone(), unlisted_weight(path, &admin, object))
            } else if has_framework && path.starts_with(root) && &folder == root {
                (framework.clone(), unlisted_weight(path, root, object))
            } else if has_framework && is_program() && object.is_code() {
                // Commercial modules and packages put programs of their own there.
                (framework.clone(), Some((Severity::Medium, 50)))
            } else {
                continue;
            };
            let Some(verdict) = by_folder.get(&owner).map(|module| module.verdict) else { continue };
            if path.file_name() != b"module.sig" {
                let matters = weight.is_some_and(|(severity, _)| severity > Severity::Info);
                standing(modules, &owner).unlisted(path, object.class, matters);
            }
            let Some(weight) = weight else { continue };
            by_owner.entry(owner).or_default().push(finding::unlisted(path, object, weight, verdict));
        }
        for module in signed {
            if let Some(findings) = by_owner.remove(&module.folder) {
                let rule = ("TR-MODSIG-0009", "unlisted", Severity::High);
                limited(module.folder.clone(), module.verdict, findings, rule, report);
            }
        }
    }

    /// Module folders without a list that counts.
    fn unsigned_folders(&self, root: &EvidencePath, signed: &[Signed<'_>], modules: &mut Modules, report: &mut Report) {
        #[derive(Default)]
        struct Folder {
            has_description: bool,
            code: Vec<EvidencePath>,
            classes: BTreeMap<FileClass, u64>,
        }
        let mut folders: BTreeMap<EvidencePath, Folder> = BTreeMap::new();
        for (path, object) in &self.seen.files {
            let Some(rest) = path.as_bytes().strip_prefix(root.as_bytes()) else { continue };
            let Some((name, inside)) = rest
                .strip_prefix(b"/")
                .and_then(|rest| rest.iter().position(|&b| b == b'/').and_then(|at| rest.split_at_checked(at)))
            else {
                continue;
            };
            // The framework's own store of downloaded archives.
            if name == b"_cache" || object.kind == FileKind::Directory {
                continue;
            }
            let folder = folders.entry(root.join(name)).or_default();
            folder.has_description |= inside == b"/module.xml";
            *folder.classes.entry(object.class).or_default() += 1;
            if object.is_code() {
                folder.code.push(path.clone());
            }
        }
        for (path, folder) in folders {
            if signed.iter().any(|module| module.folder == path && module.has_list()) {
                continue;
            }
            let name = RawText::from(path.file_name());
            // Without the right to have seen a list, its absence says nothing.
            if !self.host.shows_absence_of(&path.join(b"module.sig")) && folder.has_description {
                continue;
            }
            let found = standing(modules, &path);
            found.is(if folder.has_description { ModuleState::Unsigned } else { ModuleState::Rogue });
            found.unlisted_by_kind = folder.classes;
            let mut evidence: Vec<_> = folder
                .code
                .iter()
                .take(20)
                .map(|file| Evidence::Attribute { name: "code".into(), value: RawText::from(file.as_bytes()) })
                .collect();
            evidence.push(Evidence::Attribute {
                name: "module.xml".into(),
                value: if folder.has_description { "present" } else { "missing" }.into(),
            });
            let subject = Subject::Module { path: path.clone(), name: name.clone() };
            let finding = match self.indicators.unsigned_module(name.as_bytes()) {
                Some(indicator) if !folder.code.is_empty() => indicator.finding(subject, evidence),
                _ if folder.has_description => Finding::new(
                    "TR-MODSIG-0008",
                    "FreePBX module without a signature",
                    (Category::Hardening, Severity::Low, 60),
                    subject,
                    evidence,
                ),
                _ if folder.code.is_empty() => Finding::new(
                    "TR-MODSIG-0010",
                    "Folder among the modules that is no module",
                    (Category::Tampering, Severity::Low, 40),
                    subject,
                    evidence,
                ),
                _ => Finding::new(
                    "TR-MODSIG-0010",
                    "Folder with code among the modules that is no module",
                    (Category::WebShell, Severity::High, 80),
                    subject,
                    evidence,
                )
                .with_attack(["T1505.003"]),
            };
            report.findings.push(finding);
        }
    }

    /// The signed archives that the framework has downloaded.
    fn archives(&self, root: &EvidencePath, modules: &mut Modules, report: &mut Report) {
        for (path, signatures) in self.seen.archives.iter().filter(|(path, _)| path.starts_with(root)) {
            let signature = self.authorities.judge(signatures);
            report.findings.extend(finding::archive(path, self.sha256(path), &signature));
            // `core-17.0.1.tgz.gpg`; a module's name has no dash.
            let name = path.file_name().split(|&b| b == b'-').next().unwrap_or_default();
            if let Some(module) = modules.get_mut(&root.join(name)) {
                module.archives.push(ArchiveStanding { path: path.clone(), signature });
            }
        }
    }

    /// Keys that take the name of a pinned one.
    pub(super) fn keys(&self, report: &mut Report) {
        for (path, ring) in &self.seen.keys {
            for (print, names) in ring.names() {
                let mut signers = self.authorities.signers.iter();
                let is_pinned = signers.any(|signer| signer.fingerprint == print);
                let claimed = self.authorities.signers.iter().find(|signer| names.contains(&signer.name));
                if let Some(signer) = claimed.filter(|_| !is_pinned) {
                    report.findings.push(finding::impostor(path, self.sha256(path), print, signer));
                }
            }
        }
    }

    /// Where a whole host has lists and none of the keys, nothing could be checked, and that is to be said once.
    pub(super) fn unverified(&self, report: &mut Report) {
        let is_unverified = |verdict: &&SignatureVerdict| verdict.state == SignatureState::Unverified;
        let count = self.verdicts.values().filter(is_unverified).count();
        let Some(first) = self.verdicts.iter().find(|(_, verdict)| is_unverified(verdict)).map(|(folder, _)| folder)
        else {
            return;
        };
        let modules = first.parent().unwrap_or_else(EvidencePath::root);
        let top = web_root(first).unwrap_or_else(EvidencePath::root);
        let detail = format!(
            "signatures of {count} modules were not checked: the key that they name is neither in {top}/admin/libraries/BMO nor in a key ring of the evidence"
        );
        report.gaps.push(Gap::new(modules, GapReason::Unsupported, detail));
    }
}

enum State<'a> {
    Fine,
    Altered(&'a Object),
    Absent,
}

/// How much an unlisted file matters; `None` where the signer leaves such files out by design and they do no harm.
fn unlisted_weight(path: &EvidencePath, base: &EvidencePath, object: &Object) -> Option<(Severity, u8)> {
    let inside = path.as_bytes().strip_prefix(base.as_bytes()).unwrap_or_default();
    let has_part = |wanted: &[u8]| inside.split(|&b| b == b'/').any(|part| part == wanted);
    if path.file_name() == b"module.sig" || !object.is_code() {
        return None;
    }
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let is_php = is_php_extension(&extension);
    if has_part(b"node_modules") || (base.file_name() == b"framework" && has_part(b"utests")) {
        // Packages of node bring programs, and the framework's own tests are not signed.
        return is_php.then_some((Severity::Info, 20));
    }
    if path.file_name().starts_with(b".") && !is_php {
        // No dot file is listed; libraries bring settings of their tools that are PHP (`.php_cs.dist`) and that nothing serves.
        return Some((Severity::Low, 40));
    }
    Some((Severity::High, 85))
}
