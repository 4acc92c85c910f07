//! One cell of the drop-out matrix: a round in which a known number of members vanish at a known point.

use std::time::Duration;

use veilsum_encode::sha256_of_values;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::Slot;
use veilsum_proto::message::Deadlines;
use veilsum_proto::parameters::Parameters;
use veilsum_proto::task::Task;
use veilsum_server::{Gather, TaskConfig};
use veilsum_sim::Vanish;

use super::{
    Federation, House, How, Inputs, Runner, Site, Sum, Trap, deadlines, integer_task,
    plain_integers,
};

/// A cell of the matrix.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Where members vanish.
    pub point: Vanish,
    /// How many.
    pub count: Count,
    /// How the first of them vanishes; the others take turns.
    pub how: How,
}

/// How many members vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// One.
    One,
    /// As many as the parameters bear there.
    Most,
    /// One more than that.
    TooMany,
}

impl Cell {
    /// Runs the round and holds its end against what the parameters promise.
    ///
    /// # Panics
    ///
    /// When it ends otherwise.
    pub fn check(self) {
        let federation = Federation::new(MEMBERS, self.seed());
        let task = Task::new(integer_task(TASK, COORDINATES, CORRUPT, MISSING)).unwrap();
        let parameters = task.parameters(MEMBERS).unwrap();
        assert!(parameters.is_complete());
        let house = House::open(&federation, vec![self.config(task)]);
        let traps = self.traps(&parameters);
        let inputs = Inputs::of(self.seed());
        let members = federation.slots().map(|slot| {
            let mut site = Site::new(&federation, &house, slot, inputs);
            site.trap = traps
                .iter()
                .find(|(of, _)| *of == slot)
                .map(|(_, trap)| *trap);
            site.run(&federation)
        });
        let members = members.collect::<Vec<_>>();
        let (gone, here): (Vec<_>, Vec<_>) = members
            .iter()
            .partition(|member| traps.iter().any(|(slot, _)| *slot == member.slot));
        let end = house.end(TASK, 1);
        gone.iter().for_each(|member| member.vanish());
        match self.count {
            Count::One | Count::Most => {
                let sum = end.unwrap_or_else(|abort| panic!("{self:?}: {abort:?}"));
                self.check_sum(&sum, inputs, &traps, &here);
            }
            Count::TooMany => {
                let found = end.map(|sum| sum.survivors).unwrap_err();
                self.check_abort(&found, &here);
            }
        }
        // nobody who stayed is blamed
        let mut faults = house.faults();
        faults.retain(|(slot, _)| here.iter().any(|member| member.slot == *slot));
        assert_eq!(faults, [], "{self:?}");
    }

    fn check_sum(self, sum: &Sum, inputs: Inputs, traps: &[(Slot, Trap)], here: &[&Runner]) {
        let mut wanted = (0..MEMBERS).map(Slot).collect::<Vec<_>>();
        let trap_of = |slot: &Slot| traps.iter().find(|(of, _)| of == slot);
        wanted.retain(|slot| trap_of(slot).is_none_or(|(_, trap)| trap.point.is_late()));
        assert_eq!(sum.survivors, wanted, "{self:?}");
        let missed = traps
            .iter()
            .filter_map(|(slot, trap)| Some((*slot, missed_in(trap.point)?)));
        let mut missed = missed.collect::<Vec<_>>();
        missed.sort_unstable();
        assert_eq!(sum.vanished, missed, "{self:?}");
        let plain = plain_integers(inputs, sum);
        assert_eq!(sum.integers, plain, "{self:?}: a wrong sum");
        assert_eq!(sum.sha256, sha256_of_values(&plain), "{self:?}");
        for member in here {
            let result = member.result(TASK, 1);
            assert!(result.certified, "{self:?}: member {}", member.slot);
            assert_eq!(result.survivors, sum.survivors, "{self:?}");
            assert_eq!(
                result.sum.values(),
                plain,
                "{self:?}: a wrong sum at {}",
                member.slot
            );
            assert_eq!(result.sum_sha256, sum.sha256, "{self:?}");
        }
    }

    fn check_abort(self, found: &(String, String), here: &[&Runner]) {
        let (reason, phase) = self.reason();
        assert_eq!(*found, (reason.to_owned(), phase.to_owned()), "{self:?}");
        for member in here {
            assert_eq!(
                member.abort(1).reason,
                reason,
                "{self:?}: member {}",
                member.slot
            );
            member.log.look(|log| assert!(log.results.is_empty()));
        }
    }

