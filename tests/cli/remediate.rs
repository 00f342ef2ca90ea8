//! Whole clean-ups: playbooks, what is chosen of them, and what is looked at afterwards.

use crate::env::{CRONTAB, SHELL, TestEnvironment, snapshot};
use std::fs;
use std::process::Command;

fn planned(env: &TestEnvironment) {
    env.broken_host();
    env.triage(["plan", "--root", "host", "--playbook", "linux/web-shell", "-o", "plan.json"]).expect(2);
}

/// Cleans the broken host with `linux/web-shell` and undoes that.
fn cleans_and_undoes(env: &TestEnvironment) {
    planned(env);
    let before = snapshot(&env.host());
    let answer = env.triage(["apply", "plan.json", "--root", "host", "--yes"]).expect(0);
    assert!(answer.stderr.contains("nothing is found in them any more"), "{}", answer.stderr);
    assert!(!env.host().join("var/www/html/uploads/img.php").exists());
    let crontab = fs::read_to_string(env.host().join("var/spool/cron/crontabs/www-data")).unwrap();
    assert_eq!(crontab, CRONTAB.lines().next().unwrap().to_owned() + "\n");
    let passwd = fs::read_to_string(env.host().join("etc/passwd")).unwrap();
    assert!(passwd.ends_with("newfpbxs:x:0:0::/root:/usr/sbin/nologin\n"), "{passwd}");
    assert_eq!(env.findings(&env.host()).1, 0);
    env.triage(["rollback", "last", "--root", "host", "--restore-malicious", "--yes"]).expect(0);
    assert_eq!(snapshot(&env.host()), before);
}

#[test]
fn linux_web_shell_cleans_a_root_image_and_rolls_back() {
    cleans_and_undoes(&TestEnvironment::new());
}

#[test]
fn linux_web_shell_cleans_a_mounted_ext4_and_rolls_back() {
    struct Unmount(std::path::PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).output();
        }
    }
    let env = TestEnvironment::new();
    let image = env.at("disk.img");
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    fs::create_dir(env.host()).unwrap();
    let is_done = |program: &str, words: &[&std::ffi::OsStr]| {
        Command::new(program).args(words).output().is_ok_and(|output| output.status.success())
    };
    if !is_done("mkfs.ext4", &["-q".as_ref(), image.as_ref()])
        || !is_done("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), env.host().as_ref()])
    {
        println!("skipped: no ext4 can be made and mounted here");
        return;
    }
    let _unmount = Unmount(env.host());
    cleans_and_undoes(&env);
}

#[test]
fn steps_of_a_greater_risk_are_left_out() {
    let env = TestEnvironment::new();
    planned(&env);
    let answer = env.triage(["apply", "plan.json", "--root", "host", "--yes", "--max-risk", "low"]).expect(0);
    assert!(answer.stderr.contains("Left out for their risk: steps"), "{}", answer.stderr);
    assert!(!env.host().join("var/www/html/uploads/img.php").exists());
    assert!(!fs::read_to_string(env.host().join("etc/shadow")).unwrap().contains(":!"));
}

#[test]
fn a_review_without_a_terminal_changes_nothing() {
    let env = TestEnvironment::new();
    planned(&env);
    let before = snapshot(&env.host());
    let answer = env.triage(["apply", "plan.json", "--root", "host", "--review"]).expect(4);
    assert!(answer.stderr.contains("the review was ended"), "{}", answer.stderr);
    assert_eq!(snapshot(&env.host()), before);
}

const MINE: &str = r#"format_version: 1
name: mine
title: Close what was found
inputs:
  mode: {type: string, description: The mode that shells get}
steps:
  - id: restore
    title: Restore {path}
    phase: repair
    for_each: findings.filter(f, f.subject.type == "file")
    action: restore_file
    risk: medium
  - id: options
    title: Let root in with keys only
    phase: rotate
    for_each: findings.filter(f, f.subject.type == "account")
    action: set_option
    with: {option: PermitRootLogin, value: prohibit-password}
    risk: medium
"#;

#[test]
fn a_file_comes_back_from_a_bundle_and_from_an_earlier_run() {
    let env = TestEnvironment::new();
    env.broken_host();
    env.put("etc/ssh/sshd_config", "PermitRootLogin yes\n");
    // Where only passwords are left, nobody could log in as root any more.
    env.put(
        "root/.ssh/authorized_keys",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExam responder\n",
    );
    let shell = env.host().join("var/www/html/uploads/img.php");
    fs::write(&shell, "<?php echo 'good';\n").unwrap();
    env.triage(["collect", "--root", "host", "-o", "good.tar.zst"]).expect(0);
    fs::write(&shell, SHELL).unwrap();
    fs::write(env.at("mine.yaml"), MINE).unwrap();
    let plan = ["plan", "--root", "host", "--playbook", "mine.yaml", "-o", "plan.json"];
    let open = env.triage(plan);
    assert!(open.stdout.contains("needs input: where a good copy is"), "{}", open.stdout);
    env.triage(plan.into_iter().chain(["--from", "good.tar.zst"])).expect(2);
    let apply = ["apply", "plan.json", "--root", "host", "--yes"];
    let refused = env.triage(apply).expect(4);
    assert!(refused.stderr.contains("--from"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&shell).unwrap(), SHELL);
    env.triage(apply.into_iter().chain(["--from", "good.tar.zst"])).expect(0);
    assert_eq!(fs::read_to_string(&shell).unwrap(), "<?php echo 'good';\n");
    let sshd = fs::read_to_string(env.host().join("etc/ssh/sshd_config")).unwrap();
    assert_eq!(sshd, "PermitRootLogin prohibit-password\n");
}

