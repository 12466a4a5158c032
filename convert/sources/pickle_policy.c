// SPDX-License-Identifier: Apache-2.0
/*
 * Which names are interpreted, which are opaque, and which have no business in a saved model.
 * The flagged list is a courtesy to the reader of a report, not a wall: nothing is ever run here,
 * and an empty report does not make a file safe to load in Python.
 * May include: the reader's own headers.
 */
#include <string.h>

#include "convert/sources/pickle_internal.h"

/* A module and everything below it. */
static const char *const flagged_modules[] = {
    /* the system, processes */
    "os",
    "posix",
    "nt",
    "sys",
    "subprocess",
    "_posixsubprocess",
    "popen2",
    "pty",
    "tty",
    "signal",
    "_signal",
    "shutil",
    "platform",
    "resource",
    "fcntl",
    "msvcrt",
    "winreg",
    "_winreg",
    "_winapi",
    "multiprocessing",
    "concurrent",
    "threading",
    "_thread",
    "asyncio",
    "sched",
    "faulthandler",
    "atexit",
    "_aix_support",
    "_osx_support",
    "_sitebuiltins",
    "site",
    "sysconfig",
    "tempfile",
    "pexpect",
    "ptyprocess",
    "psutil",
    "sh",
    "plumbum",
    "paramiko",
    "fabric",
    "invoke",
    "nturl2path",
    "pipes",
    "mailcap",
    "tkinter",
    "_tkinter",
    "Tkinter",
    /* imports, code, evaluation */
    "importlib",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "imp",
    "_imp",
    "zipimport",
    "pkgutil",
    "runpy",
    "code",
    "codeop",
    "compileall",
    "py_compile",
    "timeit",
    "trace",
    "pdb",
    "bdb",
    "cProfile",
    "profile",
    "_lsprof",
    "doctest",
    "pydoc",
    "unittest",
    "test",
    "idlelib",
    "lib2to3",
    "rlcompleter",
    "_pyrepl",
    "cmd",
    "readline",
    "gc",
    "symtable",
    "hotshot",
    "IPython",
    "ipykernel",
    "numexpr",
    "pandas.core.computation",
    "sympy.parsing",
    /* other loaders of code */
    "pickle",
    "_pickle",
    "cPickle",
    "pickletools",
    "_compat_pickle",
    "marshal",
    "shelve",
    "dill",
    "_dill",
    "cloudpickle",
    "jsonpickle",
    "joblib.externals",
    "joblib.memory",
    "joblib.parallel",
    "yaml",
    "dbm",
    "sqlite3",
    "_sqlite3",
    "ctypes",
    "_ctypes",
    "cffi",
    "_cffi_backend",
    "numpy.ctypeslib",
    "numpy.f2py",
    "numpy.distutils",
    "numpy.testing",
    "pandas.io",
    "codecs",
    "_codecs",
    "logging.config",
    "logging.handlers",
    /* the network */
    "socket",
    "_socket",
    "ssl",
    "_ssl",
    "socketserver",
    "select",
    "selectors",
    "urllib",
    "urllib2",
    "urllib3",
    "http",
    "httplib",
    "ftplib",
    "smtplib",
    "smtpd",
    "poplib",
    "imaplib",
    "nntplib",
    "telnetlib",
    "xmlrpc",
    "xmlrpclib",
    "webbrowser",
    "antigravity",
    "wsgiref",
    "requests",
    "aiohttp",
    "httpx",
    "tornado",
    "twisted",
    /* installers */
    "distutils",
    "setuptools",
    "pip",
    "pkg_resources",
    "ensurepip",
    "venv",
    "virtualenv",
    "wheel",
    "easy_install",
    /* torch's own doors */
    "torch.hub",
    "torch.utils.collect_env",
    "torch.utils.cpp_extension",
    "torch.utils.bottleneck",
    "torch.utils._config_module",
    "torch.utils.data.datapipes.utils.decoder",
    "torch.distributed",
    "torch.multiprocessing",
    "torch.package",
    "torch.jit",
    "torch.fx",
    "torch._dynamo",
    "torch._inductor",
    "torch.onnx",
    "torch.cuda.nccl",
};

