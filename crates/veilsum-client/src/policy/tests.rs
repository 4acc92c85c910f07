use super::*;
use veilsum_dp::{Adjacency, Unit};
use veilsum_proto::member::{Bounds, ExampleClip};

const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn policy(lines: &str) -> Result<Policy, PolicyError> {
    Policy::from_toml(&format!("version = 1\nauthority = \"{KEY}\"\n{lines}"))
}

fn task(encoding: &str, dtype: &str) -> Task {
    let text = format!(
        "version = 1\nname = \"digits\"\ncorrupt = 1\ndropout = 0\n[encoding]\n{encoding}\n\
         [[tensors]]\nname = \"w\"\nshape = [3]\ndtype = \"{dtype}\"\n"
    );
    Task::from_toml(&text).unwrap()
}

fn float(clip: &str) -> Task {
    task(
        &format!("kind = \"float\"\nclip = {{ {clip} }}\nprecision_bits = 16"),
        "f32",
    )
}

fn integer() -> Task {
    task("kind = \"integer\"\nmin = 0\nmax = 9", "u8")
}

// spec: [policy.strict]
#[test]
fn the_authority_has_no_default() {
    let error = Policy::from_toml("version = 1\n").unwrap_err();
    assert!(error.to_string().contains("authority"), "{error}");
}

// spec: [policy.strict]
#[test]
fn the_example_lists_the_defaults_and_is_refused_until_an_authority_is_named() {
    let example = Policy::example();
    let error = Policy::from_toml(example).unwrap_err();
    assert!(error.to_string().contains("authority"), "{error}");
    let filled = example.replace(&"0".repeat(64), KEY);
    assert_eq!(
        Policy::from_toml(&filled).unwrap(),
        Policy::new(KEY.parse().unwrap())
    );
    let uncommented = filled
        .replace("# min_clip", "min_clip")
        .replace("# max_clip", "max_clip")
        .replace("# rounds_per_day", "rounds_per_day")
        .replace("# tasks", "tasks")
        .replace("required = false", "required = true")
        .replace("# unit", "unit")
        .replace("# epsilon", "epsilon")
        .replace("# delta", "delta")
        .replace("# adjacency", "adjacency")
        .replace("# example_clip", "example_clip");
    let policy = Policy::from_toml(&uncommented).unwrap();
    assert_eq!(
        (policy.min_clip, policy.max_clip),
        (Some(0.01), Some(100.0))
    );
    assert_eq!(policy.rounds_per_day, Some(100));
    assert_eq!(
        policy.tasks,
        Some(vec![TaskName::Name("digits".parse().unwrap())])
    );
    let privacy = PrivacyFloors {
        required: true,
        unit: Some(Unit::Example),
        adjacency: Some(Adjacency::Replace),
        example_clip: ExampleClip::Kept(Clip::L2(1.0)),
        bounds: vec![Bounds {
            delta: 1e-6,
            per_round: Some(1.0),
            per_task: Some(4.0),
            total: Some(8.0),
        }],
    };
    assert_eq!(policy.privacy, privacy);
}

// spec: [policy.strict]
#[test]
fn an_unknown_key_is_named() {
    let error = policy("min_survivor = 5\n").unwrap_err();
    assert_eq!(error.kind(), "policy_toml");
    assert!(error.to_string().contains("min_survivor"), "{error}");
    assert!(!error.to_string().contains('\n'));
}

// spec: [policy.numbers]
#[test]
fn numbers_and_lists_that_protect_nobody_or_allow_nothing_are_refused() {
    let cases = [
        ("min_survivors = 1", "min_survivors"),
        ("min_survivors = 0", "min_survivors"),
        ("max_clip = 0.0", "max_clip"),
        ("max_clip = nan", "max_clip"),
        ("min_clip = inf", "min_clip"),
        ("min_clip = -1.0", "min_clip"),
        ("rounds_per_day = 0", "rounds_per_day"),
        ("longest_attempt = 0", "longest_attempt"),
        ("encodings = []", "encodings"),
        ("tasks = []", "tasks"),
        ("retry = \"always\"", "retry"),
        ("encodings = [\"double\"]", "encodings"),
        ("min_corrupt = -1", "min_corrupt"),
        ("tasks = [\"../digits\"]", "tasks"),
        ("max_sum_bytes = 7", "max_sum_bytes"),
        ("max_open_tasks = 0", "max_open_tasks"),
    ];
    for (line, key) in cases {
        let error = policy(line).unwrap_err();
        assert!(error.to_string().contains(key), "{line}: {error}");
    }
    let error = Policy::from_toml(&format!("version = 2\nauthority = \"{KEY}\"\n")).unwrap_err();
    assert_eq!(error, PolicyError::Version { found: 2 });
}

