// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the pickle reader share: values, the arena they live in, names, the machine.
 * May include: include/, convert/sources/pickle.h. Must never be included outside pickle*.c and
 * their tests.
 */
#ifndef ESPALIER_CONVERT_SOURCES_PICKLE_INTERNAL_H
#define ESPALIER_CONVERT_SOURCES_PICKLE_INTERNAL_H

#include "convert/sources/pickle.h"
#include "convert/sources/utf8.h"

#define ESPALIER_PICKLE_PROTOCOL_MAX       5u
#define ESPALIER_PICKLE_LINE_BYTES_MAX     65536u
#define ESPALIER_PICKLE_DIGITS_MAX         4300u
#define ESPALIER_PICKLE_TEXT_CHECKED_BYTES 65536u
#define ESPALIER_PICKLE_NAME_BYTES_MAX     1024u
#define ESPALIER_PICKLE_NAMES_MAX          16384u
#define ESPALIER_PICKLE_FIELDS_MAX         64u
#define ESPALIER_PICKLE_DTYPE_DEPTH_MAX    16u
#define ESPALIER_PICKLE_DIMS_MAX           32u
#define ESPALIER_PICKLE_ATTRIBUTES_MAX     512u
#define ESPALIER_PICKLE_CALL_TEXT_BYTES    200u
#define ESPALIER_PICKLE_NESTED_MAX         64u
#define ESPALIER_PICKLE_EQUALS             1024u /* a power of two */
#define ESPALIER_PICKLE_LISTS              256u  /* likewise */
#define ESPALIER_PICKLE_EQUAL_ITEMS_MAX    8u
#define ESPALIER_PICKLE_EQUAL_KEYS_MAX     64u
#define ESPALIER_PICKLE_NOT_IN_MEMO        UINT64_MAX
#define ESPALIER_PICKLE_LONG_SLICE         255u
#define ESPALIER_PICKLE_STREAM_BYTES_MAX   (UINT64_C(1) << 40) /* places have 5 bytes */

/* Flags of a value. */
enum {
    ESPALIER_PICKLE_FLAG_PYTHON2 = 1, /* TEXT: a Python 2 str, so bytes as much as text */
    ESPALIER_PICKLE_FLAG_ASCII = 2,   /* TEXT: scanned once, all below 0x80 */
    ESPALIER_PICKLE_FLAG_UTF8 = 8,    /* TEXT: found to be strict UTF-8 when it was made */
    ESPALIER_PICKLE_FLAG_MUTABLE = 4  /* SET, BYTES: set and bytearray; no dict key */
};

typedef struct espalier_pickle_object espalier_pickle_object;

/* TEXT, BYTES, BIG_INTEGER of 255 bytes and more. */
typedef struct espalier_pickle_long_slice {
    const uint8_t *data;
    uint64_t bytes;
} espalier_pickle_long_slice;

/* Items of a LIST, TUPLE or SET. */
typedef struct espalier_pickle_items {
    uint32_t count;
    uint32_t capacity;
    espalier_pickle_value *at[];
} espalier_pickle_items;

/* Pairs of a DICT. Its first keys are shared with the dicts that have the very same ones, of which
 * it knows nothing: none of them has room, so whatever grows moves to keys of its own. */
typedef struct espalier_pickle_pairs {
    espalier_pickle_value **keys;
    uint32_t count;
    uint32_t capacity;
    espalier_pickle_value *at[];
} espalier_pickle_pairs;

/* Trees of 400 bytes take 15 of them each. Lives in the arena until the pickle is freed. */
struct espalier_pickle_value {
    uint32_t offset_low;
    uint8_t offset_high;
    uint8_t kind;
    uint8_t flags;
    union {
        uint8_t short_bytes; /* TEXT, BYTES, BIG_INTEGER; LONG_SLICE: as.slice has them */
        uint8_t how;         /* OBJECT */
    };
    union {
        int64_t integer;
        double real;
        const uint8_t *data;
        espalier_pickle_long_slice *slice;
        espalier_pickle_items *items; /* NULL: none */
        espalier_pickle_pairs *pairs; /* NULL: none */
        espalier_pickle_name *name;
        espalier_pickle_object *object;
        espalier_pickle_array *array;
    } as;
};

