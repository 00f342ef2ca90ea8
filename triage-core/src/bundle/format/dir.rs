//! A bag as a plain folder.

use super::super::BundleError;
use super::super::output::Folder;
use super::{Archive, Committed};
use std::fs::File;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

pub(in crate::bundle) struct DirArchive {
    folder: Folder,
    open: Option<(File, i64)>,
}

impl DirArchive {
    pub(in crate::bundle) fn new(folder: Folder) -> Self {
        Self { folder, open: None }
    }
}

impl Archive for DirArchive {
    fn begin(&mut self, name: &str, _size: u64, mtime_seconds: i64) -> io::Result<u64> {
        self.open = Some((self.folder.file(name)?, mtime_seconds));
        Ok(0)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (file, _) = self.open.as_mut().ok_or(io::ErrorKind::NotFound)?;
        file.write_all(bytes)?;
        self.folder.count(u64::try_from(bytes.len()).unwrap_or(0));
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        let Some((file, seconds)) = self.open.take() else { return Ok(()) };
        let offset = Duration::from_secs(seconds.unsigned_abs());
        let time = if seconds < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(offset)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(offset)
        };
        // Only a convenience for whoever looks at the folder: the record has the time, and a file system need not hold it.
        if let Some(time) = time {
            let _ = file.set_modified(time);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Committed, BundleError> {
        self.folder.commit()
    }
}
