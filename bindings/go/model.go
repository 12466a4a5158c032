// SPDX-License-Identifier: Apache-2.0

package espalier

// #include "shim.h"
import "C"

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Output is a kind of prediction.
type Output uint32

// The kinds; a model has some of them.
const (
	Margin      Output = C.ESPALIER_OUTPUT_MARGIN      // the decision function, before the link
	Probability Output = C.ESPALIER_OUTPUT_PROBABILITY // one per class
	Class       Output = C.ESPALIER_OUTPUT_CLASS       // int32: an index into Labels
	Value       Output = C.ESPALIER_OUTPUT_VALUE       // predict of a regressor or a Booster
	Leaf        Output = C.ESPALIER_OUTPUT_LEAF        // int64; wants PredictorOptions.Leaf
	Score       Output = C.ESPALIER_OUTPUT_SCORE       // the anomaly score
)

var outputsAll = [...]Output{Margin, Probability, Class, Value, Leaf, Score}

// Dtype is the type of an output's elements, or of rows.
type Dtype uint32

// The types.
const (
	Float32 Dtype = C.ESPALIER_DTYPE_FLOAT32
	Float64 Dtype = C.ESPALIER_DTYPE_FLOAT64
	Int32   Dtype = C.ESPALIER_DTYPE_INT32
	Int64   Dtype = C.ESPALIER_DTYPE_INT64
)

// OutputInfo is the shape of one kind of output.
type OutputInfo struct {
	Dtype      Dtype
	Width      int // elements per row
	GroupCount int // probabilities of several outputs: groups side by side, else 1
}

// Info holds figures of a model; see espalier_model_info.
type Info struct {
	FileBytes       uint64
	NodeCount       uint64
	FeatureCount    int
	TreeCount       int
	DepthMax        int
	OutputCount     int    // the trainer's outputs (n_outputs_)
	DefaultOutput   Output // what the trainer's own predict gives
	MissingAllowed  bool   // NaN means missing; otherwise it is refused
	InfiniteAllowed bool   // infinity is a number like others; otherwise it is refused
	IterationCount  int
	RootDigest      [32]byte // what the file says its digest is
}

// OpenOptions says how to open a model. The zero value maps the file and reads its tables alone.
type OpenOptions struct {
	Copy            bool   // read into private memory: a file that shrinks later does no harm
	Verify          bool   // check the whole file, as Model.Verify
	Prefault        bool   // fault all pages in
	Lock            bool   // lock all pages in memory
	HugePages       bool   // a private copy on huge pages, where the kernel grants them
	VisitsPerRowMax uint64 // refuse models whose tree depths add up to more; 0: 2^22
}

func (o OpenOptions) raw() C.espalier_open_options {
	var raw C.espalier_open_options
	raw.struct_bytes = C.size_t(unsafe.Sizeof(raw))
	raw.visits_per_row_max = C.uint64_t(o.VisitsPerRowMax)
	for _, flag := range []struct {
		isSet bool
		bit   C.uint64_t
	}{
		{o.Copy, C.ESPALIER_OPEN_COPY},
		{o.Verify, C.ESPALIER_OPEN_VERIFY},
		{o.Prefault, C.ESPALIER_OPEN_PREFAULT},
		{o.Lock, C.ESPALIER_OPEN_LOCK},
		{o.HugePages, C.ESPALIER_OPEN_HUGE_PAGES},
	} {
		if flag.isSet {
			raw.flags |= flag.bit
		}
	}
	return raw
}

// owned counts the users of a C model: its Model and its Predictors. The last one frees it.
type owned struct {
	raw    *C.espalier_model
	memory unsafe.Pointer // what the model reads when it was opened from memory
	users  atomic.Int64
}

func (o *owned) release() {
	if o.users.Add(-1) == 0 {
		C.espalier_model_close(o.raw)
		C.free(o.memory)
	}
}

// Model is an open model file. Any number of goroutines may use one.
type Model struct {
	mutex sync.RWMutex // Close against everything else; predictions do not come here
	owned *owned       // nil once it is closed
}

func newModel(raw *C.espalier_model, memory unsafe.Pointer) *Model {
	model := &Model{owned: &owned{raw: raw, memory: memory}}
	model.owned.users.Store(1)
	runtime.SetFinalizer(model, func(m *Model) { _ = m.Close() })
	return model
}

// Open maps the file at path. It costs a few system calls, however large the model is.
func Open(path string) (*Model, error) { return OpenWith(path, OpenOptions{}) }

// OpenWith opens the file at path with options.
func OpenWith(path string, options OpenOptions) (*Model, error) {
	if strings.IndexByte(path, 0) >= 0 {
		return nil, check(C.ESPALIER_ERROR_ARGUMENT, path+": a NUL in the name")
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var raw *C.espalier_model
	var failure C.espalier_error
	rawOptions := options.raw()
	status := C.espalier_model_open(name, &rawOptions, &raw, &failure)
	if status != C.ESPALIER_OK {
		return nil, errorOf(status, &failure)
	}
	return newModel(raw, nil), nil
}

// OpenBytes opens a model in memory, which is copied once.
func OpenBytes(data []byte, options OpenOptions) (*Model, error) {
	var first unsafe.Pointer
	if len(data) > 0 {
		first = unsafe.Pointer(&data[0])
	}
	memory := C.shim_copy(first, C.size_t(len(data)))
	if memory == nil {
		return nil, check(C.ESPALIER_ERROR_MEMORY, "model in memory")
	}
	var raw *C.espalier_model
	var failure C.espalier_error
	rawOptions := options.raw()
	status := C.espalier_model_open_memory(memory, C.size_t(len(data)), &rawOptions, &raw, &failure)
	if status != C.ESPALIER_OK {
		C.free(memory)
		return nil, errorOf(status, &failure)
	}
	return newModel(raw, memory), nil
}

// Close gives the model up; predictors of it go on working, and the last of them frees it. A second
// Close returns ErrClosed. A Model that is never closed is freed after the collector found it.
func (m *Model) Close() error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.owned == nil {
		return ErrClosed
	}
	m.owned.release()
	m.owned = nil
	runtime.SetFinalizer(m, nil)
	return nil
}

