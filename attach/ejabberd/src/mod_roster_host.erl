%%% Attaches a virtual host to roster-host, which keeps the rosters of the application. Beside it:
%%% `mod_roster: {db_type: attach}`, which serves them. See docs/attach-ejabberd.md.
-module(mod_roster_host).

-behaviour(gen_mod).

-export([start/2, stop/1, reload/3, depends/2, mod_opt_type/1, mod_options/1, mod_doc/0]).
-export([session_opened/1, session_gone/3, sent/1, received/1, subscription_in/2, copied/2, resumed/1]).
-export([refuse/1]).

-include("xmpp.hrl").
-include("logger.hrl").

-define(IS_SUBSCRIPTION(Type), (Type =:= subscribe orelse Type =:= subscribed orelse Type =:= unsubscribe orelse Type =:= unsubscribed)).

start(Host, Opts) ->
    case prepare(Host, Opts) of
        {ok, Known} ->
            [ejabberd_hooks:add(Hook, Host, ?MODULE, Function, Priority) || {Hook, Function, Priority} <- hooks()],
            {ok, _} = gen_mod:start_child(roster_host_table, Host, #{}),
            gen_mod:start_child(roster_host_node, Host, Known);
        {error, Why} = Error ->
            ?ERROR_MSG("~ts is not attached to roster-host: ~ts", [Host, Why]),
            Error
    end.

stop(Host) ->
    [ejabberd_hooks:delete(Hook, Host, ?MODULE, Function, Priority) || {Hook, Function, Priority} <- hooks()],
    _ = gen_mod:stop_child(roster_host_node, Host),
    _ = gen_mod:stop_child(roster_host_table, Host),
    roster_host_api:forget_token(Host).

reload(Host, Opts, _Old) ->
    case prepare(Host, Opts) of
        {ok, Known} -> roster_host_node:reload(Host, Known);
        {error, Why} -> ?ERROR_MSG("The new options of mod_roster_host are not used at ~ts: ~ts", [Host, Why])
    end.

hooks() ->
    [{c2s_session_opened, session_opened, 10},
     {sm_remove_connection_hook, session_gone, 50},
     {user_send_packet, sent, 10},
     {user_receive_packet, received, 10},
     {roster_in_subscription, subscription_in, 30},
     {c2s_copy_session, copied, 50},
     {c2s_session_resumed, resumed, 50}].

%% The token is kept where no crash report shows it.
prepare(Host, Opts) ->
    case {gen_mod:db_mod(Host, mod_roster), roster_host_api:remember_token(Host, Opts)} of
        {mod_roster_attach, ok} ->
            warn(Host, Opts),
            {ok, maps:without([token], Opts)};
        {mod_roster_attach, Error} ->
            Error;
        _ ->
            {error, <<"give mod_roster the option db_type: attach">>}
    end.

warn(Host, #{url := Url}) ->
    case ejabberd_cluster:get_nodes() of
        [_, _ | _] -> ?ERROR_MSG("~ts is served by several Erlang nodes. mod_roster_host supports one.", [Host]);
        _ -> ok
    end,
    case roster_host_api:is_exposed(Url) of
        true -> ?WARNING_MSG("The token of ~ts goes over the network in clear: let url begin with https://", [Host]);
        false -> ok
    end.

%%% Hooks

%% In the client's own process, when the session is registered and before the client knows: either its roster is here now, or the
%% session ends.
session_opened(#{user := _, jid := #jid{luser = User, lserver = Host}} = State) ->
    Timeout = gen_mod:get_module_opt(Host, ?MODULE, fetch_timeout),
    case roster_host_node:login(Host, User, Timeout) of
        ok -> State;
        {error, _} -> {stop, refuse(State)}
    end.

refuse(#{lang := Lang} = State) ->
    ejabberd_c2s:send(State, xmpp:serr_resource_constraint(<<"Your contacts cannot be loaded now. Try again later.">>, Lang)).

session_gone({_, Pid}, #jid{luser = User, lserver = Host}, _Info) ->
    roster_host_sessions:gone(Host, Pid),
    roster_host_node:left(Host, User).

%% What a client may not send: the application owns the rosters.
sent({#presence{type = Type}, State}) when ?IS_SUBSCRIPTION(Type) ->
    {stop, {drop, State}};
sent({#iq{type = set} = IQ, #{lang := Lang} = State} = Sent) ->
    case xmpp:has_subtag(IQ, #roster_query{}) of
        true ->
            Text = <<"The contacts are kept by the application and cannot be changed here.">>,
            ejabberd_router:route_error(IQ, xmpp:err_not_allowed(Text, Lang)),
            {stop, {drop, State}};
        false ->
            Sent
    end;
%% Who asks for the roster is pushed to from now on.
sent({#iq{type = get} = IQ, #{lserver := Host} = State} = Sent) when not is_map_key(roster_asked, State) ->
    case xmpp:has_subtag(IQ, #roster_query{}) of
        true ->
            roster_host_sessions:asked(Host, self()),
            {IQ, State#{roster_asked => true}};
        false ->
            Sent
    end;
sent(Sent) ->
    Sent.

%% A session that is resumed goes on in another process (XEP-0198).
copied(State, #{roster_asked := true}) ->
    State#{roster_asked => true};
copied(State, _Old) ->
    State.

resumed(#{roster_asked := true, lserver := Host} = State) ->
    roster_host_sessions:asked(Host, self()),
    State;
resumed(State) ->
    State.

%% Whatever way it came.
received({#presence{type = Type}, State}) when ?IS_SUBSCRIPTION(Type) ->
    {stop, {drop, State}};
received(Received) ->
    Received.

subscription_in(_Known, _Presence) ->
    {stop, false}.

%%% Options

depends(_Host, _Opts) ->
    [{mod_roster, hard}].

mod_opt_type(url) -> econf:url([http, https]);
mod_opt_type(node) -> econf:non_empty(econf:binary());
mod_opt_type(token) -> econf:non_empty(econf:binary());
mod_opt_type(token_file) -> econf:file();
mod_opt_type(cacertfile) -> econf:file();
mod_opt_type(fetch_timeout) -> econf:timeout(second);
mod_opt_type(stale_for) -> econf:timeout(second);
mod_opt_type(max_kept) -> econf:pos_int().

mod_options(_Host) ->
    [url,
     node,
     {token, undefined},
     {token_file, undefined},
     {cacertfile, undefined},
     {fetch_timeout, timer:seconds(10)},
     {stale_for, timer:hours(7 * 24)},
     {max_kept, 10000}].

mod_doc() ->
    #{desc => <<"Attaches a virtual host to roster-host, whose rosters mod_roster serves with db_type: attach.">>,
      opts => [{url, #{value => <<"URL">>, desc => <<"Where [attach] of roster-host listens.">>}},
               {node, #{value => <<"Name">>, desc => <<"The name of the [[attach.node]].">>}},
               {token, #{value => <<"Token">>, desc => <<"The token of the node; or token_file.">>}},
               {token_file, #{value => <<"Path">>, desc => <<"A file with the token.">>}},
               {cacertfile, #{value => <<"Path">>, desc => <<"Which authorities are trusted, if not those of the system.">>}},
               {fetch_timeout, #{value => <<"timeout()">>, desc => <<"How long a login waits for the roster. Default 10 seconds.">>}},
               {stale_for, #{value => <<"timeout()">>, desc => <<"How old the last good copy of a roster may be to be served while "
                                                                  "roster-host is away. Default 7 days.">>}},
               {max_kept, #{value => <<"Number">>, desc => <<"How many rosters are kept on disk. Default 10000.">>}}]}.
