//! Values that must not leave the process.
