//! Open: an invitation is judged; then model, update and advert, in this order.

use std::sync::Arc;

use veilsum_proto::ledger::Ledger as _;
use veilsum_proto::member::Member;
use veilsum_proto::message::Open;
use veilsum_proto::refusal::Refusal;
use veilsum_proto::task::Task;

use super::Session;
use super::round::{Local, Model, RoundKey, RoundState};
use super::step::{blocking, system_rng};
use super::workbench::{Job, LocalFailure, Prepared};
use crate::{ClientError, FileLedger, MemberConfig, RoundInfo};

impl Session {
    /// Judges an invitation. Only one that stands makes an earlier attempt give way, and it does so before anything is sent.
    pub(super) async fn open(&mut self, open: Open) -> Result<(), ClientError> {
        let task = match Task::decode(&open.task) {
            Ok(task) => task,
            Err(error) => return self.refuse(error.into()),
        };
        let key = (task.digest(), open.round);
        self.supersede(key).await?;
        if let Some(round) = self.rounds.get(&key) {
            if round.open.attempt == open.attempt {
                return self.opened_again(key, &open).await;
            }
            // spec: [attempt.same-model]
            if round.open.base_model != open.base_model {
                let (got, want) = (open.base_model, round.open.base_model);
                return self.refuse(Refusal::Model { got, want });
            }
        } else if self.rounds.values().filter(|round| round.is_open()).count() >= MOST_ROUNDS {
            let text = format!(
                "{MOST_ROUNDS} rounds are open at once, the most this member takes part in"
            );
            self.watcher.refused("too_many_rounds", &text);
            return Ok(());
        }
        match self.invite(open.clone(), task).await? {
            Ok(member) => self.join(key, open, member).await,
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// Ends what is open of earlier rounds of the task: their coordinator has gone on, and says no more of them.
    // spec: [round.superseded]
    async fn supersede(&mut self, (task, next): RoundKey) -> Result<(), ClientError> {
        let rounds = self.rounds.iter();
        let earlier = rounds
            .filter(|(key, round)| key.0 == task && key.1 < next && round.is_open())
            .map(|(key, round)| (*key, round.has_begun()));
        for (key, begun) in earlier.collect::<Vec<_>>() {
            // of a round that never began the contributor knows nothing, or has said itself that it has no update
            if begun {
                let text = format!(
                    "the coordinator opened round {next}, this member was not in the result of round {}",
                    key.1
                );
                self.end(key, "superseded", text).await?;
            }
            // a receipt that still comes is of a round this member has no part in
            self.rounds.remove(&key);
        }
        Ok(())
    }

    /// The same invitation again: the coordinator has not got the advert, or asks what has become of it.
    // spec: [reconnect.same-bytes]
    async fn opened_again(&mut self, key: RoundKey, open: &Open) -> Result<(), ClientError> {
        let Some(round) = self.rounds.get(&key) else {
            return Ok(());
        };
        if round.open != *open {
            return self.refuse(Refusal::Second("Open"));
        }
        match &round.advert {
            Some(advert) if round.machine_phase() == "advertised" => {
                self.send_bytes(&round.context, "Advert", advert.clone());
                Ok(())
            }
            Some(_) => Ok(()),
            None => self.advance(key).await,
        }
    }

    async fn invite(&self, open: Open, task: Task) -> Result<Result<Member, Refusal>, ClientError> {
        let (config, ledger) = (self.config.clone(), self.ledger.clone());
        blocking(move || {
            let ledger = ledger
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            judge(&config, &ledger, &open, &task)
        })
        .await
    }

    // spec: [attempt.erase]
    async fn join(&mut self, key: RoundKey, open: Open, member: Member) -> Result<(), ClientError> {
        self.verdict = super::Verdict {
            accepted: true,
            ..Default::default()
        };
        self.erase(key).await?;
        let round = match self.rounds.remove(&key) {
            Some(earlier) => earlier.further(open, member),
            None => RoundState::new(open, member),
        };
        self.forget_before(key);
        self.rounds.insert(key, round);
        self.announce(key);
        self.advance(key).await
    }

    /// Earlier rounds of the task that are over.
    fn forget_before(&mut self, (task, round): RoundKey) {
        let earlier = |key: &RoundKey| key.0 == task && key.1 < round;
        self.rounds
            .retain(|key, state| !(earlier(key) && state.is_forgettable()));
    }

    /// Takes up what was interrupted, over a new line.
    pub(super) async fn resume(&mut self) -> Result<(), ClientError> {
        for key in self.rounds.keys().copied().collect::<Vec<_>>() {
            self.advance(key).await?;
            self.fetch_sum(key);
        }
        Ok(())
    }

    /// The next thing on the way to the advert: the model, then the update, then the advert itself.
    // spec: [join.order]
    pub(super) async fn advance(&mut self, key: RoundKey) -> Result<(), ClientError> {
        // spec: [join.after-result]
        if self.owes_result_before(key) {
            return Ok(());
        }
        let Some(round) = self.rounds.get_mut(&key).filter(|round| round.is_open()) else {
            return Ok(());
        };
        let model = match &round.model {
            Model::None => None,
            Model::Here(model) => Some(model.clone()),
            Model::Wanted(_) => {
                self.fetch_model(key);
                return Ok(());
            }
            Model::Fetching | Model::Unavailable => return Ok(()),
        };
        match &round.local {
            Local::Wanted => {
                round.local = Local::Working;
                let info = RoundInfo {
                    task: round.context.task.clone(),
                    round: round.context.round,
                    attempt: round.first,
                    model,
                    plan: round.context.plan.clone(),
                };
                self.workbench.give(Job::Update(key, Box::new(info)))
            }
            Local::Working | Local::Gone => Ok(()),
            Local::Ready(prepared) if round.advert.is_none() && self.line.is_some() => {
                let prepared = prepared.clone();
                self.advertise(key, &prepared).await
            }
            Local::Ready(_) => Ok(()),
        }
    }

    pub(super) async fn prepared(
        &mut self,
        key: RoundKey,
        outcome: Result<Prepared, LocalFailure>,
    ) -> Result<(), ClientError> {
        let Some(round) = self.rounds.get_mut(&key) else {
            return Ok(());
        };
        match outcome {
            // an update that came after the round's result is of no use
            Ok(_) if matches!(round.local, Local::Gone) => Ok(()),
            Ok(prepared) => {
                round.local = Local::Ready(Arc::new(prepared));
                self.advance(key).await
            }
            // spec: [join.no-update]
            Err(failure) => {
                round.local = Local::Gone;
                self.watcher.refused(failure.kind(), &failure);
                Ok(())
            }
        }
    }

    /// Advertises, unless the update could not be uploaded anyway.
    async fn advertise(&mut self, key: RoundKey, prepared: &Prepared) -> Result<(), ClientError> {
        let (task, round) = key;
        let reuse = self.config.policy.reuse_update;
        let usable = match self.ledger().state() {
            Ok(state) => state
                .may_upload(&task, round, &prepared.digest, reuse)
                .map_err(Refusal::from),
            Err(error) => Err(error.into()),
        };
        if let Err(refusal) = usable {
            if let Some(round) = self.rounds.get_mut(&key) {
                round.local = Local::Gone;
            }
            return self.refuse(refusal);
        }
        let advertised = self.step(key, |member, ledger, now| {
            member.advertise(ledger, now, &mut system_rng())
        });
        let advert = match advertised.await? {
            Some(Ok(advert)) => advert,
            Some(Err(refusal)) => return self.refuse(refusal),
            None => return Ok(()),
        };
        if let Some(round) = self.rounds.get_mut(&key) {
            round.advert = Some(advert.encode().into());
            let context = round.context.clone();
            self.send(&context, &advert);
        }
        Ok(())
    }
}

/// Everything a site asks of a round before it draws a secret: its own terms, then the machine's.
// spec: [join.judge]
fn judge(
    config: &MemberConfig,
    ledger: &FileLedger,
    open: &Open,
    task: &Task,
) -> Result<Member, Refusal> {
    config.policy.check_task(task)?;
    if !ledger.has_joined(&task.digest(), open.round) {
        config.policy.check_rounds(ledger.rounds_of_the_day())?;
    }
    let member = Member::invited(
        open,
        config.roster.clone(),
        config.identity.clone(),
        config.policy.floors(config.roster.len()),
        ledger,
    )?;
    Ok(member.with_threads(config.threads))
}

/// Rounds a member takes part in at once, over all tasks.
const MOST_ROUNDS: usize = 16;