/* A module's single names; a final * stands for anything. */
static const char *const flagged_names[][2] = {
    {"builtins", "eval"},
    {"builtins", "exec"},
    {"builtins", "execfile"},
    {"builtins", "compile"},
    {"builtins", "__import__"},
    {"builtins", "open"},
    {"builtins", "file"},
    {"builtins", "input"},
    {"builtins", "raw_input"},
    {"builtins", "breakpoint"},
    {"builtins", "globals"},
    {"builtins", "locals"},
    {"builtins", "vars"},
    {"builtins", "setattr"},
    {"builtins", "delattr"},
    {"builtins", "apply"},
    {"builtins", "reload"},
    {"builtins", "exit"},
    {"builtins", "quit"},
    {"builtins", "help"},
    {"builtins", "copyright"},
    {"builtins", "credits"},
    {"builtins", "license"},
    {"operator", "attrgetter"},
    {"operator", "methodcaller"},
    {"_operator", "attrgetter"},
    {"_operator", "methodcaller"},
    {"operator", "call"},
    {"_operator", "call"},
    {"types", "CodeType"},
    {"types", "FunctionType"},
    {"types", "LambdaType"},
    {"types", "ModuleType"},
    {"io", "open"},
    {"io", "open_code"},
    {"io", "FileIO"},
    {"_io", "open"},
    {"_io", "open_code"},
    {"_io", "FileIO"},
    {"_pyio", "*"},
    {"fileinput", "*"},
    {"linecache", "*"},
    {"logging", "FileHandler"},
    {"uuid", "_get_command_stdout"},
    {"uuid", "_popen"},
    {"uuid", "getnode"},
    {"pathlib", "*.*"},
    {"dataclasses", "make_dataclass"},
    {"dataclasses", "_create_fn"},
    {"joblib", "load"},
    {"joblib", "dump"},
    {"joblib", "Memory"},
    {"joblib", "Parallel"},
    {"joblib.numpy_pickle", "load*"},
    {"joblib.numpy_pickle", "dump"},
    {"joblib.numpy_pickle", "_unpickle"},
    {"joblib.numpy_pickle_compat", "load*"},
    {"sklearn.externals.joblib", "load"},
    {"sklearn.externals.joblib", "dump"},
    {"sklearn.externals.joblib.numpy_pickle", "load*"},
    {"sklearn.externals.joblib.numpy_pickle_compat", "load*"},
    {"sklearn.externals", "joblib.*"},
    {"skops.io", "load*"},
    {"numpy", "load"},
    {"numpy", "loads"},
    {"numpy.core.numeric", "load*"},
    {"numpy.ma.core", "load*"},
    {"numpy", "save*"},
    {"numpy", "fromfile"},
    {"numpy", "DataSource"},
    {"numpy", "loadtxt"},
    {"numpy", "genfromtxt"},
    {"numpy", "*.*"},
    {"numpy.lib", "*load*"},
    {"numpy.lib.npyio", "*"},
    {"numpy.lib._npyio_impl", "*"},
    {"numpy.lib.format", "*"},
    {"numpy.lib._datasource", "*"},
    {"numpy.lib.utils", "safe_eval"},
    {"numpy.compat.py3k", "*load*"},
    {"numpy.core.records", "fromfile"},
    {"numpy.core.multiarray", "fromfile"},
    {"numpy._core.multiarray", "fromfile"},
    {"pandas", "eval"},
    {"pandas", "read_*"},
    {"pandas", "HDFStore"},
    {"pandas", "DataFrame.*"},
    {"pandas.core.frame", "DataFrame.*"},
    {"pandas.core.generic", "NDFrame.*"},
    {"pandas.compat.pickle_compat", "load*"},
    {"torch", "load"},
    {"torch.serialization", "load*"},
    {"torch", "hub*"},
    {"torch", "compile"},
    {"sympy", "sympify"},
    {"sympy.core.sympify", "*"},
    {"xgboost.core", "load_lib"},
    {"sklearn.utils._testing", "*"},
    {"sklearn.datasets", "fetch_*"},
    {"scipy.io", "*"},
};

/* Anywhere in a dotted name, or as a whole name of another module: a way through to the above. */
static const char *const flagged_components[] = {
    "os",
    "sys",
    "posix",
    "nt",
    "subprocess",
    "builtins",
    "__builtins__",
    "__builtin__",
    "importlib",
    "ctypes",
    "socket",
    "shutil",
    "runpy",
    "pty",
    "marshal",
    "pickle",
    "multiprocessing",
    "webbrowser",
    "__globals__",
    "__subclasses__",
    "__import__",
    "__code__",
    "__getattribute__",
    "__loader__",
    "__spec__",
    "__closure__",
    "__func__",
    "__self__",
    "__bases__",
    "__mro__",
    "__base__",
    "__dict__",
    "__setattr__",
    "__delattr__",
    "__reduce__",
    "__reduce_ex__",
    "func_globals",
    "f_globals",
    "f_builtins",
    "gi_frame",
    "ctypeslib",
};

/* Names that the machine reads itself; {module, name, special}. */
typedef struct known_name {
    const char *module;
    const char *name;
    espalier_pickle_special special;
} known_name;

