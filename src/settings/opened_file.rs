//! Files that users name, opened so that none of them can block the program or exhaust its memory.
//!
//! | what stands there | to read | to append |
//! |---|---|---|
//! | a regular file | up to a limit | yes |
//! | a FIFO, which waits for its other end | an error | an error |
//! | a device, a directory, a socket | an error | as the system decides |
//!
//! A file can also be on a network that hangs: what reads one while the program runs does so on a thread of its own.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
///
/// The system's, `InvalidInput` for anything that is not a regular file, and `FileTooLarge`.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let bytes = read_start(path, limit + 1)?;
    if bytes.len() as u64 > limit {
        let reason = format!("it is larger than {} KiB", limit >> 10);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes)
}

/// Reads the first bytes of a regular file, of which there may be more.
///
/// # Errors
///
/// The system's, and `InvalidInput` for anything that is not a regular file.
pub(crate) fn read_start(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    refuse_fifo(path)?;
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file, or creates it, to append to it.
///
/// # Errors
///
/// The system's, and `InvalidInput` for a FIFO.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    refuse_fifo(path)?;
    OpenOptions::new().append(true).create(true).open(path)
}

/// Returns an error for a FIFO: opening one waits until another program opens its other end. A path that does not exist
/// is no error here.
fn refuse_fifo(path: &Path) -> io::Result<()> {
    match path.metadata() {
        Ok(metadata) if is_fifo(&metadata) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a FIFO, which waits for its other end"))
        }
        _ => Ok(()),
    }
}

/// Returns `true` for a named pipe.
#[cfg(unix)]
pub(crate) fn is_fifo(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    metadata.file_type().is_fifo()
}

/// Returns `false`: the system has no named pipes in its file system.
#[cfg(not(unix))]
pub(crate) fn is_fifo(_: &Metadata) -> bool {
    false
}
