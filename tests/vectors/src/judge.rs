//! Holds what our code makes of a case against what the vectors say.

use crate::file::{File, Group, Outcome, Test, walk};
use crate::{kinds, open};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Why there is no output.
#[derive(Debug)]
pub enum Stop {
    /// Our code refuses the input.
    Refused(Refused),
    /// The case cannot be run: a field that is missing, unknown or of another form, or a step before the last that is refused.
    Broken(String),
}

/// A refusal of our code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The requirement that the error is about.
    pub requirement: &'static str,
    /// The error.
    pub text: String,
}

impl Refused {
    /// The same refusal, known to be about this requirement.
    pub(crate) fn about(self, requirement: &'static str) -> Self {
        Self {
            requirement,
            ..self
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused by [{}]: {}", self.requirement, self.text)
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// A refusal by this requirement.
pub fn refused(requirement: &'static str, error: impl fmt::Display) -> Refused {
    Refused {
        requirement,
        text: error.to_string(),
    }
}

/// A case that cannot be run.
pub fn broken(why: impl fmt::Display) -> Stop {
    Stop::Broken(why.to_string())
}

/// Good and bad cases that were executed and found as the vectors say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files.
    pub files: usize,
    /// Cases with an output.
    pub valid: usize,
    /// Cases that are refused.
    pub invalid: usize,
    /// Those found as the vectors say.
    pub passed: usize,
}

/// What was found in all files of a folder.
#[derive(Debug, Default)]
pub struct Report {
    /// By folder.
    pub folders: BTreeMap<String, Counts>,
    /// What differs, a line each.
    pub differences: Vec<String>,
    /// Known differences, a line each.
    pub known: Vec<String>,
}

impl Report {
    /// Executes every file below `root`.
    ///
    /// # Errors
    ///
    /// The folder cannot be walked.
    pub fn of(root: &Path) -> Result<Self, String> {
        let mut report = Self::default();
        for path in walk(root)? {
            let folder = path.strip_prefix(root).unwrap_or(&path).iter().next();
            let folder = folder.unwrap_or_default().display().to_string();
            let judged = judge_file(root, &path);
            report.folders.entry(folder).or_default().add(judged.counts);
            report.differences.extend(judged.differences);
            report.known.extend(judged.known);
        }
        Ok(report)
    }

    /// Over all folders.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.folders.values().for_each(|counts| total.add(*counts));
        total
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.valid += other.valid;
        self.invalid += other.invalid;
        self.passed += other.passed;
    }
}

/// What was found in one file.
#[derive(Debug, Default)]
pub struct Judged {
    /// Its cases.
    pub counts: Counts,
    /// What differs, a line each.
    pub differences: Vec<String>,
    /// What differs and is known to, a line each.
    pub known: Vec<String>,
}

/// Executes one file below `root`.
pub fn judge_file(root: &Path, path: &Path) -> Judged {
    let name = path
        .strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string();
    let mut judged = Judged {
        counts: Counts {
            files: 1,
            ..Counts::default()
        },
        ..Judged::default()
    };
    let read = File::read(path).and_then(|file| Ok((file, open::all()?)));
    let (file, open) = match read {
        Ok(read) => read,
        Err(why) => {
            judged.differences.push(format!("{name}: {why}"));
            return judged;
        }
    };
    for (group, test) in file.tests() {
        match test.result {
            Outcome::Valid => judged.counts.valid += 1,
            Outcome::Invalid => judged.counts.invalid += 1,
        }
        let known = open
            .iter()
            .find(|open| open.file == name && open.tc_id == test.tc_id);
        let case = format!("{name} {} ({})", test.tc_id, test.comment);
        match (judge(group, test), known) {
            (Ok(()), None) => judged.counts.passed += 1,
            (Ok(()), Some(_)) => judged
                .differences
                .push(format!("{case}: passes, and is listed as open")),
            (Err(why), None) => judged.differences.push(format!("{case}: {why}")),
            (Err(why), Some(open)) => judged.known.push(format!("{case}: {why}. {}", open.why)),
        }
    }
    judged
}

fn judge(group: &Group, test: &Test) -> Result<(), String> {
    let kind = kinds::kind(&group.r#type)
        .ok_or_else(|| format!("found the unknown type {:?}", group.r#type))?;
    let case = test.case(group)?;
    let found = match (kind.run)(&case) {
        Err(Stop::Broken(why)) => return Err(format!("cannot be run: {why}")),
        Err(Stop::Refused(refused)) => Err(refused),
        Ok(output) => Ok(output),
    };
    match (found, &test.output, &test.requirement) {
        (Ok(found), Some(wanted), _) => same(&found, wanted),
        (Err(found), None, Some(wanted)) => {
            let layer = test.layer.as_deref();
            if layer != Some(kind.layer) {
                return Err(format!(
                    "found the layer {layer:?}, wanted {:?}",
                    kind.layer
                ));
            }
            let either = test.either.iter().any(|id| id == found.requirement);
            match found.requirement == wanted || either {
                true => Ok(()),
                false => Err(format!("found {found}, wanted [{wanted}]")),
            }
        }
        (Ok(_), None, wanted) => Err(format!("found it taken, wanted it refused by {wanted:?}")),
        (Err(found), _, _) => Err(format!("found it {found}, wanted an output")),
    }
}

/// The first place at which two values differ.
fn same(found: &Value, wanted: &Value) -> Result<(), String> {
    match (found, wanted) {
        (Value::Object(a), Value::Object(b)) => {
            let other = a
                .keys()
                .find(|name| !b.contains_key(*name))
                .or_else(|| b.keys().find(|name| !a.contains_key(*name)));
            if let Some(name) = other {
                return Err(format!("{name:?} is found or wanted, not both"));
            }
            let pairs = a
                .iter()
                .filter_map(|(name, a)| Some((name, a, b.get(name)?)));
            pairs
                .into_iter()
                .try_for_each(|(name, a, b)| same(a, b).map_err(|why| format!("{name}: {why}")))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs
                .into_iter()
                .try_for_each(|(at, (a, b))| same(a, b).map_err(|why| format!("{at}: {why}")))
        }
        (a, b) if a == b => Ok(()),
        (a, b) => Err(format!("found {}, wanted {}", short(a), short(b))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
