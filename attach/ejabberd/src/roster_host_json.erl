%%% The JSON of the attach API, and what it says of rosters.
-module(roster_host_json).

-export([decode/1, encode/1, read_put/1, read_roster/2, header_seq/1]).

-define(IS_VERSION(Version), is_integer(Version), Version > 0, Version < 9007199254740993).

decode(Body) ->
    try {ok, decode(library(), Body)}
    catch _:_ -> {error, <<"the answer is not JSON">>}
    end.

decode(json, Body) -> json:decode(Body);
decode(jiffy, Body) -> jiffy:decode(Body, [return_maps]);
decode(misc, Body) -> misc:json_decode(Body).

encode(Term) ->
    iolist_to_binary(encode(library(), Term)).

encode(json, Term) -> json:encode(Term);
encode(jiffy, Term) -> jiffy:encode(Term);
encode(misc, Term) -> misc:json_encode(Term).

%% What there is depends on the version of Erlang and of ejabberd.
library() ->
    case persistent_term:get(?MODULE, undefined) of
        undefined ->
            [Library | _] = [Module || Module <- [json, jiffy, misc], code:ensure_loaded(Module) =:= {module, Module}],
            persistent_term:put(?MODULE, Library),
            Library;
        Library ->
            Library
    end.

read_put(#{<<"version">> := Version, <<"contacts">> := Contacts} = Json) when ?IS_VERSION(Version), is_list(Contacts) ->
    Seq = case Json of
              #{<<"seq">> := Number} when is_integer(Number) -> Number;
              _ -> 0
          end,
    {ok, Version, read_contacts(Contacts), Seq};
read_put(_) ->
    {error, <<"the answer is no roster">>, unknown}.

header_seq(Text) ->
    try list_to_integer(Text)
    catch error:badarg -> 0
    end.

%% One roster of an event: {User, From | whole, To, Items | Changes, Seq}. An error if it is none.
read_roster(Seq, #{<<"user">> := User, <<"to">> := To, <<"contacts">> := Contacts}) when is_binary(User), ?IS_VERSION(To) ->
    {User, whole, To, read_contacts(Contacts), Seq};
read_roster(Seq, #{<<"user">> := User, <<"from">> := From, <<"to">> := To, <<"changes">> := Changes})
  when is_binary(User), is_integer(From), ?IS_VERSION(To) ->
    {User, From, To, lists:flatmap(fun read_change/1, Changes), Seq}.

read_change(#{<<"put">> := Contact}) ->
    [{put, Item} || Item <- read_contacts([Contact])];
read_change(#{<<"remove">> := JID}) ->
    [{remove, LJID} || LJID <- read_jid(JID)].

read_contacts(Contacts) ->
    lists:flatmap(fun read_contact/1, Contacts).

read_contact(#{<<"jid">> := JID} = Contact) ->
    Name = case Contact of #{<<"name">> := Text} when is_binary(Text) -> Text; _ -> <<>> end,
    Subscription = case Contact of
                       #{<<"subscription">> := <<"both">>} -> both;
                       #{<<"subscription">> := <<"to">>} -> to;
                       #{<<"subscription">> := <<"from">>} -> from;
                       _ -> none
                   end,
    Ask = case Contact of #{<<"ask">> := true} -> out; _ -> none end,
    Groups = case Contact of #{<<"groups">> := List} when is_list(List) -> lists:filter(fun is_binary/1, List); _ -> [] end,
    [{LJID, Name, Subscription, Ask, Groups} || LJID <- read_jid(JID)].

%% The host sends no JID that is none; ejabberd may know an older Unicode.
read_jid(Text) ->
    try jid:decode(Text) of
        JID -> [jid:tolower(jid:remove_resource(JID))]
    catch
        _:_ -> []
    end.
