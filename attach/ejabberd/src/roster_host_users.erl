%%% Each user's requests, one after another: PUT when the first session comes, DELETE when the last has left.
-module(roster_host_users).

-export([login/3, left/2, ended/3, again/2, ask/2, apply/4, resume/1, later/3]).

-include("logger.hrl").
-include("roster_host_node.hrl").

login(User, From, #state{host = Host, users = Users} = State) ->
    Old = maps:get(User, Users, #user{}),
    case Old#user.op =:= none andalso roster_host_table:version(Host, User) =/= none of
        true ->
            gen_server:reply(From, ok),
            put_user(User, Old, State);
        false ->
            Next = put_user(User, Old#user{waiting = [From | Old#user.waiting]}, State),
            if Old#user.op =:= none -> start(put, User, Next); true -> Next end
    end.

left(User, #state{host = Host, users = Users} = State) ->
    case roster_host_sessions:any(Host, User) of
        true -> State;
        false -> gone(User, maps:get(User, Users, #user{}), State)
    end.

gone(User, #user{op = none} = Old, #state{host = Host, up = Up, users = Users} = State) ->
    keep(Host, User),
    roster_host_table:drop(Host, User),
    case Up of
        true -> start(delete, User, put_user(User, Old, State));
        %% Who is here is said again when the host is back.
        false -> finish(User, State#state{users = maps:remove(User, Users)})
    end;
gone(User, Old, State) ->
    put_user(User, Old#user{gone = true}, State).

%% What the copies have not yet seen is gone with the table.
keep(Host, User) ->
    case roster_host_table:items(Host, User) of
        {ok, Version, Items} ->
            case roster_host_copies:version(Host, User) of
                Version -> roster_host_copies:touch(Host, User);
                _ -> roster_host_copies:keep(Host, User, Version, Items)
            end;
        none ->
            ok
    end.

%% The roster is asked for again because what came does not follow what is here.
ask(User, #state{users = Users} = State) ->
    case Users of
        #{User := #user{op = none}} -> start(put, User, State);
        _ -> State
    end.

again(User, #state{users = Users, up = Up} = State) ->
    case Users of
        #{User := Old} when Up -> ask(User, put_user(User, Old#user{again = false}, State));
        #{User := Old} -> put_user(User, Old#user{again = false}, State);
        _ -> State
    end.

%%% Requests

start(Op, User, #state{users = Users, queue = Queue, running = Running, sync = Sync} = State) ->
    Next = State#state{users = maps:update_with(User, fun(Old) -> Old#user{op = Op} end, #user{op = Op}, Users)},
    case map_size(Running) >= ?MAX_RUNNING orelse is_starting(Sync) of
        true -> Next#state{queue = queue:in({Op, User}, Queue)};
        false -> run(Op, User, Next)
    end.

%% A sync replaces the whole set of users: until the host has it, nobody is added or taken away.
is_starting({starting, _}) -> true;
is_starting(_) -> false.

resume(#state{queue = Queue, running = Running, sync = Sync} = State) ->
    case queue:out(Queue) of
        {{value, {Op, User}}, Rest} when map_size(Running) < ?MAX_RUNNING ->
            case is_starting(Sync) of
                true -> State;
                false -> resume(run(Op, User, State#state{queue = Rest}))
            end;
        _ ->
            State
    end.

run(Op, User, #state{running = Running, host = Host, api = #{timeout := Timeout} = Api, up = Up, opts = Opts} = State) ->
    Held = roster_host_table:version(Host, User),
    {Pid, _} = spawn_monitor(fun() -> exit({result, request(Op, Host, User, Held, Api, Timeout, Up, Opts)}) end),
    State#state{running = Running#{Pid => {Op, User, State#state.epoch}}}.

request(delete, _Host, User, _Held, Api, Timeout, _Up, _Opts) ->
    roster_host_api:delete(Api, User, Timeout);
request(put, Host, User, Held, Api, Timeout, Up, #{stale_for := StaleFor}) ->
    Copy = copy(Host, User, StaleFor),
    case {Up, Copy, Held} of
        {false, {_, _}, none} -> {kept, Copy, <<"roster-host is away">>, unknown};
        _ -> put(Api, User, Held, Copy, Timeout)
    end.

put(Api, User, Held, Copy, Timeout) ->
    Known = case {Held, Copy} of
                {none, {Kept, _}} -> Kept;
                _ -> Held
            end,
    case roster_host_api:put(Api, User, Known, Timeout) of
        {same, Seq} when Held =:= Known -> {same, Seq};
        {same, Seq} -> {ok, Copy, Seq};
        {ok, Version, Items, Seq} -> {ok, {Version, Items}, Seq};
        {error, Why, Noted} when Copy =:= none -> {error, Why, Noted};
        {error, Why, Noted} -> {kept, Copy, Why, Noted}
    end.

copy(Host, User, StaleFor) ->
    Oldest = erlang:system_time(millisecond) - StaleFor,
    case roster_host_copies:read(Host, User) of
        {ok, Version, Items, At} when At * 1000 > Oldest -> {Version, Items};
        _ -> none
    end.

ended(Pid, Why, #state{running = Running} = State) ->
    case maps:take(Pid, Running) of
        {{put, User, Epoch}, Left} when Epoch =/= undefined, Epoch =/= State#state.epoch ->
            %% It was answered by a process that is gone.
            resume(start(put, User, State#state{running = Left}));
        {{Op, User, _}, Left} ->
            Result = case Why of
                         {result, Found} -> Found;
                         _ -> {error, <<"the request failed">>, unknown}
                     end,
            resume(result(Op, User, Result, State#state{running = Left}));
        error ->
            State
    end.

result(delete, User, Result, #state{users = Users} = State) ->
    Next = case Result of
               ok -> State;
               %% The host believes somebody to be here who is not: a sync says so.
               _ -> roster_host_sync:later(State)
           end,
    case Users of
        #{User := #user{waiting = []}} -> finish(User, Next#state{users = maps:remove(User, Users)});
        #{User := Old} -> start(put, User, put_user(User, Old#user{op = none, gone = false}, Next))
    end;
result(put, User, Result, #state{host = Host, users = Users} = State) ->
    Old = maps:get(User, Users),
    Here = roster_host_table:version(Host, User) =/= none,
    case Result of
        %% A later answer overtook this one.
        {_, Seq} when Here, Seq < Old#user.contained ->
            ready(User, Old, State);
        {ok, _, Seq} when Here, Seq < Old#user.contained ->
            ready(User, Old, State);
        {same, Seq} ->
            roster_host_copies:touch(Host, User),
            ready(User, Old#user{contained = Seq}, State);
        {ok, {Version, Items}, Seq} ->
            ready(User, Old#user{contained = Seq}, apply(User, Version, {whole, Items}, State));
        {kept, {Version, Items}, Why, Noted} when not Here ->
            ?WARNING_MSG("~ts: ~ts gets the contacts that were last known: ~ts", [Host, User, Why]),
            Next = apply(User, Version, {whole, Items}, State#state{stale = State#state.stale + 1}),
            ready(User, retry(User, Old, Noted, State), Next);
        _ when Here ->
            ?WARNING_MSG("~ts: The contacts of ~ts could not be asked for again, and stay as they are: ~ts", [Host, User, why(Result)]),
            ready(User, retry(User, Old, unknown, State), State);
        {error, Why, _} ->
            ?WARNING_MSG("~ts: A login of ~ts was refused: the contacts cannot be had (~ts), and there is no copy that is recent enough",
                         [Host, User, Why]),
            [gen_server:reply(From, {error, Why}) || From <- Old#user.waiting],
            Next = State#state{refused = State#state.refused + length(Old#user.waiting), users = maps:remove(User, Users)},
            %% The host may have noted the user nevertheless: that ends when the session does.
            finish(User, Next)
    end.

why({kept, _, Why, _}) -> Why;
why({error, Why, _}) -> Why.

%% What came while the roster was asked for is newer than the answer, or known to it.
ready(User, #user{waiting = Waiting, events = Events, gone = Gone} = Old, State) ->
    [gen_server:reply(From, ok) || From <- Waiting],
    Idle = put_user(User, Old#user{op = none, waiting = [], events = [], gone = false}, State),
    Done = case roster_host_sync:follow(User, lists:reverse(Events), Idle) of
               {ok, Next} -> finish(User, Next);
               {ask, Next} -> ask(User, Next)
           end,
    if Gone -> left(User, Done); true -> Done end.

%% A roster that is older than it should be is asked for again; later, if the host has said it will tell.
retry(_User, #user{again = true} = Old, _, _State) ->
    Old;
retry(User, Old, Noted, _State) ->
    Pause = case Noted of noted -> ?NOTED_RETRY; unknown -> ?RETRY end,
    erlang:send_after(Pause div 2 + rand:uniform(Pause), self(), {again, User}),
    Old#user{again = true}.

%% The host could not have this roster now.
later(User, Noted, #state{users = Users} = State) ->
    case Users of
        #{User := Old} -> put_user(User, retry(User, Old, Noted, State), State);
        _ -> State
    end.

%% A batch of changes may wait for this user.
finish(User, #state{batch = {From, Users}, pusher = Pusher} = State) ->
    case maps:remove(User, Users) of
        Left when map_size(Left) =:= 0 ->
            roster_host_push:done(Pusher, fun() -> gen_server:reply(From, pushed) end),
            State#state{batch = none};
        Left ->
            State#state{batch = {From, Left}}
    end;
finish(_User, State) ->
    State.

put_user(User, Record, #state{users = Users} = State) ->
    State#state{users = Users#{User => Record}}.

%% Writes the table, and has the clients told.
apply(User, Version, What, #state{host = Host, pusher = Pusher} = State) ->
    case roster_host_sync:write(Host, User, Version, What) of
        none -> State;
        Work -> roster_host_push:work(Pusher, [Work], fun() -> ok end), State
    end.
