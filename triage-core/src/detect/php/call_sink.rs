//! Calls whose target is a value: chosen by the request, hidden, or handed to something that calls it.

use super::function_table::is_dangerous;
use super::interp::{At, Interp};
use super::ir::{Id, Sym};
use super::profile::power;
use super::rule::{self};
use super::value::{Arr, K, Taint, Val, flag, from, made};
use crate::model::Severity;
use std::rc::Rc;

impl Interp<'_> {
    /// A function that is named by the request.
    pub(super) fn chosen_function(&mut self, here: (At<'_>, Id), function: &Val, values: &[Val]) {
        let Some(taint) = &function.t else { return };
        let piece = completes_dangerous(function.head(), function.tail());
        let limited = !piece
            && (taint.flags & (flag::CHECKED | flag::INNER | flag::FILTERED | flag::BASENAME) != 0
                || !function.tail().is_empty());
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
    pub(super) fn named_by_value(&mut self, here: (At<'_>, Id), name: &[u8], function: &Val, values: &[Val]) {
        let orders = |value: &Val| value.taint().is_some_and(|taint| taint.from & from::ORDERS != 0);
        if function.made & made::HIDDEN != 0 && values.iter().any(orders) && !name.is_empty() {
            let sym = self.names.intern(name);
            if !self.funcs.contains_key(&sym) && !super::profile::is_php_function(name) {
                let taint = values.iter().find_map(Val::taint);
                let what = "calls a function under a hidden name";
                self.hit(here, &rule::SCRAMBLED, (Severity::High, 70), taint.as_ref(), what);
            }
        }
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
        } else if function.made & made::JOINED != 0 {
            let what = format!("calls {}() under a name in pieces", super::interp::show(name));
            self.hit(here, &rule::HIDDEN_NAME, (Severity::High, 75), None, &what);
        }
    }

    /// A function that could not be found out.
    pub(super) fn unknown_function(&mut self, here: (At<'_>, Id), function: &Val, values: &[Val]) {
        let ordered = values.iter().find_map(|value| value.taint().filter(|taint| taint.from & from::ORDERS != 0));
        let hidden = function.made & (made::HIDDEN | made::OWN) != 0;
        if hidden {
            self.profile.hidden_calls += u32::from(function.made & (made::DECODED | made::MATHS | made::ESCAPES) != 0);
            if let Some(taint) = ordered {
                self.hit(
                    here,
                    &rule::SCRAMBLED,
                    (Severity::High, 75),
                    Some(&taint),
                    "calls a function under a hidden name",
                );
                return;
            }
        }
        let Some(taint) = function.t.clone() else { return };
        if taint.from & from::OWN != 0 {
            self.hit(here, &rule::OWN_DATA, (Severity::High, 75), Some(&taint), "calls what it names");
        } else if taint.from & from::REMOTE != 0 {
            self.hit(here, &rule::REMOTE_CODE, (Severity::High, 70), Some(&taint), "calls what it names");
        } else if taint.from & (from::FILE | from::SESSION) != 0 && ordered.is_some() {
            self.contextual(here, &rule::REMOTE_CODE, (Severity::High, 70), &taint, "calls what it names");
        } else if taint.from & (from::NOBODY | from::SERVER) != 0
            && values.len() == 1
            && values.first().is_some_and(is_from_outside)
            && (ordered.is_some()
                || self.frames.len() == 1 && self.units.first().is_some_and(|unit| unit.stmts.len() < 12))
        {
            self.contextual(here, &rule::CALLBACK, (Severity::High, 65), &taint, "calls what it names");
        }
    }

    /// A function that executes, given to another one that calls it: honest code calls it itself.
    pub(super) fn dangerous_callback(&mut self, here: (At<'_>, Id), caller: &[u8], function: &Val) {
        if let K::Str(name) = &function.k {
            let name = name.to_ascii_lowercase();
            if is_dangerous(&name) && !name.starts_with(b"call_user") {
                let what = format!("{}('{}')", String::from_utf8_lossy(caller), String::from_utf8_lossy(&name));
                self.hit(here, &rule::EXECUTING_CALLBACK, (Severity::High, 75), None, &what);
            }
        }
    }

    /// A handler that PHP calls later with data of the script.
    pub(super) fn handler(&mut self, here: (At<'_>, Id), registrar: &[u8], function: &Val) {
        if function.is_ordered() {
            self.chosen_function(here, function, &[]);
        }
        let Some(name) = function.bytes().filter(|_| matches!(function.k, K::Str(_))) else { return };
        let name = name.to_ascii_lowercase();
        self.named_by_value(here, &name, function, &[]);
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
            // `Shell.Users`, `ADsNameSpaces`: an account of the system.
            if matches!(method, b"changepassword" | b"setpassword") {
                self.hit(here, &rule::ACCOUNT, (Severity::High, 75), None, "COM: makes an account with a password");
                self.by_context();
            }
            return K::Obj(self.names.intern(b"com")).into();
        }
        if class_name.as_ref() == b"perl" && matches!(method, b"eval" | b"system" | b"require") {
            for value in values {
                self.run_command(here, value, "perl");
            }
            return Val::unknown();
        }
        if method.starts_with(b"fetch") {
            let place = self.place(here.0, here.1);
            return Val::tainted(Some(Taint::new(from::DATABASE, 0, place, "database")));
        }
        let is_free = |value: &Val| {
            value.t.as_ref().is_some_and(|taint| {
                taint.from & from::ORDERS != 0 && taint.flags & !(flag::WHOLE | flag::CHANGED) == 0
            })
        };
        if matches!(method, b"query" | b"exec" | b"prepare" | b"multi_query") && values.first().is_some_and(is_free) {
            self.profile.free |= power::STATEMENT;
        }
        match method {
            b"registerphpfunctions" => {
                self.profile.calls_from_xpath = true;
                Val::unknown()
            }
            b"query" | b"evaluate" | b"transformtoxml" | b"transformtodoc" | b"importstylesheet"
                if self.profile.calls_from_xpath =>
            {
                if let Some(taint) = values.first().and_then(Val::taint).filter(|taint| {
                    taint.from & from::ORDERS != 0 && taint.flags & (flag::CHECKED | flag::FILTERED) == 0
                }) {
                    let what = "XPath that may call functions of PHP";
                    self.hit(here, &rule::CODE, (Severity::High, 85), Some(&taint), what);
                }
                Val::unknown()
            }
            // A method as a value, as an array names one.
            b"getmethod" => {
                let method = values.first().and_then(Val::bytes).unwrap_or_default().to_ascii_lowercase();
                self.profile.calls_from_xpath |= method == b"registerphpfunctions";
                Val::arr(Arr::list([Val::unknown(), Val::str(method)]))
            }
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
                    } else if method != b"register"
                        && value.bytes().is_some_and(|name| is_dangerous(&name.to_ascii_lowercase()))
                    {
                        // Programs keep their own objects under names that they register, and one is called `system`.
                        self.handler(here, method, &value.clone());
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
                    self.named_by_value(here, &name.to_ascii_lowercase(), &function.clone(), &[]);
                }
            }
            b"com" | b"ffi" | b"perl" => {
                let head = values.first().map(Val::head).unwrap_or_default().to_ascii_lowercase();
                if name == b"com" && head.starts_with(b"iis://") {
                    let what = "COM: reads the web server's accounts and passwords";
                    self.hit(here, &rule::CREDENTIALS, (Severity::High, 65), None, what);
                    self.by_context();
                }
            }
            _ if !self.parents.contains_key(&class) && !super::profile::is_own_class(name) => {
                self.profile.foreign.insert(class);
            }
            _ => {}
        }
    }
}

/// Says whether a value may be of the request's choice, in an old PHP or by way of the server's variables too.
fn is_from_outside(value: &Val) -> bool {
    value.taint().is_some_and(|taint| taint.from & (from::ANY_ORDERS | from::SERVER) != 0)
}

/// Says whether the known pieces of a name are those of a function that executes: `…ert`, `sys…`.
pub(super) fn completes_dangerous(head: &[u8], tail: &[u8]) -> bool {
    const NAMES: [&[u8]; 8] =
        [b"assert", b"system", b"passthru", b"shell_exec", b"exec", b"create_function", b"popen", b"proc_open"];
    let (head, tail) = (head.to_ascii_lowercase(), tail.to_ascii_lowercase());
    head.len() + tail.len() >= 2
        && NAMES
            .iter()
            .any(|name| name.len() > head.len().max(tail.len()) && name.starts_with(&head) && name.ends_with(&tail))
}
