//! accepted = delivered + rejected + failed + dropped + pending, whatever happens.

use std::sync::atomic::{AtomicBool, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::collector::Fault;
use crate::export::queue::Take;
use crate::export::queue::batch::{self, Batch};
use crate::semconv::GrpcCode;

#[derive(Clone, Debug)]
enum Step {
    Push { name: usize, scope: u8 },
    Request { items: u64, size: usize },
    Take(bool),
    Deliver { batch: usize, rejected: u64 },
    PutBack(usize),
    Split(usize),
    Refuse(usize),
    Mark,
    Close,
    Abandon,
}

fn step() -> impl Strategy<Value = Step> {
    let batch = 0_usize..8;
    prop_oneof![
        30 => (0_usize..200, 0_u8..3).prop_map(|(name, scope)| Step::Push { name, scope }),
        2 => (1_u64..9, 0_usize..300).prop_map(|(items, size)| Step::Request { items, size }),
        8 => any::<bool>().prop_map(Step::Take),
        4 => (batch.clone(), 0_u64..5).prop_map(|(batch, rejected)| Step::Deliver { batch, rejected }),
        3 => batch.clone().prop_map(Step::PutBack),
        2 => batch.clone().prop_map(Step::Split),
        2 => batch.prop_map(Step::Refuse),
        1 => Just(Step::Mark),
        1 => Just(Step::Close),
        1 => Just(Step::Abandon),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// The test plays the worker, and counts by hand what waits and what is on its way.
    #[test]
    fn ledger_balances_at_every_step(steps in vec(step(), 0..300)) {
        let limits = QueueSettings { max_items: 40, max_bytes: 3000, max_export_batch_size: 7, ..QUEUE };
        let (recorder, queue) = queue(limits);
        let mut in_flight: Vec<Batch> = Vec::new();
        let mut abandoned = false;
        for step in steps {
            match step {
                Step::Push { name, scope } => {
                    let (items, bytes) = queue.occupied();
                    recorder.push(&vec![scope; usize::from(scope)], &vec![0; name]);
                    let (more, after) = queue.occupied();
                    prop_assert!(more <= items.max(limits.max_items) && after <= bytes.max(limits.max_bytes));
                }
                Step::Request { items, size } => recorder.push_request(&vec![0; size].into(), items),
                Step::Take(any) => in_flight.extend(queue.take(if any { Take::Any } else { Take::FullOnly })),
                // A worker that has abandoned its queue hears no answers.
                _ if abandoned => {}
                Step::Deliver { batch, rejected } if batch < in_flight.len() => {
                    let batch = in_flight.remove(batch);
                    let rejected = rejected.min(batch.count());
                    queue.ledger().deliver(batch.count() - rejected);
                    queue.ledger().reject(rejected);
                    queue.recycle(batch);
                }
                Step::PutBack(batch) if batch < in_flight.len() => queue.put_back(in_flight.remove(batch)),
                Step::Split(batch) if batch < in_flight.len() => match in_flight.remove(batch).split() {
                    Ok((first, second)) => {
                        queue.put_back(first);
                        queue.put_back(second);
                    }
                    Err(single) => queue.ledger().fail(single.count()),
                },
                Step::Refuse(batch) if batch < in_flight.len() => {
                    queue.ledger().fail(in_flight.remove(batch).count());
                }
                Step::Mark => {
                    let newest = queue.last_sequence();
                    prop_assert!(queue.first_sequence().is_none_or(|oldest| oldest <= newest));
                }
                Step::Close => queue.close(),
                Step::Abandon => {
                    in_flight.clear();
                    queue.abandon();
                    abandoned = true;
                }
                _ => {}
            }
            let pending = queue.waiting() + in_flight.iter().map(Batch::count).sum::<u64>();
            let counts = queue.ledger().snapshot();
            prop_assert_eq!(counts.pending, pending);
            let fates = counts.delivered + counts.rejected + counts.failed + counts.dropped;
            prop_assert_eq!(counts.accepted, fates + pending);
            let (_, under_way) = queue.ledger().started();
            let with_worker = in_flight.iter().map(Batch::count).sum::<u64>();
            prop_assert!((with_worker..=pending).contains(&under_way), "{under_way}, {counts:?}");
        }
        while queue.take(Take::Any).is_some() {}
        prop_assert_eq!(queue.occupied(), (0, 0));
        prop_assert!(queue.is_empty());
    }

    #[test]
    fn splitting_keeps_every_item_and_its_order(sizes in vec((0_usize..9, 0_u8..12), 2..40)) {
        let mut items = batch::ItemBuffer::default();
        sizes.iter().for_each(|(size, scope)| items.push(&[*scope], &vec![*scope; *size]));
        let whole = Batch::items(1, items.clone().into());
        let (first, second) = Batch::items(1, items.into()).split().unwrap();
        prop_assert_eq!(first.count() + second.count(), whole.count());
        prop_assert!(first.count().abs_diff(second.count()) <= 1);
        // Once more down to single items, and those in order.
        let mut parts = vec![whole];
        while let Some(place) = parts.iter().position(|part| part.count() > 1) {
            let (first, second) = parts.remove(place).split().unwrap();
            parts.insert(place, second);
            parts.insert(place, first);
        }
        let mut expected = sizes.iter().map(|(size, scope)| {
            let mut items = batch::ItemBuffer::default();
            items.push(&[*scope], &vec![*scope; *size]);
            Batch::items(1, items.into()).to_request(&[])
        });
        prop_assert!(parts.iter().all(|part| Some(part.to_request(&[])) == expected.next()));
        prop_assert_eq!(expected.next(), None);
    }
}

/// Scopes alternate like those of calls and of the spans in their handlers.
#[test]
fn scopes_that_take_turns_are_kept_once_and_sent_once() {
    let buffer = |order: &mut dyn Iterator<Item = (u8, u16)>| {
        let mut items = batch::ItemBuffer::default();
        order.for_each(|(scope, item)| items.push(&[scope; 100], &item.to_be_bytes()));
        items
    };
    for scopes in [1, 2, 8, 9, 12] {
        let numbered = |scope| (0..100).map(move |item| (scope, item));
        let turns = buffer(&mut (0..100).flat_map(|item| (0..scopes).map(move |scope| (scope, item))));
        let grouped = buffer(&mut (0..scopes).flat_map(numbered));
        // With more of them, each is written again at its turn.
        if scopes <= 8 {
            assert!(
                turns.size() < grouped.size() + 100 * usize::from(scopes) * 32,
                "{scopes}: {}",
                turns.size()
            );
        }
        let request = |items: batch::ItemBuffer| Batch::items(1, items.into()).to_request(&[]);
        assert_eq!(request(turns), request(grouped), "{scopes}");
    }
}

#[test]
fn under_load_and_faults_the_ledger_agrees_with_the_collector() {
    let protocol = Protocol::Grpc;
    let collector = Collector::start().unwrap();
    for _ in 0..10 {
        collector.inject_fault(Fault::status(GrpcCode::Unavailable, "later").times(1));
        collector.inject_fault(Fault::Delay(Duration::ZERO).times(1));
        collector.inject_fault(Fault::status(GrpcCode::Internal, "no").times(1));
        collector.inject_fault(Fault::partial_success(7, "old").times(1));
    }
    let limits = QueueSettings { max_items: 1000, max_export_batch_size: 50, ..QUEUE };
    let settings = export_settings(&collector.endpoint(), protocol);
    let mut pipeline = Pipeline::with(Signal::Traces, limits, settings);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let counts = pipeline.counts();
                let fates = counts.delivered + counts.rejected + counts.failed + counts.dropped;
                assert_eq!(counts.accepted, fates + counts.pending);
                std::thread::yield_now();
            }
        });
        let threads = [0, 5000, 10_000].map(|first| {
            let pipeline = &pipeline;
            scope.spawn(move || pipeline.push_spans(first, 5000))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!((counts.accepted, counts.pending), (15_000, 0));
    let taken = spans(&collector);
    assert_eq!(taken.len() as u64, counts.delivered);
    let distinct: std::collections::HashSet<_> = taken.iter().collect();
    assert_eq!(distinct.len(), taken.len(), "nothing was sent twice");
    assert!(counts.rejected > 0 && counts.failed > 0, "{counts:?}");
}

#[test]
fn late_collection_evicts_nothing() {
    let limits = QueueSettings { max_items: 10, max_bytes: 1_000, max_export_batch_size: 1, ..QUEUE };
    let (recorder, queue) = queue(limits);
    recorder.push_request(&vec![0; 100].into(), 3);
    queue.close();
    recorder.push_request(&vec![0; 100].into(), 7);
    assert_eq!(queue.take(Take::Any).map(|batch| batch.count()), Some(3));
    assert_eq!(queue.ledger().snapshot().dropped, 7);
}

#[test]
fn oversized_collection_waits_alone() {
    let limits = QueueSettings { max_items: 10, max_bytes: 1_000, max_export_batch_size: 1, ..QUEUE };
    let (recorder, queue) = queue(limits);
    recorder.push_request(&vec![0; 100].into(), 3);
    recorder.push_request(&vec![0; 1_001].into(), 5);
    assert_eq!((queue.waiting(), queue.ledger().snapshot().dropped), (5, 3));
    recorder.push_request(&vec![0; 100].into(), 7);
    assert_eq!((queue.waiting(), queue.ledger().snapshot().dropped), (7, 8));
}

#[test]
fn given_up_collection_that_was_sent_without_an_answer_counts_as_unanswered() {
    let (recorder, mut queues) = Queue::with_cumulative_requests(MetricQueue::LIMITS, 1, true);
    let queue = queues.remove(0);
    recorder.push_request(&vec![0; 100].into(), 3);
    let mut sent = queue.take(Take::Any).unwrap();
    sent.mark_unanswered();
    queue.put_back(sent);
    recorder.push_request(&vec![0; 100].into(), 5);
    recorder.push_request(&vec![0; 100].into(), 7);
    queue.keep_newest_cumulative();
    let expected = SignalStats { accepted: 15, failed: 8, unanswered: 3, pending: 7, ..Default::default() };
    assert_eq!(queue.ledger().snapshot(), expected);
}

#[test]
fn collection_that_was_tried_and_is_dropped_is_not_under_way() {
    let limits = QueueSettings { max_items: 2, max_export_batch_size: 1, ..QUEUE };
    let (recorder, queue) = queue(limits);
    recorder.push_request(&vec![0; 100].into(), 3);
    queue.put_back(queue.take(Take::Any).unwrap());
    assert_eq!(queue.ledger().started(), (3, 3));
    recorder.push_request(&vec![0; 100].into(), 5);
    recorder.push_request(&vec![0; 100].into(), 7);
    assert_eq!(queue.ledger().snapshot().dropped, 3);
    assert_eq!(queue.ledger().started(), (3, 0));
}
