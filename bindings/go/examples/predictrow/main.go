// SPDX-License-Identifier: Apache-2.0

// Command predictrow opens a model and predicts one row: predictrow MODEL VALUE... prints the class
// probabilities, or the value of a regressor, one per line.
package main

import (
	"fmt"
	"os"
	"strconv"

	"espalier"
)

func predict(path string, texts []string) error {
	row := make([]float64, len(texts))
	for i, text := range texts {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		row[i] = value
	}
	model, err := espalier.Open(path)
	if err != nil {
		return err
	}
	defer model.Close()
	predictor, err := model.NewPredictor()
	if err != nil {
		return err
	}
	defer predictor.Close()

	kind := espalier.Probability
	if predictor.Output(kind).Width == 0 {
		kind = espalier.Value
	}
	if predictor.Output(kind).Dtype == espalier.Float32 {
		return show(espalier.Predict[float32](predictor, kind, espalier.Row(row)))
	}
	return show(espalier.Predict[float64](predictor, kind, espalier.Row(row)))
}

func show[T float32 | float64](values []T, err error) error {
	for _, value := range values {
		fmt.Println(value)
	}
	return err
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: predictrow MODEL VALUE...")
		os.Exit(2)
	}
	if err := predict(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "predictrow:", err)
		os.Exit(1)
	}
}
