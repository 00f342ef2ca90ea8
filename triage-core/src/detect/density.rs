//! Scripts that nobody could have written by hand: most of the text is encoded or encrypted.
//!
//! The measure is Shannon's entropy over the bytes. Source code has 4.3 to 5.3 bits a byte, base64 has 6; a script that carries a page of base64 lies between. Honest programs
//! embed pictures and fonts, so this is a sign among others (`docs/severity.md`) and no more.

use super::placement::{is_php_extension, is_web};
use super::{Detector, Report, looks_like_php};
use crate::model::{Category, Evidence, Finding, Severity, Subject};
use crate::sweep::Swept;

/// Fewer bytes than that have too few different ones to tell.
const LEAST: usize = 1024;
/// Bytes that are looked at.
const MOST: usize = 1 << 20;
/// Bits a byte.
const DENSE: f64 = 5.75;

/// Judges how dense scripts of web roots are.
pub struct DensityDetector;

impl Detector for DensityDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let Some(content) = file.content.filter(|content| content.len() >= LEAST && file.meta.is_file()) else {
            return;
        };
        let extension = file.path.extension().unwrap_or_default().to_ascii_lowercase();
        if !is_web(file.path) || !is_php_extension(&extension) || !looks_like_php(content) {
            return;
        }
        let looked_at = content.get(..MOST).unwrap_or(content);
        // Texts of other alphabets are dense by themselves, and commercial encoders are told by the analyser.
        if !is_ascii(looked_at) || is_commercial(looked_at) {
            return;
        }
        let bits = entropy(looked_at);
        if bits < DENSE {
            return;
        }
        let finding = Finding::new(
            "TR-CONTENT-0001",
            "Script of which most is encoded or encrypted",
            (Category::WebShell, Severity::Low, 35),
            Subject::File { path: file.path.clone(), sha256: file.sha256 },
            vec![Evidence::Attribute {
                name: "entropy".into(),
                value: format!("{bits:.2} bits a byte").as_str().into(),
            }],
        );
        report.findings.push(finding.with_attack(["T1027"]));
    }
}

/// Says whether no more than one byte in a hundred is none of ASCII.
fn is_ascii(content: &[u8]) -> bool {
    content.iter().filter(|byte| !byte.is_ascii()).count() * 100 <= content.len()
}

fn is_commercial(content: &[u8]) -> bool {
    let head = content.get(..8192).unwrap_or(content).to_ascii_lowercase();
    [&b"ioncube"[..], b"sourceguardian", b"sg_load", b"@zend"].iter().any(|mark| super::find(&head, mark).is_some())
}

/// Bits a byte.
#[expect(clippy::cast_precision_loss, reason = "counts up to a million are exact")]
fn entropy(content: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    for &byte in content {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let whole = content.len() as f64;
    let share = |count: usize| count as f64 / whole;
    counts.into_iter().filter(|count| *count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, ids};
    use super::*;

    /// Text that looks like base64, from a small generator of numbers.
    fn noise(bytes: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut state = 1_u64;
        (0..bytes)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(LETTERS[usize::try_from(state >> 58).unwrap()])
            })
            .collect()
    }

    #[test]
    fn entropy_is_that_of_shannon() {
        assert!(entropy(b"aaaa") < 0.001);
        assert!((entropy(b"abab") - 1.0).abs() < 0.001);
        let all: Vec<u8> = (0..=255).collect();
        assert!((entropy(&all) - 8.0).abs() < 0.001);
    }

    #[test]
    fn a_script_that_is_one_encoded_block_is_told_and_code_with_a_picture_in_it_is_not() {
        let found = |path: &str, text: String| ids(&Scene::new().file(path, text).findings());
        let block = format!("<?php exit; $x = '{}';\n", noise(6000));
        assert_eq!(found("/var/www/html/x.php", block.clone()), ["TR-CONTENT-0001 low"]);
        assert!(found("/home/kim/x.php", block.clone()).is_empty());
        assert!(found("/var/www/html/x.php", block.replace("<?php", "<?php // ionCube Loader\n")).is_empty());
        let code = "if ($number > 10 && is_array($list)) {\n    $this->render($list, 'template');\n}\n";
        let mixed = format!("<?php exit;\n{}$icon = '{}';\n", code.repeat(60), noise(1500));
        assert!(found("/var/www/html/x.php", mixed).is_empty());
        let russian = format!(
            "<?php exit;\n$text = '{}';\n",
            "Съешь же ещё этих мягких французских булок да выпей чаю. ".repeat(40)
        );
        assert!(found("/var/www/html/x.php", russian).is_empty());
    }
}
