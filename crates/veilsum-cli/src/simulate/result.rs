//! What `veilsum simulate` says.

use crate::caution;
use crate::exit::{Failure, Kind, Outcome};
use crate::simulate::SimulateArgs;
use crate::table::{self, Side, Table};
use serde::Serialize;
use std::fmt;
use veilsum_proto::abort::Abort;
use veilsum_proto::ids::Slot;
use veilsum_sim::{Blame, Dropped, PhaseCosts, Report};

/// The result, as JSON and as text.
#[derive(Debug, Serialize)]
pub struct SimulateResult {
    members: u32,
    dim: usize,
    bits: u8,
    lane_bits: u8,
    degree: u32,
    threshold: u32,
    window_floor: Option<u32>,
    quorum: u32,
    electorate: u32,
    survivors: usize,
    survivor_ids: Vec<Slot>,
    dropped: Vec<Dropped>,
    faults: Vec<Blame>,
    exact: bool,
    sum_sha256: Option<String>,
    attempt: u32,
    abort: Option<AbortResult>,
    seed: u64,
    member_cpu_ms: PhaseCosts,
    coordinator_cpu_s: PhaseCosts,
    member_upload_bytes: u64,
    member_download_bytes: u64,
    expansion: f64,
    coordinator_peak_bytes: usize,
    wall_s: f64,
    /// What the parameters withstand, in words; JSON has the numbers.
    #[serde(skip)]
    verdict: String,
}

/// Why there is no sum.
#[derive(Clone, Debug, Serialize)]
pub struct AbortResult {
    reason: &'static str,
    phase: &'static str,
    text: String,
}

impl From<&Abort> for AbortResult {
    fn from(abort: &Abort) -> Self {
        Self {
            reason: abort.kind(),
            phase: abort.phase(),
            text: abort.to_string(),
        }
    }
}

impl SimulateResult {
    /// The result of a round.
    pub fn new(args: &SimulateArgs, report: &Report) -> Self {
        let parameters = &report.parameters;
        let plain = report.dim as f64 * f64::from(args.bits) / 8.0;
        Self {
            members: report.members,
            dim: report.dim,
            bits: args.bits,
            lane_bits: report.lane_bits,
            degree: parameters.k,
            threshold: parameters.t,
            window_floor: parameters.h,
            quorum: parameters.q,
            electorate: parameters.m,
            survivors: report.survivors.len(),
            survivor_ids: report.survivors.clone(),
            dropped: report.dropped.clone(),
            faults: report.faults.clone(),
            exact: report.exact,
            sum_sha256: report.sum_sha256.map(hex::encode),
            attempt: report.attempt,
            abort: report.abort.as_ref().map(AbortResult::from),
            seed: args.seed,
            member_cpu_ms: report.member_cpu_ms,
            coordinator_cpu_s: report.coordinator_cpu_s,
            member_upload_bytes: report.member_upload_bytes,
            member_download_bytes: report.member_download_bytes,
            expansion: report.member_upload_bytes as f64 / plain,
            coordinator_peak_bytes: report.coordinator_peak_bytes,
            wall_s: report.wall_s,
            verdict: caution::verdict(parameters).text,
        }
    }

    /// How the command ends: a round without a sum, or with a wrong one, is no success.
    pub fn outcome(&self) -> Outcome {
        match &self.abort {
            Some(abort) => Err(Failure::new(Kind::Aborted, &abort.text)
                .hint("more members have to stay: lower the drop-out, or raise --tolerance")),
            None if !self.exact => Err(Failure::failed(
                "the sum is not the plain sum of the survivors",
            )),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SimulateResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = match self.window_floor {
            None => "complete graph".to_owned(),
            Some(floor) => format!("ring of degree {}, window floor {floor}", self.degree),
        };
        writeln!(
            f,
            "{} members x {} coordinates of {} bits",
            self.members,
            table::grouped(self.dim as u64),
            self.bits
        )?;
        writeln!(
            f,
            "{graph}, threshold {}, quorum {} of {}",
            self.threshold, self.quorum, self.electorate
        )?;
        writeln!(f, "{}", self.verdict)?;
        match &self.abort {
            Some(abort) => writeln!(f, "no sum: {}", abort.text)?,
            None => writeln!(
                f,
                "{} survivors, {} vanished; the sum {} the plain sum of the survivors",
                self.survivors,
                self.dropped.len(),
                if self.exact { "equals" } else { "DIFFERS FROM" },
            )?,
        }
        for fault in &self.faults {
            writeln!(f, "fault of member {}: {}", fault.id, fault.text)?;
        }
        writeln!(
            f,
            "a member sends {} ({:.3} x its plain vector) and receives {}; the coordinator holds up to {}",
            table::bytes(self.member_upload_bytes),
            self.expansion,
            table::bytes(self.member_download_bytes),
            table::bytes(self.coordinator_peak_bytes as u64),
        )?;
        writeln!(f, "\n{}", self.costs())?;
        write!(f, "\n{:.1} s in all", self.wall_s)
    }
}

impl SimulateResult {
    fn costs(&self) -> Table {
        let mut table = Table::new(&[
            ("CPU time", Side::Left),
            ("advertise", Side::Right),
            ("share", Side::Right),
            ("upload", Side::Right),
            ("confirm", Side::Right),
            ("reveal", Side::Right),
            ("total", Side::Right),
        ]);
        table.row(row("median member, ms", &self.member_cpu_ms, 2));
        table.row(row("coordinator, s", &self.coordinator_cpu_s, 3));
        table
    }
}

fn row(name: &str, costs: &PhaseCosts, places: usize) -> Vec<String> {
    let numbers = [
        costs.advertise,
        costs.share,
        costs.upload,
        costs.confirm,
        costs.reveal,
        costs.total,
    ];
    let cells = numbers.iter().map(|number| format!("{number:.places$}"));
    std::iter::once(name.to_owned()).chain(cells).collect()
}
