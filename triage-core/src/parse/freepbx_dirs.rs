//! Where a `FreePBX` has its folders, as far as files say it: `/etc/amportal.conf`, `/etc/freepbx.conf` and the `[directories]` of
//! `/etc/asterisk/asterisk.conf`. The database has the same settings and the last word.

use super::line::lines;
use super::{Limits, freepbx_conf};
use crate::model::EvidencePath;
use serde::Serialize;

/// Folders that were set; none where a file does not set them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Directories {
    /// `AMPWEBROOT`: the web root.
    pub web_root: Option<EvidencePath>,
    /// `AMPBIN`: programs.
    pub programs: Option<EvidencePath>,
    /// `AMPSBIN`: programs for administrators.
    pub admin_programs: Option<EvidencePath>,
    /// `ASTAGIDIR`, `astagidir`: programs that Asterisk runs in calls.
    pub agi: Option<EvidencePath>,
    /// `ASTVARLIBDIR`, `astvarlibdir`: sounds lie beneath it.
    pub library: Option<EvidencePath>,
}

/// The files that are read, from the one that is believed least to the one that is believed most.
pub const FILES: [&[u8]; 3] = [b"/etc/asterisk/asterisk.conf", b"/etc/amportal.conf", b"/etc/freepbx.conf"];

/// How far up [`FILES`] a file is; none for another file.
pub fn rank(path: &EvidencePath) -> Option<usize> {
    FILES.iter().position(|file| *file == path.as_bytes())
}

impl Directories {
    /// Reads one of [`FILES`]. A value that is no absolute path is passed over.
    pub fn read(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Self {
        let mut found = Self::default();
        if path.as_bytes() == b"/etc/freepbx.conf" {
            for setting in freepbx_conf::parse(path, bytes, limits).value.settings {
                found.set(setting.name.as_bytes(), setting.value.expose());
            }
            return found;
        }
        for line in lines(bytes).take(limits.max_records) {
            let text = line.text.trim_ascii();
            if text.starts_with(b"#") || text.starts_with(b";") || text.len() > 4096 {
                continue;
            }
            let Some(at) = text.iter().position(|&b| b == b'=') else { continue };
            let Some((name, rest)) = text.split_at_checked(at) else { continue };
            // `=` in amportal.conf, `=>` in asterisk.conf.
            let value = rest.strip_prefix(b"=>").or_else(|| rest.strip_prefix(b"=")).unwrap_or_default();
            let value = value.split(|&b| b == b';').next().unwrap_or_default();
            found.set(name.trim_ascii(), value.trim_ascii());
        }
        found
    }

    fn set(&mut self, name: &[u8], value: &[u8]) {
        let field = match name {
            b"AMPWEBROOT" => &mut self.web_root,
            b"AMPBIN" => &mut self.programs,
            b"AMPSBIN" => &mut self.admin_programs,
            b"ASTAGIDIR" | b"astagidir" => &mut self.agi,
            b"ASTVARLIBDIR" | b"astvarlibdir" => &mut self.library,
            _ => return,
        };
        let is_place = value.starts_with(b"/") && value.len() > 1;
        if let Some(place) = EvidencePath::new(value).ok().filter(|_| is_place) {
            *field = Some(place);
        }
    }

    /// What is set here, and for the rest what `less` has.
    #[must_use]
    pub fn over(self, less: Self) -> Self {
        Self {
            web_root: self.web_root.or(less.web_root),
            programs: self.programs.or(less.programs),
            admin_programs: self.admin_programs.or(less.admin_programs),
            agi: self.agi.or(less.agi),
            library: self.library.or(less.library),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(path: &str, text: &str) -> Directories {
        Directories::read(&EvidencePath::new(path).unwrap(), text.as_bytes(), &Limits::default())
    }

    #[test]
    fn each_of_the_three_files_is_read_in_its_own_way() {
        let place = |path: &str| Some(EvidencePath::new(path).unwrap());
        let asterisk = read(
            "/etc/asterisk/asterisk.conf",
            "[directories]\nastagidir => /srv/agi ; here\n;astvarlibdir => /no\nastvarlibdir=>/srv/lib\n",
        );
        assert_eq!((asterisk.agi.clone(), asterisk.library.clone()), (place("/srv/agi"), place("/srv/lib")));
        let portal = read("/etc/amportal.conf", "# x\nAMPWEBROOT=/srv/www\nAMPBIN=relative\nAMPSBIN=/usr/local/sbin\n");
        assert_eq!(portal.web_root, place("/srv/www"));
        assert_eq!(portal.programs, None);
        let conf =
            read("/etc/freepbx.conf", "<?php\n$amp_conf['AMPWEBROOT'] = '/srv/pbx';\n$amp_conf['AMPDBPASS'] = 'x';\n");
        assert_eq!(conf.clone().over(portal.clone()).web_root, place("/srv/pbx"));
        assert_eq!(conf.over(portal).over(asterisk).admin_programs, place("/usr/local/sbin"));
    }

    #[test]
    fn a_folder_that_climbs_is_no_folder() {
        assert_eq!(read("/etc/amportal.conf", "AMPWEBROOT=/\nAMPBIN=/a/../../b\n"), Directories::default());
    }
}
