%%% The calls of the attach API, version 1 (docs/attach.md).
-module(roster_host_api).

-export([remember_token/2, forget_token/1, is_exposed/1, start/2, stop/1, about/2, put/4, delete/3, sync/4, ack/4, open_events/2]).

-define(VERSION, "/attach/v1/").
-define(MAX_BODY, 67108864). % bytes of an answer; the host sends no roster that is longer than 10 MB
-define(CONNECT, 3000).      % ms

%% A fun shows nothing of what is in it when it is printed.
remember_token(Host, Opts) ->
    case token(Opts) of
        {ok, Token} -> persistent_term:put({?MODULE, Host}, fun() -> Token end);
        Error -> Error
    end.

forget_token(Host) ->
    persistent_term:erase({?MODULE, Host}),
    ok.

%% Whether what is sent there leaves the machine in clear.
is_exposed(Url) ->
    #{scheme := Scheme, host := Name} = uri_string:parse(unicode:characters_to_list(Url)),
    Scheme =:= "http" andalso not is_local(string:trim(Name, both, "[]")).

is_local("localhost") -> true;
is_local("::1") -> true;
is_local("127." ++ _) -> true;
is_local(_) -> false.

%% One pool of connections for each virtual host. A connection carries one request at a time, so that a slow answer holds up
%% nobody else's.
start(Host, Opts) ->
    Profile = profile(Host),
    inets:stop(httpc, Profile),
    {ok, _} = inets:start(httpc, [{profile, Profile}]),
    ok = httpc:set_options([{max_sessions, 64}, {max_keep_alive_length, 0}, {keep_alive_timeout, 30000}], Profile),
    Url = unicode:characters_to_list(maps:get(url, Opts)),
    Node = quote(maps:get(node, Opts)),
    #{host => Host, profile => Profile, base => string:trim(Url, trailing, "/") ++ ?VERSION ++ Node,
      tls => tls(Url, Opts), timeout => maps:get(fetch_timeout, Opts)}.

stop(Host) ->
    inets:stop(httpc, profile(Host)),
    ok.

about(Api, Timeout) ->
    case request(Api, get, "", [], none, Timeout) of
        {200, _, Body} -> roster_host_json:decode(Body);
        Other -> refused(Other)
    end.

%% {ok, Version, Items, Seq} | {same, Seq} | {error, Sentence, noted | unknown}: whether the host goes on trying. What events up to Seq say
%% of this user is contained in the answer.
put(Api, User, Held, Timeout) ->
    Headers = [{"if-none-match", [$", integer_to_list(Held), $"]} || is_integer(Held)],
    case request(Api, put, ["/users/", quote(User)], Headers, <<>>, Timeout) of
        {200, _, Body} ->
            case roster_host_json:decode(Body) of
                {ok, Json} -> roster_host_json:read_put(Json);
                {error, Why} -> {error, Why, unknown}
            end;
        {304, Received, _} when is_integer(Held) ->
            {same, roster_host_json:header_seq(proplists:get_value("roster-seq", Received, "0"))};
        {Code, _, _} = Other ->
            {error, Why} = refused(Other),
            {error, Why, case lists:member(Code, [502, 503, 504]) of true -> noted; false -> unknown end};
        {error, Why} ->
            {error, Why, unknown}
    end.

delete(Api, User, Timeout) ->
    case request(Api, delete, ["/users/", quote(User)], [], none, Timeout) of
        {Code, _, _} when Code =:= 204; Code =:= 404 -> ok;
        Other -> refused(Other)
    end.

