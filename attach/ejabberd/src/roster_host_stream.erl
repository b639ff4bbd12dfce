%%% Reads the event stream of the host, and tells roster_host_node of each event. It reads on only when an event has been pushed to the
%%% clients and acknowledged, so that what waits, waits at the host.
-module(roster_host_stream).

-export([start_link/3, ack/5]).
-export([init/1]).

-include("logger.hrl").

-define(API, 1).
-define(MAX_EVENT, 67108864).  % bytes
-define(FIRST_PAUSE, 500).     % ms, doubled each time, and jittered
-define(LONGEST_PAUSE, 30000).
-define(REPLACED_PAUSE, 60000).
-define(ANSWER, 10000).

-record(stream, {node, host, api, wire, silence = 40000, lines = roster_host_lines:new(), size = 0, event = #{}, epoch, last, synced = false, pause = ?FIRST_PAUSE}).

start_link(Node, Host, Api) ->
    {ok, proc_lib:spawn_link(?MODULE, init, [#stream{node = Node, host = Host, api = Api}])}.

init(Stream) ->
    connect(Stream).

connect(#stream{api = Api, host = Host} = Stream) ->
    case roster_host_api:about(Api, ?ANSWER) of
        {ok, #{<<"api">> := ?API, <<"domain">> := Host} = About} ->
            open(Stream#stream{silence = silence(About)});
        {ok, #{<<"api">> := ?API, <<"domain">> := Other}} ->
            refused(Stream, io_lib:format("the node of roster-host is for ~ts and not for ~ts: each virtual host needs a node of its own",
                                          [Other, Host]));
        {ok, #{<<"api">> := Version}} ->
            refused(Stream, io_lib:format("roster-host speaks version ~p of the attach API and this module version ~B: install the module that comes with it",
                                          [Version, ?API]));
        {ok, _} ->
            refused(Stream, <<"what answers at url is not the [attach] listener of a roster-host">>);
        {error, <<"401", _/binary>>} ->
            refused(Stream, <<"roster-host refuses the token of this node: compare it with [[attach.node]] token">>);
        {error, <<"404", Rest/binary>>} ->
            refused(Stream, [<<"roster-host has no such node, or does not speak version 1 of the attach API (404">>, Rest, <<")">>]);
        {error, Why} ->
            again(Stream, away, Why)
    end.

silence(#{<<"keepalive_seconds">> := Seconds}) when is_number(Seconds), Seconds < 3600 ->
    max(1000, round(4000 * Seconds));
silence(_) ->
    40000.

open(#stream{api = Api, last = Last} = Stream) ->
    case roster_host_api:open_events(Api, Last) of
        {ok, Wire} -> read(Stream#stream{wire = Wire, lines = roster_host_lines:new(), size = 0, event = #{}});
        {status, Code} -> again(Stream, away, io_lib:format("it answered ~B to a request for the events", [Code]));
        {error, Why} -> again(Stream, away, Why)
    end.

read(#stream{wire = Wire, silence = Silence, lines = Lines} = Stream) ->
    case roster_host_wire:next(Wire, Silence) of
        {ok, Part} ->
            case roster_host_lines:feed(Part, Lines) of
                {ok, Ended, Next} -> read_each(Ended, Stream#stream{lines = Next});
                too_long -> lost(Stream, <<"an event is too long">>)
            end;
        done -> lost(Stream, <<"the stream of events ended">>);
        {error, timeout} -> lost(Stream, io_lib:format("nothing was heard for ~.1f s", [Silence / 1000]));
        {error, _} -> lost(Stream, <<"the stream of events was cut">>)
    end.

read_each([], Stream) ->
    read(Stream);
read_each([Line | Rest], Stream) ->
    case line(string:trim(Line, trailing, "\r"), Stream) of
        {ok, Next} -> read_each(Rest, Next);
        {lost, Next, Why} -> lost(Next, Why)
    end.

line(<<>>, #stream{event = Event} = Stream) when map_size(Event) =:= 0 ->
    {ok, Stream};
line(<<>>, #stream{event = Event} = Stream) ->
    Data = case roster_host_json:decode(iolist_to_binary(lists:join("\n", lists:reverse(maps:get(data, Event, []))))) of
               {ok, Json} -> Json;
               _ -> #{}
           end,
    event(maps:get(event, Event, <<"message">>), Data, Event, Stream#stream{event = #{}, size = 0});
line(<<":", _/binary>>, Stream) ->
    {ok, Stream};
line(Line, #stream{size = Size} = Stream) when Size + byte_size(Line) > ?MAX_EVENT ->
    {lost, Stream, <<"an event is too long">>};
line(Line, #stream{event = Event, size = Size} = Stream) ->
    [Name | Rest] = binary:split(Line, <<":">>),
    Value = case Rest of
                [<<" ", Text/binary>>] -> Text;
                [Text] -> Text;
                [] -> <<>>
            end,
    Next = case Name of
               <<"event">> -> Event#{event => Value};
               <<"id">> -> Event#{id => Value};
               <<"data">> -> Event#{data => [Value | maps:get(data, Event, [])]};
               _ -> Event
           end,
    {ok, Stream#stream{event = Next, size = Size + byte_size(Line)}}.

event(<<"hello">>, #{<<"epoch">> := Epoch} = Data, _, #stream{node = Node, epoch = Before} = Stream) ->
    gen_server:call(Node, {hello, Epoch}, infinity),
    Last = case Before of Epoch -> Stream#stream.last; _ -> undefined end,
    Seq = maps:get(<<"seq">>, Data, 0),
    {ok, Stream#stream{epoch = Epoch, last = start_at(Last, Epoch, Seq), synced = true, pause = ?FIRST_PAUSE}};
event(<<"changes">>, Data, Event, #stream{node = Node, host = Host, api = Api, epoch = Epoch} = Stream) ->
    case read_changes(Data) of
        {ok, Seq, Changes} ->
            case gen_server:call(Node, {changes, Epoch, Seq, Changes}, infinity) of
                pushed -> ack(Node, Host, Api, Epoch, Seq);
                held -> ok
            end;
        error ->
            ?WARNING_MSG("~ts: An event cannot be read: everything is compared", [Host]),
            gen_server:cast(Node, resync)
    end,
    {ok, Stream#stream{last = maps:get(id, Event, Stream#stream.last), synced = false}};
event(<<"resync">>, Data, _, #stream{node = Node, host = Host, synced = Synced} = Stream) ->
    ?WARNING_MSG("~ts: roster-host asks for everything to be compared: ~ts", [Host, maps:get(<<"reason">>, Data, <<"no reason given">>)]),
    %% The sync that hello began is newer than what was missed.
    Synced orelse gen_server:cast(Node, resync),
    {ok, Stream#stream{synced = false}};
event(<<"replaced">>, _, _, #stream{host = Host} = Stream) ->
    ?ERROR_MSG("~ts: Another process is attached to roster-host as this node: give each ejabberd, and each of its virtual hosts, a "
               "[[attach.node]] of its own. Logins get what was last known; the next attempt is in ~B s", [Host, ?REPLACED_PAUSE div 1000]),
    {lost, Stream#stream{pause = ?REPLACED_PAUSE}, <<"another process has taken the place of this one">>};
event(_, _, _, Stream) ->
    {ok, Stream}.

read_changes(#{<<"seq">> := Seq, <<"rosters">> := Rosters}) when is_integer(Seq) ->
    try {ok, Seq, [roster_host_json:read_roster(Seq, Roster) || Roster <- Rosters]}
    catch error:_ -> error
    end;
read_changes(_) ->
    error.

ack(Node, Host, Api, Epoch, Seq) ->
    case roster_host_api:ack(Api, Epoch, Seq, ?ANSWER) of
        ok -> ok;
        other_epoch -> gen_server:cast(Node, resync);
        {error, Why} -> ?WARNING_MSG("~ts: Changes up to ~B could not be confirmed: ~ts", [Host, Seq, Why])
    end.

%% What was there before the first stream comes with the rosters.
start_at(undefined, Epoch, Seq) when is_integer(Seq) -> iolist_to_binary(io_lib:format("~ts-~B", [text(Epoch), Seq]));
start_at(Last, _, _) -> Last.

text(Value) when is_integer(Value) -> integer_to_binary(Value);
text(Value) -> Value.

lost(#stream{wire = Wire} = Stream, Why) ->
    roster_host_wire:close(Wire),
    again(Stream, cut, Why).

%% What only an operator can change is not tried as often.
refused(Stream, Why) ->
    again(Stream#stream{pause = ?LONGEST_PAUSE}, refused, Why).

again(#stream{node = Node, pause = Pause} = Stream, Kind, Why) ->
    gen_server:cast(Node, {away, {Kind, iolist_to_binary(Why)}}),
    timer:sleep(Pause div 2 + rand:uniform(Pause)),
    connect(Stream#stream{pause = min(?LONGEST_PAUSE, max(?FIRST_PAUSE, Pause * 2))}).
