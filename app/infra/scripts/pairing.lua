-- Shared by arrival.lua and slot_freed.lua: pairs waiting conversations with agents that have room.
-- ARGV[1] the root of all keys, ARGV[2] now in ms. Writes are proposals: Postgres decides in the claim that follows.

local root, now = ARGV[1], tonumber(ARGV[2])
local MAX_PAIRS = 64
local SINCE = 1577836800000 -- 2020: keeps the milliseconds small enough to share a double with the ratio

local function known()
    return redis.call('EXISTS', root .. 'epoch') == 1
end

-- Smallest load over capacity first, then longest since the last assignment.
local function strategy_score(load, capacity, last)
    return math.floor(load * 1000 / capacity) * 1e12 + math.max(0, last - SINCE)
end

-- Puts an agent into the idle set of each of its teams, or takes it out when it has no room.
local function place(agent, load, capacity, last, teams)
    for team in string.gmatch(teams, '[^,]+') do
        if load < capacity then
            redis.call('ZADD', root .. 'idle:' .. team, strategy_score(load, capacity, last), agent)
        else
            redis.call('ZREM', root .. 'idle:' .. team, agent)
        end
    end
end

local function first(key)
    local found = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    return found[1], tonumber(found[2])
end

-- Pairs the head of one team's queue with its least busy agent. False when either is missing.
local function pair_one(team, pairs)
    local conversation, score = first(root .. 'q:' .. team)
    local agent = first(root .. 'idle:' .. team)
    if not conversation or not agent then
        return false
    end
    redis.call('ZREM', root .. 'q:' .. team, conversation)
    local key = root .. 'agent:' .. agent
    local state = redis.call('HMGET', key, 'load', 'capacity', 'teams')
    local load = tonumber(state[1] or 0) + 1
    redis.call('HSET', key, 'load', load, 'last', string.format('%d', now))
    place(agent, load, tonumber(state[2] or 0), now, state[3] or '')
    table.insert(pairs, { conversation, agent, team, string.format('%d', score) })
    return true
end

-- Drains several teams, always the longest waiting conversation first.
local function drain(teams)
    local pairs = {}
    while #pairs < MAX_PAIRS do
        local best, best_score
        for _, team in ipairs(teams) do
            local conversation, score = first(root .. 'q:' .. team)
            if conversation and first(root .. 'idle:' .. team) and (not best or score < best_score) then
                best, best_score = team, score
            end
        end
        if not best or not pair_one(best, pairs) then
            break
        end
    end
    return pairs
end
