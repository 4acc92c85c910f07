//! The one proof that fixes the survivors of a (task, round): q signatures of the electorate on one set.

use crate::bitmap::Bitmap;
use crate::ids::{Sid, Sid2, Slot};
use crate::label::Label;
use crate::message::{Certificate, SignedSlot, SurvivorSet};
use crate::session::{RoundContext, SetError};
use std::collections::BTreeMap;
use std::sync::Arc;
use veilsum_math::Threads;

/// Survivors with a certificate that was checked, as a whole or signature by signature. There is no other way to get one.
///
/// ```compile_fail
/// use veilsum_proto::{certificate::Survivors, message::SurvivorSet};
///
/// // Survivors cannot be made up: no field is public, and only a checked certificate gives one.
/// fn forge(set: SurvivorSet) -> Survivors {
///     Survivors { set }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivors {
    set: SurvivorSet,
}

/// Why a certificate does not stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Signed for another session or Share set.
    #[error("certificate is for another session")]
    OtherSession,
    /// The set itself cannot stand.
    #[error(transparent)]
    Set(#[from] SetError),
    /// Fewer signatures than the quorum.
    #[error("certificate has {got} signatures, the quorum is {want}")]
    BelowQuorum {
        /// Signatures found.
        got: usize,
        /// Quorum.
        want: u32,
    },
    /// A signer named twice, or not in ascending order.
    #[error("certificate names slot {0} twice or out of order")]
    Duplicate(Slot),
    /// A signer that may not sign.
    #[error("slot {0} signed the certificate but is not in the electorate")]
    NotInElectorate(Slot),
    /// A signer that is no survivor.
    #[error("slot {0} signed the certificate but is not a survivor")]
    NotSurvivor(Slot),
    /// A signature that does not verify.
    #[error("signature of slot {0} on the certificate does not verify")]
    Signature(Slot),
}

impl CertificateError {
    /// Stable name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OtherSession => "certificate_session",
            Self::Set(error) => error.kind(),
            Self::BelowQuorum { .. } => "certificate_quorum",
            Self::Duplicate(_) => "certificate_duplicate",
            Self::NotInElectorate(_) => "certificate_electorate",
            Self::NotSurvivor(_) => "certificate_survivor",
            Self::Signature(_) => "certificate_signature",
        }
    }
}

impl Survivors {
    /// Checks a certificate under the sessions and the Share set the checker knows; signatures last, on so many threads.
    ///
    /// # Errors
    ///
    /// [`CertificateError`], the first thing that is wrong.
    ///
    /// # Security
    ///
    /// One certificate for one (task, round) is what keeps two fates of a member from both coming true (R1): the quorum is
    /// over the whole electorate, never over the checker's own neighbours.
    // spec: [reveal.certificate]
    pub fn certified(
        context: &RoundContext,
        sid: &Sid,
        sid2: &Sid2,
        shared: &Bitmap,
        certificate: &Certificate,
        threads: Threads,
    ) -> Result<Self, CertificateError> {
        let set = &certificate.set;
        if set.sid != *sid || set.sid2 != *sid2 {
            return Err(CertificateError::OtherSession);
        }
        check_set(context, set, shared, certificate.signatures.len())?;
        let mut last = None;
        for signed in &certificate.signatures {
            if last.is_some_and(|slot| slot >= signed.slot) {
                return Err(CertificateError::Duplicate(signed.slot));
            }
            last = Some(signed.slot);
        }
        let checked = threads.map(&certificate.signatures, |signed| {
            check_signer(context, set, signed)
        });
        checked.into_iter().collect::<Result<(), _>>()?;
        Ok(Self { set: set.clone() })
    }

    /// Whether `set` is what was certified.
    pub fn is_of(&self, set: &SurvivorSet) -> bool {
        self.set == *set
    }

    /// The set.
    pub fn bitmap(&self) -> &Bitmap {
        &self.set.survivors
    }

    /// First session.
    pub fn sid(&self) -> &Sid {
        &self.set.sid
    }

    /// Second session.
    pub fn sid2(&self) -> &Sid2 {
        &self.set.sid2
    }

    /// How many.
    pub fn count(&self) -> u32 {
        self.set.survivors.count()
    }
}

/// Signatures on one set of survivors, each of another signer and checked when it came: what a coordinator collects.
#[derive(Debug)]
pub(crate) struct Signatures {
    context: Arc<RoundContext>,
    set: SurvivorSet,
    signed: BTreeMap<Slot, SignedSlot>,
}

impl Signatures {
    /// None yet.
    pub(crate) fn on(set: SurvivorSet, context: Arc<RoundContext>) -> Self {
        Self {
            context,
            set,
            signed: BTreeMap::new(),
        }
    }

    /// Keeps the first signature of a signer, if it holds. Tells whether this is the one.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] naming the signer.
    pub(crate) fn add(&mut self, signed: &SignedSlot) -> Result<bool, CertificateError> {
        check_signer(&self.context, &self.set, signed)?;
        let first = self.signed.entry(signed.slot);
        Ok(first.or_insert_with(|| signed.clone()) == signed)
    }

    /// What is signed.
    pub(crate) fn set(&self) -> &SurvivorSet {
        &self.set
    }

    /// Signatures that are here.
    pub(crate) fn count(&self) -> usize {
        self.signed.len()
    }

    /// Whether there is one of `slot`.
    pub(crate) fn has(&self, slot: Slot) -> bool {
        self.signed.contains_key(&slot)
    }

    /// The certificate of the q lowest signers, and what it proves; no signature is checked a second time.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] of a set that cannot stand under the Share set, or of too few signatures.
    // spec: [confirm.quorum]
    pub(crate) fn certify(
        self,
        shared: &Bitmap,
    ) -> Result<(Certificate, Survivors), CertificateError> {
        let Self {
            context,
            set,
            signed,
        } = self;
        check_set(&context, &set, shared, signed.len())?;
        let quorum = context.parameters.q as usize;
        let certificate = Certificate {
            set: set.clone(),
            signatures: signed.into_values().take(quorum).collect(),
        };
        Ok((certificate, Survivors { set }))
    }
}

/// Whether so many signatures on a set may certify it.
fn check_set(
    context: &RoundContext,
    set: &SurvivorSet,
    shared: &Bitmap,
    got: usize,
) -> Result<(), CertificateError> {
    context.check_survivors(&set.survivors, shared)?;
    match context.parameters.q {
        want if got < want as usize => Err(CertificateError::BelowQuorum { got, want }),
        _ => Ok(()),
    }
}

/// Whether one signature may count: signer in the electorate, survivor, valid under its key on the roster.
///
/// # Errors
///
/// [`CertificateError`] naming the signer.
fn check_signer(
    context: &RoundContext,
    set: &SurvivorSet,
    signed: &SignedSlot,
) -> Result<(), CertificateError> {
    // spec: [confirm.electorate]
    if !context.graph.is_elector(signed.slot) {
        return Err(CertificateError::NotInElectorate(signed.slot));
    }
    if !set.survivors.contains(signed.slot) {
        return Err(CertificateError::NotSurvivor(signed.slot));
    }
    let key = context
        .roster
        .verifier_of(signed.slot)
        .ok_or(CertificateError::NotInElectorate(signed.slot))?;
    key.verify(Label::SignConfirm, &[&set.content()], &signed.signature)
        .map_err(|_| CertificateError::Signature(signed.slot))
}