// use calls f while the model cannot be closed.
func (m *Model) use(f func(raw *C.espalier_model) error) error {
	m.mutex.RLock()
	defer m.mutex.RUnlock()
	if m.owned == nil {
		return ErrClosed
	}
	return f(m.owned.raw)
}

// Verify reads and checks the whole file: sections, padding, every index, and the golden rows.
func (m *Model) Verify() error {
	return m.use(func(raw *C.espalier_model) error {
		var failure C.espalier_error
		status := C.espalier_model_verify(raw, &failure)
		if status != C.ESPALIER_OK {
			return errorOf(status, &failure)
		}
		return nil
	})
}

// Info gives figures of the model.
func (m *Model) Info() (info Info, err error) {
	err = m.use(func(raw *C.espalier_model) error {
		var found C.espalier_model_info
		found.struct_bytes = C.size_t(unsafe.Sizeof(found))
		if err := check(C.espalier_model_info_get(raw, &found), "model info"); err != nil {
			return err
		}
		info = Info{
			FileBytes:       uint64(found.file_bytes),
			NodeCount:       uint64(found.node_count),
			FeatureCount:    int(found.feature_count),
			TreeCount:       int(found.tree_count),
			DepthMax:        int(found.depth_max),
			OutputCount:     int(found.output_count),
			DefaultOutput:   Output(found.default_output),
			MissingAllowed:  found.missing_allowed != 0,
			InfiniteAllowed: found.infinite_allowed != 0,
			IterationCount:  int(found.iteration_count),
		}
		for i, value := range found.root_digest {
			info.RootDigest[i] = byte(value)
		}
		return nil
	})
	return info, err
}

func outputOf(raw *C.espalier_model, kind Output) (OutputInfo, error) {
	var found C.espalier_output_info
	status := C.espalier_model_output(raw, C.espalier_output_kind(kind), &found)
	if err := check(status, "output"); err != nil {
		return OutputInfo{}, err
	}
	return OutputInfo{Dtype(found.dtype), int(found.width), int(found.group_count)}, nil
}

// Output gives the shape of an output, or ErrOutputKind when the model has no such output.
func (m *Model) Output(kind Output) (info OutputInfo, err error) {
	err = m.use(func(raw *C.espalier_model) (err error) {
		info, err = outputOf(raw, kind)
		return err
	})
	return info, err
}

// FeatureNames gives the names of the features, or nil when the model has none.
func (m *Model) FeatureNames() (names []string, err error) {
	info, err := m.Info()
	if err != nil {
		return nil, err
	}
	err = m.use(func(raw *C.espalier_model) error {
		for i := 0; i < info.FeatureCount; i++ {
			name := C.espalier_model_feature_name(raw, C.uint32_t(i))
			if name == nil {
				return nil
			}
			names = append(names, C.GoString(name))
		}
		return nil
	})
	return names, err
}

// Labels gives the labels that Class counts, of one of the trainer's outputs: each an int64,
// uint64, float64, bool or string, as the trainer had it.
func (m *Model) Labels(outputIndex int) (labels []any, err error) {
	if outputIndex < 0 || int64(outputIndex) > int64(^uint32(0)) {
		return nil, check(C.ESPALIER_ERROR_ARGUMENT, "class labels")
	}
	err = m.use(func(raw *C.espalier_model) error {
		var found C.espalier_label_info
		status := C.espalier_model_labels(raw, C.uint32_t(outputIndex), &found)
		if err := check(status, "class labels"); err != nil {
			return err
		}
		for i := C.uint32_t(0); i < found.count; i++ {
			var label C.espalier_label
			status := C.espalier_model_class_label(raw, C.uint32_t(outputIndex), i, &label)
			if err := check(status, "class label"); err != nil {
				return err
			}
			labels = append(labels, toLabel(&label))
		}
		return nil
	})
	return labels, err
}

func toLabel(label *C.espalier_label) any {
	switch label.kind {
	case C.ESPALIER_LABEL_UINT:
		return uint64(label.integer)
	case C.ESPALIER_LABEL_FLOAT:
		return float64(label.real)
	case C.ESPALIER_LABEL_BOOL:
		return label.integer != 0
	case C.ESPALIER_LABEL_STRING:
		return C.GoStringN(label.text, C.int(label.text_bytes))
	}
	return int64(label.integer)
}

// Metadata gives the model's metadata, JSON text.
func (m *Model) Metadata() (metadata string, err error) {
	err = m.use(func(raw *C.espalier_model) error {
		var text *C.char
		var bytes C.size_t
		status := C.espalier_model_metadata(raw, &text, &bytes)
		if err := check(status, "metadata"); err != nil {
			return err
		}
		if bytes > 0 {
			metadata = string(unsafe.Slice((*byte)(unsafe.Pointer(text)), int(bytes)))
		}
		return nil
	})
	return metadata, err
}

// Version gives the version of the linked C library.
func Version() string { return C.GoString(C.espalier_version()) }