static const known_name known_names[] = {
    {"_codecs", "encode", ESPALIER_PICKLE_ENCODE},
    {"codecs", "encode", ESPALIER_PICKLE_ENCODE},
    {"builtins", "bytes", ESPALIER_PICKLE_MAKE_BYTES},
    {"builtins", "bytearray", ESPALIER_PICKLE_MAKE_BYTEARRAY},
    {"builtins", "set", ESPALIER_PICKLE_MAKE_SET},
    {"builtins", "frozenset", ESPALIER_PICKLE_MAKE_FROZENSET},
    {"builtins", "object", ESPALIER_PICKLE_PLAIN},
    {"builtins", "list", ESPALIER_PICKLE_PLAIN},
    {"builtins", "tuple", ESPALIER_PICKLE_PLAIN},
    {"builtins", "dict", ESPALIER_PICKLE_PLAIN},
    {"builtins", "slice", ESPALIER_PICKLE_PLAIN},
    {"builtins", "int", ESPALIER_PICKLE_PLAIN},
    {"builtins", "float", ESPALIER_PICKLE_PLAIN},
    {"builtins", "bool", ESPALIER_PICKLE_PLAIN},
    {"builtins", "str", ESPALIER_PICKLE_PLAIN},
    {"collections", "OrderedDict", ESPALIER_PICKLE_PLAIN},
    {"copyreg", "_reconstructor", ESPALIER_PICKLE_RECONSTRUCTOR},
    {"copyreg", "__newobj__", ESPALIER_PICKLE_COPYREG_NEWOBJ},
    {"copyreg", "__newobj_ex__", ESPALIER_PICKLE_COPYREG_NEWOBJ_EX},
    {"numpy", "ndarray", ESPALIER_PICKLE_PLAIN},
    {"numpy", "dtype", ESPALIER_PICKLE_DTYPE},
    {"numpy.core.multiarray", "_reconstruct", ESPALIER_PICKLE_RECONSTRUCT},
    {"numpy._core.multiarray", "_reconstruct", ESPALIER_PICKLE_RECONSTRUCT},
    {"numpy.core.multiarray", "scalar", ESPALIER_PICKLE_SCALAR},
    {"numpy._core.multiarray", "scalar", ESPALIER_PICKLE_SCALAR},
    {"numpy.core.numeric", "_frombuffer", ESPALIER_PICKLE_FROMBUFFER},
    {"numpy._core.numeric", "_frombuffer", ESPALIER_PICKLE_FROMBUFFER},
    {"joblib.numpy_pickle", "NumpyArrayWrapper", ESPALIER_PICKLE_WRAPPER},
    {"sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper", ESPALIER_PICKLE_WRAPPER},
    {"joblib.numpy_pickle", "NDArrayWrapper", ESPALIER_PICKLE_OLD_WRAPPER},
    {"joblib.numpy_pickle", "ZNDArrayWrapper", ESPALIER_PICKLE_OLD_WRAPPER},
    {"joblib.numpy_pickle_compat", "NDArrayWrapper", ESPALIER_PICKLE_OLD_WRAPPER},
    {"joblib.numpy_pickle_compat", "ZNDArrayWrapper", ESPALIER_PICKLE_OLD_WRAPPER},
    {"sklearn.externals.joblib.numpy_pickle", "NDArrayWrapper", ESPALIER_PICKLE_OLD_WRAPPER},
    {"sklearn.externals.joblib.numpy_pickle", "ZNDArrayWrapper", ESPALIER_PICKLE_OLD_WRAPPER},
};

/* The machine knows them but reports them as opaque: harmless alone. */
static const known_name watched_names[] = {
    {"builtins", "getattr", ESPALIER_PICKLE_GETATTR},
    {"operator", "itemgetter", ESPALIER_PICKLE_ITEMGETTER},
    {"_operator", "itemgetter", ESPALIER_PICKLE_ITEMGETTER},
    /* joblib writes it as the class of an array; calling it opens a file. */
    {"numpy", "memmap", ESPALIER_PICKLE_NEVER_CALLED},
    {"numpy.core.memmap", "memmap", ESPALIER_PICKLE_NEVER_CALLED},
    {"numpy._core.memmap", "memmap", ESPALIER_PICKLE_NEVER_CALLED},
};

