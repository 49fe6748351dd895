//! Several destinations of one signal.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::collector::Fault;
use crate::export::queue::{Batch, Take};

over_each_protocol!(
    destination_that_never_answers_does_not_affect_the_others,
    destination_that_is_down_does_not_affect_the_others,
    items_refused_by_one_destination_are_delivered_by_the_others,
);

/// One signal's queues with several destinations, and their ledgers.
struct Pipelines {
    queue: Arc<Queue>,
    ledgers: Vec<Arc<Ledger>>,
    exporter: Exporter,
}

impl Pipelines {
    fn to<const N: usize>(limits: QueueSettings, protocol: Protocol, endpoints: [&str; N]) -> Self {
        let (queue, consumers) = Queue::new(limits, N);
        let ledgers = consumers.iter().map(|consumer| Arc::clone(consumer.ledger())).collect();
        let routes = endpoints.iter().zip(consumers).map(|(endpoint, queue)| Route {
            signal: Signal::Traces,
            settings: DestinationSettings::Otlp(Box::new(export_settings(endpoint, protocol))),
            queue,
            delay: limits.delay,
        });
        let exporter = Exporter::start(routes.collect(), resource(), false, &Diagnostics::default()).unwrap();
        Self { queue, ledgers, exporter }
    }

    fn push_spans(&self, range: std::ops::Range<usize>) {
        range.for_each(|number| push_span(&self.queue, &number.to_string()));
    }

    fn counts(&self) -> Vec<SignalStats> {
        self.ledgers.iter().map(|ledger| ledger.snapshot()).collect()
    }
}

fn destination_that_never_answers_does_not_affect_the_others(protocol: Protocol) {
    let (collector, silent) = (Collector::start().unwrap(), Collector::silent().unwrap());
    let mut pipelines = Pipelines::to(QUEUE, protocol, [&silent.endpoint(), &collector.endpoint()]);
    pipelines.push_spans(0..500);
    wait_for_spans(&collector, 500);
    assert_eq!(sorted_spans(&collector), numbers(0..500));
    pipelines.exporter.shutdown(Instant::now() + Duration::from_millis(300));
    let [down, up] = pipelines.counts()[..] else { panic!("two destinations") };
    assert_eq!(up, SignalStats { accepted: 500, delivered: 500, ..Default::default() });
    assert_eq!((down.accepted, down.failed, down.pending), (500, 500, 0));
}

fn destination_that_is_down_does_not_affect_the_others(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let closed = Collector::closed_endpoint().unwrap();
    let limits = QueueSettings { max_items: 250, ..QUEUE };
    let mut pipelines = Pipelines::to(limits, protocol, [&closed, &collector.endpoint()]);
    // The queue of the one is full in the third round. Batches that are full go to the other one in all of them.
    for round in 0..10 {
        pipelines.push_spans(round * 100..(round + 1) * 100);
        wait_for_spans(&collector, round * 100);
    }
    pipelines.exporter.shutdown(Instant::now() + PATIENCE);
    let [down, up] = pipelines.counts()[..] else { panic!("two destinations") };
    assert_eq!(up, SignalStats { accepted: 1000, delivered: 1000, ..Default::default() });
    assert_eq!(sorted_spans(&collector), numbers(0..1000));
    assert_eq!((down.accepted, down.failed + down.dropped, down.pending), (1000, 1000, 0));
    assert!(down.dropped >= 500, "{down:?}");
}

fn items_refused_by_one_destination_are_delivered_by_the_others(protocol: Protocol) {
    let collectors = [(); 3].map(|()| Collector::start().unwrap());
    collectors[1].inject_fault(Fault::status(crate::semconv::GrpcCode::InvalidArgument, "no").times(1));
    let endpoints = collectors.each_ref().map(Collector::endpoint);
    let mut pipelines = Pipelines::to(QUEUE, protocol, endpoints.each_ref().map(String::as_str));
    pipelines.push_spans(0..250);
    // One of the three has failed.
    assert!(pipelines.exporter.workers().flush(None, PATIENCE).is_err());
    pipelines.exporter.shutdown(Instant::now() + PATIENCE);
    for (number, (collector, counts)) in collectors.iter().zip(pipelines.counts()).enumerate() {
        let seen = collector.spans().len() as u64;
        assert_eq!(
            (counts.accepted, counts.delivered, counts.pending),
            (250, seen, 0),
            "{number}: {counts:?}"
        );
        assert_eq!(counts.failed > 0, number == 1, "{number}: {counts:?}");
        assert_eq!(counts.delivered + counts.failed, 250, "{number}: {counts:?}");
    }
}

