%%% The last good copy of each roster, on disk: who logs in while the host is away gets that. Bounded: the copies not used for the
%%% longest time go first. One process for each virtual host, linked to roster_host_node.
%%%
%%% An index in memory, {User, Version, At}, says what there is without reading the file.
-module(roster_host_copies).

-behaviour(gen_server).

-export([start_link/2, read/2, version/2, keep/2, keep/4, touch/2, forget/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include("logger.hrl").

-define(FORMAT, 1).           % of what is written: what another version wrote is not read
-define(HOUR, 3600).
-define(MAX_FILE, 1073741824). % bytes: dets itself ends at twice that
-define(SYNC_AFTER, 2000).    % ms

-record(state, {host, file, index, max_kept, full = false}).

start_link(Host, Opts) ->
    gen_server:start_link({local, name(Host)}, ?MODULE, [Host, maps:with([max_kept], Opts)], []).

%% {ok, Version, Items, At} with the time it was last known to be right.
read(Host, User) ->
    case lookup(Host, User) of
        none ->
            none;
        {_, Version, At} ->
            try dets:lookup(name(Host), User) of
                [{_, ?FORMAT, Version, _, Packed}] -> {ok, Version, binary_to_term(Packed), At};
                _ -> none
            catch _:_ -> none
            end
    end.

version(Host, User) ->
    case lookup(Host, User) of
        none -> none;
        {_, Version, _} -> Version
    end.

%% As the table has it when this is done: many changes soon after each other are written once.
keep(Host, User) ->
    gen_server:cast(name(Host), {keep, User}).

keep(Host, User, Version, Items) ->
    gen_server:cast(name(Host), {keep, User, Version, Items}).

%% The copy is right now, too.
touch(Host, User) ->
    gen_server:cast(name(Host), {touch, User}).

forget(Host, User) ->
    gen_server:cast(name(Host), {forget, User}).

init([Host, #{max_kept := MaxKept}]) ->
    process_flag(trap_exit, true),
    Name = name(Host),
    File = filename:join(mnesia:system_info(directory), "roster_host_" ++ binary_to_list(Host) ++ ".dets"),
    Index = ets:new(Name, [named_table, protected, {read_concurrency, true}]),
    ok = open(Name, File),
    Read = fun({User, ?FORMAT, Version, At, _}) -> ets:insert(Index, {User, Version, At}), continue;
              (_) -> continue
           end,
    _ = dets:traverse(Name, Read),
    {ok, #state{host = Host, file = File, index = Index, max_kept = MaxKept}}.

%% A file that cannot be used costs the copies, not the server.
open(Name, File) ->
    Options = [{file, File}, {auto_save, ?SYNC_AFTER}, {keypos, 1}],
    case dets:open_file(Name, Options) of
        {ok, _} ->
            ok;
        {error, Why} ->
            ?ERROR_MSG("The kept rosters in ~ts cannot be read, and are begun anew: ~p", [File, Why]),
            ok = file:delete(File),
            {ok, _} = dets:open_file(Name, Options),
            ok
    end.

handle_call(_, _From, State) ->
    {reply, ok, State}.

handle_cast({keep, User}, #state{host = Host, index = Index} = State) ->
    case roster_host_table:version(Host, User) of
        none ->
            {noreply, State};
        Version ->
            case ets:lookup(Index, User) of
                [{_, Version, _}] -> {noreply, State};
                _ -> {noreply, write(roster_host_table:items(Host, User), User, State)}
            end
    end;
handle_cast({keep, User, Version, Items}, State) ->
    {noreply, write({ok, Version, Items}, User, State)};
handle_cast({touch, User}, #state{index = Index} = State) ->
    Old = erlang:system_time(second) - ?HOUR,
    case ets:lookup(Index, User) of
        [{_, Version, At}] when At < Old ->
            case dets:lookup(Index, User) of
                [{_, ?FORMAT, Version, _, Packed}] -> {noreply, insert(User, Version, Packed, State)};
                _ -> {noreply, State}
            end;
        _ ->
            {noreply, State}
    end;
handle_cast({forget, User}, #state{index = Index} = State) ->
    delete(Index, User),
    {noreply, State};
handle_cast(_, State) ->
    {noreply, State}.

handle_info({'EXIT', _, Why}, State) ->
    {stop, Why, State};
handle_info(_, State) ->
    {noreply, State}.

terminate(_Why, #state{index = Index}) ->
    dets:close(Index).

write({ok, Version, Items}, User, #state{index = Index, max_kept = MaxKept} = State) ->
    ets:member(Index, User) orelse make_room(Index, MaxKept),
    insert(User, Version, term_to_binary(Items, [compressed]), State);
write(none, _User, State) ->
    State.

insert(User, Version, Packed, #state{index = Index, file = File, full = Full} = State) ->
    Now = erlang:system_time(second),
    case dets:info(Index, file_size) of
        Size when is_integer(Size), Size > ?MAX_FILE ->
            Full orelse ?WARNING_MSG("The kept rosters in ~ts take ~B bytes; no more are kept", [File, Size]),
            delete(Index, User),
            State#state{full = true};
        _ ->
            ok = dets:insert(Index, {User, ?FORMAT, Version, Now, Packed}),
            ets:insert(Index, {User, Version, Now}),
            State
    end.

%% A tenth goes at once, so that it is seldom looked for.
make_room(Index, MaxKept) ->
    case ets:info(Index, size) >= MaxKept of
        true ->
            Oldest = lists:sublist(lists:keysort(3, ets:tab2list(Index)), max(1, MaxKept div 10)),
            [delete(Index, User) || {User, _, _} <- Oldest],
            ok;
        false ->
            ok
    end.

delete(Index, User) ->
    ets:delete(Index, User),
    dets:delete(Index, User).

lookup(Host, User) ->
    try ets:lookup(name(Host), User) of
        [Row] -> Row;
        [] -> none
    catch
        error:badarg -> none
    end.

name(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).
