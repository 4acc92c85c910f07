//! A job and its halves: what is refused, what each algorithm learns, and that a restart changes no bit.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use veilsum_encode::{Clip, Encoding, Tensors};
use veilsum_learn::job::{
    Algorithm, CoordinatorHalf, DataSpec, EncodingSpec, Ending, EvaluationSpec, Job, JobSpec,
    Judge, LocalSpec, MemberHalf, PrivacySpec, ServerSpec, Split, StopSpec, WatchSpec,
};
use veilsum_learn::{Checkpoint, Evaluation, Outcome, WeightedMean, evaluate};

#[test]
fn example_says_the_defaults_of_every_key() {
    // spec: [job.strict]
    let found = Job::spec_from_toml(Job::example()).unwrap();
    let wanted = JobSpec {
        checkpoint: None,
        ..JobSpec::new(
            12,
            20,
            DataSpec::digits(Split::ByLabel),
            Algorithm::FedAvg {},
        )
    };
    assert_eq!(found, wanted);
    // A key that is left out has the value shown.
    for text in ["", "[data]\n[algorithm]\n", "[data]\ntest_percent = 20\n"] {
        assert_eq!(Job::spec_from_toml(text).unwrap(), wanted, "{text}");
    }
    // What stands behind `#` reads as well.
    let told: Vec<&str> = Job::example()
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .collect();
    for key in [
        "rate =",
        "clip =",
        "[privacy]",
        "[stop]",
        "clients_per_round",
    ] {
        assert!(told.iter().any(|line| line.starts_with(key)), "{key}");
    }
    let privacy = "epsilon = 8.0\ndelta = 1e-5\nunit = \"member\"\nmechanism = \"skellam\"\nsharing = \"dropout-exact\"\nadjacency = \"zero-out\"";
    let text = format!("{}\n[privacy]\n{privacy}", Job::example());
    let spec = Job::spec_from_toml(&text).unwrap();
    assert_eq!(
        spec.privacy.map(|found| (found.epsilon, found.delta)),
        Some((8.0, 1e-5))
    );
}

#[test]
fn a_job_survives_its_own_text() {
    let spec = JobSpec {
        model: veilsum_learn::job::ModelSpec::Mlp(8),
        stop: Some(StopSpec {
            patience: 3,
            min_delta: 0.5,
            watch: WatchSpec::Loss,
        }),
        privacy: Some(PrivacySpec::new(4.0, 1e-5)),
        evaluation: public(),
        ..dp_fedavg(Some(0.5))
    };
    let text = toml::to_string(&spec).unwrap();
    assert_eq!(Job::spec_from_toml(&text).unwrap(), spec, "{text}");
}

#[test]
fn unknown_and_wrong_keys_are_told_with_their_line() {
    // spec: [job.strict]
    for (text, wanted) in [
        ("members = 3\nround = 2\n", "line 2: unknown field `round`"),
        (
            "members = 3\nrounds = 2\n[data]\nsource = \"mnist\"\n",
            "unknown variant `mnist`",
        ),
        (
            "members = 3\nrounds = 2\n[data]\nsource = \"digits\"\nlabel = \"y\"\n[algorithm]\nname = \"fedavg\"",
            "label",
        ),
        (
            "members = 3\nrounds = 2\n[data]\nsource = \"digits\"\n[algorithm]\nname = \"fedavg\"\nmu = 1.0",
            "mu",
        ),
        ("members = \"x\"", "line 1: invalid type"),
    ] {
        let refused = Job::from_toml(text).unwrap_err().to_string();
        assert!(refused.contains(wanted), "{refused}");
    }
}

