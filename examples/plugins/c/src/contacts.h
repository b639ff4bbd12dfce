// Lists of contacts: found by JID, and compared.
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

/// What turns `before` into `after`. Contacts that are put are moved out of `after`, which is freed.
xmpp_roster_types_list_change_t contacts_diff(const contact_list *before, contact_list *after);
