//! `veilsum demo-member`: a member of the demo, hidden from the help.
//!
//! The client of `veilsum join`, with a trainer inside, a rounding seed that the demo knows, and a habit of killing itself.

use super::data::Data;
use super::federation::{Places, RunFile};
use super::script::{Point, Vanishing};
use crate::args::demo::DemoMember;
use crate::exit::{Failure, Outcome};
use crate::models::ModelFolder;
use crate::{files, output, runtime};
use rustix::process::{Signal, getpid, kill_process};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use veilsum_client::{
    Client, Contributor, Event, FileLedger, LocalUpdate, MemberConfig, MemberResult, Policy,
    RoundAbort, RoundInfo, stop_pair,
};
use veilsum_learn::{LocalTrainer, Model, Trainer as _};
use veilsum_math::Threads;
use veilsum_proto::ids::Round;

/// Runs the command.
pub fn run(args: &DemoMember) -> Outcome {
    let places = Places(&args.folder);
    let run: RunFile =
        toml::from_str(&files::read_text(&places.run())?).map_err(Failure::failed)?;
    let trainer = Data::load(run.members, run.seed)?.trainer(args.slot.index())?;
    let policy =
        Policy::from_toml(&files::read_text(&places.policy())?).map_err(Failure::failed)?;
    let roster = files::signed_roster(&places.roster(), &policy.authority)?;
    let identity = files::identity(&places.key(args.slot))?;
    let mut config = MemberConfig::new(
        &args.coordinator,
        Arc::new(identity),
        Arc::new(roster),
        policy,
    );
    config.rounding_seed = Some(rounding_seed(&places.rounding(args.slot))?);
    config.threads = Threads::One;
    let ledger = places.ledger(args.slot);
    let models = ModelFolder::beside(&ledger);
    let ledger = FileLedger::open(ledger).map_err(Failure::failed)?;
    let client = Client::new(config, ledger).map_err(Failure::failed)?;
    let mut client = client.with_models(models);
    let local = Local {
        trainer,
        last: Round(run.rounds),
    };
    let script = args.vanish.clone();
    runtime::start()?.block_on(async move {
        let (_handle, stop) = stop_pair();
        tokio::select! {
            ended = client.run(local, move |event: &Event| vanish_at(&script, event), stop) => ended.map_err(Failure::failed),
            () = runtime::parent_gone() => Ok(()),
        }
    })
}

/// Trains on the member's own digits.
struct Local {
    trainer: LocalTrainer,
    last: Round,
}

impl Contributor for Local {
    fn update(&mut self, info: &RoundInfo) -> Result<LocalUpdate, veilsum_client::Failure> {
        let bytes = info.model.as_deref().ok_or("the task has no model")?;
        let trained = self
            .trainer
            .train(&Model::from_bytes(bytes)?, info.round.0)?;
        Ok(LocalUpdate {
            tensors: trained.delta,
            weight: trained.examples,
        })
    }

    fn result(&mut self, result: &MemberResult) -> ControlFlow<()> {
        if result.round >= self.last {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn aborted(&mut self, _: &RoundAbort) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn vanish_at(script: &[Vanishing], event: &Event) {
    let Some((round, point)) = point_of(event) else {
        return;
    };
    if let Some(vanishing) = script
        .iter()
        .find(|one| one.round == round && one.point == point)
    {
        output::print(vanishing);
        // no goodbye, no flush: the process is gone when this returns
        let _ = kill_process(getpid(), Signal::KILL);
        std::process::abort();
    }
}

/// Where in which round a member is that is about to do what the event says.
fn point_of(event: &Event) -> Option<(Round, Point)> {
    match event {
        Event::Sending { round, message, .. } => {
            let point = match *message {
                "Advert" => Point::Advertise,
                "SealedShares" => Point::Share,
                "UploadHeader" => Point::Upload,
                "Confirmation" => Point::Confirm,
                "Reveal" => Point::Reveal,
                _ => return None,
            };
            Some((*round, point))
        }
        Event::Uploading {
            round, sent, total, ..
        } => (sent.saturating_mul(2) >= *total).then_some((*round, Point::MidUpload)),
        _ => None,
    }
}

fn rounding_seed(path: &Path) -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    hex::decode_to_slice(files::read_text(path)?.trim(), &mut seed).map_err(Failure::failed)?;
    Ok(seed)
}
