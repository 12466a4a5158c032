// SPDX-License-Identifier: Apache-2.0
/*
 * The native half of espalier.Native: arguments are checked on the Java side, except for what only
 * C can know. Includes the installed headers and JNI. Must not keep an array or a JNIEnv
 * after a call.
 */
#include <espalier.h>
#include <espalier_inspect.h>
#include <espalier_slot.h>

#include <jni.h>
#include <stdlib.h>
#include <string.h>

#define NATIVE(type, name) JNIEXPORT type JNICALL Java_espalier_Native_##name

/* A model, and the memory it reads when it was not opened from a file. */
typedef struct {
    espalier_model *model;
    void *memory;
} owned_model;

static const owned_model *to_owned(jlong address)
{
    return (const owned_model *)(intptr_t)address;
}

static const espalier_model *to_model(jlong address)
{
    return to_owned(address)->model;
}

static espalier_predictor *to_predictor(jlong address)
{
    return (espalier_predictor *)(intptr_t)address;
}

static espalier_slot *to_slot(jlong address)
{
    return (espalier_slot *)(intptr_t)address;
}

static espalier_reader *to_reader(jlong address)
{
    return (espalier_reader *)(intptr_t)address;
}

static jbyteArray to_bytes(JNIEnv *env, const char *text, size_t bytes)
{
    if (bytes > INT32_MAX) {
        bytes = INT32_MAX;
    }
    jbyteArray array = (*env)->NewByteArray(env, (jsize)bytes);
    if (array != NULL) {
        (*env)->SetByteArrayRegion(env, array, 0, (jsize)bytes, (const jbyte *)text);
    }
    return array;
}

static jbyteArray to_text(JNIEnv *env, const char *text)
{
    return text == NULL ? NULL : to_bytes(env, text, strlen(text));
}

static void throw_error(JNIEnv *env, espalier_status status, const espalier_error *error)
{
    const char *text = error != NULL && error->message[0] != '\0' ? error->message
                                                                  : espalier_status_message(status);
    jclass class = (*env)->FindClass(env, "espalier/EspalierException");
    jmethodID create =
        class == NULL ? NULL : (*env)->GetMethodID(env, class, "<init>", "(I[BIJI)V");
    jbyteArray message = create == NULL ? NULL : to_text(env, text);
    if (message == NULL) {
        return; /* JNI has thrown already */
    }
    const jlong offset = error == NULL || error->file_offset == ESPALIER_OFFSET_NONE
                             ? -1
                             : (jlong)error->file_offset;
    jobject thrown = (*env)->NewObject(env, class, create, (jint)status, message,
                                       error == NULL ? 0 : (jint)error->system_errno, offset,
                                       error == NULL ? 0 : (jint)error->format_rule);
    if (thrown != NULL) {
        (*env)->Throw(env, (jthrowable)thrown);
    }
}

static jlongArray to_longs(JNIEnv *env, const jlong *values, jsize count)
{
    jlongArray array = (*env)->NewLongArray(env, count);
    if (array != NULL) {
        (*env)->SetLongArrayRegion(env, array, 0, count, values);
    }
    return array;
}

/* ---------------------------------------------------------------------------------------------
 * Model
 * ------------------------------------------------------------------------------------------- */

NATIVE(jbyteArray, version)(JNIEnv *env, jclass class)
{
    (void)class;
    return to_text(env, espalier_version());
}

NATIVE(jbyteArray, statusName)(JNIEnv *env, jclass class, jint status)
{
    (void)class;
    return to_text(env, espalier_status_name((espalier_status)status));
}

NATIVE(jbyteArray, statusMessage)(JNIEnv *env, jclass class, jint status)
{
    (void)class;
    return to_text(env, espalier_status_message((espalier_status)status));
}

static espalier_open_options to_options(jlong flags, jlong visits_per_row_max)
{
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = (uint64_t)flags;
    options.visits_per_row_max = (uint64_t)visits_per_row_max;
    return options;
}

