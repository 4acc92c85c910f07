//! The one proof that fixes the survivors of a (task, round): q signatures of the electorate on one set.

use crate::bitmap::Bitmap;
use crate::ids::{Sid, Sid2, Slot};
use crate::label::Label;
use crate::message::{Certificate, SignedSlot, SurvivorSet};
use crate::session::{RoundContext, SetError};
use veilsum_math::Threads;

/// Survivors with a certificate that was checked. There is no other way to get one.
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
        context.check_survivors(&set.survivors, shared)?;
        let (got, want) = (certificate.signatures.len(), context.parameters.q);
        if got < want as usize {
            return Err(CertificateError::BelowQuorum { got, want });
        }
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

/// Whether one signature may count: signer in the electorate, survivor, valid under its key on the roster.
///
/// # Errors
///
/// [`CertificateError`] naming the signer.
pub fn check_signer(
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