_Static_assert(sizeof(espalier_pickle_value) == 16, "what tiny trees cost is counted by values");

/* What few objects have. */
typedef struct espalier_pickle_rest {
    espalier_pickle_value *kwargs;
    espalier_pickle_value *list;   /* items of a list subclass */
    espalier_pickle_value *dict;   /* pairs of a dict subclass */
    espalier_pickle_name *derived; /* getattr(symbol, ...): the name it reaches */
    espalier_pickle_dtype *dtype;  /* numpy.dtype, or of a NumPy scalar */
    espalier_pickle_value
        *scalar;          /* a NumPy scalar: BYTES in file order, decoded TEXT, or object */
    bool scalar_is_value; /* scalar holds the value itself, not dtype's bytes */
} espalier_pickle_rest;

struct espalier_pickle_object {
    union {
        espalier_pickle_value *callable;
        espalier_pickle_object *next_spare; /* once a value has become an array */
    };
    espalier_pickle_value *args;
    espalier_pickle_value *state;
    espalier_pickle_name *name; /* what it would be, or NULL */
    espalier_pickle_rest *rest; /* or NULL */
};

/* Nothing of the rest. */
extern const espalier_pickle_rest espalier_pickle_no_rest;

static inline const espalier_pickle_rest *espalier_pickle_rest_of(
    const espalier_pickle_object *object)
{
    return object->rest != NULL ? object->rest : &espalier_pickle_no_rest;
}

static inline uint64_t espalier_pickle_place(const espalier_pickle_value *value)
{
    return (uint64_t)value->offset_high << 32 | value->offset_low;
}

/* Of a TEXT, BYTES or BIG_INTEGER. */
static inline const uint8_t *espalier_pickle_data(const espalier_pickle_value *value)
{
    return value->short_bytes == ESPALIER_PICKLE_LONG_SLICE ? value->as.slice->data
                                                            : value->as.data;
}

static inline uint64_t espalier_pickle_bytes(const espalier_pickle_value *value)
{
    return value->short_bytes == ESPALIER_PICKLE_LONG_SLICE ? value->as.slice->bytes
                                                            : value->short_bytes;
}

/* Of a LIST, TUPLE or SET. */
static inline uint32_t espalier_pickle_count(const espalier_pickle_value *list)
{
    return list->as.items == NULL ? 0 : list->as.items->count;
}

/* index: below the count. */
static inline espalier_pickle_value *espalier_pickle_at(const espalier_pickle_value *list,
                                                        uint32_t index)
{
    return list->as.items->at[index];
}

/* Of a DICT. */
static inline uint32_t espalier_pickle_pairs_of(const espalier_pickle_value *dict)
{
    return dict->as.pairs == NULL ? 0 : dict->as.pairs->count;
}

/* index: below the number of pairs. */
static inline espalier_pickle_value *espalier_pickle_key_at(const espalier_pickle_value *dict,
                                                            uint32_t index)
{
    return dict->as.pairs->keys[index];
}

static inline espalier_pickle_value *espalier_pickle_value_at(const espalier_pickle_value *dict,
                                                              uint32_t index)
{
    return dict->as.pairs->at[index];
}

/* Names the machine itself understands. */
typedef enum espalier_pickle_special {
    ESPALIER_PICKLE_PLAIN = 0,
    ESPALIER_PICKLE_ENCODE,
    ESPALIER_PICKLE_MAKE_BYTES,
    ESPALIER_PICKLE_MAKE_BYTEARRAY,
    ESPALIER_PICKLE_MAKE_SET,
    ESPALIER_PICKLE_MAKE_FROZENSET,
    ESPALIER_PICKLE_RECONSTRUCT,
    ESPALIER_PICKLE_FROMBUFFER,
    ESPALIER_PICKLE_SCALAR,
    ESPALIER_PICKLE_DTYPE,
    ESPALIER_PICKLE_WRAPPER,
    ESPALIER_PICKLE_OLD_WRAPPER,
    ESPALIER_PICKLE_RECONSTRUCTOR,
    ESPALIER_PICKLE_COPYREG_NEWOBJ,
    ESPALIER_PICKLE_COPYREG_NEWOBJ_EX,
    ESPALIER_PICKLE_GETATTR,
    ESPALIER_PICKLE_ITEMGETTER,
    ESPALIER_PICKLE_NEVER_CALLED /* fine to mention (a subclass), flagged when called */
} espalier_pickle_special;