/* Takes a finished open over, or throws and frees. */
static jlong finish_open(JNIEnv *env, owned_model *owned, espalier_status status,
                         const espalier_error *error)
{
    if (status == ESPALIER_OK) {
        return (jlong)(intptr_t)owned;
    }
    free(owned->memory);
    free(owned);
    throw_error(env, status, error);
    return 0;
}

NATIVE(jlong, open)
(JNIEnv *env, jclass class, jbyteArray path, jlong flags, jlong visits_per_row_max)
{
    (void)class;
    const espalier_open_options options = to_options(flags, visits_per_row_max);
    espalier_error error = {0};
    owned_model *owned = calloc(1, sizeof *owned);
    if (owned == NULL) {
        throw_error(env, ESPALIER_ERROR_MEMORY, NULL);
        return 0;
    }
    jbyte *name = (*env)->GetByteArrayElements(env, path, NULL);
    if (name == NULL) {
        free(owned);
        return 0;
    }
    const espalier_status status =
        espalier_model_open((const char *)name, &options, &owned->model, &error);
    (*env)->ReleaseByteArrayElements(env, path, name, JNI_ABORT);
    return finish_open(env, owned, status, &error);
}

NATIVE(jlong, openMemory)
(JNIEnv *env, jclass class, jbyteArray data, jlong flags, jlong visits_per_row_max)
{
    (void)class;
    const espalier_open_options options = to_options(flags, visits_per_row_max);
    espalier_error error = {0};
    const jsize bytes = (*env)->GetArrayLength(env, data);
    owned_model *owned = calloc(1, sizeof *owned);
    void *memory = owned == NULL ? NULL : aligned_alloc(64, (size_t)bytes / 64 * 64 + 64);
    if (memory == NULL) {
        free(owned);
        throw_error(env, ESPALIER_ERROR_MEMORY, NULL);
        return 0;
    }
    owned->memory = memory;
    (*env)->GetByteArrayRegion(env, data, 0, bytes, memory);
    const espalier_status status =
        espalier_model_open_memory(memory, (size_t)bytes, &options, &owned->model, &error);
    return finish_open(env, owned, status, &error);
}

NATIVE(void, close)(JNIEnv *env, jclass class, jlong model)
{
    (void)env;
    (void)class;
    owned_model *owned = (owned_model *)(intptr_t)model;
    espalier_model_close(owned->model);
    free(owned->memory);
    free(owned);
}

NATIVE(void, verify)(JNIEnv *env, jclass class, jlong model)
{
    (void)class;
    espalier_error error = {0};
    const espalier_status status = espalier_model_verify(to_model(model), &error);
    if (status != ESPALIER_OK) {
        throw_error(env, status, &error);
    }
}

NATIVE(jlongArray, info)(JNIEnv *env, jclass class, jlong model)
{
    (void)class;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    const espalier_status status = espalier_model_info_get(to_model(model), &info);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
        return NULL;
    }
    const jlong values[] = {(jlong)info.file_bytes, info.feature_count,    info.tree_count,
                            (jlong)info.node_count, info.output_count,     info.default_output,
                            info.missing_allowed,   info.infinite_allowed, info.iteration_count};
    return to_longs(env, values, sizeof values / sizeof values[0]);
}

NATIVE(jbyteArray, digest)(JNIEnv *env, jclass class, jlong model)
{
    (void)class;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_model_info_get(to_model(model), &info);
    return to_bytes(env, (const char *)info.root_digest, sizeof info.root_digest);
}

/* bare: the address of an espalier_model, as Predictors know it. */
NATIVE(jlong, bare)(JNIEnv *env, jclass class, jlong model)
{
    (void)env;
    (void)class;
    return (jlong)(intptr_t)to_model(model);
}

NATIVE(jlongArray, output)(JNIEnv *env, jclass class, jlong bare, jint kind)
{
    (void)class;
    espalier_output_info info;
    if (espalier_model_output((const espalier_model *)(intptr_t)bare, (espalier_output_kind)kind,
                              &info) != ESPALIER_OK) {
        return NULL;
    }
    const jlong values[] = {info.dtype, (jlong)info.width, info.group_count};
    return to_longs(env, values, 3);
}

