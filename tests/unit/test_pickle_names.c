// SPDX-License-Identifier: Apache-2.0
/*
 * Names in pickles: what is listed, what is flagged, what a flagged call would have run; and the
 * ways around opcode scanners that must not work.
 */
#include "tests/unit/test_pickle.h"

static espalier_pickle_slice slice(const char *text)
{
    const espalier_pickle_slice result = {text, strlen(text)};
    return result;
}

static void expect_policy(const char *module, const char *name, espalier_name_policy wanted)
{
    const espalier_name_policy policy = espalier_pickle_name_policy(slice(module), slice(name));
    if (policy != wanted) {
        fail_msg("%s.%s has policy %d, not %d", module, name, (int)policy, (int)wanted);
    }
}

static const char *const flagged_names[][2] = {
    {"os", "system"},
    {"posix", "system"},
    {"nt", "system"},
    {"os.path", "join"},
    {"subprocess", "Popen"},
    {"sys", "exit"},
    {"builtins", "eval"},
    {"builtins", "exec"},
    {"builtins", "compile"},
    {"builtins", "__import__"},
    {"builtins", "open"},
    {"builtins", "input"},
    {"builtins", "breakpoint"},
    {"builtins", "eval.__call__"},
    {"importlib", "import_module"},
    {"importlib.util", "spec_from_file_location"},
    {"runpy", "run_path"},
    {"socket", "socket"},
    {"ctypes", "CDLL"},
    {"pickle", "loads"},
    {"_pickle", "loads"},
    {"cPickle", "loads"},
    {"marshal", "loads"},
    {"dill", "loads"},
    {"cloudpickle.cloudpickle", "_make_function"},
    {"joblib.externals.cloudpickle", "loads"},
    {"webbrowser", "open"},
    {"pty", "spawn"},
    {"shutil", "rmtree"},
    {"code", "interact"},
    {"codeop", "compile_command"},
    {"codecs", "decode"},
    {"codecs", "open"},
    {"_codecs", "decode"},
    {"operator", "attrgetter"},
    {"operator", "methodcaller"},
    {"_operator", "attrgetter"},
    {"timeit", "timeit"},
    {"pdb", "run"},
    {"bdb", "Bdb"},
    {"cProfile", "run"},
    {"profile", "run"},
    {"multiprocessing.util", "spawnv_passfds"},
    {"asyncio.subprocess", "create_subprocess_shell"},
    {"distutils.spawn", "spawn"},
    {"setuptools", "setup"},
    {"pip", "main"},
    {"torch.utils.collect_env", "run"},
    {"torch.hub", "load"},
    {"torch", "load"},
    {"numpy.testing._private.utils", "runstring"},
    {"numpy.f2py.crackfortran", "getlincoef"},
    {"numpy", "load"},
    {"numpy", "loads"},
    {"sklearn.externals.joblib", "load"},
    {"sklearn.externals.joblib.numpy_pickle", "load"},
    {"pandas", "DataFrame.query"},
    {"pandas.compat.pickle_compat", "load"},
    {"pipes", "Template"},
    {"tkinter", "Tcl"},
    {"numpy", "savetxt"},
    {"pandas", "read_pickle"},
    {"pandas", "eval"},
    {"joblib", "load"},
    {"io", "FileIO"},
    {"types", "CodeType"},
    {"types", "FunctionType"},
    {"pathlib", "Path.unlink"},
    /* Ways through a module that is not listed. */
    {"sklearn.utils", "os.system"},
    {"numpy", "os"},
    {"anything", "__builtins__"},
    {"numpy", "__builtins__.eval"},
    {"m", "C.__init__.__globals__"},
    {"m", "C.__subclasses__"},
    {"m", "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"},
};

static void test_flagged_policy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof flagged_names / sizeof flagged_names[0]; i++) {
        expect_policy(flagged_names[i][0], flagged_names[i][1], ESPALIER_NAME_FLAGGED);
    }
}

