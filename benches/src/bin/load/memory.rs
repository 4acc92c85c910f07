//! What the system says of a process.

use std::fs;

use crate::Failure;

/// Memory and time that a process has taken.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Resident now, in KiB.
    pub rss_kib: u64,
    /// The most that was ever resident, in KiB.
    pub peak_kib: u64,
    /// Processor time of all threads, in seconds.
    pub cpu_s: f64,
}

impl Taken {
    /// Of the process with an id.
    pub fn of(process: u32) -> Result<Self, Failure> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next());
            kib.and_then(|kib| kib.parse().ok())
                .ok_or_else(|| format!("no {name} of process {process}"))
        };
        Ok(Self {
            rss_kib: of("VmRSS:")?,
            peak_kib: of("VmHWM:")?,
            cpu_s: cpu(process)?,
        })
    }
}

/// User and system time; the clock of `/proc` ticks a hundred times a second.
fn cpu(process: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // the second field is a name in parentheses, which may hold spaces
    let (_, rest) = stat.rsplit_once(')').ok_or("no times of the process")?;
    let ticks = rest.split_whitespace().skip(11).take(2);
    let ticks: Result<Vec<u64>, _> = ticks.map(str::parse).collect();
    Ok(ticks?.iter().sum::<u64>() as f64 / 100.0)
}