// spec: [policy.privacy.numbers]
#[test]
fn bounds_on_epsilon_that_bind_nothing_are_refused() {
    let cases = [
        (
            "required = true\nepsilon_per_round = 0.0",
            "privacy.epsilon_per_round",
        ),
        (
            "required = true\nepsilon_per_task = nan",
            "privacy.epsilon_per_task",
        ),
        (
            "required = true\nepsilon_total = inf",
            "privacy.epsilon_total",
        ),
        ("required = true\ndelta = 0.0", "privacy.delta"),
        ("required = true\ndelta = 1.0", "privacy.delta"),
        ("required = true\nunit = \"site\"", "unit"),
        ("required = true\nepsilon = 1.0", "epsilon"),
        ("example_clip = { l2 = 0.0 }", "privacy.example_clip"),
        ("unit = \"member\"", "privacy.unit"),
        ("adjacency = \"replace\"", "privacy.adjacency"),
        ("epsilon_total = 8.0", "privacy.epsilon_total"),
        ("required = false\ndelta = 1e-6", "privacy.delta"),
    ];
    for (lines, key) in cases {
        let error = policy(&format!("[privacy]\n{lines}\n")).unwrap_err();
        assert!(error.to_string().contains(key), "{lines}: {error}");
    }
    let error = policy("[privacy]\nepsilon_total = 8.0\n").unwrap_err();
    assert_eq!(error.kind(), "policy_unbound");
    policy("[privacy]\nrequired = true\nunit = \"member\"\nepsilon_total = 8\ndelta = 1e-6\n")
        .unwrap();
    policy("[privacy]\nexample_clip = { l1 = 2.0 }\n").unwrap();
}

// spec: [policy.privacy.delta]
#[test]
fn an_epsilon_whose_delta_the_coordinator_would_choose_is_refused() {
    for key in ["epsilon_per_round", "epsilon_per_task", "epsilon_total"] {
        let text =
            format!("unlisted_tasks = \"refuse\"\n[privacy]\nrequired = true\n{key} = 8.0\n");
        let error = policy(&text).unwrap_err();
        assert_eq!(error.kind(), "policy_no_delta");
        assert!(error.to_string().contains(key), "{error}");
        policy(&format!("{text}delta = 1e-6\n")).unwrap();
    }
}

// spec: [policy.privacy.total]
#[test]
fn bounds_that_each_of_many_invented_tasks_would_keep_to_are_refused() {
    let digest = "0".repeat(64);
    let with = |head: &str, key: &str| {
        policy(&format!(
            "{head}\n[privacy]\nrequired = true\n{key} = 1.0\ndelta = 1e-6\n"
        ))
    };
    for key in ["epsilon_per_round", "epsilon_per_task"] {
        for head in ["", "tasks = [\"digits\"]", "unlisted_tasks = \"any\""] {
            assert_eq!(with(head, key), Err(PolicyError::NoTotal), "{head}");
        }
        with("unlisted_tasks = \"refuse\"", key).unwrap();
        with(&format!("tasks = [\"{digest}\"]"), key).unwrap();
        with("", &format!("epsilon_total = 8.0\n{key}")).unwrap();
    }
}

// spec: [policy.privacy.largest]
#[test]
fn a_total_that_nothing_can_be_told_of_is_refused_with_the_largest_that_can() {
    let total = |epsilon: f64, delta: &str| {
        policy(&format!(
            "[privacy]\nrequired = true\nepsilon_total = {epsilon:?}\ndelta = {delta}\n"
        ))
    };
    for found in [1e9, 1000.0, 38.87] {
        let error = total(found, "1e-6").unwrap_err();
        assert_eq!(error.kind(), "policy_too_large");
        let text = error.to_string();
        assert!(text.contains("at most 38.86 at this delta"), "{text}");
    }
    total(38.86, "1e-6").unwrap();
    total(40.0, "1e-5").unwrap();
    // bounds of one round and of one task may be as large as they like
    let text = "epsilon_per_round = 1e9\nepsilon_per_task = 1e9\nepsilon_total = 8.0";
    policy(&format!(
        "[privacy]\nrequired = true\n{text}\ndelta = 1e-6\n"
    ))
    .unwrap();
}

// spec: [policy.sum]
#[test]
fn the_largest_sum_is_counted_in_bytes_of_its_integers() {
    let task = float("l2 = 1.0");
    assert_eq!(
        policy("max_sum_bytes = 24")
            .unwrap()
            .check_sum(task.manifest()),
        Ok(())
    );
    let refusal = policy("max_sum_bytes = 23")
        .unwrap()
        .check_sum(task.manifest())
        .unwrap_err();
    assert!(is_of_task(&refusal));
    assert_eq!(
        refusal.to_string(),
        "size of the sum is 3 coordinates of 8 bytes, this site wants at most 23 bytes (max_sum_bytes)"
    );
}

