//! Updates: rows, contributions, and the peers they are masked with.

use super::Play;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::{BTreeMap, BTreeSet};
use veilsum_dp::MemberNoise;
use veilsum_encode::{
    Contribution, Tensor, TensorData, Update, Weight, contribute, contribute_with_noise,
};
use veilsum_proto::ids::{Slot, UpdateDigest};
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::message::{Body, UploadHeader};
use veilsum_proto::refusal::Refusal;
use veilsum_sim::Inputs as _;
use veilsum_sim::knowledge::peers;

impl Play {
    /// Lets a member upload its own row.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn upload(&mut self, slot: u32) -> Result<(UploadHeader, MaskedUpdate), Refusal> {
        self.upload_row(slot, self.inputs.row(Slot(slot)))
    }

    /// Lets a member upload these values.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn upload_row(
        &mut self,
        slot: u32,
        row: Vec<i64>,
    ) -> Result<(UploadHeader, MaskedUpdate), Refusal> {
        let slot = Slot(slot);
        let machine = self.players[&slot].machine.as_ref();
        let noise = machine.expect("the member has a machine").noise();
        let (contribution, digest) = self.contribution_with(row, noise.as_ref());
        let player = self.players.get_mut(&slot).unwrap();
        let machine = player.machine.as_mut().expect("the member has a machine");
        let (message, update) = machine.upload(contribution, digest, &mut player.ledger)?;
        let Body::UploadHeader(header) = message.body else {
            panic!("found {}, wanted UploadHeader", message.body.name());
        };
        player.header = Some(header.clone());
        let peers = self.peers(slot);
        self.tap.uploaded(&self.context, &header, peers, digest);
        Ok((header, update))
    }

    /// The neighbours that a member masks with under the Share set it took.
    pub fn peers(&self, slot: Slot) -> BTreeSet<Slot> {
        let player = &self.players[&slot];
        let set = player
            .share_set
            .as_ref()
            .expect("the member took a Share set");
        peers(&self.context, slot, player.accept.as_ref(), set)
    }

    /// A contribution of these values, with the digest of the update they are; without noise.
    pub fn contribution(&self, row: Vec<i64>) -> (Contribution, UpdateDigest) {
        self.contribution_with(row, None)
    }

    /// A contribution of these values with this noise, and the digest of the update they are.
    pub fn contribution_with(
        &self,
        row: Vec<i64>,
        noise: Option<&MemberNoise>,
    ) -> (Contribution, UpdateDigest) {
        let tensor = Tensor {
            shape: vec![row.len() as u64],
            data: TensorData::I64(row),
        };
        let tensors = BTreeMap::from([("x".to_owned(), tensor)]);
        let update = Update::new(self.context.task.manifest(), tensors).unwrap();
        let digest = UpdateDigest(update.digest());
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        let seed = self.context.rotation_seed();
        let plan = &self.context.plan;
        let made = match noise {
            Some(own) => {
                let of_round = self.context.noise.as_ref().expect("the task has noise");
                let of_round = of_round.plan();
                contribute_with_noise(update, plan, Weight::ONE, &seed, of_round, own, &mut rng)
            }
            None => contribute(update, plan, Weight::ONE, &seed, &mut rng),
        };
        (made.unwrap().0, digest)
    }

    /// The row of a member.
    pub fn row(&self, slot: u32) -> Vec<i64> {
        self.inputs.row(Slot(slot))
    }
}
