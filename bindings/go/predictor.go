// SPDX-License-Identifier: Apache-2.0

package espalier

// #include "shim.h"
import "C"

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Real is a type that rows may have.
type Real interface{ float32 | float64 }

// Element is a type that outputs may have.
type Element interface {
	float32 | float64 | int32 | int64
}

// dtypeOf neither allocates nor looks T up: only floats have a half, and sizes tell the rest.
func dtypeOf[T Element]() Dtype {
	one := T(1)
	isFloat, isWide := one/2 != 0, unsafe.Sizeof(one) == 8
	switch {
	case isFloat && isWide:
		return Float64
	case isFloat:
		return Float32
	case isWide:
		return Int64
	}
	return Int32
}

// Rows is a view of rows in a slice, which must not change during a prediction.
type Rows struct {
	data                     unsafe.Pointer // keeps the slice alive
	dtype                    Dtype
	rowCount, featureCount   int
	rowStride, featureStride int
}

func view[T Real](values []T, rowCount, featureCount, rowStride, featureStride int) Rows {
	rows := Rows{nil, dtypeOf[T](), rowCount, featureCount, rowStride, featureStride}
	if len(values) > 0 {
		rows.data = unsafe.Pointer(&values[0])
	}
	return rows
}

// Row takes all values as one row.
func Row[T Real](values []T) Rows { return view(values, 1, len(values), len(values), 1) }

// RowMajor takes values row after row. ErrArgument unless they fill whole rows.
func RowMajor[T Real](values []T, featureCount int) (Rows, error) {
	rowCount, err := whole(len(values), featureCount)
	return view(values, rowCount, featureCount, featureCount, 1), err
}

// ColumnMajor takes values feature after feature. ErrArgument unless they fill whole features.
func ColumnMajor[T Real](values []T, rowCount int) (Rows, error) {
	featureCount, err := whole(len(values), rowCount)
	return view(values, rowCount, featureCount, 1, rowCount), err
}

func whole(count, each int) (int, error) {
	if each < 0 || (each == 0 && count != 0) || (each > 0 && count%each != 0) {
		return 0, &PredictError{Status: ErrArgument}
	}
	if each == 0 {
		return 0, nil
	}
	return count / each, nil
}

// RowCount is the number of rows.
func (r Rows) RowCount() int { return r.rowCount }

// PredictorOptions says how to make a predictor; the zero value is the default.
type PredictorOptions struct {
	Leaf           bool // prepare for Leaf, which is refused otherwise
	Unchecked      bool // do not look for values that the trainer would refuse
	BlockRowsMax   int  // rows walked together at most; 0: chosen from the model
	IterationFirst int
	IterationCount int // 0: the model's default range
}

// Predictor predicts with one model, for one goroutine at a time: a second one at the same time
// gets ErrBusy. It is bound to no thread, so goroutines may hand it on, and a sync.Pool may keep
// some.
type Predictor struct {
	raw        *C.espalier_predictor // nil once it is closed
	owned      *owned
	isBusy     atomic.Bool
	isLeased   bool                            // a slot's reader owns it
	version    uint64                          // then of its model
	outputs    [len(outputsAll) + 1]OutputInfo // by kind; Width 0: none
	valueCount int                             // of the model
}

// NewPredictor makes a predictor with the defaults. It allocates all that predictions need.
func (m *Model) NewPredictor() (*Predictor, error) {
	return m.NewPredictorWith(PredictorOptions{})
}

func (options PredictorOptions) raw() (raw C.espalier_predictor_options, err error) {
	raw.struct_bytes = C.size_t(unsafe.Sizeof(raw))
	if options.Leaf {
		raw.flags |= C.ESPALIER_PREDICTOR_LEAF
	}
	if options.Unchecked {
		raw.flags |= C.ESPALIER_PREDICTOR_UNCHECKED
	}
	for _, one := range []struct {
		value int
		to    *C.uint32_t
	}{
		{options.BlockRowsMax, &raw.block_rows_max},
		{options.IterationFirst, &raw.iteration_first},
		{options.IterationCount, &raw.iteration_count},
	} {
		if one.value < 0 || int64(one.value) > int64(^uint32(0)) {
			return raw, check(C.ESPALIER_ERROR_ARGUMENT, "predictor")
		}
		*one.to = C.uint32_t(one.value)
	}
	return raw, nil
}

