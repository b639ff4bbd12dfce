// JSON (RFC 8259), read from front to back without building it and without recursion.
#pragma once

#include "text.h"

typedef enum {
    JSON_END,
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_BOOLEAN,
    JSON_NULL,
    JSON_NONSENSE,
} json_kind;

/// A place in a document. All functions that return bool are false from the first fault on, and `fault` says which.
typedef struct {
    text document;
    size_t at;
    const char *fault;
    bool first;
} json;

/// At the start of a body: a byte order mark is dropped, and a body that is not UTF-8 is a fault.
bool json_begin(json *doc, text body);
/// The kind of the value that comes next.
json_kind json_next(json *doc);
/// For people, such as "an object".
const char *json_name(json_kind kind);

/// Enters an object or an array. Then json_more is true before each entry, and false at the end or a fault.
void json_enter(json *doc);
bool json_more(json *doc, char close);
/// The key of the entry that comes next, its value after it.
bool json_key(json *doc, buffer *key);
/// The string that comes next. `into` is emptied before.
bool json_string(json *doc, buffer *into);
/// Passes over a value of any kind and depth.
bool json_skip(json *doc);
/// Nothing but white space is left.
bool json_finish(json *doc);

/// Writes a string with its quotes.
void json_write(buffer *to, text string);
