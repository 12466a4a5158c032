// SPDX-License-Identifier: Apache-2.0

package espalier

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"syscall"
)

// Status is the cause of a failure, one value for each that a caller may treat differently. It is
// what errors.Is compares: errors.Is(err, espalier.ErrMissing).
type Status uint32

// The causes, as in espalier.h.
const (
	ErrArgument        Status = C.ESPALIER_ERROR_ARGUMENT
	ErrOptions         Status = C.ESPALIER_ERROR_OPTIONS
	ErrOutputKind      Status = C.ESPALIER_ERROR_OUTPUT_KIND
	ErrFeatureCount    Status = C.ESPALIER_ERROR_FEATURE_COUNT
	ErrDtype           Status = C.ESPALIER_ERROR_DTYPE
	ErrStride          Status = C.ESPALIER_ERROR_STRIDE
	ErrOutputSize      Status = C.ESPALIER_ERROR_OUTPUT_SIZE
	ErrMissing         Status = C.ESPALIER_ERROR_MISSING
	ErrInfinite        Status = C.ESPALIER_ERROR_INFINITE
	ErrISA             Status = C.ESPALIER_ERROR_ISA
	ErrOpen            Status = C.ESPALIER_ERROR_OPEN
	ErrRead            Status = C.ESPALIER_ERROR_READ
	ErrMap             Status = C.ESPALIER_ERROR_MAP
	ErrHost            Status = C.ESPALIER_ERROR_HOST
	ErrCategory        Status = C.ESPALIER_ERROR_CATEGORY
	ErrNotAModel       Status = C.ESPALIER_ERROR_NOT_A_MODEL
	ErrByteOrder       Status = C.ESPALIER_ERROR_BYTE_ORDER
	ErrVersion         Status = C.ESPALIER_ERROR_VERSION
	ErrRequiredFeature Status = C.ESPALIER_ERROR_REQUIRED_FEATURE
	ErrTruncated       Status = C.ESPALIER_ERROR_TRUNCATED
	ErrChecksum        Status = C.ESPALIER_ERROR_CHECKSUM
	ErrSection         Status = C.ESPALIER_ERROR_SECTION
	ErrSectionMissing  Status = C.ESPALIER_ERROR_SECTION_MISSING
	ErrValue           Status = C.ESPALIER_ERROR_VALUE
	ErrIndex           Status = C.ESPALIER_ERROR_INDEX
	ErrGolden          Status = C.ESPALIER_ERROR_GOLDEN
	ErrLimit           Status = C.ESPALIER_ERROR_LIMIT
	ErrMemory          Status = C.ESPALIER_ERROR_MEMORY
	ErrDifferent       Status = C.ESPALIER_ERROR_DIFFERENT
	ErrOlder           Status = C.ESPALIER_ERROR_OLDER
	ErrStore           Status = C.ESPALIER_ERROR_STORE
)

// Misuse that C could not survive.
var (
	// ErrClosed says that what was called was closed before.
	ErrClosed = errors.New("espalier: closed")
	// ErrBusy says that another goroutine is using this Predictor or Reader.
	ErrBusy = errors.New("espalier: in use by another goroutine")
)

// Name is the status as espalier.h names it, such as "ESPALIER_ERROR_TRUNCATED".
func (s Status) Name() string {
	return C.GoString(C.espalier_status_name(C.espalier_status(s)))
}

// Error is a sentence in English.
func (s Status) Error() string {
	return C.GoString(C.espalier_status_message(C.espalier_status(s)))
}

// Error is a failed open, check or look into a model.
type Error struct {
	Status      Status
	SystemErrno syscall.Errno // of the failed system call, or 0
	FileOffset  uint64        // bytes from the file's start; OffsetNone without a place
	FormatRule  uint32        // n of the rule [F-n] that the file breaks, or 0
	Message     string        // one line: file, place and cause
}

// OffsetNone stands where an error names no place in the file.
const OffsetNone = ^uint64(0)

func (e *Error) Error() string { return e.Message }

// Unwrap gives the status, for errors.Is.
func (e *Error) Unwrap() error { return e.Status }

// Is gives what the system said, too: errors.Is(err, fs.ErrNotExist) of a file that is not there.
func (e *Error) Is(target error) bool {
	return e.SystemErrno != 0 && errors.Is(e.SystemErrno, target)
}

// PredictError is a failed prediction. Row and Feature name the value that was refused when the
// status is ErrMissing, ErrInfinite or ErrCategory; the RowsWritten rows before it are written.
type PredictError struct {
	Status      Status
	RowsWritten int
	Row         int
	Feature     int
}

func (e *PredictError) Error() string {
	switch e.Status {
	case ErrMissing, ErrInfinite, ErrCategory:
		return fmt.Sprintf("row %d, feature %d: %s", e.Row, e.Feature, e.Status.Error())
	}
	return e.Status.Error()
}

// Unwrap gives the status, for errors.Is.
func (e *PredictError) Unwrap() error { return e.Status }

func errorOf(status C.espalier_status, from *C.espalier_error) error {
	message := C.GoString(&from.message[0])
	if message == "" {
		message = Status(status).Error()
	}
	return &Error{
		Status:      Status(status),
		SystemErrno: syscall.Errno(from.system_errno),
		FileOffset:  uint64(from.file_offset),
		FormatRule:  uint32(from.format_rule),
		Message:     message,
	}
}

// check makes an error of a status that comes without one.
func check(status C.espalier_status, what string) error {
	if status == C.ESPALIER_OK {
		return nil
	}
	message := what + ": " + Status(status).Error()
	return &Error{Status: Status(status), FileOffset: OffsetNone, Message: message}
}
