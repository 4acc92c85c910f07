//! What is allowed in a round and still wants a word: sums that say much, and tasks that members refuse unless told otherwise.

use crate::exit::Outcome;
use crate::files;
use crate::output;
use veilsum_proto::parameters::{Parameters, Verdict};
use veilsum_proto::task::Task;

/// The verdict of a round, or that of a sum of two where nothing else is wrong.
pub struct Said {
    /// In words.
    pub text: String,
    /// For machines.
    pub kind: &'static str,
    /// Whether it is a warning.
    pub is_warning: bool,
}

/// What parameters withstand; with a floor of 2 never plainly "ok".
pub fn verdict(parameters: &Parameters) -> Said {
    let verdict = parameters.verdict();
    match (&verdict, parameters.f) {
        (Verdict::Ok { q, t, d, .. }, ..=SUM_OF_TWO) => Said {
            text: format!(
                "warning: {OF_TWO}; {} (q={q} t={t}, d={d})",
                instead(parameters)
            ),
            kind: "sum-of-two",
            is_warning: true,
        },
        _ => Said {
            text: verdict.to_string(),
            kind: verdict.kind(),
            is_warning: verdict.is_warning(),
        },
    }
}

/// Everything beside the verdict that members or their sites may mind.
pub fn of(parameters: &Parameters, members: u32) -> Vec<String> {
    let mut cautions = Vec::new();
    let Parameters { f, c, .. } = *parameters;
    // where the verdict says something else already
    if f <= SUM_OF_TWO && parameters.verdict().is_warning() {
        cautions.push(OF_TWO.to_owned());
    }
    if f < MIN_SURVIVORS {
        cautions.push(format!(
            "members with the default policy refuse this task: it may sum {f} members, their `min_survivors` is {MIN_SURVIVORS}"
        ));
    }
    let corrupt = policy_corrupt(members);
    if c < corrupt {
        cautions.push(format!(
            "members with the default policy refuse this task: it reckons with {c} corrupt members, their `min_corrupt` is {corrupt} here"
        ));
    }
    cautions
}

/// Tells the cautions of a task that is written for a network.
pub fn of_task(task: &Task, members: u32) -> Outcome {
    let parameters = task
        .parameters(members)
        .map_err(|error| files::task(&error))?;
    of(&parameters, members).iter().for_each(output::warn);
    Ok(())
}

/// What makes a sum one of three.
fn instead(parameters: &Parameters) -> String {
    let Parameters { n, d, .. } = *parameters;
    match n.saturating_sub(d) > SUM_OF_TWO {
        true => "raise the floor to 3".to_owned(),
        false => format!(
            "lower the tolerance to {}, or take more members",
            n.saturating_sub(MIN_SURVIVORS)
        ),
    }
}

/// As many corrupt members as the default policy reckons with, where so many leave a round; else none.
pub fn default_corrupt(members: u32, dropout: u32) -> u32 {
    let corrupt = u64::from(policy_corrupt(members));
    let (n, d) = (u64::from(members), u64::from(dropout));
    let fits = corrupt + 2 + d <= n && corrupt + 2 * d < n;
    match fits {
        true => policy_corrupt(members),
        false => 0,
    }
}

/// The default `min_corrupt` of a member on a roster of so many slots.
fn policy_corrupt(members: u32) -> u32 {
    (members / 10).max(1)
}

/// The default `min_survivors` of a member.
const MIN_SURVIVORS: u32 = 3;
/// A floor with which a sum tells inputs.
const SUM_OF_TWO: u32 = 2;
const OF_TWO: &str = "a sum of 2 members tells each the other's input";

#[cfg(test)]
mod tests {
    use super::*;
    use veilsum_client::Policy;
    use veilsum_proto::identity::Identity;

    #[test]
    fn defaults_are_those_of_the_policy() {
        let authority = Identity::from_secret_bytes(&[1; 32]).public();
        let policy = Policy::new(authority);
        assert_eq!(policy.min_survivors, MIN_SURVIVORS);
        let text = "version = 1\nname = \"t\"\ncorrupt = 0\ndropout = 1\n\
            [encoding]\nkind = \"integer\"\nmin = -1\nmax = 8\n\
            [[tensors]]\nname = \"w\"\nshape = [2]\ndtype = \"i8\"\n";
        let task = Task::from_toml(text).unwrap();
        for slots in [3, 10, 19, 20, 250] {
            assert_eq!(policy.floors(slots, &task).corrupt, policy_corrupt(slots));
        }
        let parameters = task.parameters(3).unwrap();
        assert_eq!(verdict(&parameters).kind, "sum-of-two");
        let told = of(&parameters, 3);
        assert!(told[0].contains("min_survivors") && told[1].contains("min_corrupt"));
    }

    #[test]
    fn default_corrupt_is_one_that_a_round_can_have() {
        for (members, dropout, wanted) in [(3, 0, 1), (3, 1, 0), (4, 1, 1), (12, 2, 1), (40, 4, 4)]
        {
            assert_eq!(
                default_corrupt(members, dropout),
                wanted,
                "{members} {dropout}"
            );
        }
    }
}
