//! Lines of level ERROR, which are written before the call returns.

use super::*;

#[test]
fn an_error_is_written_when_the_call_returns() {
    use tracing_subscriber::layer::SubscriberExt as _;
    let output = Scripted::default();
    let writer = output.start();
    let layer = crate::json::JsonLayer::new(writer);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let written = |number: u32| {
            tracing::error!(number, "failed");
            // The thread may be late on a busy machine, but not always.
            output.text().contains(&format!("\"number\":{number}}}"))
        };
        assert!((0..50).filter(|number| written(*number)).count() >= 25);
    });
}

#[test]
fn an_error_waits_once_for_an_output_that_is_stuck() {
    use tracing_subscriber::layer::SubscriberExt as _;
    let (gate, asks, open) = Gate::new();
    let writer = start(gate, OverflowPolicy::Drop, 1 << 20);
    let layer = crate::json::JsonLayer::new(writer.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!("stuck");
        asks.recv_timeout(LONG).unwrap();
        let begun = Instant::now();
        (0..10_000).for_each(|_| tracing::error!("failed"));
        assert!(begun.elapsed() < Duration::from_millis(50) * 100, "{:?}", begun.elapsed());
    });
    drop(open);
    assert!(writer.flush(LONG));
}

#[test]
fn waiting_for_errors_is_bounded() {
    let slow = || SlowOutput;
    let writer = start(slow, OverflowPolicy::Drop, 1 << 20);
    let begun = Instant::now();
    (0..500).for_each(|_| writer.push(b"failed\n", Urgency::Immediate));
    // Each write takes two milliseconds: waiting for all of them would take a second.
    assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
    assert!(writer.flush(LONG));
}

struct SlowOutput;

impl io::Write for SlowOutput {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(2));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
