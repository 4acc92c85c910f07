//! Every strategy in a small complete graph, many drawn ones in a ring.

use crate::views::cohort::{Cohort, Set, bit};
use crate::views::draw::draw;
use crate::views::member::{Broken, View};
use crate::views::strategy::{Strategy, outcome};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::fmt;
use veilsum_proto::ids::Round;
use veilsum_sim::knowledge::{Facts, Finding, judge_round};

/// What a search came to.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Strategies there are, or were drawn.
    pub strategies: u128,
    /// Of them those in which somebody answers to a certificate.
    pub answered: u64,
    /// Of them those that end in a known sum.
    pub sums: u64,
    /// Of them those that break a promise.
    pub broken: u64,
    /// The first of these, with what was found.
    pub first: Option<(Strategy, Finding)>,
}

impl Search {
    fn note(&mut self, cohort: &Cohort, strategy: &Strategy, facts: &Facts) {
        self.answered += 1;
        match judge_round(Round(1), &[facts], &cohort.corrupt_slots()) {
            Ok(sum) => self.sums += u64::from(sum.is_some()),
            Err(finding) => {
                self.broken += 1;
                self.first
                    .get_or_insert_with(|| (strategy.clone(), finding));
            }
        }
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            strategies,
            answered,
            sums,
            broken,
            first,
        } = self;
        write!(
            f,
            "{strategies} strategies, {answered} with an answer to a certificate, {sums} with a sum, {broken} broken promises"
        )?;
        match first {
            Some((strategy, finding)) => write!(f, "; the first: {finding}\n{strategy:x?}"),
            None => Ok(()),
        }
    }
}

/// Every choice of what to show to whom in a complete graph. Sets that a member refuses change nothing, so of the views that
/// it refuses one is tried; branches in which too few can sign for a certificate of anything are counted, not walked, since
/// without one nothing is released.
///
/// # Panics
///
/// For a ring, and for [`Broken::SignsTwice`], whose views are pairs.
pub fn exhaust(cohort: &Cohort, broken: Broken) -> Search {
    assert!(cohort.windows().is_empty(), "a ring has too many views");
    assert_ne!(broken, Broken::SignsTwice, "views ask for one signature");
    let honest = cohort.honest().collect::<Vec<_>>();
    let views = honest
        .iter()
        .map(|slot| views(cohort, *slot, broken))
        .collect::<Vec<_>>();
    let parameters = &cohort.context.parameters;
    let wanted = match broken {
        Broken::SmallQuorum => parameters.q - 1,
        Broken::LocalCertificate => parameters.t,
        _ => parameters.q,
    };
    let mut walk = Walk {
        wanted: wanted.saturating_sub(cohort.corrupt.count_ones()),
        strategy: Strategy {
            views: vec![View::default(); cohort.members() as usize],
        },
        search: Search {
            strategies: views.iter().map(|views| views.len() as u128).product(),
            ..Search::default()
        },
        cohort,
        broken,
        honest,
        views,
    };
    walk.down(0);
    walk.search
}

/// So many drawn strategies in a ring; equal seeds draw the same.
pub fn sample(cohort: &Cohort, broken: Broken, samples: u64, seed: u64) -> Search {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut search = Search::default();
    for _ in 0..samples {
        let strategy = draw(cohort, &mut rng);
        search.strategies += 1;
        if let Some(facts) = outcome(cohort, &strategy, broken) {
            search.note(cohort, &strategy, &facts);
        }
    }
    search
}

struct Walk<'a> {
    cohort: &'a Cohort,
    broken: Broken,
    honest: Vec<u32>,
    views: Vec<Vec<View>>,
    /// Honest signatures that a certificate needs.
    wanted: u32,
    strategy: Strategy,
    search: Search,
}

impl Walk<'_> {
    fn down(&mut self, depth: usize) {
        let Some(slot) = self.honest.get(depth).copied() else {
            if let Some(facts) = outcome(self.cohort, &self.strategy, self.broken) {
                self.search.note(self.cohort, &self.strategy, &facts);
            }
            return;
        };
        for index in 0..self.views[depth].len() {
            self.strategy.views[slot as usize] = self.views[depth][index];
            if self.can_certify(depth + 1) {
                self.down(depth + 1);
            }
        }
    }

    fn can_certify(&self, depth: usize) -> bool {
        let left = u32::try_from(self.honest.len() - depth).unwrap();
        let signed = |slot: &u32| {
            let view = &self.strategy.views[*slot as usize];
            let survivors = view.asked[0]?;
            let shared = (self.broken != Broken::UnsignedShareSet).then_some(view.shared);
            Some((view.advertised, shared, survivors))
        };
        let signed = self.honest[..depth].iter().filter_map(signed);
        let signed = signed.collect::<Vec<_>>();
        let same = |one| signed.iter().filter(|other| **other == one).count();
        let most = signed.iter().map(|one| same(*one)).max().unwrap_or(0);
        u32::try_from(most).unwrap() + left >= self.wanted
    }
}

/// Every view that a member takes, and one that it refuses.
fn views(cohort: &Cohort, slot: u32, broken: Broken) -> Vec<View> {
    let mut views = vec![View::default()];
    let sets = || (0..=cohort.all()).filter(move |set| set & bit(slot) != 0);
    for advertised in sets() {
        for shared in sets() {
            let view = View {
                advertised,
                shared,
                asked: [None; 2],
            };
            // Whose parts are missing depends on the views of others.
            let dealt = cohort.all();
            if !cohort.joins(slot, &view) || !cohort.uploads(slot, &view, dealt, broken) {
                continue;
            }
            views.push(view);
            let taken = sets().filter(|survivors| cohort.takes(slot, &view, *survivors, broken));
            views.extend(taken.map(|survivors: Set| View {
                asked: [Some(survivors), None],
                ..view
            }));
        }
    }
    views
}
