//! `veilsum serve`: the coordinator.

mod asker;
mod board;
mod driver;
mod hook;
mod job;
mod judge;
mod learner;
mod lines;
mod tasks;
mod versions;

use crate::args::serve::Serve;
use crate::config::coordinator::CoordinatorFile;
use crate::exit::{Failure, Kind, Outcome};
use crate::files;
use crate::output::{self, Output};
use crate::runtime::{self, Signals};
use crate::table::rounds;
use board::Board;
use hook::Tally;
use lines::Printer;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tasks::{Hooked, Tasks};
use veilsum_proto::roster::Roster;
use veilsum_server::{Event, ServerConfig, ServerError, Service};

/// Runs the command.
pub fn run(args: &Serve, output: Output) -> Outcome {
    let Some(path) = args.config.as_deref().filter(|_| !args.print_example) else {
        output::print(&CoordinatorFile::example().trim_end());
        return Ok(());
    };
    let setup = Setup::read(path, output)?;
    runtime::start()?.block_on(serve(setup, args.with_parent))
}

/// Everything that is read before anything runs.
struct Setup {
    file: CoordinatorFile,
    identity: veilsum_proto::identity::Identity,
    roster: Arc<Roster>,
    tasks: Vec<Hooked>,
    printer: Arc<Printer>,
    tally: Arc<Tally>,
}

impl Setup {
    fn read(path: &Path, output: Output) -> Result<Self, Failure> {
        let file = CoordinatorFile::read(path)?;
        let authority = files::public_key(&file.authority)?;
        let roster = Arc::new(files::signed_roster(&file.roster, &authority)?);
        let identity = files::identity(&file.key)?;
        let board = Arc::new(Board::new(&file.state, &roster));
        let printer = Arc::new(Printer::new(output, board));
        let tally = Arc::new(Tally::default());
        let mut tasks = Vec::new();
        let of = Tasks {
            roster: &roster,
            printer: &printer,
            tally: &tally,
        };
        for table in &file.tasks {
            tasks.extend(of.of(table).map_err(|failure| failure.in_file(path))?);
        }
        Ok(Self {
            file,
            identity,
            roster,
            tasks,
            printer,
            tally,
        })
    }
}

async fn serve(setup: Setup, with_parent: bool) -> Outcome {
    let Setup {
        file,
        identity,
        roster,
        tasks,
        printer,
        tally,
    } = setup;
    let mut signals = Signals::listen()?;
    let config = ServerConfig {
        staging_budget: file.staging_budget.0,
        spill_budget: file.spill_budget.0,
        limits: file.limits.limits(),
        ..ServerConfig::new(file.listen, file.state)
    };
    let events = printer.clone();
    let started = Service::start(config, identity, roster, tasks, move |event: &Event| {
        events.event(event)
    });
    let mut service = started.map_err(|error| server(&error))?;
    // the folder of state is this process's from here on
    let board = printer.board().clone();
    let written = tokio::spawn(board.clone().keep_written());
    let stopped = tokio::select! {
        finished = service.finished() => {
            finished.map_err(|error| server(&error))?;
            false
        }
        () = signals.asked() => true,
        () = runtime::parent_gone(), if with_parent => true,
    };
    if !stopped {
        tokio::select! {
            () = printer.everybody_gone() => {}
            () = tokio::time::sleep(file.linger.0) => {}
            () = signals.asked() => {}
        }
    }
    service.shutdown().await;
    written.abort();
    // a write that is under way comes first, or is of the same
    let _ = tokio::task::spawn_blocking(move || board.end()).await;
    printer.finish();
    tally.written()?;
    match tally.failed.load(Ordering::Relaxed) {
        failed if failed > 0 && !stopped => Err(Failure::new(
            Kind::Aborted,
            format_args!("{} ended without a sum", rounds(failed)),
        )
        .hint("the lines `abort` above say in which phase and why")),
        _ => Ok(()),
    }
}

fn server(error: &ServerError) -> Failure {
    match error {
        ServerError::NotTheCoordinator { .. } => {
            Failure::refused(error).hint("use the key that `roster init --coordinator` named")
        }
        ServerError::NoTask => {
            Failure::usage(error).hint("add a [[tasks]] table to the configuration")
        }
        ServerError::SameTask { .. } => {
            Failure::usage(error).hint("give each task a name of its own")
        }
        ServerError::Task { .. } => {
            Failure::refused(error).hint("veilsum task check TASK --roster ROSTER says more")
        }
        ServerError::TaskNotListed { .. } => Failure::refused(error)
            .hint("have the authority list it: veilsum roster allow ROSTER --task TASK, then sign"),
        ServerError::Budget { .. } => Failure::usage(error)
            .hint("raise `staging_budget` or `spill_budget` in the configuration"),
        ServerError::Store(_) | ServerError::Staging(_) => Failure::new(Kind::Io, error)
            .hint("`state` must be a folder that this user can write, of one coordinator only"),
        ServerError::Bind(_) => Failure::new(Kind::Network, error)
            .hint("choose another address or port for `listen`; port 0 takes a free one"),
        ServerError::System(_) | ServerError::Bug => Failure::failed(error),
    }
}
