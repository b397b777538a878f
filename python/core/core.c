/* SPDX-License-Identifier: BSD-3-Clause */
#include "core.h"

#include <string.h>

static struct PyModuleDef module_def;

core_state *core_state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

core_state *core_state_of_type(PyTypeObject *type)
{
    return PyType_GetModuleState(type);
}

PyObject *core_raise(core_state *state, const skimp_error *error)
{
    PyObject *exception = PyObject_CallFunction(
        state->make_error, "sKKKKKsss", skimp_status_name(error->code), (unsigned long long)error->requested,
        (unsigned long long)error->in_use, (unsigned long long)error->limit, (unsigned long long)error->minimum_bytes,
        (unsigned long long)error->row, error->column, error->file, error->message);
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
    return NULL;
}

bool core_put(PyObject *dict, const char *key, PyObject *value)
{
    const bool ok = value != NULL && PyDict_SetItemString(dict, key, value) == 0;
    Py_XDECREF(value);
    return ok;
}

/* ---- functions ------------------------------------------------------------------------------------------------ */

static PyObject *param_dict(const skimp_param *param)
{
    static const char *const types[] = { [SKIMP_PARAM_BOOL] = "bool",
                                         [SKIMP_PARAM_INT] = "int",
                                         [SKIMP_PARAM_FLOAT] = "float",
                                         [SKIMP_PARAM_CHOICE] = "choice",
                                         [SKIMP_PARAM_JSON] = "json" };
    return Py_BuildValue("{s:s, s:s, s:s, s:O, s:z, s:s}", "name", param->name, "type", types[param->type], "default",
                         param->default_value, "may_be_null", param->may_be_null ? Py_True : Py_False, "choices",
                         param->choices, "help", param->help);
}

static PyObject *info_dict(const skimp_estimator_info *info)
{
    static const char *const kinds[] = {
        [SKIMP_CLASSIFIER] = "classifier", [SKIMP_REGRESSOR] = "regressor", [SKIMP_TRANSFORMER] = "transformer"
    };
    PyObject *params = PyList_New(0), *dict = NULL;
    for (const skimp_param *param = info->params; params != NULL && param->name != NULL; param++) {
        PyObject *item = param_dict(param);
        if (item == NULL || PyList_Append(params, item) < 0) {
            Py_CLEAR(params);
        }
        Py_XDECREF(item);
    }
    if (params != NULL) {
        dict = Py_BuildValue("{s:s, s:s, s:s, s:s, s:s, s:O}", "name", info->name, "class", info->class_name, "module",
                             info->module, "kind", kinds[info->kind], "help", info->help, "params", params);
    }
    Py_XDECREF(params);
    return dict;
}

