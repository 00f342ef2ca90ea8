//! A part of UAC's format (docs of `tclahr/uac`, artifacts of version 3 and 4), read without a shell.
//!
//! UAC hands much of a definition to a shell. Here a path is split into words as a shell would, and that is all: what has `$`, a
//! backtick or a variable of UAC's own in it is not read and told. `find`'s patterns, whose `*` crosses `/`, become ours.

use super::yaml::{File, title_of};
use super::{Command, Contents, Definition, DefinitionError, Effect, PathRule, Template, Treatment};
use crate::model::{VolatileKind, escape, suggestion};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;
use std::collections::BTreeSet;

const COLLECTORS: [&str; 5] = ["command", "file", "find", "hash", "stat"];
/// A plain scalar of YAML cannot begin with `%`, and UAC's do. It is read as this letter, which keeps the columns.
const PERCENT: char = '\u{e000}';
/// The most patterns that one pattern of `find` becomes.
const MAX_VARIANTS: usize = 16;
/// The deepest `**N`.
const MAX_DEPTH: u64 = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(rename = "version", default)]
    _version: IgnoredAny,
    #[serde(rename = "output_directory", default)]
    _output_directory: IgnoredAny,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    condition: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    modifier: Option<Spanned<bool>>,
    artifacts: Vec<Spanned<RawArtifact>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArtifact {
    #[serde(default)]
    description: String,
    #[serde(default)]
    supported_os: Option<Vec<String>>,
    collector: Spanned<String>,
    #[serde(default)]
    command: Option<Spanned<String>>,
    #[serde(default)]
    condition: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    foreach: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    modifier: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    path: Option<Spanned<String>>,
    #[serde(default)]
    is_file_list: Option<Spanned<bool>>,
    #[serde(default)]
    path_pattern: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    name_pattern: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    exclude_path_pattern: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    exclude_name_pattern: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    max_depth: Option<Spanned<u64>>,
    #[serde(default)]
    file_type: Option<Spanned<Vec<String>>>,
    // What these leave out is read all the same.
    #[serde(default)]
    exclude_file_system: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    exclude_nologin_users: Option<Spanned<bool>>,
    #[serde(default)]
    min_file_size: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    max_file_size: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    permissions: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    no_group: Option<Spanned<bool>>,
    #[serde(default)]
    no_user: Option<Spanned<bool>>,
    // No range of dates can be asked for, so that there is nothing to ignore.
    #[serde(rename = "ignore_date_range", default)]
    _ignore_date_range: IgnoredAny,
    // Where UAC puts a command's output.
    #[serde(rename = "output_directory", default)]
    _output_directory: IgnoredAny,
    #[serde(rename = "output_file", default)]
    _output_file: IgnoredAny,
    #[serde(rename = "compress_output_file", default)]
    _compress_output_file: IgnoredAny,
    #[serde(rename = "redirect_stderr_to_stdout", default)]
    _redirect_stderr_to_stdout: IgnoredAny,
}

pub(super) fn read(file: &File<'_>) -> Result<Contents, DefinitionError> {
    let mut contents = Contents::default();
    for raw in file.documents::<RawFile>(&readable(file.text))? {
        document(file, raw, &mut contents)?;
    }
    Ok(contents)
}

/// The text with every `%` that begins a plain scalar replaced.
fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut before = "";
        for (index, letter) in line.char_indices() {
            let begins = || {
                let head = before.trim_end();
                head.ends_with(['[', ',']) || (head.len() < before.len() && head.ends_with([':', '-']))
            };
            out.push(if letter == '%' && begins() { PERCENT } else { letter });
            before = line.get(..index + letter.len_utf8()).unwrap_or_default();
        }
    }
    out
}

fn restored(text: &str) -> String {
    text.replace(PERCENT, "%")
}

/// What UAC calls the file: its place beneath `artifacts/`, else its own name.
fn name_of(file: &str) -> String {
    let stem = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file);
    let tail = stem.rsplit_once("artifacts/").map(|(_, tail)| tail).or_else(|| stem.rsplit('/').next());
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "_-./+".contains(letter) { letter } else { '_' };
    let name: String = tail.unwrap_or(stem).chars().map(plain).collect();
    format!("uac/{}", name.trim_start_matches('-'))
}

