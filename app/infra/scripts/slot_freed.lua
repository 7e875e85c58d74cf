-- An agent's state, as Postgres has it, replaces what the index knew. KEYS[1] the agent's hash.
-- ARGV: root, now (ms), agent, load, capacity (0 when it may get nothing), rev, last assignment (ms), teams (by comma).
-- Returns an array of {conversation, agent, team, score}, or the error NOEPOCH when the index is gone.
if not known() then
    return redis.error_reply('NOEPOCH')
end
local agent, load, capacity = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local rev, last, teams = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local before = redis.call('HMGET', KEYS[1], 'rev', 'teams')
if before[1] and tonumber(before[1]) > rev then
    return {}
end
for team in string.gmatch(before[2] or '', '[^,]+') do
    redis.call('ZREM', root .. 'idle:' .. team, agent)
end
redis.call('HSET', KEYS[1], 'load', load, 'capacity', capacity, 'rev', ARGV[6], 'last', ARGV[7], 'teams', teams)
place(agent, load, capacity, last, teams)
local list = {}
for team in string.gmatch(teams, '[^,]+') do
    table.insert(list, team)
end
return drain(list)
