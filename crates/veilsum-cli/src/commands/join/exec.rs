//! `--exec`: a trainer in any language, for which a round is two files.

use super::source::{Brought, read};
use super::standing::Standing;
use crate::args::join::Format;
use crate::exit::{Failure, Kind};
use crate::files::{self, Existing, Readers};
use std::io::stderr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use veilsum_client::RoundInfo;
use veilsum_encode::Clip;
use veilsum_learn::Model;

/// Runs the command once a round, with files in a folder of its own.
pub(super) struct Trainer {
    command: String,
    files: Files,
    extension: &'static str,
}

/// The files of one training, gone when it is over: the update is the site's secret.
struct Files {
    model: PathBuf,
    update: PathBuf,
    weight: PathBuf,
}

impl Trainer {
    /// A trainer that works in `folder`, which is empty, readable by its owner only, and removed by the caller.
    pub(super) fn new(command: &str, format: Format, folder: &Path) -> Self {
        let extension = match format {
            Format::Safetensors => "safetensors",
            Format::Npy => "npy",
        };
        Self {
            command: command.to_owned(),
            files: Files {
                model: folder.join(format!("model.{extension}")),
                update: folder.join(format!("update.{extension}")),
                weight: folder.join("weight"),
            },
            extension,
        }
    }

    pub(super) fn train(&self, info: &RoundInfo, standing: &Standing) -> Result<Brought, Failure> {
        self.files.remove()?;
        let trained = self.train_with_files(info, standing);
        self.files.remove()?;
        trained
    }

    fn train_with_files(&self, info: &RoundInfo, standing: &Standing) -> Result<Brought, Failure> {
        let Files {
            model,
            update,
            weight,
        } = &self.files;
        let mut values = vec![
            ("UPDATE", text(update)),
            ("WEIGHT", text(weight)),
            ("ROUND", info.round.to_string()),
            ("TASK", info.task.name().to_string()),
            ("TASK_DIGEST", hex::encode(info.task.digest().0)),
        ];
        if let Some(noise) = info.task.noise() {
            values.push(("PRIVACY_UNIT", noise.unit.to_string()));
            if let Some(clip) = noise.example_clip {
                values.push(("EXAMPLE_CLIP", example_clip(clip)));
            }
        }
        if let Some(bytes) = &info.model {
            write_model(model, bytes, self.extension)?;
            values.push(("MODEL", text(model)));
        }
        self.run(&values, standing)?;
        let tensors = read(update).map_err(|failure| {
            failure.hint(
                "--exec has to write its update to the file that VEILSUM_UPDATE or {update} names",
            )
        })?;
        Ok((tensors, read_weight(weight)))
    }

    fn run(&self, values: &[(&str, String)], standing: &Standing) -> Result<(), Failure> {
        let mut script = self.command.clone();
        let mut command = Command::new("sh");
        for (name, what) in VARIABLES {
            let placeholder = format!("{{{}}}", name.to_lowercase());
            let value = values
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value);
            match value {
                Some(value) => {
                    script = script.replace(&placeholder, &quoted(value));
                    command.env(format!("VEILSUM_{name}"), value);
                }
                None if script.contains(&placeholder) => {
                    return Err(Failure::usage(format_args!(
                        "--exec asks for {placeholder}, and the task has no {what}"
                    ))
                    .hint(format_args!(
                        "leave it out, or have the coordinator configure the {what}"
                    )));
                }
                None => {
                    command.env_remove(format!("VEILSUM_{name}"));
                }
            }
        }
        // standard output is for results
        command
            .arg("-c")
            .arg(&script)
            .stdin(Stdio::null())
            .stdout(Stdio::from(stderr()));
        let child = command
            .spawn()
            .map_err(|error| Failure::failed(format_args!("--exec cannot be run: {error}")))?;
        let status = wait(child, standing)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::failed(format_args!("--exec ended with {status}"))
            .hint("its own output above says why; nothing was contributed to this round"))
    }
}

/// Variables, and what a task without them lacks.
const VARIABLES: &[(&str, &str)] = &[
    ("MODEL", "model"),
    ("UPDATE", "update"),
    ("WEIGHT", "weight"),
    ("ROUND", "round"),
    ("TASK", "name"),
    ("TASK_DIGEST", "digest"),
    ("PRIVACY_UNIT", "noise"),
    ("EXAMPLE_CLIP", "example clip"),
];

/// `l2:0.5`: the norm and its bound.
fn example_clip(clip: Clip) -> String {
    let norm = match clip {
        Clip::L1(_) => "l1",
        Clip::L2(_) => "l2",
        Clip::LInf(_) => "linf",
    };
    format!("{norm}:{}", clip.bound())
}

impl Files {
    fn remove(&self) -> Result<(), Failure> {
        for path in [&self.model, &self.update, &self.weight] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Failure::io(path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Waits for the trainer, and ends it when the command is ending.
fn wait(mut child: Child, standing: &Standing) -> Result<ExitStatus, Failure> {
    loop {
        let ended = child
            .try_wait()
            .map_err(|error| Failure::failed(format_args!("--exec is lost: {error}")))?;
        if let Some(status) = ended {
            return Ok(status);
        }
        if standing.is_failed() {
            // both fail only for a child that is gone
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure::new(
                Kind::Interrupted,
                "stopped while --exec was running",
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes the model that the coordinator sent as a file of the trainer's kind.
fn write_model(path: &Path, bytes: &[u8], extension: &str) -> Result<(), Failure> {
    if extension == "safetensors" {
        return files::write(path, bytes, Readers::Owner, Existing::Replace);
    }
    let model = Model::from_bytes(bytes).map_err(|error| {
        Failure::failed(format_args!(
            "the coordinator's model cannot be read: {error}"
        ))
    })?;
    veilsum_learn::files::write(path, model.tensors()).map_err(|error| {
        Failure::usage(error).hint("a model of several tensors needs --format safetensors")
    })
}

fn read_weight(path: &Path) -> Result<Option<u32>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io(path, &error)),
    };
    text.trim().parse().map(Some).map_err(|_| {
        Failure::usage(format_args!(
            "--exec wrote the weight {:?}, wanted a whole number",
            text.trim()
        ))
    })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// For the shell: in single quotes, each single quote inside replaced by `'\''`.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_clip_says_its_norm_and_bound() {
        for (clip, wanted) in [
            (Clip::L2(0.5), "l2:0.5"),
            (Clip::L1(3.0), "l1:3"),
            (Clip::LInf(1e-3), "linf:0.001"),
        ] {
            assert_eq!(example_clip(clip), wanted);
        }
    }

    #[test]
    fn quotes_survive_the_shell() {
        for value in ["plain", "with space", "it's", "$HOME `x` \"y\" \\"] {
            let out = Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quoted(value)))
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), value);
        }
    }
}
