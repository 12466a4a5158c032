// SPDX-License-Identifier: Apache-2.0
/*
 * The extension module espalier._core: Model, Table, and tables from what Python brings. The part
 * that converts is another module, so that a service that predicts loads no parser.
 */
#include "py_core.h"

static PyMethodDef core_functions[] = {
    {"table_from_stream", espalier_py_table_from_stream, METH_O,
     "table_from_stream(capsule): a Table from what __arrow_c_stream__ gives"},
    {"table_from_array", espalier_py_table_from_array, METH_VARARGS,
     "table_from_array(schema, array): a Table from what __arrow_c_array__ gives"},
    {"table_from_columns", espalier_py_table_from_columns, METH_VARARGS,
     "table_from_columns(columns, names=None): a Table of one-dimensional buffers of numbers, of\n"
     "lists of str and None, and of pairs of integers and such a buffer or list that they number"},
    {NULL, NULL, 0, NULL},
};

static int fill_module(PyObject *module)
{
    espalier_py_state *const state = PyModule_GetState(module);
    PyObject *const model_type = espalier_py_model_type(module);
    espalier_py_one_prepare();
    state->table_type = espalier_py_table_type(module);
    const bool ok = model_type != NULL && state->table_type != NULL && espalier_py_watch_forks() &&
                    PyModule_AddObjectRef(module, "Model", model_type) == 0 &&
                    PyModule_AddObjectRef(module, "Table", state->table_type) == 0 &&
                    PyModule_AddStringConstant(module, "version", espalier_version()) == 0;
    Py_XDECREF(model_type);
    return ok ? 0 : -1;
}

static int visit_module(PyObject *module, visitproc visit, void *arg)
{
    const espalier_py_state *const state = PyModule_GetState(module);
    if (state != NULL) {
        Py_VISIT(state->table_type);
    }
    return 0;
}

static int clear_module(PyObject *module)
{
    espalier_py_state *const state = PyModule_GetState(module);
    if (state != NULL) {
        Py_CLEAR(state->table_type);
    }
    return 0;
}

static void free_module(void *module)
{
    (void)clear_module(module);
}

static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, ESPALIER_PY_SLOT(fill_module)},
    {0, NULL},
};

static PyModuleDef core_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "espalier._core",
    .m_doc = "Open models and predict; use the package espalier instead.",
    .m_size = (Py_ssize_t)sizeof(espalier_py_state),
    .m_methods = core_functions,
    .m_slots = core_slots,
    .m_traverse = visit_module,
    .m_clear = clear_module,
    .m_free = free_module,
};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&core_definition);
}
