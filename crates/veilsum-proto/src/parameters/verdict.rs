//! What a person is told about parameters: one line.

use super::derive::Parameters;
use std::fmt;

/// How much the parameters of a round withstand; shown as one line.
// spec: [params.verdict]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The tolerated members may vanish even if all corrupt ones refuse.
    Ok {
        /// Signatures of a certificate.
        q: u32,
        /// Shares that rebuild a secret.
        t: u32,
        /// Tolerated drop-outs.
        d: u32,
        /// Corrupt members.
        c: u32,
    },
    /// The tolerated members may vanish only while corrupt ones answer.
    EndsByRefusal {
        /// Tolerated drop-outs.
        d: u32,
        /// Corrupt members whose refusal ends the round.
        refusals: u32,
    },
    /// The quorum is everybody.
    AllMustAnswer {
        /// Members.
        n: u32,
    },
}

/// Most drop-outs that a complete graph tolerates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargestTolerance {
    /// Even if all corrupt members refuse: `3c + 2d < n`. None if every one of the members must answer, or not even that helps.
    pub if_corrupt_refuse: Option<u32>,
    /// If they answer: `c + 2d < n` and `c + 2 <= n - d`. None if there are too many corrupt for any sum.
    pub if_corrupt_answer: Option<u32>,
}

/// Most drop-outs that `n` members, `c` of them corrupt, tolerate in the complete graph.
// spec: [params.small]
pub fn largest_tolerance(n: u32, c: u32) -> LargestTolerance {
    // largest d with corrupt + 2d < n
    let below = |corrupt: u32| n.checked_sub(corrupt)?.checked_sub(1).map(|rest| rest / 2);
    let two_honest = n.checked_sub(c).and_then(|honest| honest.checked_sub(2));
    LargestTolerance {
        if_corrupt_refuse: below(c.saturating_mul(3)).zip(two_honest).map(least),
        if_corrupt_answer: below(c).zip(two_honest).map(least),
    }
}

impl Parameters {
    /// What these parameters withstand.
    pub fn verdict(&self) -> Verdict {
        if self.q >= self.n {
            return Verdict::AllMustAnswer { n: self.n };
        }
        let staying = self.n.saturating_sub(self.d);
        let spare = staying.saturating_sub(self.q);
        // on the ring the derivation has already made sure of it
        if !self.is_complete() || self.c <= spare {
            return Verdict::Ok {
                q: self.q,
                t: self.t,
                d: self.d,
                c: self.c,
            };
        }
        Verdict::EndsByRefusal {
            d: self.d,
            refusals: spare.saturating_add(1),
        }
    }
}

impl Verdict {
    /// Stable name for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ok { .. } => "ok",
            Self::EndsByRefusal { .. } => "ends-by-refusal",
            Self::AllMustAnswer { .. } => "all-must-answer",
        }
    }

    /// Whether it is a warning.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Ok { .. } => false,
            Self::EndsByRefusal { .. } | Self::AllMustAnswer { .. } => true,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Ok { q, t, d, c } => {
                write!(
                    f,
                    "ok: q={q} t={t}, tolerates {}{}",
                    drop_outs(d),
                    even_if_corrupt_refuse(c)
                )
            }
            Self::EndsByRefusal { d, refusals: 1 } => write!(
                f,
                "warning: tolerates {}, but one corrupt member that refuses ends the round",
                drop_outs(d)
            ),
            Self::EndsByRefusal { d, refusals } => write!(
                f,
                "warning: tolerates {}, but {refusals} corrupt members that refuse end the round",
                drop_outs(d)
            ),
            Self::AllMustAnswer { n } => write!(f, "warning: all {n} members must answer"),
        }
    }
}

fn drop_outs(d: u32) -> String {
    match d {
        1 => "1 drop-out".into(),
        _ => format!("{d} drop-outs"),
    }
}

fn even_if_corrupt_refuse(c: u32) -> String {
    match c {
        0 => String::new(),
        1 => " even if 1 corrupt member refuses".into(),
        _ => format!(" even if {c} corrupt members refuse"),
    }
}

fn least((one, other): (u32, u32)) -> u32 {
    one.min(other)
}
