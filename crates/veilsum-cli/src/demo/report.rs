//! What the demo shows: what is about to happen, a line a round, and what it came to.

use super::check::Reference;
use super::federation::Federation;
use super::round::{Judged, Vanished};
use super::script::{Point, Script};
use crate::exit::{Failure, Kind, Outcome};
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::report::Written;
use crate::table::{bytes, grouped};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use veilsum_learn::Evaluation;
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
    /// Where the page is, if there is one.
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
    pub fn new(rounds: Vec<Judged>, reference: &Reference) -> Result<Self, Failure> {
        let pooled = tokio::task::block_in_place(|| reference.pooled())?;
        Ok(Self {
            rounds,
            accuracy_secure: reference.secure()?.accuracy,
            accuracy_plain: reference.plain()?.accuracy,
            accuracy_pooled: pooled.accuracy,
            report: None,
            pooled,
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

    /// Says where the report for people is.
    pub fn written(&mut self, files: Written) {
        self.report = Some(files.html);
    }

    /// Whether all sums are the plain sums, in a sentence.
    pub fn verdict(&self) -> String {
        let total = self.rounds.len();
        match self.rounds.iter().filter(|round| round.exact).count() {
            exact if exact == total => format!(
                "All {total} masked sums equal the plain sums of their survivors, to the last integer."
            ),
            exact => {
                format!("{exact} of {total} masked sums equal the plain sums of their survivors.")
            }
        }
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
        rounds,
        parameters,
        plan,
        data,
        ..
    } = federation;
    let images = data.train.len() + data.test.len();
    let mut text = String::new();
    let mut say = |name: &str, words: String| {
        let _ = writeln!(text, "  {name:<10}  {words}");
    };
    say(
        "data",
        format!(
            "{} handwritten digits (UCI), dealt by label: members see different digits",
            grouped(images as u64)
        ),
    );
    say(
        "processes",
        format!(
            "1 coordinator on {address} (QUIC) and {members} members, each with a key of its own"
        ),
    );
    say(
        "update",
        format!(
            "{} coordinates of {} bits, masked: {}",
            grouped(plan.coordinates()),
            plan.lane_bits(),
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
    format!(
        "Veilsum demo: {members} members train a classifier together in {rounds} rounds. The coordinator learns the sums of\n\
         their updates and no single update; here every sum is held against the plain sum of the same updates.\n\n\
         {text}\n{HEAD}"
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
        "{:>5}  {survivors:>9}  {exact:<22}  {:>8.4}  {:>8}  {:>6.2}s  {}",
        round.round.0,
        round.accuracy,
        bytes(round.upload_bytes),
        round.wall_s,
        notes.join(", ")
    );
    line.trim_end().to_owned()
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
    let _ = write!(
        text,
        "\nAccuracy on {} images that nobody trained on\n\
         \x20 masked sums      {:.4}   what this federation learned\n\
         \x20 plain averages   {:.4}   the same rounds and survivors without masks, in floats\n\
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

const HEAD: &str = "\
round  survivors  masked = plain sum      accuracy    upload     time  who vanished, and where
-----  ---------  ----------------------  --------  --------  -------  -----------------------";