#[test]
fn dp_sgd_sums_no_more_examples_than_its_clip_leaves_room_for() {
    // spec: [dp.sum.most]
    let refusal = |most: u32| {
        let text = format!(
            "members = 3\nrounds = 2\n[data]\nsource = \"csv\"\nfiles = [\"a\", \"b\", \"c\"]\ntest = \"t\"\nlabel = \"y\"\nfeatures = 2\n\
             classes = 2\nmax_examples = {most}\ntotal_examples = 100\n[algorithm]\nname = \"dp-sgd\"\nclip = 1.0\n[evaluation]\non = \"public\"\n\
             [encoding]\nclip = 100.0\n[privacy]\nepsilon = 8.0\ndelta = 1e-5\n"
        );
        Job::from_toml(&text)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let refused = refusal((1 << 20) + 1).unwrap_err();
    assert!(refused.contains("at most 2^20 with dp-sgd"), "{refused}");
    let other = refusal(1 << 20).err().unwrap_or_default();
    assert!(!other.contains("2^20"), "{other}");
}

#[test]
fn numbers_out_of_range_and_tables_that_do_not_go_together_are_named() {
    // spec: [job.check] [job.unit] [job.evaluation.private] [job.subset.private]
    let base = || fedavg(Split::Iid);
    let digits = DataSpec::digits;
    let private = |algorithm| JobSpec {
        privacy: Some(PrivacySpec::new(8.0, 1e-5)),
        evaluation: public(),
        ..JobSpec::new(6, 2, digits(Split::Iid), algorithm)
    };
    let laplace = |spec: JobSpec| JobSpec {
        privacy: spec.privacy.map(|privacy| PrivacySpec {
            mechanism: veilsum_learn::job::Mechanism::Laplace,
            ..privacy
        }),
        ..spec
    };
    let cases: Vec<(JobSpec, &str)> = vec![
        (
            JobSpec {
                members: 2,
                ..base()
            },
            "`members` is 2",
        ),
        (
            JobSpec {
                rounds: 0,
                ..base()
            },
            "`rounds` is 0",
        ),
        (
            JobSpec {
                name: "A b".into(),
                ..base()
            },
            "`name` is \"A b\"",
        ),
        (
            JobSpec {
                clients_per_round: Some(7),
                ..base()
            },
            "`clients_per_round` is 7",
        ),
        (
            JobSpec {
                data: digits(Split::Hospitals),
                ..base()
            },
            "`data.split` is hospitals",
        ),
        (
            JobSpec {
                data: DataSpec::cancer(Split::Hospitals),
                ..base()
            },
            "`members` is 6, wanted 5",
        ),
        (
            JobSpec {
                encoding: EncodingSpec {
                    bits: Some(3),
                    ..base().encoding
                },
                ..base()
            },
            "`encoding.bits` is 3",
        ),
        (
            JobSpec {
                encoding: EncodingSpec {
                    subset: 0.0,
                    ..base().encoding
                },
                ..base()
            },
            "`encoding.subset` is 0",
        ),
        (
            JobSpec {
                algorithm: Algorithm::FedProx { mu: 100.0 },
                ..base()
            },
            "`algorithm.mu` is 100",
        ),
        (
            JobSpec {
                local: LocalSpec {
                    rate: f32::NAN,
                    ..base().local
                },
                ..base()
            },
            "`local.rate` is NaN",
        ),
        (
            private(Algorithm::FedAvg {}),
            "`algorithm.name` is fedavg, wanted dp-sgd",
        ),
        (
            JobSpec {
                evaluation: EvaluationSpec {
                    on: Some(Judge::Members),
                    ..public()
                },
                ..private(dp_sgd())
            },
            "`evaluation.on` is \"members\"",
        ),
        (
            JobSpec {
                encoding: EncodingSpec {
                    subset: 0.5,
                    ..base().encoding
                },
                ..private(dp_sgd())
            },
            "`encoding.subset` is 0.5",
        ),
        (
            laplace(private(dp_fedavg(Some(0.5)).algorithm)),
            "`algorithm.adaptive_quantile` is 0.5",
        ),
        (
            JobSpec {
                encoding: EncodingSpec {
                    rotation: Some(true),
                    ..base().encoding
                },
                ..laplace(private(dp_sgd()))
            },
            "`encoding.rotation` is true",
        ),
    ];
    for (spec, wanted) in cases {
        let refused = Job::new(spec).unwrap_err().to_string();
        assert!(
            refused.contains(wanted),
            "found {refused:?}, wanted {wanted:?}"
        );
    }
}

#[test]
fn every_algorithm_learns_the_digits() {
    // spec: [job.member] [job.take] [job.dp-sgd]
    let adaptive = || Algorithm::FedAdam {
        beta1: 0.9,
        beta2: 0.99,
        tau: 1e-2,
    };
    let cases = [
        (Algorithm::FedAvg {}, None, 8, 0.86),
        (Algorithm::FedProx { mu: 0.1 }, None, 8, 0.83),
        (Algorithm::FedSgd { momentum: 0.9 }, Some(0.5), 25, 0.83),
        (Algorithm::FedAvgM { momentum: 0.5 }, None, 8, 0.87),
        (adaptive(), None, 8, 0.83),
        (
            Algorithm::FedYogi {
                beta1: 0.9,
                beta2: 0.99,
                tau: 1e-2,
            },
            None,
            8,
            0.83,
        ),
        (
            Algorithm::FedAdagrad {
                beta1: 0.0,
                tau: 1e-2,
            },
            None,
            8,
            0.83,
        ),
        (
            Algorithm::DpSgd {
                clip: 1.0,
                sampling: 0.5,
                momentum: 0.9,
            },
            Some(0.5),
            25,
            0.8,
        ),
        (dp_fedavg(None).algorithm, None, 8, 0.83),
        (dp_fedavg(Some(0.5)).algorithm, None, 12, 0.83),
    ];
    let mut short = Vec::new();
    for (algorithm, rate, rounds, wanted) in cases {
        let spec = JobSpec {
            rounds,
            server: ServerSpec {
                rate,
                ..ServerSpec::default()
            },
            algorithm,
            ..fedavg(Split::Dirichlet(1.0))
        };
        let mut run = Run::new(Job::new(spec).unwrap());
        run.all();
        let found = run.accuracy();
        println!("{}: {found:.4}", algorithm.name());
        if found <= wanted {
            short.push((algorithm.name(), found));
        }
    }
    assert!(short.is_empty(), "{short:?}");
}

#[test]
fn a_restart_between_any_two_rounds_changes_no_bit() {
    // spec: [job.state] [job.settle]
    for spec in [
        JobSpec {
            encoding: EncodingSpec {
                subset: 0.25,
                ..EncodingSpec::default()
            },
            algorithm: Algorithm::FedAdam {
                beta1: 0.9,
                beta2: 0.99,
                tau: 1e-3,
            },
            stop: Some(StopSpec {
                patience: 2,
                min_delta: 0.0,
                watch: WatchSpec::Loss,
            }),
            ..fedavg(Split::ByLabel)
        },
        dp_fedavg(Some(0.5)),
    ] {
        let job = Job::new(JobSpec { rounds: 4, ..spec }).unwrap();
        let mut whole = Run::new(job.clone());
        whole.all();
        for stop in 1..4 {
            let mut first = Run::new(job.clone());
            (0..stop).for_each(|_| first.round());
            let bytes = first.coordinator.checkpoint().to_bytes().unwrap();
            let memories: Vec<Vec<u8>> = first.members.iter().map(MemberHalf::memory).collect();
            let mut second = Run::new(job.clone());
            second.coordinator =
                CoordinatorHalf::resume(&job, Checkpoint::from_bytes(&bytes).unwrap()).unwrap();
            for (member, memory) in second.members.iter_mut().zip(&memories) {
                member.resume(memory).unwrap();
            }
            second.all();
            assert_eq!(
                second.coordinator.checkpoint(),
                whole.coordinator.checkpoint()
            );
        }
    }
}

#[test]
fn state_of_another_job_is_refused() {
    // spec: [job.state]
    let subset = |subset| JobSpec {
        encoding: EncodingSpec {
            subset,
            ..EncodingSpec::default()
        },
        ..fedavg(Split::ByLabel)
    };
    let (job, other) = (
        Job::new(subset(0.5)).unwrap(),
        Job::new(subset(0.25)).unwrap(),
    );
    let checkpoint = CoordinatorHalf::start(&job).unwrap().checkpoint();
    assert!(CoordinatorHalf::resume(&other, checkpoint.clone()).is_err());
    let memory = MemberHalf::new(&job, 1).unwrap().memory();
    assert!(MemberHalf::new(&other, 1).unwrap().resume(&memory).is_err());
    assert!(MemberHalf::new(&job, 2).unwrap().resume(&memory).is_err());
    assert!(
        MemberHalf::new(&job, 1)
            .unwrap()
            .resume(&memory[1..])
            .is_err()
    );
    // More rounds may be asked for, but not in a job whose noise is made for their number.
    let more = Job::new(JobSpec {
        rounds: 99,
        ..subset(0.5)
    })
    .unwrap();
    assert!(CoordinatorHalf::resume(&more, checkpoint).is_ok());
    let private = |rounds| {
        let privacy = Some(PrivacySpec::new(8.0, 1e-5));
        Job::new(JobSpec {
            rounds,
            privacy,
            evaluation: public(),
            ..dp_fedavg(None)
        })
        .unwrap()
    };
    let checkpoint = CoordinatorHalf::start(&private(4)).unwrap().checkpoint();
    assert!(CoordinatorHalf::resume(&private(5), checkpoint).is_err());
}

#[test]
fn contributions_have_the_form_and_the_norm_of_the_task() {
    // spec: [job.task] [job.encoding] [job.clip]
    for spec in [
        fedavg(Split::ByLabel),
        dp_fedavg(None),
        dp_fedavg(Some(0.3)),
        JobSpec {
            algorithm: dp_sgd(),
            ..fedavg(Split::ByLabel)
        },
        JobSpec {
            encoding: EncodingSpec {
                subset: 0.1,
                ..EncodingSpec::default()
            },
            ..dp_fedavg(Some(0.3))
        },
    ] {
        let job = Job::new(spec).unwrap();
        let (form, parts) = (job.contribution_form(), job.task().unwrap());
        let coordinator = CoordinatorHalf::start(&job).unwrap();
        let mut member = MemberHalf::new(&job, 0).unwrap();
        let brought = member
            .contribute(&coordinator.model_bytes().unwrap(), 1)
            .unwrap();
        veilsum_learn::tensors::require_same_form(&brought.tensors, &form).unwrap();
        assert_eq!(parts.manifest.coordinates() as usize, count(&form));
        let Encoding::Float(encoding) = parts.encoding else {
            panic!("wanted floats");
        };
        assert!((1..=encoding.max_weight).contains(&brought.weight));
        if let (
            Clip::L2(bound),
            Algorithm::DpFedAvg {
                adaptive_quantile: Some(_),
                ..
            },
        ) = (encoding.clip, job.spec().algorithm)
        {
            assert!(veilsum_learn::Norms::of(&brought.tensors).l2 <= bound * (1.0 + 1e-6));
        }
    }
}

#[test]
fn what_was_not_settled_counts_as_lost_and_a_round_may_be_asked_for_again() {
    // spec: [job.settle]
    let spec = JobSpec {
        encoding: EncodingSpec {
            subset: 0.25,
            ..EncodingSpec::default()
        },
        ..fedavg(Split::ByLabel)
    };
    let job = Job::new(spec).unwrap();
    let bytes = CoordinatorHalf::start(&job).unwrap().model_bytes().unwrap();
    let mut twice = MemberHalf::new(&job, 0).unwrap();
    let mut lost = MemberHalf::new(&job, 0).unwrap();
    let first = twice.contribute(&bytes, 1).unwrap();
    assert!(first == twice.contribute(&bytes, 1).unwrap());
    lost.contribute(&bytes, 1).unwrap();
    lost.settle(1, Outcome::Lost);
    assert!(twice.contribute(&bytes, 2).unwrap() == lost.contribute(&bytes, 2).unwrap());
    lost.settle(1, Outcome::Summed);
    twice.settle(2, Outcome::Summed);
    lost.settle(2, Outcome::Summed);
    assert_eq!(twice.memory(), lost.memory());
}

#[test]
fn rounds_out_of_turn_are_refused_and_a_round_without_a_sum_keeps_the_model() {
    // spec: [job.take] [job.skip]
    let job = Job::new(fedavg(Split::Iid)).unwrap();
    let mut coordinator = CoordinatorHalf::start(&job).unwrap();
    assert!(coordinator.take(2, &job.contribution_form()).is_err());
    coordinator.skip(1).unwrap();
    assert_eq!(
        (coordinator.model().version(), coordinator.next_round()),
        (0, 2)
    );
    assert!(coordinator.skip(1).is_err());
    let step = coordinator.take(2, &job.contribution_form()).unwrap();
    assert_eq!((step.model.version, step.judge), (1, Some(Judge::Members)));
    assert!(coordinator.take(3, &Tensors::new()).is_err());
    assert_eq!(coordinator.next_round(), 3);
}

#[test]
fn evaluation_over_members_is_that_of_their_held_out_examples() {
    // spec: [job.evaluation]
    let job = Job::new(fedavg(Split::Dirichlet(0.5))).unwrap();
    let mut run = Run::new(job.clone());
    run.round();
    let found = run.tally();
    let bytes = run.coordinator.model_bytes().unwrap();
    let model = veilsum_learn::Model::from_bytes(&bytes).unwrap();
    let parts = (0..6).map(|member| {
        let cut = job
            .examples(member)
            .unwrap()
            .hold_out(10, job.seed(), member)
            .unwrap();
        assert_eq!(cut.train.len() as u32, run.members[member as usize].count());
        cut.test
    });
    let all = veilsum_learn::Examples::concat(&parts.collect::<Vec<_>>()).unwrap();
    let wanted = evaluate(&model, &all).unwrap();
    assert_eq!(found.0, all.len() as u64);
    assert!((found.1.accuracy - wanted.accuracy).abs() < 1e-9);
    assert!((found.1.loss - wanted.loss).abs() < 1e-3);
}

#[test]
fn patience_ends_a_training_and_the_best_model_is_kept() {
    let spec = JobSpec {
        stop: Some(StopSpec {
            patience: 1,
            min_delta: 0.0,
            watch: WatchSpec::Loss,
        }),
        ..fedavg(Split::Iid)
    };
    let mut coordinator = CoordinatorHalf::start(&Job::new(spec).unwrap()).unwrap();
    let of = |loss| Evaluation {
        accuracy: 0.5,
        loss,
    };
    assert!(coordinator.judged(of(1.0)).best);
    assert_eq!(coordinator.ending(), None);
    assert!(!coordinator.judged(of(2.0)).best);
    assert_eq!(coordinator.ending(), Some(Ending::Stopped));
    assert_eq!(coordinator.best().unwrap().1, of(1.0));
}

#[test]
fn an_evaluation_is_owed_until_it_is_judged_or_given_up_also_by_whoever_resumes() {
    // spec: [job.evaluation.owed] [job.evaluation.order]
    let every_second = EvaluationSpec {
        every: 2,
        on: Some(Judge::Members),
        ..EvaluationSpec::default()
    };
    let spec = JobSpec {
        rounds: 5,
        evaluation: every_second,
        ..fedavg(Split::Iid)
    };
    let job = Job::new(spec.clone()).unwrap();
    let mean = job.first_model().tensors().clone();
    let mut coordinator = CoordinatorHalf::start(&job).unwrap();
    let mut owed = Vec::new();
    for round in 1..=5 {
        match round {
            // a round without a sum owes nothing, whatever its number
            4 => coordinator.skip(round).unwrap(),
            _ => drop(coordinator.take(round, &mean).unwrap()),
        }
        let bytes = coordinator.checkpoint().to_bytes().unwrap();
        let resumed = CoordinatorHalf::resume(&job, Checkpoint::from_bytes(&bytes).unwrap());
        assert_eq!(resumed.unwrap().owes(), coordinator.owes());
        owed.push(coordinator.owes());
        match round {
            2 => drop(coordinator.judged(Evaluation {
                accuracy: 0.5,
                loss: 1.0,
            })),
            _ => coordinator.unjudged(),
        }
        assert_eq!(coordinator.owes(), None);
    }
    assert_eq!(owed, [None, Some(2), None, None, Some(5)]);
    // what public examples judge is owed by nobody
    let public = Job::new(JobSpec {
        evaluation: public(),
        ..spec
    });
    let mut coordinator = CoordinatorHalf::start(&public.unwrap()).unwrap();
    assert_eq!(
        coordinator.take(1, &mean).unwrap().judge,
        Some(Judge::Public)
    );
    assert_eq!(coordinator.owes(), None);
}

/// A training whose sums are plain means.
struct Run {
    coordinator: CoordinatorHalf,
    members: Vec<MemberHalf>,
}

impl Run {
    fn new(job: Job) -> Self {
        let members = (0..job.spec().members).map(|member| MemberHalf::new(&job, member).unwrap());
        Self {
            members: members.collect(),
            coordinator: CoordinatorHalf::start(&job).unwrap(),
        }
    }

    fn all(&mut self) {
        while self.coordinator.ending().is_none() {
            self.round();
        }
    }

    /// Member 1 is never in the sum.
    fn round(&mut self) {
        let round = self.coordinator.next_round();
        let bytes = self.coordinator.model_bytes().unwrap();
        let mut mean = WeightedMean::new(&self.coordinator.job().contribution_form());
        for member in &mut self.members {
            let brought = member.contribute(&bytes, round).unwrap();
            if member.member() == 1 {
                member.settle(round, Outcome::Lost);
                continue;
            }
            mean.add(&brought.tensors, brought.weight).unwrap();
            member.settle(round, Outcome::Summed);
        }
        let step = self.coordinator.take(round, &mean.mean().unwrap()).unwrap();
        match step.judge {
            Some(Judge::Members) => drop(self.coordinator.judged(self.tally().1)),
            Some(Judge::Public) => {
                let found = self.coordinator.judge().unwrap().unwrap();
                self.coordinator.judged(found);
            }
            None => {}
        }
    }

    fn tally(&self) -> (u64, Evaluation) {
        let bytes = self.coordinator.model_bytes().unwrap();
        let mut sum = vec![0; 4];
        for member in &self.members {
            let tensors = member.judge(&bytes).unwrap();
            let veilsum_encode::TensorData::I64(values) = &tensors["veilsum.statistic"].data else {
                panic!("wanted integers");
            };
            sum.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += value);
        }
        CoordinatorHalf::decode_evaluation(&veilsum_learn::stats::tensors(sum)).unwrap()
    }

    fn accuracy(&self) -> f64 {
        self.coordinator.judge().unwrap().unwrap().accuracy
    }
}

