//! Where log lines are written.

use std::path::PathBuf;

use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Where log lines go.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogOutput {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file; lines are appended.
    File(PathBuf),
    /// Any writer.
    Writer(BoxMakeWriter),
}
