//! What the program `veilsum` is built from, as a bill of materials in CycloneDX 1.5 (JSON).
//!
//! Every crate that is linked into it or runs while it is built, on any target and with any feature; crates of tests alone
//! are not in it. Versions and checksums are those of `Cargo.lock`. There is no time and no serial number in it: the same
//! commit gives the same bytes.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs, io};

/// Prints the bill.
pub fn run() -> ExitCode {
    match bill() {
        Ok(bill) => {
            println!("{bill:#}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SbomError {
    #[error("{file}: {error}")]
    File { file: String, error: io::Error },
    #[error("cargo metadata: {0}")]
    Start(#[from] io::Error),
    #[error("cargo metadata ended with {0}")]
    Metadata(std::process::ExitStatus),
    #[error("cargo metadata: {0}")]
    Json(#[from] serde_json::Error),
    #[error("Cargo.lock: {0}")]
    Lock(#[from] toml::de::Error),
    #[error("found no package {ROOT} in the workspace")]
    NoRoot,
}

/// Of `cargo metadata`, what a bill needs.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    workspace_root: String,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    description: Option<String>,
    repository: Option<String>,
    /// None for our own.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// None is an ordinary one; else `dev` or `build`.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// SHA-256 of a package's archive by name and version.
type Checksums = BTreeMap<(String, String), String>;

impl Dependency {
    fn is_shipped(&self) -> bool {
        let mut kinds = self.dep_kinds.iter().map(|kind| kind.kind.as_deref());
        kinds.any(|kind| kind != Some("dev"))
    }
}

impl Package {
    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn component(&self, kind: &str, checksums: &Checksums) -> Value {
        let mut component = json!({
            "type": kind,
            "bom-ref": self.purl(),
            "name": self.name,
            "version": self.version,
            "purl": self.purl(),
            "scope": "required",
        });
        if let Some(description) = &self.description {
            component["description"] = json!(description.trim());
        }
        if let Some(license) = &self.license {
            // the slash is how it was written before there were expressions
            let expression = license.replace('/', " OR ");
            component["licenses"] = json!([{ "expression": expression }]);
        }
        if let Some(checksum) = checksums.get(&(self.name.clone(), self.version.clone())) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        // ours has no public place yet
        if let Some(repository) = self.repository.as_ref().filter(|_| self.source.is_some()) {
            component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
        }
        component
    }
}

fn bill() -> Result<Value, SbomError> {
    let metadata = metadata()?;
    let checksums = checksums(&metadata.workspace_root)?;
    let packages = metadata.packages.iter();
    let packages: BTreeMap<_, _> = packages.map(|package| (&*package.id, package)).collect();
    let nodes = metadata.resolve.nodes.iter();
    let nodes: BTreeMap<_, _> = nodes.map(|node| (&*node.id, node)).collect();
    let root = packages.values().find(|package| package.name == ROOT);
    let root = *root.ok_or(SbomError::NoRoot)?;
    let shipped = shipped(&nodes, &root.id);
    let others = shipped.iter().filter_map(|id| packages.get(id).copied());
    let others = others.filter(|package| package.id != root.id);
    let components = others.map(|package| package.component("library", &checksums));
    let dependencies = shipped.iter().filter_map(|id| {
        let (package, node) = (packages.get(id)?, nodes.get(id)?);
        let on = node.deps.iter().filter(|on| on.is_shipped());
        let on = on.filter_map(|on| Some(packages.get(&*on.pkg)?.purl()));
        Some(json!({ "ref": package.purl(), "dependsOn": on.collect::<BTreeSet<_>>() }))
    });
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": root.component("application", &checksums) },
        "components": components.collect::<Vec<_>>(),
        "dependencies": dependencies.collect::<Vec<_>>(),
    }))
}

fn metadata() -> Result<Metadata, SbomError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1"])
        .args(["--locked", "--all-features"])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(SbomError::Metadata(output.status));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn checksums(workspace: &str) -> Result<Checksums, SbomError> {
    let file = format!("{workspace}/Cargo.lock");
    let text = fs::read_to_string(&file).map_err(|error| SbomError::File { file, error })?;
    let lock: Lock = toml::from_str(&text)?;
    let checksums = lock
        .package
        .into_iter()
        .filter_map(|package| Some(((package.name, package.version), package.checksum?)));
    Ok(checksums.collect())
}

/// The package and everything that it reaches by ordinary and build dependencies.
fn shipped<'a>(nodes: &BTreeMap<&'a str, &'a Node>, root: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::from([root]);
    let mut open = vec![root];
    while let Some(node) = open.pop().and_then(|id| nodes.get(id)) {
        let on = node.deps.iter().filter(|on| on.is_shipped());
        open.extend(on.map(|on| &*on.pkg).filter(|on| reached.insert(on)));
    }
    reached
}

/// The package of the program.
const ROOT: &str = "veilsum-cli";
