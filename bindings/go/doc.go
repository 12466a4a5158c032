// SPDX-License-Identifier: Apache-2.0

// Package espalier predicts with tree ensembles of scikit-learn, XGBoost and LightGBM straight from
// a memory-mapped file, bit for bit as the trainer does. It wraps the C library with cgo.
//
// A [Model] is shared by any number of goroutines. A [Predictor] serves one goroutine at a time; it
// is bound to no thread. A service makes one per worker, or keeps them in a [sync.Pool]:
//
//	pool := sync.Pool{New: func() any { p, _ := model.NewPredictor(); return p }}
//
// A prediction is one call into C, which keeps the goroutine's thread for as long as it lasts: some
// tens of nanoseconds more than from C, no matter how many rows it takes. The library starts no
// threads and never calls back. For a long batch, split the rows among as many goroutines as there
// are processors, each with its own Predictor.
//
// Close what you open where the memory matters; what is left is closed by finalizers. A Predictor
// keeps its Model's memory until it is closed itself, so the order does not matter.
//
// # Building
//
// The installed library is found by pkg-config (set PKG_CONFIG_PATH to its lib/pkgconfig). To link
// the static library into the program instead:
//
//	CGO_CFLAGS=$(pkg-config --cflags espalier) \
//	CGO_LDFLAGS="$(pkg-config --variable=libdir espalier)/libespalier.a -lm" \
//	go build -tags espalier_static
package espalier
