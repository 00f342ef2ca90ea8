//! Holds `docs/ARCHITECTURE.md` against the code: who may use whom, and what exists in one place only.
//!
//! The source is read as text, without comments, literals and tests. That is less than a compiler knows, and enough: a path
//! that is hidden in a macro would be hidden from a reviewer too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::similar_names)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What every module may use besides its row; these themselves have to keep to their row.
const FREE: [&str; 3] = ["model", "sys", "builtin"];

/// Modules whose code does no I/O and knows no time, and the files of them that are excepted.
const PURE: [&str; 5] = ["action", "model", "parse", "plan", "playbook"];
const NOT_PURE: [&str; 1] = ["plan/file.rs"];

/// Files whose subject it is to run programs of the host.
const RUNS_PROGRAMS: [&str; 2] = ["sys/program.rs", "acquire/database/server.rs"];

const PRINTING: [&str; 5] = ["println!", "print!", "eprintln!", "eprint!", "dbg!"];

#[test]
fn the_table_lists_the_modules_that_there_are() {
    let table = Table::of_the_project();
    let lib = code(&read(&core().join("lib.rs")));
    let declared: BTreeSet<&str> = statements(&lib, "mod").into_iter().collect();
    let listed: BTreeSet<&str> = table.rows.iter().map(|row| row.module.as_str()).collect();
    assert_eq!(declared, listed, "left: `lib.rs`; right: the table of docs/ARCHITECTURE.md");
}

#[test]
fn arrows_point_down() {
    assert_eq!(Table::of_the_project().upward(), Vec::<String>::new());
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let table = Table::of_the_project();
    check(&core(), |file| table.check(file));
}

#[test]
fn only_the_terminal_module_prints() {
    check(&core(), |file| file.find_all(&PRINTING, "prints"));
    check(&cli(), |file| if file.name == "ui.rs" { Vec::new() } else { file.find_all(&PRINTING, "prints") });
}

#[test]
fn there_is_no_dry_run_flag() {
    for root in [core(), cli()] {
        check(&root, |file| file.find_all(&["dry_run"], "the dry run is the plan"));
    }
}

#[test]
fn the_library_starts_no_program() {
    check(&core(), File::programs);
}

#[test]
fn pure_modules_do_no_input_or_output() {
    check(&core(), File::impurities);
}

