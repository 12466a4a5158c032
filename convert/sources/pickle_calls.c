// SPDX-License-Identifier: Apache-2.0
/*
 * What REDUCE, NEWOBJ and BUILD make: inert objects, and the few values that the machine itself
 * knows how to read (bytes, sets, NumPy's arrays, dtypes and scalars).
 * May include: the reader's own headers. Must never run, import or construct anything.
 */
#include <string.h>

#include "convert/sources/pickle_internal.h"

static espalier_pickle_value *make_object(espalier_pickle_machine *machine, espalier_pickle_how how)
{
    espalier_pickle_value *const value = espalier_pickle_make(machine, ESPALIER_PICKLE_OBJECT);
    if (value == NULL) {
        return NULL;
    }
    value->as.object = machine->spare_objects;
    if (value->as.object != NULL) {
        machine->spare_objects = value->as.object->next_spare;
    } else {
        value->as.object = espalier_pickle_take(machine->pickle, sizeof *value->as.object);
    }
    if (value->as.object == NULL) {
        return NULL;
    }
    memset(value->as.object, 0, sizeof *value->as.object);
    value->how = (uint8_t)how;
    return value;
}

static espalier_pickle_special special_of(const espalier_pickle_value *callable)
{
    return callable->kind == ESPALIER_PICKLE_SYMBOL
               ? ((const espalier_pickle_entry *)callable->as.name)->special
               : ESPALIER_PICKLE_PLAIN;
}

static espalier_pickle_value *arg_at(const espalier_pickle_value *args, uint32_t index)
{
    return index < espalier_pickle_count(args) ? espalier_pickle_at(args, index) : NULL;
}

static espalier_pickle_value *make_bytes(espalier_pickle_machine *machine, const uint8_t *data,
                                         uint64_t bytes, bool is_mutable)
{
    espalier_pickle_value *const value =
        espalier_pickle_make_slice(machine, ESPALIER_PICKLE_BYTES, data, bytes);
    if (value != NULL && is_mutable) {
        value->flags = ESPALIER_PICKLE_FLAG_MUTABLE;
    }
    return value;
}

static bool is_latin1(const espalier_pickle_value *encoding)
{
    return encoding != NULL && (espalier_pickle_text_equal(encoding, "latin1") ||
                                espalier_pickle_text_equal(encoding, "latin-1"));
}

/*
 * bytes and bytearray, in the spellings of Python 2 and 3: encode(text, "latin1"), bytes(),
 * bytes(text, "latin1"), bytearray(bytes), bytearray(text, "latin-1").
 * *out stays NULL when the call is something else.
 */
static espalier_status reduce_bytes(espalier_pickle_machine *machine,
                                    espalier_pickle_special special,
                                    const espalier_pickle_value *args, espalier_pickle_value **out)
{
    espalier_pickle_value *const first = arg_at(args, 0);
    const bool is_mutable = special == ESPALIER_PICKLE_MAKE_BYTEARRAY;
    const uint8_t *data = NULL;
    uint64_t bytes = 0;
    const uint32_t count = espalier_pickle_count(args);
    if (count == 0 && special != ESPALIER_PICKLE_ENCODE) {
        data = (const uint8_t *)"";
    } else if (count == 2 && first->kind == ESPALIER_PICKLE_TEXT && is_latin1(arg_at(args, 1))) {
        const espalier_status status = espalier_pickle_latin1(machine, first, &data, &bytes);
        if (status != ESPALIER_OK) {
            return status;
        }
    } else if (count == 1 && is_mutable &&
               (first->kind == ESPALIER_PICKLE_BYTES ||
                (first->flags & ESPALIER_PICKLE_FLAG_PYTHON2) != 0)) {
        data = espalier_pickle_data(first);
        bytes = espalier_pickle_bytes(first);
    } else {
        return ESPALIER_OK;
    }
    *out = make_bytes(machine, data, bytes, is_mutable);
    return *out == NULL ? espalier_pickle_no_memory(machine) : ESPALIER_OK;
}

