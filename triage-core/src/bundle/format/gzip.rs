//! Gzip (RFC 1952), without name and time, so that the same input gives the same bytes.

use super::super::BundleError;
use super::super::output::Output;
use super::tar::Stream;
use super::{Committed, writing};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write as _};

pub(super) struct Gzip(Option<GzEncoder<Output>>);

impl Gzip {
    pub(super) fn new(output: Output) -> Self {
        Self(Some(GzEncoder::new(output, Compression::default())))
    }
}

impl Stream for Gzip {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes)
    }

    fn checkpoint(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn last_part(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self) -> Result<Committed, BundleError> {
        let encoder = self.0.take().ok_or_else(|| writing(io::ErrorKind::BrokenPipe.into()))?;
        encoder.finish().map_err(writing)?.commit()
    }
}

impl Drop for Gzip {
    fn drop(&mut self) {
        // The encoder ends its stream when it is dropped, and a torn bundle must not look like one that ended.
        if let Some(encoder) = &mut self.0 {
            encoder.get_mut().abandon();
        }
    }
}
