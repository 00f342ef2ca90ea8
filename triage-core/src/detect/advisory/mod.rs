//! Installed modules against what is known to be flawed.
//!
//! The knowledge is data in `rules/advisories`, and a user can add files of the same form; a new advisory needs no code. A version alone
//! proves no intrusion, so these findings are `vulnerable` and never evidence of compromise; what attackers are known to use comes first.
//! Where the version on the disk and the one in the database differ, the disk counts, because that is what runs.

mod load;
mod version;

pub use load::{Access, Advisory, AdvisoryError, Range, SourceGrade, schema as advisory_schema};

use super::pbx::attribute;
use super::{Detector, HostContext, Report};
use crate::builtin::BUILTIN_RULES;
use crate::model::{Category, EvidencePath, Finding, Record, Severity, Subject};
use crate::parse::{Format, Limits, module_xml};
use crate::sweep::Swept;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The most modules that are remembered; a real system has some hundred.
const MAX_MODULES: usize = 10_000;

/// What is known to be flawed.
#[derive(Clone, Debug, Default)]
pub struct Advisories {
    all: Vec<Advisory>,
}

impl Advisories {
    /// Those that are built in.
    ///
    /// # Errors
    /// Never in a build whose tests have passed.
    pub fn builtin() -> Result<Self, AdvisoryError> {
        let mut all = Self::default();
        for (name, text) in BUILTIN_RULES.iter().filter(|(name, _)| name.starts_with("advisories/")) {
            all.join(Self::read(name, text.as_bytes())?);
        }
        Ok(all)
    }

    /// Reads a file of them; `name` is its name for messages.
    ///
    /// # Errors
    /// When it is too large, no text, or anything in it is wrong.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, AdvisoryError> {
        Ok(Self { all: load::read(name, bytes)? })
    }

    /// Says whether a text means to be a file of advisories: what it begins with, before it is read.
    pub fn is_one(text: &str) -> bool {
        text.lines().any(|line| line.trim_end() == "advisories:")
    }

    /// Adds others. One with the same id for the same module takes the place of the earlier one.
    pub fn join(&mut self, others: Self) {
        for other in others.all {
            self.all.retain(|known| (&known.id, &known.module) != (&other.id, &other.module));
            self.all.push(other);
        }
    }

    /// All of them, in the order of the files.
    pub fn all(&self) -> &[Advisory] {
        &self.all
    }

    /// Those that hold for a version of a module, with the range that does.
    pub fn of<'a>(&'a self, module: &'a str, version: &'a str) -> impl Iterator<Item = (&'a Advisory, &'a Range)> {
        self.all
            .iter()
            .filter(move |advisory| advisory.module == module)
            .filter_map(move |advisory| Some((advisory, advisory.affected.iter().find(|range| range.holds(version))?)))
    }
}

/// Compares what is installed with advisories.
pub struct AdvisoryDetector {
    advisories: Advisories,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Versions on the disk, by the module's folder.
    installed: BTreeMap<EvidencePath, (String, String)>,
    /// Versions that the database has, and whether the module is enabled.
    rows: BTreeMap<String, (String, String)>,
}

impl AdvisoryDetector {
    /// A detector with these advisories.
    pub fn new(advisories: Advisories) -> Self {
        Self { advisories, seen: Mutex::default() }
    }
}

impl Detector for AdvisoryDetector {
    fn inspect(&self, file: &Swept<'_>, _: &mut Report) {
        let Some(content) = file.content.filter(|_| Format::at(file.path) == Some(Format::ModuleXml)) else { return };
        let Some(folder) = file.path.parent() else { return };
        // What cannot be read of it is told by the detector of module signatures' parser.
        let found = module_xml::parse(file.path, content, &Limits::default()).value;
        let (Some(version), Ok(name)) = (found.version, std::str::from_utf8(folder.file_name())) else { return };
        let name = name.to_owned();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.installed.len() < MAX_MODULES {
            seen.installed.insert(folder, (name, version));
        }
    }

    fn consider(&self, record: &Record, _: &mut Report) {
        let Record::DatabaseRow(row) = record else { return };
        if !row.from.is_current() || row.table.as_bytes() != b"modules" {
            return;
        }
        let text = |column: &str| String::from_utf8_lossy(row.text(column)).into_owned();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.rows.len() < MAX_MODULES {
            seen.rows.insert(text("modulename"), (text("version"), text("enabled")));
        }
    }

