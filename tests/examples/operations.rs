//! Not a test that ends by itself in no time: `tests/operations.rs` is. Plays random operation lists by the million.
//!
//! ```text
//! cargo run --release -p veilsum-tests --example operations -- --lists 1000000 --seed 1 [--threads N]
//! ```
//!
//! Lists have the seeds `seed`, `seed + 1` and so on. The first one that breaks a promise is made short and printed as the JSON
//! that `tests/ops` keeps; the exit code is 1 then. Ctrl-C ends the run with the same summary as its end.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use veilsum_sim::ops::{NoDoubles, OperationList, Outcome, Stages, Violation, draw, shrink};

struct Options {
    lists: u64,
    seed: u64,
    threads: usize,
}

/// What all threads share.
#[derive(Default)]
struct Run {
    stages: Stages,
    started: AtomicU64,
    played: AtomicU64,
    stop: AtomicBool,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    failed: Mutex<Option<(OperationList, Violation)>>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("error: {text}\nusage: operations [--lists N] [--seed S] [--threads N]");
            return ExitCode::from(2);
        }
    };
    let (run, began) = (Run::default(), Instant::now());
    // a panic of a machine is caught, made short and printed once
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        scope.spawn(|| listen(&run));
        scope.spawn(|| report(&run, &options, began));
        let workers = (0..options.threads).map(|_| scope.spawn(|| work(&run, &options)));
        let workers = workers.collect::<Vec<_>>();
        workers.into_iter().for_each(|worker| drop(worker.join()));
        run.stop.store(true, Ordering::Relaxed);
    });
    summary(&run, &options, began);
    let failed = run.failed.into_inner().unwrap_or_default();
    match failed {
        None => ExitCode::SUCCESS,
        Some((list, violation)) => {
            println!("seed {}: {violation}", list.seed);
            let shortest = shrink(
                &list,
                &mut |list| matches!(run.stages.run(list, &mut NoDoubles), Err(found) if found.kind() == violation.kind()),
            );
            println!("keep as tests/ops/NAME.json:\n{}", shortest.to_json());
            ExitCode::FAILURE
        }
    }
}

fn work(run: &Run, options: &Options) {
    while !run.stop.load(Ordering::Relaxed) {
        let index = run.started.fetch_add(1, Ordering::Relaxed);
        if index >= options.lists {
            return;
        }
        let list = draw(options.seed.wrapping_add(index));
        match run.stages.run(&list, &mut NoDoubles) {
            Ok(outcome) => count(run, &outcome),
            Err(violation) => {
                run.stop.store(true, Ordering::Relaxed);
                if let Ok(mut failed) = run.failed.lock() {
                    failed.get_or_insert((list, violation));
                }
            }
        }
        run.played.fetch_add(1, Ordering::Relaxed);
    }
}

fn count(run: &Run, outcome: &Outcome) {
    let ends = outcome.ends.iter().map(|end| match &end.result {
        Ok(_) => "a sum",
        Err(abort) => abort.kind(),
    });
    if let Ok(mut counts) = run.counts.lock() {
        for end in ends {
            *counts.entry(end).or_default() += 1;
        }
        *counts.entry("members blamed").or_default() += outcome.faults.len() as u64;
        *counts.entry("refusals of members").or_default() += outcome.refusals.len() as u64;
    }
}

/// Waits for Ctrl-C, or for the end.
fn listen(run: &Run) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    runtime.block_on(async {
        let over = async {
            while !run.stop.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => run.stop.store(true, Ordering::Relaxed),
            () = over => {}
        }
    });
}

fn report(run: &Run, options: &Options, began: Instant) {
    let mut next = Duration::from_secs(10);
    while !run.stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
        if began.elapsed() >= next {
            next += Duration::from_secs(10);
            let played = run.played.load(Ordering::Relaxed);
            eprintln!(
                "{played} of {} lists, {:.0} a second",
                options.lists,
                played as f64 / began.elapsed().as_secs_f64()
            );
        }
    }
}

fn summary(run: &Run, options: &Options, began: Instant) {
    let (played, took) = (
        run.played.load(Ordering::Relaxed),
        began.elapsed().as_secs_f64(),
    );
    println!(
        "{played} lists from seed {} in {took:.1} s, {:.0} a second",
        options.seed,
        played as f64 / took
    );
    if let Ok(counts) = run.counts.lock() {
        println!("attempts by their end, and what members met:");
        for (what, count) in &*counts {
            println!("{count:>12}  {what}");
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options {
        lists: 100_000,
        seed: 1,
        threads,
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} wants a number"))?;
        let number = value
            .parse::<u64>()
            .map_err(|_| format!("{name}: `{value}` is no number"))?;
        match name.as_str() {
            "--lists" => options.lists = number,
            "--seed" => options.seed = number,
            "--threads" => options.threads = usize::try_from(number).unwrap_or(threads).max(1),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}
