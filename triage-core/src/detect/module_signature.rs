//! `FreePBX` modules against their `module.sig`: altered, missing and unlisted files, and module folders without a signature.
//!
//! The framework's own check never looks at files that are not listed nor at folders that its database does not have; this one
//! does, and trusts nothing on the host but the list itself. Whether the `OpenPGP` signature over that list is genuine is not
//! checked here, and each finding says so.

use super::placement::{is_php_extension, takes_orders};
use super::{Detector, HostContext, Indicators, Report, looks_like_php};
use crate::model::{
    Category, Digest, Evidence, EvidencePath, FileKind, Finding, ModuleHash, RawText, Severity, Subject,
};
use crate::parse::module_sig::{self, ModuleSignature};
use crate::parse::{Format, Limits};
use crate::sweep::Swept;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The most findings of one kind that one module gives one by one; a module of another version differs in each file.
const MAX_EACH: usize = 100;

/// The vendor's key that signs today's modules, by the id that a `module.sig` claims, and those before it.
const VENDOR_KEYS: [&str; 3] = ["B53D215A755231A3", "3DDB2122FE6D84F7", "86CE877469D2EAD9"];

/// Where `FreePBX` puts its programs by default.
const PROGRAMS: &[u8] = b"/var/lib/asterisk/bin";
const AGI: &[u8] = b"/var/lib/asterisk/agi-bin";

/// Compares modules with their signed lists, when all files have been seen.
pub struct ModuleSignatureDetector {
    indicators: Arc<Indicators>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    files: BTreeMap<EvidencePath, Object>,
    signatures: BTreeMap<EvidencePath, ModuleSignature>,
}

impl Seen {
    /// Each folder `…/admin/modules` of a `FreePBX`: one in which a module has a list, or in which the framework's or core's own
    /// description lies. Other programs have folders of that name too.
    fn module_roots(&self) -> BTreeSet<EvidencePath> {
        let described = self.files.keys().filter(|path| {
            Format::at(path) == Some(Format::ModuleXml)
                && path.parent().is_some_and(|folder| matches!(folder.file_name(), b"framework" | b"core"))
        });
        self.signatures.keys().chain(described).filter_map(|path| path.parent()?.parent()).collect()
    }

    fn expected(&self) -> BTreeMap<EvidencePath, BTreeSet<Digest>> {
        let mut expected: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (path, signature) in &self.signatures {
            let Some((folder, web_root)) = path.parent().and_then(|folder| Some((folder.clone(), web_root(&folder)?)))
            else {
                continue;
            };
            for hash in &signature.hashes {
                for place in destinations(&folder, &web_root, hash.file.as_bytes()) {
                    expected.entry(place).or_default().insert(hash.sha256);
                }
            }
        }
        expected
    }
}

/// The web root of a module's folder: three levels up, over `admin/modules`.
fn web_root(module: &EvidencePath) -> Option<EvidencePath> {
    module.parent()?.parent()?.parent()
}

/// As much of a file as the conclusion needs.
struct Object {
    kind: FileKind,
    sha256: Option<Digest>,
    /// PHP, a script or a program, by content or by extension.
    is_code: bool,
    is_unread: bool,
    link_target: Option<EvidencePath>,
}

impl ModuleSignatureDetector {
    /// A detector with these indicators.
    pub fn new(indicators: Arc<Indicators>) -> Self {
        Self { indicators, seen: Mutex::default() }
    }
}

impl Detector for ModuleSignatureDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        if !is_of_freepbx(file.path) {
            return;
        }
        let signature = match file.content {
            Some(content) if file.meta.is_file() && Format::at(file.path) == Some(Format::ModuleSignature) => {
                let outcome = module_sig::parse(file.path, content, &Limits::default());
                report.gaps.extend(outcome.gaps);
                Some(outcome.value)
            }
            _ => None,
        };
        let object = Object {
            kind: file.meta.kind,
            sha256: file.sha256,
            is_code: file.meta.is_file() && is_code(file.path, file.content),
            is_unread: file.meta.is_file() && file.sha256.is_none(),
            link_target: file.meta.link_target.as_ref().and_then(|target| resolve(file.path, target.as_bytes())),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signature) = signature {
            seen.signatures.insert(file.path.clone(), signature);
        }
        seen.files.insert(file.path.clone(), object);
    }

    fn conclude(&self, host: &HostContext, report: &mut Report) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = seen.expected();
        let check = Check { seen: &seen, expected, host, indicators: &self.indicators };
        for modules in seen.module_roots() {
            check.web_root(&modules, report);
        }
    }
}