/// Takes what a destination with a shorter delay sends: everything, which closes the open batch early for the others.
fn take_all(consumer: &Consumer) -> u64 {
    std::iter::from_fn(|| consumer.take(Take::Any)).map(|batch| batch.count()).sum()
}

fn push(queue: &Queue, count: usize) {
    (0..count).for_each(|number| push_span(queue, &number.to_string()));
}

#[test]
fn batches_that_are_closed_early_for_another_destination_are_joined() {
    let (queue, consumers) = Queue::new(QUEUE, 3);
    let [fast, slow, idle] = &consumers[..] else { panic!("three destinations") };
    let full = |consumer: &Consumer| consumer.take(Take::FullOnly).map(|batch| batch.count());
    for _ in 0..4 {
        push(&queue, 3);
        assert_eq!((take_all(fast), full(slow)), (3, None));
    }
    // With what is in the open batch.
    push(&queue, 2);
    assert_eq!(slow.take(Take::Any).map(|batch| batch.count()), Some(14));
    assert_eq!((take_all(fast), take_all(slow)), (2, 0));
    // As soon as there is enough for a whole batch, and not more than that in one.
    for (count, expected) in [(60, None), (60, Some(60)), (30, None), (10, Some(100))] {
        push(&queue, count);
        assert_eq!((take_all(fast), full(slow)), (count as u64, expected), "{count}");
    }
    // In the order in which they came, with a batch that was full by itself.
    push(&queue, 40);
    take_all(fast);
    push(&queue, 100);
    assert_eq!([full(slow), full(slow), full(slow)], [Some(40), Some(100), None]);
    // A flush, and the end, wait for nothing.
    for is_flush in [true, false] {
        push(&queue, 3);
        take_all(fast);
        if is_flush {
            assert_eq!(slow.last_sequence(), fast.last_sequence());
        } else {
            slow.close();
        }
        assert_eq!([full(slow), full(slow)], [Some(3), None]);
    }
    // All of it waits for the third one, in as few batches as it fits into.
    assert_eq!(idle.waiting(), 14 + 160 + 140 + 6);
    let sizes: Vec<_> = std::iter::from_fn(|| idle.take(Take::Any)).map(|batch| batch.count()).collect();
    assert_eq!(sizes, [74, 100, 40, 100, 6]);
}

#[test]
fn joined_batches_hold_every_item_once_and_are_counted_once() {
    let (queue, consumers) = Queue::new(QUEUE, 2);
    let [fast, slow] = &consumers[..] else { panic!("two destinations") };
    for scope in [&b"one"[..], b"two", b"one"] {
        for item in 0..3 {
            queue.push(scope, &[item; 4]);
        }
        take_all(fast);
    }
    let joined = slow.take(Take::Any).unwrap();
    assert_eq!(slow.ledger().started(), (9, 9));
    assert_eq!(slow.occupied(), (0, 0));
    let (queue, alone) = Queue::new(QUEUE, 1);
    for scope in [&b"one"[..], b"two", b"one"] {
        for item in 0..3 {
            queue.push(scope, &[item; 4]);
        }
    }
    assert_eq!(joined.to_request(b"r"), alone[0].take(Take::Any).unwrap().to_request(b"r"));
    slow.put_back(joined);
    assert_eq!(slow.occupied().0, 9);
    // It was taken: it does not wait for the delay.
    assert_eq!(slow.take(Take::FullOnly).map(|batch| batch.count()), Some(9));
}