fn document(file: &File<'_>, raw: RawFile, contents: &mut Contents) -> Result<(), DefinitionError> {
    let name = name_of(file.name);
    if contents.definitions.iter().any(|other| other.name == name) {
        if let Some(first) = raw.artifacts.first() {
            return Err(file.mistake(first, "a file of UAC's is one document", None));
        }
        return Ok(());
    }
    let Some(first) = raw.artifacts.first() else { return Ok(()) };
    let mut made = Definition {
        aliases: Vec::new(),
        title: title_of(&first.value.description),
        description: raw.description.unwrap_or_default(),
        urls: Vec::new(),
        origin: file.origin(first),
        is_sensitive: false,
        rules: Vec::new(),
        volatile: BTreeSet::new(),
        members: Vec::new(),
        commands: Vec::new(),
        notices: Vec::new(),
        name,
    };
    if let Some(condition) = &raw.condition {
        made.notices.push(file.notice(&made.name, condition, Effect::More, CONDITION));
    }
    let mut is_ours = false;
    for artifact in raw.artifacts {
        file.check_name(&Spanned::new(made.name.clone(), artifact.referenced, artifact.defined))?;
        let mut artifact = artifact;
        let systems = artifact.value.supported_os.take();
        if systems.is_some_and(|systems| !systems.iter().any(|name| name == "linux" || name == "all")) {
            continue;
        }
        is_ours = true;
        if let Some(modifier) = raw.modifier.as_ref().filter(|modifier| modifier.value) {
            let text = "it changes the host before it looks, and is not carried out";
            made.notices.push(file.notice(&made.name, modifier, Effect::Less, text));
            continue;
        }
        add(file, &artifact.value, &mut made)?;
    }
    if is_ours {
        let lines: Vec<&str> = made.description.lines().collect();
        made.description = lines.join("\n");
        contents.definitions.push(made);
    } else {
        contents.foreign.push(made.name);
    }
    Ok(())
}

const CONDITION: &str = "its `condition` is a command, which is not run: it counts as fulfilled";

fn add(file: &File<'_>, raw: &RawArtifact, made: &mut Definition) -> Result<(), DefinitionError> {
    if !raw.description.is_empty() {
        if !made.description.is_empty() {
            made.description.push('\n');
        }
        made.description.push_str(&raw.description);
    }
    let name = made.name.clone();
    let collector = raw.collector.value.clone();
    if !COLLECTORS.contains(&collector.as_str()) {
        let detail = format!("there is no collector `{}`", escape(collector.as_bytes()));
        return Err(file.mistake(&raw.collector, detail, suggestion(&collector, &COLLECTORS)));
    }
    let mut tell = |at: Option<&Spanned<IgnoredAny>>, effect, text: &str| {
        made.notices.extend(at.map(|at| file.notice(&name, at, effect, text)));
    };
    tell(raw.condition.as_ref(), Effect::More, CONDITION);
    if let Some(at) = raw.modifier.as_ref().or(raw.foreach.as_ref()) {
        tell(
            Some(at),
            Effect::Less,
            "`foreach` and `modifier` are commands, which are not run: nothing of this part is read",
        );
        return Ok(());
    }
    if collector == "command" {
        let Some(command) = &raw.command else {
            return Err(file.mistake(&raw.collector, "the collector `command` has a `command`", None));
        };
        add_command(file, command, made);
        return Ok(());
    }
    tell(
        raw.exclude_file_system.as_ref(),
        Effect::More,
        "`exclude_file_system` is not looked at: only local file systems are entered",
    );
    tell(raw.min_file_size.as_ref(), Effect::More, "`min_file_size` is not looked at");
    tell(
        raw.max_file_size.as_ref(),
        Effect::More,
        "`max_file_size` is not looked at: the limit is that of the collection",
    );
    tell(raw.permissions.as_ref(), Effect::More, "`permissions` are not looked at");
    for (flag, text) in [
        (&raw.exclude_nologin_users, "`exclude_nologin_users` is not looked at: the homes of all accounts are read"),
        (&raw.no_group, "`no_group` is not looked at"),
        (&raw.no_user, "`no_user` is not looked at"),
    ] {
        if let Some(at) = flag.as_ref().filter(|flag| flag.value) {
            made.notices.push(file.notice(&name, at, Effect::More, text));
        }
    }
    let Some(path) = &raw.path else {
        return Err(file.mistake(&raw.collector, format!("the collector `{collector}` has a `path`"), None));
    };
    if let Some(at) = raw.is_file_list.as_ref().filter(|flag| flag.value) {
        made.notices.push(file.notice(
            &name,
            at,
            Effect::Less,
            "a list of files that a command writes is not there to be read",
        ));
        return Ok(());
    }
    let treatment = match collector.as_str() {
        "file" => Treatment::Collect,
        "hash" => Treatment::Hash,
        _ => Treatment::List,
    };
    let words = match words(&restored(&path.value)) {
        Ok(words) => words,
        Err(why) => {
            made.notices.push(file.notice(&name, path, Effect::Less, format!("the path is not read: {why}")));
            return Ok(());
        }
    };
    let filter = Filter::of(file, raw, made);
    for word in words {
        add_path(file, path, &word, &filter, treatment, made)?;
    }
    let paths: usize = made.rules.iter().map(|rule| rule.paths.len() + rule.except.len()).sum();
    file.check_count(path, paths)
}