NATIVE(jbyteArray, featureName)(JNIEnv *env, jclass class, jlong model, jint feature)
{
    (void)class;
    return to_text(env, espalier_model_feature_name(to_model(model), (uint32_t)feature));
}

NATIVE(jint, labelCount)(JNIEnv *env, jclass class, jlong model, jint output)
{
    (void)class;
    espalier_label_info info = {0};
    const espalier_status status = espalier_model_labels(to_model(model), (uint32_t)output, &info);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
    }
    return (jint)info.count;
}

/* value_of: java.lang.Long.valueOf and its like. */
static jobject to_boxed(JNIEnv *env, const char *class_name, const char *signature, jvalue value)
{
    jclass class = (*env)->FindClass(env, class_name);
    jmethodID method =
        class == NULL ? NULL : (*env)->GetStaticMethodID(env, class, "valueOf", signature);
    return method == NULL ? NULL : (*env)->CallStaticObjectMethodA(env, class, method, &value);
}

NATIVE(jobject, label)(JNIEnv *env, jclass class, jlong model, jint output, jint index)
{
    (void)class;
    espalier_label label;
    const espalier_status status =
        espalier_model_class_label(to_model(model), (uint32_t)output, (uint32_t)index, &label);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
        return NULL;
    }
    jvalue value = {0};
    switch (label.kind) {
    case ESPALIER_LABEL_STRING:
        return to_bytes(env, label.text, label.text_bytes);
    case ESPALIER_LABEL_FLOAT:
        value.d = label.real;
        return to_boxed(env, "java/lang/Double", "(D)Ljava/lang/Double;", value);
    case ESPALIER_LABEL_BOOL:
        value.z = label.integer != 0;
        return to_boxed(env, "java/lang/Boolean", "(Z)Ljava/lang/Boolean;", value);
    default:
        value.j = label.integer;
        return to_boxed(env, "java/lang/Long", "(J)Ljava/lang/Long;", value);
    }
}

NATIVE(jbyteArray, metadata)(JNIEnv *env, jclass class, jlong model)
{
    (void)class;
    const char *text = "";
    size_t bytes = 0;
    const espalier_status status = espalier_model_metadata(to_model(model), &text, &bytes);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
        return NULL;
    }
    return to_bytes(env, text, bytes);
}

/* ---------------------------------------------------------------------------------------------
 * Predictor
 * ------------------------------------------------------------------------------------------- */

static espalier_predictor_options to_predictor_options(jlong flags, jint block_rows_max,
                                                       jint iteration_first, jint iteration_count)
{
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = (uint64_t)flags;
    options.block_rows_max = (uint32_t)block_rows_max;
    options.iteration_first = (uint32_t)iteration_first;
    options.iteration_count = (uint32_t)iteration_count;
    return options;
}

NATIVE(jlong, create)
(JNIEnv *env, jclass class, jlong model, jlong flags, jint block_rows_max, jint iteration_first,
 jint iteration_count)
{
    (void)class;
    const espalier_predictor_options options =
        to_predictor_options(flags, block_rows_max, iteration_first, iteration_count);
    espalier_predictor *predictor = NULL;
    const espalier_status status = espalier_predictor_create(to_model(model), &options, &predictor);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
        return 0;
    }
    return (jlong)(intptr_t)predictor;
}

NATIVE(void, destroy)(JNIEnv *env, jclass class, jlong predictor)
{
    (void)env;
    (void)class;
    espalier_predictor_destroy(to_predictor(predictor));
}

NATIVE(jbyteArray, kernel)(JNIEnv *env, jclass class, jlong predictor)
{
    (void)class;
    return to_text(env, espalier_predictor_kernel(to_predictor(predictor)));
}

static espalier_rows to_rows(const char *from, jint dtype, jlong first, jlong row_count,
                             jlong feature_count, jlong row_stride, jlong feature_stride)
{
    const size_t value_bytes = dtype == ESPALIER_DTYPE_FLOAT32 ? sizeof(float) : sizeof(double);
    const espalier_rows rows = {.data = from + (size_t)first * value_bytes,
                                .dtype = (uint32_t)dtype,
                                .row_count = (size_t)row_count,
                                .feature_count = (size_t)feature_count,
                                .row_stride = (ptrdiff_t)row_stride,
                                .feature_stride = (ptrdiff_t)feature_stride};
    return rows;
}

