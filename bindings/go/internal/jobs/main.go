// SPDX-License-Identifier: Apache-2.0

// Command jobs is the package at work for tests/bindings/run_bindings.py, which describes the jobs:
// it reads the file named on the command line, does every job and says how it went.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"espalier"
)

type job struct {
	model, rows, dtype, order, kind, iterations, out string
	rowCount, featureCount                           int
}

var kinds = map[string]espalier.Output{
	"margin": espalier.Margin, "probability": espalier.Probability, "class": espalier.Class,
	"value": espalier.Value, "leaf": espalier.Leaf, "score": espalier.Score,
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func readValues[T espalier.Number](path string) []T {
	data := must(os.ReadFile(path))
	var zero T
	values := make([]T, len(data)/binary.Size(zero))
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, values); err != nil {
		panic(err)
	}
	return values
}

func labelText(label any) string {
	switch value := label.(type) {
	case int64:
		return fmt.Sprintf("i %d\n", value)
	case uint64:
		return fmt.Sprintf("u %d\n", value)
	case float64:
		return fmt.Sprintf("f %d\n", math.Float64bits(value))
	case bool:
		if value {
			return "b 1\n"
		}
		return "b 0\n"
	}
	return fmt.Sprintf("s %s\n", label)
}

func save[T espalier.Element](model *espalier.Model, one job, out []T, width int) {
	var buffer bytes.Buffer
	if indices, isClass := any(out).([]int32); isClass {
		labels := make([][]any, width)
		for i := range labels {
			labels[i] = must(model.Labels(i))
		}
		for i, index := range indices {
			buffer.WriteString(labelText(labels[i%width][index]))
		}
	} else if err := binary.Write(&buffer, binary.LittleEndian, out); err != nil {
		panic(err)
	}
	if err := os.WriteFile(one.out, buffer.Bytes(), 0o644); err != nil {
		panic(err)
	}
}

// toColumns makes every feature a column of its own, which lie one behind the other; where features
// have names, columns in another order, bound by their names.
func toColumns[N espalier.Number](model *espalier.Model, one job,
	values []N) (*espalier.Columns, error) {
	var all []espalier.Column
	var names []string
	known := must(model.FeatureNames())
	isNamed := known != nil && len(known) == one.featureCount
	for i := 0; i < one.featureCount; i++ {
		f := i
		if isNamed {
			f = one.featureCount - 1 - i
			names = append(names, known[f])
		}
		all = append(all, espalier.Numbers(values[f*one.rowCount:(f+1)*one.rowCount]))
	}
	if isNamed {
		return espalier.NewNamedColumns(model, names, all...)
	}
	return espalier.NewColumns(all...)
}

func predictColumns[T espalier.Element, N espalier.Number](predictor *espalier.Predictor, one job,
	values []N, out []T) error {
	model := must(espalier.Open(one.model))
	defer model.Close()
	columns := must(toColumns(model, one, values))
	defer columns.Close()
	if one.order == "N" {
		dtype := espalier.Float32
		if one.dtype == "f4" {
			dtype = espalier.Float64
		}
		if err := columns.SetDtype(dtype); err != nil {
			return err
		}
	}
	return espalier.PredictColumnsInto(predictor, kinds[one.kind], columns, out)
}

// predictTexts takes features with categories as strings, the others as numbers; an empty field is
// missing.
func predictTexts[T espalier.Element](model *espalier.Model, predictor *espalier.Predictor,
	one job, out []T) error {
	lines := strings.Split(strings.TrimSuffix(string(must(os.ReadFile(one.rows))), "\n"), "\n")
	var all []espalier.Column
	for f := 0; f < one.featureCount; f++ {
		texts := make([]string, len(lines))
		numbers := make([]float64, len(lines))
		valid := make([]bool, len(lines))
		for r, line := range lines {
			texts[r] = strings.Split(line, ",")[f]
			numbers[r], _ = strconv.ParseFloat(texts[r], 64)
			valid[r] = texts[r] != ""
		}
		column := espalier.Numbers(numbers)
		if must(model.Categories(f)) != nil {
			column = espalier.Texts(texts)
		}
		all = append(all, column.ValidWhere(valid))
	}
	columns := must(espalier.NewColumns(all...))
	defer columns.Close()
	return espalier.PredictColumnsInto(predictor, kinds[one.kind], columns, out)
}

