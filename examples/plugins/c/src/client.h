// One GET through wasi:http. Deadlines, credentials and the size limit are the host's.
#pragma once

#include "settings.h"

typedef struct {
    uint16_t status;
    /// Empty if there is none, or more than one.
    buffer etag, body;
} response;

/// False: `error` says why there is no answer. Release with response_free in either case.
bool client_get(const settings *to, text target, text etag, response *answer, xmpp_roster_types_fetch_error_t *error);
void response_free(response *of);