/* Between the two Criticals no JNI call is made and nothing waits, as JNI demands. */
NATIVE(jint, predict)
(JNIEnv *env, jclass class, jlong predictor, jint kind, jobject values, jint dtype, jlong first,
 jlong row_count, jlong feature_count, jlong row_stride, jlong feature_stride, jobject out,
 jlong out_first, jlong out_count, jint out_bytes, jlongArray place)
{
    (void)class;
    espalier_status status = ESPALIER_ERROR_MEMORY;
    espalier_outputs outputs = {.data_bytes = (size_t)out_count * (size_t)out_bytes};
    char *from = (*env)->GetPrimitiveArrayCritical(env, values, NULL);
    char *to = from == NULL ? NULL : (*env)->GetPrimitiveArrayCritical(env, out, NULL);
    if (to != NULL) {
        const espalier_rows rows =
            to_rows(from, dtype, first, row_count, feature_count, row_stride, feature_stride);
        outputs.data = to + (size_t)out_first * (size_t)out_bytes;
        status =
            espalier_predict(to_predictor(predictor), (espalier_output_kind)kind, &rows, &outputs);
        (*env)->ReleasePrimitiveArrayCritical(env, out, to, 0);
    }
    if (from != NULL) {
        (*env)->ReleasePrimitiveArrayCritical(env, values, from, JNI_ABORT);
    }
    if (status != ESPALIER_OK && to != NULL) {
        const jlong found[3] = {(jlong)outputs.rows_written, (jlong)outputs.refused_row,
                                (jlong)outputs.refused_feature};
        (*env)->SetLongArrayRegion(env, place, 0, 3, found);
    }
    return (jint)status;
}

/* What nodes compare for the first row. found: as many doubles as there are values. */
NATIVE(jint, values)
(JNIEnv *env, jclass class, jlong predictor, jobject values, jint dtype, jlong row_count,
 jlong feature_count, jlong row_stride, jlong feature_stride, jdoubleArray found)
{
    (void)class;
    espalier_status status = ESPALIER_ERROR_MEMORY;
    const jsize count = (*env)->GetArrayLength(env, found);
    double *to = malloc((size_t)count * sizeof *to + 1);
    char *from = to == NULL ? NULL : (*env)->GetPrimitiveArrayCritical(env, values, NULL);
    if (from != NULL) {
        const espalier_rows rows =
            to_rows(from, dtype, 0, row_count, feature_count, row_stride, feature_stride);
        status = espalier_predictor_values(to_predictor(predictor), &rows, to, (size_t)count);
        (*env)->ReleasePrimitiveArrayCritical(env, values, from, JNI_ABORT);
    }
    if (status == ESPALIER_OK) {
        (*env)->SetDoubleArrayRegion(env, found, 0, count, to);
    }
    free(to);
    return (jint)status;
}

/* ---------------------------------------------------------------------------------------------
 * Columns
 * ------------------------------------------------------------------------------------------- */

/* Columns and all they point to. */
typedef struct {
    espalier_feature_columns columns;
    espalier_feature_column *list;
} owned_columns;

static owned_columns *to_columns(jlong address)
{
    return (owned_columns *)(intptr_t)address;
}

NATIVE(void, columnsFree)(JNIEnv *env, jclass class, jlong columns)
{
    (void)env;
    (void)class;
    owned_columns *owned = to_columns(columns);
    for (size_t i = 0; i < owned->columns.feature_count; i++) {
        free((void *)(uintptr_t)owned->list[i].data);
        free((void *)(uintptr_t)owned->list[i].text);
        free((void *)(uintptr_t)owned->list[i].validity);
    }
    free(owned->list);
    free(owned);
}