#[test]
fn floors_are_those_of_the_file() {
    let text = "min_survivors = 7\nmin_corrupt = 2\nunlisted_tasks = \"refuse\"\nretry = \"never\"\nreuse_update = true\nlongest_attempt = 60\n[privacy]\nrequired = true\n";
    let wanted = Floors {
        survivors: 7,
        corrupt: 2,
        unlisted: UnlistedTasks::Refused,
        privacy: PrivacyFloors {
            required: true,
            ..Default::default()
        },
        retry: false,
        reuse_update: true,
        longest_attempt: Duration::from_secs(60),
    };
    assert_eq!(policy(text).unwrap().floors(100, &integer()), wanted);
    assert!(policy("").unwrap().floors(100, &integer()).retry);
}

// spec: [policy.corrupt]
#[test]
fn corrupt_members_assumed_grow_with_the_roster_unless_the_site_sets_them() {
    let corrupt = |text: &str, slots| policy(text).unwrap().floors(slots, &integer()).corrupt;
    assert_eq!(
        [3, 19, 20, 1000].map(|slots| corrupt("", slots)),
        [1, 1, 2, 100]
    );
    assert_eq!(corrupt("min_corrupt = 5\n", 1000), 5);
}

// spec: [policy.unlisted]
#[test]
fn a_task_pinned_by_its_digest_counts_as_listed_and_one_named_does_not() {
    let task = integer();
    let unlisted = |text: &str| policy(text).unwrap().floors(100, &task).unlisted;
    assert_eq!(unlisted(""), UnlistedTasks::Undrawn);
    assert_eq!(unlisted("unlisted_tasks = \"any\"\n"), UnlistedTasks::Any);
    let named = format!("tasks = [\"{}\"]\n", task.name());
    assert_eq!(unlisted(&named), UnlistedTasks::Undrawn);
    let pinned = format!(
        "unlisted_tasks = \"refuse\"\ntasks = [\"{}\"]\n",
        task.digest()
    );
    assert_eq!(unlisted(&pinned), UnlistedTasks::Any);
}

// spec: [policy.task]
#[test]
fn tasks_are_allowed_by_name_or_by_digest() {
    let (task, other) = (float("l2 = 1.0"), float("l2 = 2.0"));
    let by_name = policy("tasks = [\"digits\"]").unwrap();
    assert_eq!(
        (by_name.check_task(&task), by_name.check_task(&other)),
        (Ok(()), Ok(()))
    );
    let by_digest = policy(&format!("tasks = [\"{}\"]", task.digest())).unwrap();
    assert_eq!(by_digest.check_task(&task), Ok(()));
    let refusal = by_digest.check_task(&other).unwrap_err();
    let text = refusal.to_string();
    assert!(text.contains(&other.digest().to_string()), "{text}");
    assert!(text.contains(&task.digest().to_string()), "{text}");
}

// spec: [policy.encoding]
#[test]
fn encodings_are_allowed_one_by_one() {
    let floats = policy("encodings = [\"float\"]").unwrap();
    assert_eq!(floats.check_task(&float("l2 = 1.0")), Ok(()));
    let refusal = floats.check_task(&integer()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "encoding is integer, this site wants float"
    );
}

// spec: [policy.clip]
#[test]
fn clips_are_bounded_on_both_sides_and_integer_tasks_have_none() {
    let bounded = policy("min_clip = 0.5\nmax_clip = 2.0").unwrap();
    for clip in ["l2 = 0.5", "linf = 2.0"] {
        assert_eq!(bounded.check_task(&float(clip)), Ok(()));
    }
    let text = |clip| bounded.check_task(&float(clip)).unwrap_err().to_string();
    assert_eq!(
        text("l2 = 0.4"),
        "clip is 0.4, this site wants at least 0.5"
    );
    assert_eq!(text("linf = 2.5"), "clip is 2.5, this site wants at most 2");
    assert_eq!(bounded.check_task(&integer()), Ok(()));
}

// spec: [policy.rounds]
#[test]
fn a_full_day_is_not_a_refusal_of_the_task() {
    let policy = policy("rounds_per_day = 2").unwrap();
    assert_eq!(policy.check_rounds(1), Ok(()));
    let refusal = policy.check_rounds(2).unwrap_err();
    assert!(!is_of_task(&refusal));
    assert!(refusal.to_string().contains("2"), "{refusal}");
}
