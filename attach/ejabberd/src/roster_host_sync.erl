%%% Rosters that the host sends by itself: as changes, and as the answer to a sync.
-module(roster_host_sync).

-export([want/1, later/1, told/3, ended/3, changes/3, change/2, write/4, unhold/1]).

-include("logger.hrl").
-include("roster_host_node.hrl").

%%% Sync: the host gets the whole set of users, and answers with the rosters that differ.

want(#state{up = false} = State) ->
    State;
want(#state{sync = none, host = Host, api = Api, users = Users} = State) ->
    Set = [{User, version(Host, User)} || {User, Record} <- maps:to_list(Users), Record#user.op =/= delete orelse Record#user.waiting =/= []],
    Node = self(),
    {Pid, _} = spawn_monitor(fun() -> exit({result, sync(Node, Host, Api, Set)}) end),
    State#state{sync = {starting, Pid}, sync_again = false};
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
told(Pid, {roster, User, Version, Items}, #state{sync = {_, Pid}, users = Users} = State) ->
    case Users of
        #{User := #user{op = Op}} when Op =/= delete -> roster_host_users:apply(User, Version, {whole, Items}, State);
        _ -> State
    end;
told(Pid, {failed, User, Why}, #state{sync = {_, Pid}, host = Host} = State) ->
    ?WARNING_MSG("The roster of ~ts@~ts may be stale: ~ts", [User, Host, Why]),
    State;
told(_Pid, _What, State) ->
    State.

ended(Pid, Why, #state{sync = {_, Pid}, host = Host} = State) ->
    Idle = State#state{sync = none},
    Next = case Why of
               {result, {done, Counts}} ->
                   ?INFO_MSG("~ts and roster-host know of each other: ~p rosters were the same, ~p came, ~p failed",
                             [Host | [maps:get(Name, Counts, 0) || Name <- [<<"same">>, <<"sent">>, <<"failed">>]]]),
                   Idle#state{sync_pause = ?SYNC_RETRY};
               {result, {error, Sentence}} ->
                   ?WARNING_MSG("roster-host could not be told who is at ~ts, and will be told again: ~ts", [Host, Sentence]),
                   later(Idle);
               _ ->
                   ?ERROR_MSG("roster-host could not be told who is at ~ts, and will be told again: ~p", [Host, Why]),
                   later(Idle)
           end,
    Released = release(roster_host_users:resume(Next)),
    case Released of
        #state{sync_again = true} -> want(Released);
        _ -> Released
    end;
ended(_Pid, _Why, State) ->
    State.

%%% Changes. What comes during a sync waits for its end, because a roster of the answer may be older.

changes(Rosters, From, #state{sync = none} = State) ->
    batch(Rosters, From, State);
changes(Rosters, From, State) ->
    State#state{held = {Rosters, From}}.

release(#state{held = {Rosters, From}} = State) ->
    batch(Rosters, From, State#state{held = none});
release(State) ->
    State.

%% Nobody waits any more for what was held.
unhold(State) ->
    State#state{held = none, batch = none}.

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
            roster_host_push:work(Pusher, lists:reverse(Works), fun() -> gen_server:reply(From, ok) end),
            Next;
        _ ->
            roster_host_push:work(Pusher, lists:reverse(Works), fun() -> ok end),
            lists:foldl(fun roster_host_users:ask/2, Next#state{batch = {From, maps:from_keys(Ask, true)}}, Ask)
    end.

%% A change that was kept while the roster was asked for.
change(Roster, #state{pusher = Pusher} = State) ->
    case fit(Roster, State) of
        {work, Work} -> roster_host_push:work(Pusher, [Work], fun() -> ok end), {State, []};
        {ask, User} -> {State, [User]};
        {wait, Later} -> {Later, []};
        none -> {State, []}
    end.

fit({User, From, To, What} = Roster, #state{host = Host, users = Users} = State) ->
    case Users of
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
    Before = roster_version(Host, User, Held),
    Changes = case What of
                  {whole, Items} -> roster_host_table:replace(Host, User, Version, Items);
                  {changes, List} -> roster_host_table:patch(Host, User, Version, List)
              end,
    roster_host_copies:keep(Host, User),
    case Changes of
        [] -> none;
        _ when Held =:= none -> none;
        _ -> {User, Changes, Before, roster_version(Host, User, Version)}
    end.

%% As mod_roster says it to clients that ask.
roster_version(_Host, _User, none) ->
    undefined;
roster_version(Host, User, Version) ->
    case {mod_roster_opt:versioning(Host), mod_roster_opt:store_current_id(Host)} of
        {true, true} -> integer_to_binary(Version);
        {true, false} -> mod_roster:roster_version(Host, User);
        {false, _} -> undefined
    end.
