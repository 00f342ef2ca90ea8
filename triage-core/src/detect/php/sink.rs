//! Where data does harm: what runs, includes, writes or calls it.

use super::interp::{At, Interp, OWN_PATH};
use super::ir::{Id, Sym};
use super::profile::power;
use super::rule::{self, Rule};
use super::value::{K, Taint, Val, flag, from, made};
use super::{builtin, lexer, pattern};
use crate::model::Severity;
use std::rc::Rc;

/// Functions that run a command, and the argument that is it.
const EXECUTORS: [(&[u8], usize); 12] = [
    (b"system", 0),
    (b"exec", 0),
    (b"passthru", 0),
    (b"shell_exec", 0),
    (b"popen", 0),
    (b"proc_open", 0),
    (b"pcntl_exec", 0),
    (b"expect_popen", 0),
    (b"ssh2_exec", 1),
    (b"w32_exec", 0),
    (b"win_shell_execute", 0),
    (b"virtual", 0),
];

pub(super) fn executor(name: &[u8]) -> Option<usize> {
    EXECUTORS.iter().find(|(known, _)| *known == name).map(|(_, arg)| *arg)
}

/// Says whether a function runs what it is given, as command or as code.
pub(super) fn is_dangerous(name: &[u8]) -> bool {
    (executor(name).is_some() && name != b"virtual")
        || matches!(
            name,
            b"assert" | b"create_function" | b"eval" | b"mb_ereg_replace" | b"call_user_func" | b"call_user_func_array"
        )
}

/// Functions whose answer says whether a value is fit.
pub(super) fn is_validator(name: &[u8]) -> bool {
    matches!(
        name,
        b"in_array"
            | b"array_key_exists"
            | b"preg_match"
            | b"ereg"
            | b"eregi"
            | b"is_numeric"
            | b"ctype_digit"
            | b"ctype_alnum"
            | b"ctype_alpha"
            | b"is_int"
            | b"array_search"
            | b"hash_equals"
            | b"password_verify"
            | b"method_exists"
            | b"function_exists"
            | b"is_callable"
            | b"class_exists"
            | b"checkdate"
            | b"key_exists"
            | b"ctype_xdigit"
            | b"strspn"
            | b"fnmatch"
            | b"filter_var"
            | b"hash_hmac"
            | b"openssl_verify"
    )
}