    /// The members that vanish. Who vanishes in Recover needs somebody to be recovered: the first goes silent before.
    fn traps(self, parameters: &Parameters) -> Vec<(Slot, Trap)> {
        let count = match self.count {
            Count::One if self.point == Vanish::Recover => 2,
            Count::One => 1,
            Count::Most => most(parameters, self.point),
            Count::TooMany => most(parameters, self.point) + 1,
        };
        let traps = (0..count).map(|index| {
            let point = match self.point {
                Vanish::Recover if index == 0 => Vanish::Reveal,
                point => point,
            };
            let other = match self.how {
                How::Crash => How::Hang,
                How::Hang => How::Crash,
            };
            let how = if index % 2 == 0 { self.how } else { other };
            // 3 and 8 have no common divisor: slots all over the roster, each once
            (Slot((index * 3 + 1) % MEMBERS), Trap::new(point, how))
        });
        traps.collect()
    }

    /// Only phases in which somebody is missing close at their deadline; the others wait for everybody, so that a slow
    /// machine changes nothing.
    fn config(self, task: Task) -> TaskConfig {
        let mut config = TaskConfig::new(task);
        config.rounds = Some(1);
        config.gather = Gather {
            members: Some(MEMBERS),
            wait: PATIENT,
        };
        config.deadlines = self.deadlines();
        config
    }

    fn deadlines(self) -> Deadlines {
        let mut times = deadlines(PATIENT);
        match self.point {
            Vanish::Advertise => times.advertise_ms = SHORT_MS,
            Vanish::Share => times.share_ms = SHORT_MS,
            Vanish::Accept => times.accept_ms = SHORT_MS,
            Vanish::Upload | Vanish::MidUpload => times.upload_ms = SHORT_MS,
            // who signs nothing reveals nothing, and a quorum that does not come is waited for as long as Reveal may take
            Vanish::Confirm if self.count == Count::TooMany => {
                (times.confirm_ms, times.reveal_ms) = (SHORT_MS, SHORT_MS);
            }
            Vanish::Confirm | Vanish::Reveal | Vanish::Recover => times.reveal_ms = SHORT_MS,
        }
        times
    }

    fn reason(self) -> (&'static str, &'static str) {
        match self.point {
            Vanish::Advertise => ("too_few_adverts", "advertise"),
            Vanish::Share | Vanish::Accept => ("too_few_shares", "share"),
            Vanish::Upload | Vanish::MidUpload => ("too_few_updates", "upload"),
            Vanish::Confirm => ("below_quorum", "confirm"),
            Vanish::Reveal | Vanish::Recover => ("missing_shares", "reveal"),
        }
    }

    fn seed(self) -> u64 {
        let how = u64::from(self.how == How::Hang);
        1 + ((self.point as u64) << 8 | (self.count as u64) << 4 | how)
    }
}

/// Members that may vanish at a point: before the survivors are fixed the floor counts; then the quorum's signatures;
/// then the shares without which no silent member is recovered.
fn most(parameters: &Parameters, point: Vanish) -> u32 {
    let Parameters { n, f, q, t, .. } = *parameters;
    match point {
        Vanish::Advertise | Vanish::Share | Vanish::Accept | Vanish::Upload | Vanish::MidUpload => {
            n - f
        }
        Vanish::Confirm => n - q,
        Vanish::Reveal | Vanish::Recover => n - t,
    }
}

/// The phase in which the coordinator first misses who vanishes at a point: a signature that the quorum does not need is not
/// missed, nor are shares beyond the threshold.
fn missed_in(point: Vanish) -> Option<PhaseName> {
    match point {
        Vanish::Advertise => Some(PhaseName::Advertise),
        Vanish::Share => Some(PhaseName::Share),
        Vanish::Accept => Some(PhaseName::Accept),
        Vanish::Upload | Vanish::MidUpload => Some(PhaseName::Upload),
        Vanish::Confirm | Vanish::Reveal => Some(PhaseName::Reveal),
        Vanish::Recover => None,
    }
}

const TASK: &str = "matrix";
const MEMBERS: u32 = 8;
const CORRUPT: u32 = 1;
const MISSING: u32 = 2;
/// Four pieces of some ten kilobytes, so that an upload has a middle.
const COORDINATES: u64 = 16_000;
const PATIENT: Duration = Duration::from_secs(60);
/// Of the phases in which members vanish.
const SHORT_MS: u32 = 3_000;
