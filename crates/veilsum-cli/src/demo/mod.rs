//! `veilsum demo`: a federation of processes on this machine that trains with every update masked.
//!
//! Not for real data: the demo holds the keys and the seeds of rounding and noise of all its members, which is how it can say
//! whether a masked sum is exact. No other command has such seeds.
//!
//! ```text
//! demo --+-- veilsum serve --json          the coordinator as it is, with a configuration that the demo writes
//!        +-- veilsum demo-member (n times)  the client as it is, with a trainer; kills itself where it is told to
//!        +-- check                          trains the same updates again, sums them in plain, compares
//! ```

mod check;
mod coordinator;
mod federation;
mod history;
mod job;
pub mod member;
mod members;
mod report;
mod round;
pub mod script;

use crate::args::demo::Demo;
use crate::exit::{Failure, Kind, Outcome};
use crate::files;
use crate::output::{Output, warn};
use crate::report::Place;
use crate::runtime::{self, Signals};
use check::Reference;
use coordinator::Coordinator;
use federation::Federation;
use members::Members;
use report::{Report, Screen};
use script::Script;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Runs the command. However it ends, its processes end and its folder goes.
pub fn run(args: &Demo, output: Output) -> Outcome {
    let folder = files::private_folder("veilsum-demo-")?;
    let report = args.report.as_deref().unwrap_or(Path::new(REPORT));
    let new_folder = (!report.exists()).then_some(report);
    let ended = runtime::start()?.block_on(async {
        let mut signals = Signals::listen()?;
        // what is dropped here kills its processes
        tokio::select! {
            ended = demonstrate(args, folder.path(), output) => ended,
            () = signals.asked() => Err(Failure::new(Kind::Interrupted, "stopped")),
        }
    });
    remove(folder);
    if let (Err(_), Some(report)) = (&ended, new_folder) {
        // only if nothing is in it
        let _ = std::fs::remove_dir(report);
    }
    ended
}

/// Removes the folder, again if a dying process wrote into it meanwhile.
fn remove(folder: TempDir) {
    for _ in 0..40 {
        match std::fs::remove_dir_all(folder.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                std::thread::sleep(Duration::from_millis(50))
            }
            _ => return,
        }
    }
    // dropped, it tries once more
}

async fn demonstrate(args: &Demo, folder: &Path, output: Output) -> Outcome {
    let place = place(args, output)?;
    let federation = Federation::found(args, folder)?;
    let script = match args.vanish {
        true => Script::new(args.members, args.rounds, federation.parameters.d),
        false => Script::default(),
    };
    if args.vanish && federation.parameters.d == 0 {
        warn(&"of so few members none may vanish: --vanish kills nobody; take 4 or more");
    }
    let screen = Screen::new(output);
    let mut coordinator = Coordinator::start(&federation)?;
    let address = coordinator.address().await?;
    screen.intro(&federation, &script, &address);
    let mut members = Members::start(&federation, &address, script)?;
    let mut reference = Reference::new(&federation)?;
    let mut rounds = Vec::new();
    while let Some(ended) = coordinator.next_round(&mut members).await? {
        let round = round::judge(ended, &mut members, &mut reference).await?;
        screen.round(&round);
        rounds.push(round);
    }
    coordinator.end().await;
    members.end().await;
    let mut report = Report::new(rounds, &reference, federation.noise.as_deref())?;
    if let Some(place) = place {
        let history = history::of(&federation, &report);
        report.written(tokio::task::block_in_place(|| place.write(&history))?);
    }
    screen.summary(&report);
    report.outcome(args.rounds)
}

/// Where the report goes. A folder that nobody named is no reason to stop.
fn place(args: &Demo, output: Output) -> Result<Option<Place>, Failure> {
    match (&args.report, output) {
        (Some(folder), _) => Place::new(folder).map(Some),
        (None, Output::Json) => Ok(None),
        (None, Output::Text) => Ok(Place::new(Path::new(REPORT))
            .inspect_err(|failure| {
                warn(&format_args!("no report: {}", failure.message()));
            })
            .ok()),
    }
}

/// Folder of the report unless another is named.
const REPORT: &str = "veilsum-demo-report";