/* A name with what only the reader needs. `shown` is first: a pointer to it is one to this. */
typedef struct espalier_pickle_entry {
    espalier_pickle_name shown;
    espalier_pickle_special special;
    uint64_t hash;
} espalier_pickle_entry;

typedef struct espalier_pickle_chunk {
    struct espalier_pickle_chunk *next;
    size_t bytes; /* of the payload that follows */
    size_t used;
    size_t reserved;
} espalier_pickle_chunk;

struct espalier_pickle {
    espalier_pickle_chunk *chunks;
    char source_name[256]; /* escaped, for messages */
    uint64_t memory_bytes;
    uint64_t memory_bytes_max;
    uint64_t value_count;
    espalier_pickle_value *root;
    espalier_pickle_entry **names; /* in order of first import */
    size_t name_count;
    size_t name_capacity;
    uint32_t *name_slots; /* open addressing: index + 1 */
    size_t name_slot_count;
    uint64_t name_seed;
    uint32_t protocol;
    bool joblib;
    bool flagged_allowed;
    bool limit_hit; /* an allocation was refused by memory_bytes_max, not by the system */
    uint64_t stream_bytes;
    uint64_t consumed_bytes;
};

/* Keys that one dict or more have from their first SETITEMS. */
typedef struct espalier_pickle_keys {
    espalier_pickle_value **at;
    uint32_t count;
} espalier_pickle_keys;

/* One pickle being read: the outer one, or one nested behind a joblib wrapper. */
typedef struct espalier_pickle_level {
    espalier_pickle_value **memo;
    size_t memo_capacity;
    size_t memo_used; /* highest index in use + 1 */
    uint64_t put_count;
    uint64_t entry_count; /* distinct indices written */
    size_t stack_base;
    size_t mark_base;
} espalier_pickle_level;

/* The tuple that was made last, while only the stack and one place of the memo can know it. */
typedef struct espalier_pickle_newest {
    espalier_pickle_value *tuple;
    espalier_pickle_value **equal; /* its place among the equals, or NULL */
    uint64_t end;                  /* of its opcode, and of the PUT behind it */
    uint64_t memo_index;           /* ESPALIER_PICKLE_NOT_IN_MEMO */
    espalier_pickle_chunk *chunk;  /* the arena's, before it */
    size_t used;
    size_t used_after; /* by it: what was taken since lies behind it */
} espalier_pickle_newest;

typedef struct espalier_pickle_machine {
    espalier_pickle *pickle;
    const uint8_t *data;
    uint64_t bytes;
    uint64_t at;
    uint64_t op_offset; /* of the opcode being run */
    espalier_pickle_value **stack;
    size_t stack_count;
    size_t stack_capacity;
    size_t stack_count_max;
    size_t *marks;
    size_t mark_count;
    size_t mark_capacity;
    size_t mark_count_max;
    espalier_pickle_level *levels;
    size_t level; /* index of the current one */
    size_t level_capacity;
    size_t nested_count_max;
    espalier_pickle_value *none;
    espalier_pickle_value *booleans[2];
    espalier_pickle_value *small_integers[256];
    /* Numbers and short tuples made lately, by their hash: thousands of trees say the same. */
    espalier_pickle_value *equals[ESPALIER_PICKLE_EQUALS];
    /* Keys of dicts and forms of arrays, likewise. */
    espalier_pickle_keys key_lists[ESPALIER_PICKLE_LISTS];
    const espalier_pickle_form *forms[ESPALIER_PICKLE_LISTS];
    espalier_pickle_newest newest;
    espalier_pickle_value dropped;         /* in the memo's places of tuples that were taken back */
    espalier_pickle_object *spare_objects; /* chained by `next_spare` */
    espalier_pickle_entry *flagged;        /* first flagged name seen */
    void *locale;                          /* the C locale, made when a text float needs it */
    uint64_t field_work_left; /* comparisons of field names that dtypes may still cost */
    bool done;
    espalier_error *error_out;
} espalier_pickle_machine;

