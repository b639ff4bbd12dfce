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

/// What is wrong with a contact or a field of it, and the kind of value that was found if that is it.
typedef struct {
    const char *what, *kind, *end;
} fault;

#define UNFIT "has characters that no name can have (control characters, halves of surrogate pairs); they are replaced"

/// The fields of a contact, and the contact itself: each has one fault at most. Only that of the contact can cost it.
enum { WHOLE, NAME, GROUPS, SUBSCRIPTION, ASK, PARTS };

static fault read_name(reader *in, contact *into) {
    json_kind kind = json_next(&in->doc);
    roster_plugin_option_string_free(&into->name);
    into->name = (roster_plugin_option_string_t){0};
    if (kind == JSON_STRING) {
        if (!json_string(&in->doc, &in->spare)) return (fault){0};
        bool mended = name_mend(&in->spare);
        into->name = (roster_plugin_option_string_t){true, give(text_of(&in->spare))};
        return mended ? (fault){": its name " UNFIT, "", ""} : (fault){0};
    }
    json_skip(&in->doc);
    if (kind == JSON_NULL) return (fault){0};
    return (fault){": its name is ", json_name(kind), "; expected a string; it has no name now"};
}

static bool is_number(text name) {
    size_t digits = 0;
    while (digits < name.len && name.at[digits] >= '0' && name.at[digits] <= '9') digits++;
    return name.len > 0 && digits == name.len;
}

static fault add_group(reader *in, contact *into, bool is_key) {
    if (in->spare.len == 0) return (fault){": one of its groups has no name; that group is left out", "", ""};
    bool number = is_key && is_number(text_of(&in->spare));
    bool mended = name_mend(&in->spare);
    text group = text_of(&in->spare);
    bool twice = false;
    for (size_t i = 0; i < into->groups.len; i++) twice |= text_is(text_of_string(&into->groups.ptr[i]), group);
    if (!twice) *PUSH(into->groups) = give(group);
    if (number) {
        return (fault){": one of its groups has a number for a name; if the values are the names, send an array", "", ""};
    }
    return mended ? (fault){": one of its groups " UNFIT, "", ""} : (fault){0};
}

/// An object, whose keys are the names, or an array of names.
static fault read_groups(reader *in, contact *into) {
    json_kind kind = json_next(&in->doc);
    roster_plugin_list_string_free(&into->groups);
    into->groups = (roster_plugin_list_string_t){0};
    fault found = {0};
    if (kind != JSON_OBJECT && kind != JSON_ARRAY) {
        json_skip(&in->doc);
        return (fault){": its groups are ", json_name(kind), "; expected an array of strings or an object"};
    }
    json_enter(&in->doc);
    while (json_more(&in->doc, kind == JSON_OBJECT ? '}' : ']')) {
        json_kind element = kind == JSON_OBJECT ? JSON_STRING : json_next(&in->doc);
        fault wrong = {0};
        if (element != JSON_STRING) {
            if (!json_skip(&in->doc)) break;
            wrong = (fault){": one of its groups is ", json_name(element), "; expected a string; that group is left out"};
        } else {
            bool read = kind == JSON_OBJECT ? json_key(&in->doc, &in->spare) : json_string(&in->doc, &in->spare);
            if (!read) break;
            wrong = add_group(in, into, kind == JSON_OBJECT);
            if (kind == JSON_OBJECT && !json_skip(&in->doc)) break;
        }
        if (!found.what) found = wrong;
    }
    return found;
}

/// What is not understood shares nobody's presence.
static fault read_subscription(reader *in, contact *into) {
    static const text names[] = {TEXT("none"), TEXT("to"), TEXT("from"), TEXT("both")};
    json_kind kind = json_next(&in->doc);
    if (kind != JSON_STRING) {
        json_skip(&in->doc);
    } else if (json_string(&in->doc, &in->spare)) {
        for (uint8_t i = 0; i < 4; i++) {
            if (text_is(text_of(&in->spare), names[i])) {
                into->subscription = i;
                return (fault){0};
            }
        }
    }
    into->subscription = kind == JSON_NULL ? XMPP_ROSTER_TYPES_SUBSCRIPTION_BOTH : XMPP_ROSTER_TYPES_SUBSCRIPTION_NONE;
    if (kind == JSON_NULL) return (fault){0};
    return (fault){": its subscription is not none, to, from or both; it counts as none", "", ""};
}

static fault read_ask(reader *in, contact *into) {
    json_kind kind = json_next(&in->doc);
    into->ask = false;
    if (kind == JSON_STRING) {
        into->ask = json_string(&in->doc, &in->spare) && text_is(text_of(&in->spare), TEXT("subscribe"));
        return (fault){0};
    }
    json_skip(&in->doc);
    return kind == JSON_NULL ? (fault){0} : (fault){": its ask is ", json_name(kind), "; it is left out"};
}

/// A contact that is an array: empty it is what PHP makes of an empty map.
static fault read_array(reader *in, contact *into) {
    bool empty = true;
    json_enter(&in->doc);
    while (json_more(&in->doc, ']') && json_skip(&in->doc)) empty = false;
    if (empty) return (fault){0};
    into->subscription = XMPP_ROSTER_TYPES_SUBSCRIPTION_NONE;
    return (fault){": it is an array that is not empty; expected an object; its subscription is none", "", ""};
}

/// False if what stands there is no contact.
static bool read_contact(reader *in, contact *into, fault wrong[PARTS]) {
    json_kind kind = json_next(&in->doc);
    if (kind == JSON_ARRAY) {
        wrong[WHOLE] = read_array(in, into);
        return true;
    }
    if (kind != JSON_OBJECT) {
        json_skip(&in->doc);
        wrong[WHOLE] = (fault){": it is ", json_name(kind), "; expected an object"};
        return kind == JSON_NULL;
    }
    json_enter(&in->doc);
    // A field that is there twice counts as its last value says, for faults too.
    while (json_more(&in->doc, '}') && json_key(&in->doc, &in->spare)) {
        text field = text_of(&in->spare);
        if (text_is(field, TEXT("name"))) wrong[NAME] = read_name(in, into);
        else if (text_is(field, TEXT("groups"))) wrong[GROUPS] = read_groups(in, into);
        else if (text_is(field, TEXT("subscription"))) wrong[SUBSCRIPTION] = read_subscription(in, into);
        else if (text_is(field, TEXT("ask"))) wrong[ASK] = read_ask(in, into);
        else json_skip(&in->doc);
    }
    return true;
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
    text_mend(&in->key);
    text shown = invalid ? text_of(&in->key) : text_of(&in->jid);
    contact found = {.subscription = XMPP_ROSTER_TYPES_SUBSCRIPTION_BOTH};
    fault wrong[PARTS] = {0};
    bool is_contact = read_contact(in, &found, wrong);
    if (!invalid && text_is(shown, in->owner)) invalid = "it is the user";
    if (in->doc.fault || invalid || !is_contact) {
        if (!in->doc.fault && invalid) warn(in, "left out the contact ", shown, ": ", invalid, "");
        else if (!in->doc.fault) warn(in, "left out the contact ", shown, wrong[WHOLE].what, wrong[WHOLE].kind, wrong[WHOLE].end);
        xmpp_roster_types_contact_free(&found);
        return;
    }
    for (int part = 0; part < PARTS; part++) {
        if (wrong[part].what) warn(in, "contact ", shown, wrong[part].what, wrong[part].kind, wrong[part].end);
    }
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
    xmpp_roster_types_roster_free(into);
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
            text_mend(&user);
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
