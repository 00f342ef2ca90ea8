//! Several weak signs of one thing as one finding.
//!
//! A sign that convicts nobody by itself (a name that imitates, a forged time, PHP among pictures) says much beside others that do not depend on it. What is
//! added up, how, and what it can come to, is in `docs/severity.md`. The signs stay in the list as they are: the sum names them and what each added to it.
//!
//! The sum is bounded: signs of one family count once, low ones alone never come to high, it never says more than 99, and never critical.

use crate::model::{Category, Evidence, Finding, FindingId, RuleId, Severity, Span, Subject};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The rule of the sum.
const RULE: &str = "TR-SCORE-0001";
/// From here on, the sum is high, where one of the signs is medium or worse. It is what [`Verdict`](crate::model::Verdict) asks for, too.
const HIGH: u8 = 75;
/// From here on, it is told.
const MEDIUM: u8 = 50;
/// What a sum can come to.
const MOST: u8 = 99;
/// Signs that are named beyond those that count.
const NAMED: usize = 20;

/// What a sign rests on. Those of one family share what can be wrong with them, so only the strongest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// What stands in it: YARA rules, ours and others', the PHP analyser.
    Content,
    /// What it is called.
    Name,
    /// Where it lies.
    Place,
    /// Whose it is, who may do what with it, and how it is protected.
    Rights,
    /// When it was made or changed.
    Time,
    /// What authorities say it should be.
    Integrity,
    /// That somebody else has seen it in an attack.
    Indicator,
    /// What it makes the host do: cron lines, start-up files, services, keys.
    Command,
    /// What an account is allowed.
    Account,
    /// What is running.
    Activity,
    /// What logs tell, or fail to tell.
    Log,
}

impl Family {
    /// By the rule's name. Whatever is not listed judges contents, as the rules of others do; so the unknown counts once at most.
    fn of(rule: &RuleId) -> Self {
        let Some(family) = rule.family() else { return Self::Content };
        let rule = rule.0.as_str();
        match family {
            "NAME" => Self::Name,
            "PLACE" if matches!(rule, "TR-PLACE-0006" | "TR-PLACE-0007") => Self::Rights,
            "PLACE" => Self::Place,
            "MODE" => Self::Rights,
            "TIME" => Self::Time,
            "PACKAGE" | "MODSIG" | "BASELINE" => Self::Integrity,
            "IOC" => Self::Indicator,
            "CRON" | "TAMPER" | "STARTUP" | "KEY" | "AST" | "INCRON" | "SSH" | "SUDO" => Self::Command,
            "ACCOUNT" => Self::Account,
            "PROC" | "KERNEL" => Self::Activity,
            "LOG" | "FRAUD" => Self::Log,
            _ => Self::Content,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Name => "name",
            Self::Place => "place",
            Self::Rights => "rights",
            Self::Time => "time",
            Self::Integrity => "integrity",
            Self::Indicator => "indicator",
            Self::Command => "command",
            Self::Account => "account",
            Self::Activity => "activity",
            Self::Log => "log",
        }
    }
}

/// How much a sign says of an intrusion, in thousandths: how sure it is, by how much it means.
fn strength(finding: &Finding) -> u64 {
    let meaning = match finding.severity {
        Severity::Info => 0,
        Severity::Low => 5,
        Severity::Medium => 8,
        Severity::High | Severity::Critical => 10,
    };
    u64::from(finding.confidence.min(MOST)) * meaning
}

/// The sums over `findings`, each of which is there once.
pub(super) fn sums(findings: &[Finding]) -> Vec<Finding> {
    let rule = RuleId(RULE.to_owned());
    // What findings are about is told apart as their names do it.
    let mut subjects: BTreeMap<FindingId, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        // Signs in different members of an archive are not about one thing.
        if finding.category.is_evidence_of_compromise() && strength(finding) > 0 && !is_inside(finding) {
            subjects.entry(Finding::id_of(&rule, &finding.subject)).or_default().push(finding);
        }
    }
    subjects.into_values().filter(|signs| signs.len() > 1).filter_map(sum).collect()
}

/// Says whether it was found in a member of an archive.
fn is_inside(finding: &Finding) -> bool {
    finding.evidence.iter().any(|evidence| matches!(evidence, Evidence::Attribute { name, .. } if name == "member"))
}