/// Says whether a conclusion may need this object: everything beneath an `admin` folder, the top of a web root, and the folders that
/// framework copies its programs to.
fn is_of_freepbx(path: &EvidencePath) -> bool {
    let bytes = path.as_bytes();
    let is_top = matches!(path.file_name(), b"index.php" | b".htaccess" | b"robots.txt" | b"admin");
    let is_program =
        bytes.starts_with(b"/var/lib/asterisk/") || matches!(bytes, b"/usr/sbin/fwconsole" | b"/usr/sbin/amportal");
    is_top || is_program || path.components().any(|part| part == b"admin")
}

/// Says whether the file can run: by its name where a web server or a person would run it, else by its content.
fn is_code(path: &EvidencePath, content: Option<&[u8]>) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let is_named =
        is_php_extension(&extension) || matches!(extension.as_slice(), b"sh" | b"agi" | b"pl" | b"py" | b"cgi" | b"so");
    let is_text_that_quotes_php =
        matches!(extension.as_slice(), b"md" | b"rst" | b"txt" | b"html" | b"htm" | b"po" | b"pot" | b"json" | b"css");
    // The cache of style sheets is PHP that rebuilds an object: made on each host, so in no list.
    let is_style_cache = extension == b"lesscache";
    let has_code = |content: &[u8]| {
        if is_style_cache && content.starts_with(b"<?php return") && takes_orders(content).is_none() {
            return false;
        }
        content.starts_with(b"#!")
            || content.starts_with(b"\x7fELF")
            || (!is_text_that_quotes_php && looks_like_php(content))
    };
    is_named || content.is_some_and(has_code)
}

/// Where a link leads, where that can be said from its text alone.
fn resolve(link: &EvidencePath, target: &[u8]) -> Option<EvidencePath> {
    let start = if target.starts_with(b"/") { EvidencePath::root() } else { link.parent()? };
    target.split(|&b| b == b'/').try_fold(start, |at, part| match part {
        b"" | b"." => Some(at),
        b".." => at.parent(),
        part => Some(at.join(part)),
    })
}

struct Check<'a> {
    seen: &'a Seen,
    /// What the lists expect, by place; all web roots together.
    expected: BTreeMap<EvidencePath, BTreeSet<Digest>>,
    host: &'a HostContext<'a>,
    indicators: &'a Indicators,
}

/// One module whose list can be compared.
struct Signed<'a> {
    folder: EvidencePath,
    signature: &'a ModuleSignature,
}

