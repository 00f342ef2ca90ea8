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

    /// A command that is run.
    pub(super) fn run_command(&mut self, here: (At<'_>, Id), command: &Val, how: &str) {
        self.profile.executes(how);
        let how = format!("{how}()");
        if let K::Str(text) = &command.k {
            self.known_command(here, text, command.made, &how);
        } else {
            self.known_command(here, command.head(), 0, &how);
        }
        let Some(taint) = command.taint() else { return };
        if taint.from & (from::ORDERS | from::SESSION) != 0 {
            self.profile.ordered |= power::EXECUTE;
        }
        let inner = taint.flags & (flag::INNER | flag::ESCAPED | flag::FILTERED | flag::BASENAME | flag::KEY) != 0;
        let checked = taint.flags & flag::CHECKED != 0;
        if taint.from & from::ORDERS != 0 {
            let weight = match (inner, checked) {
                (true, _) => (Severity::Low, 40),
                (false, true) => (Severity::Low, 50),
                (false, false) => (Severity::Critical, 95),
            };
            let rule = if inner || checked { &rule::COMMAND_PART } else { &rule::COMMAND };
            self.hit(here, rule, weight, Some(&taint), &how);
        } else if !inner && !checked && taint.from & from::REMOTE != 0 {
            self.hit(here, &rule::REMOTE_CODE, (Severity::High, 80), Some(&taint), &how);
        } else if !inner && !checked && taint.from & from::NOBODY != 0 {
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
            } else if taint.from & from::NOBODY != 0 {
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