/* dtype: of the rows that they stand for, or 0. */
NATIVE(jlong, columnsMake)
(JNIEnv *env, jclass class, jint feature_count, jint row_count, jint dtype)
{
    (void)class;
    owned_columns *owned = calloc(1, sizeof *owned);
    espalier_feature_column *list = calloc((size_t)feature_count + 1, sizeof *list);
    if (owned == NULL || list == NULL) {
        free(owned);
        free(list);
        throw_error(env, ESPALIER_ERROR_MEMORY, NULL);
        return 0;
    }
    owned->list = list;
    owned->columns.columns = list;
    owned->columns.feature_count = (size_t)feature_count;
    owned->columns.row_count = (size_t)row_count;
    owned->columns.dtype = (uint32_t)dtype;
    return (jlong)(intptr_t)owned;
}

/* A copy of a primitive array, and a zero behind it; NULL of NULL, and without memory. */
static void *copy_array(JNIEnv *env, jarray array, size_t item_bytes)
{
    if (array == NULL) {
        return NULL;
    }
    const size_t bytes = (size_t)(*env)->GetArrayLength(env, array) * item_bytes;
    char *copy = calloc(1, bytes + 1);
    void *items = copy == NULL ? NULL : (*env)->GetPrimitiveArrayCritical(env, array, NULL);
    if (items == NULL) {
        free(copy);
        return NULL;
    }
    memcpy(copy, items, bytes);
    (*env)->ReleasePrimitiveArrayCritical(env, array, items, JNI_ABORT);
    return copy;
}

/* data: numbers of item_bytes, or of strings offsets into `text`; text and validity may be null. */
NATIVE(void, columnsSet)
(JNIEnv *env, jclass class, jlong columns, jint index, jint dtype, jobject data, jint item_bytes,
 jbyteArray text, jbyteArray validity)
{
    (void)class;
    espalier_feature_column *column = &to_columns(columns)->list[index];
    column->dtype = (uint32_t)dtype;
    column->stride = 1;
    column->data = copy_array(env, data, (size_t)item_bytes);
    column->text = copy_array(env, text, 1);
    column->text_bytes = text == NULL ? 0 : (size_t)(*env)->GetArrayLength(env, text);
    column->validity = copy_array(env, validity, 1);
    if (column->data == NULL || (text != NULL && column->text == NULL) ||
        (validity != NULL && column->validity == NULL)) {
        throw_error(env, ESPALIER_ERROR_MEMORY, NULL);
    }
}

/* Copies the first `count` elements of an output into a Java array. */
static void give_output(JNIEnv *env, jobject out, jint dtype, jsize count, const void *from)
{
    switch (dtype) {
    case ESPALIER_DTYPE_FLOAT32:
        (*env)->SetFloatArrayRegion(env, out, 0, count, from);
        break;
    case ESPALIER_DTYPE_INT32:
        (*env)->SetIntArrayRegion(env, out, 0, count, from);
        break;
    case ESPALIER_DTYPE_INT64:
        (*env)->SetLongArrayRegion(env, out, 0, count, from);
        break;
    default:
        (*env)->SetDoubleArrayRegion(env, out, 0, count, from);
        break;
    }
}

/* All rows at once, by way of memory of C's: nothing of Java's is held meanwhile. out_count: at
 * most what the rows need. */