static void test_other_policies(void **state)
{
    (void)state;
    static const char *const interpreted[][2] = {
        {"numpy", "dtype"},
        {"numpy", "ndarray"},
        {"numpy._core.multiarray", "_reconstruct"},
        {"numpy.core.numeric", "_frombuffer"},
        {"_codecs", "encode"},
        {"codecs", "encode"},
        {"joblib.numpy_pickle", "NumpyArrayWrapper"},
        {"sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"},
        {"sklearn.tree._tree", "Tree"},
        {"sklearn.ensemble._forest", "RandomForestClassifier"},
        {"sklearn.ensemble.forest", "ExtraTreesRegressor"},
        {"builtins", "set"},
        {"copyreg", "_reconstructor"},
    };
    static const char *const opaque[][2] = {
        {"builtins", "getattr"},
        {"functools", "partial"},
        {"builtins", "slice"},
        {"numpy.random._pickle", "__randomstate_ctor"},
        {"numpy", "float64"},
        {"numpy", "log1p"},
        {"numpy.core", "_ufunc_reconstruct"},
        {"numpy.ma.core", "_mareconstruct"},
        {"pandas.core.frame", "DataFrame"},
        {"pandas._libs.internals", "_unpickle_block"},
        {"scipy.stats._distn_infrastructure", "rv_frozen"},
        {"__main__", "MyTransformer"},
        {"sklearn.utils.validation", "check_array"},
        {"operator", "itemgetter"},
        {"numpy", "memmap"},
        {"oslo", "system"},
        {"my.os", "system"},
        {"osmium", "x"},
        {"pathlib", "PosixPath"},
        {"collections", "OrderedDict"},
        {"xgboost.dask", "DaskXGBClassifier"},
        {"lightgbm.basic", "Dataset"},
        {"uuid", "UUID"},
        {"datetime", "datetime"},
    };
    for (size_t i = 0; i < sizeof interpreted / sizeof interpreted[0]; i++) {
        expect_policy(interpreted[i][0], interpreted[i][1], ESPALIER_NAME_INTERPRETED);
    }
    for (size_t i = 0; i < sizeof opaque / sizeof opaque[0]; i++) {
        const espalier_name_policy policy =
            espalier_pickle_name_policy(slice(opaque[i][0]), slice(opaque[i][1]));
        if (policy == ESPALIER_NAME_FLAGGED) {
            fail_msg("%s.%s is flagged", opaque[i][0], opaque[i][1]);
        }
    }
}

/* The same call in each protocol's words, and in each way that hid it from somebody's scanner. */
static void test_flagged_calls(void **state)
{
    (void)state;
    const espalier_status flagged = ESPALIER_ERROR_SOURCE_FLAGGED;
    const char *const words = "would run os.system(\"id\")";
    REFUSED("cos\nsystem\n(S'id'\ntR.", flagged, words);
    REFUSED("(S'id'\nios\nsystem\n.", flagged, words);
    REFUSED("(cos\nsystem\nS'id'\no.", flagged, words);
    REFUSED("\x80\x02"
            "cos\nsystem\nX\x02\x00\x00\x00id\x85R.",
            flagged, words);
    REFUSED("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.", flagged, words);
    /* As a class. */
    REFUSED("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85\x81.", flagged, words);
    REFUSED("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85}\x92.", flagged, words);
    REFUSED("\x80\x04"
            "ccopyreg\n__newobj__\ncos\nsystem\n\x8c\x02id\x86R.",
            flagged, "would run copyreg.__newobj__(os.system, \"id\")");
    /* The name out of the memo, written over before it is used. */
    REFUSED("\x80\x04\x8c\x04math\x94\x8c\x02osq\x00"
            "0"
            "0h\x00\x8c\x06system\x93\x8c\x02id\x85R.",
            flagged, words);
    REFUSED("\x80\x04"
            "cmath\nsqrt\nq\x00"
            "0cos\nsystem\nq\x00"
            "0h\x00\x8c\x02id\x85R.",
            flagged, words);
    /* Handed to something harmless. */
    REFUSED("\x80\x02"
            "cbuiltins\nmap\ncos\nsystem\n](S'id'\ne\x86R.",
            flagged, "would run builtins.map(os.system, [\"id\"])");
    REFUSED("\x80\x02"
            "cfunctools\npartial\ncos\nsystem\nS'id'\n\x86R.",
            flagged, "would run functools.partial(os.system, \"id\")");
    /* Through getattr. */
    REFUSED("\x80\x02"
            "cbuiltins\ngetattr\ncnumpy\nrandom\nS'os'\n\x86RS'system'\n"
            "\x86"
            "0N.",
            flagged, "numpy.random.os");
    REFUSED("\x80\x02"
            "cbuiltins\ngetattr\nq\x00"
            "cm\nC\nS'__init__'\n\x86Rq\x01"
            "0"
            "h\x00h\x01S'__globals__'\n\x86R.",
            flagged, "m.C.__init__.__globals__");
    REFUSED("\x80\x02"
            "cbuiltins\ngetattr\ncm\nf\n)RS'__globals__'\n\x86R.",
            flagged, "__globals__");
    /* Called or not, and whatever the stream does afterwards. */
    REFUSED("\x80\x02"
            "cos\nsystem\n.",
            flagged, "names os.system");
    REFUSED("\x80\x02"
            "cos\nsystem\n",
            flagged, "names os.system");
    REFUSED("\x80\x02"
            "cos\nsystem\n\xff",
            flagged, "names os.system");
    /* Python 2's names. */
    REFUSED("c__builtin__\neval\n(S'1'\ntR.", flagged, "builtins.eval(\"1\")");
    REFUSED("ccommands\ngetoutput\n(S'id'\ntR.", flagged, "subprocess.getoutput(\"id\")");
}

