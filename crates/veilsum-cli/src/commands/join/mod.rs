//! `veilsum join`: a member.

mod answer;
mod contribution;
mod exec;
mod lines;
mod source;
mod standing;
mod train;

use crate::args::join::Join;
use crate::config::member::MemberFile;
use crate::exit::{Failure, Kind, Outcome};
use crate::files;
use crate::models::ModelFolder;
use crate::output::{self, Output};
use crate::runtime::{self, Signals};
use answer::Answerer;
use contribution::{Contribution, ResultFile};
use lines::Printer;
use source::Source;
use standing::{Offer, Standing};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use train::Training;
use veilsum_client::{
    Client, ClientError, Event, FileLedger, FileLedgerError, LedgerFiles, MemberConfig, Policy,
    stop_pair,
};
use veilsum_math::Threads;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::Slot;
use veilsum_proto::roster::Roster;

/// Runs the command.
pub fn run(args: &Join, output: Output) -> Outcome {
    if args.print_example {
        output::print(&MemberFile::example().trim_end());
        return Ok(());
    }
    let Some(path) = args.config.as_deref().filter(|_| !args.print_policy) else {
        return print_policy(args.authority.as_deref());
    };
    let printer = Arc::new(Printer::new(output));
    member_of(args, path, &printer).inspect_err(|failure| printer.ended(failure))
}

/// Everything up to the end of the last round.
fn member_of(args: &Join, path: &Path, printer: &Arc<Printer>) -> Outcome {
    // held here, not by a thread that the process may end without: it holds plain updates while a program makes them
    let folder = args
        .exec
        .as_ref()
        .map(|_| files::private_folder("veilsum-join-"));
    let folder = folder.transpose()?;
    let site = Site::read(args, path)?;
    let source = match (&args.stats, &args.train) {
        (Some(table), _) => {
            let stats = site.file.stats.clone();
            Source::Stats(Answerer::new(table, stats, &site.policy, printer.clone())?)
        }
        (None, Some(train)) => {
            let slot = site.slot()?;
            Source::Train(Box::new(Training::open(train, slot, site.ledger(args))?))
        }
        (None, None) => Source::of(args, folder.as_ref().map(TempDir::path))?,
    };
    let result = ResultFile::of(args)?;
    let (mut config, ledger, models) = site.member(args)?;
    config.contributor = source.floors();
    config.only_unlisted_task = source.only_unlisted_task()?;
    config.rounding_seed = source.rounding_seed();
    if config.rounding_seed.is_some() {
        on_this_host(&config.coordinator)?;
        printer.warn(&"the rounding follows from the seed of the job, which is for tests: it tells more of the update than it should");
    }
    let client = Client::new(config, ledger).map_err(|error| client_error(&error))?;
    let client = client.with_models(models);
    runtime::start()?.block_on(join(args, client, source, result, printer))
}

fn print_policy(authority: Option<&str>) -> Outcome {
    let mut policy = Policy::example().trim_end().to_owned();
    if let Some(given) = authority {
        policy = policy.replace(&"0".repeat(64), &files::public_key(given)?.to_string());
    }
    output::print(&policy);
    Ok(())
}

/// What the site's files say, each read once.
struct Site {
    file: MemberFile,
    policy: Policy,
    roster: Roster,
    identity: Identity,
}

impl Site {
    fn read(args: &Join, path: &Path) -> Result<Self, Failure> {
        let file = MemberFile::read(path)?;
        let policy = policy(&file.policy)?;
        Ok(Self {
            roster: files::signed_roster(&file.roster, &policy.authority)?,
            identity: files::identity(args.key.as_ref().unwrap_or(&file.key))?,
            file,
            policy,
        })
    }

    /// The place of the key.
    fn slot(&self) -> Result<Slot, Failure> {
        let key = self.identity.public();
        let slot = self.roster.slot_of(&key);
        slot.ok_or_else(|| client_error(&ClientError::NotOnOwnRoster { key }))
    }

    fn ledger<'a>(&'a self, args: &'a Join) -> &'a Path {
        args.ledger.as_ref().unwrap_or(&self.file.ledger)
    }

    /// Opens the ledger, which is made first where it is asked for.
    fn member(self, args: &Join) -> Result<(MemberConfig, FileLedger, ModelFolder), Failure> {
        let path = self.ledger(args).to_owned();
        let (mut ledger, models) = (LedgerFiles::new(&path), ModelFolder::beside(&path));
        let Self {
            file,
            policy,
            roster,
            identity,
        } = self;
        let key = identity.public();
        let coordinator = args.coordinator.clone().unwrap_or(file.coordinator);
        has_port(&coordinator)?;
        let (identity, roster) = (Arc::new(identity), Arc::new(roster));
        let mut config = MemberConfig::new(coordinator, identity, roster, policy);
        config.limits = file.limits.limits();
        config.backoff = file.reconnect.backoff();
        if file.one_thread {
            config.threads = Threads::One;
        }
        if let Some(mark) = &file.second_mark {
            ledger = ledger.second_mark(mark);
        }
        let ledger = if args.new_ledger {
            ledger.create(&key)
        } else {
            ledger.open()
        };
        let ledger = ledger.map_err(|error| ledger_error(&error))?;
        Ok((config, ledger, models))
    }
}