NATIVE(jint, predictColumns)
(JNIEnv *env, jclass class, jlong predictor, jint kind, jlong columns, jobject out, jint dtype,
 jint width, jint out_count, jlongArray place)
{
    (void)class;
    const size_t item_bytes =
        dtype == ESPALIER_DTYPE_FLOAT32 || dtype == ESPALIER_DTYPE_INT32 ? 4 : 8;
    espalier_outputs outputs = {.data_bytes = (size_t)out_count * item_bytes};
    outputs.data = malloc(outputs.data_bytes + 1);
    if (outputs.data == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    const espalier_status status =
        espalier_predict_columns(to_predictor(predictor), (espalier_output_kind)kind,
                                 &to_columns(columns)->columns, &outputs);
    const jlong found[3] = {(jlong)outputs.rows_written, (jlong)outputs.refused_row,
                            (jlong)outputs.refused_feature};
    (*env)->SetLongArrayRegion(env, place, 0, 3, found);
    give_output(env, out, dtype,
                status == ESPALIER_OK ? out_count : (jsize)outputs.rows_written * width,
                outputs.data);
    free(outputs.data);
    return (jint)status;
}

NATIVE(jobjectArray, categories)(JNIEnv *env, jclass class, jlong model, jint feature)
{
    (void)class;
    const uint32_t count = espalier_model_category_count(to_model(model), (uint32_t)feature);
    jclass bytes_class = (*env)->FindClass(env, "[B");
    jobjectArray all =
        bytes_class == NULL ? NULL : (*env)->NewObjectArray(env, (jsize)count, bytes_class, NULL);
    for (uint32_t i = 0; all != NULL && i < count; i++) {
        size_t bytes = 0;
        const char *text = espalier_model_category(to_model(model), (uint32_t)feature, i, &bytes);
        jbyteArray one = to_bytes(env, text == NULL ? "" : text, bytes);
        if (one == NULL) {
            return NULL;
        }
        (*env)->SetObjectArrayElement(env, all, (jsize)i, one);
        (*env)->DeleteLocalRef(env, one);
    }
    return all;
}

/* text: the names, each with a NUL behind it, side by side. The feature without a column is in
 * missing[0]. */
NATIVE(jint, featureOrder)
(JNIEnv *env, jclass class, jlong model, jbyteArray text, jint name_count, jintArray order,
 jintArray missing)
{
    (void)class;
    const jsize feature_count = (*env)->GetArrayLength(env, order);
    char *const names = copy_array(env, text, 1);
    const char **const list = calloc((size_t)name_count + 1, sizeof *list);
    size_t *const found = calloc((size_t)feature_count + 1, sizeof *found);
    jint *const numbers = calloc((size_t)feature_count + 1, sizeof *numbers);
    espalier_status status = ESPALIER_ERROR_MEMORY;
    uint32_t without = 0;
    if (names != NULL && list != NULL && found != NULL && numbers != NULL) {
        const char *name = names;
        for (jint i = 0; i < name_count; i++) {
            list[i] = name;
            name += strlen(name) + 1;
        }
        status = espalier_model_feature_order(to_model(model), list, (size_t)name_count, found,
                                              &without);
        for (jsize i = 0; i < feature_count; i++) {
            numbers[i] = (jint)found[i];
        }
    }
    if (status == ESPALIER_OK) {
        (*env)->SetIntArrayRegion(env, order, 0, feature_count, numbers);
    } else if (status == ESPALIER_ERROR_FEATURE_COUNT) {
        const jint feature = (jint)without;
        (*env)->SetIntArrayRegion(env, missing, 0, 1, &feature);
    }
    free(names);
    free((void *)list);
    free(found);
    free(numbers);
    return (jint)status;
}

/* ---------------------------------------------------------------------------------------------
 * Slot
 * ------------------------------------------------------------------------------------------- */

NATIVE(jlong, slotOpen)
(JNIEnv *env, jclass class, jbyteArray path, jlong flags, jint reader_count_max, jlong version_min,
 jlong open_flags, jlong visits_per_row_max, jlong predictor_flags, jint block_rows_max,
 jint iteration_first, jint iteration_count)
{
    (void)class;
    const espalier_open_options open = to_options(open_flags, visits_per_row_max);
    const espalier_predictor_options predictor =
        to_predictor_options(predictor_flags, block_rows_max, iteration_first, iteration_count);
    espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
    options.flags = (uint64_t)flags;
    options.reader_count_max = (uint32_t)reader_count_max;
    options.version_min = (uint64_t)version_min;
    options.open = &open;
    options.predictor = &predictor;
    espalier_slot *slot = NULL;
    espalier_error error = {0};
    jbyte *name = (*env)->GetByteArrayElements(env, path, NULL);
    if (name == NULL) {
        return 0;
    }
    const espalier_status status = espalier_slot_open((const char *)name, &options, &slot, &error);
    (*env)->ReleaseByteArrayElements(env, path, name, JNI_ABORT);
    if (status != ESPALIER_OK) {
        throw_error(env, status, &error);
        return 0;
    }
    return (jlong)(intptr_t)slot;
}

NATIVE(void, slotClose)(JNIEnv *env, jclass class, jlong slot)
{
    (void)env;
    (void)class;
    espalier_slot_close(to_slot(slot));
}

static jlongArray to_state(JNIEnv *env, const espalier_slot_state *state)
{
    const jlong values[] = {(jlong)state->version, state->changed, state->held_count};
    return to_longs(env, values, 3);
}

NATIVE(jlongArray, slotRefresh)(JNIEnv *env, jclass class, jlong slot, jlong flags)
{
    (void)class;
    espalier_error error = {0};
    espalier_slot_state state = {0};
    const espalier_status status =
        espalier_slot_refresh(to_slot(slot), (uint64_t)flags, &state, &error);
    if (status != ESPALIER_OK) {
        throw_error(env, status, &error);
        return NULL;
    }
    return to_state(env, &state);
}

NATIVE(jlongArray, slotCollect)(JNIEnv *env, jclass class, jlong slot)
{
    (void)class;
    espalier_slot_state state = {0};
    const espalier_status status = espalier_slot_collect(to_slot(slot), &state);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
        return NULL;
    }
    return to_state(env, &state);
}

