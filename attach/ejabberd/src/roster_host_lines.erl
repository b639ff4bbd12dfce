%%% Lines out of the parts in which they come.
-module(roster_host_lines).

-export([new/0, feed/2, rest/1]).

-define(MAX_LINE, 67108864). % bytes; the longest one carries a whole roster, which the host bounds more tightly

new() ->
    {[], 0}.

%% {ok, Lines, State}: those that have ended. A part without an end is only noted, however many there are.
feed(Part, {Parts, Size}) ->
    case binary:match(Part, <<"\n">>) of
        nomatch when Size + byte_size(Part) > ?MAX_LINE ->
            too_long;
        nomatch ->
            {ok, [], {[Part | Parts], Size + byte_size(Part)}};
        _ ->
            All = binary:split(iolist_to_binary(lists:reverse(Parts, [Part])), <<"\n">>, [global]),
            {Lines, [Rest]} = lists:split(length(All) - 1, All),
            {ok, Lines, {[Rest], byte_size(Rest)}}
    end.

rest({Parts, _}) ->
    iolist_to_binary(lists:reverse(Parts)).
