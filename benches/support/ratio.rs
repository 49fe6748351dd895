//! Two ways to do the same, measured in turns.

use std::cell::RefCell;
use std::time::Duration;

use criterion::Criterion;

/// What may be used of the reference's time.
#[derive(Clone, Copy)]
pub(crate) struct Budget(Option<f64>);

impl Budget {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) const fn of(ratio: f64) -> Self {
        Self(Some(ratio))
    }
}

/// Measures both in turns of `turn` items, for criterion, and prints the median of the turns' ratios.
pub(crate) fn compare(
    criterion: &mut Criterion,
    name: &str,
    budget: Budget,
    turn: u64,
    ours: impl FnMut(u64) -> Duration,
    (reference, theirs): (&str, impl FnMut(u64) -> Duration),
) {
    let turns = RefCell::new(Turns { turn, ours, theirs, ratios: Vec::new(), ours_ns: Vec::new() });
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3)).sample_size(10);
    group.bench_function("measured", |bencher| bencher.iter_custom(|items| turns.borrow_mut().run(items).0));
    group.bench_function(reference, |bencher| bencher.iter_custom(|items| turns.borrow_mut().run(items).1));
    group.finish();
    turns.into_inner().report(name, reference, budget);
}

struct Turns<O, T> {
    turn: u64,
    ours: O,
    theirs: T,
    /// Of the turns that were complete.
    ratios: Vec<f64>,
    ours_ns: Vec<f64>,
}

impl<O: FnMut(u64) -> Duration, T: FnMut(u64) -> Duration> Turns<O, T> {
    fn run(&mut self, items: u64) -> (Duration, Duration) {
        let mut sums = (Duration::ZERO, Duration::ZERO);
        let mut left = items;
        while left > 0 {
            let turn = left.min(self.turn);
            let (ours, theirs) = ((self.ours)(turn), (self.theirs)(turn));
            if turn == self.turn {
                self.ratios.push(ours.as_secs_f64() / theirs.as_secs_f64());
                self.ours_ns.push(ours.as_nanos() as f64 / turn as f64);
            }
            sums = (sums.0 + ours, sums.1 + theirs);
            left -= turn;
        }
        sums
    }

    fn report(self, name: &str, reference: &str, Budget(budget): Budget) {
        // Nothing was measured when the command line names another group, or runs everything once.
        let Some([low, ratio, high]) = quartiles(self.ratios) else { return };
        let [_, ns, _] = quartiles(self.ours_ns).unwrap_or_default();
        let verdict = match budget {
            None => String::new(),
            Some(budget) if ratio <= budget => format!(", within the budget of {budget:.2}"),
            Some(budget) => format!(", OVER THE BUDGET of {budget:.2}"),
        };
        eprintln!("{name}: {ratio:.2} of {reference} ({low:.2} to {high:.2}){verdict}; {ns:.0} ns each\n");
    }
}

fn quartiles(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| values.get((values.len().max(1) - 1) * quarter / 4).copied();
    Some([at(1)?, at(2)?, at(3)?])
}
