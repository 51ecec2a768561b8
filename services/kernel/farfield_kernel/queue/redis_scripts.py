"""What must happen atomically in Redis, as Lua. Every key of a run carries the run as its hash tag.

Entries are removed as they are acknowledged, so a stream holds exactly what is unfinished: nothing is
ever trimmed by length, which would drop work that nobody has read.
"""

PLAN = """
-- KEYS work, trajectories, episodes; ARGV group of work, group of trajectories, then id, spec, id, spec …
-- An episode that is planned or committed is skipped. Returns how many were new.
redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
redis.pcall('XGROUP', 'CREATE', KEYS[2], ARGV[2], '0', 'MKSTREAM')
local new = 0
for i = 3, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[3], ARGV[i], 'planned') == 1 then
    redis.call('XADD', KEYS[1], '*', 'spec', ARGV[i + 1])
    new = new + 1
  end
end
return new
"""

CLAIM = """
-- KEYS work; ARGV group, worker, lease in milliseconds, count
-- Entries whose lease ran out, then new ones: {entry, spec, times delivered}. XAUTOCLAIM would not say
-- how often an entry was delivered before.
local claimed = {}
local idle = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', ARGV[4])
for _, entry in ipairs(idle) do
  local got = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], entry[1])
  if got[1] and got[1][2] then
    claimed[#claimed + 1] = {got[1][1], got[1][2][2], entry[4] + 1}
  end
end
local room = ARGV[4] - #claimed
if room > 0 then
  local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', room, 'STREAMS', KEYS[1], '>')
  if read then
    for _, entry in ipairs(read[1][2]) do
      claimed[#claimed + 1] = {entry[1], entry[2][2], 1}
    end
  end
end
return claimed
"""

SET_IDLE = """
-- KEYS work; ARGV group, worker, idle in milliseconds, entries …
-- Sets how long the worker's own entries have been idle. Returns those that are not its own.
local lost = {}
for i = 4, #ARGV do
  if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) == 0 then
    lost[#lost + 1] = ARGV[i]
  else
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'JUSTID')
  end
end
return lost
"""

COMMIT = """
-- KEYS work, trajectories, episodes; ARGV group of work, then entry, episode, trajectory, entry, …
-- Returns 1 for each trajectory that was added, 0 where its episode was already committed.
local added = {}
for i = 2, #ARGV, 3 do
  if redis.call('HGET', KEYS[3], ARGV[i + 1]) == 'committed' then
    added[#added + 1] = 0
  else
    redis.call('XADD', KEYS[2], '*', 'trajectory', ARGV[i + 2])
    redis.call('HSET', KEYS[3], ARGV[i + 1], 'committed')
    added[#added + 1] = 1
  end
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  redis.call('XDEL', KEYS[1], ARGV[i])
end
return added
"""

RECOVER = """
-- KEYS trajectories; ARGV group
-- A new group reads from the first entry on, and acknowledged entries are gone from the stream.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.pcall('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0')
return redis.call('XLEN', KEYS[1])
"""

MAKE_GROUP = """
-- KEYS a stream; ARGV group
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0')
return 1
"""

ACKNOWLEDGE = """
-- KEYS trajectories; ARGV group, entries … (at most some thousands: they pass over Lua's stack)
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
return redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
"""

DEACTIVATE = """
-- KEYS the lane's run; ARGV run
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
