//! Where data does harm: what runs, includes, writes or calls it.

use super::function_table::{executor, has};
use super::interp::{At, Interp};
use super::ir::Id;
use super::pattern;
use super::profile::power;
use super::rule::{self, Rule};
use super::value::{K, Val, flag, from, made};
use crate::model::Severity;
use std::rc::Rc;

impl Interp<'_> {
    /// Looks at a call of a function that the sample does not define.
    pub(super) fn note_call(&mut self, here: (At<'_>, Id), name: &[u8], values: &[Val]) {
        let first = values.first();
        self.profile.note(name, values);
        if let Some(arg) = executor(name) {
            let command = values.get(arg).cloned().unwrap_or_default();
            self.run_command(here, &command, &String::from_utf8_lossy(name));
            return;
        }
        match name {
            b"file_put_contents" => self.write(here, first, values.get(1), name),
            b"fwrite" | b"fputs" | b"gzwrite" => {
                let path = first.map(|handle| match &handle.k {
                    K::File(path) => Val { k: K::Str(Rc::clone(path)), ..handle.clone() },
                    _ => handle.clone(),
                });
                self.write(here, path.as_ref(), values.get(1), name);
            }
            b"move_uploaded_file" => self.upload(here, first, values.get(1)),
            _ if name.ends_with(b"query") => {
                let head = values.iter().map(Val::head).find(|head| !head.is_empty()).unwrap_or_default();
                let head = head.get(..head.len().min(64 * 1024)).unwrap_or_default().to_ascii_lowercase();
                let writes = has(&head, b"outfile") || has(&head, b"dumpfile");
                if writes && has(&head, b"<?") {
                    self.hit(here, &rule::DROPPER, (Severity::High, 80), None, "a statement that writes PHP to a file");
                }
                self.statement(here, values);
            }
            b"curl_setopt" => {
                let address = values.get(2);
                if let Some(taint) = address
                    .filter(|value| value.head().to_ascii_lowercase().starts_with(b"file:"))
                    .and_then(Val::taint)
                    .filter(|taint| taint.from & from::ANY_ORDERS != 0 && taint.flags & flag::CHECKED == 0)
                {
                    let what = "reads around the restrictions of PHP";
                    self.contextual(here, &rule::BROWSER, (Severity::High, 70), &taint, what);
                }
            }
            b"copy" | b"fopen" | b"file_get_contents"
                if first.is_some_and(|path| path.head().starts_with(b"compress.zlib://") && path.t.is_some()) =>
            {
                if let Some(taint) = first.and_then(|path| path.t.clone())
                    && taint.from & (from::REQUEST | from::NOBODY) != 0
                {
                    let what = "reads around the restrictions of PHP";
                    self.contextual(here, &rule::BROWSER, (Severity::High, 70), &taint, what);
                }
            }
            b"copy" | b"rename" => {
                let is_upload = |value: Option<&Val>| {
                    value.and_then(|value| value.t.as_ref()).is_some_and(|taint| taint.from & from::UPLOAD != 0)
                };
                if is_upload(first) {
                    self.upload(here, first, values.get(1));
                } else if name == b"copy" {
                    let content = first.map(|source| self.copied(here, source));
                    self.write(here, values.get(1), content.as_ref(), name);
                }
            }
            b"unserialize" | b"yaml_parse" | b"maybe_unserialize" => {
                if let Some(taint) =
                    first.and_then(|value| value.t.as_ref()).filter(|taint| taint.from & from::ORDERS != 0)
                    && values.len() < 2
                {
                    self.hit(here, &rule::UNSERIALIZE, (Severity::Low, 50), Some(taint), "unserialize()");
                    self.profile.unserializes = true;
                }
            }
            b"mail" | b"mb_send_mail" => {
                if let Some(option) = values.get(4)
                    && option.is_ordered()
                    && option.t.as_ref().is_some_and(|taint| taint.flags & !(flag::WHOLE | flag::CHANGED) == 0)
                {
                    self.hit(
                        here,
                        &rule::MODIFIED,
                        (Severity::Medium, 60),
                        option.t.as_ref(),
                        "mail(): fifth argument",
                    );
                }
                let ordered = |at: usize| values.get(at).is_some_and(Val::is_ordered);
                if ordered(0) && ordered(2) {
                    self.profile.mails = true;
                    if let Some(taint) = first.and_then(|value| value.t.clone()) {
                        self.hit(here, &rule::MAILER, (Severity::Low, 50), Some(&taint), "mail()");
                    }
                }
            }
            b"putenv" => {
                if let Some(value) = first
                    && value.head().starts_with(b"LD_PRELOAD")
                {
                    self.hit(here, &rule::MODIFIED, (Severity::High, 85), value.t.as_ref(), "putenv(LD_PRELOAD)");
                }
            }
            b"imap_open" if first.is_some_and(|value| value.is_ordered() && value.head().is_empty()) => {
                if let Some(taint) = first.and_then(Val::taint).filter(|taint| taint.flags & flag::CHECKED == 0) {
                    let what = "imap_open(): reads files and runs commands";
                    self.contextual(here, &rule::MODIFIED, (Severity::High, 65), &taint, what);
                }
            }
            b"imap_open" => {
                if let Some(value) = first
                    && has(&value.head().to_ascii_lowercase(), b"oproxycommand")
                {
                    self.hit(
                        here,
                        &rule::MODIFIED,
                        (Severity::High, 90),
                        value.t.as_ref(),
                        "imap_open(-oProxyCommand)",
                    );
                }
            }
            b"dl" => {
                if let Some(value) = first.filter(|value| value.is_ordered()) {
                    self.hit(here, &rule::MODIFIED, (Severity::Medium, 60), value.t.as_ref(), "dl()");
                }
            }
            _ => {}
        }
    }

    /// A statement for a database that the request steers.
    fn statement(&mut self, here: (At<'_>, Id), values: &[Val]) {
        let ordered = |value: &&Val| {
            value.taint().is_some_and(|taint| {
                taint.from & from::ANY_ORDERS != 0 && taint.flags & (flag::CHECKED | flag::FILTERED) == 0
            })
        };
        let Some(statement) = values.iter().find(ordered) else { return };
        let Some(taint) = statement.taint() else { return };
        let tail = statement.tail().to_ascii_lowercase();
        let text = [statement.head().to_ascii_lowercase(), tail].concat();
        if has(&text, b"into dumpfile") || has(&text, b"into outfile") {
            let what = "a statement that writes what the request gives to a file";
            self.contextual(here, &rule::WRITE, (Severity::High, 75), &taint, what);
        } else if has(&text, b"create function") && has(&text, b"soname") {
            self.contextual(here, &rule::MODIFIED, (Severity::High, 80), &taint, "a library becomes a function");
        }
        if opens_statement(statement.head()) {
            self.profile.free |= power::TABLE;
        }
    }

    /// Says whether the walk is in a method that PHP calls by itself when an object comes back from text, or goes.
    fn is_magic(&self) -> bool {
        let Some(&(unit, func)) = self.active.last() else { return false };
        let Some(function) = self.units.get(unit).and_then(|unit| unit.funcs.get(func)) else { return false };
        function.class.is_some()
            && matches!(
                self.names.text(function.name).as_ref(),
                b"__destruct" | b"__wakeup" | b"__tostring" | b"__unserialize" | b"__call" | b"__invoke" | b"__get"
            )
    }

    /// A command that is run.
    pub(super) fn run_command(&mut self, here: (At<'_>, Id), command: &Val, how: &str) {
        self.profile.executes(how);
        let how = format!("{how}()");
        if let K::Str(text) = &command.k {
            self.known_command(here, text, command.made, &how);
        } else {
            self.known_command(here, command.head(), 0, &how);
        }
        self.profile.magic_runs |= self.is_magic();
        let Some(taint) = command.taint() else {
            if !matches!(how.as_str(), "exec()" | "shell_exec()")
                && command.is_known()
                && command.bytes().is_some_and(|text| is_recon(&text))
            {
                self.hit(here, &rule::RECON, (Severity::High, 60), None, &how);
                self.by_context();
            }
            return;
        };
        if taint.from & (from::ORDERS | from::SESSION) != 0 {
            self.profile.ordered |= power::EXECUTE;
        }
        let head = command.head().to_ascii_lowercase();
        let account = has(&head, b"useradd ") || has(&head, b"net user ") || has(&head, b"adduser ");
        if account
            && taint.from & from::ORDERS != 0
            && taint.flags & (flag::CHECKED | flag::FILTERED | flag::ESCAPED) == 0
        {
            self.contextual(here, &rule::ACCOUNT, (Severity::High, 75), &taint, &how);
        }
        let mut inner = taint.flags & (flag::INNER | flag::ESCAPED | flag::FILTERED | flag::BASENAME | flag::KEY) != 0;
        let checked = taint.flags & flag::CHECKED != 0;
        let weak = taint.flags & (flag::FILTERED | flag::BASENAME | flag::KEY | flag::CHECKED) != 0;
        // `cmd /c …`, `sh -c …`, `…; …`: what follows is a command of its own. Windows' shell by COM has no other use.
        if !weak
            && taint.flags & flag::ESCAPED == 0
            && (opens_command(command.head()) || feeds_shell(command) || matches!(how.as_str(), "COM()" | "perl()"))
        {
            inner = false;
        }
        // Escaped, but all there is: the request names the program.
        let names_program = taint.from & from::ORDERS != 0
            && !weak
            && taint.flags & (flag::ESCAPED | flag::INNER) == flag::ESCAPED
            && command.head().is_empty();
        if names_program {
            self.profile.ordered |= power::EXECUTE;
            self.contextual(here, &rule::COMMAND, (Severity::High, 70), &taint, &how);
        } else if taint.from & from::ORDERS != 0 {
            let weight = match (inner, checked) {
                (true, _) => (Severity::Low, 40),
                (false, true) => (Severity::Low, 50),
                (false, false) => (Severity::Critical, 95),
            };
            let rule = if inner || checked { &rule::COMMAND_PART } else { &rule::COMMAND };
            self.hit(here, rule, weight, Some(&taint), &how);
        } else if !inner && !checked && taint.from & from::REMOTE != 0 {
            self.hit(here, &rule::REMOTE_CODE, (Severity::High, 80), Some(&taint), &how);
        } else if !inner && !checked && taint.from & (from::NOBODY | from::SERVER) != 0 {
            self.profile.ordered |= power::EXECUTE;
            self.contextual(here, &rule::COMMAND, (Severity::High, 65), &taint, &how);
        } else if !inner && taint.from & from::OWN != 0 {
            self.hit(here, &rule::OWN_DATA, (Severity::High, 80), Some(&taint), &how);
        }
    }

    pub(super) fn known_command(&mut self, here: (At<'_>, Id), text: &[u8], how_made: u16, how: &str) {
        let lower = text.to_ascii_lowercase();
        let reverse = has(&lower, b"/dev/tcp/")
            || has(&lower, b"bash -i")
            || has(&lower, b"nc -e")
            || has(&lower, b"sh -i")
            || has(&lower, b"-e /bin/");
        if reverse {
            self.profile.shell = true;
            if has(&lower, b"/dev/tcp/") || has(&lower, b"-e /bin/") {
                self.hit(here, &rule::REVERSE, (Severity::High, 90), None, how);
            }
        }
        if matches!(
            lower.trim_ascii(),
            b"/bin/sh" | b"/bin/bash" | b"sh" | b"bash" | b"cmd.exe" | b"cmd" | b"powershell.exe"
        ) {
            self.profile.shell = true;
        }
        let histories = has(&lower, b"_history") && (has(&lower, b"rm -") || has(&lower, b"> "));
        if histories || lower.trim_ascii().starts_with(b"unset histfile") || has(&lower, b"histfile=/dev/null") {
            self.hit(here, &rule::TRACES, (Severity::High, 75), None, how);
        }
        let account = (has(&lower, b"net user ") && has(&lower, b"/add"))
            || (has(&lower, b"net localgroup administrators") && has(&lower, b"/add"))
            || (has(&lower, b"useradd ") && has(&lower, b"-u 0"))
            || (has(&lower, b"useradd ") && has(&lower, b"chpasswd"));
        if account {
            self.hit(here, &rule::ACCOUNT, (Severity::High, 80), None, how);
        }
        let fetches = has(&lower, b"wget ") || has(&lower, b"curl ");
        let runs = has(&lower, b"| sh")
            || has(&lower, b"|sh")
            || has(&lower, b"| bash")
            || has(&lower, b"|bash")
            || has(&lower, b"chmod +x")
            || has(&lower, b"chmod 777")
            || has(&lower, b"chmod 755")
            || has(&lower, b"perl ");
        if fetches && runs && has(&lower, b"http") {
            self.hit(here, &rule::REMOTE_CODE, (Severity::High, 80), None, how);
        }
        if how_made & made::DECODED != 0 && text.len() > 8 {
            self.hit(here, &rule::HIDDEN_CODE, (Severity::High, 80), None, &format!("{how} of a hidden command"));
        }
    }

    /// Says where code that is run comes from.
    pub(super) fn note_code(&mut self, here: (At<'_>, Id), code: &Val, how: &str) {
        let what = format!("{how}()");
        self.profile.evaluates += 1;
        self.profile.magic_runs |= self.is_magic();
        if let Some(taint) = code.taint() {
            if taint.from & from::ORDERS != 0 {
                self.profile.ordered |= power::EVALUATE;
            }
            let weak = flag::CHECKED | flag::FILTERED | flag::BASENAME;
            let (rule, weight): (&'static Rule, _) = if taint.from & from::ORDERS != 0 {
                if taint.flags & weak != 0 {
                    (&rule::CODE_PART, (Severity::Low, 50))
                } else if taint.flags & flag::INNER != 0 {
                    (&rule::CODE, (Severity::High, 80))
                } else {
                    (&rule::CODE, (Severity::Critical, 95))
                }
            } else if taint.from & from::REMOTE != 0 {
                (&rule::REMOTE_CODE, (Severity::Critical, 90))
            } else if taint.from & from::OWN != 0 {
                (&rule::OWN_DATA, (Severity::High, 85))
            } else if taint.from & (from::NOBODY | from::SERVER) != 0 {
                self.contextual(here, &rule::CODE, (Severity::High, 65), &taint, &what);
                return;
            } else if taint.from & from::SESSION != 0 {
                (&rule::CODE, (Severity::High, 75))
            } else {
                let decoded = code.made & made::DECODED != 0;
                (&rule::STORED_CODE, (if decoded { Severity::Medium } else { Severity::Info }, 40))
            };
            self.hit(here, rule, weight, Some(&taint), &what);
            return;
        }
        if code.is_known() {
            let hidden = made::DECODED | made::MATHS | made::UNPACKED;
            let length = code.bytes().map_or(0, |text| text.len());
            if code.made & hidden != 0 && length > 3 {
                let weight = if code.made & made::UNPACKED != 0 { 92 } else { 85 };
                self.hit(here, &rule::HIDDEN_CODE, (Severity::High, weight), None, &what);
            } else if code.made & made::ESCAPES != 0 && length > 3 {
                self.hit(here, &rule::HIDDEN_CODE, (Severity::High, 75), None, &what);
            }
        } else if code.made & (made::DECODED | made::UNPACKED | made::MATHS) != 0 {
            let packed = code.made & made::UNPACKED != 0;
            let weight = if packed { (Severity::High, 80) } else { (Severity::High, 65) };
            self.hit(here, &rule::PACKED_CODE, weight, None, &what);
        } else if code.made & made::ESCAPES != 0 {
            self.hit(here, &rule::PACKED_CODE, (Severity::Medium, 55), None, &what);
        }
    }

    /// Code that is run as PHP.
    pub(super) fn run_code(&mut self, here: (At<'_>, Id), code: &Val, how: &str) -> Val {
        // What is asserted is no code where it is no text.
        if how == "assert" && !matches!(code.k, K::Str(_) | K::Partial(..)) && code.t.is_none() && code.made == 0 {
            return Val::unknown();
        }
        self.note_code(here, code, how);
        match &code.k {
            K::Str(text) => {
                let is_hidden = code.made & (made::HIDDEN | made::OWN) != 0;
                let text = Rc::clone(text);
                self.run_layer(here, &text, true, is_hidden)
            }
            K::Partial(head, _) if head.len() > 64 => {
                let head = Rc::clone(head);
                self.run_layer(here, &head, true, false)
            }
            _ => Val::unknown(),
        }
    }

    /// `preg_replace` and its like: the replacement may be code.
    pub(super) fn replacement(&mut self, here: (At<'_>, Id), name: &[u8], values: &[Val]) {
        let (Some(patterns), Some(with)) = (values.first(), values.get(1)) else { return };
        let is_mb = name.starts_with(b"mb_");
        let option = values.get(3);
        let runs = if is_mb {
            option.is_some_and(|option| has(option.head(), b"e") || option.is_ordered())
        } else {
            match &patterns.k {
                K::Arr(all) => all.items.iter().any(|(_, one)| pattern::runs_replacement(one.head())),
                K::Str(text) => pattern::runs_replacement(text),
                _ => false,
            }
        };
        if !is_mb
            && patterns.is_ordered()
            && patterns.t.as_ref().is_some_and(|t| t.flags & !(flag::WHOLE | flag::CHANGED) == 0)
        {
            let what = "preg_replace(): the pattern may demand evaluation";
            if let Some(taint) = patterns.t.clone().filter(|_| with.is_ordered()) {
                self.contextual(here, &rule::CODE, (Severity::High, 85), &taint, what);
            }
        }
        if !runs {
            return;
        }
        let replacements: Vec<Val> = match &with.k {
            K::Arr(all) => all.items.iter().take(64).map(|(_, one)| one.clone()).collect(),
            _ => vec![with.clone()],
        };
        for code in replacements {
            self.run_code(here, &code, "preg_replace /e");
            let text = code.head().to_ascii_lowercase();
            let uses = has(&text, b"\\1") || has(&text, b"$1") || has(&text, b"\\0") || has(&text, b"$0");
            let evaluates = has(&text, b"eval") || has(&text, b"assert") || has(&text, b"system");
            if let (true, Some(subject), Some(pattern)) = (uses, values.get(2), patterns.bytes())
                && let Some(code) = super::string::replaced_code(&pattern, code.head(), subject)
            {
                self.run_code(here, &code, "preg_replace /e");
            }
            if let Some(subject) = values.get(2).filter(|subject| subject.is_ordered())
                && uses
            {
                let weight = if evaluates { (Severity::Critical, 95) } else { (Severity::Low, 50) };
                self.hit(here, &rule::CODE, weight, subject.t.as_ref(), "preg_replace /e");
            } else if uses && evaluates {
                self.hit(here, &rule::PACKED_CODE, (Severity::High, 70), None, "preg_replace /e");
            }
        }
    }
}

/// Says whether what follows these words on a command line is a command again.
fn opens_command(head: &[u8]) -> bool {
    let lower = head.to_ascii_lowercase();
    let text = lower.trim_ascii_end();
    let text = text.strip_suffix(b"\"").or_else(|| text.strip_suffix(b"'")).unwrap_or(text).trim_ascii_end();
    let shells: [&[u8]; 6] = [b"cmd /c", b"cmd.exe /c", b"sh -c", b"bash -c", b"powershell -c", b"su -c"];
    shells.iter().any(|shell| text.ends_with(shell))
        || text.ends_with(b"&&")
        || text.ends_with(b";")
        || matches!(text, b"sudo" | b"nohup" | b"sudo -n" | b"exec" | b"time")
}

/// Says whether what follows these words of a statement is a table or a list of columns.
fn opens_statement(head: &[u8]) -> bool {
    let lower = head.to_ascii_lowercase();
    let text = lower.trim_ascii_end();
    let text = text.strip_suffix(b"`").unwrap_or(text).trim_ascii_end();
    let words: [&[u8]; 6] = [b"select", b" from", b"show create table", b"use", b"drop table", b"drop database"];
    words.iter().any(|word| text.ends_with(word))
}

/// Says whether a command only tells who and where one is: what an intruder tries first, and a program asks PHP for.
fn is_recon(command: &[u8]) -> bool {
    let text = command.trim_ascii();
    let first = text.split(|&b| matches!(b, b';' | b'&' | b'|')).next().unwrap_or_default().trim_ascii();
    matches!(first, b"id" | b"whoami" | b"uname -a" | b"cat /etc/passwd" | b"cat /etc/shadow") && text.len() < 200
}

/// Says whether a command pipes what it is given into a shell, or into `sudo`.
fn feeds_shell(command: &Val) -> bool {
    let text = [command.head(), b" ", command.tail()].concat().to_ascii_lowercase();
    let ends: [&[u8]; 6] = [b"| /bin/sh", b"|/bin/sh", b"| sh", b"| bash", b"| /bin/bash", b"|sh"];
    has(&text, b"| sudo -") || ends.iter().any(|end| text.trim_ascii_end().ends_with(end))
}
