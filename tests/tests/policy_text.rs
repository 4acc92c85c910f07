//! A site's policy as text, however it is written: what it says holds, or it is refused in words. A floor that a slip of the pen
//! turns off would protect nobody.

use proptest::prelude::*;
use veilsum_client::Policy;
use veilsum_proto::identity::{Identity, PublicKey};

fn authority() -> PublicKey {
    Identity::from_secret_bytes(&[7; 32]).public()
}

/// A key of the file with something behind it, right or wrong.
fn line() -> impl Strategy<Value = (bool, String)> {
    let key = prop::sample::select(&[
        (false, "min_survivors"),
        (false, "min_corrupt"),
        (false, "min_clip"),
        (false, "max_clip"),
        (false, "rounds_per_day"),
        (false, "unlisted_tasks"),
        (false, "retry"),
        (false, "reuse_update"),
        (false, "longest_attempt"),
        (false, "max_model_bytes"),
        (false, "max_sum_bytes"),
        (false, "max_open_tasks"),
        (false, "encodings"),
        (false, "tasks"),
        (false, "min_survivor"),
        (true, "required"),
        (true, "required"),
        (true, "unit"),
        (true, "adjacency"),
        (true, "epsilon_per_round"),
        (true, "epsilon_per_task"),
        (true, "epsilon_total"),
        (true, "delta"),
        (true, "delta"),
        (true, "epsilon"),
    ]);
    let value = prop_oneof![
        4 => (0u32..12).prop_map(|number| number.to_string()),
        2 => (-2.0f64..9.0).prop_map(|number| format!("{number:.3}")),
        1 => any::<f64>().prop_map(|number| format!("{number:e}")),
        2 => Just("1e-6".to_owned()),
        3 => any::<bool>().prop_map(|said| said.to_string()),
        3 => prop::sample::select(&[
            "\"never\"", "\"refuse\"", "\"any\"", "\"member\"", "\"example\"", "\"zero-out\"", "\"replace\"",
            "[\"float\"]", "[]", "[\"digits\"]", "\"1h\"", "inf", "nan", "-1", "{ l2 = 1.0 }",
        ]).prop_map(str::to_owned),
    ];
    (key, value).prop_map(|((private, key), value)| (private, format!("{key} = {value}\n")))
}

/// The file of these lines.
fn text(lines: &[(bool, String)]) -> String {
    let of = |wanted: bool| {
        let lines = lines.iter().filter(move |(private, _)| *private == wanted);
        lines.map(|(_, line)| line.as_str()).collect::<String>()
    };
    let (site, privacy) = (of(false), of(true));
    let authority = authority();
    format!("version = 1\nauthority = \"{authority}\"\n{site}[privacy]\n{privacy}")
}

/// Whether the file has this line.
fn says(lines: &[(bool, String)], key: &str, value: &str) -> bool {
    lines
        .iter()
        .any(|(_, line)| *line == format!("{key} = {value}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    // spec: [policy.strict] [policy.privacy.numbers] [policy.privacy.delta] [policy.privacy.total]
    #[test]
    fn what_a_policy_says_holds_or_it_is_refused_in_words(lines in prop::collection::vec(line(), 0..7)) {
        let text = text(&lines);
        let policy = match Policy::from_toml(&text) {
            Ok(policy) => policy,
            Err(error) => {
                prop_assert!(!error.to_string().is_empty() && !error.to_string().contains('\n'));
                return Ok(());
            }
        };
        prop_assert_eq!(policy.authority, authority());
        prop_assert!(policy.min_survivors >= 2 && policy.max_open_tasks >= 1);
        for (number, set) in [
            ("min_survivors", Some(policy.min_survivors)),
            ("min_corrupt", policy.min_corrupt),
            ("rounds_per_day", policy.rounds_per_day),
            ("max_open_tasks", Some(policy.max_open_tasks)),
        ] {
            let said = lines.iter().any(|(_, line)| line.starts_with(&format!("{number} = ")));
            prop_assert!(!said || set.is_some_and(|set| says(&lines, number, &set.to_string())), "{}", number);
        }
        prop_assert!(!says(&lines, "retry", "\"1h\"") && !says(&lines, "min_survivor", "1"));
        let bound = lines.iter().any(|(_, line)| line.starts_with("epsilon_"));
        prop_assert_eq!(bound, !policy.privacy.bounds.is_empty(), "a bound that is written is one");
        for bounds in &policy.privacy.bounds {
            prop_assert!(policy.privacy.required, "a task without noise would slip under");
            prop_assert!(bounds.delta > 0.0 && bounds.delta < 1.0);
            let all = [bounds.per_round, bounds.per_task, bounds.total];
            prop_assert!(all.iter().flatten().all(|epsilon| epsilon.is_finite() && *epsilon > 0.0));
            prop_assert!(bounds.total.is_some() || policy.tasks.is_some(), "tasks can be invented");
        }
    }

    // spec: [policy.strict]
    #[test]
    fn any_text_is_refused_in_one_line_or_is_a_policy(junk in "\\PC{0,60}", at in 0usize..2000) {
        let example = Policy::example().replace(&"0".repeat(64), &authority().to_string());
        prop_assert!(Policy::from_toml(&example).is_ok());
        let at = (0..=at.min(example.len())).rev().find(|at| example.is_char_boundary(*at));
        let (before, after) = example.split_at(at.unwrap_or(0));
        for text in [junk.clone(), format!("{before}{junk}{after}"), format!("{before}{junk}")] {
            if let Err(error) = Policy::from_toml(&text) {
                prop_assert!(!error.to_string().contains('\n'), "{}", error);
            }
        }
    }
}
