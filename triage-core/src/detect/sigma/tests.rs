#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::format_collect)]

use super::*;
use crate::model::{Category, Severity};
use std::collections::BTreeSet;

fn source(name: &str, text: &str) -> RuleSource {
    RuleSource { name: name.into(), text: text.into() }
}

fn web(detection: &str) -> String {
    format!("title: t\nlogsource: {{category: webserver}}\ndetection:\n{detection}\nlevel: high\n")
}

/// Compiles one rule that has to be sound.
fn one(detection: &str) -> SigmaSet {
    let (set, problems) = SigmaSet::compile(&[source("x.yml", &web(detection))]);
    assert_eq!((set.len(), problems), (1, Vec::new()), "{detection}");
    set
}

struct Asked<'a> {
    query: &'a str,
    stem: &'a str,
    agent: Option<&'a str>,
    status: &'a str,
    client: &'a str,
}

const ASKED: Asked<'static> =
    Asked { query: "a=1", stem: "/x.php", agent: Some("curl/8.0"), status: "200", client: "192.0.2.7" };

fn holds(set: &SigmaSet, asked: &Asked<'_>) -> bool {
    let line =
        format!("{} GET {}?{} {} {}", asked.client, asked.stem, asked.query, asked.status, asked.agent.unwrap_or("-"));
    let mut event = Event::new(vec![line.as_bytes()]);
    event.set(Field::Query, Some(asked.query.as_bytes()));
    event.set(Field::Stem, Some(asked.stem.as_bytes()));
    event.set(Field::Agent, asked.agent.map(str::as_bytes));
    event.set(Field::Status, Some(asked.status.as_bytes()));
    event.set(Field::Client, Some(asked.client.as_bytes()));
    event.set(Field::Method, Some(b"GET"));
    let mut candidates = Vec::new();
    set.candidates(LogKind::WebAccess, &[line.as_bytes()], &mut candidates);
    let asked = candidates.contains(&0) && set.matches(0, &event);
    // The words that spare a rule a line must not spare it one that it is true of.
    assert_eq!(asked, set.matches(0, &event), "the words of the rule miss `{line}`");
    asked
}

#[test]
fn modifiers_lists_and_nulls_mean_what_sigma_says() {
    for (detection, yes, no) in [
        ("  s:\n    cs-uri-query|contains: EVIL\n  condition: s", Asked { query: "x=eviL1", ..ASKED }, ASKED),
        (
            "  s:\n    cs-uri-stem|endswith: [.jsp, /x.php]\n  condition: s",
            ASKED,
            Asked { stem: "/x.php.txt", ..ASKED },
        ),
        ("  s:\n    cs-uri-query|contains|all: [a=, b=]\n  condition: s", Asked { query: "b=1&a=2", ..ASKED }, ASKED),
        ("  s:\n    sc-status: [200, 500]\n  condition: s", ASKED, Asked { status: "404", ..ASKED }),
        ("  s:\n    sc-status|gte: 500\n  condition: s", Asked { status: "503", ..ASKED }, ASKED),
        ("  s:\n    cs-user-agent: null\n  condition: s", Asked { agent: None, ..ASKED }, ASKED),
        ("  s:\n    cs-user-agent|exists: true\n  condition: s", ASKED, Asked { agent: None, ..ASKED }),
        ("  s:\n    c-ip|cidr: 192.0.2.0/29\n  condition: s", ASKED, Asked { client: "192.0.2.8", ..ASKED }),
        ("  s:\n    cs-uri-query|re: '^a=[0-9]+$'\n  condition: s", ASKED, Asked { query: "a=x", ..ASKED }),
        ("  s:\n    cs-uri-query|re|i: 'EVIL'\n  condition: s", Asked { query: "evil", ..ASKED }, ASKED),
        (
            "  s:\n    cs-uri-query|contains|windash: ' -exec'\n  condition: s",
            Asked { query: "x /exec", ..ASKED },
            ASKED,
        ),
        (
            "  s:\n    cs-uri-query|contains|cased: Evil\n  condition: s",
            Asked { query: "Evil", ..ASKED },
            Asked { query: "evil", ..ASKED },
        ),
        (
            "  s:\n    cs-uri-query|base64offset|contains: '/bin/bash'\n  condition: s",
            Asked { query: "x=YWEvYmluL2Jhc2g7", ..ASKED },
            ASKED,
        ),
        (
            "  s:\n    - cs-uri-query: x\n    - cs-uri-stem: /x.php\n  condition: s",
            ASKED,
            Asked { stem: "/y", ..ASKED },
        ),
        ("  keywords:\n    - 'curl/*0'\n  condition: keywords", ASKED, Asked { agent: None, ..ASKED }),
        ("  k:\n    '|all': [curl, x.php]\n  condition: k", ASKED, Asked { agent: None, ..ASKED }),
        (
            "  a:\n    cs-method: GET\n  f_x:\n    cs-uri-query: a=1\n  condition: a and not 1 of f_*",
            Asked { query: "z", ..ASKED },
            ASKED,
        ),
        ("  a:\n    cs-uri-query|neq: a=1\n  condition: a", Asked { query: "z", ..ASKED }, ASKED),
        (
            "  a:\n    cs-uri-query|fieldref|contains: c-ip\n  condition: a",
            Asked { query: "ip=192.0.2.7", ..ASKED },
            ASKED,
        ),
        (
            "  a:\n    cs-uri-query: x\n  b:\n    cs-method: GET\n  condition:\n    - a\n    - not b",
            Asked { query: "x", ..ASKED },
            ASKED,
        ),
    ] {
        let set = one(detection);
        assert!(holds(&set, &yes), "{detection}");
        assert!(!holds(&set, &no), "{detection}");
    }
}

