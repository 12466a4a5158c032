// SPDX-License-Identifier: Apache-2.0

package espalier

// #include "shim.h"
import "C"

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// Number is a type that columns may have.
type Number interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool
}

func columnDtype[T Number]() C.uint32_t {
	var zero T
	switch any(zero).(type) {
	case float32:
		return C.ESPALIER_DTYPE_FLOAT32
	case float64:
		return C.ESPALIER_DTYPE_FLOAT64
	case int8:
		return C.ESPALIER_DTYPE_INT8
	case int16:
		return C.ESPALIER_DTYPE_INT16
	case int32:
		return C.ESPALIER_DTYPE_INT32
	case int64:
		return C.ESPALIER_DTYPE_INT64
	case uint8:
		return C.ESPALIER_DTYPE_UINT8
	case uint16:
		return C.ESPALIER_DTYPE_UINT16
	case uint32:
		return C.ESPALIER_DTYPE_UINT32
	case uint64:
		return C.ESPALIER_DTYPE_UINT64
	}
	return C.ESPALIER_DTYPE_BOOL
}

// Column is the values of one feature in all rows.
type Column struct {
	count  int
	dtype  C.uint32_t
	data   unsafe.Pointer // of numbers; keeps the slice alive
	bytes  uintptr
	texts  []string
	valid  []bool
	isText bool
}

// Numbers makes a column of numbers or bools, one a row.
func Numbers[T Number](values []T) Column {
	var zero T
	column := Column{count: len(values), dtype: columnDtype[T]()}
	if len(values) > 0 {
		column.data = unsafe.Pointer(&values[0])
		column.bytes = uintptr(len(values)) * unsafe.Sizeof(zero)
	}
	return column
}

// Texts makes a column of strings, one a row, for a feature whose categories are text.
func Texts(values []string) Column {
	return Column{count: len(values), dtype: C.ESPALIER_DTYPE_STRING64, texts: values, isText: true}
}

// ValidWhere is the column with the rows missing whose flag is false; NewColumns refuses it with
// ErrArgument unless there is a flag for each row.
func (c Column) ValidWhere(valid []bool) Column {
	c.valid = valid
	if valid == nil {
		c.valid = []bool{}
	}
	return c
}

// Columns are rows as columns, one for each feature in the model's order: a copy in C's memory,
// which any number of predictors may read.
type Columns struct {
	mutex    sync.RWMutex
	raw      *C.espalier_feature_columns // nil once closed
	parts    []unsafe.Pointer
	rowCount int
}

// NewColumns copies the columns. ErrArgument unless all have as many values.
func NewColumns(columns ...Column) (*Columns, error) {
	made := &Columns{}
	for _, column := range columns {
		isValid := column.valid == nil || len(column.valid) == column.count
		if column.count != columns[0].count || !isValid {
			return nil, check(C.ESPALIER_ERROR_ARGUMENT, "columns of different lengths")
		}
		made.rowCount = column.count
	}
	count := C.size_t(len(columns))
	made.raw = (*C.espalier_feature_columns)(made.allocate(unsafe.Sizeof(*made.raw)))
	var one C.espalier_feature_column
	list := made.allocate((uintptr(count) + 1) * unsafe.Sizeof(one))
	raw := unsafe.Slice((*C.espalier_feature_column)(list), len(columns))
	for i, column := range columns {
		made.fill(&raw[i], column)
	}
	made.raw.columns = (*C.espalier_feature_column)(list)
	made.raw.feature_count = count
	made.raw.row_count = C.size_t(made.rowCount)
	runtime.SetFinalizer(made, func(c *Columns) { _ = c.Close() })
	return made, nil
}

// NewNamedColumns copies columns in any order, bound to the model's features by their names, as
// many as columns. Fails as Model.FeatureOrder and NewColumns do.
func NewNamedColumns(model *Model, names []string, columns ...Column) (*Columns, error) {
	if len(names) != len(columns) {
		return nil, check(C.ESPALIER_ERROR_ARGUMENT, "as many names as columns")
	}
	order, err := model.FeatureOrder(names)
	if err != nil {
		return nil, err
	}
	bound := make([]Column, len(order))
	for feature, place := range order {
		bound[feature] = columns[place]
	}
	return NewColumns(bound...)
}

// allocate gives zeroed memory of C, freed by Close.
func (c *Columns) allocate(bytes uintptr) unsafe.Pointer {
	memory := C.calloc(1, C.size_t(bytes)) // never nil: cgo ends the program without memory
	c.parts = append(c.parts, memory)
	return memory
}

func (c *Columns) fill(raw *C.espalier_feature_column, column Column) {
	raw.dtype = column.dtype
	raw.stride = 1
	if column.isText {
		ends := unsafe.Slice((*int64)(c.allocate(uintptr(column.count+1)*8)), column.count+1)
		for i, text := range column.texts {
			ends[i+1] = ends[i] + int64(len(text))
		}
		size := int(ends[column.count])
		text := unsafe.Slice((*byte)(c.allocate(uintptr(size)+1)), size+1)
		for i, one := range column.texts {
			copy(text[ends[i]:], one)
		}
		raw.data = unsafe.Pointer(&ends[0])
		raw.text = (*C.char)(unsafe.Pointer(&text[0]))
		raw.text_bytes = C.size_t(size)
	} else {
		data := c.allocate(column.bytes + 1)
		copy(unsafe.Slice((*byte)(data), column.bytes),
			unsafe.Slice((*byte)(column.data), column.bytes))
		raw.data = data
	}
	if column.valid != nil {
		bits := unsafe.Slice((*byte)(c.allocate(uintptr(column.count)/8+1)), column.count/8+1)
		for i, isValid := range column.valid {
			if isValid {
				bits[i/8] |= 1 << (i % 8)
			}
		}
		raw.validity = (*C.uint8_t)(unsafe.Pointer(&bits[0]))
	}
}