#[test]
fn passwords_are_not_switched_off_while_nobody_has_a_key() {
    let env = TestEnvironment::new();
    env.broken_host();
    env.put("etc/ssh/sshd_config", "PermitRootLogin yes\n");
    fs::write(env.at("mine.yaml"), MINE).unwrap();
    let plan = env.triage(["plan", "--root", "host", "--playbook", "mine.yaml"]);
    assert!(plan.stdout.contains("BLOCKED: nobody could log in any more"), "{}", plan.stdout);
}

#[test]
fn a_tree_that_nobody_vouches_for_is_refused_and_says_what_to_do() {
    let env = TestEnvironment::new();
    env.broken_host();
    env.put("etc/ssh/sshd_config", "PermitRootLogin yes\n");
    fs::write(env.at("mine.yaml"), MINE).unwrap();
    fs::create_dir_all(env.at("tree/etc")).unwrap();
    fs::create_dir_all(env.at("tree/var/www/html/uploads")).unwrap();
    fs::write(env.at("tree/var/www/html/uploads/img.php"), "<?php echo 'good';\n").unwrap();
    let words = ["plan", "--root", "host", "--playbook", "mine.yaml", "--from", "tree"];
    let plan = env.triage(words);
    let told = plan.stdout.contains("nobody vouches for it") && plan.stdout.contains("triage collect");
    assert!(told, "{}", plan.stdout);
    fs::write(env.at("cut.deb"), b"!<arch>\ndebian-binary   0           0     0     100644  4         `\n2.0\n")
        .unwrap();
    let words = ["plan", "--root", "host", "--playbook", "mine.yaml", "--from", "cut.deb"];
    let cut = env.triage(words).expect(4);
    assert!(cut.stderr.contains("cut.deb") && cut.stderr.contains("data.tar"), "{}", cut.stderr);
}

#[test]
fn what_somebody_else_made_stays_and_the_original_comes_beside_it() {
    let env = TestEnvironment::new();
    planned(&env);
    env.triage(["apply", "plan.json", "--root", "host", "--yes"]).expect(0);
    env.put("var/www/html/uploads/img.php", "theirs");
    env.triage(["rollback", "last", "--root", "host", "--restore-malicious", "--keep-both", "--yes"]).expect(0);
    let folder = env.host().join("var/www/html/uploads");
    assert_eq!(fs::read_to_string(folder.join("img.php")).unwrap(), "theirs");
    let beside = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let beside = beside.filter(|path| path.to_string_lossy().contains(".triage-")).collect::<Vec<_>>();
    assert_eq!(beside.len(), 1);
    assert_eq!(fs::read_to_string(&beside[0]).unwrap(), SHELL);
}

#[test]
fn inputs_are_checked_before_the_host_is_read() {
    let env = TestEnvironment::new();
    env.broken_host();
    let plan = ["plan", "--root", "host", "--playbook", "linux/web-shell"];
    let answer = env.triage(plan.into_iter().chain(["--set", "shel=/bin/false"])).expect(1);
    assert!(answer.stderr.contains("did you mean `shell`"), "{}", answer.stderr);
    let answer = env.triage(plan.into_iter().chain(["--set", "shell=/bin/false"])).expect(2);
    assert!(answer.stdout.contains("+newfpbxs:x:0:0::/root:/bin/false"), "{}", answer.stdout);
}

#[test]
fn two_playbooks_are_one_plan_in_the_order_of_their_phases() {
    let env = TestEnvironment::new();
    env.broken_host();
    let words = [
        "plan",
        "--root",
        "host",
        "--playbook",
        "linux/web-shell",
        "--playbook",
        "freepbx/web-shell",
        "--format",
        "json",
    ];
    let answer = env.triage(words).expect(2);
    let plan: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let shells = plan["steps"].as_array().unwrap().iter().filter(|step| step["action"]["action"] == "quarantine_file");
    assert_eq!(shells.count(), 1, "{}", answer.stdout);
}

#[test]
fn the_schema_is_printed_and_the_playbooks_are_listed() {
    let env = TestEnvironment::new();
    let schema = env.triage(["playbook", "schema"]).expect(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["title"], "Playbook of triage, version 1");
    let list = env.triage(["playbook", "list"]).expect(0).stdout;
    assert!(list.contains("linux/web-shell"), "{list}");
}

#[test]
fn what_comes_back_after_a_clean_up_is_told() {
    let env = TestEnvironment::new();
    planned(&env);
    let shell = env.host().join("var/www/html/uploads/img.php");
    let back = std::thread::spawn({
        let shell = shell.clone();
        move || {
            // As the intruder's loop does: whenever it is gone it comes back, for as long as the watch lasts.
            for _ in 0..400 {
                if !shell.exists() {
                    std::thread::sleep(std::time::Duration::from_millis(1500));
                    let _ = fs::write(&shell, SHELL);
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    });
    let answer = env.triage(["apply", "plan.json", "--root", "host", "--yes", "--watch", "4s"]);
    back.join().unwrap();
    assert_eq!(answer.code, 2, "{}", answer.stderr);
    assert!(answer.stderr.contains("it came back") || answer.stderr.contains("still there"), "{}", answer.stderr);
}
