//! Zip with deflate, written as a stream: sizes and checksum follow each content, the directory comes last.

use super::super::BundleError;
use super::super::output::Output;
use super::{Archive, Committed, writing};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, System, ZipWriter};

/// Sizes from which the 64-bit fields are needed, less what deflate may add to content that does not compress.
const LARGE: u64 = u32::MAX as u64 - (64 << 20);

/// The output, shared with the crate's writer, which may write while it is dropped.
#[derive(Clone)]
struct Shared(Arc<Mutex<Option<Output>>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Output>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().as_mut().map_or(Ok(bytes.len()), |output| output.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().as_mut().map_or(Ok(()), Output::flush)
    }
}

pub(super) struct ZipArchive {
    output: Shared,
    writer: Option<ZipWriter<StreamWriter<Shared>>>,
    root: String,
}

impl ZipArchive {
    pub(super) fn new(output: Output, root: &str) -> Self {
        let output = Shared(Arc::new(Mutex::new(Some(output))));
        Self { writer: Some(ZipWriter::new_stream(output.clone())), output, root: root.to_owned() }
    }

    fn writer(&mut self) -> io::Result<&mut ZipWriter<StreamWriter<Shared>>> {
        self.writer.as_mut().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

/// The time that a zip can say: local without a zone, here always UTC, of 1980 to 2107, even seconds.
fn time(seconds: i64) -> DateTime {
    let civil = jiff::Timestamp::from_second(seconds).map(|time| time.to_zoned(jiff::tz::TimeZone::UTC).datetime());
    let part = |number: i8| u8::try_from(number).unwrap_or(0);
    civil
        .ok()
        .and_then(|time| {
            let year = u16::try_from(time.year()).ok()?;
            let (month, day) = (part(time.month()), part(time.day()));
            DateTime::from_date_and_time(year, month, day, part(time.hour()), part(time.minute()), part(time.second()))
                .ok()
        })
        .unwrap_or_default()
}

impl Archive for ZipArchive {
    fn begin(&mut self, name: &str, size: u64, mtime_seconds: i64) -> io::Result<u64> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .system(System::Unix)
            .unix_permissions(0o600)
            .large_file(size >= LARGE)
            .last_modified_time(time(mtime_seconds));
        let name = format!("{}/{name}", self.root);
        self.writer()?.start_file(name, options)?;
        Ok(0)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer()?.write_all(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Committed, BundleError> {
        let broken = || writing(io::ErrorKind::BrokenPipe.into());
        let writer = self.writer.take().ok_or_else(broken)?;
        writer.finish().map_err(|error| writing(error.into()))?;
        let output = self.output.lock().take().ok_or_else(broken)?;
        output.commit()
    }
}

impl Drop for ZipArchive {
    fn drop(&mut self) {
        // The crate writes a directory when its writer is dropped, and a torn bundle must not look like one that ended.
        if let Some(output) = self.output.lock().as_mut() {
            output.abandon();
        }
    }
}
