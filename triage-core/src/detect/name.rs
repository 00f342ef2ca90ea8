//! Names that hide what a file is.
//!
//! A name alone convicts nobody: these are signs that are added up with others (`docs/severity.md`). So each stays below high, whatever the name.

use super::placement::{is_php_extension, is_web};
use super::{Detector, Report};
use crate::model::{Category, Evidence, Finding, Severity, Subject};
use crate::sweep::Swept;

/// Judges the names of files in web roots.
pub struct NameDetector;

/// What is odd about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oddity {
    /// `picture.php.jpg`: one sees a picture, and Apache's `AddHandler` runs a script (`mod_mime`, "Files with Multiple Extensions").
    DoubleExtension,
    /// `index.php `: a blank or a dot at the end, which listings do not show.
    TrailingBlank,
    /// Characters that change the direction of what follows, or that are not seen at all.
    Invisible,
    /// Letters of another alphabet that look like ours, among ours.
    Lookalike,
    /// `.phtm1`, `.pHp`: an extension that is read as one of PHP's, or that a filter does not know as one.
    NearExtension,
}

impl Oddity {
    fn of(name: &[u8]) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let mut parts = lower.rsplit(|&byte| byte == b'.');
        let is_data = parts.next().is_some_and(is_seen_as_data);
        // What stands before the first dot is no extension: `php.jpg`.
        let mut inner = parts.collect::<Vec<_>>();
        inner.pop();
        if is_data && inner.iter().any(|part| is_php_extension(part) && *part != b"inc") {
            return Some(Self::DoubleExtension);
        }
        let bare = lower.trim_ascii_end();
        let bare = bare.strip_suffix(b".").unwrap_or(bare).trim_ascii_end();
        if bare.len() < lower.len() && extension(bare).is_some_and(is_php_extension) {
            return Some(Self::TrailingBlank);
        }
        if let Ok(text) = std::str::from_utf8(name)
            && !text.is_ascii()
        {
            let is_code = extension(&lower).is_some_and(is_php_extension);
            // Marks of direction; what is not seen at all stands in names of pictures by chance.
            let is_hidden = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let is_unseen = |c| matches!(c, '\u{200b}' | '\u{200c}' | '\u{2060}' | '\u{feff}' | '\u{ad}');
            if text.chars().any(|c| is_hidden(c) || (is_code && is_unseen(c))) {
                return Some(Self::Invisible);
            }
            if is_code && has_lookalike(text) {
                return Some(Self::Lookalike);
            }
        }
        is_near(extension(name)?).then_some(Self::NearExtension)
    }

    fn describe(self) -> (&'static str, Severity, u8) {
        match self {
            Self::DoubleExtension => {
                ("a script's extension before that of a picture or document", Severity::Medium, 55)
            }
            Self::TrailingBlank => ("a blank or dot after a script's extension", Severity::Medium, 60),
            Self::Invisible => ("characters that are not seen, or that turn the text around", Severity::Medium, 60),
            Self::Lookalike => ("letters of another alphabet that look like others", Severity::Medium, 60),
            Self::NearExtension => ("an extension that imitates one of PHP's", Severity::Low, 40),
        }
    }
}

impl Detector for NameDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        if !file.meta.is_file() || !is_web(file.path) {
            return;
        }
        let Some(oddity) = Oddity::of(file.path.file_name()) else { return };
        let (what, severity, confidence) = oddity.describe();
        let evidence = vec![
            Evidence::Attribute { name: "name".into(), value: file.path.file_name().into() },
            Evidence::Attribute { name: "oddity".into(), value: what.into() },
        ];
        let finding = Finding::new(
            "TR-NAME-0001",
            "Name that hides what the file is",
            (Category::WebShell, severity, confidence),
            Subject::File { path: file.path.clone(), sha256: file.sha256 },
            evidence,
        );
        report.findings.push(finding.with_attack(["T1036"]));
    }
}

/// What stands after the last dot, where there is something before it.
fn extension(name: &[u8]) -> Option<&[u8]> {
    let at = name.iter().rposition(|&byte| byte == b'.').filter(|&at| at > 0)?;
    name.get(at + 1..)
}

/// Extensions (in lower case) of what people open without thinking. Not those that people put behind a script's: `.php.bak`, `.php.txt`, `.php.dist`.
fn is_seen_as_data(extension: &[u8]) -> bool {
    matches!(
        extension,
        b"jpg"
            | b"jpeg"
            | b"png"
            | b"gif"
            | b"ico"
            | b"webp"
            | b"bmp"
            | b"avif"
            | b"pdf"
            | b"doc"
            | b"docx"
            | b"xls"
            | b"xlsx"
            | b"mp3"
            | b"mp4"
            | b"wav"
            | b"ogg"
            | b"avi"
            | b"csv"
    )
}

