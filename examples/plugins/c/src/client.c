// Every handle is given back, children first: a host counts what is left over.
#include "client.h"

enum { MAX_BODY = 10 * 1024 * 1024, LONGEST_ETAG = 1024 };

typedef xmpp_roster_types_fetch_error_t fetch_error;

static bool unreachable(const settings *to, const char *what, fetch_error *error) {
    error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_UNREACHABLE;
    error->val.unreachable =
        give_printed("%s://%.*s: %s", to->https ? "https" : "http", TEXT_ARGS(to->authority), what);
    return false;
}

static bool explain(const settings *to, wasi_http_types_error_code_t *code, fetch_error *error) {
    const char *what = "HTTP failed";
    error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_UNREACHABLE;
    switch (code->tag) {
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_WRITE_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TIMEOUT:
        error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_TIMED_OUT;
        break;
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE:
        error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_TOO_LARGE;
        break;
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED:
    case WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED: what = "the host does not allow this address"; break;
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR: what = "the name cannot be resolved"; break;
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED: what = "the connection was refused"; break;
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED:
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE: what = "the answer broke off"; break;
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR: what = "the server's certificate is not trusted"; break;
    default: break;
    }
    if (error->tag == XMPP_ROSTER_TYPES_FETCH_ERROR_UNREACHABLE) unreachable(to, what, error);
    wasi_http_types_error_code_free(code);
    return false;
}

static wasi_http_types_tuple2_field_name_field_value_t header(const char *name, text value) {
    wasi_http_types_tuple2_field_name_field_value_t pair;
    roster_plugin_string_set(&pair.f0, name);
    pair.f1.ptr = (uint8_t *)(uintptr_t)value.at;
    pair.f1.len = value.len;
    return pair;
}

/// Sends the request, and waits for the head of the answer.
static bool send(const settings *to, text target, text etag, wasi_http_types_own_incoming_response_t *head,
                 fetch_error *error) {
    wasi_http_types_tuple2_field_name_field_value_t pairs[3] = {
        header("accept", TEXT("application/json, text/plain, */*")),
        header("user-agent", TEXT("roster-plugin-c")),
        header("if-none-match", etag),
    };
    wasi_http_types_list_tuple2_field_name_field_value_t list = {pairs, etag.len > 0 ? 3 : 2};
    wasi_http_types_own_fields_t fields;
    wasi_http_types_header_error_t refused;
    if (!wasi_http_types_static_fields_from_list(&list, &fields, &refused)) {
        return unreachable(to, "the host refused a header", error);
    }
    wasi_http_types_own_outgoing_request_t request = wasi_http_types_constructor_outgoing_request(fields);
    wasi_http_types_borrow_outgoing_request_t lent = wasi_http_types_borrow_outgoing_request(request);
    wasi_http_types_scheme_t scheme = {.tag = to->https ? WASI_HTTP_TYPES_SCHEME_HTTPS : WASI_HTTP_TYPES_SCHEME_HTTP};
    roster_plugin_string_t authority = {(uint8_t *)(uintptr_t)to->authority.at, to->authority.len};
    roster_plugin_string_t path = {(uint8_t *)(uintptr_t)target.at, target.len};
    if (!wasi_http_types_method_outgoing_request_set_scheme(lent, &scheme) ||
        !wasi_http_types_method_outgoing_request_set_authority(lent, &authority) ||
        !wasi_http_types_method_outgoing_request_set_path_with_query(lent, &path)) {
        wasi_http_types_outgoing_request_drop_own(request);
        return unreachable(to, "the host does not accept this URL", error);
    }
    wasi_http_types_own_future_incoming_response_t future;
    wasi_http_types_error_code_t code;
    if (!wasi_http_outgoing_handler_handle(request, NULL, &future, &code)) return explain(to, &code, error);
    wasi_http_types_borrow_future_incoming_response_t coming = wasi_http_types_borrow_future_incoming_response(future);
    wasi_io_poll_own_pollable_t ready = wasi_http_types_method_future_incoming_response_subscribe(coming);
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
    wasi_io_poll_pollable_drop_own(ready);
    // A result within a result: whether it was asked for before, and what came of it.
    wasi_http_types_result_result_own_incoming_response_error_code_void_t outcome;
    bool there = wasi_http_types_method_future_incoming_response_get(coming, &outcome) && !outcome.is_err;
    wasi_http_types_future_incoming_response_drop_own(future);
    if (!there) return unreachable(to, "the host has no answer", error);
    if (outcome.val.ok.is_err) return explain(to, &outcome.val.ok.val.err, error);
    *head = outcome.val.ok.val.ok;
    return true;
}