/* ---- pickle_recognise.c ------------------------------------------------------------------ */

/* OK when the first bytes could be a pickle; else an error that names what it is instead. */
espalier_status espalier_pickle_recognise(const uint8_t *data, size_t bytes,
                                          const char *source_name, espalier_error *error_out);

/* ---- pickle_arena.c ---------------------------------------------------------------------- */

/* NULL when the limit or the system refuses; espalier_pickle_no_memory then says which. */
void *espalier_pickle_take(espalier_pickle *pickle, uint64_t bytes);
/* realloc for the machine's own vectors, charged to the same limit. */
void *espalier_pickle_resize(espalier_pickle *pickle, void *old, uint64_t old_bytes,
                             uint64_t new_bytes);
void espalier_pickle_give_back(espalier_pickle *pickle, void *block, uint64_t bytes);
void espalier_pickle_free_arena(espalier_pickle *pickle);
espalier_pickle_value *espalier_pickle_make(espalier_pickle_machine *machine,
                                            espalier_pickle_kind kind);
espalier_pickle_value *espalier_pickle_make_slice(espalier_pickle_machine *machine,
                                                  espalier_pickle_kind kind, const uint8_t *data,
                                                  uint64_t bytes);
/* Gives a value of bytes these, and a TEXT its flag; false when memory is refused. */
bool espalier_pickle_set_slice(espalier_pickle_machine *machine, espalier_pickle_value *value,
                               const uint8_t *data, uint64_t bytes);
/* The rest of an object, made if need be; NULL when memory is refused. */
espalier_pickle_rest *espalier_pickle_make_rest(espalier_pickle_machine *machine,
                                                espalier_pickle_object *object);
/* An INTEGER or FLOAT: one that is there already, or a new one. */
espalier_pickle_value *espalier_pickle_make_number(espalier_pickle_machine *machine,
                                                   espalier_pickle_kind kind, uint64_t bits);
/* A TUPLE of the very same values that is there already; NULL: make one, and keep it here. */
espalier_pickle_value *espalier_pickle_find_tuple(espalier_pickle_machine *machine,
                                                  espalier_pickle_value *const *items, size_t count,
                                                  espalier_pickle_value ***place_out);
/* Takes the newest tuple's memory back, if nothing was made, taken or said since but its PUT, and
 * BUILD is what is being run: who gets it from the memo is refused. */
void espalier_pickle_drop_newest(espalier_pickle_machine *machine,
                                 const espalier_pickle_value *tuple);
/* Appends items to a LIST, TUPLE or SET; to a DICT key, value, key, value ... */
espalier_status espalier_pickle_extend(espalier_pickle_machine *machine,
                                       espalier_pickle_value *list,
                                       espalier_pickle_value *const *items, size_t count);

/* ---- errors: "SOURCE: byte N: ..." at the opcode being run ------------------------------- */

espalier_status espalier_pickle_stop(espalier_pickle_machine *machine, espalier_status status,
                                     const char *format, ...) __attribute__((format(printf, 3, 4)));
/* LIMIT or MEMORY, after an allocation was refused. */
espalier_status espalier_pickle_no_memory(espalier_pickle_machine *machine);

/* ---- pickle_stack.c ---------------------------------------------------------------------- */

typedef espalier_status espalier_pickle_opcode(espalier_pickle_machine *machine);

