//! A federation, a seed, and what happens to it; as JSON it can be kept as a test.

use serde::{Deserialize, Serialize};

/// A federation with what happens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationList {
    /// What a kept list shows; empty for others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fact: String,
    /// The federation.
    pub setting: Setting,
    /// All secrets and forgeries follow from it.
    pub seed: u64,
    /// What happens, in order.
    pub operations: Vec<Operation>,
}

/// A federation, its task, and how many rounds it runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Slots of the roster.
    pub members: u32,
    /// Corrupt members reckoned with, c.
    pub corrupt: u32,
    /// Slots that may be missing, d.
    pub missing: u32,
    /// Who masks with whom.
    #[serde(default)]
    pub shape: Shape,
    /// Slots drawn for each round; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<u32>,
    /// What members contribute.
    #[serde(default)]
    pub values: Values,
    /// Noise of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// Rounds, one after the other.
    pub rounds: u64,
}

/// Who masks with whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Everyone with everyone; everyone may sign.
    #[default]
    Complete,
    /// A ring of this degree, which the parameters must allow; a committee signs if one is small enough.
    Ring(u32),
}

/// What members contribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Integers of 16 bits.
    #[default]
    Integers,
    /// Floats, rotated, with weights of 1 to 4.
    WeightedFloats,
}

/// Noise of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Skellam noise whose surplus comes off after the certificate.
    DropoutExact,
    /// Gaussian noise that stays as it is.
    Shared,
}

/// One thing that happens. What names a slot that the federation does not have does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// A member connects again, with whatever it still remembers.
    Join {
        /// Who.
        slot: u32,
    },
    /// A member loses its connection, and what is under way to and from it.
    Drop {
        /// Who.
        slot: u32,
    },
    /// A member's process ends and starts again: its secrets are gone, its ledger is not. It connects at once.
    Restart {
        /// Who.
        slot: u32,
    },
    /// The coordinator's process ends and starts again: the open round is over, everything under way is lost.
    RestartCoordinator,
    /// The next message on a link is lost.
    Lose(Link),
    /// The next message on a link comes so many milliseconds later.
    Delay {
        /// Which.
        link: Link,
        /// Milliseconds.
        ms: u64,
    },
    /// The next message on a link comes twice.
    Duplicate(Link),
    /// The next message on a link comes right after the one that follows it; if none follows, not at all.
    Reorder(Link),
    /// The next message on a link is another one. Towards the coordinator its sender has lied; towards a member the coordinator has.
    Forge {
        /// Which.
        link: Link,
        /// What comes.
        forgery: Forgery,
        /// Whether the true one comes before it.
        beside: bool,
    },
    /// Time passes.
    Advance {
        /// Milliseconds.
        ms: u64,
    },
    /// The coordinator closes the phase now.
    Close,
}

/// One direction between a member and the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// The member.
    pub slot: u32,
    /// Which way.
    pub to: Direction,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the member.
    Member,
    /// To the coordinator.
    Coordinator,
}

/// What comes instead of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Forgery {
    /// The same with one bit flipped; of a masked update, in the header or in the vector.
    Flip {
        /// Which byte, modulo their number.
        byte: u32,
        /// Which bit, modulo 8.
        bit: u8,
    },
    /// A message that went the same way before, to or from this slot: of another slot, phase, session or round.
    Replay {
        /// Whose link.
        of: u32,
        /// How many messages ago.
        back: u32,
    },
    /// The same with one field that says something else, signed again by whoever signed it, so far as that is the liar.
    Lie {
        /// Which field and value.
        choice: u32,
    },
    /// The same with this slot put into its set or taken out of it.
    Toggle {
        /// Which slot.
        slot: u32,
    },
}

/// A text is no operation list.
#[derive(Debug, thiserror::Error)]
#[error("no operation list: {0}")]
pub struct ListError(#[from] serde_json::Error);

impl OperationList {
    /// Reads a kept list.
    ///
    /// # Errors
    ///
    /// [`ListError`] where the text is no list.
    pub fn from_json(text: &str) -> Result<Self, ListError> {
        Ok(serde_json::from_str(text)?)
    }

    /// The list as text: setting and seed, then one operation a line.
    pub fn to_json(&self) -> String {
        let operations = self
            .operations
            .iter()
            .map(|operation| format!("\n    {}", line(operation)));
        let fact = match self.fact.is_empty() {
            true => String::new(),
            false => format!("  \"fact\": {},\n", line(&self.fact)),
        };
        format!(
            "{{\n{fact}  \"setting\": {},\n  \"seed\": {},\n  \"operations\": [{}\n  ]\n}}\n",
            line(&self.setting),
            self.seed,
            operations.collect::<Vec<_>>().join(","),
        )
    }
}

impl Setting {
    /// Everyone with everyone, integers, no noise, one round.
    pub fn complete(members: u32, corrupt: u32, missing: u32) -> Self {
        Self {
            members,
            corrupt,
            missing,
            shape: Shape::Complete,
            cohort: None,
            values: Values::Integers,
            noise: None,
            rounds: 1,
        }
    }
}

impl Link {
    /// The way to a member.
    pub fn to_member(slot: u32) -> Self {
        Self {
            slot,
            to: Direction::Member,
        }
    }

    /// The way from a member.
    pub fn to_coordinator(slot: u32) -> Self {
        Self {
            slot,
            to: Direction::Coordinator,
        }
    }
}

impl Operation {
    /// Slots it names.
    pub(super) fn slots(&self) -> Vec<u32> {
        let (mut named, mut copy) = (Vec::new(), *self);
        copy.rename(|slot| {
            named.push(slot);
            slot
        });
        named
    }

    /// Names other slots.
    pub(super) fn rename(&mut self, mut other: impl FnMut(u32) -> u32) {
        match self {
            Self::Join { slot } | Self::Drop { slot } | Self::Restart { slot } => {
                *slot = other(*slot)
            }
            Self::Lose(link)
            | Self::Duplicate(link)
            | Self::Reorder(link)
            | Self::Delay { link, .. } => {
                link.slot = other(link.slot);
            }
            Self::Forge { link, forgery, .. } => {
                link.slot = other(link.slot);
                match forgery {
                    Forgery::Replay { of: slot, .. } | Forgery::Toggle { slot } => {
                        *slot = other(*slot)
                    }
                    Forgery::Flip { .. } | Forgery::Lie { .. } => {}
                }
            }
            Self::RestartCoordinator | Self::Advance { .. } | Self::Close => {}
        }
    }
}

/// One value on one line.
fn line(value: &impl Serialize) -> String {
    // every type of a list has an encoding
    serde_json::to_string(value).unwrap_or_default()
}
