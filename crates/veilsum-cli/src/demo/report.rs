//! What the demo shows: what is about to happen, a line a round, and what it came to.

use super::check::Reference;
use super::federation::Federation;
use super::round::{Judged, Vanished};
use super::script::{Point, Script};
use crate::exit::{Failure, Kind, Outcome};
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::report::{Written, epsilon, short, whose};
use crate::table::{bytes, grouped, rounds};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use veilsum_dp::Unit;
use veilsum_encode::Encoding;
use veilsum_learn::job::Algorithm;
use veilsum_learn::{Evaluation, Job};
use veilsum_proto::noise::RoundNoise;
use veilsum_proto::parameters::Parameters;

/// Prints as things happen; with JSON only the report at the end.
pub struct Screen {
    output: Output,
    progress: Progress,
}

/// The whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    rounds: Vec<Judged>,
    accuracy_secure: f64,
    accuracy_plain: f64,
    accuracy_pooled: f64,
    /// Epsilon of all rounds together; null without noise, as the two that belong to it.
    epsilon_total: Option<f64>,
    delta: Option<f64>,
    unit: Option<Unit>,
    /// Where the page is, if there is one.
    #[serde(serialize_with = "crate::output::lossy::maybe")]
    report: Option<PathBuf>,
    #[serde(skip)]
    pooled: Evaluation,
    #[serde(skip)]
    test_images: usize,
}

impl Screen {
    /// A screen of this kind.
    pub fn new(output: Output) -> Self {
        let progress = Progress::new(output);
        progress.doing("founding a federation");
        Self { output, progress }
    }

    /// What is about to happen.
    pub fn intro(&self, federation: &Federation, script: &Script, address: &str) {
        self.progress.doing("waiting for members");
        self.print(|| intro(federation, script, address));
    }

    /// One round.
    pub fn round(&self, round: &Judged) {
        self.progress.doing(format!("round {}", round.round.0 + 1));
        self.print(|| line(round));
    }

    /// What it came to.
    pub fn summary(&self, report: &Report) {
        self.progress.finish();
        match self.output {
            Output::Json => output::print_json(report),
            Output::Text => output::print(&summary(report)),
        }
    }

    fn print(&self, text: impl FnOnce() -> String) {
        if !self.output.is_json() {
            self.progress.print(&text());
        }
    }
}

impl Report {
    /// Sums the run up.
    pub fn new(
        rounds: Vec<Judged>,
        reference: &Reference,
        noise: Option<&RoundNoise>,
    ) -> Result<Self, Failure> {
        let pooled = tokio::task::block_in_place(|| reference.pooled())?;
        Ok(Self {
            accuracy_secure: reference.secure()?.accuracy,
            accuracy_plain: reference.plain()?.accuracy,
            accuracy_pooled: pooled.accuracy,
            epsilon_total: rounds.iter().rev().find_map(|round| round.epsilon_total),
            delta: noise.map(RoundNoise::delta),
            unit: noise.map(RoundNoise::unit),
            report: None,
            pooled,
            rounds,
            test_images: reference.test_images(),
        })
    }

    /// Its rounds.
    pub fn rounds(&self) -> &[Judged] {
        &self.rounds
    }

    /// The model of pooled data, judged.
    pub fn pooled(&self) -> Evaluation {
        self.pooled
    }

    /// Images that models were judged by.
    pub fn test_images(&self) -> usize {
        self.test_images
    }

    /// Says where the report for people is.
    pub fn written(&mut self, files: Written) {
        self.report = Some(files.html);
    }

    /// Whether all sums are the plain sums, in a sentence.
    pub fn verdict(&self) -> String {
        let total = self.rounds.len();
        let sums = match self.epsilon_total {
            None => "equal the plain sums of their survivors",
            Some(_) => "equal the plain sums of their survivors and of the noise that stays",
        };
        match self.rounds.iter().filter(|round| round.exact).count() {
            exact if exact == total => {
                format!("All {total} masked sums {sums}, to the last integer.")
            }
            exact => format!("{exact} of {total} masked sums {sums}."),
        }
    }

