//! Confirm: one signature per (task, round), recorded before it exists; then the certificate.

use crate::certificate::Survivors;
use crate::identity::Signature;
use crate::ledger::{Entry, Ledger};
use crate::member::Me;
use crate::member::reveal::Revealing;
use crate::member::upload::{Signed, Uploaded};
use crate::message::{Certificate, Confirmation, SignedSlot, SurvivorSet};
use crate::refusal::Refusal;
use crate::session::{SURVIVORS, check_holds, survivors_digest};

impl Uploaded {
    /// Checklist 10 and 11.
    // spec: [confirm.check]
    pub(super) fn sign(
        &mut self,
        me: &Me,
        set: &SurvivorSet,
        ledger: &mut dyn Ledger,
    ) -> Result<Confirmation, Refusal> {
        // spec: [confirm.session]
        if set.sid != self.ready.sid || set.sid2 != self.ready.sid2 {
            return Err(Refusal::OtherSession {
                got: "SurvivorSet",
                what: "session",
            });
        }
        if let Some(signed) = &self.signed {
            // spec: [confirm.one-set]
            return match signed.set == *set {
                true => Ok(self.confirmation(me, &signed.signature)),
                false => Err(Refusal::Second("SurvivorSet")),
            };
        }
        if !me.context.graph.is_elector(me.slot) {
            return Err(Refusal::NotInElectorate);
        }
        me.context
            .check_survivors(&set.survivors, &self.ready.share_set.shared)?;
        check_holds(SURVIVORS, &set.survivors, me.slot)?;
        let (task, round) = (me.context.task_digest, me.context.round);
        ledger
            .state()?
            .is_current(&task, round, me.context.attempt)?;
        ledger.state()?.may_sign(&task, round)?;
        // spec: [confirm.record]
        let survivors = survivors_digest(&set.sid2, &set.survivors);
        ledger.record(Entry::Signed {
            task,
            round,
            sid2: set.sid2,
            survivors,
        })?;
        let signature = set.sign(&me.identity);
        self.signed = Some(Signed {
            set: set.clone(),
            signature,
        });
        Ok(self.confirmation(me, &signature))
    }

    /// Checklist 12 and 13.
    // spec: [reveal.record]
    pub(super) fn check_certificate(
        &self,
        me: &Me,
        certificate: &Certificate,
        ledger: &mut dyn Ledger,
    ) -> Result<Survivors, Refusal> {
        let ready = &self.ready;
        let shared = &ready.share_set.shared;
        let survivors = Survivors::certified(
            &me.context,
            &ready.sid,
            &ready.sid2,
            shared,
            certificate,
            me.threads,
        )?;
        check_holds(SURVIVORS, survivors.bitmap(), me.slot)?;
        let (task, round, sid2) = (me.context.task_digest, me.context.round, ready.sid2);
        let digest = survivors_digest(&sid2, survivors.bitmap());
        ledger
            .state()?
            .is_current(&task, round, me.context.attempt)?;
        match ledger.state()?.certified(&task, round) {
            Some(had) if had == (sid2, digest) => {}
            Some(_) => return Err(Refusal::OtherSurvivors),
            None => ledger.record(Entry::Certified {
                task,
                round,
                sid2,
                survivors: digest,
            })?,
        }
        Ok(survivors)
    }

    pub(super) fn reveal(self, me: &Me, survivors: Survivors) -> Revealing {
        Revealing::new(me, self.ready, survivors)
    }

    fn confirmation(&self, me: &Me, signature: &Signature) -> Confirmation {
        Confirmation {
            sid2: self.ready.sid2,
            signed: SignedSlot {
                slot: me.slot,
                signature: *signature,
            },
        }
    }
}
