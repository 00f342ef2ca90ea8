//! Where the files of a module lie: in its folder, and where the framework's installer copies them to.

use crate::model::EvidencePath;
use crate::parse::freepbx_dirs::Directories;
use std::collections::BTreeMap;

/// The folders that programs and sounds are copied to.
pub(super) struct Layout {
    pub(super) programs: EvidencePath,
    pub(super) admin_programs: EvidencePath,
    pub(super) agi: EvidencePath,
    pub(super) sounds: EvidencePath,
}

impl Layout {
    /// As the host's files set them, those of the highest rank first; the installer's defaults for what none of them sets.
    pub(super) fn new(found: &BTreeMap<usize, Directories>) -> Self {
        let set = found.values().cloned().fold(Directories::default(), |less, more| more.over(less));
        let at = |place: Option<EvidencePath>, default: &[u8]| {
            place.unwrap_or_else(|| EvidencePath::new(default).unwrap_or_else(|_| EvidencePath::root()))
        };
        let library = at(set.library, b"/var/lib/asterisk");
        Self {
            programs: at(set.programs, b"/var/lib/asterisk/bin"),
            admin_programs: at(set.admin_programs, b"/usr/sbin"),
            agi: set.agi.unwrap_or_else(|| library.join(b"agi-bin")),
            sounds: library.join(b"sounds"),
        }
    }

    /// Where a listed file may lie: where it is used from first, then its copy.
    ///
    /// After `getDestination()` of the framework: `amp_conf/htdocs` goes to the web root that the module lies in, `bin` and `agi-bin` to
    /// Asterisk's folders; Asterisk's configuration, music on hold and upgrade scripts are not compared. Other modules' `bin` and `agi-bin` are
    /// copied there as well.
    pub(super) fn destinations(&self, folder: &EvidencePath, file: &[u8]) -> Vec<EvidencePath> {
        let Some(web_root) = web_root(folder) else { return Vec::new() };
        let is_framework = folder.file_name() == b"framework";
        let below = |base: &EvidencePath, rest: &[u8]| EvidencePath::new([base.as_bytes(), b"/", rest].concat()).ok();
        let own = below(folder, file);
        let prefixes: &[(&[u8], &EvidencePath)] = if is_framework {
            &[
                (b"amp_conf/htdocs/", &web_root),
                (b"amp_conf/bin/", &self.programs),
                (b"amp_conf/agi-bin/", &self.agi),
                (b"amp_conf/sbin/", &self.admin_programs),
                (b"amp_conf/sounds/", &self.sounds),
            ]
        } else {
            &[(b"bin/", &self.programs), (b"agi-bin/", &self.agi)]
        };
        if is_framework
            && [&b"amp_conf/astetc/"[..], b"amp_conf/moh/", b"upgrades/"].iter().any(|skip| file.starts_with(skip))
        {
            return Vec::new();
        }
        let installed = prefixes.iter().find_map(|(prefix, base)| below(base, file.strip_prefix(*prefix)?));
        // What is installed comes first: it is what runs, and what is missed where it is not there.
        if is_framework {
            installed.into_iter().chain(own).collect()
        } else {
            own.into_iter().chain(installed).collect()
        }
    }
}

/// The web root of a module's folder: three levels up, over `admin/modules`.
pub(super) fn web_root(module: &EvidencePath) -> Option<EvidencePath> {
    module.parent()?.parent()?.parent()
}
