//! Decides in one pass over the bytes whether a file is worth the analysis.
//!
//! Most PHP is library code without a way in: it neither reads the request nor runs, decodes or hides anything. What is passed over here
//! could not have been found by the analysis either: no rule fires without one of these words, or without a name that hides.

use super::super::looks_like_php;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use std::sync::OnceLock;

/// Where orders come from.
const SOURCES: [&str; 24] = [
    "$_get",
    "$_post",
    "$_request",
    "$_cookie",
    "$_files",
    "_server",
    "$_session",
    "php://input",
    "http_raw_post",
    "_vars",
    "getallheaders",
    "apache_request_headers",
    "get_defined_vars",
    "filter_input",
    "import_request",
    "curl_exec",
    "fsockopen",
    "http://",
    "https://",
    "getenv",
    "session_id",
    "exif_",
    "globals",
    "__file__",
];

/// What runs, writes or calls.
const SINKS: [&str; 44] = [
    "eval",
    "assert",
    "system",
    "exec",
    "passthru",
    "popen",
    "proc_open",
    "create_function",
    "preg_replace",
    "mb_ereg",
    "call_user_func",
    "array_map",
    "array_filter",
    "array_walk",
    "usort",
    "uasort",
    "uksort",
    "array_reduce",
    "array_udiff",
    "array_uintersect",
    "array_diff_u",
    "array_intersect_u",
    "iterator_apply",
    "register_",
    "set_error_handler",
    "set_exception_handler",
    "ob_start",
    "move_uploaded_file",
    "file_put_contents",
    "fwrite",
    "fputs",
    "copy",
    "unserialize",
    "extract",
    "parse_str",
    "reflection",
    "fromcallable",
    "ssh2_",
    "mail",
    "putenv",
    "imap_open",
    "ffi",
    "`",
    "virtual",
];

/// What decodes or hides, and what runs a command or code and is worth a look whatever else there is.
const HIDES: [&str; 34] = [
    "base64_decode",
    "gzinflate",
    "gzuncompress",
    "gzdecode",
    "str_rot13",
    "strrev",
    "hex2bin",
    "convert_uu",
    "chr(",
    "pack(",
    "\\x",
    "${",
    "goto ",
    "eval(",
    "eval (",
    "eval/",
    "assert(",
    "assert (",
    "'assert",
    "\"assert",
    "_decrypt",
    "system(",
    "system (",
    "passthru",
    "popen",
    "shell_exec",
    "exec(",
    "proc_open",
    "`$",
    "$$",
    "stream_socket_server",
    "fsockopen",
    "create_function",
    "gzuncompress",
];

/// What makes code of a file.
const INCLUDES: [&str; 2] = ["include", "require"];

/// Says whether the statement that goes on here names a file that holds no code.
fn includes_a_picture(rest: &[u8]) -> bool {
    let statement = rest.get(..rest.len().min(160)).unwrap_or(rest);
    let statement = statement.split(|&b| b == b';' || b == b'\n').next().unwrap_or_default();
    statement.split(|&b| b == b'\'' || b == b'"').any(super::function_table::is_odd_data)
}

/// The words; none only where the automaton could not be built, and then every file is worth it.
fn words() -> Option<&'static AhoCorasick> {
    static WORDS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let build = || {
        let all = SOURCES.iter().chain(&SINKS).chain(&HIDES).chain(&INCLUDES);
        AhoCorasickBuilder::new().ascii_case_insensitive(true).build(all).ok()
    };
    WORDS.get_or_init(build).as_ref()
}

/// Says whether a file is PHP that could do harm.
pub(super) fn is_worth_it(content: &[u8]) -> bool {
    if !looks_like_php(content) && !content.windows(7).any(|part| part.eq_ignore_ascii_case(b"<script")) {
        return false;
    }
    let (mut source, mut sink, mut hides) = (false, false, false);
    let Some(words) = words() else { return true };
    for found in words.find_overlapping_iter(content) {
        let number = found.pattern().as_usize();
        if number >= SOURCES.len() + SINKS.len() + HIDES.len() {
            if includes_a_picture(content.get(found.end()..).unwrap_or_default()) {
                return true;
            }
            continue;
        }
        if number < SOURCES.len() {
            source = true;
        } else if number < SOURCES.len() + SINKS.len() {
            sink = true;
        } else {
            hides = true;
        }
        if source && (sink || hides) {
            return true;
        }
    }
    hides || calls_a_value(content, source) || is_strange(content)
}

/// Says whether something that is no name is called: `$x(`, `](`, `}(`.
fn calls_a_value(content: &[u8], or_includes: bool) -> bool {
    let mut word_is_variable = false;
    let mut last = 0_u8;
    for &b in content {
        match b {
            b'(' if word_is_variable || matches!(last, b']' | b'}' | b')' | b'"' | b'\'') => return true,
            b'$' => word_is_variable = true,
            b if b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80 => {}
            b if b.is_ascii_whitespace() => continue,
            _ => word_is_variable = false,
        }
        last = b;
    }
    or_includes
        && content.windows(7).any(|part| part.eq_ignore_ascii_case(b"include") || part.eq_ignore_ascii_case(b"require"))
}

/// Says whether the file has few letters for code.
fn is_strange(content: &[u8]) -> bool {
    let sample = content.get(..content.len().min(8192)).unwrap_or(content);
    let words = sample.iter().filter(|b| b.is_ascii_alphanumeric() || b.is_ascii_whitespace()).count();
    sample.len() >= 64 && words * 2 < sample.len()
}
