%% What roster_host_node keeps, and roster_host_users and roster_host_sync change.

-define(GRACE, 1000).         % ms that a login waits longer than the request that it waits for
-define(MAX_RUNNING, 64).     % requests at once
-define(MAX_EVENTS, 100).     % changes kept for a user whose roster is being fetched
-define(MAX_HELD, 1000).      % events kept during a sync
-define(RETRY, 10000).        % ms until a user with a stale roster is asked for again; jittered
-define(SYNC_RETRY, 1000).    % ms, doubled up to the next
-define(SYNC_RETRY_MAX, 30000).
-define(SYNC_SILENCE, 60000). % ms without a line

-record(user, {
    op = none :: none | put | delete,
    waiting = [] :: [term()],      % who logs in, until the roster is there
    events = [] :: [term()],       % changes that came meanwhile, newest first
    gone = false :: boolean(),     % the last session left while a request was under way
    again = false :: boolean()     % a timer runs, after which the roster is asked for again
}).

-record(state, {
    host, opts, api, copies, pusher, stream,
    up = false, why = none, away_since, stale = 0, refused = 0,
    users = #{} :: #{binary() => #user{}},
    running = #{} :: #{pid() => {put | delete, binary()}},
    queue = queue:new(),           % {put | delete, User} for whom there is no process yet
    sync = none :: none | {starting | running, pid()},
    sync_again = false, sync_pause = ?SYNC_RETRY,
    held = [] :: [{term(), pos_integer(), list()}],      % events that came during a sync, newest first
    batch = none :: none | {term(), #{binary() => true}} % who waits for users that are asked for again
}).
