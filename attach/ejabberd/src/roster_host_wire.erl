%%% A GET whose answer does not end: the stream of events. httpc keeps what comes in one packet with the headers until something
%%% else comes, which may be ten seconds; and here the socket belongs to the process that reads, and is closed when that ends.
-module(roster_host_wire).

-export([get/4, next/2, close/1]).

-define(MAX_CHUNK, 33554432). % bytes
-define(MAX_HEADERS, 100).

%% {ok, Wire} | {status, Code} | {error, Why}
get(Url, Headers, Tls, Timeout) ->
    #{scheme := Scheme, host := Name} = Uri = uri_string:parse(Url),
    Module = case Scheme of "https" -> ssl; "http" -> gen_tcp end,
    Port = maps:get(port, Uri, case Scheme of "https" -> 443; "http" -> 80 end),
    case connect(Module, string:trim(Name, both, "[]"), Port, Tls, Timeout) of
        {ok, Socket} ->
            Host = [Name, [[":", integer_to_list(Port)] || maps:is_key(port, Uri)]],
            Request = ["GET ", maps:get(path, Uri), " HTTP/1.1\r\nhost: ", Host, "\r\n",
                       [[Header, ": ", Value, "\r\n"] || {Header, Value} <- Headers], "\r\n"],
            answer({Module, Socket}, Module:send(Socket, Request), Timeout);
        {error, Why} ->
            {error, Why}
    end.

%% An address or a name, of IPv4 or IPv6.
connect(Module, Name, Port, Tls, Timeout) ->
    Options = [binary, {active, false}, {packet, http_bin}, {nodelay, true}, {keepalive, true}, {send_timeout, Timeout}],
    More = case Module of
               ssl -> [{server_name_indication, Name} | Tls];
               gen_tcp -> []
           end,
    case Module:connect(Name, Port, Options ++ More, Timeout) of
        {error, nxdomain} -> Module:connect(Name, Port, [inet6 | Options] ++ More, Timeout);
        Answer -> Answer
    end.

answer(Wire, ok, Timeout) ->
    case recv(Wire, 0, Timeout) of
        {ok, {http_response, _, 200, _}} -> headers(Wire, Timeout, ?MAX_HEADERS, false);
        {ok, {http_response, _, Code, _}} -> close(Wire), {status, Code};
        {ok, _} -> close(Wire), {error, no_http};
        {error, Why} -> close(Wire), {error, Why}
    end;
answer(Wire, {error, Why}, _Timeout) ->
    close(Wire),
    {error, Why}.

headers(Wire, _Timeout, 0, _Chunked) ->
    close(Wire),
    {error, too_many_headers};
headers(Wire, Timeout, Left, Chunked) ->
    case recv(Wire, 0, Timeout) of
        {ok, {http_header, _, 'Transfer-Encoding', _, Value}} ->
            headers(Wire, Timeout, Left - 1, string:lowercase(Value) =:= <<"chunked">>);
        {ok, {http_header, _, _, _, _}} -> headers(Wire, Timeout, Left - 1, Chunked);
        {ok, http_eoh} when Chunked -> {ok, {Wire, chunked}};
        {ok, http_eoh} -> packet(Wire, raw), {ok, {Wire, until_closed}};
        {ok, _} -> close(Wire), {error, no_http};
        {error, Why} -> close(Wire), {error, Why}
    end.

%% {ok, Bytes} | done | {error, Why}; `timeout` is a reason.
next({Wire, until_closed}, Timeout) ->
    case recv(Wire, 0, Timeout) of
        {error, closed} -> done;
        Answer -> Answer
    end;
next({Wire, chunked}, Timeout) ->
    packet(Wire, line),
    case recv(Wire, 0, Timeout) of
        {ok, Line} -> chunk(Wire, length_of(Line), Timeout);
        {error, Why} -> {error, Why}
    end.

length_of(Line) ->
    [Size | _] = binary:split(Line, [<<";">>, <<"\r">>, <<"\n">>]),
    try binary_to_integer(string:trim(Size), 16)
    catch error:badarg -> none
    end.

chunk(_Wire, 0, _Timeout) ->
    done;
chunk(Wire, Size, Timeout) when is_integer(Size), Size > 0, Size =< ?MAX_CHUNK ->
    packet(Wire, raw),
    case recv(Wire, Size + 2, Timeout) of
        {ok, <<Bytes:Size/binary, "\r\n">>} -> {ok, Bytes};
        {ok, _} -> {error, no_http};
        {error, Why} -> {error, Why}
    end;
chunk(_Wire, _, _Timeout) ->
    {error, no_http}.

close({{Module, Socket}, _}) when is_atom(Module) ->
    close({Module, Socket});
close({Module, Socket}) ->
    _ = Module:close(Socket),
    ok.

recv({Module, Socket}, Size, Timeout) ->
    Module:recv(Socket, Size, Timeout).

packet({gen_tcp, Socket}, Kind) -> inet:setopts(Socket, [{packet, Kind}]);
packet({ssl, Socket}, Kind) -> ssl:setopts(Socket, [{packet, Kind}]).
