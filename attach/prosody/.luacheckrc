std = "lua54"
globals = { "module", "prosody.hosts.?.roster_cache" }
read_globals = { "prosody" }
max_line_length = 160
