// SPDX-License-Identifier: Apache-2.0

//go:build !espalier_static

package espalier

// The installed library, as pkg-config finds it.

// #cgo pkg-config: espalier
import "C"
