//! A round of real members: the SDK with policy and ledger, a socket each.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, time::timeout};
use veilsum_client::{
    Client, Contributor, Event, FileLedger, LocalUpdate, MemberConfig, MemberResult, Policy,
    RoundAbort, RoundInfo, StopHandle, stop_pair,
};
use veilsum_encode::{Tensor, TensorData};
use veilsum_math::Threads;
use veilsum_proto::{ids::Slot, member::UnlistedTasks};
use veilsum_sim::{Formula, Inputs as _};

use crate::{
    Failure, Figures,
    coordinator::Coordinator,
    federation::{BITS, Federation, SEED, Terms},
    idle::mib,
};

/// How many sum how much.
#[derive(Args)]
pub struct Run {
    /// Members.
    #[arg(long, default_value_t = 2000)]
    members: u32,
    /// Coordinates.
    #[arg(long, default_value_t = 10_000)]
    dim: usize,
    /// Memory of the coordinator for uploads that are not added up yet, in MiB.
    #[arg(long, default_value_t = 64)]
    staging_mib: u64,
    /// Members that connect at once.
    #[arg(long, default_value_t = 64)]
    at_once: usize,
}

/// What members say of themselves.
enum Said {
    Connected,
    Result(Box<[u8; 32]>),
    Over(String),
}

impl Run {
    /// Runs the round, checks its sum, and says what the coordinator took.
    pub async fn run(self, veilsum: &Path) -> Result<Figures, Failure> {
        let federation = Federation::new(self.members, self.dim as u64)?;
        let config = federation.write(&Terms {
            gather: self.members,
            staging_mib: self.staging_mib,
        })?;
        let mut coordinator = Coordinator::start(veilsum, &config).await?;
        let empty = coordinator.taken()?;
        let (say, mut heard) = mpsc::unbounded_channel();
        let start = Instant::now();
        let members = self
            .enter(&federation, &coordinator, &say, &mut heard)
            .await?;
        let phases = phases(&mut coordinator).await?;
        let results = results(&mut heard, self.members).await?;
        let all = start.elapsed().as_secs_f64();
        let taken = coordinator.taken()?;
        drop(members);
        let sum = phases.result["sum_sha256"].as_str().unwrap_or_default();
        let exact = sum == hex::encode(self.plain(&phases.result)?);
        let told = results.iter().filter(|found| hex::encode(found) == sum);
        let packed = phases.result["sum"].as_str().map(|file| {
            let file = federation.folder().join(file);
            std::fs::metadata(file).map_or(0, |file| file.len())
        });
        let figures = json!({
            "members": self.members,
            "dim": self.dim,
            "exact": exact,
            "members_with_this_sum": told.count(),
            "survivors": phases.result["survivor_ids"].as_array().map(Vec::len),
            "gathered_s": phases.opened.duration_since(start).as_secs_f64(),
            "phases_s": phases.seconds,
            "phases_rss_mib": phases.rss_mib,
            "round_s": phases.result["wall_s"],
            "all_s": all,
            "upload_bytes": phases.result["upload_bytes"],
            "packed_bytes": packed,
            "staging_mib": self.staging_mib,
            "coordinator_cpu_s": taken.cpu_s,
            "rss_empty_mib": mib(empty.rss_kib),
            "rss_mib": mib(taken.rss_kib),
            "rss_peak_mib": mib(taken.peak_kib),
        });
        match figures {
            Value::Object(figures) => Ok(figures),
            _ => Err("no figures".into()),
        }
    }

    /// Starts all members, some at once, and waits until each was let in.
    async fn enter(
        &self,
        federation: &Federation,
        coordinator: &Coordinator,
        say: &mpsc::UnboundedSender<Said>,
        heard: &mut mpsc::UnboundedReceiver<Said>,
    ) -> Result<Vec<StopHandle>, Failure> {
        let (mut members, mut waiting) = (Vec::new(), 0);
        for slot in (0..self.members).map(Slot) {
            members.push(self.member(federation, coordinator, slot, say.clone())?);
            waiting += 1;
            // the last ones are waited for by the round
            while waiting >= self.at_once {
                match timeout(PATIENCE, heard.recv()).await?.ok_or("no member")? {
                    Said::Connected => waiting -= 1,
                    Said::Result(_) => return Err("a result before all members are here".into()),
                    Said::Over(why) => return Err(why.into()),
                }
            }
        }
        Ok(members)
    }