static void test_flagged_by_use(void **state)
{
    (void)state;
    const espalier_status flagged = ESPALIER_ERROR_SOURCE_FLAGGED;
    REFUSED("c_codecs\nencode\nS'uryyb'\nS'rot13'\n\x86R.", flagged,
            "would run _codecs.encode(\"uryyb\", \"rot13\")");
    REFUSED("\x80\x02"
            "coperator\nitemgetter\nS'eval'\n\x85R}\x85R.",
            flagged, "operator.itemgetter(...)({})");
    REFUSED("\x80\x02"
            "cnumpy\nmemmap\nS'/etc/x'\n\x85R.",
            flagged, "numpy.memmap(\"/etc/x\")");
    REFUSED("cfunctools\nreduce\n(c__builtin__\ngetattr\n(lS'__globals__'\nacm\nf\ntR.", flagged,
            "functools.reduce(builtins.getattr, [\"__globals__\"], m.f)");
    /* Made but not called, it is data. */
    parsed result = PARSE("\x80\x02"
                          "coperator\nitemgetter\nS'a'\n\x85R.");
    root_of(&result);
    free_parsed(&result);
    result = PARSE("\x80\x02"
                   "cnumpy\nmemmap\n.");
    root_of(&result);
    free_parsed(&result);
}

static void test_flagged_offset(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x02NN0"
                          "0]0cos\nsystem\nS'id'\n\x85R.");
    assert_int_equal(result.status, ESPALIER_ERROR_SOURCE_FLAGGED);
    assert_int_equal(result.error.file_offset, 8);
    assert_non_null(strstr(result.error.message, "pickle: byte 8: names os.system"));
    free_parsed(&result);
}

static const espalier_pickle_name *name_of(const parsed *result, const char *module,
                                           const char *name)
{
    for (size_t i = 0; i < espalier_pickle_name_count(result->pickle); i++) {
        const espalier_pickle_name *const shown = espalier_pickle_name_at(result->pickle, i);
        if (espalier_pickle_slice_equal(shown->module, module) &&
            espalier_pickle_slice_equal(shown->name, name)) {
            return shown;
        }
    }
    return NULL;
}

static void test_list_only(void **state)
{
    (void)state;
    static const char stream[] =
        "\x80\x02(cm\nf\n)Rcm\nf\n)Rcos\nsystem\nq\x00S'a'\n\x85Rh\x00S'b'\n"
        "\x85Rcbuiltins\neval\nt.";
    const espalier_pickle_options options = {.flagged_allowed = true};
    parsed result = parse_bytes(stream, sizeof stream - 1, &options);
    assert_int_equal(espalier_pickle_item_count(root_of(&result)), 5);
    assert_int_equal(espalier_pickle_name_count(result.pickle), 3);
    assert_null(espalier_pickle_name_at(result.pickle, 3));
    const espalier_pickle_name *name = name_of(&result, "m", "f");
    assert_int_equal(name->import_count, 2);
    assert_int_equal(name->call_count, 2);
    assert_int_equal(name->first_offset, 3);
    assert_int_equal(name->policy, ESPALIER_NAME_OPAQUE);
    assert_null(name->call_text);
    name = name_of(&result, "os", "system");
    assert_int_equal(name->import_count, 1);
    assert_int_equal(name->call_count, 2);
    assert_int_equal(name->policy, ESPALIER_NAME_FLAGGED);
    assert_string_equal(name->call_text, "os.system(\"a\")");
    name = name_of(&result, "builtins", "eval");
    assert_int_equal(name->call_count, 0);
    assert_null(name->call_text);
    free_parsed(&result);
    /* A stream that breaks off says what it had named by then. */
    result = parse_bytes("\x80\x02"
                         "cos\nsystem\n\xff",
                         14, &options);
    assert_int_equal(result.status, ESPALIER_ERROR_SOURCE_SYNTAX);
    assert_non_null(strstr(result.error.message, "at byte 2, it names os.system"));
    free_parsed(&result);
}

