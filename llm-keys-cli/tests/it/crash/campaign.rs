//! One database through many kills.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;
use std::time::Duration;

use llm_keys::{Clock as _, SystemClock};
use tokio::runtime::Builder;

use super::database::Backend;
use super::look::{all_is_moved, look};
use super::model::Model;
use super::operation::Operation;
use super::place::Place;
use super::points::{self, At, Counts, Passed};
use super::random::Dice;
use crate::sandbox::{feed, start};

pub(super) struct Campaign {
    place: Place,
    dice: Dice,
    /// What was acknowledged, or found after a kill.
    model: Model,
    secrets: usize,
    journal: Journal,
}

/// What was asked and answered, for who reads a failure.
struct Journal {
    name: String,
    lines: Vec<String>,
}

impl Journal {
    fn note(&mut self, line: String) {
        self.lines.push(line);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}\n  {}", self.name, self.lines.join("\n  "));
        }
    }
}

impl Campaign {
    /// The choices of campaign `number` of `seed`, wherever it runs.
    pub(super) fn new(backend: Backend, seed: u64, number: usize) -> Self {
        let name = format!("{backend:?}, LLM_KEYS_CRASH_SEED={seed}, campaign {number}:");
        Self {
            place: Place::new(backend),
            dice: Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number as u64)),
            model: Model::new(),
            secrets: 0,
            journal: Journal { name, lines: Vec::new() },
        }
    }

    /// Does one thing after the other until the program was killed `kills` times; where.
    pub(super) fn run(mut self, passed: &Passed, kills: usize) -> Vec<At> {
        let mut killed = Vec::new();
        let first = Operation::First("alpha".into(), self.secret());
        let at = passed.pick(first.kind(), &mut self.dice);
        if self.kill(&first, at) {
            killed.push(at);
        }
        while killed.len() < kills {
            let (dice, secrets) = (&mut self.dice, &mut self.secrets);
            let operation = Operation::pick(dice, &self.model, || another(secrets));
            if self.dice.one_in(4) {
                self.acknowledged(&operation);
                continue;
            }
            let at = passed.pick(operation.kind(), &mut self.dice);
            // Also where there is no fail point, such as within a statement.
            let after = passed.moment(operation.kind(), &mut self.dice);
            if self.dice.one_in(8) {
                killed.extend(self.kill_later(&operation, after).then_some(("at any time", 1)));
            } else if self.kill(&operation, at) {
                killed.push(at);
            }
        }
        let doctor = self.place.run(&(vec!["doctor".to_owned()], String::new()));
        assert!(doctor.status.success(), "{}", talk(&doctor));
        killed
    }

    /// Kills the first use of all at `at`, and goes on.
    pub(super) fn first_use(mut self, at: At) {
        let first = Operation::First("alpha".into(), self.secret());
        assert!(self.kill(&first, at), "{at:?}");
        let next = Operation::Store("beta".into(), self.secret());
        self.acknowledged(&next);
    }

    /// Does `operation` and looks at everything; which points it passed, how often, and how long it
    /// took.
    pub(super) fn watched(&mut self, operation: &Operation) -> (Counts, Duration) {
        let (args, input) = operation.command(&self.place);
        let mut program = self.place.program(&args);
        let (name, value) = points::watch(&self.place);
        program.env(name, value);
        let clock = SystemClock::new();
        let output = feed(program, &input);
        let time = clock.monotonic();
        self.answered(operation, &output);
        (points::read(&self.place), time)
    }

    fn acknowledged(&mut self, operation: &Operation) {
        let output = self.place.run(&operation.command(&self.place));
        self.answered(operation, &output);
    }

    /// Kills the program at `at`, looks at what is stored, and starts it again. `false` if it did not
    /// come by there.
    fn kill(&mut self, operation: &Operation, (point, time): At) -> bool {
        self.journal.note(format!("{operation:?} to be killed at {point}@{time}"));
        let (args, input) = operation.command(&self.place);
        let mut program = self.place.program(&args);
        program.env("LLM_KEYS_KILL_AT", format!("{point}@{time}"));
        let output = feed(program, &input);
        self.ended(operation, &output)
    }

    /// The same, but at no place in particular.
    fn kill_later(&mut self, operation: &Operation, after: Duration) -> bool {
        self.journal.note(format!("{operation:?} to be killed after {after:?}"));
        let (args, input) = operation.command(&self.place);
        let mut program = start(self.place.program(&args));
        // One that was killed already does not want it.
        let _ = program.stdin.take().unwrap().write_all(input.as_bytes());
        // When it is killed is what this is about; there is nothing else to wait for.
        std::thread::sleep(after);
        program.kill().unwrap();
        let output = program.wait_with_output().unwrap();
        self.ended(operation, &output)
    }

    /// What a program left behind that was killed, or came to its end; whether it was killed.
    fn ended(&mut self, operation: &Operation, output: &Output) -> bool {
        if output.status.signal().is_none() {
            self.answered(operation, output);
            return false;
        }
        assert_eq!(output.status.signal(), Some(9), "{}", talk(output));
        self.place.settle();
        if matches!(operation, Operation::First(..)) {
            self.start_again(operation);
        } else {
            self.settle(operation);
            self.acknowledged(operation);
        }
        true
    }

    /// The first use again. There may have been no tables and no master key to look with: what the
    /// killed one did is seen by what this one makes of it.
    fn start_again(&mut self, operation: &Operation) {
        let output = self.place.run(&operation.command(&self.place));
        assert!(output.status.success(), "{}", talk(&output));
        let found = in_a_runtime(look(&self.place));
        let [mut once, mut twice] = [Model::new(), Model::new()];
        operation.apply(&mut once);
        operation.apply(&mut twice);
        operation.apply(&mut twice);
        assert!([once, twice].contains(&found), "{found:#?}");
        self.model = found;
    }

    /// Finds out what a killed operation did: of each key all of it, or nothing.
    fn settle(&mut self, operation: &Operation) {
        let found = in_a_runtime(look(&self.place));
        let stages = operation.stages(&self.model);
        let ids = found.keys().chain(stages.iter().flat_map(Model::keys));
        for id in ids {
            let fits = stages.iter().any(|stage| stage.get(id) == found.get(id));
            assert!(fits, "{id} is {:?}, not one of {stages:#?}", found.get(id));
        }
        self.journal.note(format!("  killed, and found {:?}", states(&found)));
        self.model = found;
    }

    /// That the program said what it must, and that what it said is so.
    fn answered(&mut self, operation: &Operation, output: &Output) {
        let wanted = operation.exit(&self.model);
        self.journal.note(format!("{operation:?} said {:?}", output.status.code()));
        assert_eq!(output.status.code(), Some(wanted), "{operation:?}: {}", talk(output));
        if let Operation::Get(id) = operation {
            let got = String::from_utf8_lossy(&output.stdout);
            assert_eq!(Some(&*got), self.model[id].secret());
        }
        operation.apply(&mut self.model);
        if *operation == Operation::Rewrap {
            self.place.move_over();
            in_a_runtime(all_is_moved(&self.place));
        }
        let found = in_a_runtime(look(&self.place));
        assert_eq!(found, self.model, "after {operation:?}");
    }

    fn secret(&mut self) -> String {
        another(&mut self.secrets)
    }
}

/// Connections end with the runtime.
fn in_a_runtime<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn another(secrets: &mut usize) -> String {
    *secrets += 1;
    format!("sk-test-crash-{secrets:06}")
}

fn states(model: &Model) -> Vec<(&String, &str, Option<u32>)> {
    model.iter().map(|(id, key)| (id, key.state, key.current)).collect()
}

fn talk(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    both.join("\n")
}
