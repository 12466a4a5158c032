// SPDX-License-Identifier: Apache-2.0

package espalier

// #include "shim.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Tree holds figures of a tree; see espalier_tree_info.
type Tree struct {
	NodeCount     int // the trainer's nodes, leaves included
	PositionCount int // positions in the file; some may hold no node
	Depth         int
	Number        int // the trainer's
	Iteration     int
	PartIndex     int
	LeafWidth     int // values per leaf
}

// Missing is what a node calls missing.
type Missing uint32

// What nodes call missing.
const (
	MissingNaN   Missing = C.ESPALIER_MISSING_NAN
	MissingNever Missing = C.ESPALIER_MISSING_NEVER // nothing: NaN counts as 0 and is compared
	MissingZero  Missing = C.ESPALIER_MISSING_ZERO  // NaN and magnitudes of at most 1e-35
)

// Node is one node of a tree. It asks, and a row goes left when its value is at most the threshold
// (of a set see GoesLeft); or it is a leaf, and answers.
type Node struct {
	IsLeaf      bool
	LeafIndex   int     // of a leaf: for LeafValues
	Feature     int     // the feature, or behind them a value that a pipeline makes of one
	Threshold   float64 // for float32 input the largest float32 not above the trainer's
	Missing     Missing
	MissingLeft bool // where it goes
	IsSet       bool // it asks for the category of the feature
	Left, Right int  // positions of the children; of a leaf its own
	raw         C.espalier_node
}

// fitting gives ErrArgument for a number that C cannot take.
func fitting(number int, what string) (C.uint32_t, error) {
	if number < 0 || int64(number) > int64(^uint32(0)) {
		return 0, check(C.ESPALIER_ERROR_ARGUMENT, what)
	}
	return C.uint32_t(number), nil
}

func treeOf(raw *C.espalier_model, index int) (found C.espalier_tree_info, err error) {
	number, err := fitting(index, "tree")
	if err == nil {
		err = check(C.espalier_model_tree(raw, number, &found), "tree")
	}
	return found, err
}

// Tree gives a tree, below Info().TreeCount.
func (m *Model) Tree(index int) (tree Tree, err error) {
	err = m.use(func(raw *C.espalier_model) error {
		found, err := treeOf(raw, index)
		tree = Tree{int(found.node_count), int(found.position_count), int(found.depth),
			int(found.number), int(found.iteration), int(found.part_index),
			int(found.leaf_width)}
		return err
	})
	return tree, err
}

// Node gives the node at a position of a tree; the root is at 0. In a file that was not verified
// the children's positions may be anything: bound your walk by the tree's depth.
func (m *Model) Node(tree, position int) (node Node, err error) {
	err = m.use(func(raw *C.espalier_model) error {
		index, err := fitting(tree, "node")
		if err != nil {
			return err
		}
		at, err := fitting(position, "node")
		if err != nil {
			return err
		}
		var found C.espalier_node
		if err := check(C.espalier_model_node(raw, index, at, &found), "node"); err != nil {
			return err
		}
		node = Node{Left: int(found.left), Right: int(found.right), raw: found}
		if found.feature == C.ESPALIER_FEATURE_NONE {
			node.IsLeaf = true
			node.LeafIndex = int(found.leaf_index)
			return nil
		}
		node.Feature = int(found.feature)
		node.Threshold = float64(found.threshold)
		node.Missing = Missing(found.missing)
		node.MissingLeft = found.missing_left != 0
		node.IsSet = found.is_set != 0
		return nil
	})
	return node, err
}

// GoesLeft tells whether a value of the node's feature goes left, missing ones and sets included;
// false for leaves and for a closed model.
func (m *Model) GoesLeft(node Node, value float64) (isLeft bool) {
	_ = m.use(func(raw *C.espalier_model) error {
		isLeft = C.espalier_model_node_left(raw, &node.raw, C.double(value)) != 0
		return nil
	})
	return isLeft
}