/// What is wrong has to be found, or the tests above are worth nothing.
#[test]
fn an_offending_line_is_found_and_a_harmless_one_is_not() {
    let table = Table::read(
        "text\n| module | purpose | may use |\n|---|---|---|\n| `model` | nouns | – |\n| `source` | a | `model` |\n\
         | `plan` | b | `source` |\n| `engine` | c | all above |\n\nmore `text` | and | `bars` |\n",
    );
    assert_eq!(table.rows.len(), 4);
    let cases: &[(&str, &str, &[&str])] = &[
        // file, code, complaints
        ("plan/mod.rs", "use crate::source::Source;\nuse crate::model::Digest;", &[]),
        ("plan/mod.rs", "use crate::plan::Step;\nuse crate::sys;", &[]),
        ("plan/mod.rs", "\n\nuse crate::engine::scan;", &["plan/mod.rs:3: `plan` uses `engine`"]),
        ("source/mod.rs", "fn f() { let x = crate::plan::make(); }", &["source/mod.rs:1: `source` uses `plan`"]),
        ("source/a.rs", "use crate::{model::{A, B}, plan::{C}};", &["source/a.rs:1: `source` uses `plan`"]),
        ("source/a.rs", "use crate::{\n    model::A,\n    plan,\n};", &["source/a.rs:3: `source` uses `plan`"]),
        ("source/a.rs", "use super::super::plan::Step;", &["source/a.rs:1: `source` uses `plan`"]),
        ("source/mod.rs", "use super::{model, plan};", &["source/mod.rs:1: `source` uses `plan`"]),
        ("source/a.rs", "use super::plan::Step;", &[]),
        ("source/mod.rs", "// use crate::plan::A;\n/* crate::plan /* crate::plan */ */\n/// [`crate::plan`]", &[]),
        ("source/mod.rs", "const A: &str = \"crate::plan\"; const B: &str = r#\"\" crate::plan\"#;", &[]),
        (
            "source/mod.rs",
            "fn f<'a>(x: &'a str) { if c == '\"' { crate::plan::f() } }",
            &["source/mod.rs:1: `source` uses `plan`"],
        ),
        ("source/mod.rs", "#[cfg(test)]\nmod tests {\n    use crate::plan::A;\n    fn f() { {} }\n}\n", &[]),
        ("source/mod.rs", "#[cfg(test)]\n#[allow(x)]\nuse crate::plan::A;\nuse crate::model::B;\n", &[]),
        (
            "source/mod.rs",
            "#[cfg(test)]\nmod tests { }\nuse crate::plan::A;",
            &["source/mod.rs:3: `source` uses `plan`"],
        ),
        ("model/mod.rs", "use crate::sys::stat;", &["model/mod.rs:1: `model` uses `sys`"]),
        ("engine/mod.rs", "use crate::{plan, source};", &[]),
        ("other/mod.rs", "", &["other/mod.rs:1: `other` is not in the table"]),
    ];
    for (name, text, expected) in cases {
        assert_eq!(&table.check(&File::new(name, text)), expected, "{name}: {text}");
    }

    let upward = Table::read("| module | purpose | may use |\n|---|---|---|\n| `a` | x | `b` |\n| `b` | x | – |\n");
    assert_eq!(upward.upward(), ["`a` uses `b`, which does not stand above it"]);

    let file =
        File::new("parse/a.rs", "use std::{\n fs, io};\nfn f() { std::process::Command::new(x); println!(\"x\") }");
    assert_eq!(file.programs(), ["parse/a.rs:3: starts a program"]);
    assert_eq!(
        file.impurities(),
        ["parse/a.rs:2: a pure module uses `std::fs`", "parse/a.rs:3: a pure module uses `std::process`"]
    );
    assert_eq!(file.find_all(&PRINTING, "prints"), ["parse/a.rs:3: `println!`: prints"]);
    let file = File::new("plan/file.rs", "use std::fs;\nfn f(dry_run: bool, my_dry_run: u8) {}");
    assert_eq!(file.impurities(), Vec::<String>::new());
    assert_eq!(file.find_all(&["dry_run"], "x"), ["plan/file.rs:2: `dry_run`: x"]);
    assert_eq!(File::new("a.rs", "use std::process::{Command, exit};").programs().len(), 1);
    assert_eq!(File::new("a.rs", "use std::process::id;").programs().len(), 0);
    assert_eq!(test_files("#[cfg(test)]\npub(crate) mod fake;\nmod real;\n"), ["fake"]);
}

/// The module table of the architecture.
struct Table {
    rows: Vec<Row>,
}

struct Row {
    module: String,
    may_use: BTreeSet<String>,
    uses_all_above: bool,
}

impl Table {
    fn of_the_project() -> Self {
        let table = Self::read(&read(&project().join("docs/ARCHITECTURE.md")));
        assert!(table.rows.len() > 10, "the module table of docs/ARCHITECTURE.md was not found");
        table
    }

    /// Reads the table whose head is `| module | purpose | may use |`, up to the first line that is no row.
    fn read(text: &str) -> Self {
        let rows = text
            .lines()
            .skip_while(|line| !line.starts_with("| module | purpose | may use |"))
            .skip(2)
            .take_while(|line| line.starts_with("| `"))
            .map(|line| {
                let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
                let [module, _, may_use] = cells[..] else { panic!("a row needs three cells: {line}") };
                Row {
                    module: module.trim_matches('`').to_owned(),
                    may_use: may_use.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
                    uses_all_above: may_use == "all above",
                }
            })
            .collect();
        Self { rows }
    }

    /// Rows that name something that does not stand above them: a cycle, or a module that does not exist.
    fn upward(&self) -> Vec<String> {
        let mut above = BTreeSet::new();
        let mut wrong = Vec::new();
        for row in &self.rows {
            for used in row.may_use.iter().filter(|used| !above.contains(used)) {
                wrong.push(format!("`{}` uses `{used}`, which does not stand above it", row.module));
            }
            above.insert(&row.module);
        }
        wrong
    }

    fn check(&self, file: &File) -> Vec<String> {
        let Some(place) = self.rows.iter().position(|row| row.module == file.module()) else {
            return vec![format!("{}:1: `{}` is not in the table", file.name, file.module())];
        };
        let (row, above) = (&self.rows[place], &self.rows[..place]);
        let is_allowed = |used: &str| {
            used == row.module
                || row.may_use.contains(used)
                || (row.uses_all_above && above.iter().any(|row| row.module == used))
                || (FREE.contains(&used) && !FREE.contains(&row.module.as_str()))
        };
        let is_module = |used: &str| FREE.contains(&used) || self.rows.iter().any(|row| row.module == used);
        file.uses()
            .into_iter()
            .filter(|(used, _)| is_module(used) && !is_allowed(used))
            .map(|(used, at)| format!("{}:{}: `{}` uses `{used}`", file.name, file.line(at), row.module))
            .collect()
    }
}