    /// What all rounds together cost; nothing without noise.
    pub fn spent(&self) -> Option<(f64, f64, Unit)> {
        Some((self.epsilon_total?, self.delta?, self.unit?))
    }

    /// A run is good if every round that was asked for is exact.
    pub fn outcome(&self, wanted: u64) -> Outcome {
        let without = self
            .rounds
            .iter()
            .filter(|round| round.abort.is_some())
            .count();
        let wrong = self
            .rounds
            .iter()
            .filter(|round| round.abort.is_none() && !round.exact)
            .count();
        if wrong > 0 {
            return Err(Failure::failed(format_args!(
                "{wrong} sums differ from the plain sums of their survivors"
            )));
        }
        if without > 0 || (self.rounds.len() as u64) < wanted {
            let found = self.rounds.len() - without;
            return Err(Failure::new(
                Kind::Aborted,
                format_args!("{found} of {wanted} rounds ended with a sum"),
            )
            .hint("a machine under heavy load misses the short deadlines of --vanish; try again when it is idle"));
        }
        Ok(())
    }
}

fn intro(federation: &Federation, script: &Script, address: &str) -> String {
    let Federation {
        members,
        rounds: count,
        parameters,
        plan,
        job,
        images,
        noise,
        ..
    } = federation;
    let mut text = String::new();
    let mut say = |name: &str, words: String| {
        let _ = writeln!(text, "  {name:<10}  {words}");
    };
    say(
        "data",
        format!(
            "{} handwritten digits (UCI), dealt by label: members see different digits",
            grouped(*images as u64)
        ),
    );
    if job.spec().algorithm != (Algorithm::FedAvg {}) {
        say("algorithm", job.spec().algorithm.name().to_owned());
    }
    if let Some(noise) = noise {
        say("noise", noise_words(job, noise));
        say("privacy", privacy_words(job, noise));
    }
    say(
        "processes",
        format!(
            "1 coordinator on {address} (QUIC) and {members} members, each with a key of its own"
        ),
    );
    say(
        "update",
        format!(
            "{} coordinates of {} bits in lanes of {}, {} integers with padding and weight, masked: {}",
            grouped(plan.coordinates()),
            precision_bits(federation.task.encoding()),
            plan.lane_bits(),
            grouped(plan.padded_coordinates() + 1),
            bytes(plan.packed_bytes() as u64)
        ),
    );
    say(
        "quorum",
        format!(
            "{} of {members} sign who is in a sum; {}",
            parameters.q,
            tolerance(parameters)
        ),
    );
    if !script.is_empty() {
        let points: Vec<&str> = script
            .points()
            .into_iter()
            .map(|point| point.name())
            .collect();
        say(
            "vanishing",
            format!(
                "{} times a member is killed (SIGKILL): {}",
                script.len(),
                points.join(", ")
            ),
        );
    }
    let against = match noise {
        None => "the plain sum of the same updates",
        Some(_) => "the plain sum of the same updates and noise",
    };
    format!(
        "Veilsum demo: {members} members train a classifier together in {count} rounds. The coordinator learns the sums of\n\
         their updates and no single update; here every sum is held against {against}.\n\n\
         {text}\n{}",
        head(noise.is_some())
    )
}

fn precision_bits(encoding: &Encoding) -> u8 {
    match encoding {
        Encoding::Float(float) => float.precision_bits,
        Encoding::Integer { .. } => 64,
    }
}

/// What the noise is.
pub fn noise_words(job: &Job, noise: &RoundNoise) -> String {
    let law = job
        .spec()
        .privacy
        .map_or("", |privacy| privacy.mechanism.name());
    let surplus = match noise.has_chain() {
        true => "; what is too much comes off once the survivors are certified",
        false => "",
    };
    format!("{law}, a share of it from every member{surplus}")
}

/// What the noise promises.
pub fn privacy_words(job: &Job, noise: &RoundNoise) -> String {
    format!(
        "epsilon {} over {} at delta {}, for {}",
        epsilon(noise.total(job.spec().rounds).epsilon),
        rounds(job.spec().rounds),
        short(noise.delta()),
        whose(noise.unit())
    )
}

