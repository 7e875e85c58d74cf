-- Conversations wait. KEYS[1] the set of the team's lanes.
-- ARGV: root, now (ms), '1' to let them stand in line and pair nobody, then for each conversation score (ms), id, lane
-- and rule; none of them looks at all lanes.
-- Returns an array of {conversation, agent, lane, score}, or the error NOEPOCH when the index is gone.
if not known() then
    return redis.error_reply('NOEPOCH')
end
local lanes, seen = {}, {}
for i = 4, #ARGV, 4 do
    local score, conversation, lane, rule = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    redis.call('ZADD', root .. 'q:' .. lane, 'NX', score, conversation)
    if rule == '' then
        redis.call('HDEL', root .. 'rules', conversation)
    else
        redis.call('HSET', root .. 'rules', conversation, rule)
    end
    if not seen[lane] then
        seen[lane] = true
        redis.call('SADD', KEYS[1], lane)
        table.insert(lanes, lane)
    end
end
if ARGV[3] == '1' then
    return {}
end
if #lanes == 0 then
    lanes = redis.call('SMEMBERS', KEYS[1])
end
return drain(lanes)
