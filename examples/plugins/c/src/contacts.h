// Lists of contacts: found by JID.
#pragma once

#include "text.h"

typedef xmpp_roster_types_contact_t contact;
typedef xmpp_roster_types_list_contact_t contact_list;

/// Where each JID of a list is. Release with index_free.
typedef struct {
    const contact_list *list;
    size_t *slots, room;
} contact_index;

contact_index index_of(const contact_list *list);
void index_free(contact_index *of);
/// The place of the contact with this JID, or the length of the list.
size_t index_find(const contact_index *in, text jid);
/// Notes the list's last contact.
void index_add(contact_index *to);
