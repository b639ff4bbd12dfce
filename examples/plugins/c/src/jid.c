#include "jid.h"

#include <string.h>

enum { LONGEST_PART = 1023, LONGEST_LABEL = 63 };

/// Adds a text with its upper case letters made lower, those of Latin-1: the host knows the rest, and normalises what a
/// plugin returns.
static void fold(buffer *to, text from) {
    for (size_t i = 0; i < from.len; i++) {
        unsigned char c = (unsigned char)from.at[i];
        unsigned char next = i + 1 < from.len ? (unsigned char)from.at[i + 1] : 0;
        if (c >= 'A' && c <= 'Z') {
            buffer_add(to, &(char){(char)(c | 0x20)}, 1);
        } else if (c == 0xC3 && next >= 0x80 && next < 0x9F && next != 0x97) { // U+00C0 to U+00DE, less the times sign
            buffer_add(to, (char[]){(char)c, (char)(next | 0x20)}, 2);
            i++;
        } else {
            buffer_add(to, &from.at[i], 1);
        }
    }
}

static bool is_local(text part) {
    if (part.len == 0 || part.len > LONGEST_PART || has_control(part)) return false;
    for (size_t i = 0; i < part.len; i++) {
        if (strchr("\"&'/:<>@ ", part.at[i])) return false;
    }
    return true;
}

static bool is_label(text part) {
    if (part.len == 0 || part.len > LONGEST_LABEL || part.at[0] == '-' || part.at[part.len - 1] == '-') return false;
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.at[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c < 0x80) return false;
    }
    return true;
}

static bool is_ipv6(text part) {
    if (part.len < 4 || part.at[0] != '[' || part.at[part.len - 1] != ']') return false;
    text inside = {part.at + 1, part.len - 2};
    for (size_t i = 0; i < inside.len; i++) {
        if (!strchr("0123456789abcdef:.", inside.at[i]) || inside.at[i] == '\0') return false;
    }
    return text_find(inside, ':') < inside.len;
}

/// Checks the domain at the end of `bare`, from `start` on, and takes its final dot away.
static bool domain(buffer *bare, size_t start) {
    if (bare->len > start && bare->at[bare->len - 1] == '.') bare->len--;
    text rest = text_from(text_of(bare), start);
    if (is_ipv6(rest)) return true;
    if (rest.len > LONGEST_PART) return false;
    for (;;) {
        size_t dot = text_find(rest, '.');
        if (!is_label(text_until(rest, dot))) return false;
        if (dot == rest.len) return true;
        rest = text_from(rest, dot + 1);
    }
}

const char *jid_bare(text from, buffer *bare) {
    size_t slash = text_find(from, '/');
    if (slash < from.len) {
        text resource = text_from(from, slash + 1);
        if (resource.len == 0 || resource.len > LONGEST_PART || has_control(resource)) {
            return "its resource (after the /) is not valid";
        }
    }
    text address = text_until(from, slash);
    size_t at = text_find(address, '@');
    bare->len = 0;
    if (at < address.len) {
        fold(bare, text_until(address, at));
        if (!is_local(text_of(bare))) return "its localpart (before the @) is not valid";
        buffer_add(bare, "@", 1);
        address = text_from(address, at + 1);
    }
    size_t start = bare->len;
    fold(bare, address);
    return domain(bare, start) ? NULL : "its domain is not valid";
}
