//! What is said of what was found.

use super::super::Report;
use super::object::{Object, is_script_name};
use super::signer::{SignatureState, SignatureVerdict, Signer};
use crate::model::{
    Category, Digest, Evidence, EvidencePath, FileKind, Finding, ModuleHash, RawText, Severity, Subject,
};
use crate::parse::module_sig::{ModuleSignature, Oddity};
use crate::parse::openpgp::Fingerprint;

/// The most findings of one kind that one module gives one by one; a module of another version differs in each file.
pub(super) const MAX_EACH: usize = 100;

fn attribute(name: &str, value: &str) -> Evidence {
    Evidence::Attribute { name: name.to_owned(), value: value.into() }
}

pub(super) fn altered(place: &EvidencePath, object: &Object, hash: &ModuleHash, verdict: &SignatureVerdict) -> Finding {
    // Administrators edit modules, and packages have shipped files that differ: altered code is a strong sign and no proof.
    let matters = object.is_code() || is_script_name(place) || object.kind != FileKind::File;
    let (severity, confidence) = if matters { (Severity::High, 70) } else { (Severity::Low, 50) };
    let mut evidence = vec![
        Evidence::Hash { authority: "module.sig".into(), expected: Some(hash.sha256), actual: object.sha256 },
        verdict.evidence(),
    ];
    if object.kind != FileKind::File {
        evidence.push(attribute("type", object.kind.as_str()));
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

pub(super) fn missing_file(place: &EvidencePath, hash: &ModuleHash, verdict: &SignatureVerdict) -> Finding {
    Finding::new(
        "TR-MODSIG-0003",
        "File of a FreePBX module that is missing",
        (Category::Tampering, Severity::Low, 40),
        Subject::File { path: place.clone(), sha256: None },
        vec![
            Evidence::Hash { authority: "module.sig".into(), expected: Some(hash.sha256), actual: None },
            verdict.evidence(),
        ],
    )
}

pub(super) fn unlisted(
    path: &EvidencePath,
    object: &Object,
    (severity, confidence): (Severity, u8),
    verdict: &SignatureVerdict,
) -> Finding {
    Finding::new(
        "TR-MODSIG-0004",
        "File among FreePBX's own that no signed list has",
        (Category::WebShell, severity, confidence),
        Subject::File { path: path.clone(), sha256: object.sha256 },
        vec![
            Evidence::Hash { authority: "module.sig".into(), expected: None, actual: object.sha256 },
            attribute("class", object.class.as_str()),
            verdict.evidence(),
        ],
    )
    .with_attack(["T1505.003"])
}

/// A list that was not written by the vendor's program, or that somebody has wrapped in text of their own.
pub(super) fn odd(subject: Subject, oddities: &[Oddity], verdict: &SignatureVerdict) -> Finding {
    let mut evidence: Vec<_> = oddities.iter().map(|oddity| attribute("oddity", oddity.describe())).collect();
    evidence.push(verdict.evidence());
    Finding::new(
        "TR-MODSIG-0007",
        "Module signature that no signing program writes so",
        (Category::Tampering, Severity::Medium, 70),
        subject,
        evidence,
    )
    .with_attack(["T1553"])
}

fn claims(text: &ModuleSignature, verdict: &SignatureVerdict) -> Vec<Evidence> {
    vec![
        attribute("signedwith", text.signed_with.as_deref().unwrap_or_default()),
        attribute("repo", text.repository.as_deref().unwrap_or_default()),
        verdict.evidence(),
    ]
}

pub(super) fn foreign(subject: Subject, text: &ModuleSignature, verdict: &SignatureVerdict) -> Finding {
    Finding::new(
        "TR-MODSIG-0006",
        "Module that the vendor has not signed",
        (Category::Hardening, Severity::Low, 60),
        subject,
        claims(text, verdict),
    )
}

/// A list of files that nobody has signed.
pub(super) fn unsigned(folder: &EvidencePath, text: &ModuleSignature, verdict: &SignatureVerdict) -> Finding {
    Finding::new(
        "TR-MODSIG-0008",
        "FreePBX module without a signature",
        (Category::Hardening, Severity::Low, 60),
        Subject::Module { path: folder.clone(), name: RawText::from(folder.file_name()) },
        claims(text, verdict),
    )
}

pub(super) fn bad_signature(subject: Subject, text: &ModuleSignature, verdict: &SignatureVerdict) -> Finding {
    let (severity, confidence) = match verdict.state {
        SignatureState::Altered => (Severity::High, 90),
        SignatureState::Weak => (Severity::High, 75),
        // A file that was cut short is seen after a full disk, too.
        _ => (Severity::Medium, 70),
    };
    Finding::new(
        "TR-MODSIG-0011",
        "List of a FreePBX module that its signature does not fit",
        (Category::Tampering, severity, confidence),
        subject,
        claims(text, verdict),
    )
    .with_attack(["T1553"])
}

pub(super) fn revoked(subject: Subject, verdict: &SignatureVerdict) -> Finding {
    Finding::new(
        "TR-MODSIG-0013",
        "FreePBX module that is signed with a withdrawn key",
        (Category::Tampering, Severity::Medium, 70),
        subject,
        vec![verdict.evidence()],
    )
    .with_attack(["T1553"])
}

pub(super) fn expired(subject: Subject, text: &ModuleSignature, verdict: &SignatureVerdict) -> Finding {
    let mut evidence = vec![verdict.evidence()];
    evidence.extend(text.expires_after.as_deref().map(|end| attribute("expiresafter", end)));
    Finding::new(
        "TR-MODSIG-0014",
        "FreePBX module whose signature has ended",
        (Category::Hardening, Severity::Low, 50),
        subject,
        evidence,
    )
}

pub(super) fn wrong_module(
    subject: Subject,
    (matching, listed): (u64, u64),
    other_name: Option<String>,
    twin: Option<&EvidencePath>,
    verdict: &SignatureVerdict,
) -> Finding {
    let mut evidence =
        vec![attribute("files", &format!("{matching} of {listed} listed files are here")), verdict.evidence()];
    evidence.extend(other_name.map(|name| attribute("rawname", &name)));
    evidence.extend(
        twin.map(|folder| Evidence::Attribute { name: "same list in".into(), value: RawText::from(folder.as_bytes()) }),
    );
    Finding::new(
        "TR-MODSIG-0012",
        "List of another module, with a genuine signature",
        (Category::Tampering, Severity::High, 80),
        subject,
        evidence,
    )
    .with_attack(["T1553", "T1036"])
}

/// An archive that is not as the vendor signed it; nothing to say of one that is, or that could not be checked.
pub(super) fn archive(path: &EvidencePath, sha256: Option<Digest>, verdict: &SignatureVerdict) -> Option<Finding> {
    let (severity, confidence) = match verdict.state {
        SignatureState::Altered => (Severity::Medium, 70),
        SignatureState::Weak | SignatureState::Revoked => (Severity::Medium, 50),
        SignatureState::Foreign => (Severity::Low, 50),
        SignatureState::Unreadable | SignatureState::Absent => (Severity::Info, 50),
        SignatureState::Good | SignatureState::Expired | SignatureState::Unverified => return None,
    };
    let subject = Subject::File { path: path.clone(), sha256 };
    Some(Finding::new(
        "TR-MODSIG-0015",
        "Archive of a FreePBX module that the vendor's signature does not vouch for",
        (Category::Tampering, severity, confidence),
        subject,
        vec![verdict.evidence()],
    ))
}

pub(super) fn impostor(path: &EvidencePath, sha256: Option<Digest>, print: Fingerprint, signer: &Signer) -> Finding {
    Finding::new(
        "TR-MODSIG-0016",
        "Key that takes the name of the vendor's",
        (Category::Tampering, Severity::High, 85),
        Subject::File { path: path.clone(), sha256 },
        vec![
            attribute("name", &signer.name),
            attribute("fingerprint", &print.to_string()),
            attribute("fingerprint_expected", &signer.fingerprint.to_string()),
        ],
    )
    .with_attack(["T1553.004"])
    .with_references([format!("{} ({})", signer.source, signer.date)])
}

/// Reports the worst of them one by one, and the rest as one finding on the module.
pub(super) fn limited(
    folder: EvidencePath,
    verdict: &SignatureVerdict,
    mut findings: Vec<Finding>,
    (rule, word, severity): (&str, &str, Severity),
    report: &mut Report,
) {
    findings.sort_by(|a, b| a.rank().cmp(&b.rank()));
    if findings.len() > MAX_EACH {
        let finding = Finding::new(
            rule,
            format!("FreePBX module with many {word} files"),
            (Category::Tampering, severity, 60),
            Subject::Module { name: RawText::from(folder.file_name()), path: folder },
            vec![
                attribute(word, &findings.len().to_string()),
                attribute("told one by one", &MAX_EACH.to_string()),
                verdict.evidence(),
            ],
        );
        report.findings.push(finding);
        findings.truncate(MAX_EACH);
    }
    report.findings.append(&mut findings);
}