fn fedavg(split: Split) -> JobSpec {
    JobSpec {
        local: LocalSpec {
            rate: 0.5,
            ..LocalSpec::default()
        },
        ..JobSpec::new(6, 6, DataSpec::digits(split), Algorithm::FedAvg {})
    }
}

fn dp_fedavg(adaptive_quantile: Option<f64>) -> JobSpec {
    let algorithm = Algorithm::DpFedAvg {
        clip: 2.0,
        adaptive_quantile,
        adaptive_rate: 0.2,
        momentum: 0.0,
    };
    JobSpec {
        algorithm,
        ..fedavg(Split::ByLabel)
    }
}

const fn dp_sgd() -> Algorithm {
    Algorithm::DpSgd {
        clip: 1.0,
        sampling: 1.0,
        momentum: 0.0,
    }
}

fn public() -> EvaluationSpec {
    EvaluationSpec {
        on: Some(Judge::Public),
        ..EvaluationSpec::default()
    }
}

fn count(tensors: &Tensors) -> usize {
    tensors.values().map(|tensor| tensor.data.len()).sum()
}

#[test]
fn clip_weights_and_rounding_follow_from_algorithm_and_noise() {
    // spec: [job.encoding] [job.rounding] [job.task]
    use veilsum_encode::Rounding::{Conditional, Stochastic};
    use veilsum_learn::job::Mechanism::{Gaussian, Laplace, Skellam};
    let joint = veilsum_learn::AdaptiveSettings::MEDIAN.joint_norm();
    let whole = |share: f64| {
        let job = Job::new(fedavg(Split::ByLabel)).unwrap();
        let most = (0..6)
            .map(|member| job.examples(member).unwrap().len())
            .max();
        share * most.unwrap() as f64
    };
    let fixed = dp_fedavg(None).algorithm;
    for (algorithm, mechanism, clip, example, rounding, rotation) in [
        (
            Algorithm::FedAvg {},
            None,
            Clip::L2(12.0),
            None,
            Stochastic,
            true,
        ),
        (fixed, None, Clip::L2(2.0), None, Stochastic, true),
        (fixed, Some(Skellam), Clip::L2(2.0), None, Conditional, true),
        (fixed, Some(Laplace), Clip::L1(2.0), None, Stochastic, false),
        (
            dp_fedavg(Some(0.5)).algorithm,
            Some(Gaussian),
            Clip::L2(joint),
            None,
            Conditional,
            true,
        ),
        (
            dp_sgd(),
            Some(Skellam),
            Clip::L2(whole(1.0)),
            Some(Clip::L2(1.0)),
            Stochastic,
            true,
        ),
        (
            dp_sgd(),
            Some(Laplace),
            Clip::LInf(whole(1.0 / 16.0)),
            Some(Clip::L1(1.0)),
            Stochastic,
            false,
        ),
    ] {
        let privacy = mechanism.map(|mechanism| PrivacySpec {
            mechanism,
            ..PrivacySpec::new(8.0, 1e-5)
        });
        let job = Job::new(JobSpec {
            algorithm,
            privacy,
            ..fedavg(Split::ByLabel)
        })
        .unwrap();
        let parts = job.task().unwrap();
        let Encoding::Float(found) = parts.encoding else {
            panic!("wanted floats");
        };
        assert_eq!(
            (found.clip, found.rounding, found.rotation),
            (clip, rounding, rotation)
        );
        assert_eq!(
            found.max_weight > 1,
            matches!(algorithm, Algorithm::FedAvg {})
        );
        assert_eq!(
            parts.privacy.and_then(|privacy| privacy.example_clip),
            example
        );
        assert_eq!(parts.privacy.is_some(), mechanism.is_some());
    }
}

