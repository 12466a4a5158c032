// SPDX-License-Identifier: Apache-2.0

// The package's own promises: who owns what, goroutines, refusals. That the numbers are right is
// what tests/bindings/run_bindings.py compares. ESPALIER_TEST_FOLDER holds the iris forest.

package espalier_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"espalier"
)

var row = []float64{6.3, 2.5, 4.9, 1.5}

func modelPath() string {
	return filepath.Join(os.Getenv("ESPALIER_TEST_FOLDER"), "random_forest_model.espalier")
}

func open(t testing.TB) *espalier.Model {
	t.Helper()
	model, err := espalier.Open(modelPath())
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func newPredictor(t testing.TB, model *espalier.Model) *espalier.Predictor {
	t.Helper()
	predictor, err := model.NewPredictor()
	if err != nil {
		t.Fatal(err)
	}
	return predictor
}

func probabilities(t testing.TB, predictor *espalier.Predictor) []float64 {
	t.Helper()
	out, err := espalier.Predict[float64](predictor, espalier.Probability, espalier.Row(row))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func want(t *testing.T, err error, status error) {
	t.Helper()
	if !errors.Is(err, status) {
		t.Fatalf("%v instead of %v", err, status)
	}
}

func TestGoroutinesShareAModelAndPoolPredictors(t *testing.T) {
	model := open(t)
	expected := probabilities(t, newPredictor(t, model))
	pool := sync.Pool{New: func() any { return newPredictor(t, model) }}
	var group sync.WaitGroup
	for i := 0; i < 8; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for j := 0; j < 500; j++ {
				predictor := pool.Get().(*espalier.Predictor)
				if got := probabilities(t, predictor); !reflect.DeepEqual(got, expected) {
					t.Errorf("%v instead of %v", got, expected)
				}
				pool.Put(predictor)
			}
		}()
	}
	group.Wait()
}

func TestAPredictorOutlivesItsModel(t *testing.T) {
	model := open(t)
	predictor := newPredictor(t, model)
	expected := probabilities(t, predictor)
	if err := model.Close(); err != nil {
		t.Fatal(err)
	}
	if got := probabilities(t, predictor); !reflect.DeepEqual(got, expected) {
		t.Fatal(got)
	}
	if _, err := model.Info(); err != espalier.ErrClosed {
		t.Fatal(err)
	}
	_, err := model.NewPredictor()
	want(t, err, espalier.ErrClosed)
	want(t, model.Close(), espalier.ErrClosed)
	if err := predictor.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, predictor.Close(), espalier.ErrClosed)
	_, err = espalier.Predict[float64](predictor, espalier.Probability, espalier.Row(row))
	want(t, err, espalier.ErrClosed)
}

func TestFinalizersFreeWhatIsLeft(t *testing.T) {
	before := mappings(t)
	for i := 0; i < 20; i++ {
		probabilities(t, newPredictor(t, open(t)))
	}
	for i := 0; i < 100 && mappings(t) > before; i++ {
		runtime.GC()
		runtime.Gosched()
	}
	if after := mappings(t); after > before {
		t.Fatalf("%d mappings of the model, %d before", after, before)
	}
}

// mappings counts the mappings of the model file in this process.
func mappings(t *testing.T) int {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	return strings.Count(string(text), "random_forest_model.espalier")
}

