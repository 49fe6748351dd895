//! A log file, which may be moved away or deleted while it is written.
//!
//! Before each write the path is looked up, one system call for a group of lines, and compared by device and inode with
//! what is open. So rotation needs no signal, and a file that was deleted is created again.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::settings::is_fifo;

/// The end of the file at a path. If another file has taken the path, or none is there, the path is opened again.
#[derive(Debug)]
pub(super) struct LogFile {
    /// The path as it was given; looked up before each write.
    path: PathBuf,
    /// `None` for a FIFO before its first line and after a failure.
    open: Option<(File, Identity)>,
    /// The path was a FIFO at the start.
    is_fifo: bool,
}

/// Device and inode of a file.
type Identity = (u64, u64);

impl LogFile {
    /// Opens the file, or creates it. A FIFO is opened with its first line, because that waits for a reader.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let is_fifo = path.metadata().is_ok_and(|metadata| is_fifo(&metadata));
        let open = if is_fifo { None } else { Some(open(path)?) };
        Ok(Self { path: path.to_owned(), open, is_fifo })
    }

    /// Returns `true` if the path was a FIFO when it was opened.
    pub(super) fn is_fifo(&self) -> bool {
        self.is_fifo
    }

    /// Returns the file that lines go to now.
    ///
    /// # Errors
    ///
    /// Those of opening a new file, if the old one is gone.
    pub(super) fn current(&mut self) -> io::Result<&mut File> {
        let is_gone = self.open.as_ref().is_some_and(|(_, identity)| is_replaced(&self.path, *identity));
        if is_gone || self.open.is_none() {
            match (open(&self.path), &self.open) {
                (Ok(opened), _) => self.open = Some(opened),
                // Where no new file can be made, lines go on to the old one, as long as it has a name.
                (Err(_), Some((file, _))) if has_name(file) => {}
                (Err(error), _) => return Err(error),
            }
        }
        match &mut self.open {
            Some((file, _)) => Ok(file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Lines were refused: a FIFO waits for its next reader.
    pub(super) fn after_failure(&mut self) {
        if self.is_fifo {
            self.open = None;
        }
    }
}

/// Opens a path at its end.
fn open(path: &Path) -> io::Result<(File, Identity)> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let identity = identity(&file.metadata()?);
    Ok((file, identity))
}

/// Returns `true` if the path leads to another file or to none. Other errors say nothing about that.
fn is_replaced(path: &Path, known: Identity) -> bool {
    match path.metadata() {
        Ok(metadata) => identity(&metadata) != known,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Returns device and inode.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {
    (0, 0)
}

/// Returns `false` for a file that was deleted: lines written to it would be lost.
#[cfg(unix)]
fn has_name(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
}

#[cfg(not(unix))]
fn has_name(_: &File) -> bool {
    true
}

#[cfg(test)]
mod tests;