// SetDtype says what the rows are that the columns stand for, Float32 or Float64, as if all were
// one array of that: whole numbers are then rounded to it once. Without it they are what NumPy
// makes of such columns. Waits for predictions that read the columns. ErrDtype for another dtype.
func (c *Columns) SetDtype(dtype Dtype) error {
	if dtype != Float32 && dtype != Float64 {
		return ErrDtype
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.raw == nil {
		return ErrClosed
	}
	c.raw.dtype = C.uint32_t(dtype)
	return nil
}

// RowCount is the number of rows.
func (c *Columns) RowCount() int { return c.rowCount }

// Close frees the copy. A second Close returns ErrClosed. Columns that are never closed are freed
// after the collector found them.
func (c *Columns) Close() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.raw == nil {
		return ErrClosed
	}
	c.raw = nil
	for _, part := range c.parts {
		C.free(part)
	}
	c.parts = nil
	runtime.SetFinalizer(c, nil)
	return nil
}

// PredictColumnsInto is PredictInto for columns. Row and Feature of its *PredictError mean the
// same; Feature also names the column that is at fault for ErrDtype.
func PredictColumnsInto[T Element](p *Predictor, kind Output, columns *Columns, out []T) error {
	var zero T
	var to unsafe.Pointer
	if len(out) > 0 {
		to = unsafe.Pointer(&out[0])
	}
	columns.mutex.RLock()
	defer columns.mutex.RUnlock()
	if columns.raw == nil {
		return ErrClosed
	}
	if err := p.begin(kind, dtypeOf[T]()); err != nil {
		return err
	}
	defer p.isBusy.Store(false)
	done := C.shim_predict_columns(unsafe.Pointer(p.raw), C.uint32_t(kind),
		unsafe.Pointer(columns.raw), to, C.size_t(uintptr(len(out))*unsafe.Sizeof(zero)))
	runtime.KeepAlive(p)
	return toError(done)
}

// PredictColumns is PredictColumnsInto with a new slice.
func PredictColumns[T Element](p *Predictor, kind Output, columns *Columns) ([]T, error) {
	out, err := newOutput[T](p, kind, columns.rowCount)
	if err == nil {
		err = PredictColumnsInto(p, kind, columns, out)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Categories gives the categories of text of a feature by their numbers; nil: it takes numbers
// only.
func (m *Model) Categories(feature int) (names []string, err error) {
	err = m.use(func(raw *C.espalier_model) error {
		if feature < 0 || int64(feature) > int64(^uint32(0)) {
			return nil
		}
		count := C.espalier_model_category_count(raw, C.uint32_t(feature))
		for i := C.uint32_t(0); i < count; i++ {
			var bytes C.size_t
			text := C.espalier_model_category(raw, C.uint32_t(feature), i, &bytes)
			names = append(names, string(unsafe.Slice((*byte)(unsafe.Pointer(text)), int(bytes))))
		}
		return nil
	})
	return names, err
}

// FeatureOrder binds columns by name, in any order: the column of feature f is the one whose name
// is at [f] of the result. names are those of all columns. ErrFeatureCount with the first name that
// is missing, unknown or there twice; ErrArgument when the model has no names or a name has a NUL.
func (m *Model) FeatureOrder(names []string) ([]int, error) {
	info, err := m.Info()
	if err != nil {
		return nil, err
	}
	list := C.calloc(C.size_t(len(names)+1), C.size_t(unsafe.Sizeof(uintptr(0))))
	defer C.free(list)
	raw := unsafe.Slice((**C.char)(list), len(names)+1) // one more: never without a first
	for i, name := range names {
		if strings.IndexByte(name, 0) >= 0 {
			return nil, check(C.ESPALIER_ERROR_ARGUMENT, name+": a NUL in the name")
		}
		raw[i] = C.CString(name)
		defer C.free(unsafe.Pointer(raw[i]))
	}
	found := make([]C.size_t, info.FeatureCount+1)
	err = m.use(func(model *C.espalier_model) error {
		var missing C.uint32_t
		status := C.espalier_model_feature_order(model, &raw[0], C.size_t(len(names)), &found[0],
			&missing)
		if status == C.ESPALIER_ERROR_FEATURE_COUNT {
			name := C.GoString(C.espalier_model_feature_name(model, missing))
			return check(status, fmt.Sprintf("no column %q", name))
		}
		return check(status, "names of columns")
	})
	if err != nil {
		return nil, err
	}
	order := make([]int, info.FeatureCount)
	for f := range order {
		order[f] = int(found[f])
	}
	if err := checkLeft(names, order); err != nil {
		return nil, err
	}
	return order, nil
}

// checkLeft refuses a name that is left over: another one was bound, or it is no feature's.
func checkLeft(names []string, order []int) error {
	bound := make([]bool, len(names))
	for _, place := range order {
		bound[place] = true
	}
	for i, name := range names {
		if bound[i] {
			continue
		}
		what := "the model has no feature"
		for j, other := range names {
			if other == name && j != i {
				what = "two columns"
			}
		}
		return check(C.ESPALIER_ERROR_FEATURE_COUNT, fmt.Sprintf("%s %q", what, name))
	}
	return nil
}