static void expect_text_of_call(const char *data, size_t bytes, const char *wanted)
{
    const espalier_pickle_options options = {.flagged_allowed = true};
    parsed result = parse_bytes(data, bytes, &options);
    root_of(&result);
    const espalier_pickle_name *const name = name_of(&result, "os", "system");
    assert_non_null(name);
    assert_non_null(name->call_text);
    assert_string_equal(name->call_text, wanted);
    free_parsed(&result);
}

#define EXPECT_CALL(literal, wanted) expect_text_of_call(literal, sizeof(literal) - 1, wanted)

static void test_rendered_calls(void **state)
{
    (void)state;
    EXPECT_CALL("\x80\x02"
                "cos\nsystem\n)R.",
                "os.system()");
    EXPECT_CALL("\x80\x02"
                "cos\nsystem\nN\x85R.",
                "os.system(None)");
    EXPECT_CALL("\x80\x02"
                "cos\nsystem\n(K\x07J\xff\xff\xff\xffG\x3f\xf8\x00\x00\x00\x00\x00\x00"
                "\x88\x89tR.",
                "os.system(7, -1, 1.5, True, False)");
    EXPECT_CALL("\x80\x02"
                "cos\nsystem\n(C\x03"
                "a\xff\"])}]K\x01"
                "a(K\x01t}K\x01K\x02s"
                "(K\x03\x91tR.",
                "os.system(b\"a\\xff\\\"\", [], (), {}, [1], (1,), {1: 2}, {3})");
    EXPECT_CALL("\x80\x02"
                "cos\nsystem\n\x8c\x08"
                "a\n\x1b[\xe2\x80\x8b"
                "b\x85R.",
                "os.system(\"a\\x0a\\x1b[\\xe2\\x80\\x8bb\")");
    EXPECT_CALL("\x80\x02"
                "cos\nsystem\ncm\nf\nK\x01\x85R\x85R.",
                "os.system(m.f(1))");
    EXPECT_CALL("\x80\x02"
                "cos\nsystem\n\x8a\x09zzzzzzzzz\x85R.",
                "os.system(<integer>)");
    /* Ten deep. */
    EXPECT_CALL("\x80\x02"
                "cos\nsystem\n]]]]]]]]]]aaaaaaaaa\x85R.",
                "os.system([[[[[[[...]]]]]]])");
}

static void test_rendered_call_is_bounded(void **state)
{
    (void)state;
    char stream[2048] = "\x80\x02"
                        "cos\nsystem\nX\xe8\x03\x00\x00";
    const size_t start = 14 - 1 + 5;
    memset(stream + start, '\n', 1000);
    memcpy(stream + start + 1000, "\x85R.", 3);
    const espalier_pickle_options options = {.flagged_allowed = true};
    parsed result = parse_bytes(stream, start + 1003, &options);
    root_of(&result);
    const char *const text = name_of(&result, "os", "system")->call_text;
    assert_true(strlen(text) <= 200);
    assert_true(strlen(text) > 190);
    assert_string_equal(text + strlen(text) - 7, "\\x0a...");
    free_parsed(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flagged_policy), cmocka_unit_test(test_other_policies),
        cmocka_unit_test(test_flagged_calls),  cmocka_unit_test(test_flagged_by_use),
        cmocka_unit_test(test_flagged_offset), cmocka_unit_test(test_list_only),
        cmocka_unit_test(test_rendered_calls), cmocka_unit_test(test_rendered_call_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
