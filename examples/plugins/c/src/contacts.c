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
