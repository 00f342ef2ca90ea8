use crate::env::TestEnvironment;
use std::fs;

const OURS: &str = "format_version: 1
advisories:
  - id: X-2026-1
    title: Flaw that only we know
    module: core
    affected:
      - {stream: 17, fixed: 17.0.9}
    exploited: false
    access: none
    source: our own audit
    date: 2026-01-01
";

fn freepbx(env: &TestEnvironment) {
    env.clean_host();
    for (module, version) in [("framework", "17.0.25"), ("core", "17.0.8")] {
        let xml = format!("<module><rawname>{module}</rawname><version>{version}</version></module>\n");
        env.put(&format!("var/www/html/admin/modules/{module}/module.xml"), xml);
    }
    env.put_with("etc/freepbx.conf", 0o660, "<?php\n$amp_conf['AMPDBNAME'] = 'asterisk';\n");
}

#[test]
fn an_advisory_of_ones_own_needs_no_code() {
    let env = TestEnvironment::new();
    freepbx(&env);
    fs::write(env.at("ours.yaml"), OURS).unwrap();
    let rules = |answer: &crate::env::Answer| -> Vec<String> {
        let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        let all = report["findings"].as_array().unwrap();
        all.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
    };
    let without = env.triage(["scan", "host", "--format", "json"]).expect(3);
    assert!(!rules(&without).iter().any(|rule| rule.starts_with("TR-VULN-")), "{}", without.stdout);
    let with = env.triage(["scan", "host", "--format", "json", "--rules", "ours.yaml"]).expect(3);
    assert!(rules(&with).contains(&"TR-VULN-X-2026-1".to_owned()), "{}", with.stdout);
}

#[test]
fn weaknesses_make_exit_code_2_only_where_that_is_asked_for() {
    let env = TestEnvironment::new();
    freepbx(&env);
    fs::write(env.at("ours.yaml"), OURS).unwrap();
    let scan = |more: &[&str]| env.triage(["scan", "host", "--rules", "ours.yaml"].iter().chain(more));
    scan(&[]).expect(3);
    scan(&["--fail-on", "vulnerable"]).expect(2);
    scan(&["--fail-on", "exposure"]).expect(3);
    scan(&["--fail-on", "exposure,hardening"]).expect(2);
}

#[test]
fn a_file_of_advisories_is_checked_with_line_and_column() {
    let env = TestEnvironment::new();
    fs::write(env.at("ours.yaml"), OURS).unwrap();
    let answer = env.triage(["rules", "check", "ours.yaml"]).expect(0);
    assert!(answer.stderr.contains("1 advisories"), "{}", answer.stderr);
    fs::write(env.at("ours.yaml"), OURS.replace("fixed: 17.0.9", "fixed: latest")).unwrap();
    let answer = env.triage(["rules", "check", "ours.yaml"]).expect(1);
    assert!(answer.stdout.contains("line 7, column 9") && answer.stdout.contains("`latest`"), "{}", answer.stdout);
    let answer = env.triage(["scan", "host", "--rules", "ours.yaml"]);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
}

#[test]
fn the_list_of_rules_has_those_in_code_and_the_advisories() {
    let env = TestEnvironment::new();
    let answer = env.triage(["rules", "list"]).expect(0);
    for rule in ["TR-FREEPBX-0001", "TR-AST-0001", "TR-HARDEN-0001", "TR-EXPOSE-0001", "TR-VULN-CVE-2025-57819"] {
        assert!(answer.stdout.lines().any(|line| line.starts_with(rule)), "{rule}");
    }
}