fn sum(mut signs: Vec<&Finding>) -> Option<Finding> {
    signs.sort_by(|a, b| (Reverse(strength(a)), &a.rule, &a.id).cmp(&(Reverse(strength(b)), &b.rule, &b.id)));
    let strongest = *signs.first()?;
    let mut families: Vec<Family> = Vec::new();
    let mut evidence = Vec::new();
    let mut repeated = Vec::new();
    let mut attack: Vec<String> = Vec::new();
    // Doubt that is left, in millionths. It is rounded up, against the sum.
    let (mut doubt, mut together) = (1_000_000_u64, 0_u8);
    for sign in &signs {
        let family = Family::of(&sign.rule);
        if families.contains(&family) {
            repeated.push(signal(sign, family, 0, 0));
            continue;
        }
        families.push(family);
        doubt = (doubt * (1000 - strength(sign).min(1000))).div_ceil(1000);
        let now = u8::try_from((1_000_000 - doubt) / 10_000).unwrap_or(MOST).min(MOST);
        evidence.push(signal(sign, family, now - together, now));
        together = now;
        attack.extend(sign.attack.iter().cloned());
    }
    let can_be_high = signs.iter().any(|sign| sign.severity >= Severity::Medium);
    let severity = match together {
        HIGH.. if can_be_high => Severity::High,
        MEDIUM.. => Severity::Medium,
        _ => return None,
    };
    if families.len() < 2 || signs.iter().any(|sign| says_as_much(sign, severity, together)) {
        return None;
    }
    for sign in &mut repeated {
        if let Evidence::Signal { together: sum, .. } = sign {
            *sum = together;
        }
    }
    repeated.truncate(NAMED);
    evidence.append(&mut repeated);
    attack.sort();
    attack.dedup();
    // A rule that knows the file by its metadata alone has no digest for it.
    let knows = |sign: &&&Finding| matches!(sign.subject, Subject::File { sha256: Some(_), .. });
    let subject = signs.iter().find(knows).unwrap_or(&strongest).subject.clone();
    let title = format!("Several weak signs point to {}", meaning(strongest.category));
    let span = signs.iter().filter_map(|sign| sign.seen).reduce(Span::join);
    let sum = Finding::new(RULE, title, (strongest.category, severity, together), subject, evidence);
    Some(sum.with_attack(attack).with_span(span))
}

/// Where one sign says as much by itself as the sum of all, the sum is nothing new.
fn says_as_much(sign: &Finding, severity: Severity, together: u8) -> bool {
    match severity {
        Severity::Medium => {
            sign.severity >= Severity::High || (sign.severity == Severity::Medium && sign.confidence >= together)
        }
        _ => sign.severity >= severity && sign.confidence >= together,
    }
}

fn signal(sign: &Finding, family: Family, adds: u8, together: u8) -> Evidence {
    Evidence::Signal {
        finding: sign.id.clone(),
        rule: sign.rule.clone(),
        family: family.as_str().to_owned(),
        severity: sign.severity,
        confidence: sign.confidence,
        adds,
        together,
    }
}