#[test]
fn what_is_not_evaluated_is_a_problem_of_the_rule_and_costs_no_other() {
    for (text, kind, word) in [
        (web("  s:\n    cs-uri-query|expand: '%x%'\n  condition: s"), ProblemKind::Ignored, "`expand`"),
        (web("  s:\n    cs-cookie: x\n  condition: s"), ProblemKind::Ignored, "`cs-cookie`"),
        (web("  s:\n    c-ip: x\n  condition: s | count() by c-ip > 5"), ProblemKind::Ignored, "aggregations"),
        (web("  s:\n    c-ip: x\n  timeframe: 5m\n  condition: s"), ProblemKind::Ignored, "timeframe"),
        (web("  s:\n    c-uri|re: '(?<=x)y'\n  condition: s"), ProblemKind::Ignored, "look-"),
        (web("  s:\n    c-ip|cidr: 192.0.2.0/33\n  condition: s"), ProblemKind::Ignored, "no network"),
        (web("  s:\n    c-ip: x\n  condition: t"), ProblemKind::Broken, "no search `t`"),
        (web("  s:\n    c-ip: x"), ProblemKind::Broken, "`condition`"),
        ("title: t\nlogsource: {category: webserver}\ndetectoin: {}\n".into(), ProblemKind::Broken, "`detection`"),
        (
            "title: t\nlogsource: {product: windows, category: process_creation}\ndetection: {}\n".into(),
            ProblemKind::Ignored,
            "no log is read for",
        ),
        ("title: t\ncorrelation: {type: event_count}\n".into(), ProblemKind::Ignored, "correlation"),
        ("title: t\n  x: [\n".into(), ProblemKind::Broken, ""),
        ("title: &a t\nlogsource: *a\n".into(), ProblemKind::Broken, "anchors"),
    ] {
        let good = source("good.yml", &web("  s:\n    c-ip: x\n  condition: s"));
        let (set, problems) = SigmaSet::compile(&[source("bad.yml", &text), good]);
        assert_eq!(set.len(), 1, "{text}");
        let found = problems.iter().find(|problem| problem.kind == kind && problem.source == "bad.yml");
        let found = found.unwrap_or_else(|| panic!("{text}: {problems:?}"));
        assert!(found.message.contains(word), "{}", found.message);
    }
}

#[test]
fn a_misspelt_field_is_said_and_a_level_that_is_none_is_medium() {
    let text = web("  s:\n    c-ip: x\n  condition: s").replace("level: high", "levle: high\nstatus: test");
    let (set, problems) = SigmaSet::compile(&[source("a/web_thing.yml", &text)]);
    assert!(problems[0].kind == ProblemKind::Warning && problems[0].message.contains("`levle`"), "{problems:?}");
    let info = &set.infos()[0];
    assert_eq!(
        (info.id.as_str(), info.severity, info.category),
        ("web_thing", Severity::Medium, Category::Exploitation)
    );
}

#[test]
fn several_documents_have_names_of_their_own() {
    let rule = web("  s:\n    c-ip: x\n  condition: s");
    let (set, problems) = SigmaSet::compile(&[source("a.yml", &format!("{rule}---\n{rule}---\n"))]);
    assert_eq!(problems, []);
    assert_eq!(set.infos().iter().map(|info| info.id.as_str()).collect::<Vec<_>>(), ["a-1", "a-2"]);
}

#[test]
fn our_own_rules_compile_without_a_word_and_say_who_they_are() {
    let (set, problems) = SigmaSet::compile(&SigmaSet::builtin_sources());
    assert_eq!(problems, []);
    assert!(set.len() >= 40, "{}", set.len());
    let mut ids = BTreeSet::new();
    for info in set.infos() {
        assert!(ids.insert(&info.id), "{} is there twice", info.id);
        assert!(info.id.starts_with("TR-LOG-") && info.id.len() == 11, "{}", info.id);
        assert!(!info.attack.is_empty() && !info.references.is_empty(), "{}", info.id);
        for key in ["id", "date", "falsepositives"] {
            assert!(info.other.iter().any(|(name, _)| name == key), "{} has no {key}", info.id);
        }
    }
    assert_eq!(set.slow(), Vec::<&str>::new(), "rules that would be asked of every line");
}

#[test]
fn nested_and_huge_rules_end() {
    let deep = format!(
        "title: t\nlogsource: {{category: webserver}}\ndetection:\n  s: {}\n  condition: s\n",
        "[".repeat(5000)
    );
    let (set, problems) = SigmaSet::compile(&[source("x.yml", &deep)]);
    assert_eq!((set.len(), problems.len()), (0, 1));
    let many: String = (0..6000).map(|n| format!("      - v{n}\n")).collect();
    let (set, problems) =
        SigmaSet::compile(&[source("x.yml", &web(&format!("  s:\n    c-uri:\n{many}  condition: s")))]);
    assert_eq!((set.len(), problems.len()), (0, 1));
}
