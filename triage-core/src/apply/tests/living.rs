//! Processes and commands of a host that runs: this machine's own, but only what the tests themselves have started.

use super::*;
use crate::action::LiveAction;
use crate::action::live::{Argv, ProcessId, ProcessSelector};
use crate::journal::{Event, Holds, RunState, StepResult};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A program of the test's own, and processes that run it.
struct Beacon {
    folder: tempfile::TempDir,
    children: Vec<Child>,
}

impl Drop for Beacon {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Beacon {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy("/bin/sleep", folder.path().join("beacon")).unwrap();
        Self { folder, children: Vec::new() }
    }

    fn running(count: usize) -> Self {
        let mut beacon = Self::new();
        for _ in 0..count {
            beacon.start();
        }
        beacon
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("beacon")
    }

    fn start(&mut self) -> u32 {
        let child = Command::new(self.program()).arg("1000").spawn().unwrap();
        let pid = child.id();
        self.children.push(child);
        pid
    }

    fn which(&self) -> ProcessSelector {
        let program = EvidencePath::new(self.program().as_os_str().as_bytes()).unwrap();
        let command_line = RawText::from(format!("{program} 1000").as_str());
        ProcessSelector { program, command_line }
    }

    fn kill(&self) -> Action {
        Action::Live(LiveAction::KillProcess { which: self.which(), programs: [self.sha256()].into(), max: 10 })
    }

    fn freeze(&self) -> Action {
        Action::Live(LiveAction::FreezeProcess { which: self.which(), programs: [self.sha256()].into(), max: 10 })
    }

    fn sha256(&self) -> Digest {
        Digest::of(&fs::read(self.program()).unwrap())
    }

    /// The letters of the kernel for the states of its processes.
    fn states(&self) -> String {
        self.children.iter().map(|child| letter(child.id())).collect()
    }
}

fn letter(pid: u32) -> char {
    let stat = fs::read(format!("/proc/{pid}/stat"));
    stat.ok().and_then(|stat| crate::parse::procfs::stat(&stat)).map_or('-', |stat| stat.state)
}

fn here() -> LivingHost {
    LivingHost::here(Box::new(|_, _| false))
}

fn vouching() -> LivingHost {
    LivingHost::here(Box::new(|_, _| true))
}

fn world(host: fn() -> LivingHost, steps: impl IntoIterator<Item = Action>) -> World {
    let mut world = World::empty();
    world.living = Some(host);
    for step in steps {
        world.step(step);
    }
    world
}

fn irreversible() -> Consent {
    Consent { irreversible: true, ..Consent::default() }
}