/* set([...]) and frozenset([...]) of protocols 0 to 3. */
static espalier_status reduce_set(espalier_pickle_machine *machine, bool is_mutable,
                                  const espalier_pickle_value *args, espalier_pickle_value **out)
{
    const espalier_pickle_value *const items = arg_at(args, 0);
    if (espalier_pickle_count(args) > 1 || (items != NULL && items->kind != ESPALIER_PICKLE_LIST &&
                                            items->kind != ESPALIER_PICKLE_TUPLE)) {
        return ESPALIER_OK;
    }
    espalier_pickle_value *const set = espalier_pickle_make(machine, ESPALIER_PICKLE_SET);
    if (set == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    set->flags = is_mutable ? ESPALIER_PICKLE_FLAG_MUTABLE : 0;
    *out = set;
    return items == NULL || items->as.items == NULL
               ? ESPALIER_OK
               : espalier_pickle_extend(machine, set, items->as.items->at, items->as.items->count);
}

/* codecs.encode with another codec than latin-1 is a call that no model holds. */
static espalier_status reduce_unknown_codec(espalier_pickle_machine *machine,
                                            const espalier_pickle_value *callable,
                                            const espalier_pickle_value *args)
{
    espalier_pickle_entry *const entry = (espalier_pickle_entry *)callable->as.name;
    espalier_pickle_flag(machine, entry);
    entry->shown.call_count--; /* note_call counts it again */
    return espalier_pickle_note_call(machine, callable, args);
}

/* getattr(base, "name"): the dotted name that is reached, so that chains are seen through. */
static espalier_status reduce_getattr(espalier_pickle_machine *machine,
                                      espalier_pickle_object *object)
{
    const espalier_pickle_value *const base = arg_at(object->args, 0);
    const espalier_pickle_value *const attribute = arg_at(object->args, 1);
    if (base == NULL || attribute == NULL || attribute->kind != ESPALIER_PICKLE_TEXT) {
        return ESPALIER_OK;
    }
    const espalier_pickle_entry *const reached = espalier_pickle_reached(base);
    const espalier_pickle_name *name = reached != NULL ? &reached->shown : NULL;
    if (name == NULL && base->kind == ESPALIER_PICKLE_OBJECT) {
        name = base->as.object->name;
    }
    const uint64_t base_bytes = name == NULL ? 0 : (uint64_t)name->name.bytes + 1;
    const uint64_t attribute_bytes = espalier_pickle_bytes(attribute);
    if (attribute_bytes > ESPALIER_PICKLE_NAME_BYTES_MAX ||
        base_bytes + attribute_bytes > ESPALIER_PICKLE_NAME_BYTES_MAX) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                    "a name of more than %u bytes", ESPALIER_PICKLE_NAME_BYTES_MAX);
    }
    const size_t bytes = (size_t)(base_bytes + attribute_bytes);
    char *const text = espalier_pickle_take(machine->pickle, bytes);
    espalier_pickle_entry *entry = espalier_pickle_take(machine->pickle, sizeof *entry);
    espalier_pickle_rest *const rest = espalier_pickle_make_rest(machine, object);
    if (text == NULL || entry == NULL || rest == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    if (name != NULL) {
        memcpy(text, name->name.data, name->name.bytes);
        text[base_bytes - 1] = '.';
    }
    memcpy(text + base_bytes, espalier_pickle_data(attribute), (size_t)attribute_bytes);
    memset(entry, 0, sizeof *entry);
    entry->shown.module.data = name == NULL ? "" : name->module.data;
    entry->shown.module.bytes = name == NULL ? 0 : name->module.bytes;
    entry->shown.name.data = text;
    entry->shown.name.bytes = bytes;
    entry->shown.policy = espalier_pickle_name_policy(entry->shown.module, entry->shown.name);
    if (entry->shown.policy == ESPALIER_NAME_FLAGGED) {
        /* Listed like an import, which it is in effect. */
        const espalier_status status =
            espalier_pickle_intern(machine, entry->shown.module, entry->shown.name, &entry);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    rest->derived = &entry->shown;
    return ESPALIER_OK;
}

/* copyreg._reconstructor(class, base, content): how protocols 0 and 1 make an instance. */
static espalier_status reduce_reconstructor(espalier_pickle_machine *machine,
                                            espalier_pickle_object *object)
{
    espalier_pickle_value *const class_value = arg_at(object->args, 0);
    espalier_pickle_value *const content = arg_at(object->args, 2);
    if (class_value != NULL && class_value->kind == ESPALIER_PICKLE_SYMBOL) {
        object->name = class_value->as.name;
    }
    if (content == NULL ||
        (content->kind != ESPALIER_PICKLE_LIST && content->kind != ESPALIER_PICKLE_DICT)) {
        return ESPALIER_OK;
    }
    espalier_pickle_rest *const rest = espalier_pickle_make_rest(machine, object);
    if (rest == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    *(content->kind == ESPALIER_PICKLE_LIST ? &rest->list : &rest->dict) = content;
    return ESPALIER_OK;
}

/* copyreg.__newobj__(class, ...) and copyreg.__newobj_ex__(class, args, kwargs). */
static espalier_status reduce_newobj(espalier_pickle_machine *machine,
                                     espalier_pickle_special special,
                                     const espalier_pickle_value *args, espalier_pickle_value **out)
{
    espalier_pickle_value *const class_value = arg_at(args, 0);
    if (class_value == NULL) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "a new object without a class");
    }
    if (special == ESPALIER_PICKLE_COPYREG_NEWOBJ_EX) {
        if (espalier_pickle_count(args) != 3) {
            return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                        "__newobj_ex__ with %u arguments instead of 3",
                                        espalier_pickle_count(args));
        }
        return espalier_pickle_newobj(machine, class_value, arg_at(args, 1), arg_at(args, 2), out);
    }
    espalier_pickle_value *const rest = espalier_pickle_make(machine, ESPALIER_PICKLE_TUPLE);
    if (rest == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    const espalier_status status =
        espalier_pickle_extend(machine, rest, args->as.items->at + 1, args->as.items->count - 1);
    return status != ESPALIER_OK ? status
                                 : espalier_pickle_newobj(machine, class_value, rest, NULL, out);
}