func TestMemoryServesAsTheFileDoes(t *testing.T) {
	data, err := os.ReadFile(modelPath())
	if err != nil {
		t.Fatal(err)
	}
	model, err := espalier.OpenBytes(data, espalier.OpenOptions{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	expected := probabilities(t, newPredictor(t, open(t)))
	if got := probabilities(t, newPredictor(t, model)); !reflect.DeepEqual(got, expected) {
		t.Fatal(got)
	}
	_, err = espalier.OpenBytes(nil, espalier.OpenOptions{})
	want(t, err, espalier.ErrNotAModel)
	_, err = espalier.OpenBytes(data[:len(data)/2], espalier.OpenOptions{})
	want(t, err, espalier.ErrTruncated)
	data[20] ^= 1
	_, err = espalier.OpenBytes(data, espalier.OpenOptions{})
	var failed *espalier.Error
	if !errors.As(err, &failed) || failed.FormatRule == 0 {
		t.Fatal(err)
	}
}

func TestARefusedRowIsNamed(t *testing.T) {
	predictor := newPredictor(t, open(t))
	values := append(append(append([]float64{}, row...), row...), row...)
	values[6] = math.Inf(1)
	rows, err := espalier.RowMajor(values, 4)
	if err != nil {
		t.Fatal(err)
	}
	out := []float64{7, 7, 7, 7, 7, 7, 7, 7, 7}
	err = espalier.PredictInto(predictor, espalier.Probability, rows, out)
	want(t, err, espalier.ErrInfinite)
	var refused *espalier.PredictError
	if !errors.As(err, &refused) || refused.Row != 1 || refused.Feature != 2 ||
		refused.RowsWritten != 1 {
		t.Fatalf("%+v", refused)
	}
	if !reflect.DeepEqual(out[:3], probabilities(t, predictor)) ||
		!reflect.DeepEqual(out[3:], []float64{7, 7, 7, 7, 7, 7}) {
		t.Fatal(out)
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	model := open(t)
	predictor := newPredictor(t, model)
	kind, one := espalier.Probability, espalier.Row(row)
	want(t, espalier.PredictInto(predictor, kind, one, make([]float64, 2)), espalier.ErrOutputSize)
	want(t, espalier.PredictInto(predictor, kind, one, make([]float32, 3)), espalier.ErrDtype)
	three := make([]float64, 3)
	want(t, espalier.PredictInto(predictor, kind, espalier.Row(row[:3]), three),
		espalier.ErrFeatureCount)
	_, err := espalier.Predict[float64](predictor, espalier.Value, one)
	want(t, err, espalier.ErrOutputKind)
	_, err = espalier.Predict[int64](predictor, espalier.Leaf, one)
	want(t, err, espalier.ErrOutputKind)
	_, err = espalier.RowMajor(row, 3)
	want(t, err, espalier.ErrArgument)
	_, err = espalier.ColumnMajor(row, -1)
	want(t, err, espalier.ErrArgument)
	_, err = model.NewPredictorWith(espalier.PredictorOptions{IterationFirst: -1})
	want(t, err, espalier.ErrArgument)
	_, err = espalier.Open("no such file")
	want(t, err, espalier.ErrOpen)
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		t.Error("a file that is not there is not what the system said: ", err)
	}
	_, err = espalier.Open("a\x00b")
	want(t, err, espalier.ErrArgument)
}

func TestAModelSaysWhatItIs(t *testing.T) {
	model := open(t)
	info, err := model.Info()
	if err != nil || info.FeatureCount != 4 || info.TreeCount != 200 ||
		info.DefaultOutput != espalier.Class {
		t.Fatal(info, err)
	}
	labels, err := model.Labels(0)
	if err != nil || !reflect.DeepEqual(labels, []any{int64(0), int64(1), int64(2)}) {
		t.Fatal(labels, err)
	}
	_, err = model.Labels(1)
	want(t, err, espalier.ErrArgument)
	_, err = model.Output(espalier.Value)
	want(t, err, espalier.ErrOutputKind)
	metadata, err := model.Metadata()
	if err != nil || !strings.Contains(metadata, "RandomForestClassifier") {
		t.Fatal(metadata, err)
	}
	if err := model.Verify(); err != nil {
		t.Fatal(err)
	}
}

func TestAWalkEndsAtTheLeafOfTheLeafOutput(t *testing.T) {
	model := open(t)
	predictor, err := model.NewPredictorWith(espalier.PredictorOptions{Leaf: true})
	want(t, err, nil)
	leaves, err := espalier.Predict[int64](predictor, espalier.Leaf, espalier.Row(row))
	want(t, err, nil)
	values, err := predictor.Values(espalier.Row(row))
	want(t, err, nil)
	if len(values) != model.ValueCount() || len(values) != 4 {
		t.Fatal("values", values)
	}
	sums := make([]float64, 3)
	for index, leaf := range leaves {
		tree, err := model.Tree(index)
		want(t, err, nil)
		at := 0
		node, err := model.Node(index, at)
		for level := 0; err == nil && level < tree.Depth && !node.IsLeaf; level++ {
			at = node.Right
			if model.GoesLeft(node, values[node.Feature]) {
				at = node.Left
			}
			node, err = model.Node(index, at)
		}
		want(t, err, nil)
		numbers, err := model.LeafNumbers(index)
		want(t, err, nil)
		if int64(numbers[at]) != leaf || numbers[0] != -1 {
			t.Fatal("tree", index, "ends at", numbers[at], "and not at", leaf)
		}
		found, err := model.LeafValues(tree, node)
		want(t, err, nil)
		for i, value := range found {
			sums[i] += value
		}
	}
	for i, probability := range probabilities(t, predictor) {
		if sums[i]/200 != probability {
			t.Error("sums", sums)
		}
	}
	unit, covers, err := model.Covers()
	want(t, err, nil)
	if unit != espalier.CoverWeights || len(covers) != 4 || covers[2] <= covers[1] {
		t.Error("covers", unit, covers)
	}
	for _, index := range []int{-1, 200, 1 << 40} {
		_, err = model.Tree(index)
		want(t, err, espalier.ErrArgument)
		_, err = model.LeafNumbers(index)
		want(t, err, espalier.ErrArgument)
		_, err = model.Node(0, index*1000)
		want(t, err, espalier.ErrArgument)
	}
	root, err := model.Node(0, 0)
	want(t, err, nil)
	tree, err := model.Tree(0)
	want(t, err, nil)
	_, err = model.LeafValues(tree, root)
	want(t, err, espalier.ErrArgument)
	_, err = predictor.Values(espalier.Row(row[:3]))
	want(t, err, espalier.ErrFeatureCount)
	want(t, predictor.Close(), nil)
	_, err = predictor.Values(espalier.Row(row))
	want(t, err, espalier.ErrClosed)
	want(t, model.Close(), nil)
	_, err = model.Tree(0)
	want(t, err, espalier.ErrClosed)
	if model.GoesLeft(root, 0) || model.ValueCount() != 0 {
		t.Error("a closed model answers")
	}
}

func TestPredictIntoAllocatesNothing(t *testing.T) {
	predictor := newPredictor(t, open(t))
	out := make([]float64, 3)
	rows := espalier.Row(row)
	count := testing.AllocsPerRun(100, func() {
		if err := espalier.PredictInto(predictor, espalier.Probability, rows, out); err != nil {
			t.Fatal(err)
		}
	})
	if count != 0 {
		t.Fatalf("%v allocations", count)
	}
}

func Example() {
	model, err := espalier.Open(modelPath())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer model.Close()
	predictor, err := model.NewPredictor()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer predictor.Close()
	x := []float32{6.3, 2.5, 4.9, 1.5}
	class, err := espalier.Predict[int32](predictor, espalier.Class, espalier.Row(x))
	fmt.Println(class, err)
	// Output: [1] <nil>
}

func BenchmarkPredictOneRow(b *testing.B) {
	predictor := newPredictor(b, open(b))
	out := make([]float64, 3)
	rows := espalier.Row(row)
	for i := 0; i < b.N; i++ {
		_ = espalier.PredictInto(predictor, espalier.Probability, rows, out)
	}
}

func TestColumnsOfManyTypesAreRows(t *testing.T) {
	predictor := newPredictor(t, open(t))
	nan := math.NaN()
	same := []float64{6.0, 3.5, 4.0, 0, 5.0, 2.5, 1.0, nan, 7.0, 3.0, 2.0, 1}
	rows, err := espalier.RowMajor(same, 4)
	want(t, err, nil)
	expected, err := espalier.Predict[float64](predictor, espalier.Probability, rows)
	want(t, err, nil)
	all := []espalier.Column{espalier.Numbers([]float64{6, 5, 7}),
		espalier.Numbers([]float32{3.5, 2.5, 3}), espalier.Numbers([]int8{4, 1, 2}),
		espalier.Numbers([]bool{false, true, true}).ValidWhere([]bool{true, false, true})}
	columns, err := espalier.NewColumns(all...)
	want(t, err, nil)
	got, err := espalier.PredictColumns[float64](predictor, espalier.Probability, columns)
	want(t, err, nil)
	if !reflect.DeepEqual(got, expected) || columns.RowCount() != 3 {
		t.Fatalf("%v instead of %v", got, expected)
	}
	want(t, columns.Close(), nil)
	want(t, columns.Close(), espalier.ErrClosed)
	_, err = espalier.PredictColumns[float64](predictor, espalier.Probability, columns)
	want(t, err, espalier.ErrClosed)
	all[1] = espalier.Texts([]string{"a", "", "b"})
	columns, err = espalier.NewColumns(all...)
	want(t, err, nil)
	_, err = espalier.PredictColumns[float64](predictor, espalier.Probability, columns)
	want(t, err, espalier.ErrDtype)
	var wrong *espalier.PredictError
	if !errors.As(err, &wrong) || wrong.Feature != 1 {
		t.Fatal(err)
	}
	_, err = espalier.NewColumns(all[0], espalier.Numbers([]int64{1}))
	want(t, err, espalier.ErrArgument)
	_, err = espalier.NewColumns(all[0].ValidWhere(nil))
	want(t, err, espalier.ErrArgument)
}

func TestWarm(t *testing.T) {
	slot, err := espalier.OpenSlot(modelPath(), espalier.SlotOptions{})
	want(t, err, nil)
	reader, err := slot.NewReader()
	want(t, err, nil)
	for _, bytes := range []int{128, 0} { // all that is asked for, then nothing: it is not new
		warmed, err := reader.Warm(128)
		want(t, err, nil)
		if warmed != bytes {
			t.Fatalf("%d bytes", warmed)
		}
	}
	want(t, reader.Use(func(*espalier.Predictor, uint64) error {
		_, err := reader.Warm(0)
		return err
	}), espalier.ErrBusy)
	want(t, reader.Close(), nil)
	_, err = reader.Warm(0)
	want(t, err, espalier.ErrClosed)
	want(t, slot.Close(), nil)
}

func TestASlotServesWhileItIsRefreshed(t *testing.T) {
	expected := probabilities(t, newPredictor(t, open(t)))
	slot, err := espalier.OpenSlot(modelPath(), espalier.SlotOptions{ReaderCountMax: 5})
	want(t, err, nil)
	reader, err := slot.NewReader()
	want(t, err, nil)
	var kept *espalier.Predictor
	want(t, reader.Use(func(lent *espalier.Predictor, version uint64) error {
		if version != 1 || !reflect.DeepEqual(probabilities(t, lent), expected) {
			t.Fatalf("version %d", version)
		}
		want(t, reader.Use(nil), espalier.ErrBusy)
		want(t, reader.Close(), espalier.ErrBusy)
		want(t, lent.Close(), espalier.ErrArgument)
		state, err := slot.Refresh(espalier.RefreshOptions{Always: true})
		want(t, err, nil)
		if (state != espalier.SlotState{Version: 2, Changed: true, HeldCount: 1}) {
			t.Fatalf("%+v", state)
		}
		kept = lent
		return nil
	}), nil)
	_, err = espalier.Predict[float64](kept, espalier.Probability, espalier.Row(row))
	want(t, err, espalier.ErrClosed)
	state, err := slot.Collect()
	want(t, err, nil)
	if (state != espalier.SlotState{Version: 2}) {
		t.Fatalf("%+v", state)
	}
	var group sync.WaitGroup
	for i := 0; i < 3; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			mine, err := slot.NewReader()
			if err != nil {
				t.Error(err)
				return
			}
			defer mine.Close()
			for j := 0; j < 300; j++ {
				_ = mine.Use(func(lent *espalier.Predictor, _ uint64) error {
					if got := probabilities(t, lent); !reflect.DeepEqual(got, expected) {
						t.Errorf("%v instead of %v", got, expected)
					}
					return nil
				})
			}
		}()
	}
	for i := 0; i < 20; i++ {
		_, err = slot.Refresh(espalier.RefreshOptions{Always: true})
		want(t, err, nil)
	}
	group.Wait()
	want(t, slot.Close(), nil)
	want(t, slot.Close(), espalier.ErrClosed)
	_, err = slot.NewReader()
	want(t, err, espalier.ErrClosed)
	want(t, reader.Use(func(lent *espalier.Predictor, _ uint64) error {
		_, err := espalier.Predict[float64](lent, espalier.Probability, espalier.Row(row))
		return err
	}), nil)
	want(t, reader.Close(), nil)
	want(t, reader.Use(nil), espalier.ErrClosed)
	_, err = espalier.OpenSlot("no such file", espalier.SlotOptions{})
	want(t, err, espalier.ErrOpen)
}