    fn conclude(&self, _: &HostContext, report: &mut Report) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        for (folder, (name, version)) in &seen.installed {
            let row = seen.rows.get(name);
            for (advisory, range) in self.advisories.of(name, version) {
                let mut finding = finding(advisory, range, folder.clone(), version);
                if let Some((in_database, enabled)) = row {
                    if in_database != version {
                        finding.evidence.push(attribute("version_in_database", in_database));
                    }
                    finding.evidence.push(attribute("enabled", enabled));
                }
                report.findings.push(finding);
            }
        }
        // Where no files of modules were read, the rows are all there is.
        if !seen.installed.is_empty() {
            return;
        }
        for (name, (version, enabled)) in &seen.rows {
            let Ok(folder) = EvidencePath::new(format!("/var/www/html/admin/modules/{name}")) else { continue };
            for (advisory, range) in self.advisories.of(name, version) {
                let mut finding = finding(advisory, range, folder.clone(), version);
                finding.evidence.push(attribute("known_from", "database"));
                finding.evidence.push(attribute("enabled", enabled));
                report.findings.push(finding);
            }
        }
    }
}

impl Advisory {
    /// The rule of its findings.
    pub fn rule(&self) -> String {
        format!("TR-VULN-{}", self.id)
    }

    /// How bad it is: what was used in attacks and needs nothing first is the worst.
    pub fn severity(&self) -> Severity {
        match (self.is_exploited, self.access) {
            (true, Access::None) => Severity::Critical,
            (true, _) | (false, Access::None) => Severity::High,
            (false, _) => Severity::Medium,
        }
    }

    /// How sure a finding of it is, 0–100.
    pub fn confidence(&self) -> u8 {
        match self.grade {
            SourceGrade::FirstHand => 90,
            SourceGrade::SecondHand => 70,
        }
    }
}

fn finding(advisory: &Advisory, range: &Range, folder: EvidencePath, version: &str) -> Finding {
    let mut evidence = vec![
        attribute("version", version),
        attribute("affected", range.to_string()),
        attribute("access", advisory.access.as_str()),
        attribute("exploited", if advisory.is_exploited { "yes" } else { "not known" }),
    ];
    evidence.extend(range.fixed.as_ref().map(|fixed| attribute("fixed", fixed)));
    if !advisory.advice.is_empty() {
        evidence.push(attribute("advice", &advisory.advice));
    }
    let subject = Subject::Module { path: folder, name: advisory.module.as_str().into() };
    let technique = if advisory.access == Access::Local { "T1068" } else { "T1190" };
    Finding::new(
        advisory.rule(),
        &advisory.title,
        (Category::Vulnerable, advisory.severity(), advisory.confidence()),
        subject,
        evidence,
    )
    .with_attack([technique])
    .with_references([format!("{} ({})", advisory.source, advisory.date)])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]
mod tests {
    use super::super::testing::Scene;
    use super::*;

    fn found(module: &str, version: &str) -> Vec<String> {
        let xml = format!("<module><rawname>{module}</rawname><version>{version}</version></module>");
        let path = format!("/var/www/html/admin/modules/{module}/module.xml");
        let findings = Scene::new().file(&path, xml).judge(AdvisoryDetector::new(Advisories::builtin().unwrap())).value;
        findings.iter().map(|finding| format!("{} {}", finding.rule, finding.severity)).collect()
    }

