//! Names of the metrics about the process.

/// Observable counter, seconds, by [`CPU_MODE`]: processor time of all threads.
pub(crate) const CPU_TIME: &str = "process.cpu.time";
/// Observable up-down counter, bytes: physical memory in use.
pub(crate) const MEMORY_USAGE: &str = "process.memory.usage";
/// Observable up-down counter, bytes: committed virtual memory.
pub(crate) const MEMORY_VIRTUAL: &str = "process.memory.virtual";
/// Observable up-down counter, `{thread}`: threads of the process.
pub(crate) const THREAD_COUNT: &str = "process.thread.count";
/// Observable up-down counter, `{file_descriptor}`: open file descriptors, on Unix.
pub(crate) const FILE_DESCRIPTOR_COUNT: &str = "process.unix.file_descriptor.count";
/// Observable counter, `{fault}`, by [`FAULT_TYPE`]: page faults.
pub(crate) const PAGING_FAULTS: &str = "process.paging.faults";
/// Observable gauge, seconds: time since the process started.
pub(crate) const UPTIME: &str = "process.uptime";

// Attributes
/// `user` or `system`.
pub(crate) const CPU_MODE: &str = "cpu.mode";
/// `major` or `minor`.
pub(crate) const FAULT_TYPE: &str = "system.paging.fault.type";