// predictValues predicts row after row, each by a call of its own, or all rows at once.
func predictValues[T espalier.Element, R espalier.Real](predictor *espalier.Predictor, one job,
	values []R, out []T) error {
	kind := kinds[one.kind]
	switch one.order {
	case "F":
		return espalier.PredictInto(predictor, kind,
			must(espalier.ColumnMajor(values, one.rowCount)), out)
	case "C":
		return espalier.PredictInto(predictor, kind,
			must(espalier.RowMajor(values, one.featureCount)), out)
	}
	if one.order == "T" || one.order == "N" {
		return predictColumns(predictor, one, values, out)
	}
	if one.order == "S" {
		slot := must(espalier.OpenSlot(one.model, espalier.SlotOptions{}))
		defer slot.Close()
		reader := must(slot.NewReader())
		defer reader.Close()
		return reader.Use(func(lent *espalier.Predictor, _ uint64) error {
			rows := must(espalier.RowMajor(values, one.featureCount))
			return espalier.PredictInto(lent, kind, rows, out)
		})
	}
	width := predictor.Output(kind).Width
	for row := 0; row < one.rowCount; row++ {
		from := espalier.Row(values[row*one.featureCount : (row+1)*one.featureCount])
		err := espalier.PredictInto(predictor, kind, from, out[row*width:(row+1)*width])
		var refused *espalier.PredictError
		if errors.As(err, &refused) {
			refused.RowsWritten += row
			refused.Row += row
			return refused
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func predictAs[T espalier.Element](model *espalier.Model, predictor *espalier.Predictor,
	one job) (string, error) {
	info := predictor.Output(kinds[one.kind])
	out := make([]T, one.rowCount*info.Width)
	var err error
	if one.dtype == "text" {
		err = predictTexts(model, predictor, one, out)
	} else if one.dtype == "i8" {
		err = predictColumns(predictor, one, readValues[int64](one.rows), out)
	} else if one.dtype == "f4" {
		err = predictValues(predictor, one, readValues[float32](one.rows), out)
	} else {
		err = predictValues(predictor, one, readValues[float64](one.rows), out)
	}
	rowsWritten := one.rowCount
	var refused *espalier.PredictError
	if errors.As(err, &refused) {
		rowsWritten = refused.RowsWritten
	}
	save(model, one, out[:rowsWritten*info.Width], info.Width)
	return fmt.Sprintf("ok\t%d\t%d", info.Dtype, info.Width), err
}

func predict(model *espalier.Model, one job) (string, error) {
	options := espalier.PredictorOptions{Leaf: one.kind == "leaf"}
	if first, end, isRange := strings.Cut(one.iterations, ":"); isRange {
		options.IterationFirst = must(strconv.Atoi(first))
		options.IterationCount = must(strconv.Atoi(end)) - options.IterationFirst
	}
	predictor, err := model.NewPredictorWith(options)
	if err != nil {
		return "", err
	}
	defer predictor.Close()
	switch predictor.Output(kinds[one.kind]).Dtype {
	case espalier.Float32:
		return predictAs[float32](model, predictor, one)
	case espalier.Int32:
		return predictAs[int32](model, predictor, one)
	case espalier.Int64:
		return predictAs[int64](model, predictor, one)
	}
	return predictAs[float64](model, predictor, one)
}

func describe(model *espalier.Model, one job) (string, error) {
	info := must(model.Info())
	metadata := must(model.Metadata())
	if err := os.WriteFile(one.out, []byte(metadata), 0o644); err != nil {
		panic(err)
	}
	names := must(model.FeatureNames())
	if names == nil {
		names = make([]string, info.FeatureCount)
	}
	return fmt.Sprintf("info\t%d\t%d\t%d\t%s\t%s", info.FeatureCount, info.TreeCount,
		info.DefaultOutput, hex.EncodeToString(info.RootDigest[:]),
		strings.Join(names, "\t")), nil
}

// findLeaf gives the position at which a tree answers for what nodes compare.
func findLeaf(model *espalier.Model, index int, values []float64) int {
	at := 0
	for level := must(model.Tree(index)).Depth; level > 0; level-- {
		node := must(model.Node(index, at))
		if node.IsLeaf {
			break
		}
		at = node.Right
		if model.GoesLeft(node, values[node.Feature]) {
			at = node.Left
		}
	}
	return at
}

// walk finds the leaves that rows come to, by looking into the model alone.
func walk[R espalier.Real](model *espalier.Model, one job) (string, error) {
	predictor, err := model.NewPredictor()
	if err != nil {
		return "", err
	}
	defer predictor.Close()
	rows := readValues[R](one.rows)
	count := must(model.Info()).TreeCount
	numbers := make([][]int, count)
	for i := range numbers {
		numbers[i] = must(model.LeafNumbers(i))
	}
	var out []int64
	for r := 0; r < one.rowCount; r++ {
		row := espalier.Row(rows[r*one.featureCount : (r+1)*one.featureCount])
		values := must(predictor.Values(row))
		for i := range numbers {
			out = append(out, int64(numbers[i][findLeaf(model, i, values)]))
		}
	}
	save(model, one, out, count)
	return fmt.Sprintf("ok\t%d\t%d", espalier.Int64, count), nil
}

func showCovers(model *espalier.Model, one job) (string, error) {
	unit, covers, err := model.Covers()
	var text strings.Builder
	for value, cover := range covers {
		if cover != 0 {
			fmt.Fprintf(&text, "%d %d\n", value, math.Float64bits(cover))
		}
	}
	if err := os.WriteFile(one.out, []byte(text.String()), 0o644); err != nil {
		panic(err)
	}
	return fmt.Sprintf("cover\t%d", unit), err
}

func run(one job) (string, error) {
	model, err := espalier.Open(one.model)
	if err != nil {
		return "", err
	}
	defer model.Close()
	switch one.kind {
	case "info":
		return describe(model, one)
	case "cover":
		return showCovers(model, one)
	case "verify":
		return "verified", model.Verify()
	}
	if one.order == "W" && one.dtype == "f4" {
		return walk[float32](model, one)
	} else if one.order == "W" {
		return walk[float64](model, one)
	}
	return predict(model, one)
}

func report(line string, err error) string {
	var refused *espalier.PredictError
	var failed *espalier.Error
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("refused\t%s\t%d\t%d\t%d", refused.Status.Name(), refused.RowsWritten,
			refused.Row, refused.Feature)
	case errors.As(err, &failed):
		return fmt.Sprintf("failed\t%s\t%d\t%d\t%d\t%s", failed.Status.Name(),
			int(failed.SystemErrno), failed.FileOffset, failed.FormatRule, failed.Message)
	case err != nil:
		panic(err)
	}
	return line
}

func main() {
	file := must(os.Open(os.Args[1]))
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		one := job{
			model: fields[0], rows: fields[1], dtype: fields[2],
			rowCount: must(strconv.Atoi(fields[3])), featureCount: must(strconv.Atoi(fields[4])),
			order: fields[5], kind: fields[6], iterations: fields[7], out: fields[8],
		}
		fmt.Println(report(run(one)))
	}
}
