%%% Rosters that the host sends by itself: as changes, and as the answer to a sync.
-module(roster_host_sync).

-export([want/1, later/1, told/3, ended/3, changes/5, follow/3, write/4, unhold/1]).

-include("logger.hrl").
-include("roster_host_node.hrl").

%%% Sync: the host gets the whole set of users, and answers with the rosters that differ.

want(#state{up = false} = State) ->
    State;
want(#state{sync = none, host = Host, api = Api, users = Users} = State) ->
    Set = [{User, version(Host, User)} || {User, Record} <- maps:to_list(Users), Record#user.op =/= delete orelse Record#user.waiting =/= []],
    Node = self(),
    {Pid, _} = spawn_monitor(fun() -> exit({result, sync(Node, Host, Api, Set)}) end),
    State#state{sync = {starting, Pid}, synced = maps:from_list(Set), sync_again = false};
want(State) ->
    State#state{sync_again = true}.

later(#state{sync_pause = Pause} = State) ->
    erlang:send_after(Pause div 2 + rand:uniform(Pause), self(), sync),
    State#state{sync_pause = min(?SYNC_RETRY_MAX, Pause * 2)}.

version(Host, User) ->
    case roster_host_table:version(Host, User) of
        none -> null;
        Version -> Version
    end.

sync(Node, _Host, Api, Set) ->
    Self = self(),
    Tell = fun(What) -> gen_server:call(Node, {sync, Self, What}, infinity) end,
    roster_host_api:sync(Api, Set, Tell, ?SYNC_SILENCE).

told(Pid, started, #state{sync = {starting, Pid}} = State) ->
    roster_host_users:resume(State#state{sync = {running, Pid}});
told(Pid, {roster, User, Version, Items, Seq}, #state{sync = {_, Pid}, synced = Synced, users = Users} = State) ->
    Next = State#state{synced = maps:remove(User, Synced)},
    case Users of
        #{User := #user{op = Op, contained = Contained} = Record} when Op =/= delete, Seq >= Contained ->
            Known = Next#state{users = Users#{User := Record#user{contained = Seq}}},
            roster_host_users:apply(User, Version, {whole, Items}, Known);
        _ ->
            Next
    end;
told(Pid, {failed, User, Why}, #state{sync = {_, Pid}, synced = Synced, host = Host} = State) ->
    ?WARNING_MSG("~ts: The contacts of ~ts may be stale: ~ts", [Host, User, Why]),
    roster_host_users:later(User, noted, State#state{synced = maps:remove(User, Synced)});
told(_Pid, _What, State) ->
    State.

ended(Pid, Why, #state{sync = {_, Pid}, host = Host} = State) ->
    Same = case Why of
               {result, {done, #{<<"seq">> := Last}}} when is_integer(Last) -> same(Last, State);
               _ -> State
           end,
    Released = release(Same#state{sync = none, synced = #{}}),
    Idle = Released#state{held = []},
    Next = case Why of
               {result, {done, Counts}} ->
                   ?INFO_MSG("~ts: In step with roster-host: of the users here ~p have the same contacts, ~p others, ~p could not be had",
                             [Host | [maps:get(Name, Counts, 0) || Name <- [<<"same">>, <<"sent">>, <<"failed">>]]]),
                   acknowledge(Counts, State#state.held, Idle#state{sync_pause = ?SYNC_RETRY});
               {result, {error, Sentence}} ->
                   ?WARNING_MSG("~ts: The rosters could not be brought in step: ~ts. It is tried again", [Host, Sentence]),
                   later(Idle);
               _ ->
                   ?ERROR_MSG("~ts: The rosters could not be brought in step: ~p. It is tried again", [Host, Why]),
                   later(Idle)
           end,
    case roster_host_users:resume(Next) of
        #state{sync_again = true} = Again -> want(Again);
        Done -> Done
    end;
ended(_Pid, _Why, State) ->
    State.

%% Who got no line has at the end of the sync what was said to be here; if that is not what is here any more, it is asked for.
same(Seq, #state{host = Host, synced = Synced} = State) ->
    maps:fold(fun(User, Version, #state{users = Users} = Now) ->
                      case {Users, version(Host, User)} of
                          {#{User := #user{op = delete}}, _} -> Now;
                          {#{User := Record}, Version} -> Now#state{users = Users#{User := Record#user{contained = Seq}}};
                          {#{User := _}, _} -> roster_host_users:ask(User, Now);
                          _ -> Now
                      end
              end, State, Synced).

%% What the sync contained, and the events that came meanwhile, is pushed: the host is told.
acknowledge(#{<<"epoch">> := Epoch, <<"seq">> := Seq}, Held, #state{host = Host, pusher = Pusher, api = Api} = State) ->
    Last = lists:max([Seq | [Number || {Of, Number, _} <- Held, Of =:= Epoch]]),
    Node = self(),
    Ack = fun() -> roster_host_stream:ack(Node, Host, Api, Epoch, Last) end,
    roster_host_push:done(Pusher, fun() -> spawn(Ack) end),
    State;
acknowledge(_, _, State) ->
    State.

%%% Changes. What comes during a sync is kept until its end, because the rosters of the answer may be older, or newer.

changes(_Epoch, _Seq, Rosters, From, #state{sync = none} = State) ->
    batch(Rosters, From, State);
changes(Epoch, Seq, Rosters, From, #state{held = Held} = State) ->
    gen_server:reply(From, held),
    case length(Held) < ?MAX_HELD of
        true -> State#state{held = [{Epoch, Seq, Rosters} | Held]};
        %% The next sync will contain them.
        false -> State#state{held = [], sync_again = true}
    end.

release(#state{held = Held} = State) ->
    Rosters = lists:append([Rosters || {_, _, Rosters} <- lists:reverse(Held)]),
    ByUser = lists:foldl(fun({User, _, _, _, _} = Roster, Sorted) ->
                                 maps:update_with(User, fun(More) -> [Roster | More] end, [Roster], Sorted)
                         end, #{}, Rosters),
    maps:fold(fun(User, Newest, Now) ->
                      case follow(User, lists:reverse(Newest), Now) of
                          {ok, Next} -> Next;
                          {ask, Next} -> roster_host_users:ask(User, Next)
                      end
              end, State, ByUser).

%% What was kept for a user while a roster was on its way. All up to the one that led to this roster is in it already.
follow(User, Rosters, #state{host = Host} = State) ->
    Held = roster_host_table:version(Host, User),
    #user{contained = Contained} = maps:get(User, State#state.users, #user{}),
    follow_each(after_last(Held, [Roster || {_, _, _, _, Seq} = Roster <- Rosters, Seq > Contained]), State).

after_last(Held, Rosters) ->
    case lists:splitwith(fun({_, _, To, _, _}) -> To =/= Held end, lists:reverse(Rosters)) of
        {Newer, [_ | _]} -> lists:reverse(Newer);
        {_, []} -> Rosters
    end.

follow_each([], State) ->
    {ok, State};
follow_each([Roster | Rest], #state{pusher = Pusher} = State) ->
    case fit(Roster, State) of
        {work, Work} ->
            roster_host_push:work(Pusher, [Work], fun() -> ok end),
            follow_each(Rest, State);
        {ask, _} -> {ask, State};
        {wait, Later} -> follow_each(Rest, Later);
        none -> follow_each(Rest, State)
    end.

%% Nobody waits any more for what was held.
unhold(State) ->
    State#state{held = [], batch = none}.

%% All users first, then the clients. `From` is answered when the clients have been told, and the users whom it did not fit have been
%% asked for again.
batch(Rosters, From, #state{pusher = Pusher} = State) ->
    {Works, Ask, Next} = lists:foldl(
        fun(Roster, {Works, Ask, Now}) ->
            case fit(Roster, Now) of
                {work, Work} -> {[Work | Works], Ask, Now};
                {ask, User} -> {Works, [User | Ask], Now};
                {wait, Later} -> {Works, Ask, Later};
                none -> {Works, Ask, Now}
            end
        end, {[], [], State}, Rosters),
    case Ask of
        [] ->
            roster_host_push:work(Pusher, lists:reverse(Works), fun() -> gen_server:reply(From, pushed) end),
            Next;
        _ ->
            roster_host_push:work(Pusher, lists:reverse(Works), fun() -> ok end),
            lists:foldl(fun roster_host_users:ask/2, Next#state{batch = {From, maps:from_keys(Ask, true)}}, Ask)
    end.

fit({User, From, To, What, Seq} = Roster, #state{host = Host, users = Users} = State) ->
    case Users of
        #{User := #user{contained = Contained}} when Seq =< Contained -> none;
        #{User := #user{op = put, events = Events} = Record} ->
            Kept = lists:sublist([Roster | Events], ?MAX_EVENTS),
            {wait, State#state{users = Users#{User := Record#user{events = Kept}}}};
        #{User := #user{op = none}} ->
            case roster_host_table:version(Host, User) of
                To -> none;
                Held when From =:= whole -> changed(write(Host, User, To, {whole, What}), Held);
                From -> changed(write(Host, User, To, {changes, What}), From);
                _ -> {ask, User}
            end;
        _ ->
            none
    end.

changed(none, _) -> none;
changed(Work, _) -> {work, Work}.

%% `none`, or what the clients are told. Whoever had no roster yet is told nothing: it will be asked for.
write(Host, User, Version, What) ->
    Held = roster_host_table:version(Host, User),
    Changes = case What of
                  {whole, Items} -> roster_host_table:replace(Host, User, Version, Items);
                  {changes, List} -> roster_host_table:patch(Host, User, Version, List)
              end,
    roster_host_copies:keep(Host, User),
    case Changes of
        [] -> none;
        _ when Held =:= none -> none;
        _ -> {User, Changes, roster_version(Host, User, Version)}
    end.

%% As mod_roster says it to clients that ask.
roster_version(Host, User, Version) ->
    case {mod_roster_opt:versioning(Host), mod_roster_opt:store_current_id(Host)} of
        {true, true} -> integer_to_binary(Version);
        {true, false} -> mod_roster:roster_version(Host, User);
        {false, _} -> undefined
    end.