impl Check<'_> {
    fn web_root(&self, modules: &EvidencePath, report: &mut Report) {
        let signed: Vec<Signed<'_>> = self
            .seen
            .signatures
            .iter()
            .filter(|(path, _)| path.starts_with(modules))
            .filter_map(|(path, signature)| Some(Signed { folder: path.parent()?, signature }))
            .collect();
        let Some(web_root) = modules.parent().and_then(|admin| admin.parent()) else { return };
        for module in &signed {
            self.list_itself(module, report);
            self.listed_files(module, &web_root, report);
        }
        self.unlisted_files(modules, &web_root, &signed, report);
        self.unsigned_folders(modules, &signed, report);
    }

    /// What the list says of itself.
    fn list_itself(&self, module: &Signed<'_>, report: &mut Report) {
        let signature = module.signature;
        let path = module.folder.join(b"module.sig");
        let sha256 = self.seen.files.get(&path).and_then(|object| object.sha256);
        let subject = || Subject::File { path: path.clone(), sha256 };
        if !signature.oddities.is_empty() {
            let mut evidence: Vec<_> = signature
                .oddities
                .iter()
                .map(|oddity| Evidence::Attribute { name: "oddity".into(), value: oddity.describe().into() })
                .collect();
            evidence.push(unchecked());
            let finding = Finding::new(
                "TR-MODSIG-0007",
                "Module signature that no signing program writes so",
                (Category::Tampering, Severity::Medium, 70),
                subject(),
                evidence,
            );
            report.findings.push(finding.with_attack(["T1553"]));
        }
        let signer = signature.signed_with.as_deref().unwrap_or_default();
        let is_vendor = VENDOR_KEYS.iter().any(|key| key.eq_ignore_ascii_case(signer));
        let is_local = signature.kind.as_deref() == Some("local")
            || matches!(signature.repository.as_deref(), Some("manual" | "local"));
        if !signature.hashes.is_empty() && (is_local || !is_vendor) {
            let evidence = vec![
                Evidence::Attribute { name: "signedwith".into(), value: signer.into() },
                Evidence::Attribute {
                    name: "repo".into(),
                    value: signature.repository.as_deref().unwrap_or_default().into(),
                },
                unchecked(),
            ];
            let finding = Finding::new(
                "TR-MODSIG-0006",
                "Module that the vendor has not signed",
                (Category::Hardening, Severity::Low, 60),
                subject(),
                evidence,
            );
            report.findings.push(finding);
        }
    }

    /// Altered and missing files.
    fn listed_files(&self, module: &Signed<'_>, web_root: &EvidencePath, report: &mut Report) {
        let (mut changed, mut missing) = (Vec::new(), Vec::new());
        for hash in &module.signature.hashes {
            let places = destinations(&module.folder, web_root, hash.file.as_bytes());
            for (at, place) in places.iter().enumerate() {
                match self.judge(place) {
                    State::Altered(object) => changed.push(altered(place, object, hash)),
                    // What counts is the place that the file is used from; the other is a copy.
                    State::Absent if at == 0 && self.host.shows_absence_of(place) => {
                        missing.push(missing_file(place, hash));
                    }
                    State::Absent | State::Fine => {}
                }
            }
        }
        limited(module, changed, ("TR-MODSIG-0002", "altered", Severity::Medium), report);
        if missing.len() == module.signature.hashes.len() {
            // The list stands alone: a collection of lists, not a module.
            missing.truncate(1);
        }
        limited(module, missing, ("TR-MODSIG-0003", "missing", Severity::Low), report);
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
        modules: &EvidencePath,
        web_root: &EvidencePath,
        signed: &[Signed<'_>],
        report: &mut Report,
    ) {
        let admin = web_root.join(b"admin");
        let framework = modules.join(b"framework");
        let has_framework =
            signed.iter().any(|module| module.folder == framework && !module.signature.hashes.is_empty());
        let mut by_owner: BTreeMap<EvidencePath, Vec<Finding>> = BTreeMap::new();
        for (path, object) in &self.seen.files {
            if object.kind != FileKind::File || self.expected.contains_key(path) {
                continue;
            }
            let owner =
                signed.iter().find(|module| !module.signature.hashes.is_empty() && path.starts_with(&module.folder));
            let folder = path.parent().unwrap_or_else(EvidencePath::root);
            let (owner, weight) = if let Some(module) = owner {
                (module.folder.clone(), unlisted_weight(path, &module.folder, object))
            } else if has_framework && path.starts_with(&admin) && !path.starts_with(modules) {
                (framework.clone(), unlisted_weight(path, &admin, object))
            } else if has_framework && path.starts_with(modules) && &folder == modules {
                (framework.clone(), unlisted_weight(path, modules, object))
            } else if has_framework && matches!(folder.as_bytes(), PROGRAMS | AGI) && object.is_code {
                // Commercial modules and packages put programs of their own there.
                (framework.clone(), Some((Severity::Medium, 50)))
            } else {
                continue;
            };
            let Some((severity, confidence)) = weight else { continue };
            let finding = Finding::new(
                "TR-MODSIG-0004",
                "File among FreePBX's own that no signed list has",
                (Category::WebShell, severity, confidence),
                Subject::File { path: path.clone(), sha256: object.sha256 },
                vec![
                    Evidence::Hash { authority: "module.sig".into(), expected: None, actual: object.sha256 },
                    unchecked(),
                ],
            );
            by_owner.entry(owner).or_default().push(finding.with_attack(["T1505.003"]));
        }
        for module in signed {
            if let Some(findings) = by_owner.remove(&module.folder) {
                limited(module, findings, ("TR-MODSIG-0009", "unlisted", Severity::High), report);
            }
        }
    }

    /// Module folders without a list that counts.
    fn unsigned_folders(&self, modules: &EvidencePath, signed: &[Signed<'_>], report: &mut Report) {
        #[derive(Default)]
        struct Folder {
            has_description: bool,
            code: Vec<EvidencePath>,
        }
        let mut folders: BTreeMap<EvidencePath, Folder> = BTreeMap::new();
        for (path, object) in &self.seen.files {
            let Some(rest) = path.as_bytes().strip_prefix(modules.as_bytes()) else { continue };
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
            let folder = folders.entry(modules.join(name)).or_default();
            folder.has_description |= inside == b"/module.xml";
            if object.is_code {
                folder.code.push(path.clone());
            }
        }
        for (path, folder) in folders {
            if signed.iter().any(|module| module.folder == path && !module.signature.hashes.is_empty()) {
                continue;
            }
            let name = RawText::from(path.file_name());
            // Without the right to have seen a list, its absence says nothing.
            if !self.host.shows_absence_of(&path.join(b"module.sig")) && folder.has_description {
                continue;
            }
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
}

enum State<'a> {
    Fine,
    Altered(&'a Object),
    Absent,
}

/// Where a listed file may lie: its copy in the module's folder, and where the framework's installer puts it.
///
/// After `getDestination()` of the framework: `amp_conf/htdocs` goes to the web root, `bin` and `agi-bin` to Asterisk's folders;
/// Asterisk's configuration, music on hold and upgrade scripts are not compared. Other modules' `bin` and `agi-bin` are copied there
/// as well.
fn destinations(folder: &EvidencePath, web_root: &EvidencePath, file: &[u8]) -> Vec<EvidencePath> {
    let is_framework = folder.file_name() == b"framework";
    let below = |base: &[u8], rest: &[u8]| EvidencePath::new([base, b"/", rest].concat()).ok();
    let own = below(folder.as_bytes(), file);
    let prefixes: &[(&[u8], &[u8])] = if is_framework {
        &[
            (b"amp_conf/htdocs/", web_root.as_bytes()),
            (b"amp_conf/bin/", PROGRAMS),
            (b"amp_conf/agi-bin/", AGI),
            (b"amp_conf/sbin/", b"/usr/sbin"),
            (b"amp_conf/sounds/", b"/var/lib/asterisk/sounds"),
        ]
    } else {
        &[(b"bin/", PROGRAMS), (b"agi-bin/", AGI)]
    };
    if is_framework
        && [&b"amp_conf/astetc/"[..], b"amp_conf/moh/", b"upgrades/"].iter().any(|skip| file.starts_with(skip))
    {
        return Vec::new();
    }
    let installed = prefixes.iter().find_map(|(prefix, base)| below(base, file.strip_prefix(*prefix)?));
    // What is installed comes first: it is what runs, and what is missed where it is not there.
    if is_framework { installed.into_iter().chain(own).collect() } else { own.into_iter().chain(installed).collect() }
}

/// How much an unlisted file matters; `None` where the signer leaves such files out by design and they do no harm.
fn unlisted_weight(path: &EvidencePath, base: &EvidencePath, object: &Object) -> Option<(Severity, u8)> {
    let inside = path.as_bytes().strip_prefix(base.as_bytes()).unwrap_or_default();
    let has_part = |wanted: &[u8]| inside.split(|&b| b == b'/').any(|part| part == wanted);
    if path.file_name() == b"module.sig" || !object.is_code {
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

fn is_script_name(path: &EvidencePath) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    extension == b"js"
        || is_code(path, None)
        || path.components().any(|part| part == b"hooks")
        || path.file_name() == b".htaccess"
}

fn altered(place: &EvidencePath, object: &Object, hash: &ModuleHash) -> Finding {
    // Administrators edit modules, and packages have shipped files that differ: altered code is a strong sign and no proof.
    let matters = object.is_code || is_script_name(place) || object.kind != FileKind::File;
    let (severity, confidence) = if matters { (Severity::High, 70) } else { (Severity::Low, 50) };
    let mut evidence = vec![
        Evidence::Hash { authority: "module.sig".into(), expected: Some(hash.sha256), actual: object.sha256 },
        unchecked(),
    ];
    if object.kind != FileKind::File {
        evidence.push(Evidence::Attribute { name: "type".into(), value: object.kind.as_str().into() });
    }
    Finding::new(
        "TR-MODSIG-0001",
        "File of a FreePBX module that is not as it was signed",
        (Category::Tampering, severity, confidence),
        Subject::File { path: place.clone(), sha256: object.sha256 },
        evidence,
    )
    .with_attack(["T1554", "T1505.003"])
}

/// Reports the worst of them one by one, and the rest as one finding on the module.
fn limited(
    module: &Signed<'_>,
    mut findings: Vec<Finding>,
    (rule, word, severity): (&str, &str, Severity),
    report: &mut Report,
) {
    findings.sort_by(|a, b| a.rank().cmp(&b.rank()));
    if findings.len() > MAX_EACH {
        let count = findings.len();
        let finding = Finding::new(
            rule,
            format!("FreePBX module with many {word} files"),
            (Category::Tampering, severity, 60),
            Subject::Module { path: module.folder.clone(), name: RawText::from(module.folder.file_name()) },
            vec![
                Evidence::Attribute { name: word.to_owned(), value: count.to_string().as_str().into() },
                Evidence::Attribute { name: "told one by one".into(), value: MAX_EACH.to_string().as_str().into() },
                unchecked(),
            ],
        );
        report.findings.push(finding);
        findings.truncate(MAX_EACH);
    }
    report.findings.append(&mut findings);
}

fn missing_file(place: &EvidencePath, hash: &ModuleHash) -> Finding {
    Finding::new(
        "TR-MODSIG-0003",
        "File of a FreePBX module that is missing",
        (Category::Tampering, Severity::Low, 40),
        Subject::File { path: place.clone(), sha256: None },
        vec![Evidence::Hash { authority: "module.sig".into(), expected: Some(hash.sha256), actual: None }, unchecked()],
    )
}

fn unchecked() -> Evidence {
    Evidence::Attribute { name: "signature".into(), value: "not checked".into() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]
mod tests {
    use super::super::testing::{Scene, ids};
    use super::*;
    use crate::model::{Gap, GapReason};

    const MODULES: &str = "/var/www/html/admin/modules";

    fn signature(files: &[(&str, &str)]) -> String {
        let lines = files.iter().map(|(name, content)| format!("{name} = {}\n", Digest::of(content.as_bytes())));
        let hashes = lines.collect::<Vec<_>>().concat();
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n[config]\nversion=1\nhash=sha256\nsignedwith=B53D215A755231A3\n\
             repo=standard\n[hashes]\n{hashes};# End\n-----BEGIN PGP SIGNATURE-----\n\n=x\n-----END PGP SIGNATURE-----\n"
        )
    }

    const CORE: &[(&str, &str)] = &[
        ("functions.inc.php", "<?php // core"),
        ("module.xml", "<module><version>17.0.1</version></module>"),
        ("agi-bin/directory", "#!/usr/bin/perl\n"),
        ("assets/a.css", "a {}"),
    ];
    const FRAMEWORK: &[(&str, &str)] = &[
        ("module.xml", "<module><version>17.0.1</version></module>"),
        ("amp_conf/htdocs/index.php", "<?php // top"),
        ("amp_conf/htdocs/admin/ajax.php", "<?php // ajax"),
        ("amp_conf/bin/fwconsole", "#!/usr/bin/env php\n"),
        ("amp_conf/astetc/asterisk.conf", "[directories]"),
        ("upgrades/2.0.php", "<?php // upgrade"),
    ];

    /// A clean web root with two modules, as the framework's installer lays it.
    fn clean() -> Scene {
        let mut scene = Scene::new().directory(MODULES);
        for (name, content) in CORE {
            scene = scene.file(&format!("{MODULES}/core/{name}"), content);
        }
        scene
            .file(&format!("{MODULES}/core/module.sig"), signature(CORE))
            .file(&format!("{MODULES}/framework/module.sig"), signature(FRAMEWORK))
            .file(&format!("{MODULES}/framework/module.xml"), FRAMEWORK[0].1)
            .file("/var/www/html/index.php", FRAMEWORK[1].1)
            .file("/var/www/html/admin/ajax.php", FRAMEWORK[2].1)
            .file("/var/lib/asterisk/bin/fwconsole", FRAMEWORK[3].1)
            .file("/var/lib/asterisk/agi-bin/directory", CORE[2].1)
            .link("/usr/sbin/fwconsole", "/var/lib/asterisk/bin/fwconsole")
            // What no list has by design.
            .file(&format!("{MODULES}/core/i18n/de_DE/LC_MESSAGES/core.po"), "msgid \"<?php x\"")
            .file(&format!("{MODULES}/core/node_modules/x/index.js"), "x")
            .file(&format!("{MODULES}/core/node_modules/flatted/php/flatted.php"), "<?php // x")
            .file(&format!("{MODULES}/core/.gitignore"), "x")
            .file(&format!("{MODULES}/core/node_modules/x/cli.sh"), "#!/bin/sh\n")
            .file(
                &format!("{MODULES}/core/assets/less/cache/lessphp_1.lesscache"),
                "<?php return Array(new Less_Tree());",
            )
            .file(&format!("{MODULES}/framework/utests/A.php"), "<?php // x")
            .file(&format!("{MODULES}/_cache/core-17.tgz.gpg"), "x")
            .link("/var/www/html/admin/assets/core", "../modules/core/assets")
    }

    fn at_least_low(scene: &Scene) -> Vec<String> {
        let findings = scene.findings();
        let told: Vec<_> = findings.into_iter().filter(|finding| finding.severity > Severity::Info).collect();
        ids(&told)
    }

    #[test]
    fn a_clean_tree_has_nothing_to_tell() {
        assert_eq!(at_least_low(&clean()), [""; 0]);
    }

    #[test]
    fn altered_code_is_high_and_an_altered_style_sheet_is_low() {
        let mut core = CORE.to_vec();
        core[0].1 = "<?php // not what is there";
        core[3].1 = "b {}";
        let mut scene = clean().file(&format!("{MODULES}/core/module.sig"), signature(&core));
        scene.keep_last();
        assert_eq!(at_least_low(&scene), ["TR-MODSIG-0001 high", "TR-MODSIG-0001 low"]);
    }

    #[test]
    fn altered_programs_outside_the_web_root_are_found() {
        let mut scene = clean()
            .file("/var/lib/asterisk/bin/fwconsole", "#!/bin/sh\nexit\n")
            .file("/var/lib/asterisk/agi-bin/directory", "#!/bin/sh\nexit\n")
            .file("/var/www/html/index.php", "<?php exit;");
        scene.keep_last();
        let findings = scene.findings();
        let places: Vec<_> = findings
            .iter()
            .filter(|finding| finding.severity == Severity::High)
            .map(|finding| finding.subject.path().to_string())
            .collect();
        assert_eq!(
            places,
            ["/var/lib/asterisk/agi-bin/directory", "/var/lib/asterisk/bin/fwconsole", "/var/www/html/index.php"]
        );
    }

    #[test]
    fn unlisted_code_is_found_in_modules_in_admin_and_among_the_programs() {
        for (path, told) in [
            (format!("{MODULES}/core/x.php"), "TR-MODSIG-0004 high"),
            (format!("{MODULES}/core/i18n/de_DE/x.php"), "TR-MODSIG-0004 high"),
            (format!("{MODULES}/core/.x.php"), "TR-MODSIG-0004 high"),
            (format!("{MODULES}/core/assets/less/cache/lessphp_2.lesscache"), "TR-MODSIG-0004 high"),
            (format!("{MODULES}/core/assets/logo.png"), "TR-MODSIG-0004 high"),
            (format!("{MODULES}/x.php"), "TR-MODSIG-0004 high"),
            ("/var/www/html/admin/views/extra.php".to_owned(), "TR-MODSIG-0004 high"),
            ("/var/lib/asterisk/bin/extra".to_owned(), "TR-MODSIG-0004 medium"),
        ] {
            let content = if path.ends_with("extra") { "#!/bin/sh\nexit\n" } else { "<?php exit;" };
            let told_here = at_least_low(&clean().file(&path, content));
            assert!(told_here.contains(&told.to_owned()), "{path}: {told_here:?}");
        }
    }

    #[test]
    fn settings_of_a_librarys_tools_are_low() {
        // A genuine tree of 29,576 files had exactly two unlisted ones with PHP in them that no browser can reach.
        let path = "/var/www/html/admin/libraries/Composer/vendor/malkusch/lock/.php_cs.dist";
        assert_eq!(at_least_low(&clean().file(path, "<?php\nreturn [];\n")), ["TR-MODSIG-0004 low"]);
    }

    #[test]
    fn a_missing_file_is_told_only_where_absence_means_something() {
        let mut core = CORE.to_vec();
        core.push(("gone.php", "<?php"));
        let scene = || {
            let mut scene = clean().file(&format!("{MODULES}/core/module.sig"), signature(&core));
            scene.keep_last();
            scene
        };
        assert_eq!(at_least_low(&scene()), ["TR-MODSIG-0003 low"]);
        assert_eq!(at_least_low(&scene().part()), [""; 0]);
        let mut gapped = scene();
        let core = EvidencePath::new(format!("{MODULES}/core")).unwrap();
        gapped.gaps.push(Gap::new(core, GapReason::PermissionDenied, ""));
        assert_eq!(at_least_low(&gapped), [""; 0]);
    }

    #[test]
    fn folders_without_a_signature_are_told_by_what_is_in_them() {
        let with = |path: &str, content: &str| at_least_low(&clean().file(&format!("{MODULES}/{path}"), content));
        assert_eq!(with("mine/module.xml", "<module><version>1</version></module>"), ["TR-MODSIG-0008 low"]);
        assert_eq!(with("odd/readme.txt", "x"), ["TR-MODSIG-0010 low"]);
        assert_eq!(with("odd/x.php", "<?php exit;"), ["TR-MODSIG-0010 high"]);
        let rogue = with("freepbx_ha/license.php", "<?php exit;");
        assert_eq!(rogue, ["TR-MODSIG-0005 critical", "TR-IOC-0007 high"]);
    }

    #[test]
    fn a_code_file_replaced_by_a_link_is_altered() {
        let mut scene = clean().link(&format!("{MODULES}/core/functions.inc.php"), "/tmp/x.php");
        scene.keep_last();
        assert_eq!(at_least_low(&scene), ["TR-MODSIG-0001 high"]);
    }

    #[test]
    fn a_list_with_text_outside_the_signature_is_told() {
        let mut scene = clean()
            .file(&format!("{MODULES}/core/module.sig"), format!("{}x.php = {}\n", signature(CORE), Digest::of(b"")));
        scene.keep_last();
        assert_eq!(at_least_low(&scene), ["TR-MODSIG-0007 medium"]);
    }

    #[test]
    fn every_finding_says_that_the_signature_was_not_checked() {
        let findings = clean().file(&format!("{MODULES}/core/x.php"), "<?php exit;").findings();
        let told = findings.iter().filter(|finding| finding.rule.0 == "TR-MODSIG-0004");
        assert!(told.into_iter().all(|finding| finding.evidence.contains(&unchecked())));
    }

    #[test]
    fn a_module_of_another_version_is_a_bounded_number_of_findings() {
        let files: Vec<(String, &str)> = (0..500).map(|n| (format!("f{n}.php"), "<?php // listed")).collect();
        let listed: Vec<(&str, &str)> = files.iter().map(|(name, content)| (name.as_str(), *content)).collect();
        let scene = files
            .iter()
            .fold(Scene::new().file(&format!("{MODULES}/big/module.sig"), signature(&listed)), |scene, (name, _)| {
                scene.file(&format!("{MODULES}/big/{name}"), "<?php // other")
            });
        assert_eq!(scene.findings().len(), MAX_EACH + 1);
    }

    #[test]
    fn destinations_follow_the_installer() {
        let path = |text: &str| EvidencePath::new(text).unwrap();
        let of = |module: &str, file: &str| {
            let folder = path(MODULES).join(module.as_bytes());
            destinations(&folder, &path("/var/www/html"), file.as_bytes())
        };
        assert_eq!(of("framework", "amp_conf/htdocs/admin/a.php")[0], path("/var/www/html/admin/a.php"));
        assert_eq!(of("framework", "amp_conf/sbin/x")[0], path("/usr/sbin/x"));
        assert!(of("framework", "amp_conf/moh/x.wav").is_empty());
        assert_eq!(
            of("core", "bin/x.php"),
            [path(&format!("{MODULES}/core/bin/x.php")), path("/var/lib/asterisk/bin/x.php")]
        );
    }
}
