#include "contacts.h"

#include <stdlib.h>
#include <string.h>

static text jid_at(const contact_list *list, size_t place) { return text_of_string(&list->ptr[place].jid); }

/// The slot of a JID: its own, or a free one. FNV-1a, open addressing; slots hold the place plus one.
static size_t slot(const contact_index *in, text jid) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < jid.len; i++) hash = (hash ^ (unsigned char)jid.at[i]) * 0x100000001b3;
    size_t at = (size_t)(hash ^ hash >> 32) & (in->room - 1);
    while (in->slots[at] && !text_is(jid_at(in->list, in->slots[at] - 1), jid)) at = (at + 1) & (in->room - 1);
    return at;
}

static void fill(contact_index *index) {
    index->slots = need(NULL, index->room * sizeof *index->slots);
    memset(index->slots, 0, index->room * sizeof *index->slots);
    for (size_t i = 0; i < index->list->len; i++) index->slots[slot(index, jid_at(index->list, i))] = i + 1;
}

contact_index index_of(const contact_list *list) {
    contact_index index = {.list = list, .room = 16};
    while (index.room < 2 * list->len) index.room *= 2;
    fill(&index);
    return index;
}

void index_free(contact_index *of) { free(of->slots); }

size_t index_find(const contact_index *in, text jid) {
    size_t found = in->slots[slot(in, jid)];
    return found ? found - 1 : in->list->len;
}

void index_add(contact_index *to) {
    if (2 * to->list->len > to->room) {
        free(to->slots);
        to->room *= 2;
        fill(to);
    } else {
        to->slots[slot(to, jid_at(to->list, to->list->len - 1))] = to->list->len;
    }
}

/// The order of groups carries no meaning. They are few.
static bool same_groups(const roster_plugin_list_string_t *a, const roster_plugin_list_string_t *b) {
    if (a->len != b->len) return false;
    for (size_t i = 0; i < a->len; i++) {
        size_t j = i;
        if (j < b->len && text_is(text_of_string(&a->ptr[i]), text_of_string(&b->ptr[j]))) continue;
        for (j = 0; j < b->len && !text_is(text_of_string(&a->ptr[i]), text_of_string(&b->ptr[j])); j++) {}
        if (j == b->len) return false;
    }
    return true;
}

static bool same(const contact *a, const contact *b) {
    return a->name.is_some == b->name.is_some && a->subscription == b->subscription && a->ask == b->ask &&
           (!a->name.is_some || text_is(text_of_string(&a->name.val), text_of_string(&b->name.val))) &&
           same_groups(&a->groups, &b->groups);
}

xmpp_roster_types_list_change_t contacts_diff(const contact_list *before, contact_list *after) {
    xmpp_roster_types_list_change_t changes = {0};
    contact_index old = index_of(before), now = index_of(after);
    for (size_t i = 0; i < before->len; i++) {
        if (index_find(&now, jid_at(before, i)) == after->len) {
            xmpp_roster_types_change_t *change = PUSH(changes);
            change->tag = XMPP_ROSTER_TYPES_CHANGE_REMOVE;
            change->val.remove = give(jid_at(before, i));
        }
    }
    index_free(&now);
    for (size_t i = 0; i < after->len; i++) {
        size_t place = index_find(&old, jid_at(after, i));
        if (place < before->len && same(&before->ptr[place], &after->ptr[i])) {
            xmpp_roster_types_contact_free(&after->ptr[i]);
            continue;
        }
        xmpp_roster_types_change_t *change = PUSH(changes);
        change->tag = XMPP_ROSTER_TYPES_CHANGE_PUT;
        change->val.put = after->ptr[i];
    }
    index_free(&old);
    free(after->ptr);
    *after = (contact_list){0};
    return changes;
}
