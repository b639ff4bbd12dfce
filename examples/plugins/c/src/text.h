// Text that is looked at, and text that grows.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roster_plugin.h"

/// Bytes of UTF-8 that belong to somebody else.
typedef struct {
    const char *at;
    size_t len;
} text;

/// Bytes of our own. `{0}` is an empty one; release with buffer_free.
typedef struct {
    char *at;
    size_t len, room;
} buffer;

#define TEXT(literal) ((text){(literal), sizeof(literal) - 1})

text text_of(const buffer *bytes);
text text_of_string(const roster_plugin_string_t *string);
bool text_is(text a, text b);
/// Where `c` is, or `len`.
size_t text_find(text in, char c);
text text_from(text in, size_t start);
text text_until(text in, size_t end);

void buffer_add(buffer *to, const void *bytes, size_t len);
void buffer_add_text(buffer *to, text more);
/// As printf, as far as it is needed here. A text is `%.*s` with TEXT_ARGS.
void buffer_print(buffer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_free(buffer *bytes);
#define TEXT_ARGS(t) (int)(t).len, (t).at

/// A string for the component's caller, who frees it.
roster_plugin_string_t give(text from);
roster_plugin_string_t give_printed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// Memory, or a trap.
void *need(void *from, size_t size);
/// Room for one more element in an array that grows by doubling.
#define PUSH(list)                                                                                                     \
    (((list).len & ((list).len - 1)) == 0                                                                              \
         ? (void)((list).ptr = need((list).ptr, ((list).len ? 2 * (list).len : 1) * sizeof *(list).ptr))               \
         : (void)0,                                                                                                    \
     &(list).ptr[(list).len++])

/// Is this UTF-8 (RFC 3629)? Says in `valid` how many bytes are, from the start.
bool is_utf8(text in, size_t *valid);
/// A control character, or one that XML cannot carry: not in addresses.
bool has_control(text in);
/// Puts U+FFFD in place of what XML cannot carry. False if there was nothing to do.
bool text_mend(buffer *text);
/// The same of a name, which has no control characters and line separators either: spaces.
bool name_mend(buffer *name);