fn blocked(result: Result<RunReport, ApplyError>) -> String {
    match result {
        Err(ApplyError::Blocked { steps }) => steps[0].why.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn processes_are_ended_and_what_they_ran_is_in_the_vault() {
    let beacon = Beacon::running(3);
    let world = world(here, [beacon.kill()]);
    let report = world.apply_plan(&world.plan(), irreversible(), &NoFaults).unwrap();
    assert_eq!(report.state, RunState::Applied, "{report:#?}");
    assert_eq!(beacon.states(), "ZZZ");
    let run = world.last();
    let intent = run.step(1).live.unwrap().clone();
    run.vault().verify(&beacon.sha256()).unwrap();
    assert!(intent.kept.iter().any(|kept| kept.what.ends_with("/maps")));
    for kept in &intent.kept {
        run.vault().verify(&kept.sha256).unwrap();
    }
    let again = world.apply_plan(&world.plan(), irreversible(), &NoFaults).unwrap();
    assert_eq!(again.outcomes[0].result, StepResult::NoOp);
}

#[test]
fn a_rollback_says_that_nobody_starts_an_ended_process_again() {
    let beacon = Beacon::running(1);
    let world = world(here, [beacon.kill()]);
    let report = world.apply_plan(&world.plan(), irreversible(), &NoFaults).unwrap();
    let plan = world.rollback_plan(&report.run, Scope::Everything);
    let StepStatus::Blocked { why } = &plan.steps[0].status else { panic!("{plan:#?}") };
    assert!(why.contains("in the vault"), "{why}");
    assert!(!plan.steps[0].restores_malicious);
}

#[test]
fn what_nothing_undoes_needs_a_word_of_its_own() {
    let beacon = Beacon::running(1);
    let world = world(here, [beacon.kill()]);
    let refused = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    assert!(matches!(refused, Err(ApplyError::Irreversible { .. })), "{refused:?}");
    assert_ne!(beacon.states(), "Z");
}

#[test]
fn frozen_processes_go_on_after_a_rollback() {
    let beacon = Beacon::running(2);
    let world = world(here, [beacon.freeze()]);
    let report = world.apply();
    assert_eq!(report.state, RunState::Applied, "{report:#?}");
    assert_eq!(beacon.states(), "TT");
    let plan = world.rollback_plan(&report.run, Scope::Everything);
    assert!(plan.steps[0].restores_malicious, "they were convicted");
    assert!(matches!(
        world.apply_plan(&plan, Consent::default(), &NoFaults),
        Err(ApplyError::RestoresMalicious { count: 1 })
    ));
    let rollback = world.rollback(&report.run);
    assert_eq!(rollback.state, RunState::Applied, "{rollback:#?}");
    assert!(!beacon.states().contains('T'), "{}", beacon.states());
    assert_eq!(world.runs().run(&report.run).unwrap().state(), RunState::RolledBack);
}

#[test]
fn what_is_frozen_first_is_ended_afterwards() {
    let beacon = Beacon::running(2);
    let world = world(here, [beacon.freeze(), beacon.kill()]);
    let report = world.apply_plan(&world.plan(), irreversible(), &NoFaults).unwrap();
    assert_eq!(report.state, RunState::Applied, "{report:#?}");
    assert_eq!(beacon.states(), "ZZ");
}

/// A file that goes into quarantine is renamed first, and `/proc/PID/exe` follows the name.
#[test]
fn a_process_is_ended_after_its_program_went_into_quarantine() {
    let mut world = World::empty();
    world.living = Some(here);
    world.file("/var/tmp/.x/beacon", &fs::read("/bin/sleep").unwrap(), 0o755, (0, 0));
    let program = world.at("/var/tmp/.x/beacon");
    let mut child = Command::new(&program).arg("1000").spawn().unwrap();
    let line = RawText::from(format!("{} 1000", program.display()).as_str());
    let which =
        ProcessSelector { program: EvidencePath::new(program.as_os_str().as_bytes()).unwrap(), command_line: line };
    let programs = [Digest::of(&fs::read(&program).unwrap())].into();
    world.quarantine("/var/tmp/.x/beacon");
    world.step(Action::Live(LiveAction::KillProcess { which, programs, max: 1 }));
    let report = world.apply_plan(&world.plan(), irreversible(), &NoFaults).unwrap();
    let state = letter(child.id());
    let _ = child.kill();
    child.wait().unwrap();
    assert_eq!(report.outcomes[1].result, StepResult::Done, "{report:#?}");
    assert_eq!(state, 'Z');
}

#[test]
fn we_and_who_started_us_are_never_touched() {
    let own = EvidencePath::new(std::env::current_exe().unwrap().as_os_str().as_bytes()).unwrap();
    let arguments = fs::read("/proc/self/cmdline").unwrap();
    let words: Vec<u8> = arguments.iter().map(|&b| if b == 0 { b' ' } else { b }).collect();
    let which = ProcessSelector { program: own, command_line: RawText::from(words.trim_ascii_end()) };
    let action = LiveAction::FreezeProcess { which, programs: [].into(), max: 99 };
    let world = world(here, [Action::Live(action)]);
    let why = blocked(world.apply_plan(&world.plan(), Consent::default(), &NoFaults));
    assert!(why.contains("we run in it"), "{why}");
}

#[test]
fn a_program_that_a_package_vouches_for_is_never_touched() {
    let beacon = Beacon::running(1);
    let world = world(vouching, [beacon.kill()]);
    let why = blocked(world.apply_plan(&world.plan(), irreversible(), &NoFaults));
    assert!(why.contains("package"), "{why}");
    assert_ne!(beacon.states(), "Z");
}

#[test]
fn an_interpreter_is_ended_for_what_it_was_told_to_run() {
    let mut child = Command::new("/bin/sh")
        .args(["-c", "read x; : beacon-in-a-shell"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let program = fs::canonicalize("/bin/sh").unwrap();
    let which = ProcessSelector {
        program: EvidencePath::new(program.as_os_str().as_bytes()).unwrap(),
        command_line: RawText::from("/bin/sh -c read x; : beacon-in-a-shell"),
    };
    let action = LiveAction::FreezeProcess { which, programs: [].into(), max: 1 };
    let world = world(vouching, [Action::Live(action)]);
    let report = world.apply();
    let state = letter(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((report.state, state), (RunState::Applied, 'T'));
}

#[test]
fn a_program_exchanged_after_the_plan_makes_the_step_stale() {
    let mut beacon = Beacon::running(1);
    let world = world(here, [beacon.kill()]);
    fs::remove_file(beacon.program()).unwrap();
    fs::copy("/bin/cat", beacon.program()).unwrap();
    // `cat 1000` would end at once: it waits for its standard input instead.
    beacon
        .children
        .push(Command::new(beacon.program()).arg("1000").stdin(std::process::Stdio::piped()).spawn().unwrap());
    let other = beacon.children.last_mut().unwrap();
    let _ = other.wait();
    fs::copy("/bin/tail", beacon.folder.path().join("follower")).unwrap();
    fs::rename(beacon.folder.path().join("follower"), beacon.program()).unwrap();
    let mut follower = Command::new(beacon.program()).args(["-f", "/dev/null"]).spawn().unwrap();
    let mut plan = world.plan();
    let line = RawText::from(format!("{} -f /dev/null", beacon.program().display()).as_str());
    let Action::Live(LiveAction::KillProcess { which, .. }) = &mut plan.steps[0].action else { panic!() };
    which.command_line = line;
    let refused = world.apply_plan(&plan, irreversible(), &NoFaults);
    let state = letter(follower.id());
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert!(
        matches!(&refused, Err(ApplyError::Stale { steps }) if steps[0].why.contains("another program")),
        "{refused:?}"
    );
    assert_ne!(state, 'Z');
}

#[test]
fn a_number_that_another_process_has_by_now_is_left_alone() {
    let beacon = Beacon::running(1);
    let pid = beacon.children[0].id();
    let host = here();
    let gone = LiveAction::ThawProcess { processes: vec![ProcessId { pid, start_ticks: 1 }] };
    assert_eq!(host.observe(&gone), Ok(LiveState::Processes { running: Vec::new() }));
    let forged = LiveState::Processes {
        running: vec![crate::action::live::RunningProcess {
            id: ProcessId { pid, start_ticks: 1 },
            sha256: None,
            is_frozen: false,
            protected: None,
        }],
    };
    let freeze = LiveAction::FreezeProcess { which: beacon.which(), programs: [].into(), max: 1 };
    host.perform(&freeze, &forged).unwrap();
    assert_ne!(beacon.states(), "T");
}

#[test]
fn more_processes_than_were_planned_for_are_stale() {
    let beacon = Beacon::running(3);
    let action = LiveAction::KillProcess { which: beacon.which(), programs: [beacon.sha256()].into(), max: 2 };
    let world = world(here, [Action::Live(action)]);
    let refused = world.apply_plan(&world.plan(), irreversible(), &NoFaults);
    assert!(matches!(refused, Err(ApplyError::Stale { .. })), "{refused:?}");
}

/// The wrong order fails, and says why; the right one holds.
#[test]
fn what_a_loop_starts_again_comes_back_until_the_loop_is_gone() {
    let mut beacon = Beacon::new();
    let script = format!("while :; do {} 1000; done", beacon.program().display());
    beacon.children.push(Command::new("/bin/sh").args(["-c", &script]).spawn().unwrap());
    let begin = Instant::now();
    let running =
        || matches!(here().observe(&kill_of(&beacon)), Ok(LiveState::Processes { running }) if !running.is_empty());
    while !running() && begin.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let wrong = world(here, [beacon.kill()]);
    let report = wrong.apply_plan(&wrong.plan(), irreversible(), &NoFaults).unwrap();
    let why = &report.stopped.unwrap().why;
    assert!(why.contains("came back"), "{why}");

    let shell = ProcessSelector {
        program: EvidencePath::new(fs::canonicalize("/bin/sh").unwrap().as_os_str().as_bytes()).unwrap(),
        command_line: RawText::from(format!("/bin/sh -c {script}").as_str()),
    };
    let end = LiveAction::KillProcess { which: shell, programs: [].into(), max: 1 };
    let right = world(here, [Action::Live(end), beacon.kill()]);
    let report = right.apply_plan(&right.plan(), irreversible(), &NoFaults).unwrap();
    assert_eq!(report.state, RunState::Applied, "{report:#?}");
    assert!(!running());
}

fn kill_of(beacon: &Beacon) -> LiveAction {
    LiveAction::KillProcess { which: beacon.which(), programs: [].into(), max: 10 }
}

#[test]
fn an_image_has_no_processes_that_could_be_ended() {
    let beacon = Beacon::running(1);
    let mut image = World::empty();
    image.step(beacon.kill());
    let why = blocked(image.apply_plan(&image.plan(), irreversible(), &NoFaults));
    assert!(why.contains("running host"), "{why}");
    assert_ne!(beacon.states(), "Z");
}

/// Every point at which the power can go: afterwards the run is resumed, and the processes are gone.
#[test]
fn a_crash_at_any_point_of_ending_processes_is_resumed() {
    let mut points = 0;
    loop {
        let beacon = Beacon::running(1);
        let world = world(here, [beacon.freeze(), beacon.kill()]);
        match world.apply_plan(&world.plan(), irreversible(), &CutAt::new(points)) {
            Err(ApplyError::Cut) => {}
            Ok(_) => break,
            Err(error) => panic!("point {points}: {error}"),
        }
        let report = world.resume(world.last().id(), &NoFaults).unwrap();
        assert_eq!(report.state, RunState::Applied, "point {points}: {report:#?}");
        assert_eq!(beacon.states(), "Z", "point {points}");
        points += 1;
    }
    assert!(points >= 12, "{points}");
    println!("{points} crash points of freezing and ending processes, 0 losses");
}

fn command(words: &[&str], undo: Option<&[&str]>) -> Action {
    let argv = |words: &[&str]| Argv::new(words.iter().map(|word| RawText::from(*word)).collect()).unwrap();
    Action::Live(LiveAction::RunCommand { argv: argv(words), limit_seconds: 20, undo: undo.map(argv) })
}

#[test]
fn a_command_and_the_one_that_undoes_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("a b; $(id)").display().to_string();
    let world = world(here, [command(&["/usr/bin/mkdir", "--", &at], Some(&["/usr/bin/rmdir", "--", &at]))]);
    let report = world.apply();
    assert_eq!(report.state, RunState::Applied, "{report:#?}");
    assert!(Path::new(&at).is_dir(), "its name reached the program as it stands");
    let rollback = world.rollback(&report.run);
    assert_eq!(rollback.state, RunState::Applied, "{rollback:#?}");
    assert!(!Path::new(&at).exists());
}

#[test]
fn a_command_that_fails_stops_the_run_with_what_it_said() {
    let world = world(here, [command(&["/usr/bin/rmdir", "/nonexistent/x"], Some(&["/usr/bin/true"]))]);
    let report = world.apply();
    let stopped = report.stopped.unwrap();
    assert!(stopped.why.contains("No such file"), "{}", stopped.why);
    assert_eq!(report.outcomes[0].holds, Holds::Unknown);
}

/// A command may have run or not when the power goes in the midst of it: it is not run twice, and a person is told.
#[test]
fn a_command_that_a_crash_cut_short_is_not_run_again() {
    let mut unknown = 0;
    let mut points = 0;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let [log_text, source] = [log.display().to_string(), folder.path().join("one").display().to_string()];
        fs::write(&source, "x").unwrap();
        let append = format!("of={log_text}");
        let input = format!("if={source}");
        let run = ["/usr/bin/dd", &input, &append, "oflag=append", "conv=notrunc", "status=none"];
        let world = world(here, [command(&run, Some(&["/usr/bin/true"]))]);
        match world.apply_plan(&world.plan(), Consent::default(), &CutAt::new(points)) {
            Err(ApplyError::Cut) => {}
            Ok(_) => break,
            Err(error) => panic!("point {points}: {error}"),
        }
        let report = world.resume(world.last().id(), &NoFaults).unwrap();
        let times = fs::read(&log).map_or(0, |log| log.len());
        assert!(times <= 1, "point {points}: it ran {times} times");
        match report.outcomes.first().map(|outcome| outcome.holds) {
            Some(Holds::Unknown) => unknown += 1,
            Some(Holds::After) => assert_eq!(times, 1, "point {points}"),
            other => panic!("point {points}: {other:?}"),
        }
        points += 1;
    }
    assert!(unknown > 0 && points > unknown, "{unknown} of {points}");
}

/// A crontab is edited, then a command changes its mode; undoing the edit alone is no conflict, because both were the run's own.
#[test]
fn what_a_later_step_did_to_an_edited_file_is_no_conflict() {
    let mut world = World::empty();
    world.living = Some(here);
    world.file("/var/spool/cron/asterisk", CRON, 0o600, (0, 0));
    world.remove_lines("/var/spool/cron/asterisk", &["*/3 * * * * /tmp/.k"]);
    let at = world.at("/var/spool/cron/asterisk").display().to_string();
    world.step(command(&["/usr/bin/chmod", "0640", &at], Some(&["/usr/bin/chmod", "0600", &at])));
    let report = world.apply();
    assert_eq!(report.state, RunState::Applied, "{report:#?}");
    let is_seen = |line: &crate::journal::Line| matches!(line.event, Event::SeenAgain { step: 1, .. });
    assert!(world.last().lines().iter().any(is_seen));

    let plan = world.rollback_plan(&report.run, Scope::Step(1));
    assert_eq!(plan.steps[0].status, StepStatus::WouldChange, "{plan:#?}");
    let rollback = world.apply_plan(&plan, agreed(), &NoFaults).unwrap();
    assert_eq!(rollback.state, RunState::Applied, "{rollback:#?}");
    assert_eq!(fs::read(world.at("/var/spool/cron/asterisk")).unwrap(), CRON);
}

/// What somebody else did to the file before the command ran stays somebody else's.
#[test]
fn what_an_intruder_did_before_the_command_is_still_a_conflict() {
    let mut world = World::empty();
    world.living = Some(here);
    world.file("/etc/cron.d/x", CRON, 0o600, (0, 0));
    world.remove_lines("/etc/cron.d/x", &["*/3 * * * * /tmp/.k"]);
    let at = world.at("/etc/cron.d/x");
    let report = world.apply();
    fs::write(&at, b"* * * * * /tmp/.other\n").unwrap();
    let plan = world.rollback_plan(&report.run, Scope::Everything);
    assert!(matches!(plan.steps[0].status, StepStatus::Blocked { .. }), "{plan:#?}");
}

#[test]
fn a_forged_rollback_that_runs_another_command_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("x").display().to_string();
    let world = world(here, [command(&["/usr/bin/mkdir", &at], Some(&["/usr/bin/rmdir", &at]))]);
    let report = world.apply();
    let mut plan = world.rollback_plan(&report.run, Scope::Everything);
    plan.steps[0].action = command(&["/usr/bin/chmod", "0777", &at], None);
    let why = blocked(world.apply_plan(&plan, agreed(), &NoFaults));
    assert!(why.contains("otherwise than the plan"), "{why}");
}

#[test]
fn a_program_that_others_may_change_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let tool = folder.path().join("tool");
    fs::write(&tool, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o777)).unwrap();
    let mut world = World::empty();
    world.step(command(&[&tool.display().to_string()], Some(&["/usr/bin/true"])));
    world.living = Some(here);
    let why = blocked(world.apply_plan(&world.plan(), Consent::default(), &NoFaults));
    assert!(why.contains("root's alone"), "{why}");
}
