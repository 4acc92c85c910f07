//! What a site lets be asked of its table: the `[stats]` table of a member's configuration.
//!
//! Nothing is allowed unless it is listed.

use super::Empty;
use crate::exit::Failure;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::path::Path;
use veilsum_learn::stats::{Kind, Query};

/// The terms of a site for `veilsum join --stats`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatsTable {
    /// What an empty cell does.
    #[serde(default)]
    pub empty: Empty,
    /// Whether rows may be counted without a column.
    #[serde(default)]
    count_rows: bool,
    /// Fewest rows that a query may ask a member for; any when absent, which is for sites that bound the epsilon of all rounds alone. At others it is also
    /// the most rows that the table has.
    min_rows: Option<NonZeroU32>,
    /// Columns that may be asked about.
    #[serde(default)]
    columns: Vec<ColumnTable>,
}

/// What may be asked about one column.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnTable {
    name: String,
    kinds: Vec<Kind>,
    /// Bounds that a query has to have, for the kinds with bounds; any when absent.
    bounds: Option<[f64; 2]>,
}

impl StatsTable {
    /// Whether any query may be answered.
    pub fn allows_any(&self) -> bool {
        self.count_rows || self.columns.iter().any(|column| !column.kinds.is_empty())
    }

    /// The names of the columns that may be asked about.
    pub fn columns(&self) -> Vec<String> {
        let names = self.columns.iter().map(|column| column.name.clone());
        names.collect()
    }

    /// How many rows of the table, the first ones, an answer may be of, whatever a query asks for: where the site bounds no epsilon over all rounds, two
    /// answers of which one is of a row less tell that row. None where it does.
    ///
    /// # Errors
    ///
    /// [`Failure`] of a site that states no such number, or one below the `found` rows of its table.
    // spec: [stats.query.bound]
    pub fn bound(
        &self,
        bounds_epsilon: bool,
        table: &Path,
        found: impl FnOnce() -> Result<u64, Failure>,
    ) -> Result<Option<NonZeroU32>, Failure> {
        if bounds_epsilon {
            return Ok(None);
        }
        let found = found()?;
        match self.min_rows {
            Some(bound) if found <= bound.get().into() => Ok(Some(bound)),
            Some(bound) => Err(Failure::refused(format_args!(
                "found {found} rows (blank lines are counted), more than `min_rows`, {bound}: without noise that is paid for nothing is answered about a part of a table"
            ))
            .in_file(table)
            .hint(format_args!(
                "write a larger number into [stats], public and round, with room to grow, such as min_rows = {}",
                rounded_up(found)
            ))),
            None => Err(Failure::refused(
                "the configuration states no `min_rows`, and the policy bounds no epsilon in total: whoever asks for 199 rows and for 200 would learn row 200",
            )
            .hint(format_args!(
                "write into [stats] a number that may be known, round and not below the rows of the table, such as min_rows = {}; or bound privacy.epsilon_total in the policy",
                rounded_up(found)
            ))),
        }
    }

    /// Whether a query may be answered; else why not.
    // spec: [stats.query.refuse]
    pub fn allows(&self, query: &Query) -> Result<(), String> {
        let kind = query.kind();
        if query.columns().is_empty() && !self.count_rows {
            return Err("this site does not let its rows be counted (count_rows)".to_owned());
        }
        // the query is public: whoever is absent for it tells nothing of a row
        if let Some(least) = self.min_rows.filter(|least| query.rows() < least.get()) {
            return Err(format!(
                "this site answers queries of at least {least} rows of a member (min_rows), not {}",
                query.rows()
            ));
        }
        let bounds = query.bounds();
        for (index, name) in query.columns().iter().enumerate() {
            let Some(column) = self.columns.iter().find(|column| column.name == *name) else {
                return Err(format!(
                    "this site answers nothing about the column {name:?}"
                ));
            };
            if !column.kinds.contains(&kind) {
                let kinds: Vec<&str> = column.kinds.iter().map(|kind| kind.name()).collect();
                return Err(format!(
                    "this site answers {} about the column {name:?}, not {kind}",
                    if kinds.is_empty() {
                        "nothing".to_owned()
                    } else {
                        kinds.join(", ")
                    }
                ));
            }
            if let (Some(own), Some(asked)) = (column.bounds, bounds.get(index))
                && own != *asked
            {
                return Err(format!(
                    "this site answers about the column {name:?} with bounds {}:{}, not {}:{}",
                    own[0], own[1], asked[0], asked[1]
                ));
            }
        }
        Ok(())
    }
}

