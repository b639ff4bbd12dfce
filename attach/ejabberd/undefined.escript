#!/usr/bin/env escript
%% Prints the calls of functions that do not exist in the ejabberd that is built against.
%% Usage: undefined.escript EBIN OF_EJABBERD
main([Ebin, Ejabberd]) ->
    {ok, _} = xref:start(calls),
    xref:set_default(calls, [{warnings, false}]),
    ok = xref:set_library_path(calls, [Ejabberd | code:get_path()]),
    {ok, _} = xref:add_directory(calls, Ebin),
    {ok, Undefined} = xref:analyze(calls, undefined_function_calls),
    %% Each of these is in some versions of Erlang and of ejabberd, and looked for before it is called.
    Optional = [{json, decode, 1}, {json, encode, 1}, {misc, json_decode, 1}, {misc, json_encode, 1}],
    Faults = [Call || {_, Called} = Call <- Undefined, not lists:member(Called, Optional)],
    [io:format("~p calls ~p, which does not exist~n", [Caller, Called]) || {Caller, Called} <- Faults],
    halt(min(1, length(Faults))).
