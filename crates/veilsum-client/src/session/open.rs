//! Open: an invitation is judged; then model, update and advert, in this order.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use veilsum_proto::ids::{TaskDigest, UpdateDigest};
use veilsum_proto::ledger::{Ledger as _, Reuse};
use veilsum_proto::member::Member;
use veilsum_proto::message::Open;
use veilsum_proto::refusal::Refusal;
use veilsum_proto::task::Task;

use super::Session;
use super::contribution::Making;
use super::round::{Local, Model, RoundKey, RoundState};
use super::step::{blocking, system_rng};
use super::workbench::{Earlier, Job, LocalFailure, Prepared};
use crate::rounding::noise_rng;
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
        if let Err(refusal) = self.config.policy.check_sum(task.manifest()) {
            return self.refuse(refusal);
        }
        if let Some(round) = self.rounds.get(&key) {
            if round.open.attempt == open.attempt {
                return self.opened_again(key, &open).await;
            }
            // spec: [attempt.same-model]
            if round.open.base_model != open.base_model {
                let (got, want) = (open.base_model, round.open.base_model);
                return self.refuse(Refusal::Model { got, want });
            }
        }
        // spec: [site.tasks]
        if !self.has_room_for(&key.0) {
            let text = format!(
                "rounds of {} tasks are open at once, the most this member takes part in (max_open_tasks)",
                self.config.policy.max_open_tasks
            );
            self.watcher.refused("too_many_tasks", &text);
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
        let mut round = match self.rounds.remove(&key) {
            Some(earlier) => earlier.further(open, member),
            None => RoundState::new(open, member),
        };
        round.order = self.joins;
        self.joins = self.joins.saturating_add(1);
        self.forget_before(key);
        self.make_room_for(&key.0);
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

    /// Whether a round of the task can be held beside the others, once those that are over are forgotten.
    fn has_room_for(&self, task: &TaskDigest) -> bool {
        let held = self.tasks_held(|state| !state.is_forgettable());
        held.contains(task) || held.len() < self.most_tasks()
    }

    /// Forgets rounds that are over, the oldest first, until a round of the task can be held beside the others.
    // spec: [site.forget]
    fn make_room_for(&mut self, task: &TaskDigest) {
        loop {
            let held = self.tasks_held(|_| true);
            if held.contains(task) || held.len() < self.most_tasks() {
                return;
            }
            let open = self.tasks_held(|state| !state.is_forgettable());
            let over = self.rounds.iter().filter(|(key, _)| !open.contains(&key.0));
            let oldest = over
                .min_by_key(|(_, state)| state.order)
                .map(|(key, _)| *key);
            match oldest {
                Some(key) => self.rounds.remove(&key),
                None => return,
            };
        }
    }

    fn tasks_held(&self, counts: impl Fn(&RoundState) -> bool) -> BTreeSet<TaskDigest> {
        let held = self.rounds.iter().filter(|(_, state)| counts(state));
        held.map(|(key, _)| key.0).collect()
    }

    fn most_tasks(&self) -> usize {
        usize::try_from(self.config.policy.max_open_tasks).unwrap_or(usize::MAX)
    }

    /// Takes up what was interrupted, over a new line.
    pub(super) async fn resume(&mut self) -> Result<(), ClientError> {
        for key in self.rounds.keys().copied().collect::<Vec<_>>() {
            self.advance(key).await?;
            self.fetch_sum(key);
        }
        Ok(())
    }

    /// The next thing on the way to the advert: the model, then the update or a promise of it, then the advert itself. And what is left
    /// to do once a promised update is here.
    // spec: [join.order] [join.promise]
    pub(super) async fn advance(&mut self, key: RoundKey) -> Result<(), ClientError> {
        // spec: [join.after-result]
        if self.owes_result_before(key) {
            return Ok(());
        }
        let earlier = self.earlier(key);
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
            // spec: [site.one-update]
            Local::Wanted if self.busy => Ok(()),
            Local::Wanted => {
                round.local = Local::Working;
                self.busy = true;
                let info = RoundInfo {
                    task: round.context.task.clone(),
                    round: round.context.round,
                    attempt: round.first,
                    model,
                    plan: round.context.plan.clone(),
                };
                self.workbench
                    .give(Job::Update(key, Box::new(info), earlier))
            }
            Local::Promised(digest) if round.takes_promises() => {
                let digest = *digest;
                self.advertise_once(key, digest).await
            }
            Local::Working | Local::Promised(_) | Local::Gone => Ok(()),
            Local::Ready(prepared) => {
                let digest = prepared.digest;
                match round.contribution {
                    Making::Awaited { .. } => self.keep_promise(key, &digest).await,
                    Making::Not | Making::Working { .. } | Making::Ready(..) => {
                        self.advertise_once(key, Some(digest)).await
                    }
                }
            }
        }
    }

    /// What the ledger has of a round whose update is not held: a ledger that cannot be read counts as one that has it.
    fn earlier(&self, (task, round): RoundKey) -> Earlier {
        match self.ledger().state() {
            Ok(state) if !state.has_update(&task, round) => Earlier::Nothing,
            Ok(_) | Err(_) => Earlier::Update,
        }
    }

    /// The contributor answers for an update that is not made yet.
    pub(super) async fn promised(
        &mut self,
        key: RoundKey,
        digest: Option<UpdateDigest>,
    ) -> Result<(), ClientError> {
        let working = |round: &&mut RoundState| matches!(round.local, Local::Working);
        let Some(round) = self.rounds.get_mut(&key).filter(working) else {
            return Ok(());
        };
        round.local = Local::Promised(digest);
        self.advance(key).await
    }

    /// A promised update is here: the contribution is begun, unless it could not be uploaded anyway.
    // spec: [join.promise]
    async fn keep_promise(
        &mut self,
        key: RoundKey,
        digest: &UpdateDigest,
    ) -> Result<(), ClientError> {
        if let Err(refusal) = self.usable(key, digest) {
            self.break_promise(key).await?;
            return self.refuse(refusal);
        }
        let machine = self
            .rounds
            .get(&key)
            .and_then(|round| round.member.as_ref());
        let noise = machine.and_then(Member::noise);
        self.make_contribution(key, noise);
        Ok(())
    }

    /// There is no update to be had, or none that may leave: what was drawn for it is erased. To the others the member has vanished.
    // spec: [join.promise.broken]
    pub(super) async fn break_promise(&mut self, key: RoundKey) -> Result<(), ClientError> {
        let Some(round) = self.rounds.get_mut(&key) else {
            return Ok(());
        };
        round.local = Local::Gone;
        match round.advert {
            Some(_) => self.erase(key).await,
            None => Ok(()),
        }
    }

    pub(super) async fn prepared(
        &mut self,
        key: RoundKey,
        outcome: Result<Prepared, LocalFailure>,
    ) -> Result<(), ClientError> {
        self.busy = false;
        self.take_in(key, outcome).await?;
        for key in self.rounds.keys().copied().collect::<Vec<_>>() {
            self.advance(key).await?;
        }
        Ok(())
    }

    async fn take_in(
        &mut self,
        key: RoundKey,
        outcome: Result<Prepared, LocalFailure>,
    ) -> Result<(), ClientError> {
        // of use alone to the round it was asked for: one that is over has no use for it, and one that was forgotten and opened
        // again may start from another model
        let asked =
            |round: &&mut RoundState| matches!(round.local, Local::Working | Local::Promised(_));
        let Some(round) = self.rounds.get_mut(&key).filter(asked) else {
            return Ok(());
        };
        match outcome {
            Ok(prepared) => {
                round.local = Local::Ready(Arc::new(prepared));
                round.model = Model::None; // further attempts use the same update
                self.advance(key).await
            }
            // spec: [join.no-update]
            Err(failure) => {
                self.watcher.refused(failure.kind(), &failure);
                self.break_promise(key).await
            }
        }
    }

    /// Whether the ledger would let an update into the round.
    fn usable(&self, key: RoundKey, digest: &UpdateDigest) -> Result<(), Refusal> {
        let (task, round) = key;
        let reuse = self.rounds.get(&key).map_or(Reuse::Never, |round| {
            let floors = self.config.floors(&round.context.task);
            floors.reuse(&round.context)
        });
        let ledger = self.ledger();
        Ok(ledger.state()?.may_upload(&task, round, digest, reuse)?)
    }

    /// Advertises if that is still to be done, unless the update could not be uploaded anyway. Of a promised update that may be known
    /// only when it is here.
    async fn advertise_once(
        &mut self,
        key: RoundKey,
        digest: Option<UpdateDigest>,
    ) -> Result<(), ClientError> {
        let advertised = self.rounds.get(&key).map(|round| round.advert.is_some());
        if advertised != Some(false) || self.line.is_none() {
            return Ok(());
        }
        let usable = digest.map_or(Ok(()), |digest| self.usable(key, &digest));
        if let Err(refusal) = usable {
            if let Some(round) = self.rounds.get_mut(&key) {
                round.local = Local::Gone;
            }
            return self.refuse(refusal);
        }
        let mut noise_rng = self.noise_rng(key);
        let advertised = self.step(key, move |member, ledger, now| {
            let rng = &mut system_rng();
            let advert = match &mut noise_rng {
                Some(noise_rng) => member.advertise_with_noise_of(ledger, now, rng, noise_rng)?,
                None => member.advertise(ledger, now, rng)?,
            };
            Ok((advert, member.noise()))
        });
        let (advert, noise) = match advertised.await? {
            Some(Ok(advertised)) => advertised,
            Some(Err(refusal)) => return self.refuse(refusal),
            None => return Ok(()),
        };
        if let Some(round) = self.rounds.get_mut(&key) {
            round.advert = Some(advert.encode().into());
            let context = round.context.clone();
            self.send(&context, &advert);
        }
        self.make_contribution(key, noise);
        Ok(())
    }

    /// In demonstrations alone.
    fn noise_rng(&self, (task, round): RoundKey) -> Option<ChaCha20Rng> {
        let seed = self.config.known_noise()?;
        let attempt = self.rounds.get(&(task, round))?.context.attempt;
        Some(noise_rng(&seed, &task, round, attempt))
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
        config.floors(task),
        ledger,
    )?;
    Ok(member.with_threads(config.threads))
}
