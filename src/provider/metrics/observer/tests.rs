use super::*;

const LONG: Duration = Duration::from_secs(20);

/// An observer, and what it warns of.
fn observer() -> (Observer, Arc<Mutex<Vec<String>>>) {
    let (diagnostics, lines) = (Diagnostics::default(), Arc::<Mutex<Vec<_>>>::default());
    let written = Arc::clone(&lines);
    diagnostics.write_with(Box::new(move |_, message, _| lock(&written).push(message.to_owned())));
    (Observer::new(diagnostics), lines)
}

fn callback(callback: impl Fn() + Send + Sync + 'static) -> Vec<Callback<u64>> {
    vec![Box::new(move |_| callback())]
}

#[test]
fn a_callback_that_the_deadline_leaves_no_time_is_not_slow() {
    let (observer, lines) = observer();
    let (go_on, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let _on_collect = observer.add("held", callback(move || _ = lock(&wait).recv()));
    observer.collect(LONG, Instant::now(), || ());
    assert!(lock(&lines).is_empty());
    drop(go_on);
}

#[test]
fn hurried_collection_stops_waiting() {
    let (observer, lines) = observer();
    let (begin, has_begun) = channel();
    let (go_on, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let held = move || {
        let _ = begin.send(());
        let _ = lock(&wait).recv();
    };
    let _on_collect = observer.add("held", callback(held));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| observer.collect(LONG, begin + LONG, || ()));
        has_begun.recv().unwrap();
        observer.hurry(Instant::now() + MIN_CALLBACK_LIMIT * 2);
    });
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
    assert_eq!(lock(&lines).len(), 1);
    drop(go_on);
}
