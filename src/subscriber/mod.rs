//! mod

pub(crate) mod logs;