// checkDtypes has columns of float64 stand for rows of float32, in a model that compares in
// float64: a value that float32 has on the other side of a threshold tells.
func checkDtypes(t *testing.T, model *espalier.Model, predictor *espalier.Predictor,
	values []float64) {
	root, err := model.Node(0, 0)
	want(t, err, nil)
	values[root.Feature] = root.Threshold
	if float64(float32(root.Threshold)) <= root.Threshold {
		values[root.Feature] = math.Nextafter(root.Threshold, math.Inf(1))
	}
	var all []espalier.Column
	narrow := make([]float32, len(values))
	for f, value := range values {
		all = append(all, espalier.Numbers([]float64{value}))
		narrow[f] = float32(value)
	}
	columns, err := espalier.NewColumns(all...)
	want(t, err, nil)
	want(t, columns.SetDtype(espalier.Int64), espalier.ErrDtype)
	wide, err := espalier.Predict[float64](predictor, espalier.Margin, espalier.Row(values))
	want(t, err, nil)
	rounded, err := espalier.Predict[float64](predictor, espalier.Margin, espalier.Row(narrow))
	want(t, err, nil)
	for _, one := range []struct {
		dtype    espalier.Dtype
		expected []float64
	}{{0, wide}, {espalier.Float32, rounded}, {espalier.Float64, wide}} {
		if one.dtype != 0 {
			want(t, columns.SetDtype(one.dtype), nil)
		}
		got, err := espalier.PredictColumns[float64](predictor, espalier.Margin, columns)
		want(t, err, nil)
		if !reflect.DeepEqual(got, one.expected) || reflect.DeepEqual(wide, rounded) {
			t.Fatal(one.dtype, got, wide, rounded)
		}
	}
	want(t, columns.Close(), nil)
	want(t, columns.SetDtype(espalier.Float32), espalier.ErrClosed)
}