/* Calls that give a plain value; *out stays NULL for all others. */
static espalier_status reduce_to_value(espalier_pickle_machine *machine,
                                       const espalier_pickle_value *callable,
                                       espalier_pickle_value *args, espalier_pickle_value **out)
{
    const espalier_pickle_special special = special_of(callable);
    espalier_status status = ESPALIER_OK;
    switch (special) {
    case ESPALIER_PICKLE_ENCODE:
        status = reduce_bytes(machine, special, args, out);
        if (status == ESPALIER_OK && *out == NULL) {
            status = reduce_unknown_codec(machine, callable, args);
        }
        return status;
    case ESPALIER_PICKLE_MAKE_BYTES:
    case ESPALIER_PICKLE_MAKE_BYTEARRAY:
        return reduce_bytes(machine, special, args, out);
    case ESPALIER_PICKLE_MAKE_SET:
    case ESPALIER_PICKLE_MAKE_FROZENSET:
        return reduce_set(machine, special == ESPALIER_PICKLE_MAKE_SET, args, out);
    case ESPALIER_PICKLE_FROMBUFFER:
        return espalier_pickle_array_frombuffer(machine, args, out);
    case ESPALIER_PICKLE_COPYREG_NEWOBJ:
    case ESPALIER_PICKLE_COPYREG_NEWOBJ_EX:
        return reduce_newobj(machine, special, args, out);
    default:
        return ESPALIER_OK;
    }
}

static espalier_status check_callable(espalier_pickle_machine *machine,
                                      const espalier_pickle_value *callable)
{
    if (callable->kind != ESPALIER_PICKLE_SYMBOL && callable->kind != ESPALIER_PICKLE_OBJECT) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "a call of a value that cannot be called (%s)",
                                    espalier_pickle_kind_name(espalier_pickle_kind_of(callable)));
    }
    return ESPALIER_OK;
}

/* itemgetter(...)(namespace) fetches what attribute checks would stop. */
static espalier_status check_itemgetter(espalier_pickle_machine *machine,
                                        const espalier_pickle_value *callable,
                                        const espalier_pickle_value *args)
{
    if (callable->kind != ESPALIER_PICKLE_OBJECT || callable->as.object->name == NULL) {
        return ESPALIER_OK;
    }
    espalier_pickle_entry *const made_by = (espalier_pickle_entry *)callable->as.object->name;
    if (made_by->special != ESPALIER_PICKLE_ITEMGETTER) {
        return ESPALIER_OK;
    }
    espalier_pickle_flag(machine, made_by);
    if (made_by->shown.call_text == NULL) {
        char *const text =
            espalier_pickle_take(machine->pickle, ESPALIER_PICKLE_CALL_TEXT_BYTES + 1);
        if (text == NULL) {
            return espalier_pickle_no_memory(machine);
        }
        espalier_pickle_render_call(callable, args, text, ESPALIER_PICKLE_CALL_TEXT_BYTES + 1);
        made_by->shown.call_text = text;
    }
    return machine->pickle->flagged_allowed ? ESPALIER_OK
                                            : espalier_pickle_stop_flagged(machine, made_by);
}

