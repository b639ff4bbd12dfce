#include "roster.h"

#include <stdlib.h>

#include "contacts.h"
#include "jid.h"
#include "json.h"

enum { MOST_WARNINGS = 20, LONGEST_QUOTE = 64 };

/// What is known while a document is read.
typedef struct {
    json doc;
    text owner;
    contact_index index;
    contact_list contacts;
    roster_plugin_list_string_t warnings;
    size_t more;
    buffer key, jid, spare;
} reader;

static void warn(reader *in, const char *before, text jid, const char *after, const char *kind, const char *end) {
    if (in->warnings.len >= MOST_WARNINGS) {
        in->more++;
        return;
    }
    buffer line = {0};
    buffer_print(&line, "%s", before);
    size_t len = jid.len < LONGEST_QUOTE ? jid.len : LONGEST_QUOTE;
    while (len < jid.len && (jid.at[len] & 0xC0) == 0x80) len--;
    json_write(&line, text_until(jid, len));
    buffer_print(&line, "%s%s%s%s", len < jid.len ? "…" : "", after, kind, end);
    *PUSH(in->warnings) = give(text_of(&line));
    buffer_free(&line);
}

/// A contact that is left out: the fault, and the kind of value that was found if that is it.
typedef struct {
    const char *what, *kind, *end;
} fault;

static fault read_name(reader *in, contact *into) {
    json_kind kind = json_next(&in->doc);
    roster_plugin_option_string_free(&into->name);
    into->name = (roster_plugin_option_string_t){0};
    if (kind == JSON_STRING) {
        if (!json_string(&in->doc, &in->spare)) return (fault){0};
        if (has_control(text_of(&in->spare))) return (fault){"its name has a control character", "", ""};
        into->name = (roster_plugin_option_string_t){true, give(text_of(&in->spare))};
        return (fault){0};
    }
    json_skip(&in->doc);
    return kind == JSON_NULL ? (fault){0} : (fault){"its name is ", json_name(kind), "; expected a string"};
}

static fault add_group(contact *into, text group, bool *empty) {
    if (has_control(group)) return (fault){"one of its groups has a control character", "", ""};
    if (group.len == 0) *empty = true;
    for (size_t i = 0; i < into->groups.len; i++) {
        if (text_is(text_of_string(&into->groups.ptr[i]), group)) return (fault){0};
    }
    if (group.len > 0) *PUSH(into->groups) = give(group);
    return (fault){0};
}

/// An object, whose keys are the names, or an array of names.
static fault read_groups(reader *in, contact *into, bool *empty) {
    json_kind kind = json_next(&in->doc);
    roster_plugin_list_string_free(&into->groups);
    into->groups = (roster_plugin_list_string_t){0};
    *empty = false;
    fault found = {0};
    if (kind != JSON_OBJECT && kind != JSON_ARRAY) {
        json_skip(&in->doc);
        return (fault){"its groups are ", json_name(kind), "; expected an object or an array of strings"};
    }
    json_enter(&in->doc);
    while (json_more(&in->doc, kind == JSON_OBJECT ? '}' : ']')) {
        json_kind element = kind == JSON_OBJECT ? JSON_STRING : json_next(&in->doc);
        if (element != JSON_STRING) {
            if (!json_skip(&in->doc)) break;
            found = (fault){"one of its groups is ", json_name(element), "; expected a string"};
            continue;
        }
        bool read = kind == JSON_OBJECT ? json_key(&in->doc, &in->spare) : json_string(&in->doc, &in->spare);
        if (!read) break;
        fault wrong = add_group(into, text_of(&in->spare), empty);
        if (wrong.what) found = wrong;
        if (kind == JSON_OBJECT && !json_skip(&in->doc)) break;
    }
    return found;
}

/// False if the value is none of the four.
static bool read_subscription(reader *in, contact *into) {
    static const text names[] = {TEXT("none"), TEXT("to"), TEXT("from"), TEXT("both")};
    into->subscription = XMPP_ROSTER_TYPES_SUBSCRIPTION_BOTH;
    if (json_next(&in->doc) != JSON_STRING) {
        json_skip(&in->doc);
        return false;
    }
    if (!json_string(&in->doc, &in->spare)) return false;
    for (uint8_t i = 0; i < 4; i++) {
        if (text_is(text_of(&in->spare), names[i])) {
            into->subscription = i;
            return true;
        }
    }
    return false;
}

static bool read_ask(reader *in) {
    if (json_next(&in->doc) == JSON_STRING) {
        return json_string(&in->doc, &in->spare) && text_is(text_of(&in->spare), TEXT("subscribe"));
    }
    json_skip(&in->doc);
    return false;
}

static fault read_contact(reader *in, contact *into, bool *odd, bool *empty) {
    json_kind kind = json_next(&in->doc);
    if (kind != JSON_OBJECT) {
        json_skip(&in->doc);
        return (fault){"it is ", json_name(kind), "; expected an object"};
    }
    fault name = {0}, groups = {0};
    json_enter(&in->doc);
    // A field that is there twice counts as its last value says, for faults too.
    while (json_more(&in->doc, '}') && json_key(&in->doc, &in->spare)) {
        text field = text_of(&in->spare);
        if (text_is(field, TEXT("name"))) name = read_name(in, into);
        else if (text_is(field, TEXT("groups"))) groups = read_groups(in, into, empty);
        else if (text_is(field, TEXT("subscription"))) *odd = !read_subscription(in, into);
        else if (text_is(field, TEXT("ask"))) into->ask = read_ask(in);
        else json_skip(&in->doc);
    }
    return name.what ? name : groups;
}

