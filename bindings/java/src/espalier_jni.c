// SPDX-License-Identifier: Apache-2.0
/*
 * The native half of espalier.Native: arguments are checked on the Java side, except for what only
 * C can know. Includes the installed header and JNI. Must not keep an array or a JNIEnv
 * after a call.
 */
#include <espalier.h>

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

NATIVE(jlongArray, output)(JNIEnv *env, jclass class, jlong model, jint kind)
{
    (void)class;
    espalier_output_info info;
    if (espalier_model_output(to_model(model), (espalier_output_kind)kind, &info) != ESPALIER_OK) {
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

NATIVE(jlong, create)
(JNIEnv *env, jclass class, jlong model, jlong flags, jint block_rows_max, jint iteration_first,
 jint iteration_count)
{
    (void)class;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = (uint64_t)flags;
    options.block_rows_max = (uint32_t)block_rows_max;
    options.iteration_first = (uint32_t)iteration_first;
    options.iteration_count = (uint32_t)iteration_count;
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

/* Between the two Criticals no JNI call is made and nothing waits, as JNI demands. */
NATIVE(jint, predict)
(JNIEnv *env, jclass class, jlong predictor, jint kind, jobject values, jint dtype, jlong first,
 jlong row_count, jlong feature_count, jlong row_stride, jlong feature_stride, jobject out,
 jlong out_first, jlong out_count, jint out_bytes, jlongArray place)
{
    (void)class;
    const size_t value_bytes = dtype == ESPALIER_DTYPE_FLOAT32 ? sizeof(float) : sizeof(double);
    espalier_status status = ESPALIER_ERROR_MEMORY;
    espalier_outputs outputs = {.data_bytes = (size_t)out_count * (size_t)out_bytes};
    char *from = (*env)->GetPrimitiveArrayCritical(env, values, NULL);
    char *to = from == NULL ? NULL : (*env)->GetPrimitiveArrayCritical(env, out, NULL);
    if (to != NULL) {
        const espalier_rows rows = {.data = from + (size_t)first * value_bytes,
                                    .dtype = (uint32_t)dtype,
                                    .row_count = (size_t)row_count,
                                    .feature_count = (size_t)feature_count,
                                    .row_stride = (ptrdiff_t)row_stride,
                                    .feature_stride = (ptrdiff_t)feature_stride};
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
