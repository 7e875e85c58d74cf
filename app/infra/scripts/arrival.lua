-- A conversation waits. KEYS[1] the team's queue.
-- ARGV: root, now (ms), team, then pairs of score (ms) and conversation; none of them only drains.
-- Returns an array of {conversation, agent, team, score}, or the error NOEPOCH when the index is gone.
if not known() then
    return redis.error_reply('NOEPOCH')
end
for i = 4, #ARGV, 2 do
    redis.call('ZADD', KEYS[1], 'NX', ARGV[i], ARGV[i + 1])
end
return drain({ ARGV[3] })
