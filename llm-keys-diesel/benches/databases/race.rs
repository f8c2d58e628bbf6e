//! Two calls, measured in short turns one after the other, so that both meet the same moods of
//! machine and server.

use std::time::Instant;

/// How long one call of each takes, in microseconds: the medians.
pub(crate) struct Times {
    pub(crate) ours: f64,
    pub(crate) baseline: f64,
}

impl Times {
    pub(crate) fn ratio(&self) -> f64 {
        self.ours / self.baseline
    }

    /// Prints a line; whether the goal is met, if there is one.
    pub(crate) fn report(&self, name: &str, goal: Option<f64>) -> bool {
        let ratio = self.ratio();
        let met = goal.is_none_or(|goal| ratio <= goal);
        let verdict = match goal {
            None => "no goal".to_owned(),
            Some(goal) => format!("{goal:.2} times {}", if met { "ok" } else { "MISSED" }),
        };
        let Self { ours, baseline } = self;
        println!("{name:<28} {ours:>9.1} µs {baseline:>9.1} µs {ratio:>6.2}  {verdict}");
        met
    }
}

/// How many calls a turn has.
const TURN: usize = 10;

/// Measures so many turns of each; the first tenth is not counted.
pub(crate) async fn race(
    turns: usize,
    mut ours: impl AsyncFnMut(usize),
    mut baseline: impl AsyncFnMut(usize),
) -> Times {
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for turn in 0..turns + turns / 10 {
        if turn == turns / 10 {
            mine.clear();
            theirs.clear();
        }
        for call in turn * TURN..(turn + 1) * TURN {
            let begin = Instant::now();
            ours(call).await;
            mine.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        for call in turn * TURN..(turn + 1) * TURN {
            let begin = Instant::now();
            baseline(call).await;
            theirs.push(begin.elapsed().as_secs_f64() * 1e6);
        }
    }
    Times { ours: median(mine), baseline: median(theirs) }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