/// An entity tag (RFC 9110 section 8.8.3). Nothing else may be sent back.
static bool is_etag(text value) {
    if (value.len > LONGEST_ETAG) return false;
    if (value.len >= 2 && value.at[0] == 'W' && value.at[1] == '/') value = text_from(value, 2);
    if (value.len < 2 || value.at[0] != '"' || value.at[value.len - 1] != '"') return false;
    for (size_t i = 1; i + 1 < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if (c <= ' ' || c == '"' || c == 0x7F) return false;
    }
    return true;
}

static void read_etag(wasi_http_types_borrow_incoming_response_t head, buffer *etag) {
    wasi_http_types_own_headers_t headers = wasi_http_types_method_incoming_response_headers(head);
    roster_plugin_string_t name;
    roster_plugin_string_set(&name, "etag");
    wasi_http_types_list_field_value_t values;
    wasi_http_types_method_fields_get(wasi_http_types_borrow_fields(headers), &name, &values);
    if (values.len == 1) {
        text value = {(const char *)values.ptr[0].ptr, values.ptr[0].len};
        if (is_etag(value)) buffer_add_text(etag, value);
    }
    wasi_http_types_list_field_value_free(&values);
    wasi_http_types_fields_drop_own(headers);
}

static bool read_stream(const settings *to, wasi_io_streams_borrow_input_stream_t stream, buffer *body,
                        fetch_error *error) {
    while (body->len <= MAX_BODY) {
        roster_plugin_list_u8_t piece;
        wasi_io_streams_stream_error_t end;
        if (wasi_io_streams_method_input_stream_blocking_read(stream, MAX_BODY + 1 - body->len, &piece, &end)) {
            buffer_add(body, piece.ptr, piece.len);
            roster_plugin_list_u8_free(&piece);
            continue;
        }
        if (end.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED) return true;
        wasi_http_types_error_code_t code;
        wasi_io_error_own_error_t failure = end.val.last_operation_failed;
        bool known = wasi_http_types_http_error_code(wasi_io_error_borrow_error(failure), &code);
        wasi_io_error_error_drop_own(failure);
        return known ? explain(to, &code, error) : unreachable(to, "the answer broke off", error);
    }
    error->tag = XMPP_ROSTER_TYPES_FETCH_ERROR_TOO_LARGE;
    return false;
}

static bool read_body(const settings *to, wasi_http_types_borrow_incoming_response_t head, buffer *body,
                      fetch_error *error) {
    wasi_http_types_own_incoming_body_t content;
    if (!wasi_http_types_method_incoming_response_consume(head, &content)) {
        return unreachable(to, "the answer has no body", error);
    }
    wasi_http_types_own_input_stream_t stream;
    bool whole = wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(content), &stream);
    if (whole) {
        whole = read_stream(to, wasi_io_streams_borrow_input_stream(stream), body, error);
        wasi_io_streams_input_stream_drop_own(stream);
    } else {
        unreachable(to, "the answer has no body", error);
    }
    wasi_http_types_incoming_body_drop_own(content);
    return whole;
}

bool client_get(const settings *to, text target, text etag, response *answer, fetch_error *error) {
    *answer = (response){0};
    wasi_http_types_own_incoming_response_t head;
    if (!send(to, target, etag, &head, error)) return false;
    wasi_http_types_borrow_incoming_response_t lent = wasi_http_types_borrow_incoming_response(head);
    answer->status = wasi_http_types_method_incoming_response_status(lent);
    bool whole = true;
    if (answer->status == 200) {
        read_etag(lent, &answer->etag);
        whole = read_body(to, lent, &answer->body, error);
    }
    wasi_http_types_incoming_response_drop_own(head);
    return whole;
}

void response_free(response *of) {
    buffer_free(&of->etag);
    buffer_free(&of->body);
}