ack(Api, Epoch, Seq, Timeout) ->
    case request(Api, post, "/ack", [], roster_host_json:encode(#{epoch => Epoch, seq => Seq}), Timeout) of
        {204, _, _} -> ok;
        {409, _, _} -> other_epoch;
        Other -> refused(Other)
    end.

%% The whole set of users, [{User, Version | null}]. Tells `Tell` of `started`, once the host has the set, and of each line.
sync(Api, Users, Tell, Silence) ->
    Body = roster_host_json:encode([#{user => User, version => Version} || {User, Version} <- Users]),
    case open(Api, post, "/sync", [], Body, infinity) of
        {ok, Id} -> sync_begin(Api, Id, Tell, Silence);
        {error, Why} -> {error, sentence(Why)}
    end.

sync_begin(Api, Id, Tell, Silence) ->
    receive
        {http, {Id, stream_start, _}} ->
            Tell(started),
            sync_lines(Api, Id, Tell, Silence, roster_host_lines:new());
        {http, {Id, {error, Why}}} ->
            {error, sentence(Why)};
        {http, {Id, {{_, Code, _}, Headers, Body}}} ->
            refused({Code, Headers, Body})
    after Silence ->
        cancel(Api, Id),
        {error, <<"no answer in time">>}
    end.

sync_lines(Api, Id, Tell, Silence, State) ->
    receive
        {http, {Id, stream, Part}} ->
            case roster_host_lines:feed(Part, State) of
                {ok, Lines, Next} ->
                    case sync_each(Lines, Tell) of
                        more -> sync_lines(Api, Id, Tell, Silence, Next);
                        Done -> sync_rest(Api, Id), Done
                    end;
                too_long ->
                    cancel(Api, Id),
                    {error, <<"a line of the answer is too long">>}
            end;
        {http, {Id, stream_end, _}} ->
            case sync_each([roster_host_lines:rest(State)], Tell) of
                more -> {error, <<"the answer was cut">>};
                Done -> Done
            end;
        {http, {Id, {error, Why}}} ->
            {error, sentence(Why)}
    after Silence ->
        cancel(Api, Id),
        {error, <<"the answer stopped half way">>}
    end.

%% After the last line nothing but the end can come, and the connection can be used again.
sync_rest(Api, Id) ->
    receive {http, {Id, stream_end, _}} -> ok
    after 1000 -> cancel(Api, Id)
    end.

sync_each([], _Tell) ->
    more;
sync_each([Line | Rest], Tell) ->
    case sync_line(Line, Tell) of
        more -> sync_each(Rest, Tell);
        Done -> Done
    end.

sync_line(<<>>, _Tell) ->
    more;
sync_line(Line, Tell) ->
    case roster_host_json:decode(Line) of
        {ok, #{<<"done">> := true} = Counts} ->
            {done, Counts};
        {ok, #{<<"user">> := User, <<"error">> := Why}} ->
            Tell({failed, User, Why}),
            more;
        {ok, #{<<"user">> := User} = Json} ->
            case roster_host_json:read_put(Json) of
                {ok, Version, Items, Seq} -> Tell({roster, User, Version, Items, Seq});
                {error, Why, _} -> Tell({failed, User, Why})
            end,
            more;
        _ ->
            {error, <<"a line of the answer cannot be read">>}
    end.

open_events(#{base := Base, tls := Tls, host := Host}, LastId) ->
    Headers = [{"accept", "text/event-stream"} | [{"last-event-id", LastId} || is_binary(LastId)]],
    case roster_host_wire:get(Base ++ "/events", headers(Host) ++ Headers, Tls, ?CONNECT) of
        {error, Why} -> {error, sentence(Why)};
        Answer -> Answer
    end.

cancel(#{profile := Profile}, Id) ->
    catch httpc:cancel_request(Id, Profile),
    flush(Id).

flush(Id) ->
    receive {http, Message} when element(1, Message) =:= Id -> flush(Id)
    after 0 -> ok
    end.

%%% One request. PUT, DELETE and ack may be said twice, so a kept connection that was just closed is no failure.

request(Api, Method, Path, Headers, Body, Timeout) ->
    case once(Api, Method, Path, Headers, Body, Timeout) of
        {error, socket_closed_remotely} -> reason(once(Api, Method, Path, Headers, Body, Timeout));
        Answer -> reason(Answer)
    end.

reason({error, Why}) -> {error, sentence(Why)};
reason(Answer) -> Answer.

once(Api, Method, Path, Headers, Body, Timeout) ->
    case open(Api, Method, Path, Headers, Body, Timeout) of
        {ok, Id} -> collect(Api, Id, [], 0, [], Timeout + ?CONNECT);
        Error -> Error
    end.

collect(Api, Id, Headers, Size, Parts, Timeout) ->
    receive
        {http, {Id, stream_start, Started}} -> collect(Api, Id, Started, Size, Parts, Timeout);
        {http, {Id, stream, Part}} when Size + byte_size(Part) =< ?MAX_BODY ->
            collect(Api, Id, Headers, Size + byte_size(Part), [Part | Parts], Timeout);
        {http, {Id, stream, _}} -> cancel(Api, Id), {error, too_long};
        {http, {Id, stream_end, _}} -> {200, Headers, iolist_to_binary(lists:reverse(Parts))};
        {http, {Id, {{_, Code, _}, Received, Body}}} -> {Code, Received, iolist_to_binary(Body)};
        {http, {Id, {error, Why}}} -> {error, Why}
    after Timeout ->
        cancel(Api, Id),
        {error, timeout}
    end.

headers(Host) ->
    Token = (persistent_term:get({?MODULE, Host}, fun() -> <<>> end))(),
    [{"authorization", "Bearer " ++ binary_to_list(Token)}, {"user-agent", "ejabberd mod_roster_host"}].

open(#{base := Base, profile := Profile, tls := Tls, host := Host}, Method, Path, Headers, Body, Timeout) ->
    Url = lists:flatten([Base, Path]),
    All = headers(Host) ++ [{Name, lists:flatten(Value)} || {Name, Value} <- Headers],
    Request = case Body of
                  none -> {Url, All};
                  _ -> {Url, All, "application/json", Body}
              end,
    try httpc:request(Method, Request, [{timeout, Timeout}, {connect_timeout, ?CONNECT}, {autoredirect, false}
                                         | [{ssl, Tls} || Tls =/= []]],
                      [{sync, false}, {stream, self}, {body_format, binary}], Profile)
    catch
        exit:_ -> {error, stopped}
    end.

refused({error, Why}) ->
    {error, Why};
refused({Code, _, Body}) ->
    Said = case roster_host_json:decode(Body) of
               {ok, #{<<"message">> := Message}} when is_binary(Message) -> Message;
               _ -> <<"no message">>
           end,
    {error, iolist_to_binary([integer_to_binary(Code), ": ", Said])}.

%% Of what httpc says only what tells something, and never a request with its token.
sentence(Why) when is_binary(Why) -> Why;
sentence(timeout) -> <<"no answer in time">>;
sentence({failed_connect, Details}) ->
    case lists:keyfind(inet, 1, Details) of
        {inet, _, Why} -> sentence(Why);
        false -> <<"cannot connect">>
    end;
sentence({tls_alert, {_, Text}}) -> iolist_to_binary(["TLS failed: ", string:trim(unicode:characters_to_list(Text))]);
sentence(socket_closed_remotely) -> <<"it closes the connection">>;
sentence(econnrefused) -> <<"nobody listens there">>;
sentence(nxdomain) -> <<"its name is not known">>;
sentence(Why) when is_atom(Why) -> iolist_to_binary(string:replace(atom_to_list(Why), "_", " ", all));
sentence(Why) when is_tuple(Why), is_atom(element(1, Why)) -> sentence(element(1, Why));
sentence(_) -> <<"the connection failed">>.

%%% What belongs to a connection

profile(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).

token(#{token := Token}) when is_binary(Token) ->
    visible(Token);
token(#{token_file := File}) when is_binary(File) ->
    case file:read_file(File) of
        {ok, Text} -> visible(string:trim(Text));
        {error, Why} -> {error, io_lib:format("token_file ~ts cannot be read: ~ts", [File, file:format_error(Why)])}
    end;
token(_) ->
    {error, <<"give mod_roster_host the option token or token_file">>}.

visible(Token) ->
    case re:run(Token, "^[!-~]+$", [dollar_endonly]) of
        {match, _} -> {ok, Token};
        nomatch -> {error, <<"the token is not made of visible ASCII characters without spaces">>}
    end.

tls("https://" ++ _, Opts) ->
    Authorities = case maps:get(cacertfile, Opts, undefined) of
                      undefined -> [{cacerts, public_key:cacerts_get()}];
                      File -> [{cacertfile, unicode:characters_to_list(File)}]
                  end,
    ByName = public_key:pkix_verify_hostname_match_fun(https),
    Names = [{match_fun, fun(Asked, Presented) -> is_address(Asked, Presented) orelse ByName(Asked, Presented) end}],
    [{verify, verify_peer}, {depth, 5}, {versions, ['tlsv1.3', 'tlsv1.2']}, {customize_hostname_check, Names} | Authorities];
tls(_, _) ->
    [].

%% A url with an address instead of a name, which Erlang looks for among the names.
is_address({dns_id, Name}, {iPAddress, Address}) ->
    case inet:parse_strict_address(unicode:characters_to_list(Name)) of
        {ok, {A, B, C, D}} -> iolist_to_binary([Address]) =:= <<A, B, C, D>>;
        {ok, Long} -> iolist_to_binary([Address]) =:= << <<Part:16>> || Part <- tuple_to_list(Long) >>;
        {error, _} -> false
    end;
is_address(_, _) ->
    false.

quote(Text) ->
    lists:flatmap(fun(Byte) -> quote_byte(Byte) end, binary_to_list(Text)).

quote_byte(Byte) when Byte >= $a, Byte =< $z; Byte >= $A, Byte =< $Z; Byte >= $0, Byte =< $9 -> [Byte];
quote_byte(Byte) when Byte =:= $-; Byte =:= $.; Byte =:= $_; Byte =:= $~ -> [Byte];
quote_byte(Byte) -> io_lib:format("%~2.16.0B", [Byte]).