fn meaning(category: Category) -> &'static str {
    match category {
        Category::WebShell => "a web shell",
        Category::Persistence => "something that keeps an intruder's way in open",
        Category::Account => "an intruder's account",
        Category::TollFraud => "toll fraud",
        Category::Exploitation => "an attack that succeeded",
        Category::Tampering | Category::Vulnerable | Category::Exposure | Category::Hardening => "tampering",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{Digest, EvidencePath, Verdict};
    use proptest::prelude::*;

    fn sign_at(path: &str, rule: &str, severity: Severity, confidence: u8) -> Finding {
        let subject = Subject::File { path: EvidencePath::new(path).unwrap(), sha256: None };
        Finding::new(rule, "x", (Category::WebShell, severity, confidence), subject, Vec::new())
    }

    fn sign(rule: &str, severity: Severity, confidence: u8) -> Finding {
        sign_at("/var/www/html/x.php", rule, severity, confidence)
    }

    fn told(signs: &[Finding]) -> Option<(Severity, u8)> {
        let sums = sums(signs);
        assert!(sums.len() < 2);
        sums.first().map(|sum| (sum.severity, sum.confidence))
    }

    #[test]
    fn three_independent_middling_signs_convict_and_two_do_not() {
        let signs = [
            sign("TR-PLACE-0001", Severity::Medium, 60),
            sign("TR-NAME-0001", Severity::Medium, 60),
            sign("TR-TIME-0001", Severity::Medium, 60),
        ];
        assert_eq!(told(&signs[..2]), Some((Severity::Medium, 72)));
        assert_eq!(told(&signs), Some((Severity::High, 85)));
        assert_eq!(Verdict::of(&sums(&signs), false), Verdict::Compromised);
    }

    #[test]
    fn what_each_sign_added_is_told_and_adds_up() {
        let signs = [
            sign("TR-NAME-0001", Severity::Medium, 50),
            sign("TR-PHP-0204", Severity::Medium, 60),
            sign("their_rule", Severity::Medium, 55),
        ];
        let [sum] = &sums(&signs)[..] else { panic!() };
        let told: Vec<(&str, u8, u8)> = sum
            .evidence
            .iter()
            .map(|evidence| match evidence {
                Evidence::Signal { rule, adds, together, .. } => (rule.0.as_str(), *adds, *together),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [("TR-PHP-0204", 48, 48), ("TR-NAME-0001", 20, 68), ("their_rule", 0, 68)]);
    }

    #[test]
    fn rules_that_look_at_the_same_thing_count_once() {
        let signs: Vec<Finding> =
            (0..50).map(|number| sign(&format!("their_rule_{number}"), Severity::Medium, 70)).collect();
        assert_eq!(told(&signs), None);
    }

    #[test]
    fn low_signs_never_convict_however_many() {
        let rules = ["TR-NAME-1", "TR-TIME-1", "TR-MODE-1", "TR-PLACE-1", "TR-PACKAGE-1", "TR-CRON-1", "their_rule"];
        let signs: Vec<Finding> = rules.iter().map(|rule| sign(rule, Severity::Low, 99)).collect();
        assert_eq!(told(&signs), Some((Severity::Medium, 99)));
        let weak: Vec<Finding> = rules.iter().take(3).map(|rule| sign(rule, Severity::Low, 30)).collect();
        assert_eq!(told(&weak), None);
        let facts: Vec<Finding> = rules.iter().map(|rule| sign(rule, Severity::Info, 99)).collect();
        assert_eq!(told(&facts), None);
    }

    #[test]
    fn where_one_sign_convicts_there_is_nothing_to_add_up() {
        let signs = [sign("TR-PHP-0101", Severity::High, 95), sign("TR-NAME-0001", Severity::Low, 30)];
        assert_eq!(told(&signs), None);
        // One that is almost sure, and another: now it is.
        let signs = [sign("TR-PLACE-0001", Severity::High, 70), sign("TR-TIME-0001", Severity::Medium, 50)];
        assert_eq!(told(&signs), Some((Severity::High, 82)));
    }

    #[test]
    fn weaknesses_and_other_files_are_no_signs() {
        let mut weakness = sign("TR-MODE-0001", Severity::High, 70);
        weakness.category = Category::Exposure;
        assert_eq!(told(&[weakness, sign("TR-PHP-0204", Severity::Medium, 60)]), None);
        let apart = [sign_at("/a", "TR-PHP-1", Severity::Medium, 70), sign_at("/b", "TR-NAME-1", Severity::Medium, 70)];
        assert_eq!(told(&apart), None);
    }

    #[test]
    fn the_sum_has_the_name_of_its_subject_and_the_digest_that_one_sign_knew() {
        let mut known = sign("TR-NAME-0001", Severity::Medium, 60);
        let digest = Digest::of(b"x");
        known.subject = Subject::File { path: known.subject.path().clone(), sha256: Some(digest) };
        let signs = [sign("TR-PLACE-0001", Severity::Medium, 60), known];
        let [sum] = &sums(&signs)[..] else { panic!() };
        assert!(matches!(sum.subject, Subject::File { sha256: Some(found), .. } if found == digest));
        assert_eq!(sum.id, sign(RULE, Severity::Low, 1).id, "the id is of rule and place alone");
    }

    proptest! {
        #[test]
        fn any_signs_in_any_order_give_the_same_bounded_sum(
            picks in proptest::collection::vec((0..8_usize, 0..5_usize, 0..=100_u8), 0..12),
            turn in 0..12_usize,
        ) {
            let rules = ["TR-NAME-1", "TR-TIME-1", "TR-MODE-1", "TR-PLACE-1", "TR-PACKAGE-1", "TR-CRON-1", "a", "b"];
            let grades = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
            let mut signs: Vec<Finding> =
                picks.iter().map(|&(rule, grade, confidence)| sign(rules[rule], grades[grade], confidence)).collect();
            // As the detectors do: of one rule about one thing there is one finding.
            signs.sort_by(|a, b| a.rule.cmp(&b.rule));
            signs.dedup_by(|a, b| a.rule == b.rule);
            let before = sums(&signs);
            let turn = turn.min(signs.len());
            signs.rotate_left(turn);
            prop_assert_eq!(&before, &sums(&signs));
            for sum in before {
                prop_assert!(sum.confidence <= MOST && sum.severity <= Severity::High);
                let is_proof = |sign: &Finding| sign.severity >= sum.severity && sign.confidence >= sum.confidence;
                prop_assert!(!signs.iter().any(is_proof));
                let total: u32 = sum.evidence.iter().map(|evidence| match evidence {
                    Evidence::Signal { adds, .. } => u32::from(*adds),
                    _ => 0,
                }).sum();
                prop_assert_eq!(total, u32::from(sum.confidence));
            }
        }
    }
}
