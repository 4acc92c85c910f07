//! Merkle trees over leaves at fixed positions: adverts by slot, sealed shares by neighbour.
//!
//! The tree has the next power of two of leaves; positions without content hold [`empty_leaf`]. Leaves and inner nodes are
//! hashed under different labels, so neither passes for the other.

use crate::ids::Hash;
use crate::label::Label;
use crate::side_by_side::SideBySide;

/// Hash at a position that holds nothing.
pub fn empty_leaf() -> Hash {
    Label::EmptyLeaf.hash(&[])
}

/// A whole tree, kept to give out inclusion proofs.
#[derive(Debug)]
pub struct Tree {
    /// All levels one after the other, the leaves first, the root last: a proof is read from one piece of memory.
    nodes: Vec<Hash>,
    /// Leaves, padded.
    width: usize,
}

impl Tree {
    /// Builds the tree over `leaves`, padded with [`empty_leaf`] to a power of two.
    // spec: [merkle.tree]
    pub fn new(leaves: Vec<Hash>) -> Self {
        let width = leaves.len().next_power_of_two();
        let mut nodes = Vec::with_capacity(width.saturating_mul(2));
        let mut above = SideBySide::with_capacity(leaves.len().div_ceil(2), NODE_BLOCKS);
        // of each level what stands over a leaf that was given, and what all others are
        let (mut level, mut others, mut places) = (leaves, empty_leaf(), width);
        loop {
            let padding = places.saturating_sub(level.len());
            nodes.extend_from_slice(&level);
            nodes.extend(std::iter::repeat_n(others, padding));
            places >>= 1;
            if places == 0 {
                return Self { nodes, width };
            }
            for pair in level.chunks(2) {
                let left = pair.first().unwrap_or(&others);
                let right = pair.get(1).unwrap_or(&others);
                above.push(Label::Node, &[left.as_bytes(), right.as_bytes()]);
            }
            level = above.hash();
            if level.len() < places {
                others = node(&others, &others);
            }
        }
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.nodes.last().copied().unwrap_or_else(empty_leaf)
    }

    /// Siblings from the leaf at `position` up to below the root; empty for a position outside the tree.
    pub fn proof(&self, position: usize) -> Vec<Hash> {
        self.siblings(position).copied().collect()
    }

    /// As [`Tree::proof`], read where the tree lies.
    pub fn siblings(&self, position: usize) -> Siblings<'_> {
        if position >= self.width {
            return Siblings::default();
        }
        Siblings {
            levels: &self.nodes,
            width: self.width,
            position,
        }
    }
}

/// The siblings of a proof, from the leaf's on; none by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Siblings<'a> {
    /// Nodes from the next sibling's level on.
    levels: &'a [Hash],
    /// Nodes of that level.
    width: usize,
    /// Place in that level.
    position: usize,
}

impl<'a> Iterator for Siblings<'a> {
    type Item = &'a Hash;

    fn next(&mut self) -> Option<&'a Hash> {
        let level = self.levels.split_at_checked(self.width);
        let (here, above) = level.filter(|_| self.width > 1)?;
        let sibling = here.get(self.position ^ 1);
        *self = Self {
            levels: above,
            width: self.width >> 1,
            position: self.position >> 1,
        };
        sibling
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // the width is a power of two
        let left = self.width.checked_ilog2().unwrap_or(0) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Siblings<'_> {}

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

/// Blocks of SHA-256 that an inner node is.
const NODE_BLOCKS: usize = 2;

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

    /// Level by level, each node hashed: what [`Tree::new`] leaves out is the same.
    fn root_by_the_rule(mut level: Vec<Hash>) -> Hash {
        level.resize(level.len().next_power_of_two(), empty_leaf());
        while level.len() > 1 {
            level = level.chunks(2).map(|two| node(&two[0], &two[1])).collect();
        }
        level[0]
    }

    // spec: [merkle.tree]
    #[test]
    fn padding_is_hashed_like_any_leaf() {
        for count in 0..70 {
            let all = leaves(count);
            assert_eq!(Tree::new(all.clone()).root(), root_by_the_rule(all));
        }
    }

    #[test]
    fn outside_the_tree_there_is_no_proof() {
        for count in 0..18 {
            let tree = Tree::new(leaves(count));
            let width = count.next_power_of_two();
            for position in (width..3 * width).chain([usize::MAX]) {
                assert_eq!(tree.proof(position), []);
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