/// What an unfolded function lets through: what it makes of it, and the flags it sets.
pub(super) fn passes(name: &[u8]) -> Option<(u16, u16)> {
    Some(match name {
        b"base64_decode"
        | b"gzinflate"
        | b"gzuncompress"
        | b"gzdecode"
        | b"str_rot13"
        | b"strrev"
        | b"hex2bin"
        | b"urldecode"
        | b"rawurldecode"
        | b"convert_uudecode"
        | b"pack"
        | b"unpack"
        | b"zlib_decode"
        | b"openssl_decrypt"
        | b"mcrypt_decrypt"
        | b"mcrypt_cbc"
        | b"mcrypt_ecb"
        | b"bzdecompress"
        | b"quoted_printable_decode"
        | b"base_convert"
        | b"mdecrypt_generic" => {
            let packed =
                matches!(name, b"gzinflate" | b"gzuncompress" | b"gzdecode" | b"zlib_decode" | b"bzdecompress");
            (made::DECODED | if packed { made::UNPACKED } else { 0 }, 0)
        }
        b"strtr" | b"str_replace" | b"str_ireplace" | b"preg_replace" | b"ereg_replace" | b"eregi_replace" => (0, 0),
        b"substr" | b"chr" => (made::CHARS, 0),
        b"mb_substr"
        | b"trim"
        | b"ltrim"
        | b"rtrim"
        | b"chop"
        | b"strtolower"
        | b"strtoupper"
        | b"ucfirst"
        | b"lcfirst"
        | b"ucwords"
        | b"stripslashes"
        | b"addslashes"
        | b"implode"
        | b"join"
        | b"explode"
        | b"sprintf"
        | b"vsprintf"
        | b"str_pad"
        | b"nl2br"
        | b"html_entity_decode"
        | b"htmlspecialchars_decode"
        | b"htmlspecialchars"
        | b"htmlentities"
        | b"utf8_decode"
        | b"utf8_encode"
        | b"iconv"
        | b"mb_convert_encoding"
        | b"str_split"
        | b"array_merge"
        | b"array_values"
        | b"array_reverse"
        | b"array_slice"
        | b"array_filter"
        | b"array_map"
        | b"current"
        | b"reset"
        | b"end"
        | b"next"
        | b"prev"
        | b"pos"
        | b"each"
        | b"key"
        | b"array_pop"
        | b"array_shift"
        | b"array_keys"
        | b"array_flip"
        | b"array_combine"
        | b"array_unique"
        | b"array_rand"
        | b"array_chunk"
        | b"array_fill_keys"
        | b"array_diff"
        | b"array_intersect"
        | b"array_merge_recursive"
        | b"array_replace"
        | b"array_splice"
        | b"array_column"
        | b"array_walk"
        | b"strstr"
        | b"stristr"
        | b"strrchr"
        | b"substr_replace"
        | b"json_decode"
        | b"unserialize"
        | b"strval"
        | b"stripcslashes"
        | b"strip_tags"
        | b"serialize"
        | b"json_encode"
        | b"get_object_vars"
        | b"str_repeat"
        | b"wordwrap"
        | b"chunk_split"
        | b"mb_strtolower"
        | b"mb_strtoupper"
        | b"realpath"
        | b"urlencode"
        | b"rawurlencode"
        | b"base64_encode"
        | b"bin2hex"
        | b"dirname"
        | b"iconv_substr"
        | b"strtok"
        | b"parse_url"
        | b"pathinfo"
        | b"gzcompress"
        | b"gzdeflate"
        | b"http_build_query"
        | b"iterator_to_array"
        | b"preg_split"
        | b"split"
        | b"simplexml_load_string"
        | b"preg_quote"
        | b"array_change_key_case"
        | b"mb_str_split"
        | b"tempnam" => (0, 0),
        b"escapeshellarg" => (0, flag::ESCAPED),
        b"escapeshellcmd" => (0, flag::INNER),
        b"basename" => (0, flag::BASENAME),
        _ => return None,
    })
}

/// Files that hold no code, by their end.
pub(super) fn is_odd_data(path: &[u8]) -> bool {
    const ENDS: [&[u8]; 10] =
        [b".jpg", b".jpeg", b".png", b".gif", b".ico", b".bmp", b".svg", b".css", b".webp", b".woff"];
    let lower = path.to_ascii_lowercase();
    ENDS.iter().any(|end| lower.ends_with(end))
}

fn is_executable(path: &[u8]) -> bool {
    const ENDS: [&[u8]; 12] = [
        b".php",
        b".php3",
        b".php4",
        b".php5",
        b".php7",
        b".phtml",
        b".pht",
        b".phar",
        b".htaccess",
        b".user.ini",
        b".jsp",
        b".asp",
    ];
    let lower = path.to_ascii_lowercase();
    ENDS.iter().any(|end| lower.ends_with(end))
}

/// The content of a `data:` address.
pub(super) fn data_url(url: &[u8]) -> Option<Vec<u8>> {
    let comma = url.iter().position(|&b| b == b',')?;
    let (head, body) = (url.get(..comma)?.to_ascii_lowercase(), url.get(comma + 1..)?);
    Some(if head.ends_with(b";base64") { builtin::base64_decode(body) } else { body.to_vec() })
}

