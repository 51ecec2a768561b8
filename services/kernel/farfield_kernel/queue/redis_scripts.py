"""What must happen atomically in Redis, as Lua.

Entries are removed as they are acknowledged, so a stream holds exactly what is unfinished: nothing is
ever trimmed by length, which would drop work that nobody has read.

Images: `blobs` holds the bytes by digest. `references` holds what keeps them there: for each entry of
`trajectories` that names images, its digests; and for each digest, the number of those entries. Both are of
one key, so that they can only be lost together.
"""

PLAN = """
-- KEYS work, trajectories, episodes, blobs, references
-- ARGV group of work, group of trajectories, then id, spec, id, spec …
-- An episode that is planned or committed is skipped. Returns how many were new. What was committed while
-- there was no plan stays from now on: only at the end, because a Redis without memory refuses no script that
-- has written something already.
local first = redis.call('EXISTS', KEYS[1]) == 0
redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
redis.pcall('XGROUP', 'CREATE', KEYS[2], ARGV[2], '0', 'MKSTREAM')
local new = 0
for i = 3, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[3], ARGV[i], 'planned') == 1 then
    redis.call('XADD', KEYS[1], '*', 'spec', ARGV[i + 1])
    new = new + 1
  end
end
if first then
  for i = 2, #KEYS do redis.call('PERSIST', KEYS[i]) end
end
return new
"""

CLAIM = """
-- KEYS work, looked; ARGV group, worker, lease in milliseconds, count, pause in seconds
-- Entries whose lease ran out, then new ones: {entry, spec, times delivered}. XAUTOCLAIM would not say
-- how often an entry was delivered before. XPENDING looks at every claimed entry to find them, so between two
-- looks of whatever worker there is a pause (0: none), unless there may be more of them, or one is released.
local claimed, idle = {}, {}
local pause = tonumber(ARGV[5])
if pause == 0 or redis.call('EXISTS', KEYS[2]) == 0 then
  idle = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', ARGV[4])
  if pause > 0 then
    redis.call('HSETNX', KEYS[2], 'by', ARGV[2])
    redis.call('EXPIRE', KEYS[2], pause)
  end
end
for _, entry in ipairs(idle) do
  local got = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], entry[1])
  if got[1] and got[1][2] then
    claimed[#claimed + 1] = {got[1][1], got[1][2][2], entry[4] + 1}
  end
end
if #idle == tonumber(ARGV[4]) then redis.call('EXPIRE', KEYS[2], 0) end
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
-- KEYS work, looked; ARGV group, worker, idle in milliseconds, added to the times delivered, entries …
-- Sets how long the worker's own entries have been idle; for those that now are, the next claim looks at
-- once, and where they were not before, what is added is added. Returns those that are not its own.
local lost, idle = {}, tonumber(ARGV[3])
for i = 5, #ARGV do
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])[1]
  if held then
    local times = held[4]
    if held[3] < idle then times = times + ARGV[4] end
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', idle, 'RETRYCOUNT', times, 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
if idle > 0 then redis.call('EXPIRE', KEYS[2], 0) end
return lost
"""

COMMIT = """
-- KEYS work, trajectories, episodes, blobs, references
-- ARGV group of work, seconds, number of images, then digest, bytes, digest, …, then entry, episode,
-- trajectory, digests (spaces between them), entry, …
-- Returns for each trajectory 1 where it was added, 0 where its episode was already committed, and -1 where
-- an image is neither here nor sent: then nothing is changed for it. Without a plan (a run that was dropped,
-- or a wiped Redis) all goes after so many seconds, unless it is planned meanwhile.
local first = 4 + 2 * ARGV[3]
local sent = {}
for i = 4, first - 2, 2 do sent[ARGV[i]] = ARGV[i + 1] end

local function complete(digests)
  for digest in string.gmatch(digests, '%S+') do
    if not sent[digest] and redis.call('HEXISTS', KEYS[4], digest) == 0 then return false end
  end
  return true
end

local function add_with_images(trajectory, digests)
  local entry = redis.call('XADD', KEYS[2], '*', 'trajectory', trajectory, 'images', digests)
  redis.call('HSET', KEYS[5], entry, digests)
  for digest in string.gmatch(digests, '%S+') do
    redis.call('HINCRBY', KEYS[5], digest, 1)
    if sent[digest] then redis.call('HSETNX', KEYS[4], digest, sent[digest]) end
  end
end

local function add(episode, trajectory, digests)
  if redis.call('HGET', KEYS[3], episode) == 'committed' then return 0 end
  if digests == '' then
    redis.call('XADD', KEYS[2], '*', 'trajectory', trajectory)
  elseif complete(digests) then
    add_with_images(trajectory, digests)
  else
    return -1
  end
  redis.call('HSET', KEYS[3], episode, 'committed')
  return 1
end

local answers = {}
for i = first, #ARGV, 4 do
  local answer = add(ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
  if answer >= 0 then
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
    redis.call('XDEL', KEYS[1], ARGV[i])
  end
  answers[#answers + 1] = answer
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  for i = 2, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[2]) end
end
return answers
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

_LET_GO = """
-- Takes back what an entry holds of the images, once, and removes those that no other names.
local function let_go(blobs, references, entry)
  local digests = redis.call('HGET', references, entry)
  if not digests then return end
  redis.call('HDEL', references, entry)
  for digest in string.gmatch(digests, '%S+') do
    if redis.call('HINCRBY', references, digest, -1) <= 0 then
      redis.call('HDEL', references, digest)
      redis.call('HDEL', blobs, digest)
    end
  end
end
"""

ACKNOWLEDGE = f"""
-- KEYS trajectories, blobs, references
-- ARGV group, entries … (at most some thousands: they pass over Lua's stack)
{_LET_GO}
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
if redis.call('EXISTS', KEYS[3]) == 1 then
  for i = 2, #ARGV do let_go(KEYS[2], KEYS[3], ARGV[i]) end
end
"""

TAKE_OUT = f"""
-- KEYS trajectories, episodes, blobs, references; ARGV group, then entry, episode, entry, episode …
-- Removes trajectories with the marks of their episodes, so that these can be planned again. An entry that
-- is gone already may have been trained on: its episode stays committed.
{_LET_GO}
for i = 2, #ARGV, 2 do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then redis.call('HDEL', KEYS[2], ARGV[i + 1]) end
  let_go(KEYS[3], KEYS[4], ARGV[i])
end
"""

DEACTIVATE = """
-- KEYS the lane's run; ARGV run
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
