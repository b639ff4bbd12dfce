%% What roster_host_node keeps, and roster_host_users and roster_host_sync change.

-define(GRACE, 1000).         % ms that a login waits longer than the request that it waits for
-define(MAX_RUNNING, 64).     % requests at once
-define(MAX_EVENTS, 100).     % changes kept for a user whose roster is being fetched
-define(MAX_HELD, 1000).      % events kept during a sync
-define(RETRY, 10000).        % ms until a user with a stale roster is asked for again; jittered
-define(NOTED_RETRY, 60000).  % ms, if the host has said it will tell by itself
-define(SYNC_RETRY, 1000).    % ms, doubled up to the next
-define(SYNC_RETRY_MAX, 30000).
-define(SYNC_SILENCE, 60000). % ms without a line

-record(user, {
    op = none :: none | put | delete,
    waiting = [] :: [term()],      % who logs in, until the roster is there
    events = [] :: [term()],       % changes that came meanwhile, newest first
    gone = false :: boolean(),     % the last session left while a request was under way
    again = false :: boolean(),    % a timer runs, after which the roster is asked for again
    contained = 0 :: integer()     % what events up to here say of the user is in the roster already
}).

-record(state, {
    host, opts, api, copies, pusher, stream,
    epoch, up = false, why = none, away_since, stale = 0, refused = 0,
    users = #{} :: #{binary() => #user{}},
    running = #{} :: #{pid() => {put | delete, binary(), term()}},    % with the epoch that it began in
    queue = queue:new(),           % {put | delete, User} for whom there is no process yet
    sync = none :: none | {starting | running, pid()},
    synced = #{} :: #{binary() => pos_integer() | null},  % the users of the sync that no line has come for, with what was here
    sync_again = false, sync_pause = ?SYNC_RETRY,
    held = [] :: [{term(), pos_integer(), list()}],      % events that came during a sync, newest first
    batch = none :: none | {term(), #{binary() => true}} % who waits for users that are asked for again
}).