espalier_status espalier_pickle_stop_truncated(espalier_pickle_machine *machine);
espalier_status espalier_pickle_stop_syntax(espalier_pickle_machine *machine, const char *cause);
bool espalier_pickle_has_bytes(const espalier_pickle_machine *machine, uint64_t count);
/* A little-endian number of 1 to 8 bytes. */
espalier_status espalier_pickle_read_number(espalier_pickle_machine *machine, unsigned bytes,
                                            uint64_t *out);
/* A count of `bytes` bytes, then that many bytes, which stay where they are. */
espalier_status espalier_pickle_read_counted(espalier_pickle_machine *machine, unsigned bytes,
                                             const uint8_t **data, uint64_t *count);
/* Text up to a line end, which is taken but not counted. */
espalier_status espalier_pickle_read_line(espalier_pickle_machine *machine, uint64_t bytes_max,
                                          const uint8_t **line, uint64_t *bytes);
espalier_pickle_level *espalier_pickle_level_of(espalier_pickle_machine *machine);
/* The lowest stack entry that may be popped now. */
size_t espalier_pickle_fence_of(espalier_pickle_machine *machine);
/* NULL stands for an allocation that was refused. */
espalier_status espalier_pickle_push(espalier_pickle_machine *machine,
                                     espalier_pickle_value *value);
/* SYNTAX unless `count` values may be popped. */
espalier_status espalier_pickle_need(espalier_pickle_machine *machine, size_t count);
espalier_pickle_value *espalier_pickle_pop(espalier_pickle_machine *machine);
espalier_pickle_value *espalier_pickle_top(espalier_pickle_machine *machine);
/* Takes the mark off; *first is the stack index of what stood behind it. */
espalier_status espalier_pickle_pop_mark(espalier_pickle_machine *machine, size_t *first);
espalier_status espalier_pickle_put_memo(espalier_pickle_machine *machine, uint64_t index);
espalier_status espalier_pickle_get_memo(espalier_pickle_machine *machine, uint64_t index);

/* ---- pickle_literals.c ------------------------------------------------------------------- */

/* The opcode if it pushes a number, a text or bytes; else NULL. */
espalier_pickle_opcode *espalier_pickle_literal(uint8_t opcode);

/* ---- pickle_text.c ----------------------------------------------------------------------- */

/* Bytes of latin-1 text held as UTF-8: a slice of the text, or a copy. NULL on failure. */
espalier_status espalier_pickle_latin1(espalier_pickle_machine *machine,
                                       espalier_pickle_value *text, const uint8_t **data_out,
                                       uint64_t *bytes_out);
/* Values from the text opcodes of protocol 0. */
espalier_status espalier_pickle_text_integer(espalier_pickle_machine *machine, const uint8_t *line,
                                             uint64_t bytes, bool is_long,
                                             espalier_pickle_value **out);
espalier_status espalier_pickle_text_float(espalier_pickle_machine *machine, const uint8_t *line,
                                           uint64_t bytes, espalier_pickle_value **out);
espalier_status espalier_pickle_text_string(espalier_pickle_machine *machine, const uint8_t *line,
                                            uint64_t bytes, espalier_pickle_value **out);
espalier_status espalier_pickle_text_unicode(espalier_pickle_machine *machine, const uint8_t *line,
                                             uint64_t bytes, espalier_pickle_value **out);

/* ---- pickle_names.c, pickle_policy.c ----------------------------------------------------- */

/* Finds or adds a name and counts one import. */
espalier_status espalier_pickle_intern(espalier_pickle_machine *machine,
                                       espalier_pickle_slice module, espalier_pickle_slice name,
                                       espalier_pickle_entry **out);
espalier_pickle_special espalier_pickle_special_of(espalier_pickle_slice module,
                                                   espalier_pickle_slice name);
/* Makes a name flagged because of how it is used. */
void espalier_pickle_flag(espalier_pickle_machine *machine, espalier_pickle_entry *entry);
/* Counts a call; stops at a flagged one unless that is allowed. callable and args may be NULL. */
espalier_status espalier_pickle_note_call(espalier_pickle_machine *machine,
                                          const espalier_pickle_value *callable,
                                          const espalier_pickle_value *args);
