//! `veilsum train`: a whole training on this machine, every round masked.
//!
//! Not for data that may not be in one place: all members are in this process, which sees every update. It is for trying a job before a
//! federation runs it (`veilsum serve`, `veilsum join`), and for measuring what masks, bits and noise cost.

mod baseline;
mod central;
mod clipping;
mod lines;
mod report;
mod rounds;
pub(crate) mod setup;
mod store;
pub(crate) mod task;
mod training;
mod write_task;

use crate::args::train::Train;
use crate::exit::{Failure, Kind, Outcome};
use crate::limits;
use crate::output::{self, Output};
use crate::runtime::{self, Signals};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use training::Training;
use veilsum_learn::Job;
use write_task::write_tasks;

/// Runs the command.
pub fn run(args: &Train, output: Output) -> Outcome {
    let Some(path) = args.config.as_deref().filter(|_| !args.print_example) else {
        output::print(&Job::example().trim_end());
        return Ok(());
    };
    limits::rate("--dropout", args.dropout)?;
    let job = setup::job(path)?;
    if let Some(privacy) = job.spec().privacy {
        limits::epsilon("`privacy.epsilon`", privacy.epsilon).map_err(|told| told.in_file(path))?;
    }
    if let Some(folder) = &args.write_task {
        return write_tasks(&job, folder, output);
    }
    let mut training = Training::open(args, &job, output)?;
    let asked = interruption()?;
    let ended = training.go_on(&asked, args.pause_after);
    training.finish();
    ended?;
    let mut summary = training.summary(args.baseline)?;
    training.report(&args.out, &mut summary)?;
    output.show(&summary);
    match summary.exact {
        Some(true) => Ok(()),
        // all rounds of a training may be over before this run
        None if summary.rounds == 0 => Ok(()),
        None => Err(Failure::new(
            Kind::Aborted,
            format_args!("no round of {} gave a sum", summary.rounds),
        )
        .hint("more members have to stay: lower --dropout, or raise `dropout` in [federation]")),
        Some(false) => Err(training.unequal()),
    }
}

/// Set by the first signal; the second one ends the process at once.
fn interruption() -> Result<Arc<AtomicBool>, Failure> {
    let asked = Arc::new(AtomicBool::new(false));
    let (runtime, set) = (runtime::start()?, asked.clone());
    let mut signals = {
        let _entered = runtime.enter();
        Signals::listen()?
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            signals.asked().await;
            set.store(true, Ordering::Relaxed);
            output::tell(&"ending after this round; once more ends at once");
            signals.asked().await;
            std::process::exit(Kind::Interrupted as i32);
        });
    });
    Ok(asked)
}
