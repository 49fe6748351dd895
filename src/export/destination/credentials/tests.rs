use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use super::*;

const NO_TIME: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// A source whose first call waits until the sender is dropped, and then returns `first`. Later calls return the
/// number of the call.
fn held(
    first: fn() -> Result<HeaderToken, BoxError>,
    valid_for: Duration,
) -> (Source, std::sync::mpsc::Sender<()>) {
    let (release, hang) = channel::<()>();
    let (hang, calls) = (std::sync::Mutex::new(hang), AtomicUsize::new(0));
    let source = HeaderSource::from_token(move || match calls.fetch_add(1, Ordering::Relaxed) + 1 {
        1 => {
            let _ = hang.lock().unwrap().recv();
            first()
        }
        call => Ok(HeaderToken::new(call.to_string()).valid_for(valid_for)),
    });
    (Source { source, state: Mutex::default() }, release)
}

async fn value(source: &Source) -> HeaderValue {
    source.value(PATIENCE).await.unwrap().header
}

/// Begins a call that no request waits for, and waits until it has ended.
async fn end_unobserved(source: &Source, release: std::sync::mpsc::Sender<()>) {
    source.value(NO_TIME).await.unwrap_err();
    drop(release);
    while !source.state.lock().await.running.as_ref().unwrap().is_finished() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn failure_that_no_request_waited_for_is_not_used_later() {
    let (source, release) = held(|| Err("out of date".into()), PATIENCE);
    end_unobserved(&source, release).await;
    assert_eq!(value(&source).await, "2");
}

#[tokio::test]
async fn value_that_no_request_waited_for_is_valid_from_when_it_was_returned() {
    let (source, release) = held(|| Ok(HeaderToken::new("1").valid_for(PATIENCE)), PATIENCE);
    end_unobserved(&source, release).await;
    assert_eq!(value(&source).await, "1");

    let short = Duration::from_millis(20);
    let (source, release) = held(|| Ok(HeaderToken::new("1").valid_for(Duration::from_millis(20))), short);
    end_unobserved(&source, release).await;
    tokio::time::sleep(short).await;
    assert_eq!(value(&source).await, "2");
}

#[test]
fn pauses_between_replacements_double_up_to_a_limit() {
    let (mut renewals, mut now) = (Renewals::default(), Instant::now());
    assert!(renewals.is_due(now));
    let mut expected = MIN_RENEWAL;
    for _ in 0..20 {
        renewals.renewed(now);
        assert!(!renewals.is_due(now + expected - NO_TIME));
        now += expected;
        assert!(renewals.is_due(now));
        expected = (2 * expected).min(MAX_RENEWAL);
    }
    assert_eq!(expected, MAX_RENEWAL);
}