/// The next of 1, 2, 5, 10, 20, 50 and so on, 100 at least: a number of rows that tells little of theirs.
fn rounded_up(rows: u64) -> u64 {
    let mut power = 100_u64;
    loop {
        for digit in [1, 2, 5] {
            let round = power.saturating_mul(digit);
            if round >= rows {
                return round;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilsum_learn::stats::Parameters;

    fn site(text: &str) -> StatsTable {
        toml::from_str(text).unwrap()
    }

    fn mean(column: &str, bounds: [f64; 2]) -> Query {
        let parameters = Parameters {
            bounds: vec![bounds],
            ..Parameters::new(Kind::Mean, vec![column.into()], 9)
        };
        Query::new(parameters).unwrap()
    }

    fn count(columns: &[&str]) -> Query {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Query::new(Parameters::new(Kind::Count, columns, 9)).unwrap()
    }

    #[test]
    fn a_query_about_few_rows_is_refused_where_the_site_says_so() {
        // spec: [stats.query.refuse]
        let of =
            |min_rows: &str| site(&format!("count_rows = true\n{min_rows}")).allows(&count(&[]));
        assert_eq!((of(""), of("min_rows = 9")), (Ok(()), Ok(())));
        let refused = of("min_rows = 10").unwrap_err();
        assert!(refused.contains("at least 10 rows") && refused.contains("not 9"));
    }

    #[test]
    fn a_site_without_a_bound_of_epsilon_states_one_of_its_table() {
        // spec: [stats.query.bound]
        let bound = |text: &str, bounds_epsilon: bool, found: u64| {
            let bound = site(text).bound(bounds_epsilon, Path::new("t.csv"), || Ok(found));
            bound.map(|bound| bound.map(NonZeroU32::get))
        };
        assert_eq!(bound("min_rows = 200", false, 200).unwrap(), Some(200));
        assert_eq!(bound("", true, 200).unwrap(), None);
        assert_eq!(bound("min_rows = 9", true, 200).unwrap(), None);
        for (text, found, wanted) in [
            ("", 187, ["no `min_rows`", "min_rows = 200"]),
            ("", 0, ["no `min_rows`", "min_rows = 100"]),
            (
                "min_rows = 200",
                201,
                ["t.csv: found 201 rows", "min_rows = 500"],
            ),
            (
                "min_rows = 1",
                5_001,
                ["found 5001 rows", "min_rows = 10000"],
            ),
        ] {
            let refused = bound(text, false, found).unwrap_err().to_string();
            let told = wanted.iter().all(|part| refused.contains(part));
            assert!(told, "{refused}");
        }
        assert!(toml::from_str::<StatsTable>("min_rows = 0").is_err());
        assert!(rounded_up(u64::MAX) == u64::MAX);
    }

    #[test]
    fn nothing_is_allowed_unless_it_is_listed() {
        // spec: [stats.query.refuse]
        let age = "[[columns]]\nname = \"age\"\nkinds = [\"mean\"]\nbounds = [0, 120]\n";
        let site_of_age = site(age);
        assert_eq!(site_of_age.allows(&mean("age", [0.0, 120.0])), Ok(()));
        for (site, query, told) in [
            (
                site(""),
                mean("age", [0.0, 120.0]),
                "nothing about the column \"age\"",
            ),
            (
                site_of_age.clone(),
                mean("income", [0.0, 9.0]),
                "nothing about the column \"income\"",
            ),
            (
                site_of_age.clone(),
                count(&["age"]),
                "answers mean about the column \"age\", not count",
            ),
            (site_of_age.clone(), count(&[]), "count_rows"),
            (
                site_of_age,
                mean("age", [59.0, 60.0]),
                "bounds 0:120, not 59:60",
            ),
        ] {
            let refused = site.allows(&query).unwrap_err();
            assert!(refused.contains(told), "{refused}");
        }
        assert_eq!(site("count_rows = true").allows(&count(&[])), Ok(()));
    }
}