fn add_command(file: &File<'_>, command: &Spanned<String>, made: &mut Definition) {
    let text = restored(&command.value);
    // A pipeline tells something else than its first command does.
    let is_plain = !text.contains(['|', ';', '&', '<', '>', '$', '`', '\n']);
    let program = text.split_whitespace().next().unwrap_or_default();
    let served_by = VolatileKind::served_for(program).filter(|_| is_plain);
    if served_by.is_none() {
        let shown: String = text.chars().take(60).collect();
        let text = format!("the command `{}` is not run", escape(shown.as_bytes()));
        made.notices.push(file.notice(&made.name, command, Effect::Less, text));
    }
    made.volatile.extend(served_by);
    made.commands.push(Command { text, served_by });
}

/// What is asked for beneath a path.
struct Filter {
    /// What follows the path: `/**`, `/**2/*.log`.
    tails: Vec<String>,
    /// What follows the path and is not meant.
    except: Vec<String>,
    /// What is not meant, wherever the path is.
    except_everywhere: Vec<String>,
}

impl Filter {
    fn of(file: &File<'_>, raw: &RawArtifact, made: &mut Definition) -> Self {
        let name = made.name.clone();
        let mut more = |at: &Spanned<Vec<String>>, text: &str| {
            made.notices.push(file.notice(&name, at, Effect::More, text));
        };
        let types = raw.file_type.as_ref().map(|types| types.value.as_slice()).unwrap_or_default();
        if let Some(types) =
            raw.file_type.as_ref().filter(|types| types.value.iter().any(|kind| kind != "f" && kind != "l"))
        {
            more(types, "`file_type` is not looked at: files are read too");
        }
        let is_files_only = !types.is_empty() && types.iter().all(|kind| kind == "f" || kind == "l");
        let depth = raw.max_depth.as_ref().map(|depth| depth.value).filter(|depth| *depth <= MAX_DEPTH);
        let mut tails = Vec::new();
        let names = raw.name_pattern.as_ref().map(|names| names.value.as_slice()).unwrap_or_default();
        let mut folders = Vec::new();
        for pattern in raw.path_pattern.iter().flat_map(|patterns| &patterns.value) {
            match crossing(&restored(pattern)) {
                Some(found) => folders.extend(found),
                None => folders.push("/**".to_owned()),
            }
        }
        if let Some(at) =
            raw.path_pattern.as_ref().filter(|at| at.value.iter().any(|p| crossing(&restored(p)).is_none()))
        {
            more(at, "a `path_pattern` cannot be expressed here: all of the path is read");
        }
        if names.is_empty() && folders.is_empty() {
            tails.push(match depth {
                Some(0) => String::new(),
                Some(depth) => format!("/**{depth}"),
                None => "/**".to_owned(),
            });
        } else if names.is_empty() {
            tails.append(&mut folders);
        } else {
            if folders.is_empty() {
                folders.push(match depth {
                    Some(depth @ 2..) => format!("/**{}", depth - 1),
                    Some(_) => String::new(),
                    None => "/**".to_owned(),
                });
            } else if let Some(at) = raw.path_pattern.as_ref().filter(|_| folders.iter().any(|f| !f.ends_with("/**"))) {
                more(at, "`path_pattern` and `name_pattern` are looked at one after the other");
            }
            // A folder of that name is meant with all that is in it.
            let end = if is_files_only { "" } else { "/**" };
            for folder in &folders {
                tails.extend(names.iter().map(|name| format!("{folder}/{}{end}", restored(name))));
            }
        }
        let names = raw.exclude_name_pattern.iter().flat_map(|names| &names.value);
        let except = names.map(|name| format!("/**/{}/**", restored(name))).collect();
        let mut except_everywhere = Vec::new();
        if let Some(at) = &raw.exclude_path_pattern {
            for pattern in &at.value {
                match crossing(&restored(pattern)) {
                    Some(found) => except_everywhere.extend(found.iter().map(|found| format!("{found}/**"))),
                    None => more(at, "an `exclude_path_pattern` cannot be expressed here, and is not looked at"),
                }
            }
        }
        Self { tails, except, except_everywhere }
    }
}