/// A source file: its name below `src` and its code.
struct File {
    name: String,
    code: String,
}

impl File {
    fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), code: code(text) }
    }

    /// The top-level module that it belongs to.
    fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many `super::` lead from its code to the root of the crate.
    fn depth(&self) -> usize {
        self.name.split('/').filter(|part| *part != "mod.rs").count()
    }

    fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// What it names at the root of the crate, and where.
    fn uses(&self) -> Vec<(&str, usize)> {
        let mut uses = children(&self.code, "crate");
        uses.extend(children(&self.code, &vec!["super"; self.depth()].join("::")));
        uses.sort_by_key(|(_, at)| *at);
        uses
    }

    fn find_all(&self, words: &[&str], why: &str) -> Vec<String> {
        let mut found: Vec<(usize, &str)> =
            words.iter().flat_map(|word| places(&self.code, word).into_iter().map(move |at| (at, *word))).collect();
        found.sort_unstable();
        found.into_iter().map(|(at, word)| format!("{}:{}: `{word}`: {why}", self.name, self.line(at))).collect()
    }

    fn programs(&self) -> Vec<String> {
        if RUNS_PROGRAMS.contains(&self.name.as_str()) {
            return Vec::new();
        }
        children(&self.code, "process")
            .into_iter()
            .filter(|(name, _)| *name == "Command")
            .map(|(_, at)| format!("{}:{}: starts a program", self.name, self.line(at)))
            .collect()
    }

    fn impurities(&self) -> Vec<String> {
        if !PURE.contains(&self.module()) || NOT_PURE.contains(&self.name.as_str()) {
            return Vec::new();
        }
        children(&self.code, "std")
            .into_iter()
            .filter(|(name, _)| ["fs", "net", "env", "process", "thread"].contains(name))
            .map(|(name, at)| format!("{}:{}: a pure module uses `std::{name}`", self.name, self.line(at)))
            .collect()
    }
}

/// Runs a check over every file beneath `src` but the tests, and tells all complaints at once.
fn check(src: &Path, complain: impl Fn(&File) -> Vec<String>) {
    let mut texts = BTreeMap::new();
    collect(src, &mut texts);
    assert!(texts.len() > 5, "there is no code beneath `{}`", src.display());
    let tests: Vec<PathBuf> = texts
        .iter()
        .flat_map(|(path, text)| {
            // `mod tests;` in `a/mod.rs` is `a/tests.rs` or `a/tests/`, in `a/b.rs` it is `a/b/tests.rs`.
            let folder = match path.file_name().unwrap().to_str().unwrap() {
                "mod.rs" | "lib.rs" | "main.rs" => path.parent().unwrap().to_owned(),
                _ => path.with_extension(""),
            };
            test_files(text).into_iter().map(move |name| folder.join(name))
        })
        .collect();
    let mut complaints = String::new();
    for (path, text) in &texts {
        let is_root = path.parent() == Some(src) && path.ends_with("lib.rs");
        if is_root || tests.iter().any(|test| path.starts_with(test) || path.with_extension("") == *test) {
            continue;
        }
        let name = path.strip_prefix(src).unwrap().to_str().unwrap();
        for complaint in complain(&File::new(name, text)) {
            let _ = writeln!(complaints, "  {complaint}");
        }
    }
    assert!(complaints.is_empty(), "beneath `{}`:\n{complaints}", src.display());
}

fn collect(folder: &Path, texts: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = read(&path);
            texts.insert(path, text);
        }
    }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn core() -> PathBuf {
    project().join("triage-core/src")
}

fn cli() -> PathBuf {
    project().join("triage-cli/src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The code of a file as it is without tests: comments, literals and test items are blanks, line ends stay where they are.
fn code(text: &str) -> String {
    let mut code = blanked(text);
    for range in test_items(&code) {
        blank(&mut code, range);
    }
    String::from_utf8(code).unwrap()
}

/// The modules in files of their own that are only there for tests.
fn test_files(text: &str) -> Vec<String> {
    let code = blanked(text);
    test_items(&code)
        .into_iter()
        .filter_map(|range| {
            let item = std::str::from_utf8(&code[range]).unwrap();
            if item.contains('{') { None } else { statements(item, "mod").first().map(|name| (*name).to_owned()) }
        })
        .collect()
}

/// The names after a keyword: `mod a;` and `pub mod a {` give `a`.
fn statements<'c>(code: &'c str, keyword: &str) -> Vec<&'c str> {
    places(code, keyword)
        .into_iter()
        .map(|at| word(code[at + keyword.len()..].trim_start()))
        .filter(|name| !name.is_empty())
        .collect()
}

