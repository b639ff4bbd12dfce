// The five hooks of the world roster-plugin (wit/hooks.wit). A hook that returns false returns the error of its result.
#include "contacts.h"
#include "json.h"
#include "roster.h"
#include "settings.h"

enum { MAX_BODY = 10 * 1024 * 1024, LONGEST_ETAG = 1024 };

typedef xmpp_roster_types_fetch_error_t fetch_error;

bool exports_xmpp_roster_hooks_check(exports_xmpp_roster_hooks_needs_t *ret, exports_xmpp_roster_hooks_config_error_t *err) {
    settings loaded;
    bool right = settings_load(&loaded, err);
    settings_free(&loaded);
    *ret = (exports_xmpp_roster_hooks_needs_t){0};
    if (right) *PUSH(ret->response_headers) = give(TEXT("etag"));
    return right;
}

static bool misconfigured(roster_plugin_string_t reason, fetch_error *error) {
    error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_MISCONFIGURED;
    error->val.misconfigured = reason;
    return false;
}

/// The settings, for hooks that return a fetch-error. Release with settings_free in either case.
static bool load(settings *of, fetch_error *error) {
    xmpp_roster_types_config_error_t wrong;
    if (settings_load(of, &wrong)) return true;
    text key = text_of_string(&wrong.key), reason = text_of_string(&wrong.reason);
    misconfigured(give_printed("%.*s %.*s", TEXT_ARGS(key), TEXT_ARGS(reason)), error);
    exports_xmpp_roster_hooks_config_error_free(&wrong);
    return false;
}

static void add_header(xmpp_roster_types_request_t *to, text name, text value) {
    *PUSH(to->headers) = (xmpp_roster_types_header_t){give(name), give(value)};
}

/// The tag is the ETag, if it is one that can be sent back.
bool exports_xmpp_roster_hooks_make_request(roster_plugin_string_t *user, exports_xmpp_roster_hooks_tag_t *maybe_tag,
                                            exports_xmpp_roster_hooks_request_t *ret,
                                            exports_xmpp_roster_hooks_fetch_error_t *err) {
    settings of;
    buffer url = {0};
    bool right = load(&of, err);
    const char *none = right ? settings_url_of(&of, text_of_string(user), &url) : NULL;
    if (none) right = misconfigured(give_printed(URL_KEY " has no address for this user: %s", none), err);
    if (right) {
        *ret = (exports_xmpp_roster_hooks_request_t){.method.tag = XMPP_ROSTER_TYPES_METHOD_GET, .url = give(text_of(&url))};
        add_header(ret, TEXT("accept"), TEXT("application/json, text/plain, */*"));
        add_header(ret, TEXT("user-agent"), TEXT("roster-plugin-c"));
        if (maybe_tag && maybe_tag->len > 0) {
            add_header(ret, TEXT("if-none-match"), (text){(const char *)maybe_tag->ptr, maybe_tag->len});
        }
    }
    buffer_free(&url);
    settings_free(&of);
    roster_plugin_string_free(user);
    if (maybe_tag) exports_xmpp_roster_hooks_tag_free(maybe_tag);
    return right;
}

/// An entity tag (RFC 9110 section 8.8.3). Nothing else may be sent back.
static bool is_etag(text value) {
    if (value.len > LONGEST_ETAG) return false;
    if (value.len >= 2 && value.at[0] == 'W' && value.at[1] == '/') value = text_from(value, 2);
    if (value.len < 2 || value.at[0] != '"' || value.at[value.len - 1] != '"') return false;
    for (size_t i = 1; i + 1 < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if (c <= ' ' || c == '"' || c == 0x7F) return false;
    }
    return true;
}

