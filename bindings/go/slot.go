// SPDX-License-Identifier: Apache-2.0

package espalier

// #include "shim.h"
import "C"

import (
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// SlotOptions says how to open a slot; the zero value is the default.
type SlotOptions struct {
	Sealed         bool         // copy each model to a sealed memory file first (Linux)
	ReaderCountMax int          // readers at most, up to 4,096; 0: 64
	VersionMin     uint64       // of a store: refuse versions below
	Open           *OpenOptions // how each model is opened; nil: prefault it
	Predictor      PredictorOptions
}

// RefreshOptions says what a refresh accepts beside a newer model of the same kind.
type RefreshOptions struct {
	Different bool // a model whose features, classes or outputs are others
	Always    bool // the file that serves already, opened again
	Older     bool // a version of the store below the one that serves
}

// SlotState is how a slot stands.
type SlotState struct {
	Version   uint64 // that serves: of a store its number; of a path 1, 2, ... as it changed
	Changed   bool   // a model was published; otherwise the file was the same
	HeldCount int    // old models that readers still hold
}

// slotOwned counts the users of a C slot: its Slot and its Readers. The last one closes it.
type slotOwned struct {
	mutex sync.Mutex // one of refresh, collect, register and unregister at a time
	raw   *C.espalier_slot
	users int
}

// release is called with the mutex held.
func (o *slotOwned) release() {
	o.users--
	if o.users == 0 {
		C.espalier_slot_close(o.raw)
		o.raw = nil
	}
}

// Slot is the current model of a path or store, swapped while it serves. Any number of goroutines
// may use one; calls that change something wait for each other.
type Slot struct {
	owned    *slotOwned
	isClosed bool // under the mutex
}

// OpenSlot opens the model of path: a store's folder, or a model's file.
func OpenSlot(path string, options SlotOptions) (*Slot, error) {
	if strings.IndexByte(path, 0) >= 0 || options.ReaderCountMax < 0 ||
		int64(options.ReaderCountMax) > int64(^uint32(0)) {
		return nil, check(C.ESPALIER_ERROR_ARGUMENT, path)
	}
	opened := OpenOptions{Prefault: true}
	if options.Open != nil {
		opened = *options.Open
	}
	open := opened.raw()
	predictor, err := options.Predictor.raw()
	if err != nil {
		return nil, err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var flags C.uint64_t
	if options.Sealed {
		flags = C.ESPALIER_SLOT_SEALED
	}
	var raw *C.espalier_slot
	var failure C.espalier_error
	status := C.shim_slot_open(name, flags, C.uint32_t(options.ReaderCountMax),
		C.uint64_t(options.VersionMin), &open, &predictor, &raw, &failure)
	if status != C.ESPALIER_OK {
		return nil, errorOf(status, &failure)
	}
	slot := &Slot{owned: &slotOwned{raw: raw, users: 1}}
	runtime.SetFinalizer(slot, func(s *Slot) { _ = s.Close() })
	return slot, nil
}

// Close gives the slot up; its readers go on working, and the last of them closes it. A second
// Close returns ErrClosed.
func (s *Slot) Close() error {
	s.owned.mutex.Lock()
	defer s.owned.mutex.Unlock()
	if s.isClosed {
		return ErrClosed
	}
	s.isClosed = true
	s.owned.release()
	runtime.SetFinalizer(s, nil)
	return nil
}

// Refresh looks at the path again and publishes what is new there. On failure the old model goes on
// serving. It waits for no reader.
func (s *Slot) Refresh(options RefreshOptions) (SlotState, error) {
	var flags C.uint64_t
	if options.Different {
		flags |= C.ESPALIER_REFRESH_DIFFERENT
	}
	if options.Always {
		flags |= C.ESPALIER_REFRESH_ALWAYS
	}
	if options.Older {
		flags |= C.ESPALIER_REFRESH_OLDER
	}
	var state C.espalier_slot_state
	var failure C.espalier_error
	s.owned.mutex.Lock()
	defer s.owned.mutex.Unlock()
	if s.isClosed {
		return SlotState{}, ErrClosed
	}
	status := C.espalier_slot_refresh(s.owned.raw, flags, &state, &failure)
	if status != C.ESPALIER_OK {
		return SlotState{}, errorOf(status, &failure)
	}
	return toState(state), nil
}

// Collect closes old models that no reader holds any more.
func (s *Slot) Collect() (SlotState, error) {
	var state C.espalier_slot_state
	s.owned.mutex.Lock()
	defer s.owned.mutex.Unlock()
	if s.isClosed {
		return SlotState{}, ErrClosed
	}
	err := check(C.espalier_slot_collect(s.owned.raw, &state), "collect")
	return toState(state), err
}

func toState(raw C.espalier_slot_state) SlotState {
	return SlotState{uint64(raw.version), raw.changed != 0, int(raw.held_count)}
}

// Reader reads a slot, for one goroutine at a time: a second one at the same time gets ErrBusy. It
// is registered once, not for each request; a sync.Pool may keep some.
type Reader struct {
	owned     *slotOwned
	raw       *C.espalier_reader // nil once closed
	lease     C.espalier_lease
	predictor Predictor             // of the model it last held
	known     *C.espalier_predictor // whose outputs predictor has
	mutex     sync.Mutex            // held while it is used
}

// NewReader registers a reader with predictors of its own.
func (s *Slot) NewReader() (*Reader, error) {
	s.owned.mutex.Lock()
	defer s.owned.mutex.Unlock()
	if s.isClosed {
		return nil, ErrClosed
	}
	reader := &Reader{owned: s.owned, predictor: Predictor{isLeased: true}}
	if err := check(C.espalier_slot_register(s.owned.raw, &reader.raw), "reader"); err != nil {
		return nil, err
	}
	s.owned.users++
	runtime.SetFinalizer(reader, func(r *Reader) { _ = r.Close() })
	return reader, nil
}

// Use calls f with a predictor of the current model, which is held meanwhile: for one request, not
// for ever. The predictor is closed afterwards. version is the model's, as in
// SlotState. It waits for nobody and allocates nothing.
func (r *Reader) Use(f func(predictor *Predictor, version uint64) error) error {
	if !r.mutex.TryLock() {
		return ErrBusy
	}
	defer r.mutex.Unlock()
	if r.raw == nil {
		return ErrClosed
	}
	if status := C.espalier_slot_acquire(r.raw, &r.lease); status != C.ESPALIER_OK {
		return check(status, "lease")
	}
	defer r.release()
	r.predictor.raw = r.lease.predictor
	if r.known != r.lease.predictor || r.predictor.version != uint64(r.lease.version) {
		model := C.shim_lease_model(&r.lease)
		for _, kind := range outputsAll {
			r.predictor.outputs[kind], _ = outputOf(model, kind)
		}
		r.predictor.valueCount = int(C.espalier_model_value_count(model))
		r.known, r.predictor.version = r.lease.predictor, uint64(r.lease.version)
	}
	return f(&r.predictor, r.predictor.version)
}

// Warm fetches a model that was published since the last call into the caches of the core it runs
// on, at most bytesMax (0: 1 MiB) of it: for when the reader has answered. It returns how many
// bytes, 0 when nothing was new.
func (r *Reader) Warm(bytesMax int) (int, error) {
	if !r.mutex.TryLock() {
		return 0, ErrBusy
	}
	defer r.mutex.Unlock()
	if r.raw == nil {
		return 0, ErrClosed
	}
	var bytes C.size_t
	err := check(C.espalier_slot_warm(r.raw, C.size_t(bytesMax), &bytes), "warm")
	return int(bytes), err
}

func (r *Reader) release() {
	for !r.predictor.isBusy.CompareAndSwap(false, true) {
		runtime.Gosched() // a goroutine of f's still predicts
	}
	r.predictor.raw = nil
	r.predictor.isBusy.Store(false)
	C.espalier_slot_release(r.raw)
}

// Close gives the reader back. ErrBusy while it is used; a second Close returns ErrClosed.
func (r *Reader) Close() error {
	if !r.mutex.TryLock() {
		return ErrBusy
	}
	defer r.mutex.Unlock()
	if r.raw == nil {
		return ErrClosed
	}
	r.owned.mutex.Lock()
	defer r.owned.mutex.Unlock()
	C.espalier_slot_unregister(r.raw)
	r.raw = nil
	r.owned.release()
	runtime.SetFinalizer(r, nil)
	return nil
}