/// What follows `path::` everywhere: one name, or the first names of a group in braces. With their places.
fn children<'c>(code: &'c str, path: &str) -> Vec<(&'c str, usize)> {
    let mut found = Vec::new();
    for at in places(code, path) {
        // `a::super::b` would not be at the start of the path, and is no valid path anyway; `x::crate` neither.
        let Some(rest) = code[at + path.len()..].strip_prefix("::") else { continue };
        if path.starts_with("super") && code[..at].ends_with("::") {
            continue;
        }
        let start = code.len() - rest.len();
        if !rest.starts_with('{') {
            found.push((word(rest), start));
            continue;
        }
        let (mut depth, mut is_first) = (0, true);
        for (offset, byte) in rest.bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b',' if depth == 1 => is_first = true,
                _ if depth == 1 && is_first && is_word(byte) => {
                    found.push((word(&rest[offset..]), start + offset));
                    is_first = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// Where a word stands by itself.
fn places(code: &str, sought: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    code.match_indices(sought)
        .map(|(at, _)| at)
        .filter(|&at| {
            let before = at.checked_sub(1).map(|before| bytes[before]);
            let after = bytes.get(at + sought.len()).copied();
            !before.is_some_and(is_word) && (sought.ends_with('!') || !after.is_some_and(is_word))
        })
        .collect()
}

fn word(text: &str) -> &str {
    &text[..text.bytes().position(|byte| !is_word(byte)).unwrap_or(text.len())]
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The items that `#[cfg(test)]` stands before, from the attribute to the end.
fn test_items(code: &[u8]) -> Vec<Range<usize>> {
    const MARK: &[u8] = b"#[cfg(test)]";
    let mut items = Vec::new();
    let mut at = 0;
    while at < code.len() {
        if !code[at..].starts_with(MARK) {
            at += 1;
            continue;
        }
        let start = at;
        at += MARK.len();
        // Further attributes have brackets; the item ends with the first `;` or with the brace that closes its body.
        let mut depth = 0_usize;
        while let Some(&byte) = code.get(at) {
            at += 1;
            match byte {
                b'{' | b'[' | b'(' => depth += 1,
                b']' | b')' => depth = depth.saturating_sub(1),
                b'}' => {
                    depth = depth.saturating_sub(1);
                    // `use a::{b};` goes on to its semicolon, a body does not.
                    if depth == 0 && !code[at..].trim_ascii_start().starts_with(b";") {
                        break;
                    }
                }
                b';' if depth == 0 => break,
                _ => {}
            }
        }
        items.push(start..at);
    }
    items
}

/// The text with blanks for comments and for what is between quotes.
fn blanked(text: &str) -> Vec<u8> {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < code.len() {
        let rest = &code[at..];
        let end = if rest.starts_with(b"//") {
            rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            block_comment(rest)
        } else if let Some(end) = raw_string(rest, at.checked_sub(1).map(|before| code[before])) {
            end
        } else if rest[0] == b'"' {
            quoted(rest, b'"')
        } else if rest[0] == b'\'' && is_char(rest) {
            quoted(rest, b'\'')
        } else {
            at += 1;
            continue;
        };
        blank(&mut code, at..at + end);
        at += end;
    }
    code
}

fn blank(code: &mut [u8], range: Range<usize>) {
    code[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of a raw string that starts here: `r"…"`, `br#"…"#`.
fn raw_string(rest: &[u8], before: Option<u8>) -> Option<usize> {
    let after_r = rest.strip_prefix(b"r").or_else(|| rest.strip_prefix(b"br")).or_else(|| rest.strip_prefix(b"cr"))?;
    let hashes = after_r.iter().take_while(|byte| **byte == b'#').count();
    if before.is_some_and(is_word) || after_r.get(hashes) != Some(&b'"') {
        return None;
    }
    let end: Vec<u8> = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = rest.len() - after_r.len() + hashes + 1;
    let length = rest[body..].windows(end.len()).position(|window| window == end)?;
    Some(body + length + end.len())
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Says whether this is a character and not a lifetime: `'a'`, `'\n'`, `'é'`, but not `'a`.
fn is_char(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(first) if first.is_ascii() => rest.get(2) == Some(&b'\''),
        Some(_) => true,
        None => false,
    }
}