/* Classes that the importers of estimators read. */
static const char *const interpreted_modules[] = {
    "lightgbm.basic",    "lightgbm.sklearn",         "xgboost.core",
    "xgboost.sklearn",   "sklearn.tree._tree",       "sklearn.tree._classes",
    "sklearn.tree.tree", "sklearn.ensemble._forest", "sklearn.ensemble.forest",
};
static const char *const interpreted_classes[] = {
    "Booster",
    "LGBMClassifier",
    "LGBMModel",
    "LGBMRanker",
    "LGBMRegressor",
    "XGBClassifier",
    "XGBModel",
    "XGBRFClassifier",
    "XGBRFRegressor",
    "XGBRanker",
    "XGBRegressor",
    "Tree",
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ExtraTreeClassifier",
    "ExtraTreeRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
};

static bool is_listed(espalier_pickle_slice slice, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (espalier_pickle_slice_equal(slice, list[i])) {
            return true;
        }
    }
    return false;
}

/* True for the module itself and for what lies below it. */
static bool is_below(espalier_pickle_slice module, const char *top)
{
    const size_t bytes = strlen(top);
    return module.bytes >= bytes && memcmp(module.data, top, bytes) == 0 &&
           (module.bytes == bytes || module.data[bytes] == '.');
}

/* Stars stand for any run of characters; a star restarts at most once per byte. */
static bool matches_pattern(espalier_pickle_slice text, const char *pattern)
{
    size_t at = 0;
    const char *star = NULL;
    size_t star_at = 0;
    while (at < text.bytes) {
        if (*pattern == '*') {
            star = pattern++;
            star_at = at;
        } else if (*pattern != '\0' && *pattern == text.data[at]) {
            pattern++;
            at++;
        } else if (star != NULL) {
            pattern = star + 1;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

#define PARTS_MAX 16u

static bool has_flagged_component(espalier_pickle_slice name)
{
    size_t start = 0;
    size_t parts = 0;
    for (size_t at = 0; at <= name.bytes; at++) {
        if (at < name.bytes && name.data[at] != '.') {
            continue;
        }
        const espalier_pickle_slice part = {name.data + start, at - start};
        parts++;
        /* Nobody honest goes that deep; the bound also keeps the check cheap. */
        if (parts > PARTS_MAX ||
            is_listed(part, flagged_components,
                      sizeof flagged_components / sizeof flagged_components[0])) {
            return true;
        }
        start = at + 1;
    }
    return false;
}

static bool is_flagged_name(espalier_pickle_slice module, espalier_pickle_slice name)
{
    for (size_t i = 0; i < sizeof flagged_modules / sizeof flagged_modules[0]; i++) {
        if (is_below(module, flagged_modules[i])) {
            return true;
        }
    }
    /* A bound dotted name is as good as its first part: eval.__call__. */
    const char *const dot = name.bytes == 0 ? NULL : memchr(name.data, '.', name.bytes);
    const espalier_pickle_slice first = {name.data,
                                         dot == NULL ? name.bytes : (size_t)(dot - name.data)};
    for (size_t i = 0; i < sizeof flagged_names / sizeof flagged_names[0]; i++) {
        if (espalier_pickle_slice_equal(module, flagged_names[i][0]) &&
            (matches_pattern(name, flagged_names[i][1]) ||
             matches_pattern(first, flagged_names[i][1]))) {
            return true;
        }
    }
    return has_flagged_component(name);
}

static const known_name *find_known(const known_name *names, size_t count,
                                    espalier_pickle_slice module, espalier_pickle_slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (espalier_pickle_slice_equal(module, names[i].module) &&
            espalier_pickle_slice_equal(name, names[i].name)) {
            return &names[i];
        }
    }
    return NULL;
}

espalier_pickle_special espalier_pickle_special_of(espalier_pickle_slice module,
                                                   espalier_pickle_slice name)
{
    const known_name *known =
        find_known(known_names, sizeof known_names / sizeof known_names[0], module, name);
    if (known == NULL) {
        known =
            find_known(watched_names, sizeof watched_names / sizeof watched_names[0], module, name);
    }
    return known == NULL ? ESPALIER_PICKLE_PLAIN : known->special;
}

espalier_name_policy espalier_pickle_name_policy(espalier_pickle_slice module,
                                                 espalier_pickle_slice name)
{
    if (find_known(known_names, sizeof known_names / sizeof known_names[0], module, name) != NULL) {
        return ESPALIER_NAME_INTERPRETED;
    }
    if (is_listed(module, interpreted_modules,
                  sizeof interpreted_modules / sizeof interpreted_modules[0]) &&
        is_listed(name, interpreted_classes,
                  sizeof interpreted_classes / sizeof interpreted_classes[0])) {
        return ESPALIER_NAME_INTERPRETED;
    }
    return is_flagged_name(module, name) ? ESPALIER_NAME_FLAGGED : ESPALIER_NAME_OPAQUE;
}