NATIVE(jlong, slotRegister)(JNIEnv *env, jclass class, jlong slot)
{
    (void)class;
    espalier_reader *reader = NULL;
    const espalier_status status = espalier_slot_register(to_slot(slot), &reader);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
    }
    return (jlong)(intptr_t)reader;
}

NATIVE(void, slotUnregister)(JNIEnv *env, jclass class, jlong reader)
{
    (void)env;
    (void)class;
    espalier_slot_unregister(to_reader(reader));
}

/* lease: becomes the model, the predictor and the version. */
NATIVE(jint, slotAcquire)(JNIEnv *env, jclass class, jlong reader, jlongArray lease)
{
    (void)class;
    espalier_lease found;
    const espalier_status status = espalier_slot_acquire(to_reader(reader), &found);
    if (status == ESPALIER_OK) {
        const jlong values[3] = {(jlong)(intptr_t)found.model, (jlong)(intptr_t)found.predictor,
                                 (jlong)found.version};
        (*env)->SetLongArrayRegion(env, lease, 0, 3, values);
    }
    return (jint)status;
}

NATIVE(void, slotRelease)(JNIEnv *env, jclass class, jlong reader)
{
    (void)env;
    (void)class;
    espalier_slot_release(to_reader(reader));
}

NATIVE(jlong, slotWarm)(JNIEnv *env, jclass class, jlong reader, jlong bytes_max)
{
    (void)class;
    size_t bytes = 0;
    const espalier_status status = espalier_slot_warm(to_reader(reader), (size_t)bytes_max, &bytes);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
    }
    return (jlong)bytes;
}

/* ---------------------------------------------------------------------------------------------
 * Looking into a model
 * ------------------------------------------------------------------------------------------- */

NATIVE(jlongArray, tree)(JNIEnv *env, jclass class, jlong model, jint index)
{
    (void)class;
    espalier_tree_info tree;
    const espalier_status status = espalier_model_tree(to_model(model), (uint32_t)index, &tree);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
        return NULL;
    }
    const jlong values[] = {tree.node_count, tree.position_count, tree.depth,     tree.number,
                            tree.iteration,  tree.part_index,     tree.leaf_width};
    return to_longs(env, values, sizeof values / sizeof values[0]);
}

enum {
    NODE_WORDS = 11
};

NATIVE(jlongArray, node)(JNIEnv *env, jclass class, jlong model, jint tree, jint position)
{
    (void)class;
    espalier_node node;
    const espalier_status status =
        espalier_model_node(to_model(model), (uint32_t)tree, (uint32_t)position, &node);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
        return NULL;
    }
    jlong threshold = 0;
    memcpy(&threshold, &node.threshold, sizeof threshold);
    const jlong values[NODE_WORDS] = {threshold,
                                      node.feature,
                                      node.missing,
                                      node.missing_left,
                                      node.left,
                                      node.right,
                                      node.leaf_index,
                                      node.is_set,
                                      node.set_column,
                                      node.set_bit,
                                      node.feature == ESPALIER_FEATURE_NONE};
    return to_longs(env, values, NODE_WORDS);
}

