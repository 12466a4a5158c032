// SPDX-License-Identifier: Apache-2.0
/*
 * Saved Python objects as data: a bounded machine for pickle protocols 0 to 5 and joblib files that
 * builds values and never imports, calls or constructs anything, however the stream asks.
 * Strings, bytes and array data are slices of the stream; only re-coded text is copied.
 * May include: include/ and libc.
 * Must never: execute, recurse on input depth, allocate what the stream merely claims, print.
 *
 * Limits (0 in espalier_pickle_options takes the default):
 *
 *   limit                                    default                where
 *   bytes of the stream                      2^40                   fixed
 *   memory for values and copies             64 MiB + 4 x stream    memory_bytes_max
 *   values on the stack                      1,000,000              stack_count_max
 *   open marks                               10,000                 mark_count_max
 *   pickles nested in a joblib file          8                      nested_count_max
 *   memo index                               4,096 + 8 x puts       fixed
 *   length of a text line (INT, GLOBAL, ...) 65,536 bytes           fixed; STRING, UNICODE: none
 *   digits of a text integer                 4,300                  fixed
 *   bytes of a module or a name              1,024 each             fixed
 *   distinct names                           16,384                 fixed
 *   fields of a dtype                        64, else opaque        fixed
 *   comparisons of field names               16 Mi + 4 x stream     fixed
 *   dtype nesting                            16, else opaque        fixed
 *   dimensions of an array                   32, else opaque        fixed
 *   attributes of one object's state         512                    fixed
 *   text of a flagged call                   200 bytes              fixed
 *
 * Byte counts are compared with the bytes left before anything is taken; products are checked.
 * The tuple that is an array's state is not kept: GET of one, which no writer has, is refused.
 */
#ifndef ESPALIER_CONVERT_SOURCES_PICKLE_H
#define ESPALIER_CONVERT_SOURCES_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "espalier.h"
#include "espalier_convert.h"

/* ---------------------------------------------------------------------------------------------
 * Parse
 * ------------------------------------------------------------------------------------------- */

typedef struct espalier_pickle espalier_pickle;
typedef struct espalier_pickle_value espalier_pickle_value;

typedef struct espalier_pickle_options {
    const char *source_name;   /* for messages; NULL: "pickle" */
    bool flagged_allowed;      /* list flagged names instead of stopping */
    uint64_t memory_bytes_max; /* arena and copies; not the stream itself */
    uint64_t stack_count_max;
    uint64_t mark_count_max;
    uint64_t nested_count_max;
} espalier_pickle_options;

/*
 * Reads one object from `stream`, which is borrowed until espalier_pickle_free. options: or NULL.
 * error_out->file_offset is the place in the uncompressed stream.
 * Status: ARGUMENT, MEMORY, SOURCE_FORMAT (no pickle at all), SOURCE_SYNTAX, SOURCE_TRUNCATED,
 * SOURCE_LIMIT, SOURCE_UNSUPPORTED (an opcode or dtype that is refused), SOURCE_FLAGGED. A flagged
 * name outranks whatever goes wrong after it: Python would have run it by then.
 */
espalier_status espalier_pickle_parse(const void *stream, size_t stream_bytes,
                                      const espalier_pickle_options *options,
                                      espalier_pickle **pickle_out, espalier_error *error_out);
void espalier_pickle_free(espalier_pickle *pickle);

/* The object that loading would give; never NULL. */
const espalier_pickle_value *espalier_pickle_root(const espalier_pickle *pickle);

typedef struct espalier_pickle_info {
    uint32_t protocol;       /* highest PROTO seen in the outer stream; 0 when there is none */
    bool joblib;             /* holds joblib's array wrappers */
    uint64_t stream_bytes;   /* as given */
    uint64_t consumed_bytes; /* up to and with the outer STOP; the rest is trailing */
    uint64_t memory_bytes;   /* held now */
    uint64_t value_count;
} espalier_pickle_info;

void espalier_pickle_info_get(const espalier_pickle *pickle, espalier_pickle_info *info_out);

/* ---------------------------------------------------------------------------------------------
 * Names: every global that loading would import
 * ------------------------------------------------------------------------------------------- */

typedef struct espalier_pickle_slice {
    const char *data; /* not NUL-terminated; for names and text UTF-8, perhaps malformed */
    size_t bytes;
} espalier_pickle_slice;

