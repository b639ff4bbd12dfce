-- mod_roster_host: the contacts of this host's users are what an application says, by way of roster-host.
--
-- This virtual host is a node of a roster-host (docs/attach.md is the contract). A user's roster is fetched when the first
-- resource binds, changes come as events, and a change is confirmed when it has been pushed. Clients cannot edit rosters.
-- What the host said last is kept in Prosody's storage and serves logins while the host is away.
--
-- Prosody 0.12 and 13, with Lua 5.3 or newer. Configuration: docs/attach-prosody.md.
--
-- In this order: configuration, requests, copies, changes, users, events, the link to the host, what Prosody's hooks do.

local async = require "util.async";
local http = require "net.http";
local jid = require "util.jid";
local json = require "util.json";
local rostermanager = require "core.rostermanager";
local st = require "util.stanza";
local time = require "util.time";
local urlencode = require "util.http".urlencode;

local monotonic = time.monotonic or time.now;
local post = prosody.core_post_stanza;
local host = prosody.hosts[module.host];

-- Configuration

local API = 1;
local LOGIN_TIMEOUT = module:get_option_number("roster_host_login_timeout", 10);
local STALE_IF_ERROR = module:get_option_number("roster_host_stale_if_error", 24 * 3600);

local REQUEST_TIMEOUT = 40; -- seconds: longer than the host itself waits for an application
local BACKOFF_MIN, BACKOFF_MAX = 0.5, 30;
local REPLACED_PAUSE = 60; -- another process has this node's name: do not take it back at once
local BIND_GRACE = 10; -- a bind that has its roster may still fail, and nothing says so
local SWEEP, TICK = 5, 0.25;
local OWED = 60; -- the host comes back to a roster that could not be had; if not, it is asked again
local MAX_LINE = 32 * 1024 * 1024; -- bytes of one event or one roster
local MAX_KEPT = 256; -- events of one user that wait for an answer
local MAX_UNCONFIRMED = 4096; -- events that wait to be confirmed
local SAVES = 20; -- copies written at once
local WRITE_TIMEOUT = 0.05; -- how long a push may stay in its session's buffer before the change counts as pushed

local base, headers, misconfigured;
do
	local url = (module:get_option_string("roster_host_url") or ""):gsub("/+$", "");
	local node = module:get_option_string("roster_host_node") or "";
	local token = module:get_option_string("roster_host_token");
	local file = module:get_option_path("roster_host_token_file", nil, "config");
	if not token and file then
		local opened, problem = io.open(file);
		token = opened and opened:read("*a");
		if opened then opened:close(); end
		if not token then misconfigured = "roster_host_token_file cannot be read: "..problem; end
	end
	token = (token or ""):match("^%s*(.-)%s*$");
	if not url:match("^https?://[^/]+") then
		misconfigured = misconfigured or "roster_host_url must be the address of roster-host's [attach] listener, such as \"http://127.0.0.1:5284\"";
	elseif node == "" then
		misconfigured = misconfigured or "roster_host_node must be the name of one [[attach.node]] of roster-host";
	elseif not token:find("^[!-~]+$") then
		misconfigured = misconfigured or "roster_host_token (or roster_host_token_file) must be the token of this node: visible ASCII, no spaces";
	elseif not math.type then
		misconfigured = "it needs Prosody to run with Lua 5.3 or newer, and this is ".._VERSION;
	end
	base = url.."/attach/v1/"..urlencode(node);
	headers = { ["Authorization"] = "Bearer "..token, ["Accept"] = "application/json", ["Content-Type"] = "application/json" };
end
local attached_hosts = module:shared("/*/roster_host/nodes"); -- [base] = the virtual host that is this node

local function log(...) return module:log(...); end

local function protected(f, ...)
	local ok, problem = xpcall(f, debug.traceback, ...);
	if not ok then log("error", "This is a fault of mod_roster_host, please report it: %s", problem); end
	return ok;
end

-- Requests

local open_requests = {}; -- [request] = true

