#include "settings.h"

#include <stdlib.h>
#include <string.h>

static bool get(const char *key, roster_plugin_string_t *value) {
    roster_plugin_string_t name;
    roster_plugin_string_set(&name, key);
    roster_plugin_option_string_t found = {0};
    wasi_config_store_error_t error;
    if (!wasi_config_store_get(&name, &found, &error)) {
        wasi_config_store_error_free(&error);
        return false;
    }
    if (found.is_some) *value = found.val;
    return found.is_some;
}

static bool wrong(xmpp_roster_types_config_error_t *error, const char *key, const char *reason) {
    error->key = give((text){key, strlen(key)});
    error->reason = give((text){reason, strlen(reason)});
    return false;
}

static bool begins(text in, text with) {
    if (in.len < with.len) return false;
    for (size_t i = 0; i < with.len; i++) {
        if ((in.at[i] >= 'A' && in.at[i] <= 'Z' ? in.at[i] | 0x20 : in.at[i]) != with.at[i]) return false;
    }
    return true;
}

static bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static const char *check_authority(text authority) {
    if (text_find(authority, '@') < authority.len) return "has credentials in it; give them to the host";
    static const char no_host[] = "has no host that is a name or an address";
    bool brackets = authority.len > 0 && authority.at[0] == '[';
    size_t end = 0;
    if (brackets) {
        end = text_find(authority, ']') + 1;
        if (end > authority.len || end < 4) return no_host;
        for (size_t i = 1; i + 1 < end; i++) {
            if (!is_alphanumeric(authority.at[i]) && authority.at[i] != ':' && authority.at[i] != '.') return no_host;
        }
    } else {
        while (end < authority.len && (is_alphanumeric(authority.at[end]) || strchr("-._", authority.at[end]))) end++;
        if (end == 0) return no_host;
    }
    if (end == authority.len) return NULL;
    if (authority.at[end] != ':') return no_host;
    unsigned port = 0;
    for (size_t i = end + 1; i < authority.len; i++) {
        if (authority.at[i] < '0' || authority.at[i] > '9' || port > 65535) port = 65535;
        port = port * 10 + (unsigned)(authority.at[i] - '0');
    }
    return port >= 1 && port <= 65535 ? NULL : "has a port that is not a number from 1 to 65535";
}

static const char *check_url(settings *of) {
    text url = text_of_string(&of->url);
    of->https = begins(url, TEXT("https://"));
    if (!of->https && !begins(url, TEXT("http://"))) return "does not begin with http:// or https://";
    url = text_from(url, of->https ? 8 : 7);
    size_t end = 0;
    while (end < url.len && !strchr("/?#", url.at[end])) end++;
    of->authority = text_until(url, end);
    of->path = text_from(url, end);
    const char *fault = check_authority(of->authority);
    if (fault) return fault;
    bool placeholder = false;
    for (size_t i = 0; i < of->path.len; i++) {
        char c = of->path.at[i];
        if (c <= ' ' || c > '~') return "has a space or a character beyond ASCII in it; percent-encode it";
        if (c == '#') return "has a fragment (#), which is never sent";
        if (c == '%' && i + 1 < of->path.len) {
            if (of->path.at[i + 1] == 's') placeholder = true;
            if (of->path.at[i + 1] == '%') i++;
        }
    }
    return placeholder ? NULL : "has no %s to put the username into";
}

bool settings_load(settings *into, xmpp_roster_types_config_error_t *error) {
    *into = (settings){0};
    if (!get(URL_KEY, &into->url)) return wrong(error, URL_KEY, "is missing; expected a URL with %s for the username");
    if (!get("domain", &into->domain)) return wrong(error, "domain", "is missing; expected the XMPP domain");
    const char *fault = check_url(into);
    return fault ? wrong(error, URL_KEY, fault) : true;
}

void settings_free(settings *of) {
    roster_plugin_string_free(&of->url);
    roster_plugin_string_free(&of->domain);
}

/// All but RFC 3986's unreserved characters.
static void encode(buffer *to, text user) {
    for (size_t i = 0; i < user.len; i++) {
        char c = user.at[i];
        if (is_alphanumeric(c) || (c && strchr("-._~", c))) buffer_add(to, &c, 1);
        else buffer_print(to, "%%%02X", (unsigned char)c);
    }
}

/// Is a segment of the path `.` or `..`, in any spelling?
static bool has_dot_segment(text target) {
    size_t dots = 0, others = 0;
    for (size_t i = 0; i <= target.len; i++) {
        char c = i < target.len ? target.at[i] : '?';
        text left = text_from(target, i < target.len ? i : target.len);
        if (c == '/' || c == '?') {
            if (others == 0 && (dots == 1 || dots == 2)) return true;
            if (c == '?') return false;
            dots = others = 0;
        } else if (c == '.') {
            dots++;
        } else if (begins(left, TEXT("%2e"))) {
            dots++;
            i += 2;
        } else {
            others++;
        }
    }
    return false;
}

static const char *target_of(const settings *of, text user, buffer *target) {
    if (user.len == 0) return "a username is missing";
    if (of->path.len == 0 || of->path.at[0] != '/') buffer_add(target, "/", 1);
    for (size_t i = 0; i < of->path.len; i++) {
        char next = of->path.at[i] == '%' && i + 1 < of->path.len ? of->path.at[i + 1] : 0;
        if (next == 's') encode(target, user);
        else buffer_add(target, &of->path.at[i], 1);
        if (next == 's' || next == '%') i++;
    }
    return has_dot_segment(text_of(target)) ? "it would be a dot segment of the path" : NULL;
}

const char *settings_url_of(const settings *of, text user, buffer *url) {
    buffer target = {0};
    const char *none = target_of(of, user, &target);
    buffer_print(url, "%s://%.*s", of->https ? "https" : "http", TEXT_ARGS(of->authority));
    buffer_add_text(url, text_of(&target));
    buffer_free(&target);
    return none;
}