// NewPredictorWith makes a predictor with options.
func (m *Model) NewPredictorWith(options PredictorOptions) (*Predictor, error) {
	raw, err := options.raw()
	if err != nil {
		return nil, err
	}
	predictor := &Predictor{}
	err = m.use(func(model *C.espalier_model) error {
		status := C.espalier_predictor_create(model, &raw, &predictor.raw)
		if err := check(status, "predictor"); err != nil {
			return err
		}
		for _, kind := range outputsAll {
			predictor.outputs[kind], _ = outputOf(model, kind)
		}
		predictor.valueCount = int(C.espalier_model_value_count(model))
		predictor.owned = m.owned
		predictor.owned.users.Add(1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	runtime.SetFinalizer(predictor, func(p *Predictor) { _ = p.Close() })
	return predictor, nil
}

// Close frees the predictor. ErrBusy while a prediction runs; a second Close returns ErrClosed; one
// that a Reader lends is the reader's, ErrArgument. A Predictor that is never closed is freed after
// the collector found it.
func (p *Predictor) Close() error {
	if p.isLeased {
		return check(C.ESPALIER_ERROR_ARGUMENT, "a reader's predictor")
	}
	if !p.isBusy.CompareAndSwap(false, true) {
		return ErrBusy
	}
	defer p.isBusy.Store(false)
	if p.raw == nil {
		return ErrClosed
	}
	C.espalier_predictor_destroy(p.raw)
	p.raw = nil
	p.owned.release()
	runtime.SetFinalizer(p, nil)
	return nil
}

// Output gives the shape of an output; Width is 0 when the model has no such output.
func (p *Predictor) Output(kind Output) OutputInfo {
	if int(kind) >= len(p.outputs) {
		return OutputInfo{}
	}
	return p.outputs[kind]
}

// Kernel names what computes the first part, for example "walk, 8-byte nodes, avx2".
func (p *Predictor) Kernel() (string, error) {
	if !p.isBusy.CompareAndSwap(false, true) {
		return "", ErrBusy
	}
	defer p.isBusy.Store(false)
	if p.raw == nil {
		return "", ErrClosed
	}
	return C.GoString(C.espalier_predictor_kernel(p.raw)), nil
}

// PredictInto writes RowCount times Width elements to out, row after row, and leaves the rest of it
// alone. Nothing is allocated unless it fails. A failure is a *PredictError, ErrBusy or ErrClosed;
// when a row is refused, the rows before it are written.
func PredictInto[T Element](p *Predictor, kind Output, rows Rows, out []T) error {
	var zero T
	var to unsafe.Pointer
	if len(out) > 0 {
		to = unsafe.Pointer(&out[0])
	}
	return p.predict(kind, rows, dtypeOf[T](), to, uintptr(len(out))*unsafe.Sizeof(zero))
}

func (p *Predictor) predict(kind Output, rows Rows, dtype Dtype, out unsafe.Pointer,
	bytes uintptr) error {
	if err := p.begin(kind, dtype); err != nil {
		return err
	}
	defer p.isBusy.Store(false)
	// Pointers to C's opaque structs would be boxed for cgo's checks: 8 bytes a call.
	// The two Go pointers lead to plain numbers, and C keeps neither: the rules of cgo are met.
	done := C.shim_predict(unsafe.Pointer(p.raw), C.uint32_t(kind), rows.data,
		C.uint32_t(rows.dtype), C.size_t(rows.rowCount), C.size_t(rows.featureCount),
		C.ptrdiff_t(rows.rowStride), C.ptrdiff_t(rows.featureStride), out, C.size_t(bytes))
	runtime.KeepAlive(p)
	return toError(done)
}

// begin makes the predictor busy, for the caller to end, unless it fails.
func (p *Predictor) begin(kind Output, dtype Dtype) error {
	if !p.isBusy.CompareAndSwap(false, true) {
		return ErrBusy
	}
	err := error(nil)
	if p.raw == nil {
		err = ErrClosed
	} else if info := p.Output(kind); info.Width != 0 && info.Dtype != dtype {
		err = &PredictError{Status: ErrDtype}
	}
	if err != nil {
		p.isBusy.Store(false)
	}
	return err
}

func toError(done C.shim_result) error {
	if done.status == C.ESPALIER_OK {
		return nil
	}
	return &PredictError{
		Status:      Status(done.status),
		RowsWritten: int(done.rows_written),
		Row:         int(done.refused_row),
		Feature:     int(done.refused_feature),
	}
}

// Predict is PredictInto with a new slice.
func Predict[T Element](p *Predictor, kind Output, rows Rows) ([]T, error) {
	out, err := newOutput[T](p, kind, rows.rowCount)
	if err == nil {
		err = PredictInto(p, kind, rows, out)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func newOutput[T Element](p *Predictor, kind Output, rowCount int) ([]T, error) {
	width := p.Output(kind).Width
	if width == 0 {
		return nil, &PredictError{Status: ErrOutputKind}
	}
	const most = 1 << 40 // elements
	if rowCount > most/width {
		return nil, &PredictError{Status: ErrStride}
	}
	return make([]T, rowCount*width), nil
}
