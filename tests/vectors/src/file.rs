//! Not for judging: what a file of vectors holds, and that it holds it in the shape of `vectors.schema.json`.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Fields by name.
pub type Fields = Map<String, Value>;

/// One file: one fact.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Which protocol.
    pub algorithm: String,
    /// File that describes the shape.
    pub schema: String,
    /// The fact in words.
    pub header: Vec<String>,
    /// Page, section and requirements that it comes from.
    pub source: String,
    /// What flags mean.
    pub notes: BTreeMap<String, String>,
    /// Tests in all groups.
    pub number_of_tests: usize,
    /// Tests by type.
    pub test_groups: Vec<Group>,
}

/// Tests of one type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What is computed.
    pub r#type: String,
    /// Fields of the input of every test.
    pub given: Fields,
    /// The tests.
    pub tests: Vec<Test>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Test {
    /// Number in its file, from 1.
    pub tc_id: u64,
    /// What is special about it.
    pub comment: String,
    /// Keys of the notes.
    pub flags: Vec<String>,
    /// Fields of the input.
    pub input: Fields,
    /// Whether the input has an output.
    pub result: Outcome,
    /// Of a good case.
    pub output: Option<Value>,
    /// Of a bad case: which layer refuses.
    pub layer: Option<String>,
    /// Of a bad case: the requirement that refuses.
    pub requirement: Option<String>,
    /// Of a bad case: requirements that may refuse instead, where the pages leave the order of two checks open.
    #[serde(default)]
    pub either: Vec<String>,
}

/// Whether an input has an output.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It has.
    Valid,
    /// It is refused.
    Invalid,
}

/// One case as it is computed: the group's fields and the test's are one input.
#[derive(Clone, Debug)]
pub struct Case {
    /// The input.
    pub input: Fields,
    /// The output that is wanted; `None` of a bad case.
    pub wanted: Option<Value>,
}

impl File {
    /// Reads a file and checks its shape.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in one line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let file: Self = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        file.check()?;
        Ok(file)
    }

    /// All tests, each with its group.
    pub fn tests(&self) -> impl Iterator<Item = (&Group, &Test)> {
        let groups = self.test_groups.iter();
        groups.flat_map(|group| group.tests.iter().map(move |test| (group, test)))
    }

    fn check(&self) -> Result<(), String> {
        if self.algorithm != "veilsum/1" {
            return Err(format!(
                "found the algorithm {:?}, wanted \"veilsum/1\"",
                self.algorithm
            ));
        }
        let found = self.tests().count();
        if found != self.number_of_tests || found == 0 {
            return Err(format!(
                "found {found} tests, wanted {} and at least 1",
                self.number_of_tests
            ));
        }
        for (at, (_, test)) in self.tests().enumerate() {
            test.check(at as u64 + 1)?;
            if let Some(flag) = test
                .flags
                .iter()
                .find(|flag| !self.notes.contains_key(*flag))
            {
                return Err(format!(
                    "test {} has the flag {flag:?} without a note",
                    test.tc_id
                ));
            }
        }
        Ok(())
    }
}

impl Test {
    /// The case, with the fields of its group; `honest` steps come before its own.
    ///
    /// # Errors
    ///
    /// The group and the test both have a field, or the steps cannot be put together.
    pub fn case(&self, group: &Group) -> Result<Case, String> {
        let mut input = group.given.clone();
        for (name, value) in &self.input {
            if input.insert(name.clone(), value.clone()).is_some() {
                return Err(format!("{name:?} is both given and in the input"));
            }
        }
        if let Some(Value::Array(mut steps)) = input.remove("honest") {
            let count = input.remove("honestSteps").and_then(|count| count.as_u64());
            let count = count.ok_or("`honestSteps` is missing")?;
            steps.truncate(usize::try_from(count).map_err(|error| error.to_string())?);
            let Some(Value::Array(own)) = input.remove("steps") else {
                return Err("`steps` is missing".to_owned());
            };
            steps.extend(own);
            input.insert("steps".to_owned(), Value::Array(steps));
        }
        Ok(Case {
            input,
            wanted: self.output.clone(),
        })
    }

    fn check(&self, number: u64) -> Result<(), String> {
        let bad = (self.layer.is_some(), self.requirement.is_some());
        let fits = match self.result {
            Outcome::Valid => {
                self.output.is_some() && bad == (false, false) && self.either.is_empty()
            }
            Outcome::Invalid => self.output.is_none() && bad == (true, true),
        };
        if !fits || self.tc_id != number {
            return Err(format!(
                "test {number}: number, result, output, layer and requirement do not fit together"
            ));
        }
        Ok(())
    }
}

/// Folder of the vectors in this repository.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors")
}

/// All files of vectors below `root`, in order of their paths.
///
/// # Errors
///
/// A folder that cannot be read, or none with a file in it.
pub fn walk(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "json") && folder != root {
                files.push(path);
            }
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(format!("found no vectors below {}", root.display())),
        false => Ok(files),
    }
}