/// The coordinator chooses the model, and everybody sees who contributes.
#[test]
fn under_privacy_no_model_and_no_example_makes_a_member_absent() {
    // spec: [job.finite]
    let model_of = |job: &Job| {
        let mut tensors = job.first_model().tensors().clone();
        for tensor in tensors.values_mut() {
            let veilsum_encode::TensorData::F32(values) = &mut tensor.data else {
                panic!("wanted f32");
            };
            for (index, value) in values.iter_mut().enumerate() {
                *value = if index % 2 == 0 { f32::MAX } else { f32::MIN };
            }
        }
        tensors
    };
    let bare = |spec: JobSpec| JobSpec {
        privacy: None,
        ..spec
    };
    for adaptive in [None, Some(0.5)] {
        let private = JobSpec {
            privacy: Some(PrivacySpec::new(8.0, 1e-5)),
            evaluation: public(),
            ..dp_fedavg(adaptive)
        };
        for (spec, contributes) in [(bare(private.clone()), false), (private, true)] {
            let job = Job::new(spec).unwrap();
            let mut tensors = model_of(&job);
            if let Some(clip) = adaptive {
                let data = veilsum_encode::TensorData::F64(vec![clip]);
                let shape = vec![1];
                let clip = veilsum_encode::Tensor { shape, data };
                tensors.insert(veilsum_learn::job::CLIP_TENSOR.to_owned(), clip);
            }
            let bytes = veilsum_learn::Model::new(1, tensors)
                .unwrap()
                .to_bytes()
                .unwrap();
            let mut member = MemberHalf::new(&job, 0).unwrap();
            let brought = member.contribute(&bytes, 1);
            assert_eq!(brought.is_ok(), contributes, "{adaptive:?}: {brought:?}");
            let Ok(brought) = brought else { continue };
            let trained = brought.tensors.get("output.weight").unwrap();
            let veilsum_encode::TensorData::F32(values) = &trained.data else {
                panic!("wanted f32");
            };
            assert!(values.iter().all(|value| *value == 0.0));
        }
    }
}

