//! How far a long command is: a bar with rate and time left where a person looks, a line now and then
//! where nobody does, nothing with `--json`.

use std::io::{self, IsTerminal as _};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use llm_keys::manager::Progress;
use llm_keys::{Clock as _, SystemClock};

use super::Output;

/// How often a line is written at most.
const EVERY: Duration = Duration::from_secs(5);

/// A long command on its way.
#[derive(Debug)]
pub(crate) struct Way {
    /// How many steps there are, where that is known.
    total: Option<u64>,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    /// When the last line was written.
    Lines(SystemClock, Mutex<Duration>),
    Nothing,
}

impl Way {
    /// One of `total` steps.
    pub(crate) fn new(total: u64, output: &Output) -> Self {
        Self::of(Some(total), output)
    }

    /// One of nobody knows how many steps.
    pub(crate) fn uncounted(output: &Output) -> Self {
        Self::of(None, output)
    }

    fn of(total: Option<u64>, output: &Output) -> Self {
        let shown = match (output.is_json(), io::stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bar(bar(total)),
            (false, false) => Shown::Lines(SystemClock::new(), Mutex::default()),
        };
        Self { total, shown }
    }

    /// Shows how far it is.
    pub(crate) fn show(&self, progress: Progress) {
        match &self.shown {
            Shown::Bar(bar) => {
                bar.set_position(progress.seen());
                if progress.failed > 0 {
                    bar.set_message(format!(", {} failed", progress.failed));
                }
            }
            Shown::Lines(clock, last) => {
                let now = clock.monotonic();
                let Ok(mut last) = last.try_lock() else { return };
                if now.saturating_sub(*last) >= EVERY {
                    *last = now;
                    // Another output: that one belongs to the command, and this may outlive it.
                    Output::new(false).note(&line(progress, self.total));
                }
            }
            Shown::Nothing => {}
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

fn line(progress: Progress, total: Option<u64>) -> String {
    let Progress { done, skipped, failed, .. } = progress;
    let seen = progress.seen();
    let Some(total) = total else { return format!("{seen} so far, {failed} failed") };
    format!("{seen} of {total}: {done} done, {skipped} needed nothing, {failed} failed")
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    // A template that is wrong shows the usual bar; the test below makes sure it is not.
    if let Ok(style) = ProgressStyle::with_template(template(total)) {
        bar.set_style(style);
    }
    bar
}

fn template(total: Option<u64>) -> &'static str {
    match total {
        Some(_) => "{bar:30} {pos}/{len} {per_sec}, {eta} left{msg}",
        None => "{spinner} {pos} {per_sec}{msg}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        for total in [Some(9), None] {
            ProgressStyle::with_template(template(total)).unwrap();
        }
    }

    #[test]
    fn a_line_says_everything() {
        let mut progress = Progress::default();
        progress.done = 3;
        progress.failed = 1;
        assert_eq!(line(progress, Some(9)), "4 of 9: 3 done, 0 needed nothing, 1 failed");
        assert_eq!(line(progress, None), "4 so far, 1 failed");
    }
}