    fn member(
        &self,
        federation: &Federation,
        coordinator: &Coordinator,
        slot: Slot,
        say: mpsc::UnboundedSender<Said>,
    ) -> Result<StopHandle, Failure> {
        let (roster, identity) = (federation.roster().clone(), federation.member(slot)?);
        let mut policy = Policy::new(roster.authority());
        policy.unlisted_tasks = UnlistedTasks::Any;
        let ledger = federation.folder().join(format!("ledger-{slot}"));
        let ledger = FileLedger::create(ledger, &identity.public())?;
        let address = coordinator.address.to_string();
        let mut config = MemberConfig::new(address, identity, roster, policy);
        config.threads = Threads::One;
        let mut client = Client::new(config, ledger)?;
        let (handle, stop) = stop_pair();
        let worker = Worker {
            slot,
            inputs: self.inputs(),
            say: say.clone(),
        };
        let observer = {
            let say = say.clone();
            move |event: &Event| {
                if let Event::Connected { .. } = event {
                    let _ = say.send(Said::Connected); // nobody listens once all is over
                }
            }
        };
        tokio::spawn(async move {
            if let Err(error) = client.run(worker, observer, stop).await {
                let _ = say.send(Said::Over(format!("member {slot}: {error}")));
            }
        });
        Ok(handle)
    }

    fn inputs(&self) -> Formula {
        Formula {
            seed: SEED,
            coordinates: self.dim,
            bits: BITS,
        }
    }

    /// SHA-256 of the sum of the survivors' inputs, added without any mask.
    fn plain(&self, result: &Value) -> Result<[u8; 32], Failure> {
        let survivors = result["survivor_ids"].as_array().ok_or("no survivors")?;
        let mut sum = vec![0_i64; self.dim];
        for slot in survivors {
            let slot = u32::try_from(slot.as_u64().ok_or("a survivor is no slot")?)?;
            let row = self.inputs().row(Slot(slot));
            sum.iter_mut()
                .zip(row)
                .for_each(|(place, value)| *place += value);
        }
        let mut hash = Sha256::new();
        sum.iter()
            .for_each(|value| hash.update(value.to_le_bytes()));
        Ok(hash.finalize().into())
    }
}

/// When which phase began, as the coordinator says.
struct Phases {
    opened: Instant,
    seconds: BTreeMap<String, f64>,
    /// Resident memory of the coordinator at the end of each phase, in MiB.
    rss_mib: BTreeMap<String, f64>,
    result: Value,
}

async fn phases(coordinator: &mut Coordinator) -> Result<Phases, Failure> {
    let (opened, first) = coordinator.event(&["phase", "abort"]).await?;
    let (mut since, mut phase) = (opened, first);
    let (mut seconds, mut rss_mib) = (BTreeMap::new(), BTreeMap::new());
    loop {
        if phase["event"] == "abort" {
            return Err(format!("the round ended without a sum: {phase}").into());
        }
        let (at, next) = coordinator.event(&["phase", "abort", "result"]).await?;
        let name = phase["phase"].as_str().unwrap_or_default().to_owned();
        rss_mib.insert(name.clone(), mib(coordinator.taken()?.rss_kib));
        seconds.insert(name, at.duration_since(since).as_secs_f64());
        if next["event"] == "result" {
            return Ok(Phases {
                opened,
                seconds,
                rss_mib,
                result: next,
            });
        }
        (since, phase) = (at, next);
    }
}

/// Digests of the sums that members have found.
async fn results(
    heard: &mut mpsc::UnboundedReceiver<Said>,
    members: u32,
) -> Result<Vec<[u8; 32]>, Failure> {
    let mut found = Vec::new();
    while found.len() < members as usize {
        match timeout(PATIENCE, heard.recv()).await?.ok_or("no member")? {
            Said::Connected => {}
            Said::Result(sum) => found.push(*sum),
            Said::Over(why) => return Err(why.into()),
        }
    }
    Ok(found)
}

/// Gives the formula's row, and says what came of it.
struct Worker {
    slot: Slot,
    inputs: Formula,
    say: mpsc::UnboundedSender<Said>,
}

impl Contributor for Worker {
    fn update(&mut self, info: &RoundInfo) -> Result<LocalUpdate, veilsum_client::Failure> {
        let tensors = info.task.manifest().tensors().iter().map(|spec| {
            let data = TensorData::I64(self.inputs.row(self.slot));
            let shape = spec.shape.clone();
            (spec.name.clone(), Tensor { shape, data })
        });
        let tensors = tensors.collect();
        Ok(LocalUpdate { tensors, weight: 1 })
    }

    fn result(&mut self, result: &MemberResult) -> ControlFlow<()> {
        let _ = self.say.send(Said::Result(Box::new(result.sum_sha256)));
        ControlFlow::Continue(())
    }

    fn aborted(&mut self, abort: &RoundAbort) -> ControlFlow<()> {
        let _ = self.say.send(Said::Over(abort.text.clone()));
        ControlFlow::Continue(())
    }
}

/// Nothing that a member says takes longer.
const PATIENCE: Duration = Duration::from_secs(1800);