/// Refuses an address that no connection can be made to, before tries without end.
fn has_port(coordinator: &str) -> Result<(), Failure> {
    let parts = coordinator.rsplit_once(':').filter(|(host, port)| {
        let whole = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        !host.is_empty() && whole && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    match parts {
        Some(_) => Ok(()),
        None => Err(Failure::usage(format_args!(
            "`coordinator` is {coordinator:?}, wanted HOST:PORT"
        ))
        .hint("name the port that the coordinator listens on, as in 127.0.0.1:7400 or [::1]:7400")),
    }
}

/// A rounding that can be foreseen is for rehearsals: no network is between the member and its coordinator.
fn on_this_host(coordinator: &str) -> Outcome {
    let host = coordinator.rsplit_once(':').map_or("", |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>();
    match host == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
        true => Ok(()),
        false => Err(Failure::refused(format_args!(
            "found `seeded_rounding` with a coordinator at {coordinator}, on another host"
        ))
        .hint("leave it out: it is for tests on one host")),
    }
}

fn policy(path: &Path) -> Result<Policy, Failure> {
    let text = files::read_text(path).map_err(|failure| {
        failure.hint("veilsum join --print-policy --authority authority.pub > policy.toml")
    })?;
    Policy::from_toml(&text).map_err(|error| {
        Failure::usage(error)
            .in_file(path)
            .hint("veilsum join --print-policy prints a policy with every key explained")
    })
}

async fn join(
    args: &Join,
    mut client: Client,
    source: Source,
    result: ResultFile,
    printer: &Arc<Printer>,
) -> Outcome {
    let mut signals = Signals::listen()?;
    let (handle, stop) = stop_pair();
    let offer = match (&args.update, &args.stats) {
        (Some(_), _) => Offer::OneFile,
        (None, Some(_)) => Offer::Answers,
        (None, None) => Offer::Fresh,
    };
    let standing = Arc::new(Standing::new(handle, args.rounds, offer));
    let contribution = Contribution::new(
        source,
        args.weight,
        result,
        standing.clone(),
        printer.clone(),
    );
    let (watched, events) = (standing.clone(), printer.clone());
    let observer = move |event: &Event| {
        watched.see(event);
        events.event(event);
    };
    let give_up = standing.out_of_reach(args.give_up_after.map(|time| time.0));
    let mut running = std::pin::pin!(client.run(contribution, observer, stop));
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = signals.asked() => {
            standing.interrupted();
            ending(running).await
        }
        () = give_up => ending(running).await,
    };
    printer.finish();
    standing.outcome(ended.map_err(|error| client_error(&error)))
}

/// Lets a client that was asked to stop say its goodbyes, for a moment.
async fn ending(running: impl Future<Output = Result<(), ClientError>>) -> Result<(), ClientError> {
    tokio::time::timeout(Duration::from_secs(5), running)
        .await
        .unwrap_or(Ok(()))
}

fn client_error(error: &ClientError) -> Failure {
    match error {
        ClientError::Authority { .. }
        | ClientError::NotOnOwnRoster { .. }
        | ClientError::NotOnRoster
        | ClientError::Roster(_)
        | ClientError::Policy(_)
        | ClientError::Ledger(_)
        | ClientError::OtherLedger { .. }
        | ClientError::Replaced => Failure::refused(error),
        ClientError::Connect(_) | ClientError::Bind(_) => Failure::new(Kind::Network, error),
        ClientError::Randomness(_)
        | ClientError::Thread(_)
        | ClientError::ContributorPanicked
        | ClientError::Panicked(_) => Failure::failed(error),
    }
}

fn ledger_error(error: &FileLedgerError) -> Failure {
    match error {
        FileLedgerError::NotCreated { .. } => Failure::refused(error)
            .hint("for a key that never joined a round: add --new-ledger, once"),
        FileLedgerError::Exists { .. } => Failure::refused(error)
            .hint("leave --new-ledger out to go on with the ledger that is there"),
        FileLedgerError::Io { .. } => Failure::new(Kind::Io, error),
        _ => Failure::refused(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_that_can_be_foreseen_stays_on_one_host() {
        for here in [
            "127.0.0.1:7400",
            "[::1]:7400",
            "localhost:7400",
            "127.9.9.9:1",
        ] {
            assert!(on_this_host(here).is_ok(), "{here}");
        }
        for elsewhere in [
            "192.168.0.7:7400",
            "[fe80::1]:7400",
            "example.org:7400",
            "localhost.example.org:1",
            "0.0.0.0:7400",
            "",
        ] {
            let refused = on_this_host(elsewhere).unwrap_err();
            assert!(refused.message().contains("seeded_rounding"), "{refused}");
        }
    }
}