fn add_path(
    file: &File<'_>,
    at: &Spanned<String>,
    word: &str,
    filter: &Filter,
    treatment: Treatment,
    made: &mut Definition,
) -> Result<(), DefinitionError> {
    let base = word.replace("%user_home%", "%%users.homedir%%").replace("%user%", "%%users.username%%");
    let base = base.trim_end_matches('/');
    let left = base.replace("%%users.homedir%%", "").replace("%%users.username%%", "");
    if left.contains('%') {
        let text = format!("`{}` is not read: it has a variable that only UAC has", escape(word.as_bytes()));
        made.notices.push(file.notice(&made.name, at, Effect::Less, text));
        return Ok(());
    }
    let mut rule = PathRule { paths: Vec::new(), except: Vec::new(), treatment };
    let read = |text: String| Template::new(&text).map_err(|error| file.mistake(at, error.to_string(), None));
    for tail in &filter.tails {
        let text = format!("{base}{tail}");
        rule.paths.push(read(if text.is_empty() { "/".to_owned() } else { text })?);
    }
    for tail in &filter.except {
        rule.except.push(read(format!("{base}{tail}"))?);
    }
    for text in &filter.except_everywhere {
        rule.except.push(read(text.clone())?);
    }
    made.rules.push(rule);
    Ok(())
}

/// The words of a path as a shell splits them, where it would do no more than that.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    if text.contains(['$', '`']) {
        return Err("it has shell text in it");
    }
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quote != Some('\'') => word.extend(letters.next()),
            '"' | '\'' if quote == Some(letter) => quote = None,
            '"' | '\'' if quote.is_none() => quote = Some(letter),
            letter if letter.is_whitespace() && quote.is_none() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            letter => word.push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is never closed");
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// The patterns that a pattern of `find -path`, whose `*` crosses `/`, comes to; none where they are too many. Each begins with `/`.
fn crossing(pattern: &str) -> Option<Vec<String>> {
    let pattern = pattern.trim_end_matches('/');
    let (mut found, parts) = match pattern.strip_prefix('/') {
        Some(rest) => (vec![String::new()], rest),
        // It begins somewhere.
        None => (vec!["/**".to_owned()], pattern),
    };
    for part in parts.split('/').filter(|part| !part.is_empty()) {
        let mut endings = vec![String::new()];
        if part.bytes().all(|byte| byte == b'*') {
            endings = vec!["**".to_owned()];
        } else {
            for (index, piece) in part.split('*').enumerate() {
                if index > 0 {
                    endings = endings.iter().flat_map(|end| [format!("{end}*"), format!("{end}*/**/*")]).collect();
                }
                for end in &mut endings {
                    end.push_str(piece);
                }
                if endings.len() > MAX_VARIANTS {
                    return None;
                }
            }
        }
        found = found.iter().flat_map(|head| endings.iter().map(move |end| format!("{head}/{end}"))).collect();
        if found.len() > MAX_VARIANTS {
            return None;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does_and_no_more() {
        assert_eq!(words(r#"/a "/b c"/d  /e\ f"#), Ok(vec!["/a".into(), "/b c/d".into(), "/e f".into()]));
        assert!(words("/$(id)").is_err() && words("/`id`").is_err() && words("/\"a").is_err());
    }

    #[test]
    fn a_percent_is_read_where_yaml_has_none() {
        let text = "path: %user_home%/a %user_home%/b\nx: [%a, \"50%\", %b]\n- %c\nurl: a%20b\n";
        let read = readable(text);
        assert_eq!(read.matches(PERCENT).count(), 4);
        assert_eq!(restored(&read), text);
        assert_eq!(read.chars().count(), text.chars().count());
    }

    #[test]
    fn a_star_of_find_crosses_folders() {
        assert_eq!(crossing("*/Cache/*").as_deref(), Some(&["/**/**/Cache/**".to_owned()][..]));
        assert_eq!(crossing("/proc"), Some(vec!["/proc".into()]));
        assert_eq!(crossing("*/a*b"), Some(vec!["/**/**/a*b".into(), "/**/**/a*/**/*b".into()]));
        assert_eq!(crossing("*/+CONTENTS"), Some(vec!["/**/**/+CONTENTS".into()]));
        assert!(crossing("/a*b*c*d*e*f*g").is_none());
    }

    #[test]
    fn names_come_from_the_place_in_the_collection() {
        assert_eq!(name_of("/opt/uac/artifacts/files/shell/bash.yaml"), "uac/files/shell/bash");
        assert_eq!(name_of("my set.yaml"), "uac/my_set");
    }
}