static PyObject *core_estimators(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *list = PyList_New(0);
    for (unsigned i = 0; list != NULL && i < skimp_estimator_count(); i++) {
        PyObject *item = info_dict(skimp_estimator_at(i));
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *core_parse_size(PyObject *module, PyObject *text)
{
    skimp_error error = SKIMP_ERROR_INIT;
    uint64_t bytes = 0;
    const char *utf8 = PyUnicode_AsUTF8AndSize(text, NULL);
    if (utf8 == NULL) {
        return NULL;
    }
    if (skimp_parse_size(utf8, &bytes, &error) != SKIMP_OK) {
        return core_raise(core_state_of(module), &error);
    }
    return PyLong_FromUnsignedLongLong(bytes);
}

static PyObject *core_process_memory(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    uint64_t resident = 0, peak = 0;
    skimp_process_memory(&resident, &peak);
    return Py_BuildValue("KK", (unsigned long long)resident, (unsigned long long)peak);
}

static PyObject *core_kind(PyObject *module, PyObject *path)
{
    static const char *const kinds[] = { [SKIMP_FILE_DATA] = "data",
                                         [SKIMP_FILE_STORE] = "store",
                                         [SKIMP_FILE_MODEL] = "model",
                                         [SKIMP_FILE_CHECKPOINT] = "checkpoint" };
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_file_kind kind = SKIMP_FILE_DATA;
    const char *utf8 = PyUnicode_AsUTF8AndSize(path, NULL);
    if (utf8 == NULL) {
        return NULL;
    }
    if (skimp_file_recognise(utf8, &kind, &error) != SKIMP_OK) {
        return core_raise(core_state_of(module), &error);
    }
    return PyUnicode_FromString(kinds[kind]);
}

static PyObject *core_default_memory(PyObject *module, PyObject *unused)
{
    skimp_error error = SKIMP_ERROR_INIT;
    uint64_t bytes = 0;
    (void)unused;
    if (skimp_default_memory(&bytes, &error) != SKIMP_OK) {
        return core_raise(core_state_of(module), &error);
    }
    return PyLong_FromUnsignedLongLong(bytes);
}

static PyObject *core_spill_check(PyObject *module, PyObject *directory)
{
    skimp_error error = SKIMP_ERROR_INIT;
    const char *utf8 = PyUnicode_AsUTF8AndSize(directory, NULL);
    if (utf8 == NULL) {
        return NULL;
    }
    if (skimp_spill_check(utf8, &error) != SKIMP_OK) {
        return core_raise(core_state_of(module), &error);
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    { "estimators", core_estimators, METH_NOARGS,
      "What estimators there are, with their parameters: a list of dicts." },
    { "parse_size", core_parse_size, METH_O, "Bytes of a size such as '64M', '1.5GiB' or '100 MB'." },
    { "process_memory", core_process_memory, METH_NOARGS,
      "This process's resident set and its high-water mark, bytes." },
    { "default_memory", core_default_memory, METH_NOARGS, "Half of what is free to this process, bytes." },
    { "spill_check", core_spill_check, METH_O, "OSError: files in this directory would be in memory." },
    { "file_kind", core_kind, METH_O, "What a file is by its first bytes: 'data', 'store', 'model' or 'checkpoint'." },
    { NULL, NULL, 0, NULL },
};

/* ---- module ------------------------------------------------------------------------------------------------------ */

static int core_exec(PyObject *module)
{
    core_state *state = core_state_of(module);
    PyObject *errors = PyImport_ImportModule("skimp._errors");
    if (errors == NULL) {
        return -1;
    }
    state->make_error = PyObject_GetAttrString(errors, "make");
    Py_DECREF(errors);
    state->job_type = PyType_FromModuleAndSpec(module, &core_job_spec, NULL);
    state->model_type = PyType_FromModuleAndSpec(module, &core_model_spec, NULL);
    state->block_type = PyType_FromModuleAndSpec(module, &core_block_spec, NULL);
    state->parquet_type = PyType_FromModuleAndSpec(module, &core_parquet_spec, NULL);
    if (state->make_error == NULL || state->job_type == NULL || state->model_type == NULL ||
        state->block_type == NULL || state->parquet_type == NULL ||
        PyModule_AddObjectRef(module, "Job", state->job_type) < 0 ||
        PyModule_AddObjectRef(module, "Model", state->model_type) < 0 ||
        PyModule_AddObjectRef(module, "Parquet", state->parquet_type) < 0 ||
        PyModule_AddStringConstant(module, "version", skimp_version()) < 0) {
        return -1;
    }
    return 0;
}

static int core_traverse(PyObject *module, visitproc visit, void *arg)
{
    core_state *state = core_state_of(module);
    Py_VISIT(state->job_type);
    Py_VISIT(state->model_type);
    Py_VISIT(state->block_type);
    Py_VISIT(state->parquet_type);
    Py_VISIT(state->make_error);
    return 0;
}

static int core_clear(PyObject *module)
{
    core_state *state = core_state_of(module);
    Py_CLEAR(state->job_type);
    Py_CLEAR(state->model_type);
    Py_CLEAR(state->block_type);
    Py_CLEAR(state->parquet_type);
    Py_CLEAR(state->make_error);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    { Py_mod_exec, core_exec },
    { 0, NULL },
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,  .m_name = "skimp._core", .m_doc = "libskimp.",        .m_size = sizeof(core_state),
    .m_methods = functions, .m_slots = slots,        .m_traverse = core_traverse, .m_clear = core_clear,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_def);
}
