//! Directives of an `.htaccess` that make the web server run what it should deliver.
//!
//! Apache joins lines that end in a backslash before it looks for a directive (`httpd.apache.org/docs/2.4/configuring.html`), takes names in any case
//! and words in quotes. So does this, because whoever hides a handler from a search for its name does it with these.

use super::placement::{is_odd_include, is_php_extension};

/// A directive: the line on which it begins, from 1, its text with the lines joined, and its words in lower case.
pub(super) struct Directive {
    pub(super) line: u64,
    pub(super) text: Vec<u8>,
    pub(super) words: Vec<Vec<u8>>,
}

/// The directives of a file.
pub(super) fn directives(content: &[u8]) -> impl Iterator<Item = Directive> {
    let mut lines = content.split(|&byte| byte == b'\n').zip(1..);
    std::iter::from_fn(move || {
        let (first, line) = lines.next()?;
        let mut text = first.strip_suffix(b"\r").unwrap_or(first).to_vec();
        while text.last() == Some(&b'\\') {
            text.pop();
            let Some((next, _)) = lines.next() else { break };
            text.extend_from_slice(next.strip_suffix(b"\r").unwrap_or(next));
        }
        let words = if text.trim_ascii_start().starts_with(b"#") { Vec::new() } else { words(&text) };
        Some(Directive { line, text, words })
    })
}

fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some(&first) = rest.first() {
        let quote = matches!(first, b'"' | b'\'').then_some(first);
        let inner = if quote.is_some() { rest.get(1..).unwrap_or_default() } else { rest };
        let is_end = |byte: &u8| quote.map_or_else(|| byte.is_ascii_whitespace(), |quote| *byte == quote);
        let end = inner.iter().position(is_end).unwrap_or(inner.len());
        words.push(inner.get(..end).unwrap_or_default().to_ascii_lowercase());
        let after = end + usize::from(quote.is_some());
        rest = inner.get(after..).unwrap_or_default().trim_ascii_start();
    }
    words
}

/// Says whether a directive makes data run.
pub(super) fn runs_data(words: &[&[u8]]) -> bool {
    match words {
        [b"sethandler" | b"forcetype", handler, ..] => is_runner(handler),
        [b"addhandler" | b"addtype", handler, extensions @ ..] if is_runner(handler) => {
            let is_script = |extension: &[u8]| {
                is_php_extension(extension) || matches!(extension, b"cgi" | b"fcgi" | b"pl" | b"py" | b"rb" | b"sh")
            };
            extensions.iter().any(|extension| !is_script(extension.strip_prefix(b".").unwrap_or(extension)))
        }
        [b"php_value" | b"php_admin_value", b"auto_prepend_file" | b"auto_append_file", target, ..] => {
            is_odd_include(target)
        }
        // Code in another encoding is none to whoever reads the file.
        [b"php_value" | b"php_admin_value", b"zend.script_encoding", ..]
        | [b"php_flag" | b"php_admin_flag", b"engine", b"on" | b"1", ..] => true,
        _ => false,
    }
}

/// Says whether a handler runs what it is given: PHP under its many names, CGI, a server behind a socket.
fn is_runner(handler: &[u8]) -> bool {
    super::find(handler, b"php").is_some()
        || handler == b"cgi-script"
        || (handler.starts_with(b"proxy:") && super::find(handler, b"fcgi").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(text: &str) -> bool {
        directives(text.as_bytes()).any(|directive| {
            let words: Vec<&[u8]> = directive.words.iter().map(Vec::as_slice).collect();
            runs_data(&words)
        })
    }

    #[test]
    fn handlers_are_seen_however_they_are_written() {
        for text in [
            "AddType application/x-httpd-php .jpg",
            "addhandler \"php5-script\" '.gif'",
            "AddTy\\\npe application/x-httpd-\\\r\nphp .png",
            "<FilesMatch \"\\.(jpg)$\">\n  SetHandler application/x-httpd-ea-php81\n</FilesMatch>",
            "SetHandler \"proxy:fcgi://127.0.0.1:9000\"",
            "AddHandler cgi-script .txt",
            "php_value auto_prepend_file /var/www/html/uploads/a.txt",
            "php_value auto_append_file \"php://filter/convert.base64-decode/resource=x\"",
            "php_value zend.script_encoding UTF-7",
            "php_flag engine on",
        ] {
            assert!(runs(text), "{text}");
        }
    }

    #[test]
    fn honest_directives_run_nothing() {
        for text in [
            "AddType application/x-httpd-php .php .phtml",
            "AddHandler cgi-script .cgi .pl",
            "# AddType application/x-httpd-php .jpg",
            "AddType image/svg+xml .svg .svgz",
            "php_flag engine off",
            "php_value auto_prepend_file none",
            "php_value auto_prepend_file '/var/www/html/wordfence-waf.php'",
            "php_value upload_max_filesize 64M",
            "SetHandler default-handler",
            "SetHandler proxy:http://127.0.0.1:8080",
            "AddType",
            "\\",
        ] {
            assert!(!runs(text), "{text}");
        }
    }
}