// LeafNumbers gives the trainer's numbers of a tree's leaves, by position; -1 where no leaf is.
func (m *Model) LeafNumbers(tree int) (numbers []int, err error) {
	err = m.use(func(raw *C.espalier_model) error {
		info, err := treeOf(raw, tree)
		if err != nil {
			return err
		}
		found := make([]C.uint32_t, int(info.position_count)+1)
		status := C.espalier_model_leaf_numbers(raw, C.uint32_t(tree), &found[0],
			C.size_t(info.position_count))
		if err := check(status, "leaf numbers"); err != nil {
			return err
		}
		numbers = make([]int, info.position_count)
		for i := range numbers {
			numbers[i] = -1
			if found[i] != C.ESPALIER_NUMBER_NONE {
				numbers[i] = int(found[i])
			}
		}
		return nil
	})
	return numbers, err
}

// LeafValues gives the LeafWidth values of a leaf of a tree.
func (m *Model) LeafValues(tree Tree, leaf Node) (values []float64, err error) {
	err = m.use(func(raw *C.espalier_model) error {
		if !leaf.IsLeaf || tree.LeafWidth < 1 {
			return check(C.ESPALIER_ERROR_ARGUMENT, "leaf values")
		}
		found := make([]float64, tree.LeafWidth)
		status := C.espalier_model_leaf(raw, C.uint32_t(tree.PartIndex), leaf.raw.leaf_index,
			(*C.double)(unsafe.Pointer(&found[0])), C.size_t(len(found)))
		if err := check(status, "leaf values"); err != nil {
			return err
		}
		values = found
		return nil
	})
	return values, err
}

// ValueCount tells how many values Node.Feature may name: the features, and more where rows are
// prepared; 0 for a closed model.
func (m *Model) ValueCount() (count int) {
	_ = m.use(func(raw *C.espalier_model) error {
		count = int(C.espalier_model_value_count(raw))
		return nil
	})
	return count
}

// CoverUnit is what covers count.
type CoverUnit uint32

// What covers count.
const (
	CoverNone     CoverUnit = C.ESPALIER_COVER_NONE
	CoverRows     CoverUnit = C.ESPALIER_COVER_ROWS     // rows of training
	CoverWeights  CoverUnit = C.ESPALIER_COVER_WEIGHTS  // their weights, 1 unless others were given
	CoverHessians CoverUnit = C.ESPALIER_COVER_HESSIANS // at them, second derivatives of the loss
)

// Covers gives what the trainer counted at the nodes that test each value, by Node.Feature;
// CoverNone and nil where the file keeps no covers.
func (m *Model) Covers() (unit CoverUnit, covers []float64, err error) {
	err = m.use(func(raw *C.espalier_model) error {
		found := make([]float64, int(C.espalier_model_value_count(raw)))
		unit = CoverUnit(C.espalier_model_covers(raw, (*C.double)(unsafe.Pointer(&found[0])),
			C.size_t(len(found))))
		if unit != CoverNone {
			covers = found
		}
		return nil
	})
	return unit, covers, err
}

// Values gives what nodes compare for the first of the rows, by Node.Feature. NaN is missing, or a
// value that no node asks for.
func (p *Predictor) Values(rows Rows) ([]float64, error) {
	if !p.isBusy.CompareAndSwap(false, true) {
		return nil, ErrBusy
	}
	defer p.isBusy.Store(false)
	if p.raw == nil {
		return nil, ErrClosed
	}
	values := make([]float64, p.valueCount)
	status := C.shim_values(unsafe.Pointer(p.raw), rows.data, C.uint32_t(rows.dtype),
		C.size_t(rows.rowCount), C.size_t(rows.featureCount), C.ptrdiff_t(rows.rowStride),
		C.ptrdiff_t(rows.featureStride), (*C.double)(unsafe.Pointer(&values[0])),
		C.size_t(len(values)))
	runtime.KeepAlive(p)
	if status != C.ESPALIER_OK {
		return nil, &PredictError{Status: Status(status)}
	}
	return values, nil
}
