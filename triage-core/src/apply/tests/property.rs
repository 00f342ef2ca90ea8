//! `rollback(apply(plan)) = before`, for whatever tree and plan.

use super::*;
use crate::journal::RunState;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) struct File {
    folder: usize,
    lines: Vec<usize>,
    mode: u32,
    owner: u32,
    is_pinned: bool,
    is_dressed: bool,
    step: usize,
}

const LINES: [&str; 5] =
    ["@daily /bin/true", "* * * * * /tmp/.k", "", "maint:$6$x$y:19000:0:99999:7:::", "x:*:1::::::"];

fn file() -> impl Strategy<Value = File> {
    let lines = prop::collection::vec(0..LINES.len(), 0..6);
    (0..3_usize, lines, 0..0o7777_u32, 0..3_u32, prop::bool::weighted(0.3), any::<bool>(), 0..8_usize).prop_map(
        |(folder, lines, mode, owner, is_pinned, is_dressed, step)| File {
            folder,
            lines,
            mode,
            owner,
            is_pinned,
            is_dressed,
            step,
        },
    )
}

pub(super) fn build(mut world: World, files: &[File], pinned_folder: Option<usize>) -> World {
    let mut pins = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let folder = ["/var/www", "/var/www/b", "/etc/x"][file.folder];
        let path = format!("{folder}/f{number}");
        let content: Vec<String> = file.lines.iter().map(|&line| LINES[line].to_owned() + "\n").collect();
        world.file(&path, content.concat().as_bytes(), file.mode, (file.owner, file.owner));
        if file.is_dressed {
            world.xattr(&path, "user.note", b"\0\xfe");
        }
        match file.step {
            0 | 1 => world.quarantine(&path),
            2 => world.remove_lines(&path, &[LINES[1], LINES[2]]),
            3 if file.lines.contains(&3) => world.lock_account(&path, "maint"),
            3 => world.remove_lines(&path, &[LINES[0]]),
            5 => world.set_metadata(
                &path,
                crate::action::Attributes {
                    mode: Some(crate::model::Mode::new(file.mode ^ 0o4177)),
                    uid: Some(file.owner + 1),
                    ..crate::action::Attributes::default()
                },
            ),
            6 => world.step(Action::EditFile {
                path: EvidencePath::new(&path).unwrap(),
                edits: vec![crate::action::LineEdit::Ensure { line: RawText::from("exit 0") }],
            }),
            _ => {}
        }
        if file.step == 2 {
            // Two steps on one object.
            world.remove_lines(&path, &[LINES[0]]);
        }
        if file.is_pinned {
            pins.push(path);
        }
    }
    world.settle_times();
    pins.extend(pinned_folder.map(|folder| ["/var/www", "/var/www/b", "/etc/x"][folder].to_owned()));
    for path in pins.iter().filter(|path| world.at(path).exists()) {
        world.pin(path);
    }
    world
}

/// Trees, a folder to pin, and a point at which the power is cut.
pub(super) fn plans() -> impl Strategy<Value = (Vec<File>, Option<usize>, Option<u64>)> {
    (prop::collection::vec(file(), 1..7), prop::option::of(0..3_usize), prop::option::of(0..150_u64))
}

/// Builds, applies up to the cut, and undoes it.
pub(super) fn check(world: World, files: &[File], pinned_folder: Option<usize>, cut: Option<u64>) {
    check_built(&build(world, files, pinned_folder), cut);
}

/// Applies up to the cut, and undoes it.
pub(super) fn check_built(world: &World, cut: Option<u64>) {
    let before = world.snapshot();
    let plan = world.plan();
    let applied = world.apply_plan(&plan, Consent::default(), &CutAt::new(cut.unwrap_or(u64::MAX)));
    let run = match applied {
        Ok(report) => report.run,
        Err(ApplyError::Cut) => world.last().id().clone(),
        // More lines match than may go: the plan is refused as a whole.
        Err(ApplyError::Blocked { .. }) => {
            assert_same(&world.snapshot(), &before, "refused");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    world.settle(&run);
    let rollback = world.rollback(&run);
    assert_eq!(rollback.state, RunState::Applied);
    assert_same(&world.snapshot(), &before, "rolled back");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rollback_of_apply_is_before((files, pinned_folder, cut) in plans()) {
        check(World::empty(), &files, pinned_folder, cut);
    }

    #[test]
    fn rollback_of_apply_is_before_in_memory((files, pinned_folder, cut) in plans()) {
        check(World::in_memory(), &files, pinned_folder, cut);
    }
}