-- Calls `on_line` with each line of what it is fed; false when a line is too long.
local function line_reader(on_line)
	local parts, size = {}, 0;
	return function (chunk)
		local from = 1;
		for stop in chunk:gmatch("()\n") do
			local line = chunk:sub(from, stop - 1);
			if parts[1] then
				parts[#parts + 1] = line;
				line, parts, size = table.concat(parts), {}, 0;
			end
			on_line((line:gsub("\r$", "")));
			from = stop + 1;
		end
		if from <= #chunk then
			parts[#parts + 1] = chunk:sub(from);
			size = size + #chunk - from + 1;
		end
		return size <= MAX_LINE;
	end;
end

-- One request. `done(code, body, problem, headers)` is called once, with code 0 if there was no answer. With `on_line` a good answer
-- is read as it comes, after `on_head()`, and must not be silent for `timeout`; any other has to be there by then.
local function ask(method, path, options, done)
	local request = { last = monotonic() };
	local timeout = options.timeout or REQUEST_TIMEOUT;
	local read, handle;
	function request.finish(code, body, problem, received)
		if request.finished then return; end
		request.finished = true;
		open_requests[request] = nil;
		if request.timer then request.timer:stop(); end
		if handle and handle.conn then http.destroy_request(handle); end
		if done then protected(done, code, body, problem, received or {}); end
	end
	function request.drop() done = nil; request.finish(0); end
	open_requests[request] = true;
	request.timer = module:add_timer(timeout, function ()
		local left = timeout - (monotonic() - request.last);
		if left > 0 then return left; end
		request.finish(0, nil, ("no answer within %d s"):format(timeout));
	end);
	local function feed(chunk)
		request.last = monotonic();
		if request.finished then return; end
		protected(function ()
			if not read(chunk) then request.finish(0, nil, "a line of the answer is longer than "..MAX_LINE.." bytes"); end
		end);
	end
	local function begin()
		read = line_reader(options.on_line);
		if options.on_head then protected(options.on_head); end
	end
	local sent = { method = method, body = options.body, suppress_errors = true, headers = {} };
	for name, value in pairs(headers) do sent.headers[name] = value; end
	for name, value in pairs(options.headers or {}) do sent.headers[name] = value; end
	if method ~= "GET" and not options.body then sent.headers["Content-Length"] = "0"; end
	if options.on_line then
		function sent.streaming_handler(response)
			if response.code ~= 200 or request.finished then return; end
			begin();
			return { write = function (_, chunk) feed(chunk); return true; end };
		end
	end
	handle = http.request(base..path, sent, function (body, code, response)
		if code == 0 then return request.finish(0, nil, tostring(body)); end
		if request.finished then
			-- Whatever it did at the host, nobody counts on it.
			if options.late then options.late(); end
			return;
		end
		if code == 200 and options.on_line and not read then
			begin();
			feed(body);
		end
		request.finish(code, not read and body or nil, nil, response and response.headers);
	end);
	return request;
end

-- What an answer that is not the one hoped for says, as one sentence.
local function complaint(code, body, problem)
	if code == 0 then return problem or "no answer"; end
	local ok, decoded = pcall(json.decode, body or "");
	local message = ok and type(decoded) == "table" and decoded.message;
	return type(message) == "string" and ("%d: %s"):format(code, message) or ("status %d"):format(code);
end

-- Versions are numbers up to 2^53 - 1. As strings they stay what they are wherever Prosody puts them.
local function version_of(value)
	return type(value) == "number" and value >= 1 and value < 2^53 and ("%.0f"):format(value) or nil;
end

-- Copies: the last good roster of each user, for when the host is away

local store = module:open_store("roster_host");
local unsaved, saving = {}, nil; -- [username] = what to write

local function copy_of(username)
	if unsaved[username] then return unsaved[username]; end
	local copy, problem = store:get(username);
	if problem then log("warn", "The copy of the contacts of %s cannot be read: %s", username, problem); end
	if type(copy) ~= "table" or type(copy.version) ~= "string" or type(copy.contacts) ~= "table" or type(copy.confirmed) ~= "number" then
		return nil;
	end
	return copy;
end

local function age(copy)
	return math.max(0, os.time() - copy.confirmed);
end

local function save_some(limit)
	for username, copy in pairs(unsaved) do
		if limit == 0 then return 0.05; end
		limit = limit - 1;
		unsaved[username] = nil;
		local ok, problem = store:set(username, copy);
		if not ok then log("warn", "The copy of the contacts of %s cannot be written: %s", username, problem); end
	end
end

local function save(user)
	local contacts = {};
	for contact, item in pairs(user.roster) do
		if contact then contacts[contact] = item; end
	end
	unsaved[user.name] = { version = user.version, confirmed = os.time(), contacts = contacts };
	user.saved = os.time();
	saving = saving or module:add_timer(0.5, function ()
		local again = save_some(SAVES);
		if not again then saving = nil; end
		return again;
	end);
end

-- Changes

local function plain(value) return (value:gsub("%c", " ")); end

-- A contact as Prosody keeps it, from what the host says. Nothing that a stanza cannot carry gets into one.
local function item_of(contact)
	if type(contact) ~= "table" or type(contact.jid) ~= "string" then return nil; end
	local address = jid.prep(contact.jid);
	if not address or address == "" then
		log("warn", "Prosody does not know %q as an address; the contact is left out", contact.jid);
		return nil;
	end
	local subscription = contact.subscription;
	local item = {
		subscription = (subscription == "both" or subscription == "to" or subscription == "from") and subscription or "none";
		name = type(contact.name) == "string" and plain(contact.name) or nil;
		ask = contact.ask == true and "subscribe" or nil;
		groups = {};
	};
	for _, group in ipairs(type(contact.groups) == "table" and contact.groups or {}) do
		if type(group) == "string" then item.groups[plain(group)] = true; end
	end
	return address, item;
end

local function same(a, b)
	if a == nil or b == nil then return a == b; end
	if a.subscription ~= b.subscription or a.name ~= b.name or a.ask ~= b.ask then return false; end
	for group in pairs(a.groups) do if not b.groups[group] then return false; end end
	for group in pairs(b.groups) do if not a.groups[group] then return false; end end
	return true;
end

-- What an event or an answer says, as a list of { address, item or nil }.
local function changes_of_delta(list)
	local changes = {};
	for _, change in ipairs(type(list) == "table" and list or {}) do
		if type(change.remove) == "string" then
			changes[#changes + 1] = { jid.prep(change.remove) or change.remove };
		else
			local address, item = item_of(change.put);
			if address then changes[#changes + 1] = { address, item }; end
		end
	end
	return changes;
end

local function changes_to_whole(roster, contacts)
	local wanted, changes = {}, {};
	for _, contact in ipairs(contacts) do
		local address, item = item_of(contact);
		if address then wanted[address] = item; end
	end
	for address in pairs(roster) do
		if address and not wanted[address] then changes[#changes + 1] = { address }; end
	end
	for address, item in pairs(wanted) do changes[#changes + 1] = { address, item }; end
	return changes;
end

local function changes_of(user, said)
	return said.contacts and changes_to_whole(user.roster, said.contacts) or changes_of_delta(said.changes);
end

local function metadata(version)
	-- "broken" keeps Prosody from ever writing this roster over the one that it has stored itself.
	return { version = version, pending = {}, broken = "the application owns the rosters of this host" };
end

local function forget_offline_roster(username)
	if host.roster_cache then host.roster_cache:set(username.."@"..module.host, nil); end
end

local function shares(item) return item ~= nil and (item.subscription == "both" or item.subscription == "from"); end
local function sees(item) return item ~= nil and (item.subscription == "both" or item.subscription == "to"); end

-- A client that was cut off between two pushes must not be told later that it has everything. No roster has the version 0.
local function push(user, done)
	local interested = false;
	for _, session in pairs(host.sessions[user.name].sessions) do interested = interested or session.interested; end
	if not interested then return; end
	local meta = user.roster[false];
	for n, change in ipairs(done) do
		meta.version = n < #done and "0" or user.version;
		rostermanager.roster_push(user.name, module.host, change.address);
	end
end

-- Whose presence it is decides, by his own roster alone: RFC 6121 section 4.2.2.
local function exchange_presence(user, done, told, probes)
	local bare, available = user.name.."@"..module.host, {};
	for _, session in pairs(host.sessions[user.name].sessions) do
		if session.presence then available[#available + 1] = session; end
	end
	if not available[1] then return; end
	for _, change in ipairs(done) do
		local address, old, new = change.address, change.old, change.new;
		if shares(new) and not shares(old) then
			told[bare.."\n"..address] = true;
			for _, session in ipairs(available) do
				local presence = st.clone(session.presence);
				presence.attr.to = address;
				post(session, presence, true);
			end
		elseif shares(old) and not shares(new) then
			for _, session in ipairs(available) do
				post(session, st.presence({ type = "unavailable", from = session.full_jid, to = address }), true);
			end
		end
		if sees(new) and not sees(old) then
			probes[#probes + 1] = { session = available[1], from = bare, to = address };
		end
	end
end

-- Pushes are in the session's buffer at first. What waits for them to be written: [session] = { functions }.
local writing = {};

module:hook("c2s-ondrain", function (event)
	local waiting = writing[event.session];
	writing[event.session] = nil;
	for _, written in ipairs(waiting or {}) do written(); end
end);

-- Calls `done` when all that is put now into the buffers of these users' sessions is written, or when that takes too long:
-- a client that does not read holds up nobody.
local function when_written(batch, done)
	local left, timer = 1, nil;
	local function written()
		left = left - 1;
		if left ~= 0 then return; end
		if timer then timer:stop(); end
		done();
	end
	for _, one in ipairs(batch) do
		local sessions = host.sessions[one.user.name];
		for _, session in pairs(sessions and #one.done > 0 and sessions.sessions or {}) do
			if session.interested and session.conn and not session.hibernating then
				left = left + 1;
				writing[session] = writing[session] or {};
				table.insert(writing[session], written);
			end
		end
	end
	if left > 1 then
		timer = module:add_timer(WRITE_TIMEOUT, function ()
			if left <= 0 then return; end
			left = 0;
			for session, waiting in pairs(writing) do
				for n = #waiting, 1, -1 do
					if waiting[n] == written then table.remove(waiting, n); end
				end
				if not waiting[1] then writing[session] = nil; end
			end
			done();
		end);
	end
	return written;
end

-- All users of a batch first, so that what one of them shows is judged by all that is new; then clients are told.
-- `batch` is a list of { user, version, said }, each user once. Calls `on_written` when pushes are on their way.
local function apply(batch, on_written)
	for _, one in ipairs(batch) do
		local user, done, online = one.user, {}, host.sessions[one.user.name];
		user.roster = user.roster or { [false] = metadata() };
		for _, change in ipairs(changes_of(user, one.said)) do
			local address, item = change[1], change[2];
			local old = user.roster[address];
			if not online or not same(old, item) then
				user.roster[address] = item;
				if online then done[#done + 1] = { address = address, old = old, new = item }; end
			end
		end
		one.done = done;
		local news = user.version ~= one.version or #done > 0;
		user.version, user.stale = one.version, nil;
		user.roster[false].version, user.roster[false].roster_host = one.version, one.version;
		forget_offline_roster(user.name);
		if news or not user.saved then save(user); end
	end
	local told, probes = {}, {};
	local written = on_written and when_written(batch, on_written);
	for _, one in ipairs(batch) do
		if #one.done > 0 then
			protected(push, one.user, one.done);
			one.user.roster[false].version = one.user.version;
		end
	end
	for _, one in ipairs(batch) do
		if #one.done > 0 then protected(exchange_presence, one.user, one.done, told, probes); end
	end
	for _, probe in ipairs(probes) do
		-- Who has just been shown to him need not be asked.
		if not told[probe.to.."\n"..probe.from] then
			protected(post, probe.session, st.presence({ type = "probe", from = probe.from, to = probe.to }), true);
		end
	end
	if written then written(); end
end

-- Users

local users = {}; -- [username] = those who are here, and those whom the host may still believe to be
local link = { attempts = 0, resuming = false, keepalive = 10, lease = 30, sync_after = 0, sync_failures = 0, unconfirmed = {} };
local stopped = false;

-- name, roster (Prosody's table), version; roster and version are nil until one is there
-- contained    the number of the last event that is in them
-- stale        since when the roster is what was last known (Unix time), nil if the host vouches for it
-- noted        the host counts him as here; owed: when to ask again if the host has not come back to it
-- request      "PUT" or "DELETE" while one is on its way: one at a time, so that they cannot overtake each other; asking: itself
-- again, tries ask once more after this request; how often that was
-- waiting      binds that wait for the roster: [wake] = true; binds, bind_until: those that may yet come to something
-- kept         events that wait for an answer, each with its batch
-- fault        why there is no roster
local function user_called(username)
	local user = users[username];
	if not user then
		user = { name = username, waiting = {}, binds = 0, bind_until = 0, kept = {}, tries = 0 };
		users[username] = user;
	end
	return user;
end

local function is_here(user)
	return host.sessions[user.name] ~= nil or user.binds > 0 or user.bind_until > monotonic();
end

local function adopt(user, copy, stale)
	user.roster = { [false] = metadata(copy.version) };
	for address, item in pairs(copy.contacts) do user.roster[address] = item; end
	user.roster[false].roster_host = copy.version;
	user.version, user.stale, user.saved = copy.version, stale, copy.confirmed;
end

-- The copy will soon be older than what is known.
local function is_aging(user)
	return user.version and not user.stale and os.time() - (user.saved or 0) > STALE_IF_ERROR / 8;
end

local function wake(user)
	local waiting = user.waiting;
	user.waiting = {};
	for resume in pairs(waiting) do resume(); end
end

local reconcile, release;

-- Whether the event can be told to who has this version: "apply", "have" it already, or "mismatch".
local function place_of(event, version)
	if event.to == version then return "have"; end
	return (event.contacts or event.from and event.from == version) and "apply" or "mismatch";
end

-- An answer has come, or will not: what can be told of the events that waited for it is told.
local function settle(user)
	local kept, start = user.kept, 1;
	user.kept = {};
	for n, event in ipairs(kept) do
		if user.contained and event.batch.seq <= user.contained or event.to == user.version then start = n + 1; end
	end
	for n = 1, start - 1 do release(kept[n].batch); end
	for n = start, #kept do
		local event = kept[n];
		local place = place_of(event, user.version);
		if place == "mismatch" then
			if user.tries < 3 then
				user.tries, user.again, user.kept = user.tries + 1, true, table.move(kept, n, #kept, 1, {});
				return;
			end
			link.needs_sync = true;
		end
		local function done() release(event.batch); end
		if place == "apply" then
			user.contained = event.batch.seq;
			apply({ { user = user, version = event.to, said = event } }, done);
		else
			done();
		end
	end
	user.tries = 0;
end

-- There is no answer to wait for: what was kept cannot be placed.
local function give_up_kept(user)
	local kept = user.kept;
	user.kept, user.tries = {}, 0;
	if kept[1] then link.needs_sync = true; end
	for _, event in ipairs(kept) do release(event.batch); end
end

local function whole_roster(answer)
	local version = type(answer) == "table" and version_of(answer.version);
	if not version or type(answer.contacts) ~= "table" then return nil; end
	return version, answer.contacts;
end

-- The host vouches for what is here, up to this event.
local function confirmed(user, seq)
	user.contained = seq or user.contained;
	user.noted, user.stale, user.fault, user.owed = true, nil, nil, nil;
	settle(user);
end

-- Whether `answer` is one. One that a newer event or answer has overtaken changes nothing.
local function take_whole(user, answer)
	local version, contacts = whole_roster(answer);
	if not version then return false; end
	local seq = type(answer.seq) == "number" and answer.seq or nil;
	if not (user.version and seq and user.contained and seq < user.contained) then
		user.contained = seq or user.contained;
		apply({ { user = user, version = version, said = { contacts = contacts } } });
		if type(answer.stale) == "number" then
			log("warn", "The application cannot be asked; the contacts of %s are what they were %d s ago", user.name, answer.stale);
		end
	end
	confirmed(user);
	return true;
end

-- The application failed: the host goes on asking it for who is noted, and tells.
local function not_to_be_had(user, fault, noted)
	user.fault, user.noted = fault, noted;
	user.owed = noted and monotonic() + OWED or nil;
	if not noted then link.needs_sync = true; end
	give_up_kept(user);
end

local function put(user)
	local copy = not user.version and copy_of(user.name) or nil;
	local held = user.version or copy and copy.version;
	user.request, user.again = "PUT", false;
	user.asking = ask("PUT", "/users/"..urlencode(user.name), {
		headers = held and { ["If-None-Match"] = '"'..held..'"' };
		late = function () link.needs_sync = true; end;
	}, function (code, body, problem, received)
		user.request, user.asking = nil, nil;
		local ok, answer = pcall(json.decode, code == 200 and body or "null");
		local seq = tonumber(received["roster-seq"]);
		if code == 304 and held then
			if not user.version then adopt(user, copy); end
			if user.version == held or seq and user.contained and seq < user.contained then
				confirmed(user, user.version == held and seq or nil);
			else
				user.again = true;
			end
		elseif not (code == 200 and ok and take_whole(user, answer)) then
			if code == 200 or code == 304 then code, problem = 0, "the answer is not a roster"; end
			not_to_be_had(user, complaint(code, body, problem), code == 502 or code == 504);
			log(code == 401 and "error" or "debug", "The contacts of %s cannot be had: %s", user.name, user.fault);
		end
		wake(user);
		reconcile(user);
	end);
end

local function delete(user)
	user.request = "DELETE";
	ask("DELETE", "/users/"..urlencode(user.name), {}, function (code, body, problem)
		user.request, user.noted = nil, false;
		if code ~= 204 then
			link.needs_sync = true;
			log("debug", "The host could not be told that %s has left: %s", user.name, complaint(code, body, problem));
		end
		give_up_kept(user);
		reconcile(user);
	end);
end

-- Makes the host count the user as here if, and only if, the user is.
function reconcile(user)
	if stopped or user.request or link.sync_head_pending or users[user.name] ~= user then return; end
	if is_here(user) then
		if user.again or (next(user.waiting) and not (user.version and user.noted)) then put(user); end
	elseif user.noted and not link.away then
		delete(user);
	else
		-- Without a link the host learns it from the next sync, or by the lease.
		users[user.name] = nil;
	end
end

local function reconcile_all()
	local all = {};
	for _, user in pairs(users) do all[#all + 1] = user; end
	for _, user in ipairs(all) do reconcile(user); end
end

-- Events

local function confirm()
	local ack = link.ack;
	if stopped or not ack or ack.busy or ack.done == ack.seq then return; end
	local seq, body = ack.seq, json.encode({ epoch = ack.epoch, seq = ack.seq });
	ack.busy = true;
	ask("POST", "/ack", { body = body, timeout = 10 }, function (code, answer, problem)
		ack.busy = false;
		if ack ~= link.ack then return; end
		if code == 204 then
			ack.done = seq;
			confirm();
		else
			if code == 409 then link.needs_sync = true; end
			log("debug", "Changes up to %d could not be confirmed: %s", seq, complaint(code, answer, problem));
			module:add_timer(1, function () if ack == link.ack then confirm(); end end);
		end
	end);
end

-- All that a batch said has been pushed, unless something is still kept. Confirmed in order.
function release(batch)
	batch.open = batch.open - 1;
	local list, ack = link.unconfirmed, link.ack;
	while list[1] and list[1].open == 0 do
		local first = table.remove(list, 1);
		if ack and first.ack == ack then ack.seq = math.max(ack.seq, first.seq); end
	end
	confirm();
end

local function begin_batch(seq)
	local batch = { open = 1, seq = seq, ack = link.ack };
	link.unconfirmed[#link.unconfirmed + 1] = batch;
	if #link.unconfirmed > MAX_UNCONFIRMED then
		link.unconfirmed = { batch };
		link.needs_sync = true;
	end
	return batch;
end

local function keep(user, event)
	if #user.kept >= MAX_KEPT then
		give_up_kept(user);
		return;
	end
	event.batch.open = event.batch.open + 1;
	user.kept[#user.kept + 1] = event;
end

-- One event is one batch of a refresh.
local function take_changes(data)
	local batch = begin_batch(data.seq);
	-- Several refreshes may be in one event: then somebody's second change is in the second layer.
	local layers, uncertain, seen = {}, {}, {};
	for _, event in ipairs(type(data.rosters) == "table" and data.rosters or {}) do
		local user = type(event.user) == "string" and users[event.user];
		event.from, event.to, event.batch = version_of(event.from), version_of(event.to), batch;
		event.contacts = type(event.contacts) == "table" and event.contacts or nil;
		local before = user and (seen[user] or { contained = user.contained or 0, version = user.version, layer = 0 });
		if not user then
			if type(event.user) == "string" then forget_offline_roster(event.user); end
		elseif not event.to then
			log("warn", "An event for %s has no version", user.name);
			link.needs_sync = true;
		elseif batch.seq > before.contained then
			seen[user] = before;
			local place = not user.kept[1] and place_of(event, before.version) or "mismatch";
			if place == "apply" then
				before.layer, before.version = before.layer + 1, event.to;
				layers[before.layer] = layers[before.layer] or {};
				table.insert(layers[before.layer], { user = user, version = event.to, said = event });
			elseif place == "mismatch" then
				keep(user, event);
				if not user.request and not (link.syncing and link.syncing[user.name]) then uncertain[#uncertain + 1] = user; end
			end
		end
	end
	for _, layer in ipairs(layers) do
		batch.open = batch.open + 1;
		apply(layer, function () release(batch); end);
	end
	for user in pairs(seen) do
		if not user.kept[1] then user.contained = batch.seq; end
		if user.version then
			user.owed = nil;
			wake(user);
		end
	end
	for _, user in ipairs(uncertain) do
		user.again = true;
		reconcile(user);
	end
	release(batch);
end

-- The link to the host

local connect;

local function gone(reason)
	if not link.away then
		log("warn", "roster-host is away: %s. Who is online keeps his contacts, logins get what was last known; it is tried again", reason);
		module:set_status("warn", "roster-host is away: "..reason, true);
	end
	link.away = reason;
end

local function reconnect(reason, pause)
	if link.stream then link.stream.drop(); end
	link.stream, link.up = nil, false;
	if link.lived and monotonic() - link.lived > 10 then link.attempts = 0; end
	link.lived = nil;
	local delay = pause or math.min(BACKOFF_MAX, BACKOFF_MIN * 2 ^ link.attempts);
	link.attempts = math.min(link.attempts + 1, 16);
	log("debug", "No event stream: %s", reason);
	if link.timer then link.timer:stop(); end
	link.timer = module:add_timer(delay * (0.5 + math.random() / 2), function () link.timer = nil; connect(); end);
end

-- `problem` is not one that goes away by itself.
local function refused(problem)
	if link.refused ~= problem then log("error", "%s", problem); end
	link.refused = problem;
	link.away = problem;
	module:set_status("error", problem, true);
	reconnect(problem, BACKOFF_MAX);
end

local function sync_failed(reason)
	link.needs_sync = true;
	link.sync_failures = math.min(link.sync_failures + 1, 16);
	link.sync_after = monotonic() + math.min(BACKOFF_MAX, BACKOFF_MIN * 2 ^ link.sync_failures) * (0.5 + math.random() / 2);
	log("warn", "The rosters could not be brought in step: %s. It is tried again", reason);
end

local function take_line(pending, sync, line)
	if line == "" then return; end
	local ok, answer = pcall(json.decode, line);
	if not ok or type(answer) ~= "table" then sync.garbage = true; return; end
	if answer.done then sync.done = answer; return; end
	local entry = type(answer.user) == "string" and pending[answer.user];
	if not entry then return; end
	local user = entry.user;
	pending[user.name] = nil;
	if answer.error then
		not_to_be_had(user, tostring(answer.error), answer.retry ~= false);
	elseif not take_whole(user, answer) then
		sync.garbage = true;
	end
	wake(user);
	reconcile(user);
end

-- The host's set of this node's users becomes those who are here, and their rosters what the host says.
local function sync()
	if link.syncing then return; end
	link.needs_sync = false;
	local pending, list, began, state = {}, {}, monotonic(), {};
	for _, user in pairs(users) do
		if is_here(user) then
			-- What was asked before is answered by this.
			if user.request == "PUT" then
				user.asking.drop();
				user.request, user.asking = nil, nil;
			end
			pending[user.name] = { user = user, version = user.version };
			list[#list + 1] = ('{"user":%s,"version":%s}'):format(json.encode(user.name), user.version or "null");
		else
			user.noted = false;
		end
	end
	link.syncing, link.sync_head_pending = pending, true;
	local function head()
		link.sync_head_pending = false;
		for _, entry in pairs(pending) do entry.user.noted = true; end
		reconcile_all();
	end
	link.sync_request = ask("POST", "/sync", {
		body = "["..table.concat(list, ",").."]";
		on_head = head;
		on_line = function (line) take_line(pending, state, line); end;
	}, function (code, body, problem)
		link.syncing, link.sync_request, link.sync_head_pending = nil, nil, false;
		local seq = state.done and type(state.done.seq) == "number" and state.done.seq or nil;
		for _, entry in pairs(pending) do
			-- Without a line the version is the one that was given.
			local user = entry.user;
			if state.done and user.version and not user.request then
				if user.version == entry.version then
					confirmed(user, math.max(seq or 0, user.contained or 0));
				elseif seq and user.contained and seq < user.contained then
					confirmed(user);
				else
					user.again = true;
				end
			elseif not state.done and user.kept[1] then
				user.again = true;
			end
			if user.version then wake(user); end
		end
		if state.done and not state.garbage then
			link.sync_failures = 0;
			-- It has all that was told before it.
			if seq and link.ack and state.done.epoch == link.ack.epoch then release(begin_batch(seq)); end
			log("info", "In step with roster-host: of %d users here %s have other contacts, %s could not be had; it took %.1f s",
				#list, state.done.sent, state.done.failed, monotonic() - began);
		else
			local reason = complaint(code, body, problem);
			if state.garbage then reason = "an answer that is no roster"; elseif code == 200 then reason = "the answer was cut off"; end
			sync_failed(reason);
		end
		reconcile_all();
	end);
end

local function tick()
	if not stopped and link.up and link.needs_sync and not link.syncing and monotonic() >= link.sync_after then
		link.sync_after = monotonic() + BACKOFF_MIN;
		sync();
	end
end

local function hello(data)
	local resumed = link.last_id and link.epoch == data.epoch;
	local silent = link.last_byte and monotonic() - link.last_byte or math.huge;
	if link.away then
		log("info", "roster-host is back; it was away: %s", link.away);
	end
	link.away, link.refused, link.up, link.lived, link.epoch = nil, nil, true, monotonic(), data.epoch;
	if not resumed then
		for _, user in pairs(users) do
			for _, event in ipairs(user.kept) do event.batch.open = 0; end
			user.kept, user.contained = {}, nil;
		end
		link.unconfirmed = {};
		link.ack = { epoch = data.epoch, seq = data.seq, done = data.seq };
		link.last_id = tostring(data.epoch).."-"..("%.0f"):format(data.seq);
	end
	if not resumed or silent > link.lease / 2 or link.needs_sync then
		if link.sync_request then link.sync_request.drop(); end
		link.syncing, link.sync_request, link.sync_head_pending = nil, nil, false;
		-- Not in this breath: what comes with it may ask for the same.
		link.needs_sync, link.sync_after = true, 0;
		module:add_timer(0, tick);
	end
	confirm();
	module:set_status("info", "attached to "..base, true);
end

local function dispatch(event, id, data)
	local ok, decoded = pcall(json.decode, data);
	if not ok or type(decoded) ~= "table" then decoded = nil; end
	if event == "hello" and decoded and type(decoded.seq) == "number" and decoded.epoch ~= nil then
		hello(decoded);
	elseif event == "changes" and decoded and type(decoded.seq) == "number" then
		take_changes(decoded);
		if id then link.last_id = id; end
	elseif event == "resync" then
		log("warn", "roster-host asks for everything to be compared: %s", decoded and decoded.reason or "no reason given");
		link.needs_sync = true;
	elseif event == "replaced" then
		link.away = "another process is attached with this node's name";
		log("error", "Another process is attached to roster-host as this node: give each Prosody, and each of its virtual hosts, "..
			"a [[attach.node]] of its own. Logins get what was last known; the next attempt is in a minute");
		module:set_status("error", link.away, true);
		reconnect("replaced", 2 * REPLACED_PAUSE);
	elseif event == "hello" or event == "changes" then
		log("warn", "An event cannot be read: everything is compared");
		link.last_id = nil;
		reconnect("an event that cannot be read");
	end
end

-- Server-sent events, by the lines of them.
local function event_reader(stream)
	local event, id, data = nil, nil, {};
	return function (line)
		if link.stream ~= stream.request then return; end
		link.last_byte = monotonic();
		if line == "" then
			local name, number, text = event, id, table.concat(data, "\n");
			event, id, data = nil, nil, {};
			if name or text ~= "" then dispatch(name or "message", number, text); end
			return;
		end
		local field, value = line:match("^([^:]*):? ?(.*)$");
		if field == "event" then event = value;
		elseif field == "id" then id = value;
		elseif field == "data" then data[#data + 1] = value;
		end
	end;
end

local function open_stream()
	local stream = {};
	local more = { ["Accept"] = "text/event-stream", ["Last-Event-ID"] = link.last_id };
	local request;
	request = ask("GET", "/events", {
		headers = more, timeout = 4 * link.keepalive, on_line = event_reader(stream);
	}, function (code, body, problem)
		if stopped or link.stream ~= request then return; end
		link.stream = nil;
		if code == 401 or code == 404 then return refused("roster-host does not let this node in: "..complaint(code, body)); end
		if code == 200 then problem = "the event stream ended"; end
		local reason = code == 200 and problem or complaint(code, body, problem);
		if link.up then log("warn", "The event stream was cut: %s", reason); else gone(reason); end
		reconnect(reason);
	end);
	stream.request, link.stream = request, request;
end

-- Who answers there, and in which version.
function connect()
	if stopped then return; end
	ask("GET", "", { timeout = 25 }, function (code, body, problem)
		local ok, info = pcall(json.decode, code == 200 and body or "null");
		if code == 401 then
			return refused("roster-host refuses the token of this node; compare roster_host_token with [[attach.node]] token: "..complaint(code, body));
		elseif code == 404 then
			return refused("roster-host has no such node, or does not speak version 1 of the attach API: "..complaint(code, body));
		elseif code == 200 and (not ok or type(info) ~= "table" or not info.api) then
			return refused("what answers at roster_host_url is not the [attach] listener of a roster-host");
		elseif code ~= 200 then
			local reason = complaint(code, body, problem);
			gone(reason);
			return reconnect(reason);
		elseif info.api ~= API then
			return refused(("roster-host speaks version %s of the attach API and this module version %d; install the module that comes with it")
				:format(tostring(info.api), API));
		elseif type(info.domain) == "string" and jid.prep(info.domain) ~= module.host then
			return refused(("node %s of roster-host is for %s and not for %s: see roster_host_node"):format(tostring(info.node), info.domain, module.host));
		end
		local function seconds(value, default) return type(value) == "number" and math.min(math.max(value, 0.05), 3600) or default; end
		link.keepalive, link.lease = seconds(info.keepalive_seconds, 10), seconds(info.lease_seconds, 30);
		if link.server ~= info.host then log("info", "Attaching to %s at %s", tostring(info.host), base); end
		link.server = info.host;
		open_stream();
	end);
end

-- What Prosody's hooks do

local function refuse(event, user)
	local reason = user.fault or link.away or misconfigured or ("no answer within %d s"):format(LOGIN_TIMEOUT);
	log("warn", "A login of %s was refused: his contacts cannot be had (%s), and there is no copy that is recent enough", user.name, reason);
	event.error = { type = "wait", condition = "resource-constraint", text = "Your contacts cannot be had at the moment. Try again later." };
	return false;
end

local function wait_for_roster(user)
	local wait, done = async.waiter();
	local woken = false;
	local function resume()
		if woken then return; end
		woken = true;
		done();
	end
	user.waiting[resume] = true;
	local timer = module:add_timer(LOGIN_TIMEOUT, resume);
	reconcile(user);
	wait();
	timer:stop();
	user.waiting[resume] = nil;
end

-- Otherwise the kernel may hold a push back for 40 ms, until the client's has acknowledged what came before. Here, because it is
-- before TLS; for direct TLS: network_settings = { nagle = false }.
module:hook("stream-features", function (event)
	local connection = event.origin.conn;
	if connection and connection.setoption then connection:setoption("tcp-nodelay", true); end
end);

-- Before the session exists, so that no client sees a roster that is not there yet.
module:hook("pre-resource-bind", function (event)
	local session = event.session;
	local user = user_called(session.username);
	local online = host.sessions[user.name] ~= nil;
	user.binds = user.binds + 1;
	-- Once somebody is online, events and the next sync keep the roster right.
	local known = user.version and (online or (user.noted and not user.request and not link.away));
	if not known then
		if not online and not user.request then user.version, user.roster = nil, nil; end
		local copy = link.away and copy_of(user.name);
		if not (copy and age(copy) <= STALE_IF_ERROR) and async.ready() and not misconfigured then
			wait_for_roster(user);
		end
	end
	user.binds = user.binds - 1;
	if session.destroyed then
		reconcile(user);
		return false;
	end
	if not user.version then
		local copy = copy_of(user.name);
		if not copy or age(copy) > STALE_IF_ERROR then
			reconcile(user);
			return refuse(event, user);
		end
		log("warn", "%s gets the contacts that were last known, %d s ago: %s", user.name, age(copy), user.fault or link.away or "no answer in time");
		adopt(user, copy, copy.confirmed);
		if not user.noted then link.needs_sync = true; end
	end
	forget_offline_roster(user.name);
	user.bind_until = monotonic() + BIND_GRACE;
end, -100);

module:hook("resource-bind", function (event)
	local user = users[event.session.username];
	if user then user.bind_until = 0; end
end);

module:hook("resource-unbind", function (event)
	local user = users[event.session.username];
	if not user or host.sessions[user.name] then return; end
	if is_aging(user) then save(user); end
	-- Not at once: a session that replaces another of the same name is bound in the same breath.
	module:add_timer(0, function () reconcile(user); end);
end, -100);

module:hook("roster-load", function (event)
	local username, roster = event.username, event.roster;
	for address in pairs(roster) do
		if address then roster[address] = nil; end
	end
	local user = users[username];
	local from, version;
	if user and user.version then
		from, version = user.roster, user.version;
	else
		-- Somebody offline: for what others may see of him, and for his archive.
		local copy = copy_of(username);
		if copy and age(copy) <= STALE_IF_ERROR then from, version = copy.contacts, copy.version; end
	end
	for address, item in pairs(from or {}) do
		if address then roster[address] = item; end
	end
	roster[false] = metadata(version or "0");
	if user and user.version and host.sessions[username] then
		roster[false].roster_host = version;
		user.roster = roster;
	end
end, 1000);

module:hook("iq/self/jabber:iq:roster:query", function (event)
	if event.stanza.attr.type ~= "set" then return; end
	event.origin.send(st.error_reply(event.stanza, "cancel", "not-allowed", "Your contacts are managed elsewhere."));
	return true;
end, 10);

-- Who may see whom is the application's to say. Silently: an error would only make clients ask again.
local subscription_types = { subscribe = true, subscribed = true, unsubscribe = true, unsubscribed = true };
local function block(event)
	local stanza = event.stanza;
	if stanza.name == "presence" and subscription_types[stanza.attr.type] then return true; end
end
for _, kind in ipairs({ "bare", "full", "host", "self" }) do
	module:hook("pre-presence/"..kind, block, 100);
	module:hook("presence/"..kind, block, 100);
end
module:hook("route/remote", block, 1000);
module:hook("roster-item-removed", function () return true; end, 1000);

-- Sessions end after the first; what they leave behind is written before the last.
module:hook_global("server-stopping", function () stopped = true; end);
module:hook_global("server-cleanup", function () save_some(-1); end);

local function sweep()
	for _, user in pairs(users) do
		if user.owed and monotonic() > user.owed then user.again, user.owed = true, nil; end
	end
	reconcile_all();
	for _, user in pairs(users) do
		if link.up and is_aging(user) then save(user); end
	end
	return SWEEP;
end

function module.load()
	local other = attached_hosts[base];
	if not misconfigured and other and other ~= module.host then
		misconfigured = ("it has the same roster_host_node as %s; each virtual host needs a node of its own"):format(other);
	end
	-- Who is online already: from before a reload, or before this module was there.
	for username, sessions in pairs(host.sessions) do
		local roster = sessions.roster;
		if roster then
			local user = user_called(username);
			user.roster, user.version = roster, roster[false].roster_host;
			if not user.version then roster[false] = metadata("0"); end
		end
	end
	host.roster_cache = nil;
	if misconfigured then
		log("error", "mod_roster_host is not configured: %s", misconfigured);
		module:set_status("error", misconfigured, true);
		gone(misconfigured);
		return;
	end
	attached_hosts[base] = module.host;
	module:add_timer(SWEEP, sweep);
	module:add_timer(TICK, function () tick(); return TICK; end);
	connect();
end

function module.unload()
	stopped = true;
	if attached_hosts[base] == module.host then attached_hosts[base] = nil; end
	local all = {};
	for request in pairs(open_requests) do all[#all + 1] = request; end
	for _, request in ipairs(all) do request.drop(); end
	for _, user in pairs(users) do
		user.fault = "the module is being reloaded";
		wake(user);
	end
	save_some(-1);
	host.roster_cache = nil;
end
