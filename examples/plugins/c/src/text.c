#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

text text_of(const buffer *bytes) { return (text){bytes->at, bytes->len}; }

text text_of_string(const roster_plugin_string_t *string) { return (text){(const char *)string->ptr, string->len}; }

bool text_is(text a, text b) { return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0); }

size_t text_find(text in, char c) {
    const char *found = in.len ? memchr(in.at, c, in.len) : NULL;
    return found ? (size_t)(found - in.at) : in.len;
}

text text_from(text in, size_t start) { return (text){in.at + start, in.len - start}; }

text text_until(text in, size_t end) { return (text){in.at, end}; }

void *need(void *from, size_t size) {
    void *memory = realloc(from, size ? size : 1);
    if (!memory) abort();
    return memory;
}

void buffer_add(buffer *to, const void *bytes, size_t len) {
    if (to->len + len > to->room) {
        size_t room = 2 * to->room > to->len + len ? 2 * to->room : to->len + len;
        to->at = need(to->at, room);
        to->room = room;
    }
    if (len) memcpy(to->at + to->len, bytes, len);
    to->len += len;
}

void buffer_add_text(buffer *to, text more) { buffer_add(to, more.at, more.len); }

static void add_number(buffer *to, size_t value, unsigned base, size_t width) {
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789ABCDEF"[value % base];
        value /= base;
    } while (value > 0 || sizeof digits - at < width);
    buffer_add(to, digits + at, sizeof digits - at);
}

/// %s, %.*s, %u, %zu, %02X, %04X and %%: the C library's own brings in its files, and with them imports that no host grants.
static void add_printed(buffer *to, const char *format, va_list args) {
    for (const char *c = format; *c; c++) {
        if (*c != '%') {
            buffer_add(to, c, 1);
            continue;
        }
        size_t width = 0;
        if (*++c == '0') width = (size_t)(*++c - '0'), c++;
        if (*c == '%') {
            buffer_add(to, c, 1);
        } else if (*c == 's') {
            const char *string = va_arg(args, const char *);
            buffer_add(to, string, strlen(string));
        } else if (*c == '.') {
            size_t len = (size_t)va_arg(args, int);
            buffer_add(to, va_arg(args, const char *), len);
            c += 2;
        } else if (*c == 'z') {
            add_number(to, va_arg(args, size_t), 10, 0);
            c++;
        } else {
            add_number(to, va_arg(args, unsigned), *c == 'X' ? 16 : 10, width);
        }
    }
}

void buffer_print(buffer *to, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add_printed(to, format, args);
    va_end(args);
}

void buffer_free(buffer *bytes) {
    free(bytes->at);
    *bytes = (buffer){0};
}

roster_plugin_string_t give(text from) {
    roster_plugin_string_t string;
    roster_plugin_string_dup_n(&string, from.at, from.len);
    return string;
}

roster_plugin_string_t give_printed(const char *format, ...) {
    buffer line = {0};
    va_list args;
    va_start(args, format);
    add_printed(&line, format, args);
    va_end(args);
    roster_plugin_string_t string = give(text_of(&line));
    buffer_free(&line);
    return string;
}

static size_t sequence(const unsigned char *at, size_t len) {
    unsigned char first = at[0];
    if (first < 0x80) return 1;
    size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (size == 0 || size > len) return 0;
    // What is too long an encoding, half of a surrogate pair, or beyond Unicode.
    if ((first == 0xE0 && at[1] < 0xA0) || (first == 0xED && at[1] > 0x9F)) return 0;
    if ((first == 0xF0 && at[1] < 0x90) || (first == 0xF4 && at[1] > 0x8F)) return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80) return 0;
    }
    return size;
}

bool is_utf8(text in, size_t *valid) {
    size_t at = 0;
    while (at < in.len) {
        size_t size = sequence((const unsigned char *)in.at + at, in.len - at);
        if (size == 0) break;
        at += size;
    }
    *valid = at;
    return at == in.len;
}

bool has_control(text in) {
    const unsigned char *c = (const unsigned char *)in.at;
    for (size_t i = 0; i < in.len; i++) {
        if (c[i] < 0x20 || c[i] == 0x7F) return true;
        if (c[i] == 0xC2 && c[i + 1] < 0xA0) return true;                          // U+0080 to U+009F
        if (c[i] == 0xEF && c[i + 1] == 0xBF && c[i + 2] >= 0xBE) return true;     // U+FFFE, U+FFFF
    }
    return false;
}

bool text_mend(buffer *text) {
    bool mended = false;
    unsigned char *c = (unsigned char *)text->at;
    for (size_t i = 0; i < text->len; i++) {
        if (c[i] == 0xEF && c[i + 1] == 0xBF && c[i + 2] >= 0xBE) { // U+FFFE, U+FFFF
            c[i + 2] = 0xBD;
            mended = true;
        }
    }
    return mended;
}

/// How many bytes a control character or a line separator takes here; 0: it is none.
static size_t control(const unsigned char *c) {
    if (c[0] < 0x20 || c[0] == 0x7F) return 1;
    if (c[0] == 0xC2 && c[1] < 0xA0) return 2;                                   // U+0080 to U+009F
    return c[0] == 0xE2 && c[1] == 0x80 && (c[2] == 0xA8 || c[2] == 0xA9) ? 3 : 0; // U+2028, U+2029
}

bool name_mend(buffer *name) {
    bool mended = text_mend(name);
    size_t len = 0;
    for (size_t i = 0; i < name->len;) {
        size_t size = control((const unsigned char *)name->at + i);
        if (size) mended = true;
        name->at[len++] = size ? ' ' : name->at[i];
        i += size ? size : 1;
    }
    name->len = len;
    return mended;
}