typedef struct espalier_pickle_name {
    espalier_pickle_slice module; /* Python 2 names already turned: builtins, copyreg, ... */
    espalier_pickle_slice name;   /* may be dotted */
    uint64_t first_offset;
    uint64_t import_count;
    uint64_t call_count;
    espalier_name_policy policy;
    const char *call_text; /* flagged: what the first call would have run, escaped; else NULL */
} espalier_pickle_name;

size_t espalier_pickle_name_count(const espalier_pickle *pickle);
const espalier_pickle_name *espalier_pickle_name_at(const espalier_pickle *pickle, size_t index);

/* The policy for a name, by itself. */
espalier_name_policy espalier_pickle_name_policy(espalier_pickle_slice module,
                                                 espalier_pickle_slice name);

bool espalier_pickle_slice_equal(espalier_pickle_slice slice, const char *text);

/* ---------------------------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------------------------- */

typedef enum espalier_pickle_kind {
    ESPALIER_PICKLE_NONE = 1,
    ESPALIER_PICKLE_BOOL = 2,
    ESPALIER_PICKLE_INTEGER = 3,     /* fits int64 */
    ESPALIER_PICKLE_BIG_INTEGER = 4, /* does not; kept as opaque bytes */
    ESPALIER_PICKLE_FLOAT = 5,
    ESPALIER_PICKLE_TEXT = 6,
    ESPALIER_PICKLE_BYTES = 7, /* bytes and bytearray */
    ESPALIER_PICKLE_LIST = 8,
    ESPALIER_PICKLE_TUPLE = 9,
    ESPALIER_PICKLE_DICT = 10,
    ESPALIER_PICKLE_SET = 11, /* set and frozenset */
    ESPALIER_PICKLE_SYMBOL = 12,
    ESPALIER_PICKLE_OBJECT = 13, /* what a call would have made; NumPy scalars too */
    ESPALIER_PICKLE_ARRAY = 14   /* a decoded numpy.ndarray */
} espalier_pickle_kind;

espalier_pickle_kind espalier_pickle_kind_of(const espalier_pickle_value *value);
const char *espalier_pickle_kind_name(espalier_pickle_kind kind);

/* Where the value first appeared in the uncompressed stream. None, booleans, and most numbers and
 * tuples of up to 8 values that are equal to one before are that one: messages name its place. */
uint64_t espalier_pickle_offset(const espalier_pickle_value *value);

/*
 * A value that is not there, NULL, has kind 0 and is of no sort; all of these take it.
 *
 * Getters: false, and *out untouched, when the value is not of that sort. NumPy scalars count as
 * the Python ones, a 0-d array as its element.
 */
bool espalier_pickle_get_bool(const espalier_pickle_value *value, bool *out);
/* Integers and booleans. */
bool espalier_pickle_get_int64(const espalier_pickle_value *value, int64_t *out);
/* Floats, integers and booleans; an integer that a double cannot hold is rounded. */
bool espalier_pickle_get_double(const espalier_pickle_value *value, double *out);
/* Strict UTF-8 (no surrogates), valid until the pickle is freed. Also numpy.str_. O(1) for texts of
 * up to 64 KiB, which were checked when they were read. */
bool espalier_pickle_get_text(const espalier_pickle_value *value, espalier_pickle_slice *out);
/* bytes, bytearray, Python 2 str; also numpy.bytes_. */
bool espalier_pickle_get_bytes(const espalier_pickle_value *value, espalier_pickle_slice *out);
bool espalier_pickle_text_equal(const espalier_pickle_value *value, const char *text);

/* Items of a list, tuple or set, or of an object that is a list subclass; else 0 and NULL. */
size_t espalier_pickle_item_count(const espalier_pickle_value *value);
const espalier_pickle_value *espalier_pickle_item(const espalier_pickle_value *value, size_t index);

/* Pairs of a dict, or of an object that is a dict subclass, in stream order; else 0 and NULL. */
size_t espalier_pickle_pair_count(const espalier_pickle_value *value);
const espalier_pickle_value *espalier_pickle_pair_key(const espalier_pickle_value *value,
                                                      size_t index);
const espalier_pickle_value *espalier_pickle_pair_value(const espalier_pickle_value *value,
                                                        size_t index);

/*
 * The value under a text key. Absent: ESPALIER_OK and *value_out NULL. A key that occurs twice and
 * a value that is no dict are SOURCE_SYNTAX. O(pairs).
 */
espalier_status espalier_pickle_find(const espalier_pickle *pickle,
                                     const espalier_pickle_value *dict, const char *key,
                                     const espalier_pickle_value **value_out,
                                     espalier_error *error_out);

