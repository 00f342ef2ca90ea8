//! Weighs what was seen, in the light of what the file is as a whole.

use super::function_table::has;
use super::interp::Interp;
use super::ir::Stmt;
use super::profile::power;
use super::rule::{self, Hit, Rule};
use crate::model::Severity;

/// Foreign functions and classes that make a file a part of an application.
const APPLICATION: usize = 3;

fn whole(rule: &'static Rule, (severity, confidence): (Severity, u8), what: String) -> Hit {
    Hit { rule, severity, confidence, steps: vec![(1, 0, what)], is_dead: false, is_contextual: false }
}

/// The hits, with those added that only the whole shows.
pub(super) fn weigh(interp: &mut Interp<'_>, text: &[u8]) -> Vec<Hit> {
    let mut hits = std::mem::take(&mut interp.hits);
    let profile = &interp.profile;
    let main = interp.units.first();
    let foreign = profile.foreignness()
        + main.map_or(0, |unit| unit.foreign as usize * 2)
        + profile.includes as usize
        + main.map_or(0, |unit| {
            let foreign_parent = |class: &super::ir::Class| {
                class.parent.is_some_and(|parent| {
                    !interp.parents.contains_key(&parent) && !super::profile::is_own_class(&interp.names.text(parent))
                })
            };
            unit.classes.iter().filter(|class| foreign_parent(class)).count() * 2
        });
    // What only declares is called by something else: it is a part, and does nothing by itself.
    let acts = main.is_some_and(|unit| {
        let acts =
            |stmt: &u32| !matches!(unit.stmts.get(*stmt as usize), None | Some((Stmt::Nothing | Stmt::Return(_), _)));
        unit.body.iter().any(acts)
    });
    let alone = foreign < APPLICATION && acts;
    for hit in &mut hits {
        if hit.is_contextual && (!alone || profile.validators > 2) {
            hit.severity = Severity::Low;
            hit.confidence = 40;
        }
    }
    let is_ordered = |power: u32| profile.ordered & power != 0;
    let count = |mask: u32| (profile.ordered & mask).count_ones();
    let executors = profile.executors.len();
    let files = power::WRITE
        | power::DELETE
        | power::LIST
        | power::READ
        | power::UPLOAD
        | power::CHMOD
        | power::MOVE
        | power::FOLDER
        | power::TOUCH;
    let runs = is_ordered(power::EXECUTE | power::EVALUATE);
    if profile.takes_orders && alone {
        let score = count(files)
            + 2 * u32::from(runs)
            + u32::try_from(profile.probes.len()).unwrap_or(9) / 2
            + u32::from(is_ordered(power::DATABASE))
            + u32::from(profile.socket)
            + u32::from(profile.present & power::INFO != 0)
            + u32::try_from(executors).unwrap_or(9).saturating_sub(1);
        let strong = count(files) >= 4 || (runs && count(files) >= 2) || (executors >= 3 && runs && count(files) >= 1);
        if strong && (score >= 5 || count(files) >= 4) {
            let what = format!("powers: {}", names_of(profile.ordered | (profile.present & power::EXECUTE)));
            hits.push(whole(&rule::SHELL, (Severity::High, 85), what));
        }
    }
    if executors >= 3 && alone && profile.takes_orders {
        let all: Vec<String> =
            profile.executors.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        hits.push(whole(&rule::ANY_EXECUTOR, (Severity::High, 80), all.join(", ")));
    }
    let browses = power::LIST | power::READ;
    if alone && profile.free & browses == browses && profile.validators == 0 {
        hits.push(whole(
            &rule::BROWSER,
            (Severity::High, 60),
            "lists folders and reads files by the request's path".into(),
        ));
    }
    if alone && profile.ordered & power::DATABASE != 0 && profile.free & power::STATEMENT != 0 {
        hits.push(whole(&rule::CONSOLE, (Severity::High, 60), "statements come from the request".into()));
    }
    if alone && profile.unserializes && profile.magic_runs {
        let what = "an object from the request brings its own code to a method that runs it";
        hits.push(whole(&rule::CODE, (Severity::High, 75), what.into()));
    }
    let drops_program = profile.present & power::WRITE != 0 && has(text, b"use Socket") && has(text, b"PF_INET");
    if alone && drops_program && (has(text, b"/bin/sh") || has(text, b"exec ")) {
        hits.push(whole(
            &rule::REVERSE,
            (Severity::High, 80),
            "writes a program that waits for a shell's orders".into(),
        ));
    }
    if profile.calls_from_xpath && names_executing_function(text) {
        let what = "a style sheet or path names a function that executes";
        hits.push(whole(&rule::CODE, (Severity::High, 75), what.into()));
    }
    // Whatever table the request names, by a connection that the file itself makes.
    let connects = profile.present & power::DATABASE != 0;
    if alone && connects && profile.free & power::TABLE != 0 && profile.ordered & power::STATEMENT != 0 {
        hits.push(whole(&rule::CONSOLE, (Severity::High, 60), "tables come from the request".into()));
    }
    if alone && profile.free & power::LIST != 0 && profile.validators == 0 && profile.probes.contains("writable") {
        let what = "looks below the request's path for folders that may be written to";
        hits.push(whole(&rule::BROWSER, (Severity::High, 60), what.into()));
    }
    if profile.socket && profile.shell && alone {
        hits.push(whole(&rule::REVERSE, (Severity::High, 85), "starts a shell and opens a connection".into()));
    }
    if let Some(unit) = main {
        let letters = f64::from(unit.word_bytes) / f64::from(unit.code_bytes.max(1));
        // Names of nothing but `_`, and next to no other: tables of data have few letters too, but no such variables.
        let blank = unit.variables >= 4
            && unit.blank_variables * 3 >= unit.variables * 2
            && unit.words <= 4 + unit.variables / 8;
        if unit.code_bytes > 60 && blank && letters < 0.7 {
            let what = format!("{:.0} of 100 bytes of code are letters or digits", letters * 100.0);
            hits.push(whole(&rule::SYMBOLS, (Severity::High, 75), what));
        }
        if (unit.gotos >= 10 && unit.escaped >= 5) || (profile.hidden_calls >= 3 && profile.takes_orders && alone) {
            hits.push(whole(&rule::SCRAMBLED, (Severity::High, 70), "jumps and hidden names".into()));
        }
    }
    if profile.hidden_input {
        hits.push(whole(
            &rule::SCRAMBLED,
            (Severity::High, 80),
            "names the request's variables in a hidden way".into(),
        ));
    }
    if super::finding::is_encoded(text) {
        hits.push(whole(&rule::ENCODED, (Severity::Info, 90), "encoded for a loader".into()));
    }
    hits
}

