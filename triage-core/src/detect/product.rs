//! Which telephone system a host is, so that nobody takes silence for an answer where there is no knowledge of the product.
//!
//! It asks the source for a few well-known places and reads the beginnings of small files; it judges nothing.

use crate::model::EvidencePath;
use crate::parse::{Limits, module_xml};
use crate::source::{Source, SourceError};
use serde::Serialize;
use std::fmt;

/// A telephone system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Product {
    /// `FreePBX`.
    FreePbx,
    /// `PBXact`: Sangoma's `FreePBX` with its commercial modules.
    PbxAct,
    /// Issabel.
    Issabel,
    /// Elastix, of which Issabel came.
    Elastix,
    /// `VitalPBX`, formerly Ombutel.
    VitalPbx,
    /// `FusionPBX` over `FreeSWITCH`.
    FusionPbx,
    /// Asterisk without any of these.
    Asterisk,
    /// None that is known.
    None,
}

impl Product {
    /// The name as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FreePbx => "FreePBX",
            Self::PbxAct => "PBXact",
            Self::Issabel => "Issabel",
            Self::Elastix => "Elastix",
            Self::VitalPbx => "VitalPBX",
            Self::FusionPbx => "FusionPBX",
            Self::Asterisk => "Asterisk",
            Self::None => "no telephone system",
        }
    }

    /// Says whether the detectors know the product: what belongs on it and what is done to it. Of Issabel and Elastix, whose campaign is known and
    /// whose modules are not signed, only a part is known, so silence there proves less than on a `FreePBX`.
    pub fn has_pack(self) -> bool {
        matches!(self, Self::FreePbx | Self::PbxAct)
    }

    /// Says whether it is one at all.
    pub fn is_telephone_system(self) -> bool {
        self != Self::None
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a host was recognised as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recognised {
    /// The product.
    pub product: Product,
    /// Its version, where a file tells: of `FreePBX` that of the framework.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The places that say so.
    pub signs: Vec<EvidencePath>,
}

/// Bytes of a small file that are looked at.
const HEAD: u64 = 64 * 1024;

/// Places of each product, the most telling first. Issabel and Elastix have a `FreePBX` inside, so they come before it.
const SIGNS: &[(Product, &[&str])] = &[
    (
        Product::Issabel,
        &["/etc/issabel.conf", "/etc/issabelpbx.conf", "/usr/share/issabel", "/var/www/html/modules/issabel_framework"],
    ),
    (Product::Elastix, &["/etc/elastix.conf", "/usr/share/elastix"]),
    (Product::VitalPbx, &["/etc/vitalpbx", "/usr/share/vitalpbx", "/etc/ombutel", "/usr/share/ombutel"]),
    (Product::FusionPbx, &["/etc/fusionpbx/config.conf", "/etc/fusionpbx/config.php", "/var/www/fusionpbx"]),
    (
        Product::FreePbx,
        &[
            "/etc/freepbx.conf",
            FRAMEWORK,
            "/var/lib/asterisk/bin/fwconsole",
            "/usr/sbin/fwconsole",
            "/etc/sangoma-release",
        ],
    ),
    (Product::Asterisk, &["/etc/asterisk/asterisk.conf", "/usr/sbin/asterisk"]),
];

const FRAMEWORK: &str = "/var/www/html/admin/modules/framework/module.xml";

/// Files in which Sangoma writes the brand; which of them there are depends on the release.
const BRANDS: [&str; 4] = ["/etc/schmooze/pbx-brand", "/etc/sangoma/pbx-brand", "/etc/sangoma-release", "/etc/issue"];

/// Recognises the product by its places.
///
/// # Errors
/// When the source as a whole cannot be read. A place that cannot be looked at counts as not there.
pub fn recognise(source: &dyn Source) -> Result<Recognised, SourceError> {
    let mut found = Recognised { product: Product::None, version: None, signs: Vec::new() };
    for (product, places) in SIGNS {
        for place in *places {
            let Ok(path) = EvidencePath::new(place) else { continue };
            if source.metadata(&path).ok().flatten().is_some() {
                found.signs.push(path);
            }
        }
        if !found.signs.is_empty() {
            found.product = *product;
            break;
        }
    }
    let read = |place: &str| -> Option<Vec<u8>> {
        let path = EvidencePath::new(place).ok()?;
        source.read(&path, HEAD).ok().flatten()
    };
    if found.product == Product::FreePbx {
        found.version = read(FRAMEWORK).and_then(|bytes| {
            let path = EvidencePath::new(FRAMEWORK).ok()?;
            module_xml::parse(&path, &bytes, &Limits::default()).value.version
        });
        let is_branded = |place: &&&str| {
            read(place).is_some_and(|bytes| super::find(&bytes.to_ascii_lowercase(), b"pbxact").is_some())
        };
        if let Some(place) = BRANDS.iter().find(is_branded) {
            found.product = Product::PbxAct;
            found.signs.extend(EvidencePath::new(place));
        }
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::source::fake::FakeRoot;

    fn product(files: &[(&str, &[u8])]) -> Recognised {
        let root = files.iter().fold(FakeRoot::new(), |root, (path, content)| root.file(path, content));
        recognise(&root).unwrap()
    }

    #[test]
    fn each_product_is_told_by_its_places() {
        for (path, expected) in [
            ("/etc/freepbx.conf", Product::FreePbx),
            ("/etc/issabel.conf", Product::Issabel),
            ("/etc/elastix.conf", Product::Elastix),
            ("/etc/fusionpbx/config.conf", Product::FusionPbx),
            ("/etc/asterisk/asterisk.conf", Product::Asterisk),
            ("/etc/passwd", Product::None),
        ] {
            assert_eq!(product(&[(path, b"x")]).product, expected, "{path}");
        }
        let both = product(&[("/etc/issabel.conf", b"x"), ("/etc/freepbx.conf", b"x")]);
        assert_eq!((both.product, both.product.has_pack()), (Product::Issabel, false));
    }

    #[test]
    fn version_and_brand_are_read() {
        let xml = b"<module><rawname>framework</rawname><version>17.0.23</version></module>";
        let found = product(&[(FRAMEWORK, xml), ("/etc/issue", b"Welcome to PBXact\n")]);
        assert_eq!(found.product, Product::PbxAct);
        assert_eq!(found.version.as_deref(), Some("17.0.23"));
        assert!(found.product.has_pack());
        assert_eq!(found.signs.len(), 2);
    }

    #[test]
    fn a_product_that_is_not_known_has_no_pack() {
        for product in [Product::VitalPbx, Product::FusionPbx, Product::Asterisk, Product::None] {
            assert!(!product.has_pack());
        }
        assert!(!Product::None.is_telephone_system());
    }
}
