// The five hooks of the world roster-plugin (wit/hooks.wit). A hook that returns false returns the error of its result.
#include "client.h"
#include "contacts.h"
#include "json.h"
#include "roster.h"

typedef xmpp_roster_types_fetch_error_t fetch_error;

bool exports_xmpp_roster_hooks_check(exports_xmpp_roster_hooks_config_error_t *err) {
    settings loaded;
    bool right = settings_load(&loaded, err);
    settings_free(&loaded);
    return right;
}

static bool misconfigured(roster_plugin_string_t reason, fetch_error *error) {
    error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_MISCONFIGURED;
    error->val.misconfigured = reason;
    return false;
}

/// What the application has for a user. The tag is the answer's ETag.
static bool understand(const settings *of, text user, text etag, const response *answer, bool *unchanged,
                       xmpp_roster_types_roster_t *roster, fetch_error *error) {
    *unchanged = answer->status == 304 && etag.len > 0;
    if (*unchanged) return true;
    if (answer->status != 200) {
        error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_STATUS;
        error->val.status = answer->status;
        return false;
    }
    buffer owner = {0};
    buffer_print(&owner, "%.*s@%.*s", TEXT_ARGS(user), TEXT_ARGS(text_of_string(&of->domain)));
    error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_MALFORMED;
    bool right = roster_decode(text_of(&answer->body), text_of(&owner), roster, &error->val.malformed);
    buffer_free(&owner);
    if (right && answer->etag.len > 0) {
        roster_plugin_string_t tag = give(text_of(&answer->etag));
        roster->tag = (xmpp_roster_types_option_tag_t){true, {tag.ptr, tag.len}};
    }
    return right;
}

static bool ask(text user, text etag, bool *unchanged, xmpp_roster_types_roster_t *roster, fetch_error *error) {
    settings of;
    xmpp_roster_types_config_error_t wrong;
    buffer target = {0};
    bool right = false;
    const char *no_target;
    if (!settings_load(&of, &wrong)) {
        misconfigured(
            give_printed("%.*s %.*s", TEXT_ARGS(text_of_string(&wrong.key)), TEXT_ARGS(text_of_string(&wrong.reason))),
            error);
        exports_xmpp_roster_hooks_config_error_free(&wrong);
    } else if ((no_target = settings_target(&of, user, &target))) {
        misconfigured(give_printed(URL_KEY " has no address for this user: %s", no_target), error);
    } else {
        response answer;
        right = client_get(&of, text_of(&target), etag, &answer, error) &&
                understand(&of, user, etag, &answer, unchanged, roster, error);
        response_free(&answer);
    }
    buffer_free(&target);
    settings_free(&of);
    return right;
}

bool exports_xmpp_roster_hooks_fetch(roster_plugin_string_t *user, exports_xmpp_roster_hooks_roster_t *ret,
                                     exports_xmpp_roster_hooks_fetch_error_t *err) {
    bool unchanged;
    bool right = ask(text_of_string(user), (text){0}, &unchanged, ret, err);
    roster_plugin_string_free(user);
    return right;
}

bool exports_xmpp_roster_hooks_changed_users(roster_plugin_list_u8_t *body, roster_plugin_list_string_t *ret,
                                             exports_xmpp_roster_hooks_bad_request_t *err) {
    bool right = users_decode((text){(const char *)body->ptr, body->len}, ret, &err->message);
    roster_plugin_list_u8_free(body);
    return right;
}

static void compare(exports_xmpp_roster_hooks_borrow_snapshot_t known, text etag, xmpp_roster_types_roster_t *roster,
                    exports_xmpp_roster_hooks_refreshed_t *ret) {
    contact_list before;
    xmpp_roster_store_list_contact_t held;
    xmpp_roster_store_method_snapshot_contacts(known, &held);
    before = (contact_list){held.ptr, held.len};
    xmpp_roster_types_list_change_t changes = contacts_diff(&before, &roster->contacts);
    xmpp_roster_store_list_contact_free(&held);
    text tag = {(const char *)roster->tag.val.ptr, roster->tag.val.len};
    if (changes.len == 0 && roster->warnings.len == 0 && text_is(etag, tag)) {
        exports_xmpp_roster_hooks_roster_free(roster);
        ret->tag = XMPP_ROSTER_TYPES_REFRESHED_UNCHANGED;
        return;
    }
    ret->tag = XMPP_ROSTER_TYPES_REFRESHED_CHANGED;
    ret->val.changed = (xmpp_roster_types_delta_t){changes, roster->tag, roster->warnings};
}

bool exports_xmpp_roster_hooks_refresh(roster_plugin_string_t *user, exports_xmpp_roster_hooks_borrow_snapshot_t known,
                                       exports_xmpp_roster_hooks_refreshed_t *ret,
                                       exports_xmpp_roster_hooks_fetch_error_t *err) {
    xmpp_roster_store_tag_t tag = {0};
    text etag = {0};
    if (xmpp_roster_store_method_snapshot_tag(known, &tag)) etag = (text){(const char *)tag.ptr, tag.len};
    xmpp_roster_types_roster_t roster = {0};
    bool unchanged;
    bool right = ask(text_of_string(user), etag, &unchanged, &roster, err);
    if (right && unchanged) ret->tag = XMPP_ROSTER_TYPES_REFRESHED_UNCHANGED;
    else if (right) compare(known, etag, &roster, ret);
    if (etag.len > 0) xmpp_roster_store_tag_free(&tag);
    xmpp_roster_store_snapshot_drop_borrow(known);
    roster_plugin_string_free(user);
    return right;
}

/// As the reference words it. A batch of which every user failed is an error, and so is the one user asked for.
void exports_xmpp_roster_hooks_summary(exports_xmpp_roster_hooks_outcome_t *outcome,
                                       exports_xmpp_roster_hooks_answer_t *ret) {
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
