//! Not a benchmark of steps (`veilsum bench`) and not a simulation (`veilsum simulate`): a real coordinator, `veilsum serve` in a process
//! of its own, under many real members over loopback QUIC, all driven by this process. What it measures of the coordinator it
//! reads from the system: memory and processor time of that process.
//!
//! ```sh
//! cargo build --release -p veilsum-cli -p veilsum-benches
//! ulimit -n 20000
//! target/release/load idle --members 10000
//! target/release/load round --members 2000 --dim 10000
//! target/release/load round --members 1000 --dim 1000000 --staging-mib 64
//! ```

mod coordinator;
mod federation;
mod idle;
mod memory;
mod round;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// What went wrong; ends the program.
type Failure = Box<dyn Error + Send + Sync>;

/// Load of many members on one coordinator.
#[derive(Parser)]
struct Load {
    #[command(subcommand)]
    what: What,
    /// The program whose `serve` is measured; `veilsum` beside this one when absent.
    #[arg(long, global = true, value_name = "FILE")]
    veilsum: Option<PathBuf>,
    /// Print the figures as one line of JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Members that connect and wait for a round that does not open.
    Idle(idle::Idle),
    /// A round, from the first connection to the last member's result.
    Round(round::Run),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let load = Load::parse();
    let beside = std::env::current_exe()?.with_file_name("veilsum");
    let veilsum = load.veilsum.unwrap_or(beside);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let figures = runtime.block_on(async {
        match load.what {
            What::Idle(idle) => idle.run(&veilsum).await,
            What::Round(round) => round.run(&veilsum).await,
        }
    });
    // members hang on sockets and timers; nobody waits for them
    runtime.shutdown_background();
    let figures = figures?;
    if load.json {
        println!("{}", serde_json::to_string(&figures)?);
        return Ok(());
    }
    for (name, value) in &figures {
        println!("{name:<28} {value}");
    }
    Ok(())
}

/// Names and values, in the order of their names.
type Figures = serde_json::Map<String, serde_json::Value>;
