// What the operator wrote: http_roster_url, with %s for the username, and the domain.
#pragma once

#include "text.h"

#define URL_KEY "http_roster_url"

typedef struct {
    roster_plugin_string_t url, domain;
    bool https;
    /// Within `url`.
    text authority, path;
} settings;

/// Reads and checks them. False: `wrong` says which and why. Release with settings_free in either case.
bool settings_load(settings *into, xmpp_roster_types_config_error_t *wrong);
void settings_free(settings *of);

/// The URL for a user. NULL, or why there is none.
const char *settings_url_of(const settings *of, text user, buffer *url);