fn tolerance(parameters: &Parameters) -> String {
    let Parameters { c, d, .. } = parameters;
    match c {
        0 => format!("{d} may vanish at any moment"),
        _ => format!(
            "{d} may vanish at any moment, and {c} beside them may work with the coordinator"
        ),
    }
}

fn line(round: &Judged) -> String {
    let survivors = format!("{} of {}", round.survivors, round.members);
    let exact = match (&round.abort, round.exact) {
        (Some(_), _) => "no sum".to_owned(),
        (None, true) => format!("equal in {} integers", round.integers),
        (None, false) => "DIFFERENT".to_owned(),
    };
    let mut notes: Vec<String> = round.vanished.iter().map(note).collect();
    if round.attempt.0 > 0 {
        notes.push(format!("attempt {}", round.attempt.0 + 1));
    }
    notes.extend(round.abort.clone());
    let line = format!(
        "{:>5}  {survivors:>9}  {exact:<22}  {:>8.4}  {}{:>8}  {:>6.2}s  {}",
        round.round.0,
        round.accuracy,
        spent(round),
        bytes(round.upload_bytes),
        round.wall_s,
        notes.join(", ")
    );
    line.trim_end().to_owned()
}

/// The column of epsilon, which is not there without noise.
fn spent(round: &Judged) -> String {
    let spent = round.epsilon_total.map(epsilon);
    spent.map_or(String::new(), |spent| format!("{spent:>7}  "))
}

fn note(Vanished { member, phase }: &Vanished) -> String {
    format!("member {member} in {phase}")
}

fn summary(report: &Report) -> String {
    let vanished: Vec<&Vanished> = report
        .rounds
        .iter()
        .flat_map(|round| &round.vanished)
        .collect();
    let points: BTreeSet<_> = vanished.iter().map(|vanished| vanished.phase).collect();
    let points: Vec<&str> = points.into_iter().map(|point| point.name()).collect();
    let mut text = String::new();
    let _ = writeln!(text, "\n{}", report.verdict());
    if !vanished.is_empty() {
        let _ = writeln!(
            text,
            "Members vanished {} times ({}) and came back for the next round.",
            vanished.len(),
            points.join(", ")
        );
    }
    let uploaded = |vanished: &&Vanished| matches!(vanished.phase, Point::Confirm | Point::Reveal);
    if vanished.iter().any(uploaded) {
        let _ = writeln!(
            text,
            "Whoever vanished after its upload is in the sum all the same: the others hold the shares to take its mask off."
        );
    }
    if let Some((spent, delta, unit)) = report.spent() {
        let _ = writeln!(
            text,
            "Privacy of all rounds together: epsilon {} at delta {}, for {}.",
            epsilon(spent),
            short(delta),
            whose(unit)
        );
    }
    let (made, plain) = match report.spent() {
        None => (
            "what this federation learned",
            "the same rounds and survivors without masks, in floats",
        ),
        Some(_) => (
            "what this federation learned, with noise",
            "the same rounds and survivors without masks and noise, in floats",
        ),
    };
    let _ = write!(
        text,
        "\nAccuracy on {} images that nobody trained on\n\
         \x20 masked sums      {:.4}   {made}\n\
         \x20 plain averages   {:.4}   {plain}\n\
         \x20 pooled data      {:.4}   all data in one place, which nobody here had to give away",
        report.test_images, report.accuracy_secure, report.accuracy_plain, report.accuracy_pooled
    );
    if let Some(page) = &report.report {
        let _ = write!(
            text,
            "\n\nReport with figures: {}, and report.png beside it",
            page.display()
        );
    }
    text
}

fn head(noised: bool) -> String {
    let (name, line) = match noised {
        true => ("epsilon  ", "-------  "),
        false => ("", ""),
    };
    format!(
        "round  survivors  masked = plain sum      accuracy  {name}  upload     time  who vanished, and where\n\
         -----  ---------  ----------------------  --------  {line}--------  -------  -----------------------"
    )
}
