//! Names of the metrics about the tokio runtime, for which the conventions have none.

/// Worker threads of the runtime.
pub(crate) const WORKER_COUNT: &str = "tokio.runtime.worker.count";
/// Tasks that have been spawned and not completed.
pub(crate) const TASK_COUNT: &str = "tokio.runtime.task.count";
/// Tasks that wait in the queue that all workers share.
pub(crate) const GLOBAL_QUEUE_SIZE: &str = "tokio.runtime.global_queue.size";
