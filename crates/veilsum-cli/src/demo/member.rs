//! `veilsum demo-member`: a member of the demo, hidden from the help.
//!
//! The client of `veilsum join`, with a trainer inside, seeds of rounding and noise that the demo knows, and a habit of killing
//! itself.
//!
//! # Security
//!
//! Nothing of such a member is private: see [`Seeds`].

use super::federation::{Places, Seeds};
use super::script::{Point, Vanishing};
use crate::args::demo::DemoMember;
use crate::commands::train::setup::{failure, job};
use crate::exit::Failure;
use crate::models::ModelFolder;
use crate::{files, output, runtime};
use rustix::process::{Signal, getpid, kill_process};
use std::ops::ControlFlow;
use std::sync::Arc;
use veilsum_client::{
    Client, Contributor, Event, FileLedger, LocalUpdate, MemberConfig, MemberResult, Policy,
    RoundAbort, RoundInfo, stop_pair,
};
use veilsum_learn::{Job, MemberHalf, Outcome};
use veilsum_math::Threads;
use veilsum_proto::ids::{Round, Slot};
use veilsum_proto::member::{Bounds, ExampleClip, PrivacyFloors};

/// Runs the command.
pub fn run(args: &DemoMember) -> crate::exit::Outcome {
    let places = Places(&args.folder);
    let job = job(&places.job())?;
    let trainer = MemberHalf::new(&job, args.slot.0).map_err(|error| failure(&error))?;
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
    let seeds: Seeds =
        toml::from_str(&files::read_text(&places.seeds(args.slot))?).map_err(Failure::failed)?;
    (config.rounding_seed, config.noise_seed) = (Some(seeds.rounding), Some(seeds.noise));
    config.threads = Threads::One;
    config.contributor = contributor(&job);
    let ledger = places.ledger(args.slot);
    let models = ModelFolder::beside(&ledger);
    let ledger = FileLedger::open(ledger).map_err(Failure::failed)?;
    let client = Client::new(config, ledger).map_err(Failure::failed)?;
    let mut client = client.with_models(models);
    let local = Local {
        trainer,
        slot: args.slot,
        last: Round(job.spec().rounds),
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

/// What the job's noise must be worth. Trainer and task come from one job, so example clips are kept to.
fn contributor(job: &Job) -> PrivacyFloors {
    let privacy = job.spec().privacy;
    let bounds = privacy.map(|privacy| Bounds {
        delta: privacy.delta,
        per_round: None,
        per_task: Some(privacy.epsilon),
        total: None,
    });
    PrivacyFloors {
        required: privacy.is_some(),
        unit: privacy.and(job.unit()),
        adjacency: privacy.map(|privacy| privacy.adjacency),
        example_clip: ExampleClip::Checked,
        bounds: bounds.into_iter().collect(),
    }
}

/// Trains on the member's own digits.
struct Local {
    trainer: MemberHalf,
    slot: Slot,
    last: Round,
}

impl Contributor for Local {
    fn update(&mut self, info: &RoundInfo) -> Result<LocalUpdate, veilsum_client::Failure> {
        let bytes = info.model.as_deref().ok_or("the task has no model")?;
        let brought = self.trainer.contribute(bytes, info.round.0)?;
        Ok(LocalUpdate {
            tensors: brought.tensors,
            weight: brought.weight,
        })
    }

    fn result(&mut self, result: &MemberResult) -> ControlFlow<()> {
        let outcome = match result.survivors.contains(&self.slot) {
            true => Outcome::Summed,
            false => Outcome::Lost,
        };
        self.trainer.settle(result.round.0, outcome);
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
