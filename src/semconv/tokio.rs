//! Names of the metrics about the tokio runtime, for which the conventions have none.

pub(crate) const WORKER_COUNT: &str = "tokio.runtime.worker.count";
pub(crate) const TASK_COUNT: &str = "tokio.runtime.task.count";
pub(crate) const GLOBAL_QUEUE_SIZE: &str = "tokio.runtime.global_queue.size";
