// SPDX-License-Identifier: Apache-2.0
//! Looking into a model: categories, trees, nodes and leaves.

use crate::error::{Error, Status};
use crate::model::Model;
use espalier_sys as sys;
use std::os::raw::c_char;

/// Figures of a tree; see `espalier_tree_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Tree {
    pub node_count: u32,
    /// Positions in the file; some may hold no node.
    pub position_count: u32,
    pub depth: u32,
    /// The trainer's.
    pub number: u32,
    pub iteration: u32,
    pub part_index: u32,
    /// Values per leaf.
    pub leaf_width: u32,
}

/// What a node calls missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// NaN.
    Nan,
    /// Nothing: NaN counts as 0 and is compared.
    Never,
    /// NaN and magnitudes of at most 1e-35.
    Zero,
}

/// A node that asks. A row goes left when its value is at most the threshold; of a set see
/// [`Model::goes_left`].
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// The feature, or behind them a value that a pipeline makes of one.
    pub feature: u32,
    /// For float32 input the largest float32 not above the trainer's.
    pub threshold: f64,
    /// What is missing here.
    pub missing: Missing,
    /// Where it goes.
    pub missing_left: bool,
    /// It asks for the category of the feature.
    pub is_set: bool,
    /// Positions of the children.
    pub left: u32,
    #[allow(missing_docs)]
    pub right: u32,
    raw: sys::espalier_node,
}

/// One node of a tree.
#[derive(Clone, Copy, Debug)]
pub enum Node {
    /// It asks.
    Split(Split),
    /// It answers; the leaf's row in the values of the tree's part.
    Leaf(u32),
}

/// What covers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoverUnit {
    /// Rows of training.
    Rows,
    /// Their weights, which are 1 unless training was given others.
    Weights,
    /// At rows of training, second derivatives of the loss.
    Hessians,
}

impl Model {
    /// How many categories of text a feature has; 0: it takes numbers only.
    pub fn category_count(&self, feature: u32) -> u32 {
        unsafe { sys::espalier_model_category_count(self.owned.raw, feature) }
    }

    /// The category with a number, or `None` when there is none.
    pub fn category(&self, feature: u32, category: u32) -> Option<String> {
        let mut bytes = 0;
        let text =
            unsafe { sys::espalier_model_category(self.owned.raw, feature, category, &mut bytes) };
        if text.is_null() {
            return None;
        }
        // It lies in the model's private, checked tables.
        let text = unsafe { std::slice::from_raw_parts(text as *const u8, bytes) };
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// The number that rows have for a string; [`Status::CATEGORY`] when the trainer refuses it.
    pub fn category_number(&self, feature: u32, text: &str) -> Result<f64, Error> {
        let mut number = 0.0;
        let status = unsafe {
            let data = text.as_ptr() as *const c_char;
            let length = text.len();
            sys::espalier_model_category_number(self.owned.raw, feature, data, length, &mut number)
        };
        Status::check(status, "category")?;
        Ok(number)
    }

    /// A tree, below `info().tree_count`.
    pub fn tree(&self, index: u32) -> Result<Tree, Error> {
        let mut raw = sys::espalier_tree_info::default();
        let status = unsafe { sys::espalier_model_tree(self.owned.raw, index, &mut raw) };
        Status::check(status, "tree")?;
        Ok(Tree {
            node_count: raw.node_count,
            position_count: raw.position_count,
            depth: raw.depth,
            number: raw.number,
            iteration: raw.iteration,
            part_index: raw.part_index,
            leaf_width: raw.leaf_width,
        })
    }

    /// The node at a position of a tree; the root is at 0. In a file that was not verified the
    /// children's positions may be anything: bound your walk by the tree's depth.
    pub fn node(&self, tree: u32, position: u32) -> Result<Node, Error> {
        let mut raw = sys::espalier_node::default();
        let status = unsafe { sys::espalier_model_node(self.owned.raw, tree, position, &mut raw) };
        Status::check(status, "node")?;
        if raw.feature == sys::kind::ESPALIER_FEATURE_NONE {
            return Ok(Node::Leaf(raw.leaf_index));
        }
        Ok(Node::Split(Split {
            feature: raw.feature,
            threshold: raw.threshold,
            missing: match raw.missing {
                sys::kind::ESPALIER_MISSING_NEVER => Missing::Never,
                sys::kind::ESPALIER_MISSING_ZERO => Missing::Zero,
                _ => Missing::Nan,
            },
            missing_left: raw.missing_left != 0,
            is_set: raw.is_set != 0,
            left: raw.left,
            right: raw.right,
            raw,
        }))
    }

    /// Whether a value of the node's feature goes left, missing ones and sets included.
    pub fn goes_left(&self, split: &Split, value: f64) -> bool {
        unsafe { sys::espalier_model_node_left(self.owned.raw, &split.raw, value) != 0 }
    }

    /// The trainer's numbers of a tree's leaves, by position; `None` where no leaf is.
    pub fn leaf_numbers(&self, tree: u32) -> Result<Vec<Option<u32>>, Error> {
        let mut numbers = vec![0u32; self.tree(tree)?.position_count as usize];
        let status = unsafe {
            let data = numbers.as_mut_ptr();
            sys::espalier_model_leaf_numbers(self.owned.raw, tree, data, numbers.len())
        };
        Status::check(status, "leaf numbers")?;
        let known = |number: &u32| *number != sys::kind::ESPALIER_NUMBER_NONE;
        Ok(numbers.into_iter().map(|number| Some(number).filter(known)).collect())
    }

    /// The `leaf_width` values of a leaf of a tree, [`Node::Leaf`].
    pub fn leaf_values(&self, tree: &Tree, leaf: u32) -> Result<Vec<f64>, Error> {
        let mut values = vec![0.0; tree.leaf_width as usize];
        let status = unsafe {
            let data = values.as_mut_ptr();
            sys::espalier_model_leaf(self.owned.raw, tree.part_index, leaf, data, values.len())
        };
        Status::check(status, "leaf values")?;
        Ok(values)
    }

    /// How many values [`Split::feature`] may name: the features, and more where rows are prepared.
    pub fn value_count(&self) -> u32 {
        unsafe { sys::espalier_model_value_count(self.owned.raw) }
    }

    /// What the trainer counted at the nodes that test each value, by [`Split::feature`]; `None`
    /// where the file keeps no covers.
    pub fn covers(&self) -> Option<(CoverUnit, Vec<f64>)> {
        let mut covers = vec![0.0; self.value_count() as usize];
        let unit = unsafe {
            sys::espalier_model_covers(self.owned.raw, covers.as_mut_ptr(), covers.len())
        };
        let unit = match unit {
            sys::kind::ESPALIER_COVER_ROWS => CoverUnit::Rows,
            sys::kind::ESPALIER_COVER_WEIGHTS => CoverUnit::Weights,
            sys::kind::ESPALIER_COVER_HESSIANS => CoverUnit::Hessians,
            _ => return None,
        };
        Some((unit, covers))
    }
}
