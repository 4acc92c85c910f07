//! Merkle trees over leaves at fixed positions: adverts by slot, sealed shares by neighbour.
//!
//! The tree has the next power of two of leaves; positions without content hold [`empty_leaf`]. Leaves and inner nodes are
//! hashed under different labels, so neither passes for the other.

use crate::ids::Hash;
use crate::label::Label;

/// Hash at a position that holds nothing.
pub fn empty_leaf() -> Hash {
    Label::EmptyLeaf.hash(&[])
}

/// A whole tree, kept to give out inclusion proofs.
#[derive(Debug)]
pub struct Tree {
    /// `levels[0]` are the leaves, the last level is the root alone.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Builds the tree over `leaves`, padded with [`empty_leaf`] to a power of two.
    // spec: [merkle.tree]
    pub fn new(mut leaves: Vec<Hash>) -> Self {
        leaves.resize(leaves.len().next_power_of_two(), empty_leaf());
        let mut levels = vec![leaves];
        while let Some(last) = levels.last().filter(|level| level.len() > 1) {
            let above = last
                .as_chunks()
                .0
                .iter()
                .map(|[left, right]| node(left, right))
                .collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.levels
            .last()
            .and_then(|level| level.first())
            .copied()
            .unwrap_or_else(empty_leaf)
    }

    /// Siblings from the leaf at `position` up to below the root; empty for a position outside the tree.
    pub fn proof(&self, position: usize) -> Vec<Hash> {
        let below_root = self.levels.len().saturating_sub(1);
        let levels = self.levels.iter().take(below_root).enumerate();
        // at once as long as it gets: proofs are most of what a coordinator of a large ring writes
        let mut siblings = Vec::with_capacity(below_root);
        siblings.extend(
            levels.filter_map(|(height, level)| level.get((position >> height) ^ 1).copied()),
        );
        siblings
    }
}

/// Root of the tree over `count` leaves in which `leaf` stands at `position` with these siblings; `None` when the position
/// is outside or the proof has another depth.
// spec: [merkle.depth]
pub fn root_of(count: usize, position: usize, leaf: &Hash, proof: &[Hash]) -> Option<Hash> {
    let depth = count.next_power_of_two().trailing_zeros() as usize;
    if position >= count || proof.len() != depth {
        return None;
    }
    let root = proof
        .iter()
        .enumerate()
        .fold(*leaf, |hash, (height, sibling)| {
            if (position >> height) & 1 == 0 {
                node(&hash, sibling)
            } else {
                node(sibling, &hash)
            }
        });
    Some(root)
}

/// Whether `leaf` stands at `position` of a tree over `count` leaves with this `root`.
pub fn verify(root: &Hash, count: usize, position: usize, leaf: &Hash, proof: &[Hash]) -> bool {
    root_of(count, position, leaf, proof) == Some(*root)
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Label::Node.hash(&[left.as_bytes(), right.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count)
            .map(|index| Label::AdvertLeaf.hash(&[&[index as u8]]))
            .collect()
    }

    #[test]
    fn every_leaf_is_proven_and_only_at_its_position() {
        for count in 1..18 {
            let all = leaves(count);
            let tree = Tree::new(all.clone());
            for (position, leaf) in all.iter().enumerate() {
                let proof = tree.proof(position);
                assert!(verify(&tree.root(), count, position, leaf, &proof));
                for other in (0..count).filter(|other| *other != position) {
                    assert!(!verify(&tree.root(), count, other, leaf, &proof));
                }
            }
        }
    }

    #[test]
    fn an_absent_position_is_proven_by_the_empty_leaf() {
        let mut all = leaves(5);
        all[3] = empty_leaf();
        let tree = Tree::new(all);
        assert!(verify(&tree.root(), 5, 3, &empty_leaf(), &tree.proof(3)));
        assert!(!verify(&tree.root(), 5, 2, &empty_leaf(), &tree.proof(2)));
    }

    // spec: [merkle.depth]
    #[test]
    fn a_proof_of_another_depth_or_a_position_outside_is_refused() {
        let all = leaves(6);
        let tree = Tree::new(all.clone());
        let mut long = tree.proof(1);
        long.push(empty_leaf());
        assert!(!verify(&tree.root(), 6, 1, &all[1], &long));
        assert!(!verify(&tree.root(), 6, 1, &all[1], &tree.proof(1)[..2]));
        assert!(
            !verify(&tree.root(), 6, 6, &empty_leaf(), &tree.proof(6)),
            "padding is no position"
        );
        assert!(
            !verify(&tree.root(), 3, 1, &tree.root(), &[]),
            "an inner node is no leaf"
        );
    }
}
