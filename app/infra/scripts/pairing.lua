-- Shared by arrival.lua and slot_freed.lua: pairs waiting conversations with agents that have room.
-- ARGV[1] the root of all keys, ARGV[2] now in ms. Writes are proposals: Postgres decides in the claim that follows.
-- An agent's places are written "team:strategy:room,…"; room is empty when only their capacity counts.

local root, now = ARGV[1], tonumber(ARGV[2])
local MAX_PAIRS = 64
local SINCE = 1577836800000 -- 2020: keeps the milliseconds small enough to share a double with the ratio
local PLACE = '([^:,]+):([^:,]+):(%d*)'

local function known()
    return redis.call('EXISTS', root .. 'epoch') == 1
end

local function score_of(strategy, state)
    local since = math.max(0, state.last - SINCE)
    if strategy == 'longest_idle' then
        return math.max(since, state.free - SINCE)
    end
    if strategy == 'round_robin' then
        return since
    end
    return math.floor(state.load * 1000 / state.capacity) * 1e12 + since
end

-- Puts an agent into the idle set of each of its teams, or takes it out where it has no room or helps itself.
local function place(agent, state)
    for team, strategy, room in string.gmatch(state.places, PLACE) do
        if state.load < state.capacity and room ~= '0' and strategy ~= 'manual' then
            redis.call('ZADD', root .. 'idle:' .. team, score_of(strategy, state), agent)
        else
            redis.call('ZREM', root .. 'idle:' .. team, agent)
        end
    end
end

local function state_of(agent)
    local found = redis.call('HMGET', root .. 'agent:' .. agent, 'load', 'capacity', 'last', 'free', 'places')
    return {
        load = tonumber(found[1] or 0),
        capacity = tonumber(found[2] or 0),
        last = tonumber(found[3] or 0),
        free = tonumber(found[4] or 0),
        places = found[5] or '',
    }
end

-- Whether an agent can do all that a lane asks for.
local function covers(agent, skills)
    if #skills == 0 then
        return true
    end
    local has = ',' .. (redis.call('HGET', root .. 'agent:' .. agent, 'skills') or '') .. ','
    for _, skill in ipairs(skills) do
        if not string.find(has, ',' .. skill .. ',', 1, true) then
            return false
        end
    end
    return true
end

-- The first agent with room who may have a conversation; rule as in assignment.py.
local function choose(idle, skills, rule)
    if rule and string.sub(rule, 1, 1) == '=' then
        local agent = string.sub(rule, 2)
        return redis.call('ZSCORE', idle, agent) and covers(agent, skills) and agent
    end
    local without = rule and ',' .. string.sub(rule, 2) .. ','
    local from, step = 0, 1
    while true do
        local agents = redis.call('ZRANGE', idle, from, from + step - 1)
        if #agents == 0 then
            return nil
        end
        for _, agent in ipairs(agents) do
            if not (without and string.find(without, ',' .. agent .. ',', 1, true)) and covers(agent, skills) then
                return agent
            end
        end
        from, step = from + step, 32
    end
end

local function parts_of(lane)
    local team, skills = nil, {}
    for part in string.gmatch(lane, '[^+]+') do
        if team then
            table.insert(skills, part)
        else
            team = part
        end
    end
    return team, skills
end

-- The first in a lane for whom there is an agent: conversation, score, agent.
local function next_pair(lane)
    local team, skills = parts_of(lane)
    local idle, queue = root .. 'idle:' .. team, root .. 'q:' .. lane
    local from, step = 0, 1
    while redis.call('EXISTS', idle) == 1 do
        local waiting = redis.call('ZRANGE', queue, from, from + step - 1, 'WITHSCORES')
        if #waiting == 0 then
            if from == 0 then
                redis.call('SREM', root .. 'lanes:' .. team, lane)
            end
            return nil
        end
        for i = 1, #waiting, 2 do
            local rule = redis.call('HGET', root .. 'rules', waiting[i])
            local agent = choose(idle, skills, rule)
            if agent then
                return waiting[i], tonumber(waiting[i + 1]), agent
            elseif not rule then
                return nil -- nobody has room for just anybody of this lane
            end
        end
        from, step = from + step, 64
    end
end

local function take(conversation, lane, agent)
    redis.call('ZREM', root .. 'q:' .. lane, conversation)
    redis.call('HDEL', root .. 'rules', conversation)
    local team = parts_of(lane)
    local state = state_of(agent)
    state.load, state.last = state.load + 1, now
    state.places = string.gsub(state.places, PLACE, function(of, strategy, room)
        if of == team and room ~= '' and room ~= '0' then
            room = string.format('%d', tonumber(room) - 1)
        end
        return of .. ':' .. strategy .. ':' .. room
    end)
    redis.call(
        'HSET', root .. 'agent:' .. agent,
        'load', state.load, 'last', string.format('%d', now), 'places', state.places
    )
    place(agent, state)
end

-- Drains several lanes, always the longest waiting conversation first.
local function drain(lanes)
    local pairs = {}
    while #pairs < MAX_PAIRS do
        local best
        for _, lane in ipairs(lanes) do
            local conversation, score, agent = next_pair(lane)
            if conversation and (not best or score < best.score or score == best.score and conversation < best.id) then
                best = { id = conversation, score = score, agent = agent, lane = lane }
            end
        end
        if not best then
            break
        end
        take(best.id, best.lane, best.agent)
        table.insert(pairs, { best.id, best.agent, best.lane, string.format('%d', best.score) })
    end
    return pairs
end
