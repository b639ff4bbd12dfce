%%% One virtual host's side of the attach API: who is here, what the host is asked for them, and the one writer of the table of
%%% rosters. It never waits: requests run in processes of their own, pushes in roster_host_push, the events are read by
%%% roster_host_stream.
%%%
%%% One request at a time for each user, so that a DELETE never overtakes a PUT. Who logs in while a request for the same user
%%% is under way waits for its answer with the others.
-module(roster_host_node).

-behaviour(gen_server).

-export([login/3, left/2, reload/2, status/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include("logger.hrl").
-include("roster_host_node.hrl").

%% Called by the client's own process when its session is there: ok when its roster is in the table, too.
login(Host, User, Timeout) ->
    try gen_server:call(proc(Host), {login, User}, Timeout + ?GRACE)
    catch
        exit:{timeout, _} -> {error, <<"no answer in time">>};
        exit:_ -> {error, <<"mod_roster_host is restarting">>}
    end.

%% One of the user's sessions is gone.
left(Host, User) ->
    gen_server:cast(proc(Host), {left, User}).

reload(Host, Opts) ->
    gen_server:cast(proc(Host), {reload, Opts}).

status(Host) ->
    try gen_server:call(proc(Host), status, 5000)
    catch exit:_ -> #{connected => false, why => <<"mod_roster_host is not running">>}
    end.

proc(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).

init([Host, Opts]) ->
    process_flag(trap_exit, true),
    {ok, Copies} = roster_host_copies:start_link(Host, Opts),
    {ok, Pusher} = roster_host_push:start_link(Host),
    Here = roster_host_sessions:users(Host),
    [roster_host_table:drop(Host, User) || User <- roster_host_table:users(Host) -- Here],
    [recall(Host, User) || User <- Here, roster_host_table:version(Host, User) =:= none],
    %% Nobody knows any more which of their sessions have asked; ejabberd itself pushes to all.
    [roster_host_sessions:asked(Host, Pid) || User <- Here, {_, Pid} <- roster_host_sessions:of_user(Host, User)],
    State = #state{host = Host, opts = Opts, copies = Copies, pusher = Pusher, users = maps:from_keys(Here, #user{}),
                   api = roster_host_api:start(Host, Opts)},
    {ok, start_stream(State)}.

%% Who is here already, because the module was restarted, has the roster that was kept: what has changed since is pushed.
recall(Host, User) ->
    case roster_host_copies:read(Host, User) of
        {ok, Version, Items, _At} -> roster_host_table:replace(Host, User, Version, Items);
        none -> ok
    end.

start_stream(#state{host = Host, api = Api} = State) ->
    {ok, Stream} = roster_host_stream:start_link(self(), Host, Api),
    State#state{stream = Stream}.

terminate(_Why, #state{host = Host, copies = Copies}) ->
    roster_host_api:stop(Host),
    try gen_server:stop(Copies, shutdown, 10000) catch exit:_ -> ok end.

%%% What is asked

handle_call({login, User}, From, State) ->
    {noreply, roster_host_users:login(User, From, State)};
handle_call({hello, Epoch}, _From, State) ->
    {reply, ok, roster_host_sync:want(connected(begun(Epoch, State)))};
handle_call({changes, Epoch, Seq, Rosters}, From, State) ->
    {noreply, roster_host_sync:changes(Epoch, Seq, Rosters, From, State)};
handle_call({sync, Pid, What}, _From, State) ->
    {reply, ok, roster_host_sync:told(Pid, What, State)};
handle_call(status, _From, #state{users = Users} = State) ->
    {reply, #{connected => State#state.up, why => State#state.why, users => map_size(Users), requests => map_size(State#state.running),
              waiting => queue:len(State#state.queue), syncing => State#state.sync =/= none, stale => State#state.stale,
              refused => State#state.refused}, State}.

handle_cast({left, User}, State) ->
    {noreply, roster_host_users:left(User, State)};
handle_cast({away, Why}, State) ->
    {noreply, away(Why, State)};
handle_cast(resync, State) ->
    {noreply, roster_host_sync:want(State)};
handle_cast({reload, Opts}, #state{host = Host, stream = Stream} = State) ->
    unlink(Stream),
    exit(Stream, kill),
    Api = roster_host_api:start(Host, Opts),
    {noreply, start_stream(roster_host_sync:unhold(State#state{opts = Opts, api = Api, up = false}))};
handle_cast(_, State) ->
    {noreply, State}.

handle_info({'EXIT', Stream, Why}, #state{stream = Stream, host = Host} = State) ->
    ?ERROR_MSG("~ts: What reads the events ended, and is started again: ~p", [Host, Why]),
    erlang:send_after(1000, self(), start_stream),
    {noreply, roster_host_sync:unhold(away({cut, <<"the reader of events ended">>}, State#state{stream = undefined}))};
handle_info(start_stream, #state{stream = undefined} = State) ->
    {noreply, start_stream(State)};
handle_info({'EXIT', Pid, Why}, #state{copies = Copies, pusher = Pusher} = State) when Pid =:= Copies; Pid =:= Pusher ->
    {stop, Why, State};
handle_info({'DOWN', _, process, Pid, Why}, State) ->
    {noreply, roster_host_sync:ended(Pid, Why, roster_host_users:ended(Pid, Why, State))};
handle_info({again, User}, State) ->
    {noreply, roster_host_users:again(User, State)};
handle_info(sync, State) ->
    {noreply, roster_host_sync:want(State)};
handle_info(_, State) ->
    {noreply, State}.

%%% Whether the host is there. One line when that changes, and when the reason does.

connected(#state{host = Host, up = false, why = Why, away_since = Since} = State) ->
    case Since of
        undefined ->
            ?INFO_MSG("~ts: attached to roster-host at ~ts", [Host, maps:get(url, State#state.opts)]);
        _ ->
            ?INFO_MSG("~ts: roster-host is back; it was away for ~B s: ~ts. Meanwhile ~B logins got what was last known, ~B were refused",
                      [Host, now_s() - Since, Why, State#state.stale, State#state.refused])
    end,
    State#state{up = true, why = none, away_since = undefined, stale = 0, refused = 0};
connected(State) ->
    State.

%% Another process of roster-host counts its events anew.
begun(Epoch, #state{epoch = Epoch} = State) ->
    State;
begun(Epoch, #state{epoch = Before, users = Users, host = Host} = State) ->
    Before =:= undefined orelse ?INFO_MSG("~ts: roster-host was restarted", [Host]),
    State#state{epoch = Epoch, users = maps:map(fun(_, User) -> User#user{contained = 0} end, Users)}.

%% A connection that was there and ends is tried again at once: the host is away when that fails.
away({cut, Why}, #state{host = Host, up = true} = State) ->
    ?WARNING_MSG("~ts: The event stream was cut: ~ts", [Host, Why]),
    State#state{up = false, why = Why, away_since = now_s()};
away({_, Why}, #state{why = Why} = State) ->
    State#state{up = false};
away({Kind, Why}, #state{host = Host, away_since = Since} = State) ->
    Text = "~ts: roster-host is away: ~ts. Who is online keeps his contacts, logins get what was last known; it is tried again",
    case Kind of
        refused -> ?ERROR_MSG(Text, [Host, Why]);
        _ -> ?WARNING_MSG(Text, [Host, Why])
    end,
    State#state{up = false, why = Why, away_since = case Since of undefined -> now_s(); _ -> Since end}.

now_s() ->
    erlang:monotonic_time(second).
