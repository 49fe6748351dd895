//! Names of the metrics about the process.

pub(crate) const CPU_TIME: &str = "process.cpu.time";
pub(crate) const MEMORY_USAGE: &str = "process.memory.usage";
pub(crate) const MEMORY_VIRTUAL: &str = "process.memory.virtual";
pub(crate) const THREAD_COUNT: &str = "process.thread.count";
pub(crate) const FILE_DESCRIPTOR_COUNT: &str = "process.unix.file_descriptor.count";
pub(crate) const PAGING_FAULTS: &str = "process.paging.faults";
pub(crate) const UPTIME: &str = "process.uptime";

// Attributes
pub(crate) const CPU_MODE: &str = "cpu.mode";
pub(crate) const FAULT_TYPE: &str = "system.paging.fault.type";
