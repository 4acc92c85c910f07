//! The examples of a job: built in and dealt by the seed, or from files.

mod first_rows;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use csv::StringRecord;
use ndarray::Array2;

use self::first_rows::Rows;
use super::error::JobError;
use super::spec::{DataSpec, JobSpec, Split};
use crate::examples::{Examples, TrainTest};
use crate::scaling::Standardizer;
use crate::seed::RunSeed;
use crate::{cancer, digits, quotes};

/// What is known of the examples before anybody trains.
#[derive(Debug, Clone)]
pub(super) struct Data {
    /// Features of an example.
    pub(super) features: u32,
    /// Classes.
    pub(super) classes: u8,
    /// Most examples of one member, a public number.
    pub(super) most: u32,
    /// About how many examples there are, a public number.
    pub(super) total: Option<u64>,
    built_in: Option<Arc<BuiltIn>>,
}

#[derive(Debug)]
struct BuiltIn {
    parts: Vec<Examples>,
    test: Examples,
}

impl Data {
    pub(super) fn of(spec: &JobSpec) -> Result<Self, JobError> {
        let built_in = match &spec.data {
            DataSpec::Digits {
                split,
                test_percent,
            } => {
                let seed = RunSeed(spec.seed);
                let TrainTest { train, test } = digits::load()?.split_test(*test_percent, seed)?;
                let parts = deal(&train, *split, spec)?;
                BuiltIn { parts, test }
            }
            DataSpec::Cancer {
                split,
                test_percent,
            } => {
                let seed = RunSeed(spec.seed);
                let TrainTest { train, test } = cancer::load()?.split_test(*test_percent, seed)?;
                let (parts, test) = cancer::standardized(&deal(&train, *split, spec)?, &test)?;
                BuiltIn { parts, test }
            }
            DataSpec::Csv {
                features,
                classes,
                max_examples,
                total_examples,
                ..
            } => {
                return Ok(Self {
                    features: *features,
                    classes: *classes,
                    most: *max_examples,
                    total: *total_examples,
                    built_in: None,
                });
            }
        };
        let sizes = || built_in.parts.iter().map(Examples::len);
        Ok(Self {
            features: u32::try_from(built_in.test.features().ncols()).unwrap_or(u32::MAX),
            classes: built_in.test.classes(),
            most: sizes()
                .max()
                .and_then(|most| u32::try_from(most).ok())
                .unwrap_or(u32::MAX),
            total: Some(sizes().map(|size| size as u64).sum()),
            built_in: Some(Arc::new(built_in)),
        })
    }

    /// Examples of a member, by slot.
    pub(super) fn part(&self, spec: &JobSpec, member: u32) -> Result<Examples, JobError> {
        let unknown = JobError::Member {
            found: member,
            members: spec.members,
        };
        if let Some(built_in) = &self.built_in {
            return built_in.parts.get(member as usize).cloned().ok_or(unknown);
        }
        match &spec.data {
            DataSpec::Csv { files, .. } => read(spec, files.get(member as usize).ok_or(unknown)?),
            DataSpec::Digits { .. } | DataSpec::Cancer { .. } => Err(unknown),
        }
    }

    /// Public examples that nobody trains on, if there are some.
    pub(super) fn test(&self, spec: &JobSpec) -> Result<Option<Examples>, JobError> {
        if let Some(built_in) = &self.built_in {
            return Ok(Some(built_in.test.clone()));
        }
        match &spec.data {
            DataSpec::Csv {
                test: Some(path), ..
            } => read_as(spec, path, Whose::All).map(Some),
            _ => Ok(None),
        }
    }
}

/// Examples of a member's file, in the form that the job says.
///
/// # Errors
///
/// [`JobError::Io`] and [`JobError::Csv`]; with privacy for nothing that a row holds, and not for the number of rows.
pub(super) fn read(spec: &JobSpec, path: &Path) -> Result<Examples, JobError> {
    let whose = match spec.privacy {
        Some(_) => Whose::PrivateMember,
        None => Whose::All,
    };
    read_as(spec, path, whose)
}

/// Whose examples a file has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Of a member that no row may make absent.
    PrivateMember,
    /// Public ones, or of a member without privacy.
    All,
}

