-- An agent's state, as Postgres has it, replaces what the index knew. KEYS[1] the agent's hash.
-- ARGV: root, now (ms), agent, load, capacity (0 when it may get nothing), rev, last assignment (ms),
-- when a slot last became free (ms), places, skills (by comma).
-- Returns an array of {conversation, agent, lane, score}, or the error NOEPOCH when the index is gone.
if not known() then
    return redis.error_reply('NOEPOCH')
end
local agent, rev = ARGV[3], tonumber(ARGV[6])
local before = redis.call('HMGET', KEYS[1], 'rev', 'places')
if before[1] and tonumber(before[1]) > rev then
    return {}
end
for team in string.gmatch(before[2] or '', PLACE) do
    redis.call('ZREM', root .. 'idle:' .. team, agent)
end
redis.call(
    'HSET', KEYS[1], 'load', ARGV[4], 'capacity', ARGV[5], 'rev', ARGV[6], 'last', ARGV[7], 'free', ARGV[8],
    'places', ARGV[9], 'skills', ARGV[10]
)
place(agent, state_of(agent))
local lanes = {}
for team in string.gmatch(ARGV[9], PLACE) do
    for _, lane in ipairs(redis.call('SMEMBERS', root .. 'lanes:' .. team)) do
        local _, skills = parts_of(lane)
        if covers(agent, skills) then
            table.insert(lanes, lane)
        end
    end
end
return drain(lanes)
