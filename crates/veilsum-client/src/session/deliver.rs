//! A message of the coordinator, brought to the machine it is meant for; and what the machine makes of it.

use veilsum_proto::member::Reply;
use veilsum_proto::message::{Body, Message};
use veilsum_proto::refusal::Refusal;

use super::Session;
use super::outcome::plain;
use super::round::{Outcome, RoundKey};
use super::step::system_rng;
use crate::ClientError;

impl Session {
    pub(super) async fn deliver(&mut self, message: Message) -> Result<(), ClientError> {
        let mut meant = self.rounds.iter();
        let Some((key, round)) = meant.find(|(_, round)| round.is_meant(&message.body)) else {
            return self.stray(&message.body);
        };
        let key = *key;
        match (&message.body, &round.outcome) {
            // repeats of what is over
            (Body::Receipt(_), Outcome::Wanted(_) | Outcome::Fetching | Outcome::Done) => Ok(()),
            (Body::Receipt(_), Outcome::Open | Outcome::Aborted) => self.give(key, message).await,
            (_, Outcome::Open) => self.give(key, message).await,
            (_, Outcome::Aborted | Outcome::Wanted(_) | Outcome::Fetching | Outcome::Done) => {
                Ok(())
            }
        }
    }

    /// One message into the machine, and what follows from its answer.
    async fn give(&mut self, key: RoundKey, message: Message) -> Result<(), ClientError> {
        let given = message.clone();
        let step = self.step(key, move |member, ledger, now| {
            member.receive(&given, ledger, now, &mut system_rng())
        });
        let Some(reply) = step.await? else {
            return Ok(());
        };
        match reply {
            Ok(Reply::Nothing) => self.taken(key, &message.body),
            Ok(Reply::Send(answer)) => self.answer(key, &answer),
            Ok(Reply::Contribute) => self.contribute(key).await?,
            Ok(Reply::Result { receipt, certified }) => self.receipt(key, receipt, certified),
            Ok(Reply::Aborted(notice)) => {
                return self.aborted(key, &plain(&notice.reason), plain(&notice.text));
            }
            Err(refusal) => return self.refused(key, refusal).await,
        }
        Ok(())
    }

    fn answer(&mut self, key: RoundKey, answer: &Message) {
        let Some(round) = self.rounds.get_mut(&key) else {
            return;
        };
        if let Body::SealedShares(sealed) = &answer.body {
            round.sid = Some(sealed.sid);
        }
        let context = round.context.clone();
        self.send(&context, answer);
    }

    /// A message that asks for no answer of the machine: the update is stored, or is to be sent again.
    fn taken(&mut self, key: RoundKey, body: &Body) {
        let Some(round) = self.rounds.get_mut(&key) else {
            return;
        };
        match body {
            // spec: [upload.keep]
            Body::UploadStored(_) => round.upload = None,
            Body::ShareSet(_) if round.machine_phase() == "uploading" => self.stream(key),
            _ => {}
        }
    }

    /// A refusal that closed the machine ends the attempt; any other leaves it where it was.
    async fn refused(&mut self, key: RoundKey, refusal: Refusal) -> Result<(), ClientError> {
        let round = self.rounds.get(&key);
        let closed =
            round.is_some_and(|round| round.is_open() && round.machine_phase() == "closed");
        let (kind, text) = (refusal.kind(), refusal.to_string());
        self.refuse(refusal)?;
        match (closed, kind) {
            (true, "closed") => self.end(key, "deadline", text).await,
            (true, _) => self.end(key, kind, text).await,
            (false, _) => Ok(()),
        }
    }

    /// A message of no round at hand. A restarted member meets these: it has vanished from its old sessions.
    fn stray(&mut self, body: &Body) -> Result<(), ClientError> {
        let got = body.name();
        self.refuse(match body {
            Body::Advert(_)
            | Body::SealedShares(_)
            | Body::Accept(_)
            | Body::UploadHeader(_)
            | Body::Confirmation(_)
            | Body::Reveal(_)
            | Body::Shares(_) => Refusal::WrongPhase {
                got,
                phase: "a member",
            },
            Body::Open(_)
            | Body::FaultNotice(_)
            | Body::Adverts(_)
            | Body::DeliveredShares(_)
            | Body::ShareSet(_)
            | Body::UploadStored(_)
            | Body::SurvivorSet(_)
            | Body::Certificate(_)
            | Body::ShareRequest(_) => Refusal::OtherSession {
                got,
                what: "session",
            },
            // how a round ended in which this member has no part; it asks for nothing
            Body::Receipt(_) | Body::AbortNotice(_) => return Ok(()),
        })
    }
}
