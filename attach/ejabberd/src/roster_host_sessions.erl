%%% The sessions of this Erlang node, and which of them have asked for the roster: only those are pushed to (RFC 6121 section 2.1.6).
-module(roster_host_sessions).

-export([any/2, of_user/2, users/1, asked/2, has_asked/2, gone/2]).

any(Host, User) ->
    lists:any(fun is_here/1, ejabberd_sm:get_session_sids(User, Host)).

%% [{Resource, Pid}]
of_user(Host, User) ->
    [{Resource, Pid} || Resource <- ejabberd_sm:get_user_resources(User, Host),
                        Pid <- [ejabberd_sm:get_session_pid(User, Host, Resource)],
                        is_pid(Pid), node(Pid) =:= node()].

users(Host) ->
    Users = lists:usort([User || {User, _, _} <- ejabberd_sm:get_vh_session_list(Host)]),
    [User || User <- Users, any(Host, User)].

is_here({_, Pid}) ->
    node(Pid) =:= node().

%% The process of a session is its key.
asked(Host, Pid) ->
    try ets:insert(roster_host_table:asked(Host), {Pid})
    catch error:badarg -> false
    end.

has_asked(Host, Pid) ->
    try ets:member(roster_host_table:asked(Host), Pid)
    catch error:badarg -> false
    end.

gone(Host, Pid) ->
    try ets:delete(roster_host_table:asked(Host), Pid)
    catch error:badarg -> false
    end.