    #[test]
    fn versions_around_each_bound_are_judged() {
        for (module, version, expected) in [
            ("endpoint", "17.0.2.40", "TR-VULN-CVE-2025-57819 critical"),
            ("endpoint", "16.0.88.19", "TR-VULN-CVE-2025-57819 critical"),
            ("endpoint", "17.0.5", "TR-VULN-CVE-2025-61675 medium"),
            ("filestore", "17.0.2.36", "TR-VULN-CVE-2025-64328 high"),
            ("framework", "17.0.22", "TR-VULN-CVE-2025-66039 medium"),
            ("framework", "13.0.197.13", "TR-VULN-CVE-2019-19006 critical"),
            ("restapps", "16.0.18.41", "TR-VULN-CVE-2021-45461 critical"),
            ("ucp", "17.0.8", "TR-VULN-CVE-2026-73665 high"),
            ("api", "17.0.8", "TR-VULN-CVE-2026-40520 medium"),
        ] {
            let found = found(module, version);
            assert!(found.contains(&expected.to_owned()), "{module} {version}: {found:?}");
        }
        for (module, version) in [
            ("endpoint", "17.0.6"),
            ("endpoint", "16.0.92"),
            ("filestore", "17.0.2.35"),
            ("filestore", "17.0.3"),
            ("filestore", "16.0.40"),
            ("framework", "17.0.23"),
            ("framework", "16.0.44"),
            ("restapps", "16.0.18.39"),
            ("ucp", "17.0.9"),
            ("core", "17.0.1"),
        ] {
            assert!(found(module, version).is_empty(), "{module} {version}: {:?}", found(module, version));
        }
    }

    #[test]
    fn what_attackers_use_comes_first_and_is_no_evidence_of_compromise() {
        let xml = |module: &str, version: &str| {
            (
                format!("/var/www/html/admin/modules/{module}/module.xml"),
                format!("<module><version>{version}</version></module>"),
            )
        };
        let mut scene = Scene::new();
        for (module, version) in [("cdr", "17.0.5"), ("endpoint", "17.0.2"), ("filestore", "17.0.2.39")] {
            let (path, text) = xml(module, version);
            scene = scene.file(&path, text);
        }
        let findings = scene.judge(AdvisoryDetector::new(Advisories::builtin().unwrap())).value;
        assert!(findings.iter().all(|finding| finding.category == Category::Vulnerable));
        assert_eq!(findings[0].rule.0, "TR-VULN-CVE-2025-57819");
        assert_eq!(crate::model::Verdict::of(&findings, false), crate::model::Verdict::NoEvidence);
    }

    const GOOD: &str = "format_version: 1\nadvisories:\n  - id: X-1\n    title: t\n    module: core\n    affected:\n      - {stream: 17, fixed: 17.0.3}\n    exploited: false\n    access: login\n    source: s\n    date: 2026-01-01\n";

    #[test]
    fn a_file_of_a_user_adds_and_replaces() {
        assert!(Advisories::is_one(GOOD));
        let mut all = Advisories::read("x.yaml", GOOD.as_bytes()).unwrap();
        all.join(Advisories::read("y.yaml", GOOD.replace("17.0.3", "17.0.9").as_bytes()).unwrap());
        assert_eq!(all.all().len(), 1);
        assert_eq!(all.of("core", "17.0.8").count(), 1);
        assert_eq!(all.of("core", "16.0.8").count(), 0);
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_place() {
        for (from, to, says) in [
            ("format_version: 1", "format_version: 2", "format version 2"),
            ("id: X-1", "id: X 1", "letters, digits"),
            ("module: core", "module: ../x", "raw name"),
            ("date: 2026-01-01", "date: soon", "form 2025-08-28"),
            ("fixed: 17.0.3", "fixed: latest", "no version"),
            ("fixed: 17.0.3", "from: 17.0.9, fixed: 17.0.3", "ends before"),
            ("{stream: 17, fixed: 17.0.3}", "{stream: 17}", "holds for all"),
            ("title: t", "titel: t", "titel"),
            ("source: s", "source: ''", "names its source"),
        ] {
            let error = Advisories::read("x.yaml", GOOD.replace(from, to).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{to}: {error}");
        }
        let twice = format!("{GOOD}{}", GOOD.split_once("advisories:\n").unwrap().1);
        assert!(Advisories::read("x.yaml", twice.as_bytes()).unwrap_err().to_string().contains("twice"));
        assert!(matches!(Advisories::read("x.yaml", b"\xff"), Err(AdvisoryError::NotText { offset: 0, .. })));
    }

    /// `UPDATE_GOLDENS=1` writes it anew.
    #[test]
    fn the_published_schema_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/formats/advisories.schema.json");
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(path, advisory_schema()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), advisory_schema(), "run the test with `UPDATE_GOLDENS=1`");
    }
}