/// The whole roster: the host works out what has changed.
static bool decode(const settings *of, text user, const xmpp_roster_types_response_t *response,
                   xmpp_roster_types_roster_t *roster, fetch_error *error) {
    if (response->status != 200) {
        error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_STATUS;
        error->val.status = response->status;
        return false;
    }
    if (response->body.len > MAX_BODY) {
        error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_TOO_LARGE;
        return false;
    }
    buffer owner = {0};
    buffer_print(&owner, "%.*s@%.*s", TEXT_ARGS(user), TEXT_ARGS(text_of_string(&of->domain)));
    error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_MALFORMED;
    text body = {(const char *)response->body.ptr, response->body.len};
    bool right = roster_decode(body, text_of(&owner), roster, &error->val.malformed);
    buffer_free(&owner);
    // Only the header that `check` names is there; two say nothing.
    if (right && response->headers.len == 1 && is_etag(text_of_string(&response->headers.ptr[0].value))) {
        roster_plugin_string_t tag = give(text_of_string(&response->headers.ptr[0].value));
        roster->tag = (xmpp_roster_types_option_tag_t){true, {tag.ptr, tag.len}};
    }
    return right;
}

bool exports_xmpp_roster_hooks_read_response(roster_plugin_string_t *user, exports_xmpp_roster_hooks_tag_t *maybe_tag,
                                             exports_xmpp_roster_hooks_borrow_snapshot_t *maybe_known,
                                             exports_xmpp_roster_hooks_response_t *response,
                                             roster_plugin_list_u8_t *state, exports_xmpp_roster_hooks_step_t *ret,
                                             exports_xmpp_roster_hooks_fetch_error_t *err) {
    bool right = true;
    if (response->status == 304 && maybe_tag && maybe_tag->len > 0) {
        ret->tag = XMPP_ROSTER_TYPES_STEP_UNCHANGED;
    } else {
        settings of;
        ret->tag = XMPP_ROSTER_TYPES_STEP_ROSTER;
        right = load(&of, err) && decode(&of, text_of_string(user), response, &ret->val.roster, err);
        settings_free(&of);
    }
    if (maybe_known) xmpp_roster_store_snapshot_drop_borrow(*maybe_known);
    roster_plugin_string_free(user);
    if (maybe_tag) exports_xmpp_roster_hooks_tag_free(maybe_tag);
    exports_xmpp_roster_hooks_response_free(response);
    roster_plugin_list_u8_free(state);
    return right;
}

bool exports_xmpp_roster_hooks_changed_users(roster_plugin_list_u8_t *body, roster_plugin_list_string_t *ret,
                                             exports_xmpp_roster_hooks_bad_request_t *err) {
    bool right = users_decode((text){(const char *)body->ptr, body->len}, ret, &err->message);
    roster_plugin_list_u8_free(body);
    return right;
}

/// As the reference words it. A batch of which every user failed is an error, and so is the one user asked for.
void exports_xmpp_roster_hooks_summary(exports_xmpp_roster_hooks_outcome_t *outcome,
                                       exports_xmpp_roster_hooks_reply_t *ret) {
    text message = TEXT("roster update complete");
    const xmpp_roster_types_counts_t *counts = &outcome->val.batch;
    static const xmpp_roster_types_counts_t none = {0};
    ret->status = 200;
    if (outcome->tag == XMPP_ROSTER_TYPES_OUTCOME_REFUSED) {
        ret->status = 400;
        message = text_of_string(&outcome->val.refused.message);
        counts = &none;
    } else if (outcome->tag == XMPP_ROSTER_TYPES_OUTCOME_SINGLE ? !outcome->val.single
                                                                : counts->updated == 0 && counts->errors > counts->invalid) {
        ret->status = 500;
        message = TEXT("roster update failed");
    }
    buffer body = {0};
    buffer_print(&body, "{\"status\":\"%s\",\"message\":", ret->status == 200 ? "ok" : "error");
    json_write(&body, message);
    if (outcome->tag != XMPP_ROSTER_TYPES_OUTCOME_SINGLE) {
        buffer_print(&body, ",\"updated\":%u,\"errors\":%u", (unsigned)counts->updated, (unsigned)counts->errors);
    }
    buffer_print(&body, "}");
    ret->content_type = give(TEXT("application/json"));
    roster_plugin_string_t given = give(text_of(&body));
    ret->body = (roster_plugin_list_u8_t){given.ptr, given.len};
    buffer_free(&body);
    exports_xmpp_roster_hooks_outcome_free(outcome);
}