fn names_of(powers: u32) -> String {
    const NAMES: [(u32, &str); 15] = [
        (power::EXECUTE, "execute"),
        (power::EVALUATE, "evaluate"),
        (power::WRITE, "write"),
        (power::DELETE, "delete"),
        (power::LIST, "list"),
        (power::READ, "read"),
        (power::UPLOAD, "upload"),
        (power::CHMOD, "change modes"),
        (power::MOVE, "copy or rename"),
        (power::DATABASE, "database"),
        (power::SOCKET, "connect"),
        (power::FOLDER, "make folders"),
        (power::INCLUDE, "include"),
        (power::CALLBACK, "call"),
        (power::TOUCH, "set times"),
    ];
    let all: Vec<&str> = NAMES.iter().filter(|(power, _)| powers & power != 0).map(|(_, name)| *name).collect();
    all.join(", ")
}

/// Says whether a style sheet or path in the text calls a function that executes: `php:function('assert', …)`.
fn names_executing_function(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut rest = lower.as_slice();
    while let Some(at) = super::lexer::find(rest, 0, b":function").filter(|_| rest.len() > 9) {
        rest = rest.get(at + 9..).unwrap_or_default();
        let near = rest.get(..rest.len().min(40)).unwrap_or_default();
        let name = near.split(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).find(|word| word.len() > 3);
        if name.is_some_and(super::function_table::is_dangerous) {
            return true;
        }
    }
    false
}
