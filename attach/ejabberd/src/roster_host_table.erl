%%% The rosters of the users who are here, one table for each virtual host. Everybody reads it, one process writes it
%%% (roster_host_node).
%%%
%%% An item is {LJID, Name, Subscription, Ask, Groups}, as mod_roster has these. A change is {Old, New}, either an item or `none`.
-module(roster_host_table).

-behaviour(gen_server).

-export([version/2, items/2, item/3, replace/4, patch/4, drop/2, users/1, asked/1]).
-export([init/1, handle_call/3, handle_cast/2]).

-type item() :: {jid:ljid(), binary(), mod_roster:subscription(), none | out, [binary()]}.
-type change() :: {item() | none, item() | none}.
-export_type([item/0, change/0]).

%% The process that owns the table does nothing else: so a crash of the one that fills it empties no roster.
init([Host, _Opts]) ->
    _ = ets:new(table(Host), [named_table, public, ordered_set, {read_concurrency, true}]),
    _ = ets:new(asked(Host), [named_table, public, set, {write_concurrency, true}]),
    {ok, Host}.

handle_call(_, _From, Host) ->
    {reply, ok, Host}.

handle_cast(_, Host) ->
    {noreply, Host}.

%% Integers sort before tuples: the head of a roster is before its items.
-define(HEAD(User), {User, 0}).

version(Host, User) ->
    try ets:lookup_element(table(Host), ?HEAD(User), 2)
    catch error:badarg -> none
    end.

items(Host, User) ->
    case version(Host, User) of
        none -> none;
        Version -> {ok, Version, select(table(Host), User)}
    end.

item(Host, User, LJID) ->
    try ets:lookup(table(Host), {User, LJID}) of
        [Row] ->
            item(Row);
        [] ->
            case version(Host, User) of
                none -> none;
                _ -> no_such_item
            end
    catch
        error:badarg -> none
    end.

%% A whole roster: says what it changes.
-spec replace(binary(), binary(), pos_integer(), [item()]) -> [change()].
replace(Host, User, Version, Items) ->
    Table = table(Host),
    Old = maps:from_list([{element(1, Item), Item} || Item <- select(Table, User)]),
    New = maps:from_list([{element(1, Item), Item} || Item <- Items]),
    Gone = [{Item, none} || {LJID, Item} <- maps:to_list(Old), not maps:is_key(LJID, New)],
    Come = [{maps:get(LJID, Old, none), Item} || {LJID, Item} <- maps:to_list(New), maps:get(LJID, Old, none) =/= Item],
    write(Table, User, Version, Gone ++ Come).

%% Single changes, [{put, Item} | {remove, LJID}], in this order.
-spec patch(binary(), binary(), pos_integer(), [{put, item()} | {remove, jid:ljid()}]) -> [change()].
patch(Host, User, Version, Changes) ->
    Table = table(Host),
    Done = lists:flatmap(fun(Change) -> write_change(Table, User, with_old(Table, User, Change)) end, Changes),
    write(Table, User, Version, []),
    Done.

drop(Host, User) ->
    Table = table(Host),
    ets:delete(Table, ?HEAD(User)),
    ets:select_delete(Table, [{{{User, '_'}, '_', '_', '_', '_'}, [], [true]}]),
    ok.

users(Host) ->
    [User || [User] <- ets:match(table(Host), {{'$1', 0}, '_'})].

with_old(Table, User, {put, Item}) ->
    {old(Table, User, element(1, Item)), Item};
with_old(Table, User, {remove, LJID}) ->
    {old(Table, User, LJID), none}.

old(Table, User, LJID) ->
    case ets:lookup(Table, {User, LJID}) of
        [Row] -> item(Row);
        [] -> none
    end.

write(Table, User, Version, Changes) ->
    ets:insert(Table, {?HEAD(User), Version}),
    lists:flatmap(fun(Change) -> write_change(Table, User, Change) end, Changes).

write_change(_Table, _User, {Same, Same}) ->
    [];
write_change(Table, User, {{LJID, _, _, _, _}, none} = Change) ->
    ets:delete(Table, {User, LJID}),
    [Change];
write_change(Table, User, {_, {LJID, Name, Subscription, Ask, Groups}} = Change) ->
    ets:insert(Table, {{User, LJID}, Name, Subscription, Ask, Groups}),
    [Change].

select(Table, User) ->
    ets:select(Table, [{{{User, '$1'}, '$2', '$3', '$4', '$5'}, [], [{{'$1', '$2', '$3', '$4', '$5'}}]}]).

item({{_User, LJID}, Name, Subscription, Ask, Groups}) ->
    {LJID, Name, Subscription, Ask, Groups}.

%% Which sessions have asked for their roster: see roster_host_sessions.
asked(Host) ->
    gen_mod:get_module_proc(Host, roster_host_asked).

table(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).