/// Else whoever sends another network's model would see who holds nothing back.
#[test]
fn a_member_without_held_out_examples_judges_what_others_judge_and_refuses_what_they_refuse() {
    // spec: [job.evaluation]
    let spec = JobSpec {
        evaluation: EvaluationSpec {
            on: Some(Judge::Members),
            ..EvaluationSpec::default()
        },
        ..fedavg(Split::ByLabel)
    };
    let job = Job::new(spec).unwrap();
    let few = veilsum_learn::Examples::new(ndarray::Array2::zeros((2, 64)), vec![0, 1], 10);
    let few = MemberHalf::with_examples(&job, 0, few.unwrap()).unwrap();
    let many = MemberHalf::new(&job, 0).unwrap();
    assert!(few.held_out().is_none() && many.held_out().is_some());
    let foreign = veilsum_learn::Network::Softmax {
        inputs: 3,
        classes: 2,
    };
    let foreign = veilsum_learn::Model::new(1, foreign.init(veilsum_learn::RunSeed(1))).unwrap();
    let own = job.first_model().to_bytes().unwrap();
    for member in [&few, &many] {
        assert!(member.judge(&own).is_ok());
        assert!(member.judge(&foreign.to_bytes().unwrap()).is_err());
    }
}

/// `dp-sgd` with files of two features, at most five examples of a member.
fn with_files(private: bool, algorithm: &str) -> JobSpec {
    let text = format!(
        "members = 3\nrounds = 2\n[data]\nsource = \"csv\"\ntest = \"t\"\nlabel = \"y\"\nfeatures = 2\nclasses = 2\nmax_examples = 5\n\
         total_examples = 15\n[algorithm]\n{algorithm}\n[evaluation]\non = \"public\"\n[privacy]\nepsilon = 8.0\ndelta = 1e-3\n"
    );
    let spec = Job::spec_from_toml(&text).unwrap();
    let privacy = spec.privacy.filter(|_| private);
    JobSpec { privacy, ..spec }
}

