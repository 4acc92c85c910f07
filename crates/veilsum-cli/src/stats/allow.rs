//! What a site lets be asked of its table: the `[stats]` table of a member's configuration.
//!
//! Nothing is allowed unless it is listed.

use super::Empty;
use serde::Deserialize;
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
    /// Fewest rows that a query may ask a member for; any when absent. A query brings the first rows of a table, so that one for few rows
    /// is about these alone, and two that differ by one row are about that row.
    #[serde(default)]
    min_rows: u32,
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

    /// Whether a query may be answered; else why not.
    // spec: [stats.query.refuse]
    pub fn allows(&self, query: &Query) -> Result<(), String> {
        let kind = query.kind();
        if query.columns().is_empty() && !self.count_rows {
            return Err("this site does not let its rows be counted (count_rows)".to_owned());
        }
        // the query is public: whoever is absent for it tells nothing of a row
        if query.rows() < self.min_rows {
            return Err(format!(
                "this site answers queries of at least {} rows of a member (min_rows), not {}",
                self.min_rows,
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
        let of = |min_rows: u32| {
            let text = format!("count_rows = true\nmin_rows = {min_rows}");
            site(&text).allows(&count(&[]))
        };
        assert_eq!((of(0), of(9)), (Ok(()), Ok(())));
        let refused = of(10).unwrap_err();
        assert!(refused.contains("at least 10 rows") && refused.contains("not 9"));
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