#[test]
fn each_destination_keeps_its_own_delay() {
    let collectors = [(); 2].map(|()| Collector::start().unwrap());
    let (queue, consumers) = Queue::new(QUEUE, 2);
    let delays = [Duration::from_millis(20), QUEUE.delay];
    let routes = collectors.iter().zip(consumers).zip(delays).map(|((collector, queue), delay)| {
        let settings = export_settings(&collector.endpoint(), Protocol::Grpc);
        Route {
            signal: Signal::Traces,
            settings: DestinationSettings::Otlp(Box::new(settings)),
            queue,
            delay,
        }
    });
    let mut exporter = Exporter::start(routes.collect(), resource(), false, &Diagnostics::default()).unwrap();
    for number in 0..5 {
        push_span(&queue, &number.to_string());
        wait_for_spans(&collectors[0], number + 1);
    }
    assert_eq!(collectors.each_ref().map(Collector::request_count), [5, 0]);
    exporter.workers().flush(None, PATIENCE).unwrap();
    assert_eq!(sorted_spans(&collectors[1]), numbers(0..5));
    assert_eq!(collectors.each_ref().map(Collector::request_count), [5, 1]);
    exporter.shutdown(Instant::now() + PATIENCE);
}

#[test]
fn destinations_share_the_bytes() {
    let bytes = |destinations| {
        let (queue, consumers) =
            Queue::new(QueueSettings { max_items: 100_000, max_bytes: 64 << 20, ..QUEUE }, destinations);
        let allocated = allocation_counter::measure(|| {
            (0..10_000).for_each(|_| queue.push(b"scope", &[7; 1000]));
        });
        assert!(consumers.iter().all(|consumer| consumer.waiting() == 10_000));
        allocated.bytes_total
    };
    let (one, four) = (bytes(1), bytes(4));
    // Only what points to the batches is there several times.
    assert!(four < one + one / 100, "{four} instead of {one} bytes");
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Take(usize, bool),
    Deliver(usize),
    PutBack(usize),
    Close(usize),
    Abandon(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let destination = 0_usize..3;
    prop_oneof![
        40 => (0_usize..200).prop_map(Step::Push),
        10 => (destination.clone(), any::<bool>()).prop_map(|(destination, any)| Step::Take(destination, any)),
        6 => destination.clone().prop_map(Step::Deliver),
        3 => destination.clone().prop_map(Step::PutBack),
        1 => destination.clone().prop_map(Step::Close),
        1 => destination.prop_map(Step::Abandon),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn ledger_of_each_destination_balances_at_every_step(steps in vec(step(), 0..300)) {
        let limits = QueueSettings { max_items: 30, max_bytes: 3000, max_export_batch_size: 7, ..QUEUE };
        let (queue, consumers) = Queue::new(limits, 3);
        let mut in_flight: [Vec<Batch>; 3] = Default::default();
        let mut abandoned = [false; 3];
        for step in steps {
            match step {
                Step::Push(size) => {
                    let before: Vec<_> = consumers.iter().map(|consumer| consumer.occupied()).collect();
                    queue.push(b"scope", &vec![0; size]);
                    for (consumer, (items, bytes)) in consumers.iter().zip(before) {
                        let (more, after) = consumer.occupied();
                        let has_room = more > items;
                        prop_assert!(!has_room || (more <= limits.max_items && after <= limits.max_bytes));
                        prop_assert!(has_room || after == bytes);
                    }
                }
                Step::Take(destination, any) => {
                    let what = if any { Take::Any } else { Take::FullOnly };
                    in_flight[destination].extend(consumers[destination].take(what));
                }
                Step::Deliver(destination) => {
                    if let Some(batch) = in_flight[destination].pop() {
                        if !abandoned[destination] {
                            consumers[destination].ledger().deliver(batch.count());
                        }
                        consumers[destination].recycle(batch);
                    }
                }
                Step::PutBack(destination) => {
                    in_flight[destination].pop().into_iter().for_each(|batch| consumers[destination].put_back(batch));
                }
                Step::Close(destination) => consumers[destination].close(),
                Step::Abandon(destination) => {
                    consumers[destination].abandon();
                    abandoned[destination] = true;
                }
            }
            for ((consumer, in_flight), abandoned) in consumers.iter().zip(&in_flight).zip(abandoned) {
                let counts = consumer.ledger().snapshot();
                let on_their_way = in_flight.iter().map(Batch::count).sum::<u64>();
                let pending = if abandoned { 0 } else { consumer.waiting() + on_their_way };
                prop_assert_eq!(counts.accepted, counts.delivered + counts.failed + counts.dropped + pending);
                prop_assert_eq!(counts.pending, pending);
            }
        }
    }
}
