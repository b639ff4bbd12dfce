// The application's JSON to contacts.
#pragma once

#include "text.h"

/// Decodes an answer. `owner` is the user's own JID. False: `malformed` is the message. Fills all of `into` but the tag.
bool roster_decode(text body, text owner, xmpp_roster_types_roster_t *into, roster_plugin_string_t *malformed);

/// Decodes the body of a refresh request. False: `message` says what was expected.
bool users_decode(text body, roster_plugin_list_string_t *users, roster_plugin_string_t *message);