NATIVE(jboolean, goesLeft)
(JNIEnv *env, jclass class, jlong model, jlongArray words, jdouble value)
{
    (void)class;
    jlong raw[NODE_WORDS];
    (*env)->GetLongArrayRegion(env, words, 0, NODE_WORDS, raw);
    espalier_node node = {.feature = (uint32_t)raw[1],
                          .missing = (uint32_t)raw[2],
                          .missing_left = (uint32_t)raw[3],
                          .left = (uint32_t)raw[4],
                          .right = (uint32_t)raw[5],
                          .leaf_index = (uint32_t)raw[6],
                          .is_set = (uint32_t)raw[7],
                          .set_column = (uint32_t)raw[8],
                          .set_bit = (uint32_t)raw[9]};
    memcpy(&node.threshold, &raw[0], sizeof node.threshold);
    return espalier_model_node_left(to_model(model), &node, value) != 0;
}

/* -1 where no leaf is. */
NATIVE(jintArray, leafNumbers)(JNIEnv *env, jclass class, jlong model, jint index)
{
    (void)class;
    espalier_tree_info tree;
    uint32_t *numbers = NULL;
    jintArray found = NULL;
    espalier_status status = espalier_model_tree(to_model(model), (uint32_t)index, &tree);
    if (status == ESPALIER_OK) {
        numbers = calloc((size_t)tree.position_count + 1, sizeof *numbers);
        status = numbers == NULL ? ESPALIER_ERROR_MEMORY
                                 : espalier_model_leaf_numbers(to_model(model), (uint32_t)index,
                                                               numbers, tree.position_count);
    }
    if (status == ESPALIER_OK) {
        found = (*env)->NewIntArray(env, (jsize)tree.position_count);
    }
    if (found != NULL) {
        /* NUMBER_NONE is -1 as a jint. */
        (*env)->SetIntArrayRegion(env, found, 0, (jsize)tree.position_count,
                                  (const jint *)(const void *)numbers);
    }
    free(numbers);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
    }
    return found;
}

NATIVE(jdoubleArray, leafValues)
(JNIEnv *env, jclass class, jlong model, jint part, jint leaf, jint width)
{
    (void)class;
    double *values = calloc((size_t)width + 1, sizeof *values);
    jdoubleArray found = NULL;
    const espalier_status status = values == NULL
                                       ? ESPALIER_ERROR_MEMORY
                                       : espalier_model_leaf(to_model(model), (uint32_t)part,
                                                             (uint32_t)leaf, values, (size_t)width);
    if (status == ESPALIER_OK) {
        found = (*env)->NewDoubleArray(env, width);
    }
    if (found != NULL) {
        (*env)->SetDoubleArrayRegion(env, found, 0, width, values);
    }
    free(values);
    if (status != ESPALIER_OK) {
        throw_error(env, status, NULL);
    }
    return found;
}

NATIVE(jint, valueCount)(JNIEnv *env, jclass class, jlong bare)
{
    (void)env;
    (void)class;
    return (jint)espalier_model_value_count((const espalier_model *)(intptr_t)bare);
}

/* covers: one for each value. Gives the unit. */
NATIVE(jint, covers)(JNIEnv *env, jclass class, jlong model, jdoubleArray covers)
{
    (void)class;
    const jsize count = (*env)->GetArrayLength(env, covers);
    double *found = calloc((size_t)count + 1, sizeof *found);
    if (found == NULL) {
        throw_error(env, ESPALIER_ERROR_MEMORY, NULL);
        return 0;
    }
    const uint32_t unit = espalier_model_covers(to_model(model), found, (size_t)count);
    (*env)->SetDoubleArrayRegion(env, covers, 0, count, found);
    free(found);
    return (jint)unit;
}
