%%% What `mod_roster: {db_type: attach}` loads: it answers from the table that roster_host_node fills, never over the network,
%%% and lets nobody write: the application owns the rosters.
-module(mod_roster_attach).

-behaviour(mod_roster).

-export([init/2, import/3, use_cache/2, read_roster_version/2, write_roster_version/4, get_roster/2, get_roster_item/3,
         read_subscription_and_groups/3, roster_subscribe/4, transaction/2, remove_user/2, update_roster/4, del_roster/3]).
-export([session_opened/1]).

-include("mod_roster.hrl").
-include("logger.hrl").

init(Host, _Opts) ->
    %% Without mod_roster_host nothing fills the table, and every roster would be empty. The guard lets nobody in then.
    ejabberd_hooks:add(c2s_session_opened, Host, ?MODULE, session_opened, 5),
    ok.

%% ejabberd's own cache would be a copy of a table that is in memory already.
use_cache(_Host, _What) ->
    false.

session_opened(#{lserver := Host} = State) ->
    Attached = gen_mod:is_loaded(Host, mod_roster) andalso gen_mod:db_mod(Host, mod_roster) =:= ?MODULE,
    case Attached andalso not gen_mod:is_loaded(Host, mod_roster_host) of
        true ->
            ?ERROR_MSG("Nobody can log in at ~ts: mod_roster has db_type: attach, but mod_roster_host is not loaded. "
                       "Add it to the modules.", [Host]),
            {stop, mod_roster_host:refuse(State)};
        false ->
            State
    end.

read_roster_version(User, Host) ->
    case roster_host_table:version(Host, User) of
        none -> error;
        Version -> {ok, integer_to_binary(Version)}
    end.

%% The version is that of the content, and comes with it.
write_roster_version(_User, _Host, _InTransaction, _Version) ->
    ok.

get_roster(User, Host) ->
    case items(Host, User) of
        {ok, Items} -> {ok, [record(Host, User, Item) || Item <- Items]};
        error -> error
    end.

get_roster_item(User, Host, LJID) ->
    case item(Host, User, LJID) of
        {ok, Item} -> {ok, record(Host, User, Item)};
        error -> error
    end.

read_subscription_and_groups(User, Host, LJID) ->
    case item(Host, User, LJID) of
        {ok, {_, _, Subscription, Ask, Groups}} -> {ok, {Subscription, Ask, Groups}};
        error -> error
    end.

%% Every way to edit a roster (clients, commands, the web admin) goes through a transaction, or ends in one of those below.
transaction(_Host, _Fun) ->
    {aborted, not_allowed}.

roster_subscribe(_User, _Host, _LJID, _Item) ->
    {aborted, not_allowed}.

update_roster(_User, _Host, _LJID, _Item) ->
    {aborted, not_allowed}.

del_roster(_User, _Host, _LJID) ->
    {aborted, not_allowed}.

remove_user(User, Host) ->
    roster_host_copies:forget(Host, User).

import(_Host, _Table, _Fields) ->
    ok.

items(Host, User) ->
    case roster_host_table:items(Host, User) of
        {ok, _Version, Items} -> {ok, Items};
        none -> kept(Host, User)
    end.

item(Host, User, LJID) ->
    case roster_host_table:item(Host, User, LJID) of
        none ->
            {ok, Items} = kept_or_nothing(Host, User),
            found(lists:keyfind(LJID, 1, Items));
        no_such_item ->
            error;
        Item ->
            {ok, Item}
    end.

found(false) -> error;
found(Item) -> {ok, Item}.

kept_or_nothing(Host, User) ->
    case kept(Host, User) of
        error -> {ok, []};
        Found -> Found
    end.

%% A user who is not here: what is kept of the last time. Somebody who is here and whose roster is not is an error that the
%% client sees as one: ejabberd makes an empty roster of `error`.
kept(Host, User) ->
    case roster_host_copies:read(Host, User) of
        {ok, _Version, Items, _At} ->
            {ok, Items};
        none ->
            case roster_host_sessions:any(Host, User) of
                true -> erlang:error({roster_not_here, User, Host});
                false -> error
            end
    end.

record(Host, User, {LJID, Name, Subscription, Ask, Groups}) ->
    #roster{usj = {User, Host, LJID}, us = {User, Host}, jid = LJID, name = Name, subscription = Subscription, ask = Ask,
            groups = Groups}.