/// Letters of Cyrillic and Greek that look like Latin ones, after the table of confusables of Unicode Technical Standard 39.
fn latin(c: char) -> Option<char> {
    Some(match c {
        'а' | 'α' => 'a',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' => 'e',
        'һ' => 'h',
        'і' | 'ι' => 'i',
        'ј' => 'j',
        'ӏ' => 'l',
        'о' | 'ο' | 'օ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        'А' | 'Α' => 'A',
        'В' | 'Β' => 'B',
        'С' => 'C',
        'Е' | 'Ε' => 'E',
        'Н' | 'Η' => 'H',
        'І' | 'Ι' => 'I',
        'К' | 'Κ' => 'K',
        'М' | 'Μ' => 'M',
        'О' | 'Ο' => 'O',
        'Р' | 'Ρ' => 'P',
        'Ѕ' => 'S',
        'Т' | 'Τ' => 'T',
        'Х' | 'Χ' => 'X',
        'У' | 'Υ' => 'Y',
        _ => return None,
    })
}

/// Says whether a word of the name mixes Latin letters with others that look like them, and has nothing else. A word that is wholly of another alphabet is
/// that of somebody who writes so.
fn has_lookalike(name: &str) -> bool {
    name.split(|c: char| !c.is_alphabetic()).any(|word| {
        word.chars().any(|c| latin(c).is_some())
            && word.chars().any(|c| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphabetic() || latin(c).is_some())
    })
}

/// Says whether an extension is none of PHP's and is taken for one at a glance, or is one in a case that nobody writes.
fn is_near(extension: &[u8]) -> bool {
    let lower = extension.to_ascii_lowercase();
    if is_php_extension(&lower) {
        // `PHP` and `Php` come from other systems.
        let first_big = extension
            .split_first()
            .is_some_and(|(first, rest)| first.is_ascii_uppercase() && !rest.iter().any(u8::is_ascii_uppercase));
        let is_plain = extension == lower || !extension.iter().any(u8::is_ascii_lowercase) || first_big;
        return !is_plain && lower != b"inc";
    }
    let read: Vec<u8> = lower.iter().map(|byte| if *byte == b'1' { b'l' } else { *byte }).collect();
    matches!(read.as_slice(), b"phtml") || matches!(lower.as_slice(), b"phpp" | b"pphp" | b"phhp" | b"ph-p" | b"ph_p")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::testing::{Scene, ids};
    use super::*;
    use crate::model::Verdict;

    #[test]
    fn names_that_imitate_are_told_with_what_is_odd() {
        for (name, oddity) in [
            ("holiday.php.jpg", Oddity::DoubleExtension),
            ("a.b.PHTML.png", Oddity::DoubleExtension),
            ("invoice.php5.pdf", Oddity::DoubleExtension),
            ("index.php ", Oddity::TrailingBlank),
            ("index.php.", Oddity::TrailingBlank),
            ("index.php. \t", Oddity::TrailingBlank),
            ("photo\u{202e}gpj.php", Oddity::Invisible),
            ("ind\u{200b}ex.php", Oddity::Invisible),
            // The first letter is Cyrillic.
            ("іndex.php", Oddity::Lookalike),
            ("my-сonfig.php", Oddity::Lookalike),
            ("x.phtm1", Oddity::NearExtension),
            ("x.pHp", Oddity::NearExtension),
            ("x.phP5", Oddity::NearExtension),
        ] {
            assert_eq!(Oddity::of(name.as_bytes()), Some(oddity), "{name:?}");
        }
    }

    #[test]
    fn honest_names_are_not() {
        for name in [
            "index.php",
            "INDEX.PHP",
            "Index.Php",
            "class.user.inc.php",
            "a.php.bak",
            "config.php.dist",
            "x.php.txt",
            "x.php.html",
            "style.inc.png",
            "jquery.min.js",
            "photo.jpg",
            "php.jpg",
            ".php.jpg.swp",
            "файл.php",
            "сервер.php",
            "naïve.php",
            "日本語.php",
            "soft\u{ad}hyphen.jpg",
            "smile\u{1f600}\u{fe0f}.png",
            "trailing .jpg",
            "x.php~",
            "x.PHP5",
            "read me. ",
            ".",
            "..",
            " ",
            "",
        ] {
            assert_eq!(Oddity::of(name.as_bytes()), None, "{name:?}");
        }
        assert_eq!(Oddity::of(b"caf\xe9.php"), None);
    }

    #[test]
    fn a_name_alone_convicts_nobody_and_outside_of_a_web_root_says_nothing() {
        let findings = Scene::new()
            .file("/var/www/html/images/holiday.php.jpg", "GIF89a")
            .file("/home/kim/notes/holiday.php.jpg", "GIF89a")
            .findings();
        assert_eq!(ids(&findings), ["TR-NAME-0001 medium"]);
        assert_eq!(Verdict::of(&findings, false), Verdict::Suspicious);
    }
}
