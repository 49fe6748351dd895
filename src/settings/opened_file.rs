//! Files that are opened without waiting.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file to read it. A FIFO is an error: opening it would wait for its writer.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    refuse_fifo(path)?;
    File::open(path)
}

/// Opens a file, or creates it, to append to it. A FIFO is an error: opening it would wait for its reader.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    refuse_fifo(path)?;
    OpenOptions::new().append(true).create(true).open(path)
}

fn refuse_fifo(path: &Path) -> io::Result<()> {
    match path.metadata() {
        Ok(metadata) if is_fifo(&metadata) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a FIFO, which waits for its other end"))
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
pub(crate) fn is_fifo(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    metadata.file_type().is_fifo()
}

#[cfg(not(unix))]
pub(crate) fn is_fifo(_: &Metadata) -> bool {
    false
}
