//! Where data becomes files, or files become code.

use super::function_table::{data_url, has, is_executable, is_odd_data};
use super::interp::{At, FILES, Interp, OWN_PATH};
use super::ir::Id;
use super::profile::power;
use super::rule::{self, Rule};
use super::value::{K, Taint, Val, flag, from, made};
use crate::model::Severity;
use std::rc::Rc;

impl Interp<'_> {
    /// What a copied file holds.
    pub(super) fn copied(&mut self, (at, id): (At<'_>, Id), source: &Val) -> Val {
        let head = source.head().to_ascii_lowercase();
        let place = self.place(at, id);
        if head.starts_with(b"http://") || head.starts_with(b"https://") || head.starts_with(b"ftp://") {
            return Val::tainted(Some(Taint::new(from::REMOTE, 0, place, "copy() from another host")));
        }
        if source.is_ordered() { source.clone() } else { Val::unknown() }
    }

    /// `include` and its like.
    pub(super) fn include(&mut self, here: (At<'_>, Id), path: &Val) -> Val {
        self.profile.includes += 1;
        if let Some(content) = file_key(path).and_then(|key| self.written.get(&key)).cloned() {
            return self.include_written(here, &content);
        }
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
            let whole = path.tail().is_empty() && taint.flags & !(flag::WHOLE | flag::CHANGED) == 0;
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

    /// `include` of a file that the sample has written.
    fn include_written(&mut self, here: (At<'_>, Id), content: &Val) -> Val {
        let what = "include of a file that it has written";
        if let Some(taint) = content.taint() {
            let rule = if taint.from & from::REMOTE != 0 { &rule::REMOTE_CODE } else { &rule::INCLUDE };
            self.contextual(here, rule, (Severity::High, 80), &taint, what);
            return Val::unknown();
        }
        let Some(text) = content.bytes() else { return Val::unknown() };
        let is_hidden = content.made & (made::DECODED | made::UNPACKED) != 0;
        if is_hidden && has(&text, b"<?") {
            self.hit(here, &rule::HIDDEN_CODE, (Severity::High, 80), None, what);
        }
        self.run_layer(here, &text, false, is_hidden)
    }

    /// A file that is written.
    pub(super) fn write(&mut self, here: (At<'_>, Id), path: Option<&Val>, data: Option<&Val>, how: &[u8]) {
        let (Some(path), Some(data)) = (path, data) else { return };
        let what = format!("{}()", String::from_utf8_lossy(how));
        if [path, data].iter().any(|value| value.t.as_ref().is_some_and(|taint| taint.from & from::ANY_ORDERS != 0)) {
            self.profile.ordered |= power::WRITE;
        }
        let socket = path.head().starts_with(b"tcp://") || path.head().starts_with(b"udp://");
        if let Some(key) = file_key(path).filter(|_| !socket && self.written.len() < 64) {
            let outside = from::ORDERS | from::REMOTE;
            let is_free = data
                .taint()
                .is_some_and(|taint| taint.from & outside != 0 && taint.flags & (flag::CHECKED | flag::FILTERED) == 0);
            if is_free || (data.is_known() && data.made & (made::DECODED | made::UNPACKED) != 0) {
                self.written.insert(key, data.clone());
            }
        }
        let executable = is_executable(path.tail()) || path.head() == OWN_PATH;
        // What is written is what a later request runs: look into it.
        if let Some(text) = data.bytes().filter(|text| text.len() > 12 && has(text, b"<?"))
            && !socket
            && (executable || !path.is_known())
        {
            let is_hidden = data.made & made::HIDDEN != 0;
            if executable && data.made & (made::DECODED | made::UNPACKED) != 0 && does_something(&text) {
                self.hit(here, &rule::DROPPER, (Severity::High, 85), None, &what);
            }
            self.run_layer(here, &text, false, is_hidden);
            return;
        }
        let hidden = data.made & (made::DECODED | made::UNPACKED) != 0;
        let path_free = path.t.as_ref().is_some_and(|taint| {
            taint.from & from::ANY_ORDERS != 0 && taint.flags & (flag::CHECKED | flag::FILTERED) == 0
        }) && (path.tail().is_empty() || executable);
        let Some(taint) = data.taint() else {
            if let Some(taint) = path.t.clone().filter(|_| hidden && path_free && !socket) {
                self.contextual(here, &rule::WRITE, (Severity::High, 70), &taint, &what);
            }
            return;
        };
        let data_inner = taint.flags & (flag::INNER | flag::CHECKED | flag::FILTERED) != 0;
        if taint.from & from::ANY_ORDERS != 0
            && taint.flags & (flag::CHECKED | flag::FILTERED) == 0
            && !socket
            && !ends_at_once(data.head())
            && ends_as_code(data.head())
        {
            let what = format!("{what} of the request behind an opening tag");
            self.contextual(here, &rule::WRITE, (Severity::High, 75), &taint, &what);
            return;
        }
        if taint.from & from::ANY_ORDERS != 0 && !socket {
            if (path_free || executable) && !data_inner && !ends_at_once(data.head()) {
                let rule = &rule::WRITE;
                self.contextual(here, rule, (Severity::High, 80), &taint, &what);
            }
        } else if hidden && path_free && !socket && taint.from & from::REMOTE == 0 {
            self.contextual(here, &rule::WRITE, (Severity::High, 70), &taint, &what);
        } else if taint.from & from::REMOTE != 0
            && taint.flags & flag::CHANGED == 0
            && (executable || path_free)
            && !socket
        {
            self.contextual(here, &rule::REMOTE_WRITE, (Severity::High, 75), &taint, &what);
        }
    }

    /// A hit whose weight depends on what else the file is: decided at the end.
    pub(super) fn contextual(
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

    /// Makes the last hit one whose weight depends on what else the file is.
    pub(super) fn by_context(&mut self) {
        if let Some(hit) = self.hits.last_mut() {
            hit.is_contextual = true;
        }
    }

    pub(super) fn upload(&mut self, here: (At<'_>, Id), source: Option<&Val>, target: Option<&Val>) {
        self.profile.ordered |= power::UPLOAD;
        let (Some(source), Some(target)) = (source, target) else { return };
        if let Some(key) = file_key(target).filter(|_| source.is_ordered() && self.written.len() < 64) {
            self.written.insert(key, source.clone());
        }
        let tail = target.tail();
        let Some(taint) = target.t.as_ref().or(source.t.as_ref()) else { return };
        let named = target.t.as_ref().is_some_and(|taint| taint.from & from::ORDERS != 0);
        let checked = target.t.as_ref().is_some_and(|taint| taint.flags & (flag::CHECKED | flag::FILTERED) != 0);
        // The ending of an upload's name that was held against a list or pattern, as uploaders do it. A fixed ending that PHP runs is none of it.
        let ending_checked = !is_executable(tail) && self.checked.contains(&(FILES, None));
        if checked || ending_checked || !(is_executable(tail) || (named && tail.is_empty())) {
            return;
        }
        self.contextual(here, &rule::UPLOAD, (Severity::High, 75), taint, "stores an upload under the request's name");
    }
}

/// What tells a file that is written from another, where enough of its name is known.
fn file_key(path: &Val) -> Option<Vec<u8>> {
    let key = match &path.k {
        K::Str(text) => text.to_vec(),
        K::Partial(head, tail) => [head.as_slice(), b"*", tail.as_slice()].concat(),
        _ => return None,
    };
    let key = key.strip_prefix(b"./").map(<[u8]>::to_vec).unwrap_or(key);
    (key.len() > 3).then_some(key)
}

/// Says whether PHP can do anything at all: it calls, includes or names something. Placeholders that tests and installers write do not.
fn does_something(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    [&b"("[..], b"$", b"`", b"include", b"require"].iter().any(|sign| has(&lower, sign))
}

/// Says whether a text is PHP whose first statement ends it: whatever stands behind is data that a server does not show. Programs keep
/// settings and logs so.
fn ends_at_once(head: &[u8]) -> bool {
    let lower = head.get(..head.len().min(64)).unwrap_or_default().to_ascii_lowercase();
    let Some(code) = lower.strip_prefix(b"<?php") else { return false };
    let code = code.trim_ascii_start();
    let Some(rest) = [&b"exit"[..], b"die", b"__halt_compiler"].iter().find_map(|word| code.strip_prefix(*word)) else {
        return false;
    };
    let rest = rest.trim_ascii_start();
    let rest = match rest.strip_prefix(b"(") {
        Some(inner) => {
            let digits = inner.iter().take_while(|byte| byte.is_ascii_digit()).count();
            match inner.get(digits..).and_then(|rest| rest.strip_prefix(b")")) {
                Some(rest) => rest.trim_ascii_start(),
                None => return false,
            }
        }
        None => rest,
    };
    rest.starts_with(b";") || rest.starts_with(b"?>")
}

/// Says whether a text is PHP that has begun, and whose next word would be code: no text in quotes, no number.
fn ends_as_code(head: &[u8]) -> bool {
    let text = head.trim_ascii_end();
    let lower = text.to_ascii_lowercase();
    let Some(open) = lower.windows(2).rposition(|pair| pair == b"<?") else { return false };
    let code = lower.get(open..).unwrap_or_default();
    if has(code, b"?>") || has(code, b"exit") || has(code, b"die") || has(code, b"return") {
        return false;
    }
    matches!(code, b"<?" | b"<?php" | b"<?=" | b"<?php eval(" | b"<?eval(" | b"<? eval(" | b"<?php system(" | b"<?=`")
        || (code.len() < 200 && (code.ends_with(b"eval(") || code.ends_with(b";") && !has(code, b"=")))
}