/* SOURCE_FLAGGED for the machine's first flagged name. */
espalier_status espalier_pickle_stop_flagged(espalier_pickle_machine *machine,
                                             const espalier_pickle_entry *entry);
/* The name that a symbol is or a getattr chain reaches; NULL when it is neither. */
espalier_pickle_entry *espalier_pickle_reached(const espalier_pickle_value *value);

/* ---- pickle_render.c --------------------------------------------------------------------- */

/* "os.system(\"id\")" into out[capacity], escaped, cut with "..."; args may be NULL. */
void espalier_pickle_render_call(const espalier_pickle_value *callable,
                                 const espalier_pickle_value *args, char *out, size_t capacity);

/* ---- pickle_calls.c ---------------------------------------------------------------------- */

espalier_status espalier_pickle_reduce(espalier_pickle_machine *machine,
                                       espalier_pickle_value *callable, espalier_pickle_value *args,
                                       espalier_pickle_value **out);
espalier_status espalier_pickle_newobj(espalier_pickle_machine *machine,
                                       espalier_pickle_value *class_value,
                                       espalier_pickle_value *args, espalier_pickle_value *kwargs,
                                       espalier_pickle_value **out);
/* Attaches state to the object on top of the stack. */
espalier_status espalier_pickle_build(espalier_pickle_machine *machine,
                                      espalier_pickle_value *object, espalier_pickle_value *state);

/* ---- pickle_machine.c -------------------------------------------------------------------- */

/* Starts a nested pickle at the current position; its result replaces the top of the stack. */
espalier_status espalier_pickle_descend(espalier_pickle_machine *machine);
espalier_status espalier_pickle_run(espalier_pickle_machine *machine);
void espalier_pickle_machine_free(espalier_pickle_machine *machine);

/* ---- pickle_dtype.c, pickle_numpy.c ------------------------------------------------------ */

/* Reads a dtype out of a numpy.dtype object's args and state into object->dtype; NULL: opaque. */
espalier_status espalier_pickle_decode_dtype(espalier_pickle_machine *machine,
                                             espalier_pickle_object *object);
/* The dtype of a value, decoding one that had no BUILD; *out NULL when not understood. */
espalier_status espalier_pickle_dtype_of(espalier_pickle_machine *machine,
                                         espalier_pickle_value *value, espalier_pickle_dtype **out);
/* _reconstruct + BUILD: turns value into an ARRAY, or leaves it when the dtype is opaque. */
espalier_status espalier_pickle_array_build(espalier_pickle_machine *machine,
                                            espalier_pickle_value *value,
                                            espalier_pickle_value *state);
espalier_status espalier_pickle_array_frombuffer(espalier_pickle_machine *machine,
                                                 espalier_pickle_value *args,
                                                 espalier_pickle_value **out);
/* A joblib wrapper after its BUILD: reads the raw bytes, or descends into a nested pickle. */
espalier_status espalier_pickle_array_wrapper(espalier_pickle_machine *machine,
                                              espalier_pickle_value *wrapper);
espalier_status espalier_pickle_scalar(espalier_pickle_machine *machine,
                                       espalier_pickle_object *object);

/* ---- pickle_element.c -------------------------------------------------------------------- */

/* One number in file order; false when the dtype is no such number. */
bool espalier_pickle_load_double(const espalier_pickle_dtype *dtype, const uint8_t *from,
                                 double *out);
bool espalier_pickle_load_int64(const espalier_pickle_dtype *dtype, const uint8_t *from,
                                int64_t *out);
bool espalier_pickle_load_uint64(const espalier_pickle_dtype *dtype, const uint8_t *from,
                                 uint64_t *out);
/* A U or S element as UTF-8 into out (NULL: count only); false on a bad code point. */
bool espalier_pickle_load_text(const espalier_pickle_dtype *dtype, const uint8_t *from,
                               uint8_t *out, uint64_t *bytes_out);

#endif
