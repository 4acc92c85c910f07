//! A task file with every key explained.

use veilsum_proto::task::Task;

/// The task's own text, with an explanation before each key.
///
/// Comments carry no meaning: the file reads back as the same task.
pub(super) fn explained(task: &Task) -> String {
    let mut text = String::new();
    let mut seen = Vec::new();
    for line in task.to_toml().lines() {
        let key = line.split(" = ").next().unwrap_or(line);
        if let Some((_, why)) = WHY.iter().find(|(known, _)| *known == key)
            && !seen.contains(&key)
        {
            for comment in why.lines() {
                text.push_str(&format!("# {comment}\n"));
            }
            seen.push(key);
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

const WHY: [(&str, &str); 29] = [
    ("version", "Version of this format."),
    ("name", "Name of the task, for people, folders and logs."),
    (
        "corrupt",
        "Members that may work with the coordinator; the sum stays safe against so many.",
    ),
    (
        "dropout",
        "Members that may vanish in a round, beside the corrupt ones; the round ends with so many missing.",
    ),
    ("floor", "Smallest number of members in a sum."),
    (
        "graph",
        "Who masks with whom: \"auto\" (everybody with everybody up to 200 members, above that a ring), \"complete\",\nor the degree of a ring.",
    ),
    (
        "electorate",
        "Who signs the certificate of the survivors: \"auto\" (on a ring a committee if one is small enough) or \"all\".",
    ),
    (
        "cohort",
        "Members drawn for each round; everybody takes part when this is left out.",
    ),
    ("max_attempts", "Attempts at a round before it is given up."),
    ("[encoding]", "How values become integers."),
    (
        "kind",
        "\"float\": clipped and quantised. \"integer\": summed as they are, from `min` to `max`.",
    ),
    (
        "clip",
        "{ l2 = NORM } or { l1 = NORM }: a longer update is scaled down. { linf = BOUND }: a larger coordinate is cut.",
    ),
    (
        "precision_bits",
        "Bits of a quantised coordinate, 2 to 52. More cost bandwidth; rounding is unbiased at any number.",
    ),
    (
        "rotation",
        "Rotate before quantising, so that large coordinates are spread and few bits go further.",
    ),
    (
        "range",
        "The value that the largest integer stands for: \"full\" (what the clip lets through), { deviations = N }\nor { fixed = VALUE }. What lies beyond is cut and counted.",
    ),
    (
        "rounding",
        "\"stochastic\", or \"conditional\": drawn again while the norm is above a bound, for less noise of the unit member.",
    ),
    (
        "max_weight",
        "Largest weight of a member; weights travel masked too. 1 is a plain mean.",
    ),
    (
        "min",
        "Least value of a coordinate; a smaller one is refused.",
    ),
    (
        "max",
        "Largest value of a coordinate; a larger one is refused.",
    ),
    (
        "[noise]",
        "Noise that every member adds, in steps of the integers; `veilsum plan --epsilon` chooses it.",
    ),
    (
        "law",
        "Law of the sum of the honest noise: \"laplace\", \"skellam\" or \"gaussian\".",
    ),
    (
        "parameter",
        "Scale of \"laplace\", variance of \"skellam\", sigma squared of \"gaussian\".",
    ),
    (
        "sharing",
        "\"dropout-exact\": surplus of survivors is removed. \"shared\": it stays. \"local\": everybody adds all of it.",
    ),
    (
        "unit",
        "Whose presence is hidden: one \"member\" with all its data, or one training \"example\" of a member.",
    ),
    (
        "adjacency",
        "What the unit is compared with: \"zero-out\" (nothing in its place) or \"replace\" (any other).",
    ),
    (
        "example_clip",
        "Norm of one example in its member's update; whoever trains has to keep to it.",
    ),
    ("delta", "Delta at which epsilon is stated."),
    (
        "[[tensors]]",
        "The tensors of an update: name, length of each dimension, type of the elements.",
    ),
    (
        "dtype",
        "f32, f64, f16, bf16 in float tasks; i8 to i64, u8 to u64 in integer tasks.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    const FLOAT: &str = "version = 1\nname = \"t\"\ncorrupt = 1\ndropout = 0.1\nfloor = 3\ncohort = 5\n\
        [encoding]\nkind = \"float\"\nclip = { l2 = 1.0 }\nprecision_bits = 16\n\
        [[tensors]]\nname = \"w\"\nshape = [2, 3]\ndtype = \"f32\"\n[[tensors]]\nname = \"b\"\nshape = []\ndtype = \"f32\"\n";
    const INTEGER: &str = "version = 1\nname = \"t\"\ncorrupt = 0\ndropout = 1\n\
        [encoding]\nkind = \"integer\"\nmin = -1\nmax = 8\n\
        [[tensors]]\nname = \"w\"\nshape = [2]\ndtype = \"i8\"\n";

    const NOISY: &str = "version = 1\nname = \"t\"\ncorrupt = 0\ndropout = 1\n\
        [encoding]\nkind = \"integer\"\nmin = -1\nmax = 8\n\
        [noise]\nlaw = \"laplace\"\nparameter = 3\nunit = \"example\"\nexample_clip = { l1 = 1.0 }\ndelta = 0.001\n\
        [[tensors]]\nname = \"w\"\nshape = [2]\ndtype = \"i8\"\n";

    #[test]
    fn explained_task_reads_back_as_the_same_task() {
        for text in [FLOAT, INTEGER, NOISY] {
            let task = Task::from_toml(text).unwrap();
            let again = Task::from_toml(&explained(&task)).unwrap();
            assert_eq!(again, task);
        }
    }

    #[test]
    fn every_key_is_explained_once() {
        let all = [FLOAT, INTEGER, NOISY].map(|text| explained(&Task::from_toml(text).unwrap()));
        for (key, why) in WHY {
            let first = why.lines().next().unwrap();
            let counts = all.each_ref().map(|text| text.matches(first).count());
            assert!(
                counts.contains(&1) && counts.iter().all(|count| *count <= 1),
                "{key}: {counts:?}"
            );
        }
    }
}
