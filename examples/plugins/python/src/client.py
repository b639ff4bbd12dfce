"""One GET through wasi:http. Deadlines, credentials and the size limit are the host's. Every handle is given back, by
`with`, children first."""

import re

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler
from wit_world.imports import wasi_http_types as http
from wit_world.imports import xmpp_roster_types as wit
from wit_world.imports.streams import StreamError_Closed

MAX_BODY = 10 * 1024 * 1024
# An entity tag (RFC 9110 section 8.8.3). Nothing else may be sent back.
ETAG = re.compile(rb'(W/)?"[!#-~\x80-\xff]*"')

TIMEOUTS = (
    http.ErrorCode_DnsTimeout,
    http.ErrorCode_ConnectionTimeout,
    http.ErrorCode_ConnectionReadTimeout,
    http.ErrorCode_ConnectionWriteTimeout,
    http.ErrorCode_HttpResponseTimeout,
)
DENIED = (http.ErrorCode_HttpRequestDenied, http.ErrorCode_DestinationIpProhibited)


def get(url, path, etag):
    """The status, and with 200 the ETag and the body. Raises a fetch-error."""
    headers = [("accept", b"application/json, text/plain, */*"), ("user-agent", b"roster-plugin-python")]
    if etag:
        headers.append(("if-none-match", etag))
    request = http.OutgoingRequest(http.Fields.from_list(headers))
    request.set_scheme(http.Scheme_Https() if url.scheme == "https" else http.Scheme_Http())
    request.set_authority(url.authority)
    request.set_path_with_query(path)
    try:
        return send(request)
    except Err as error:
        raise Err(explain(error.value, f"{url.scheme}://{url.authority}")) from None


def send(request):
    with outgoing_handler.handle(request, None) as future:
        with future.subscribe() as ready:
            ready.block()
        # A result within a result: whether it was asked for before, and what came of it.
        outcome = future.get()
        if not isinstance(outcome, Ok):
            raise Err(http.ErrorCode_InternalError("the host has no answer"))
        if not isinstance(outcome.value, Ok):
            raise Err(outcome.value.value)
        with outcome.value.value as response:
            status = response.status()
            if status != 200:
                return status, None, b""
            with response.headers() as headers:
                etags = headers.get("etag")
            etag = etags[0] if len(etags) == 1 and len(etags[0]) <= 1024 and ETAG.fullmatch(etags[0]) else None
            with response.consume() as content, content.stream() as stream:
                return status, etag, read(stream)


def read(stream):
    body = bytearray()
    while len(body) <= MAX_BODY:
        try:
            body += stream.blocking_read(MAX_BODY + 1 - len(body))
        except Err as error:
            if isinstance(error.value, StreamError_Closed):
                return bytes(body)
            with error.value.value as failure:
                code = http.http_error_code(failure)
            raise Err(code or http.ErrorCode_InternalError("the answer broke off")) from None
    raise Err(wit.FetchError_TooLarge())


def explain(error, origin):
    """A fetch-error for an error-code of wasi:http, or the fetch-error it is already."""
    if isinstance(error, wit.FetchError_TooLarge):
        return error
    if isinstance(error, TIMEOUTS):
        return wit.FetchError_TimedOut()
    if isinstance(error, http.ErrorCode_HttpResponseBodySize):
        return wit.FetchError_TooLarge()
    if isinstance(error, DENIED):
        return wit.FetchError_Unreachable(f"{origin}: the host does not allow this address")
    what = getattr(error, "value", None)
    what = what if isinstance(what, str) else type(error).__name__.removeprefix("ErrorCode_")
    return wit.FetchError_Unreachable(f"{origin}: {what}")