fn has(text: &[u8], needle: &[u8]) -> bool {
    lexer::find(text, 0, needle).is_some()
}

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
                    && option.t.as_ref().is_some_and(|taint| taint.flags & !flag::WHOLE == 0)
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

    /// What a copied file holds.
    fn copied(&mut self, (at, id): (At<'_>, Id), source: &Val) -> Val {
        let head = source.head().to_ascii_lowercase();
        let place = self.place(at, id);
        if head.starts_with(b"http://") || head.starts_with(b"https://") || head.starts_with(b"ftp://") {
            return Val::tainted(Some(Taint::new(from::REMOTE, 0, place, "copy() from another host")));
        }
        if source.is_ordered() { source.clone() } else { Val::unknown() }
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
        } else if !inner && taint.from & from::OWN != 0 {
            self.hit(here, &rule::OWN_DATA, (Severity::High, 80), Some(&taint), &how);
        }
    }

    fn known_command(&mut self, here: (At<'_>, Id), text: &[u8], how_made: u16, how: &str) {
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
            } else if code.made & (made::ESCAPES | made::CHARS) != 0 && length > 3 {
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
        if !is_mb && patterns.is_ordered() && patterns.t.as_ref().is_some_and(|t| t.flags & !flag::WHOLE == 0) {
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

    /// `include` and its like.
    pub(super) fn include(&mut self, here: (At<'_>, Id), path: &Val) -> Val {
        self.profile.includes += 1;
        let lower = path.head().to_ascii_lowercase();
        if lower.starts_with(b"data:") && path.is_known() {
            let Some(text) = data_url(path.head()) else { return Val::unknown() };
            let text = Rc::new(text);
            self.hit(here, &rule::HIDDEN_CODE, (Severity::High, 85), None, "include of a data: address");
            return self.run_layer(here, &text, false, true);
        }
        if lower.starts_with(b"php://input") || (lower.starts_with(b"php://filter") && has(&lower, b"php://input")) {
            self.profile.takes_orders = true;
            let place = self.place(here.0, here.1);
            let taint = Taint::new(from::REQUEST, 0, place, "php://input");
            self.hit(here, &rule::INCLUDE, (Severity::Critical, 95), Some(&taint), "include");
            return Val::unknown();
        }
        if let Some(taint) = &path.t
            && taint.from & from::ORDERS != 0
        {
            let whole = path.tail().is_empty() && taint.flags & !flag::WHOLE == 0;
            self.profile.ordered |= power::INCLUDE;
            if taint.from & from::UPLOAD != 0 && whole {
                self.hit(here, &rule::INCLUDE, (Severity::Critical, 90), Some(taint), "include of an uploaded file");
            } else if whole {
                self.hit(here, &rule::INCLUDE, (Severity::High, 75), Some(taint), "include");
            } else {
                self.hit(
                    here,
                    &rule::INCLUDE_PART,
                    (Severity::Low, 40),
                    Some(taint),
                    "include of a part of the request",
                );
            }
            return Val::unknown();
        }
        if lower.starts_with(b"http://") || lower.starts_with(b"https://") || lower.starts_with(b"ftp://") {
            self.hit(here, &rule::REMOTE_CODE, (Severity::High, 85), path.t.as_ref(), "include from another host");
            return Val::unknown();
        }
        let hidden = path.made & (made::ESCAPES | made::DECODED | made::MATHS) != 0;
        if path.is_known() && path.bytes().is_some_and(|text| text.len() > 2) {
            let odd = is_odd_data(path.tail());
            let is_path = lower.starts_with(b"/") || lower.starts_with(b"\x01") || has(&lower, b"..");
            // Tools for languages and themes turn names into paths with str_replace; escapes for letters have no such reason.
            if path.made & made::ESCAPES != 0 || (hidden && odd) || (path.made & made::UNPACKED != 0) {
                self.hit(here, &rule::HIDDEN_INCLUDE, (Severity::High, 85), None, "include");
            } else if odd && !lower.ends_with(b".svg") && !lower.ends_with(b".css") {
                let weight = if is_path { 70 } else { 65 };
                self.hit(here, &rule::HIDDEN_INCLUDE, (Severity::High, weight), None, "include of a picture");
            }
        }
        Val::unknown()
    }

    /// A file that is written.
    fn write(&mut self, here: (At<'_>, Id), path: Option<&Val>, data: Option<&Val>, how: &[u8]) {
        let (Some(path), Some(data)) = (path, data) else { return };
        let what = format!("{}()", String::from_utf8_lossy(how));
        if path.is_ordered() || data.is_ordered() {
            self.profile.ordered |= power::WRITE;
        }
        let socket = path.head().starts_with(b"tcp://");
        let executable = is_executable(path.tail()) || path.head() == OWN_PATH;
        // What is written is what a later request runs: look into it.
        if let Some(text) = data.bytes().filter(|text| text.len() > 12 && has(text, b"<?"))
            && !socket
            && (executable || !path.is_known())
        {
            let is_hidden = data.made & made::HIDDEN != 0;
            if executable && data.made & (made::DECODED | made::UNPACKED) != 0 {
                self.hit(here, &rule::DROPPER, (Severity::High, 85), None, &what);
            }
            self.run_layer(here, &text, false, is_hidden);
            return;
        }
        let Some(taint) = data.taint() else { return };
        let path_free =
            path.t.as_ref().is_some_and(|taint| {
                taint.from & from::ORDERS != 0 && taint.flags & (flag::CHECKED | flag::FILTERED) == 0
            }) && (path.tail().is_empty() || executable);
        let data_inner = taint.flags & (flag::INNER | flag::CHECKED | flag::FILTERED) != 0;
        if taint.from & from::ORDERS != 0 && !socket {
            if (path_free || executable) && !data_inner {
                let rule = &rule::WRITE;
                self.contextual(here, rule, (Severity::High, 80), &taint, &what);
            }
        } else if taint.from & from::REMOTE != 0 && (executable || path_free) && !socket {
            self.contextual(here, &rule::REMOTE_WRITE, (Severity::High, 75), &taint, &what);
        }
    }

    /// A hit whose weight depends on what else the file is: decided at the end.
    fn contextual(
        &mut self,
        here: (At<'_>, Id),
        rule: &'static Rule,
        weight: (Severity, u8),
        taint: &Taint,
        what: &str,
    ) {
        self.hit(here, rule, weight, Some(taint), what);
        if let Some(hit) = self.hits.last_mut()
            && hit.rule.id == rule.id
        {
            hit.is_contextual = true;
        }
    }

    fn upload(&mut self, here: (At<'_>, Id), source: Option<&Val>, target: Option<&Val>) {
        self.profile.ordered |= power::UPLOAD;
        let (Some(source), Some(target)) = (source, target) else { return };
        let tail = target.tail();
        let Some(taint) = target.t.as_ref().or(source.t.as_ref()) else { return };
        let named = target.t.as_ref().is_some_and(|taint| taint.from & from::ORDERS != 0);
        let checked = target.t.as_ref().is_some_and(|taint| taint.flags & (flag::CHECKED | flag::FILTERED) != 0);
        if checked || !(is_executable(tail) || (named && tail.is_empty())) {
            return;
        }
        self.contextual(here, &rule::UPLOAD, (Severity::High, 75), taint, "stores an upload under the request's name");
    }

    /// A function that is named by the request.
    pub(super) fn chosen_function(&mut self, here: (At<'_>, Id), function: &Val, values: &[Val]) {
        let Some(taint) = &function.t else { return };
        let limited = taint.flags & (flag::CHECKED | flag::INNER | flag::FILTERED | flag::BASENAME) != 0
            || !function.tail().is_empty();
        let with_orders = values.iter().any(|value| value.taint().is_some_and(|taint| taint.from & from::ORDERS != 0));
        self.profile.ordered |= power::CALLBACK;
        if limited {
            self.hit(here, &rule::CALLBACK_PART, (Severity::Low, 40), Some(taint), "calls it");
        } else if with_orders {
            self.hit(
                here,
                &rule::CALLBACK,
                (Severity::Critical, 95),
                Some(taint),
                "calls it with input of the request",
            );
        } else {
            let rule = &rule::CALLBACK;
            let taint = taint.clone();
            self.contextual(here, rule, (Severity::High, 65), &taint, "calls it");
        }
    }

    /// A function whose name stands in a value.
    pub(super) fn named_by_value(&mut self, here: (At<'_>, Id), name: &[u8], function: &Val) {
        if !is_dangerous(name)
            && !matches!(name, b"base64_decode" | b"gzinflate" | b"file_put_contents" | b"str_rot13" | b"gzuncompress")
        {
            return;
        }
        let hard = made::HIDDEN | made::OWN;
        if function.made & hard != 0 {
            let weight = if is_dangerous(name) { (Severity::High, 90) } else { (Severity::High, 75) };
            let what = format!("calls {}() under a hidden name", super::interp::show(name));
            self.hit(here, &rule::HIDDEN_NAME, weight, None, &what);
        } else if function.made & made::JOINED != 0 && is_dangerous(name) {
            let what = format!("calls {}() under a name in pieces", super::interp::show(name));
            self.hit(here, &rule::HIDDEN_NAME, (Severity::High, 75), None, &what);
        }
    }

    /// A function that could not be found out.
    pub(super) fn unknown_function(&mut self, here: (At<'_>, Id), function: &Val, values: &[Val]) {
        let ordered = values.iter().find_map(|value| value.taint().filter(|taint| taint.from & from::ORDERS != 0));
        let hidden = function.made & (made::HIDDEN | made::OWN) != 0;
        if hidden {
            self.profile.hidden_calls += 1;
            if let Some(taint) = ordered {
                self.hit(
                    here,
                    &rule::SCRAMBLED,
                    (Severity::High, 75),
                    Some(&taint),
                    "calls a function under a hidden name",
                );
            }
        } else if let Some(taint) = &function.t
            && taint.from & (from::REMOTE | from::OWN) != 0
        {
            self.hit(here, &rule::REMOTE_CODE, (Severity::High, 70), Some(taint), "calls what it names");
        }
    }

    /// A handler that PHP calls later with data of the script.
    pub(super) fn handler(&mut self, here: (At<'_>, Id), registrar: &[u8], function: &Val) {
        if function.is_ordered() {
            self.chosen_function(here, function, &[]);
        }
        let Some(name) = function.bytes().filter(|_| matches!(function.k, K::Str(_))) else { return };
        let name = name.to_ascii_lowercase();
        self.named_by_value(here, &name, function);
        if is_dangerous(&name) {
            let what = format!("{}({})", String::from_utf8_lossy(registrar), String::from_utf8_lossy(&name));
            self.profile.ordered |= power::EXECUTE;
            self.hit(here, &rule::CALLBACK, (Severity::High, 85), None, &what);
        } else {
            let sym = self.names.intern(&name);
            if self.funcs.contains_key(&sym) {
                self.call_named(here, sym, vec![Val::unknown()], &[]);
            }
        }
    }

    /// A method of a class that the sample does not define.
    pub(super) fn foreign_method(
        &mut self,
        here: (At<'_>, Id),
        class: Option<Sym>,
        method: &[u8],
        values: &[Val],
    ) -> Val {
        let class_name = class.map_or_else(|| Rc::from(&b""[..]), |class| self.names.text(class));
        if matches!(class_name.as_ref(), b"com" | b"wscript.shell")
            || (class_name.as_ref() == b"ffi" && method == b"system")
        {
            if matches!(method, b"exec" | b"run" | b"shellexecute" | b"system") {
                for value in values {
                    self.run_command(here, value, "COM");
                }
            }
            return K::Obj(self.names.intern(b"com")).into();
        }
        if method.starts_with(b"fetch") {
            let place = self.place(here.0, here.1);
            return Val::tainted(Some(Taint::new(from::DATABASE, 0, place, "database")));
        }
        match method {
            b"getdoccomment" => {
                let place = self.place(here.0, here.1);
                Val::tainted(Some(Taint::new(from::OWN, 0, place, "a comment of the file")))
            }
            b"fwrite" => {
                self.profile.ordered |= if values.iter().any(Val::is_ordered) { power::WRITE } else { 0 };
                Val::unknown()
            }
            b"register" | b"uasort" | b"uksort" | b"sqlitecreatefunction" | b"createfunction" => {
                for value in values {
                    if value.is_ordered() {
                        self.chosen_function(here, value, values);
                    } else if let Some(name) = value.bytes().filter(|name| is_dangerous(&name.to_ascii_lowercase())) {
                        let name = self.names.intern(&name.to_ascii_lowercase());
                        self.handler(here, method, &value.clone());
                        let _ = name;
                    }
                }
                Val::unknown()
            }
            _ => Val::unknown(),
        }
    }

    /// An object that is made.
    pub(super) fn note_class(&mut self, here: (At<'_>, Id), class: Sym, name: &[u8], values: &[Val]) {
        let ordered = values.iter().any(Val::is_ordered);
        match name {
            b"mysqli" | b"pdo" if ordered => self.profile.ordered |= power::DATABASE,
            b"directoryiterator" | b"filesystemiterator" | b"recursivedirectoryiterator" if ordered => {
                self.profile.ordered |= power::LIST;
            }
            b"ziparchive" => self.profile.present |= power::ARCHIVE,
            b"reflectionfunction" => {
                if let Some(function) = values.first()
                    && let Some(name) = function.bytes()
                {
                    self.named_by_value(here, &name.to_ascii_lowercase(), &function.clone());
                }
            }
            b"com" | b"ffi" => {}
            _ if !self.parents.contains_key(&class) && !super::profile::is_own_class(name) => {
                self.profile.foreign.insert(class);
            }
            _ => {}
        }
    }
}