fn read_as(spec: &JobSpec, path: &Path, whose: Whose) -> Result<Examples, JobError> {
    let DataSpec::Csv {
        label,
        features,
        classes,
        scaling,
        max_examples,
        ..
    } = &spec.data
    else {
        return Err(super::error::key(
            "data.source",
            "built in",
            "\"csv\" where a member brings a file",
        ));
    };
    let text = fs::read(path).map_err(|fault| JobError::Io {
        path: path.to_owned(),
        fault,
    })?;
    let refuse = |text: String| JobError::Csv {
        path: path.to_owned(),
        text,
    };
    let scaling = (!scaling.is_empty()).then(|| Standardizer::new(scaling.clone()));
    let scaling = scaling.transpose()?;
    if whose == Whose::PrivateMember {
        let rows = Rows {
            label,
            features: *features as usize,
            classes: *classes,
            most: *max_examples as usize,
            scaling,
        };
        return rows.read(&text).map_err(refuse);
    }
    let examples = parse(&text, label, *features as usize, *classes).map_err(refuse)?;
    if examples.is_empty() || examples.len() > *max_examples as usize {
        return Err(refuse(format!(
            "found {} examples, wanted 1 to {max_examples}",
            examples.len()
        )));
    }
    match scaling {
        Some(scaling) => Ok(scaling.apply(&examples)?),
        None => Ok(examples),
    }
}

/// The column of the label, if there are as many beside it as the job says.
fn place_of_label(head: &StringRecord, label: &str, features: usize) -> Result<usize, String> {
    let place = head.iter().position(|name| name == label);
    let place = place.ok_or_else(|| format!("found no column {label:?}, the job's label"))?;
    match head.len() - 1 {
        found if found == features => Ok(place),
        found => Err(format!(
            "found {found} columns beside the label, wanted {features}"
        )),
    }
}

/// A head that names the columns, then numbers. What a cell holds is never told: it is the member's secret.
// spec: [job.csv]
fn parse(text: &[u8], label: &str, features: usize, classes: u8) -> Result<Examples, String> {
    if let Some(line) = quotes::first_open(text) {
        return Err(format!(
            "line {line}: found a quoted cell that does not end in its line"
        ));
    }
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text);
    let head = reader
        .headers()
        .map_err(|error| quotes::broken(&error, text))?;
    let place = place_of_label(head, label, features)?;
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| quotes::broken(&error, text))?;
        let line = || quotes::line_at(text, record.position());
        for (column, field) in record.iter().enumerate() {
            let place_in_words = || format!("line {}, column {}", line(), column + 1);
            if column == place {
                let label = field.parse().ok().filter(|label| *label < classes);
                labels.push(label.ok_or_else(|| {
                    let place = place_in_words();
                    format!("{place}: found no label, wanted a whole number below {classes}")
                })?);
            } else {
                let value = field.parse().ok().filter(|value: &f32| value.is_finite());
                values.push(value.ok_or_else(|| {
                    let place = place_in_words();
                    format!("{place}: found something else than a number")
                })?);
            }
        }
    }
    let features = Array2::from_shape_vec((labels.len(), features), values);
    let features = features.map_err(|error| error.to_string())?;
    Examples::new(features, labels, classes).map_err(|error| error.to_string())
}

fn deal(train: &Examples, split: Split, spec: &JobSpec) -> Result<Vec<Examples>, JobError> {
    let (members, seed) = (spec.members as usize, RunSeed(spec.seed));
    Ok(match split {
        Split::Iid => train.split_iid(members, seed)?,
        Split::ByLabel => train.split_by_label(members, seed)?,
        Split::Dirichlet(alpha) => train.split_dirichlet(members, alpha, seed)?,
        Split::Hospitals => cancer::hospitals(train, seed)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_read_whatever_the_place_of_its_label() {
        // spec: [job.csv]
        let first = parse(b"y,a,b\n1, 0.5,2\n0,-1,3e2\n", "y", 2, 2).unwrap();
        let last = parse(b"a,b,y\n0.5,2,1\n-1,3e2,0\n", "y", 2, 2).unwrap();
        assert_eq!(first, last);
        assert_eq!(first.labels(), [1, 0]);
        assert_eq!(first.features()[(1, 1)], 300.0);
    }

    #[test]
    fn what_is_no_table_is_named_by_line() {
        // spec: [job.csv]
        for (text, wanted) in [
            ("a,b\n1,2\n", "found no column \"y\", the job's label"),
            ("a,y\n1,0\n", "found 1 columns beside the label, wanted 2"),
            (
                "a,b,y\n1,2,0\n1,x,0\n",
                "line 3, column 2: found something else than a number",
            ),
            (
                "a,b,y\n1,NaN,0\n",
                "line 2, column 2: found something else than a number",
            ),
            (
                "a,b,y\n1,2,2\n",
                "line 2, column 3: found no label, wanted a whole number below 2",
            ),
            ("a,b,y\n\n1,2\n", "line 3: found 2 cells, the head has 3"),
            (
                "a,b,y\n1,2,0\n1,\"2,0\n1,3,0\n",
                "line 3: found a quoted cell that does not end in its line",
            ),
            (
                "a,b,y\n1,\"2\n\",0\n",
                "line 2: found a quoted cell that does not end in its line",
            ),
        ] {
            assert_eq!(parse(text.as_bytes(), "y", 2, 2).unwrap_err(), wanted);
        }
    }
}
