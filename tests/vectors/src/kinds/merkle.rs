//! Trees over adverts and parts.

use crate::bytes::{Hex, text};
use crate::file::Case;
use crate::judge::{Stop, refused};
use crate::kinds::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_proto::ids::Hash;
use veilsum_proto::merkle;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Tree",
        layer: "merkle",
        run: tree,
    },
    Kind {
        name: "Proof",
        layer: "merkle",
        run: proof,
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaves {
    leaves: Vec<Option<Hex<32>>>,
}

fn tree(case: &Case) -> Result<Value, Stop> {
    let i: Leaves = case.input()?;
    let leaf = |leaf: &Option<Hex<32>>| leaf.map_or_else(merkle::empty_leaf, |leaf| Hash(leaf.0));
    let tree = merkle::Tree::new(i.leaves.iter().map(leaf).collect());
    let proofs = (0..i.leaves.len()).map(|at| {
        tree.proof(at)
            .iter()
            .map(|hash| text(hash.as_bytes()))
            .collect()
    });
    Ok(json!({
        "root": text(tree.root().as_bytes()),
        "proofs": proofs.collect::<Vec<Vec<Value>>>(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    leaf: Hex<32>,
    position: usize,
    leaves: usize,
    proof: Vec<Hex<32>>,
    root: Hex<32>,
}

fn proof(case: &Case) -> Result<Value, Stop> {
    let i: Proof = case.input()?;
    let siblings = i.proof.iter().map(|hash| Hash(hash.0)).collect::<Vec<_>>();
    let (leaf, root) = (Hash(i.leaf.0), Hash(i.root.0));
    let reached = merkle::root_of(i.leaves, i.position, &leaf, &siblings)
        .ok_or_else(|| refused("merkle.depth", "no proof of this length at this position"))?;
    if reached != root || !merkle::verify(&root, i.leaves, i.position, &leaf, &siblings) {
        return Err(refused("advert.proof", "the proof leads to another root").into());
    }
    Ok(json!({}))
}
