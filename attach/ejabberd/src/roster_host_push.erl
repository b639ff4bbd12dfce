%%% Tells the clients. One process for each virtual host does it, in the order the table was written, so that no change
%%% overtakes another.
%%%
%%% mod_roster:push_item/3 is not used: it gives each push the version of the whole roster. A client that is cut off between two
%%% pushes of one batch would come back with a version whose contacts it has not all seen, and be told that nothing changed.
%%% Here all but the last push of a user carry one that no roster has: not the one from before either, because the application may go
%%% back to that.
-module(roster_host_push).

-export([start_link/1, work/3, done/2]).
-export([init/1]).

-include("xmpp.hrl").
-include("mod_roster.hrl").
-include("logger.hrl").

-define(TIMEOUT, 700). % ms until a session that takes nothing holds nobody up any more
-define(HELPERS, 8).
-define(PARTIAL, <<"partial">>).

start_link(Host) ->
    {ok, proc_lib:spawn_link(?MODULE, init, [Host])}.

%% Works are {User, Changes, Version}; `Done` is called when all sessions have them.
work(Pusher, Works, Done) ->
    Pusher ! {work, Works, Done},
    ok.

%% Calls `Done` when everything before it is done.
done(Pusher, Done) ->
    work(Pusher, [], Done).

init(Host) ->
    loop(Host).

loop(Host) ->
    receive
        {work, Works, Done} ->
            try push(Host, Works)
            catch Class:Why:Stack -> ?ERROR_MSG("A change of rosters could not be pushed to all: ~p", [{Class, Why, Stack}])
            end,
            Done(),
            loop(Host)
    end.

push(_Host, []) ->
    ok;
push(Host, Works) ->
    Told = [{User, Changes, roster_host_sessions:of_user(Host, User)} || {User, Changes, _} <- Works],
    lists:foreach(fun({{User, Changes, Version}, {User, _, Sessions}}) -> push_user(Host, User, Changes, Version, Sessions) end, lists:zip(Works, Told)),
    Shown = lists:append([[{User, LJID} || {Old, New} <- Changes, not shows(Old), shows(New), {LJID, _, _, _, _} <- [New]]
                          || {User, Changes, _} <- Told]),
    lists:foreach(fun({User, Changes, Sessions}) -> tell(Host, User, Changes, Sessions, maps:from_keys(Shown, true)) end, Told),
    wait(lists:usort([Pid || {_, _, Sessions} <- Told, {_, Pid} <- Sessions])).

push_user(Host, User, Changes, Version, Sessions) ->
    Last = length(Changes),
    Bare = jid:make(User, Host),
    [begin
         Shown = if Number =:= Last; Version =:= undefined -> Version; true -> ?PARTIAL end,
         Query = #roster_query{ver = Shown, items = [item(User, Host, Change)]},
         [ejabberd_router:route(#iq{type = set, id = <<"push", (p1_rand:get_string())/binary>>, from = Bare,
                                    to = jid:replace_resource(Bare, Resource), sub_els = [Query]})
          || {Resource, Pid} <- Sessions, roster_host_sessions:has_asked(Host, Pid)]
     end || {Number, Change} <- lists:zip(lists:seq(1, Last), Changes)],
    ok.

item(_User, _Host, {{LJID, _, _, _, _}, none}) ->
    #roster_item{jid = jid:make(LJID), subscription = remove};
item(User, Host, {_, {LJID, Name, Subscription, Ask, Groups}}) ->
    mod_roster:encode_item(#roster{us = {User, Host}, jid = LJID, name = Name, subscription = Subscription, ask = Ask, groups = Groups}).

%% Whose presence it is decides by the own roster. The sessions that are available say they are here, or gone; a contact whose
%% presence is asked for now is probed, unless it tells by itself because its own roster changes at the same time.
tell(Host, User, Changes, Sessions, Shown) ->
    Bare = jid:make(User, Host),
    Here = [Resource || {_, Resource} <- [available(Session) || Session <- ejabberd_sm:get_user_present_resources(User, Host)]],
    Available = [{jid:replace_resource(Bare, Resource), Pid} || {Resource, Pid} <- Sessions, lists:member(Resource, Here)],
    [tell_contact(Bare, Change, Available, Shown) || Change <- Changes],
    ok.

available({_Priority, Resource}) -> {here, Resource};
available(Other) -> {other, Other}.

tell_contact(_Bare, _Change, [], _Shown) ->
    ok;
tell_contact(Bare, {Old, New}, Available, Shown) ->
    {LJID, _, _, _, _} = if New =:= none -> Old; true -> New end,
    Contact = jid:make(LJID),
    case {shows(Old), shows(New)} of
        {false, true} -> [ejabberd_c2s:resend_presence(Pid, Contact) || {_, Pid} <- Available];
        {true, false} -> [ejabberd_router:route(#presence{type = unavailable, from = JID, to = Contact}) || {JID, _} <- Available];
        _ -> ok
    end,
    {User, _, _} = LJID,
    Tells = maps:is_key({User, jid:tolower(Bare)}, Shown) andalso Contact#jid.lserver =:= Bare#jid.lserver,
    case not sees(Old) andalso sees(New) andalso not Tells of
        true -> [ejabberd_router:route(#presence{type = probe, from = JID, to = Contact}) || {JID, _} <- Available];
        false -> ok
    end.

shows({_, _, Subscription, _, _}) -> Subscription =:= both orelse Subscription =:= from;
shows(none) -> false.

sees({_, _, Subscription, _, _}) -> Subscription =:= both orelse Subscription =:= to;
sees(none) -> false.

%% A session answers when it has written what came before. One whose client reads nothing is not waited for: it has the pushes
%% in its queue.
wait(Pids) ->
    End = erlang:monotonic_time(millisecond) + ?TIMEOUT,
    Helpers = [spawn_monitor(fun() -> [ask(Pid, End) || Pid <- Part] end) || Part <- deal(Pids, ?HELPERS), Part =/= []],
    [receive {'DOWN', Ref, process, _, _} -> ok end || {_, Ref} <- Helpers],
    ok.

ask(Pid, End) ->
    case End - erlang:monotonic_time(millisecond) of
        Left when Left > 0 -> catch ejabberd_c2s:call(Pid, get_presence, Left);
        _ -> late
    end.

deal(List, Hands) ->
    Size = length(List) div Hands + 1,
    deal_hands(List, Size).

deal_hands(List, Size) when length(List) =< Size ->
    [List];
deal_hands(List, Size) ->
    {Hand, Rest} = lists:split(Size, List),
    [Hand | deal_hands(Rest, Size)].
