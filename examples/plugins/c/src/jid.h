// Addresses (RFC 7622), with the letters of ASCII and Latin-1 folded and the others as they are: C has no Unicode tables.
#pragma once

#include "text.h"

/// The normalised bare JID of a bare or full JID. NULL, or what is wrong with it.
const char *jid_bare(text from, buffer *bare);