/* The name a symbol stands for; NULL for other kinds. */
const espalier_pickle_name *espalier_pickle_symbol(const espalier_pickle_value *value);

/* ---------------------------------------------------------------------------------------------
 * Objects
 * ------------------------------------------------------------------------------------------- */

typedef enum espalier_pickle_how {
    ESPALIER_PICKLE_REDUCE = 1,    /* callable(*args) */
    ESPALIER_PICKLE_NEWOBJ = 2,    /* class.__new__(class, *args); copyreg's spellings too */
    ESPALIER_PICKLE_NEWOBJ_EX = 3, /* class.__new__(class, *args, **kwargs) */
} espalier_pickle_how;

/* What the object would be: the class of NEWOBJ and of copyreg._reconstructor, or the callable of
 * REDUCE when it is a symbol. NULL for other kinds and for callables that are not symbols. */
const espalier_pickle_name *espalier_pickle_class(const espalier_pickle_value *value);
/* True when espalier_pickle_class is that module and name. */
bool espalier_pickle_is(const espalier_pickle_value *value, const char *module, const char *name);

/* How it would be made; 0 for other kinds. */
espalier_pickle_how espalier_pickle_object_how(const espalier_pickle_value *value);
/* The parts; NULL when absent. args is a tuple, kwargs a dict; copyreg's wrapping is taken off. */
const espalier_pickle_value *espalier_pickle_callable(const espalier_pickle_value *value);
const espalier_pickle_value *espalier_pickle_args(const espalier_pickle_value *value);
const espalier_pickle_value *espalier_pickle_kwargs(const espalier_pickle_value *value);
const espalier_pickle_value *espalier_pickle_state(const espalier_pickle_value *value);

/*
 * An attribute from the object's state: a dict, or a pair (dict or None, dict of slots or None).
 * Absent, or no state at all: ESPALIER_OK and *value_out NULL; the _required form makes that
 * SOURCE_UNSUPPORTED with a message that names class and attribute. A key that occurs twice, a
 * state of another shape and a value that is no object are SOURCE_SYNTAX.
 */
espalier_status espalier_pickle_attribute(const espalier_pickle *pickle,
                                          const espalier_pickle_value *object, const char *name,
                                          const espalier_pickle_value **value_out,
                                          espalier_error *error_out);
espalier_status espalier_pickle_attribute_required(const espalier_pickle *pickle,
                                                   const espalier_pickle_value *object,
                                                   const char *name,
                                                   const espalier_pickle_value **value_out,
                                                   espalier_error *error_out);

/*
 * Fills *error_out for a consumer's own finding: "SOURCE: byte N: ...". `at` may be NULL. Control
 * characters in the result are escaped. Returns status.
 */
