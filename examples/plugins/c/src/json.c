#include "json.h"

#include <string.h>

static bool fail(json *doc, const char *fault) {
    if (!doc->fault) doc->fault = fault;
    return false;
}

static int peek(const json *doc) {
    return doc->at < doc->document.len ? (unsigned char)doc->document.at[doc->at] : -1;
}

static void space(json *doc) {
    while (peek(doc) == ' ' || peek(doc) == '\t' || peek(doc) == '\n' || peek(doc) == '\r') doc->at++;
}

static bool is_digit(int c) { return c >= '0' && c <= '9'; }

bool json_begin(json *doc, text body) {
    *doc = (json){.document = body};
    size_t valid;
    if (!is_utf8(body, &valid)) return fail(doc, "it is not UTF-8");
    if (body.len >= 3 && memcmp(body.at, "\xEF\xBB\xBF", 3) == 0) doc->at = 3;
    return true;
}

json_kind json_next(json *doc) {
    space(doc);
    int c = peek(doc);
    switch (c) {
    case -1: return JSON_END;
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't': case 'f': return JSON_BOOLEAN;
    case 'n': return JSON_NULL;
    default: return c == '-' || is_digit(c) ? JSON_NUMBER : JSON_NONSENSE;
    }
}

const char *json_name(json_kind kind) {
    static const char *const names[] = {"nothing", "an object",  "an array", "a string",
                                        "a number", "a boolean", "null",     "something that is not JSON"};
    return names[kind];
}

void json_enter(json *doc) {
    doc->at++;
    doc->first = true;
}

bool json_more(json *doc, char close) {
    if (doc->fault) return false;
    space(doc);
    bool first = doc->first;
    doc->first = false;
    if (peek(doc) == close) {
        doc->at++;
        return false;
    }
    if (first) return true;
    if (peek(doc) != ',') return fail(doc, "a comma or an end is missing");
    doc->at++;
    return true;
}

bool json_key(json *doc, buffer *key) {
    if (json_next(doc) != JSON_STRING) return fail(doc, "a key is missing");
    if (!json_string(doc, key)) return false;
    space(doc);
    if (peek(doc) != ':') return fail(doc, "a colon is missing");
    doc->at++;
    return true;
}

static bool hex4(json *doc, unsigned *value) {
    *value = 0;
    for (int i = 0; i < 4; i++, doc->at++) {
        int c = peek(doc);
        int lower = c | 0x20;
        if (!is_digit(c) && (lower < 'a' || lower > 'f')) return fail(doc, "an escape is wrong");
        *value = *value * 16 + (unsigned)(is_digit(c) ? c - '0' : lower - 'a' + 10);
    }
    return true;
}

static void add_character(buffer *to, unsigned c) {
    char bytes[4];
    size_t len = 0;
    if (c < 0x80) {
        bytes[len++] = (char)c;
    } else {
        if (c < 0x800) {
            bytes[len++] = (char)(0xC0 | c >> 6);
        } else {
            if (c < 0x10000) {
                bytes[len++] = (char)(0xE0 | c >> 12);
            } else {
                bytes[len++] = (char)(0xF0 | c >> 18);
                bytes[len++] = (char)(0x80 | (c >> 12 & 0x3F));
            }
            bytes[len++] = (char)(0x80 | (c >> 6 & 0x3F));
        }
        bytes[len++] = (char)(0x80 | (c & 0x3F));
    }
    buffer_add(to, bytes, len);
}

/// What stands for half of a surrogate pair until text_mend: a character that no text can have.
enum { HALF = 0xFFFF };

