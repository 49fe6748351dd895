use std::sync::mpsc::{Sender, channel};

use super::*;

const NO_TIME: Duration = Duration::from_millis(20);

/// Begins a write of these lines that does not end before the sender is dropped.
async fn begin(output: &Output, id: &'static str) -> Sender<()> {
    let (release, hang) = channel::<()>();
    let lines = move || {
        let _ = hang.recv();
        format!("{id}\n").into_bytes()
    };
    let is_unanswered = AtomicBool::new(false);
    let outcome = output.write(id.into(), lines, NO_TIME, &is_unanswered).await;
    assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
    assert!(is_unanswered.load(Ordering::Relaxed));
    release
}

async fn write(output: &Output, id: &'static str) -> Outcome {
    output
        .write(id.into(), move || format!("{id}\n").into_bytes(), WRITE_TIMEOUT, &AtomicBool::new(false))
        .await
}

fn is_delivered(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Delivered { .. })
}

#[tokio::test]
async fn a_slow_write_that_succeeds_is_not_repeated_by_its_retry() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines");
    let output = Output::new(OutputTarget::File(path.clone()));
    let release = begin(&output, "one").await;
    // While the write goes on, the retry waits for it, and others wait as well.
    let is_unanswered = AtomicBool::new(false);
    for id in ["one", "two"] {
        let outcome = output.write(id.into(), Vec::new, NO_TIME, &is_unanswered).await;
        assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
    }
    assert!(!is_unanswered.load(Ordering::Relaxed));
    drop(release);
    assert!(is_delivered(&write(&output, "two").await));
    assert!(is_delivered(&write(&output, "one").await));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    // Another request with the same content is written.
    assert!(is_delivered(&write(&output, "one").await));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\none\n");
}

#[tokio::test]
async fn a_slow_write_that_fails_is_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("folder");
    let output = Output::new(OutputTarget::File(folder.join("lines")));
    drop(begin(&output, "one").await);
    assert!(!is_delivered(&write(&output, "two").await));
    std::fs::create_dir(&folder).unwrap();
    assert!(is_delivered(&write(&output, "one").await));
    let text = std::fs::read_to_string(folder.join("lines")).unwrap();
    assert_eq!(text.trim_start(), "one\n");
}

#[tokio::test]
async fn writes_whose_requests_are_not_retried_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let output = Output::new(OutputTarget::File(directory.path().join("lines")));
    for id in ["1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        drop(begin(&output, id).await);
        // Once the write has ended.
        drop(output.0.lock().await);
    }
    assert_eq!(output.0.lock().await.late.len(), MAX_LATE);
}