/// Keeps a contact: the last of those with one JID, in the place of the first.
static void keep(reader *in, contact *found) {
    text jid = text_of(&in->jid);
    size_t place = index_find(&in->index, jid);
    if (place < in->contacts.len) {
        warn(in, "contact ", jid, " is there twice; the last counts", "", "");
        found->jid = in->contacts.ptr[place].jid;
        in->contacts.ptr[place].jid = (roster_plugin_string_t){0};
        xmpp_roster_types_contact_free(&in->contacts.ptr[place]);
        in->contacts.ptr[place] = *found;
    } else {
        found->jid = give(jid);
        *PUSH(in->contacts) = *found;
        index_add(&in->index);
    }
}

/// One entry of the document: its key, and what stands behind it.
static void read_entry(reader *in) {
    if (!json_key(&in->doc, &in->key)) return;
    const char *invalid = jid_bare(text_of(&in->key), &in->jid);
    text shown = invalid ? text_of(&in->key) : text_of(&in->jid);
    contact found = {.subscription = XMPP_ROSTER_TYPES_SUBSCRIPTION_BOTH};
    bool odd = false, empty = false;
    fault wrong = read_contact(in, &found, &odd, &empty);
    if (!invalid && text_is(shown, in->owner)) invalid = "it is the user";
    if (invalid) wrong = (fault){invalid, "", ""};
    if (wrong.what || in->doc.fault) {
        if (!in->doc.fault) {
            buffer after = {0};
            buffer_print(&after, ": %s", wrong.what);
            buffer_add(&after, "", 1);
            warn(in, "left out the contact ", shown, after.at, wrong.kind, wrong.end);
            buffer_free(&after);
        }
        xmpp_roster_types_contact_free(&found);
        return;
    }
    if (odd) warn(in, "contact ", shown, " has an unknown subscription; it counts as both", "", "");
    if (empty) warn(in, "contact ", shown, " has a group without a name, which is left out", "", "");
    keep(in, &found);
}

static const char *read_document(reader *in, text body) {
    if (!json_begin(&in->doc, body)) return NULL;
    json_kind kind = json_next(&in->doc);
    if (kind != JSON_OBJECT && kind != JSON_ARRAY) return json_name(kind);
    json_enter(&in->doc);
    while (json_more(&in->doc, kind == JSON_OBJECT ? '}' : ']')) {
        if (kind == JSON_ARRAY) return "an array that is not empty";
        read_entry(in);
    }
    json_finish(&in->doc);
    return NULL;
}

bool roster_decode(text body, text owner, xmpp_roster_types_roster_t *into, roster_plugin_string_t *malformed) {
    static const char expected[] = "expected a JSON object whose keys are JIDs";
    reader in = {.owner = owner};
    in.index = index_of(&in.contacts);
    const char *found = read_document(&in, body);
    *into = (xmpp_roster_types_roster_t){.contacts = in.contacts};
    if (in.more > 0) *PUSH(in.warnings) = give_printed("and %zu more", in.more);
    into->warnings = in.warnings;
    index_free(&in.index);
    buffer_free(&in.key);
    buffer_free(&in.jid);
    buffer_free(&in.spare);
    if (!found && !in.doc.fault) return true;
    exports_xmpp_roster_hooks_roster_free(into);
    if (found) *malformed = give_printed("found %s; %s", found, expected);
    else *malformed = give_printed("the body is not JSON: %s, byte %zu; %s", in.doc.fault, in.doc.at, expected);
    return false;
}

bool users_decode(text body, roster_plugin_list_string_t *users, roster_plugin_string_t *message) {
    static const char expected[] = "expected a JSON array of usernames, such as [\"john\"]";
    json doc;
    json_kind kind = json_begin(&doc, body) ? json_next(&doc) : JSON_ARRAY;
    *users = (roster_plugin_list_string_t){0};
    if (kind != JSON_ARRAY) {
        *message = give_printed("%s; found %s", expected, json_name(kind));
        return false;
    }
    buffer user = {0};
    kind = JSON_STRING;
    if (!doc.fault) {
        json_enter(&doc);
        while (json_more(&doc, ']') && (kind = json_next(&doc)) == JSON_STRING && json_string(&doc, &user)) {
            *PUSH(*users) = give(text_of(&user));
        }
    }
    buffer_free(&user);
    bool odd = !doc.fault && kind != JSON_STRING && kind < JSON_NONSENSE && kind != JSON_END;
    if (odd) {
        *message = give_printed("element %zu is %s; expected a username (a string)", users->len, json_name(kind));
    } else if (kind == JSON_STRING && json_finish(&doc)) {
        return true;
    } else {
        const char *fault = doc.fault ? doc.fault : "a value is missing";
        *message = give_printed("%s; the body is not JSON: %s, byte %zu", expected, fault, doc.at);
    }
    roster_plugin_list_string_free(users);
    return false;
}