static bool escape(json *doc, buffer *into) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = peek(doc);
    doc->at++;
    if (c != 'u') {
        const char *known = c > 0 ? strchr(from, c) : NULL;
        if (!known) return fail(doc, "an escape is wrong");
        buffer_add(into, to + (known - from), 1);
        return true;
    }
    unsigned high, low;
    if (!hex4(doc, &high)) return false;
    if (high >= 0xD800 && high < 0xE000) {
        size_t after = doc->at;
        json next = {.document = doc->document, .at = after + 2};
        bool escaped = peek(doc) == '\\' && after + 1 < doc->document.len && doc->document.at[after + 1] == 'u';
        bool pair = high < 0xDC00 && escaped && hex4(&next, &low) && low >= 0xDC00 && low < 0xE000;
        if (pair) doc->at = next.at;
        high = pair ? 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00) : HALF;
    }
    add_character(into, high);
    return true;
}

bool json_string(json *doc, buffer *into) {
    if (doc->fault) return false;
    into->len = 0;
    doc->at++;
    for (;;) {
        size_t start = doc->at;
        int c;
        while ((c = peek(doc)) >= 0x20 && c != '"' && c != '\\') doc->at++;
        buffer_add(into, doc->document.at + start, doc->at - start);
        if (c < 0) return fail(doc, "a string does not end");
        if (c < 0x20) return fail(doc, "a control character in a string");
        doc->at++;
        if (c == '"') return true;
        if (!escape(doc, into)) return false;
    }
}

static bool number(json *doc) {
    if (peek(doc) == '-') doc->at++;
    if (!is_digit(peek(doc))) return fail(doc, "a number is wrong");
    if (peek(doc) == '0') {
        doc->at++;
    } else {
        while (is_digit(peek(doc))) doc->at++;
    }
    if (peek(doc) == '.') {
        doc->at++;
        if (!is_digit(peek(doc))) return fail(doc, "a number is wrong");
        while (is_digit(peek(doc))) doc->at++;
    }
    if (peek(doc) == 'e' || peek(doc) == 'E') {
        doc->at++;
        if (peek(doc) == '+' || peek(doc) == '-') doc->at++;
        if (!is_digit(peek(doc))) return fail(doc, "a number is wrong");
        while (is_digit(peek(doc))) doc->at++;
    }
    return true;
}

static bool word(json *doc, text expected) {
    text left = text_from(doc->document, doc->at);
    if (left.len < expected.len || !text_is(text_until(left, expected.len), expected)) {
        return fail(doc, "a word that is not JSON");
    }
    doc->at += expected.len;
    return true;
}

static bool scalar(json *doc, json_kind kind, buffer *spare) {
    switch (kind) {
    case JSON_STRING: return json_string(doc, spare);
    case JSON_NUMBER: return number(doc);
    case JSON_BOOLEAN: return word(doc, peek(doc) == 't' ? TEXT("true") : TEXT("false"));
    case JSON_NULL: return word(doc, TEXT("null"));
    default: return fail(doc, "a value is missing");
    }
}

bool json_skip(json *doc) {
    // The closing brackets still to come.
    buffer open = {0}, spare = {0};
    do {
        if (open.len > 0) {
            char close = open.at[open.len - 1];
            if (!json_more(doc, close)) {
                open.len--;
                continue;
            }
            if (close == '}' && !json_key(doc, &spare)) break;
        }
        json_kind kind = json_next(doc);
        if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
            buffer_add(&open, kind == JSON_OBJECT ? "}" : "]", 1);
            json_enter(doc);
        } else if (!scalar(doc, kind, &spare)) {
            break;
        }
    } while (open.len > 0 && !doc->fault);
    buffer_free(&open);
    buffer_free(&spare);
    return !doc->fault;
}

bool json_finish(json *doc) {
    return !doc->fault && (json_next(doc) == JSON_END || fail(doc, "something follows its end"));
}

void json_write(buffer *to, text string) {
    buffer_add(to, "\"", 1);
    for (size_t i = 0; i < string.len; i++) {
        unsigned char c = (unsigned char)string.at[i];
        if (c == '"' || c == '\\') buffer_add(to, "\\", 1);
        if (c < 0x20) buffer_print(to, "\\u%04X", c);
        else buffer_add(to, &string.at[i], 1);
    }
    buffer_add(to, "\"", 1);
}