func TestColumnsAreBoundByName(t *testing.T) {
	model, err := espalier.Open(filepath.Join(os.Getenv("ESPALIER_TEST_FOLDER"), "named.espalier"))
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	known, err := model.FeatureNames()
	want(t, err, nil)
	var names []string
	var all []espalier.Column
	values := make([]float64, len(known))
	for f := len(known) - 1; f >= 0; f-- {
		values[f] = 0.25 * float64(f)
		names = append(names, known[f])
		all = append(all, espalier.Numbers([]float64{values[f]}))
	}
	predictor := newPredictor(t, model)
	defer predictor.Close()
	expected, err := espalier.Predict[float64](predictor, espalier.Margin, espalier.Row(values))
	want(t, err, nil)
	columns, err := espalier.NewNamedColumns(model, names, all...)
	want(t, err, nil)
	defer columns.Close()
	got, err := espalier.PredictColumns[float64](predictor, espalier.Margin, columns)
	want(t, err, nil)
	if len(known) < 2 || !reflect.DeepEqual(got, expected) {
		t.Fatal(got, expected)
	}
	_, err = espalier.NewNamedColumns(model, names, all[1:]...)
	want(t, err, espalier.ErrArgument)
	checkDtypes(t, model, predictor, values)
	plain := open(t)
	defer plain.Close()
	_, err = plain.FeatureOrder([]string{"a"})
	want(t, err, espalier.ErrArgument)
	for _, wrong := range []struct {
		names  []string
		status error
		said   string
	}{
		{names[1:], espalier.ErrFeatureCount, fmt.Sprintf("no column %q: ", names[0])},
		{append(names[:len(names):len(names)], "unknown"), espalier.ErrFeatureCount,
			"the model has no feature \"unknown\": "},
		{append(names[:len(names):len(names)], names[1]), espalier.ErrFeatureCount,
			fmt.Sprintf("two columns %q: ", names[1])},
		{append(names[:len(names):len(names)], "a\x00b"), espalier.ErrArgument, "a\x00b: a NUL"},
		{nil, espalier.ErrFeatureCount, "no column "},
	} {
		_, err = model.FeatureOrder(wrong.names)
		want(t, err, wrong.status)
		if !strings.HasPrefix(err.Error(), wrong.said) {
			t.Fatal(err)
		}
	}
}