espalier_status espalier_pickle_reduce(espalier_pickle_machine *machine,
                                       espalier_pickle_value *callable, espalier_pickle_value *args,
                                       espalier_pickle_value **out)
{
    espalier_status status = check_callable(machine, callable);
    if (status == ESPALIER_OK && args->kind != ESPALIER_PICKLE_TUPLE) {
        status = espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                      "a call whose arguments are no tuple but a %s",
                                      espalier_pickle_kind_name(espalier_pickle_kind_of(args)));
    }
    if (status == ESPALIER_OK) {
        status = check_itemgetter(machine, callable, args);
    }
    if (status == ESPALIER_OK) {
        status = espalier_pickle_note_call(machine, callable, args);
    }
    *out = NULL;
    if (status == ESPALIER_OK) {
        status = reduce_to_value(machine, callable, args, out);
    }
    if (status != ESPALIER_OK || *out != NULL) {
        return status;
    }
    espalier_pickle_value *const value = make_object(machine, ESPALIER_PICKLE_REDUCE);
    if (value == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    espalier_pickle_object *const object = value->as.object;
    object->callable = callable;
    object->args = args;
    object->name = callable->kind == ESPALIER_PICKLE_SYMBOL ? callable->as.name : NULL;
    *out = value;
    switch (special_of(callable)) {
    case ESPALIER_PICKLE_GETATTR:
        return reduce_getattr(machine, object);
    case ESPALIER_PICKLE_RECONSTRUCTOR:
        return reduce_reconstructor(machine, object);
    case ESPALIER_PICKLE_SCALAR:
        return espalier_pickle_scalar(machine, object);
    default:
        return ESPALIER_OK;
    }
}

espalier_status espalier_pickle_newobj(espalier_pickle_machine *machine,
                                       espalier_pickle_value *class_value,
                                       espalier_pickle_value *args, espalier_pickle_value *kwargs,
                                       espalier_pickle_value **out)
{
    espalier_status status = check_callable(machine, class_value);
    if (status == ESPALIER_OK && args->kind != ESPALIER_PICKLE_TUPLE) {
        status = espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                      "a new object whose arguments are no tuple but a %s",
                                      espalier_pickle_kind_name(espalier_pickle_kind_of(args)));
    }
    if (status == ESPALIER_OK && kwargs != NULL && kwargs->kind != ESPALIER_PICKLE_DICT) {
        status = espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                      "a new object whose keyword arguments are no dict but a %s",
                                      espalier_pickle_kind_name(espalier_pickle_kind_of(kwargs)));
    }
    if (status == ESPALIER_OK) {
        status = espalier_pickle_note_call(machine, class_value, args);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_pickle_value *const value =
        make_object(machine, kwargs == NULL ? ESPALIER_PICKLE_NEWOBJ : ESPALIER_PICKLE_NEWOBJ_EX);
    if (value == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    if (kwargs != NULL) {
        espalier_pickle_rest *const rest = espalier_pickle_make_rest(machine, value->as.object);
        if (rest == NULL) {
            return espalier_pickle_no_memory(machine);
        }
        rest->kwargs = kwargs;
    }
    value->as.object->callable = class_value;
    value->as.object->args = args;
    value->as.object->name =
        class_value->kind == ESPALIER_PICKLE_SYMBOL ? class_value->as.name : NULL;
    *out = value;
    return ESPALIER_OK;
}

espalier_status espalier_pickle_build(espalier_pickle_machine *machine,
                                      espalier_pickle_value *object, espalier_pickle_value *state)
{
    if (object->kind != ESPALIER_PICKLE_OBJECT) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "BUILD on a value that is no new object but a %s",
                                    espalier_pickle_kind_name(espalier_pickle_kind_of(object)));
    }
    espalier_pickle_object *const parts = object->as.object;
    if (parts->state != NULL) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "a second BUILD on one object");
    }
    parts->state = state;
    const espalier_pickle_special special =
        parts->name == NULL ? ESPALIER_PICKLE_PLAIN
                            : ((const espalier_pickle_entry *)parts->name)->special;
    switch (special) {
    case ESPALIER_PICKLE_DTYPE:
        return espalier_pickle_decode_dtype(machine, parts);
    case ESPALIER_PICKLE_RECONSTRUCT:
        return espalier_pickle_array_build(machine, object, state);
    case ESPALIER_PICKLE_WRAPPER:
        return espalier_pickle_array_wrapper(machine, object);
    case ESPALIER_PICKLE_OLD_WRAPPER:
        return espalier_pickle_stop(
            machine, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
            "a joblib file from before version 0.10, with arrays in companion files; load it once "
            "with the old version and dump it again with a newer one");
    default:
        return ESPALIER_OK;
    }
}