fn brought(job: &Job, rows: &str) -> Result<Tensors, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.csv");
    std::fs::write(&path, format!("a,b,y\n{rows}")).unwrap();
    let examples = job
        .read_examples(&path)
        .map_err(|error| error.to_string())?;
    let member = MemberHalf::with_examples(job, 1, examples);
    let mut member = member.map_err(|error| error.to_string())?;
    let model = job.first_model().to_bytes().unwrap();
    let brought = member.contribute(&model, 1);
    Ok(brought.map_err(|error| error.to_string())?.tensors)
}

/// Who takes part is seen by all, and no noise covers it.
#[test]
fn under_privacy_no_row_of_a_file_makes_a_member_absent() {
    // spec: [job.finite]
    let five = "1,2,0\n2,3,1\n3,4,0\n4,5,1\n5,6,0\n";
    let six = format!("{five}7,8,1\n");
    let broken = "1,2,0\n2,NaN,1\n3,4,0\n4,5,1\n5,6,0\n";
    for algorithm in [
        "name = \"dp-sgd\"\nclip = 1.0\n[encoding]\nclip = 5.0",
        "name = \"dp-sgd\"\nclip = 1.0\nsampling = 0.5\n[encoding]\nclip = 5.0",
        "name = \"dp-fedavg\"\nclip = 1.0",
    ] {
        let job = Job::new(with_files(true, algorithm)).unwrap();
        let brought = |rows: &str| brought(&job, rows).unwrap();
        assert_eq!(brought(&six), brought(five), "{algorithm}");
        for empty in [
            "",
            "x\n",
            "x,y,z\n",
            "1,2,9\n",
            "1,2\n1,2,3,4\n,,\n",
            "1,\"2,0\n",
        ] {
            for tensor in brought(empty).values() {
                let zero = match &tensor.data {
                    veilsum_encode::TensorData::F32(values) => {
                        values.iter().all(|value| *value == 0.0)
                    }
                    veilsum_encode::TensorData::F64(values) => {
                        values.iter().all(|value| *value == 0.0)
                    }
                    other => panic!("found {:?}", other.dtype()),
                };
                assert!(zero, "{algorithm}: {empty:?}");
            }
            let form = job.contribution_form();
            let forms = |tensors: &Tensors| {
                let forms = tensors.iter();
                let forms = forms.map(|(name, tensor)| {
                    (name.clone(), tensor.shape.clone(), tensor.data.dtype())
                });
                forms.collect::<Vec<_>>()
            };
            assert_eq!(forms(&brought(empty)), forms(&form));
        }
        // a member without examples refuses what the others refuse
        let other = Job::new(fedavg(Split::Iid)).unwrap();
        let model = other.first_model().to_bytes().unwrap();
        for rows in [five, ""] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("b.csv");
            std::fs::write(&path, format!("a,b,y\n{rows}")).unwrap();
            let examples = job.read_examples(&path).unwrap();
            let mut member = MemberHalf::with_examples(&job, 1, examples).unwrap();
            assert!(member.contribute(&model, 1).is_err(), "{rows:?}");
        }
        if algorithm.contains("dp-sgd") {
            // its place stays empty: with the others as they are the sum is the same
            let without = |row: &str| five.replace(row, "\n");
            assert_eq!(brought(broken), brought(&without("2,3,1\n")));
        }
    }
    let plain = Job::new(with_files(false, "name = \"fedavg\"")).unwrap();
    let told = |rows: &str| brought(&plain, rows).unwrap_err();
    assert!(told(&six).contains("found 6 examples, wanted 1 to 5"));
    assert!(told("").contains("found 0 examples, wanted 1 to 5"));
    assert!(
        told(broken).contains("line 3, column 2"),
        "{}",
        told(broken)
    );
}