espalier_status espalier_pickle_fail(const espalier_pickle *pickle, const espalier_pickle_value *at,
                                     espalier_status status, espalier_error *error_out,
                                     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---------------------------------------------------------------------------------------------
 * Arrays
 * ------------------------------------------------------------------------------------------- */

typedef struct espalier_pickle_dtype espalier_pickle_dtype;

typedef struct espalier_pickle_field {
    espalier_pickle_slice name;
    const espalier_pickle_dtype *dtype;
    uint64_t offset_bytes; /* offset + item size lies inside the record */
} espalier_pickle_field;

struct espalier_pickle_dtype {
    char kind;        /* NumPy's: b i u f c S U O V M m */
    bool swapped;     /* big-endian in the stream */
    bool has_objects; /* O itself, or a field or element that has */
    uint8_t depth;    /* nesting below this one */
    uint64_t item_bytes;
    const espalier_pickle_field *fields; /* structured: V with fields */
    uint32_t field_count;
    uint32_t dim_count;                   /* subarray: V with an element dtype */
    const uint64_t *shape;                /* subarray */
    const espalier_pickle_dtype *element; /* subarray, else NULL */
};

typedef enum espalier_pickle_order {
    ESPALIER_PICKLE_ORDER_C = 0,
    ESPALIER_PICKLE_ORDER_F = 1,
    ESPALIER_PICKLE_ORDER_K = 2 /* some other permutation of the axes */
} espalier_pickle_order;

/* All that arrays of the same sort and size have in common. */
typedef struct espalier_pickle_form {
    const espalier_pickle_dtype *dtype;
    const espalier_pickle_name *subclass; /* numpy.ndarray, numpy.matrix, ... or NULL */
    uint64_t element_count;               /* product of shape; 1 for shape () */
    const uint64_t *shape;                /* [dim_count] */
    const uint64_t *strides;              /* [dim_count], in elements; what `order` means exactly */
    uint32_t dim_count;
    espalier_pickle_order order;
} espalier_pickle_form;

typedef struct espalier_pickle_array {
    const espalier_pickle_form *form;   /* perhaps other arrays' too */
    const uint8_t *data;                /* element_count x item_bytes in file order; or NULL: */
    const espalier_pickle_value *items; /* objects: a list in C order; else NULL */
} espalier_pickle_array;

/* NULL when the value is no decoded array. */
const espalier_pickle_array *espalier_pickle_get_array(const espalier_pickle_value *value);
/* The dtype of a NumPy scalar or a 0-d array, or NULL. */
const espalier_pickle_dtype *espalier_pickle_scalar_dtype(const espalier_pickle_value *value);
/* The dtype that a numpy.dtype object describes; NULL when it is none or not understood. */
const espalier_pickle_dtype *espalier_pickle_get_dtype(const espalier_pickle_value *value);

/*
 * One element by its flat index in C order; false when it is out of range or of another sort.
 * double: f2 f4 f8, all integers, b1, Python numbers in object arrays. int64 and uint64: integers
 * and b1 that fit, and Python integers; floats when integral and in range.
 */
bool espalier_pickle_array_double(const espalier_pickle_array *array, uint64_t index, double *out);
bool espalier_pickle_array_int64(const espalier_pickle_array *array, uint64_t index, int64_t *out);
bool espalier_pickle_array_uint64(const espalier_pickle_array *array, uint64_t index,
                                  uint64_t *out);
/*
 * Text of a U or S element (padding NULs off) or a str object, as UTF-8 without a NUL, into
 * buffer[capacity]. *bytes_out is the whole length; when it exceeds capacity nothing is written.
 * False: not text, a bad code point, or S bytes that are not UTF-8. buffer: or NULL (capacity 0).
 */
bool espalier_pickle_array_text(const espalier_pickle_array *array, uint64_t index, char *buffer,
                                size_t capacity, size_t *bytes_out);
/* The object at a flat index; NULL when out of range or not an object array. */
const espalier_pickle_value *espalier_pickle_array_item(const espalier_pickle_array *array,
                                                        uint64_t index);

/* A column of equal elements: a whole array, or one field of an array of records. */
typedef struct espalier_pickle_view {
    const espalier_pickle_array *array;
    const espalier_pickle_dtype *dtype; /* of one element of the view */
    uint64_t offset_bytes;              /* of the field inside the record */
    uint64_t count;
} espalier_pickle_view;

/* False when there is no such field. */
bool espalier_pickle_view_field(const espalier_pickle_array *array, const char *name,
                                espalier_pickle_view *out);
/* The whole array. */
bool espalier_pickle_view_array(const espalier_pickle_array *array, espalier_pickle_view *out);

/*
 * Elements first .. first + count - 1 in C order into out[count], swapped and widened as needed.
 * False, with out undefined, when the range or the dtype does not fit: int64s takes b i u (u8 must
 * fit), doubles takes b i u f, uint8s takes b1, u1 and i1 that is not negative. No object elements.
 */
bool espalier_pickle_view_int64s(const espalier_pickle_view *view, uint64_t first, uint64_t count,
                                 int64_t *out);
bool espalier_pickle_view_doubles(const espalier_pickle_view *view, uint64_t first, uint64_t count,
                                  double *out);
bool espalier_pickle_view_uint8s(const espalier_pickle_view *view, uint64_t first, uint64_t count,
                                 uint8_t *out);

/* ---------------------------------------------------------------------------------------------
 * Visiting: values can share and contain each other, so every walk needs a budget
 * ------------------------------------------------------------------------------------------- */

typedef struct espalier_pickle_visit {
    uint64_t visits_left;
    uint32_t depth;
    uint32_t depth_max;
} espalier_pickle_visit;

/* depth_max 0: 64. The budget is 1,024 + 8 x the values of the pickle. */
void espalier_pickle_visit_start(const espalier_pickle *pickle, uint32_t depth_max,
                                 espalier_pickle_visit *visit_out);
/* Call before going into a value; SOURCE_LIMIT when too deep or when the budget is spent. */
espalier_status espalier_pickle_visit_enter(const espalier_pickle *pickle,
                                            espalier_pickle_visit *visit,
                                            const espalier_pickle_value *value,
                                            espalier_error *error_out);
void espalier_pickle_visit_leave(espalier_pickle_visit *visit);

#endif
