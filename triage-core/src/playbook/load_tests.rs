//! What is wrong with a playbook, and where it is said to be.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::model::NO_ANCHORS;
use crate::playbook::{builtin, builtin_names};

const GOOD: &str = r#"format_version: 1
name: test/one
title: A test
steps:
  - id: shells
    title: Quarantine {path}
    phase: remove
    for_each: findings.filter(f, f.category == "web_shell" && f.subject.type == "file")
    action: quarantine_file
    risk: low
    affects: [web]
  - id: accounts
    title: Lock {name}
    phase: rotate
    for_each: "findings.filter(f, f.subject.type == 'account')"
    when: size(findings) > 0
    action: lock_account
    requires: [shells]
    risk: medium
"#;

fn refused(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    Playbook::load("test.yaml", &GOOD.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn a_good_playbook_loads() {
    let playbook = Playbook::load("test.yaml", GOOD).unwrap();
    assert_eq!(playbook.name, "test/one");
    assert_eq!(playbook.steps.iter().map(|step| step.phase).collect::<Vec<_>>(), [Phase::Remove, Phase::Rotate]);
}

const VALUES: &str = r#"format_version: 1
name: test/values
title: A test
inputs:
  shell: {type: string, description: The shell that they get, default: /usr/sbin/nologin}
  day: {type: integer, description: A day}
steps:
  - id: shells
    title: Take the shell of {name}
    phase: rotate
    for_each: findings.filter(f, f.subject.type == "account")
    action: set_shell
    with: {shell: "${inputs.shell}"}
    risk: low
  - id: modes
    title: Set the mode of {path}
    phase: repair
    for_each: findings.filter(f, f.subject.type == "file")
    when: inputs.shell != ""
    action: set_metadata
    with:
      mode: 0644
      uid: "${f.confidence > 90 ? 0 : inputs.day}"
    risk: low
"#;

fn refused_value(from: &str, to: &str) -> String {
    assert!(VALUES.contains(from), "{from}");
    Playbook::load("test.yaml", &VALUES.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn values_are_text_or_expressions_over_inputs_and_the_finding() {
    let playbook = Playbook::load("test.yaml", VALUES).unwrap();
    let inputs = playbook.inputs_with(&BTreeMap::new()).unwrap();
    let specimens = specimens();
    let facts = Facts::new(&specimens, &nobody());
    let values = |step: usize, index: usize| playbook.values(&playbook.steps[step], &facts, &inputs, index).unwrap();
    assert_eq!(values(0, 1).text("shell"), Some("/usr/sbin/nologin"));
    assert_eq!(playbook.needs(&playbook.steps[0], &inputs), None);
    // An octal number is kept as it is written.
    assert_eq!(values(1, 0).text("mode"), Some("0644"));
    assert_eq!(playbook.needs(&playbook.steps[1], &inputs).unwrap(), "`--set day=…`: A day");
    let given = BTreeMap::from([("day".to_owned(), "7".to_owned()), ("shell".to_owned(), "/bin/false".to_owned())]);
    let inputs = playbook.inputs_with(&given).unwrap();
    let text = playbook.values(&playbook.steps[0], &facts, &inputs, 1).unwrap();
    assert_eq!(text.text("shell"), Some("/bin/false"));
    assert_eq!(playbook.needs(&playbook.steps[1], &inputs), None);
    let wrong = BTreeMap::from([("day".to_owned(), "x".to_owned())]);
    assert!(playbook.inputs_with(&wrong).is_err());
    let error = crate::playbook::check_inputs(&[playbook], &BTreeMap::from([("shel".to_owned(), String::new())]));
    assert!(matches!(error, Err(PlaybookError::Input { hint: Some(hint), .. }) if hint.contains("`shell`")));
}

#[test]
fn a_mistake_in_a_value_has_its_place_too() {
    for (from, to, wanted) in [
        ("${inputs.shell}", "${inputs.shel}", "there is no input `shel`"),
        ("${inputs.shell}", "a ${inputs.shell}", "the whole value"),
        ("shell: \"${inputs.shell}\"", "shel: x", "there is no field `shel`"),
        ("mode: 0644", "mode: 0999", "`0999` is no mode"),
        ("mode: 0644", "shell: /bin/sh", "`set_metadata` takes no `shell`"),
        ("with: {shell: \"${inputs.shell}\"}", "with: {}", "`set_shell` needs `shell`"),
        ("default: /usr/sbin/nologin", "defalt: x", "there is no field `defalt`"),
        ("description: A day}", "description: A day, default: x}", "the default: `x` is not a whole number"),
        ("  day:", "  Day:", "`Day` cannot be the name of an input"),
        ("when: inputs.shell", "when: inputs.shel", "there is no input `shel`"),
        ("    when:", "    irreversible: true\n    when:", "`set_metadata` can be undone"),
    ] {
        let text = refused_value(from, to);
        assert!(text.contains(wanted), "{text}");
        assert!(text.contains('^'), "{text}");
    }
}

#[test]
fn every_built_in_playbook_loads_and_has_its_own_name() {
    for name in builtin_names() {
        match builtin(name).unwrap() {
            Ok(playbook) => assert_eq!(playbook.name, name),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_misspelt_field_is_shown_with_line_column_caret_and_what_was_meant() {
    assert_eq!(
        refused("    for_each: findings", "    foreach: findings"),
        "playbook `test.yaml`, line 8, column 5: there is no field `foreach`\n  |\n\
             8 |     foreach: findings.filter(f, f.category == \"web_shell\" && f.subject.type == \"file\")\n  |     ^^^^^^^\n  \
             = did you mean `for_each`?"
    );
}

#[test]
fn a_misspelt_word_is_shown_too() {
    let text = refused("action: lock_account", "action: lock_acount");
    assert!(text.starts_with("playbook `test.yaml`, line 17, column 13: `lock_acount` is none"), "{text}");
    assert!(text.ends_with("= did you mean `lock_account`?"), "{text}");
}

#[test]
fn a_mistake_in_an_expression_has_its_place_in_the_file() {
    let text = refused("f.category == \"web_shell\"", "f.categry == \"web_shell\"");
    assert!(
        text.starts_with("playbook `test.yaml`, line 8, column 35: in this expression: there is no field `categry`"),
        "{text}"
    );
    assert!(text.ends_with("= did you mean `category`?"), "{text}");
    let text = refused("\"findings.filter(f, f.subject.type == 'account')\"", "\"findings.filter(f, \"");
    assert!(text.starts_with("playbook `test.yaml`, line 15, column "), "{text}");
    let text = refused("when: size(findings) > 0", "when: size(findings)");
    assert!(text.contains("line 16, column 11: in this expression: it is neither true nor false"), "{text}");
    let text = refused("f.category == \"web_shell\" &&", "f.confidence > \"high\" &&");
    assert!(text.contains("line 8, column 15: in this expression"), "{text}");
}

#[test]
fn a_mistake_in_an_expression_of_several_lines_is_shown_on_its_own_line() {
    let builtin = crate::playbook::builtin_text("linux/web-shell").unwrap();
    let broken = builtin.replacen("&& f.category in", "&& f.categry in", 1);
    let line = broken.lines().position(|line| line.contains("categry")).unwrap() + 1;
    let error = Playbook::load("folded.yaml", &broken).unwrap_err().to_string();
    let wanted =
        format!("playbook `folded.yaml`, line {line}, column 11: in this expression: there is no field `categry`");
    assert!(error.starts_with(&wanted), "{error}");
    assert!(error.contains("|           ^^^^^^^^\n"), "{error}");
}

#[test]
fn an_action_that_cannot_take_the_subject_is_refused() {
    let text = refused("&& f.subject.type == \"file\"", "");
    assert!(text.contains("this selects account subjects, which `quarantine_file` cannot take"), "{text}");
}

/// A playbook of one step on the running host.
fn living(step: &str) -> Result<Playbook, PlaybookError> {
    let head =
        "format_version: 1\nname: t\ntitle: t\nsteps:\n  - id: a\n    title: t\n    phase: verify\n    risk: low\n";
    Playbook::load("test.yaml", &format!("{head}{step}"))
}

#[test]
fn what_is_wrong_with_a_step_on_the_running_host_is_told_when_it_is_loaded() {
    for (step, wanted) in [
        (
            "    for_each: findings\n    action: control_service\n    with: {unit: x, verb: resart}\n",
            "did you mean `restart`?",
        ),
        ("    for_each: findings\n    action: control_service\n    with: {unit: x}\n", "needs `verb`"),
        (
            "    for_each: findings\n    action: run_command\n    with: {command: fwconsole reload, undo: /bin/true}\n",
            "from the root",
        ),
        (
            "    for_each: findings\n    action: run_command\n    with: {command: /bin/true, limit: 0, undo: /bin/true}\n",
            "1 to 3600",
        ),
        ("    for_each: findings\n    action: run_command\n    with: {command: /bin/true}\n", "`undo`"),
        ("    for_each: findings\n    action: kill_process\n    irreversible: true\n", "takes"),
        (
            "    for_each: findings.filter(f, f.subject.type == \"process\")\n    action: kill_process\n",
            "irreversible: true",
        ),
    ] {
        let error = living(step).unwrap_err().to_string();
        assert!(error.contains(wanted), "{step}: {error}");
    }
    let good = "    for_each: findings.filter(f, f.subject.type == \"process\")\n    action: kill_process\n    irreversible: true\n";
    assert!(living(good).unwrap().steps.iter().all(|step| step.is_irreversible));
}

#[test]
fn steps_that_are_not_there_or_run_later_cannot_be_required() {
    let text = refused("requires: [shells]", "requires: [shels]");
    assert!(text.contains("line 18, column 16: there is no step `shels`") && text.ends_with("`shells`?"), "{text}");
    assert!(refused("requires: [shells]", "requires: [accounts]").contains("runs after this one"));
    assert!(refused("id: accounts", "id: shells").contains("another step has this id"));
}

#[test]
fn what_a_reviewer_could_overlook_is_not_read() {
    assert!(refused("title: A test", "title: &a A test").contains(NO_ANCHORS));
    assert!(refused("title: A test", "title: *a").contains(NO_ANCHORS));
    assert!(refused("    risk: low\n", "    <<: {risk: low}\n").contains(NO_ANCHORS));
    let text = refused("    risk: low\n", "    risk: low\n    risk: high\n");
    assert!(text.contains("line 11, column 5: the field `risk` stands here twice"), "{text}");
    let two = format!("{GOOD}---\n{GOOD}");
    assert!(Playbook::load("x", &two).is_err());
}

#[test]
fn unknown_versions_and_placeholders_and_names_are_refused() {
    let text = refused("format_version: 1", "format_version: 2\nfrom_the_future: yes");
    assert!(text.starts_with("playbook `test.yaml`, line 1, column 17: format version 2 is not known"), "{text}");
    assert!(refused("{path}", "{pth}").contains("did you mean `path`?"));
    assert!(refused("{path}", "{path").contains("never closed"));
    assert!(refused("test/one", "Test One").contains("name of a playbook"));
    assert!(refused("    risk: low\n", "").contains("the field `risk` is missing"));
}

#[test]
fn hostile_files_are_refused_and_nothing_hangs() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let many = "- a\n".repeat(60_000);
    let tabs = "\t".repeat(1000);
    for text in
        ["", "\0", "a: b: c", "- - -", "%YAML 9", "\u{feff}", "!!binary x", &deep, &many, &tabs, &"x".repeat(300_000)]
    {
        assert!(Playbook::load("x", text).is_err());
    }
}
