// A guessing game that speaks farfield.environment.v1.EnvironmentService: all of the contract, no framework.
//
//   node guess.js PROTO_FOLDER GOOGLEAPIS_FOLDER [LEASE_SECONDS]      prints its address
"use strict";
const { createHash } = require("crypto");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [protos, googleapis, lease = "120"] = process.argv.slice(2);
const definition = loader.loadSync("farfield/environment/v1/environment.proto", {
  includeDirs: [protos, googleapis], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true,
});
const service = grpc.loadPackageDefinition(definition).farfield.environment.v1.EnvironmentService.service;

const NAME = "guess", VERSION = "1.0.0", LEASE = Number(lease), MOST_SESSIONS = 4096, LONGEST = 1024 * 1024;
const DEFAULTS = { limit: 100, max_turns: 8 };
const VARIANTS = {
  id: { role: "id", summary: "Numbers up to 100.", options: {} },
  ood: { role: "ood", summary: "Numbers up to 1000, with as few guesses as before.", options: { limit: 1000 } },
};
const property = (lowest, fallback, description) =>
  ({ type: "integer", minimum: lowest, default: fallback, description });
const SCHEMA = {
  type: "object", additionalProperties: false,
  properties: {
    limit: property(2, DEFAULTS.limit, "Largest number that is drawn."),
    max_turns: property(1, DEFAULTS.max_turns, "Guesses before the episode is cut off."),
  },
};

const problem = (code, message) => Object.assign(new Error(message), { code: grpc.status[code], details: message });
const sha256 = (...parts) => createHash("sha256").update(JSON.stringify(parts)).digest("hex");
const said = (role, text) => ({ role, parts: [{ text }] });

// Options travel as google.protobuf.Struct.
const toStruct = (values) => ({
  fields: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { numberValue: value }])),
});
const fromStruct = (struct) =>
  Object.fromEntries(Object.entries((struct && struct.fields) || {}).map(([key, one]) => [key, one[one.kind]]));

function resolve(ref) {
  if (!ref || ref.name !== NAME) throw problem("NOT_FOUND", `no environment '${ref && ref.name}'; hosted: ${NAME}`);
  if (ref.version && ref.version !== VERSION) throw problem("NOT_FOUND", `hosted in version ${VERSION} alone`);
  if (ref.variant && !VARIANTS[ref.variant]) throw problem("NOT_FOUND", `no variant '${ref.variant}'`);
  const options = { ...DEFAULTS, ...(ref.variant ? VARIANTS[ref.variant].options : {}), ...fromStruct(ref.options) };
  for (const [key, value] of Object.entries(options)) {
    const known = SCHEMA.properties[key];
    if (!known) throw problem("INVALID_ARGUMENT", `${key}: unknown option`);
    if (!Number.isInteger(value) || value < known.minimum)
      throw problem("INVALID_ARGUMENT", `${key}: an integer of at least ${known.minimum}`);
  }
  return options;
}

// The game: `reset` is the constructor, `play` one step.
class Session {
  constructor(id, seed, options) {
    Object.assign(this, { id, seed, options, turn: 0, ended: false, response: null, last: null });
    this.number = 1 + Number(BigInt("0x" + sha256("guess", seed).slice(0, 15)) % BigInt(options.limit));
    const text = `I think of a number from 1 to ${options.limit}. Answer with a number alone.`;
    const observation = { messages: [said("ROLE_USER", text)], fresh_context: false };
    const facts_json = JSON.stringify({ number: this.number });
    this.digest = sha256(observation, facts_json);
    this.started = { session_id: id, observation, facts_json, digest: this.digest };
    this.touch();
  }
  touch() { this.expires = Date.now() + 1000 * LEASE; }
  play(response) {
    const guess = /^\d{1,9}$/.test(response.trim()) ? Number(response) : null;
    const success = guess === this.number;
    const spent = this.turn + 1 >= this.options.max_turns;
    const state = success ? "STATE_TERMINATED" : spent ? "STATE_TRUNCATED" : "STATE_CONTINUE";
    const hint = guess === null ? "Say a number." : guess < this.number ? "More." : "Less.";
    const messages = state === "STATE_CONTINUE" ? [said("ROLE_USER", hint)] : [];
    const outcome = { turn: this.turn, state, success, observation: { messages }, facts_json: "", metrics: {} };
    this.digest = sha256(this.digest, outcome);
    this.last = { ...outcome, digest: this.digest, replayed: false };
    Object.assign(this, { turn: this.turn + 1, ended: state !== "STATE_CONTINUE", response });
    return this.last;
  }
}

const sessions = new Map();
const alive = (id) => sessions.get(id) || null;

function identified(id, seed) {
  if (!id || id.length > 128) throw problem("INVALID_ARGUMENT", "session_id takes 1 to 128 characters");
  if (BigInt(seed) < 0n) throw problem("INVALID_ARGUMENT", "the seed takes 0 to 2^63 - 1");
}

function short(response) {
  if (Buffer.byteLength(response) > LONGEST) throw problem("INVALID_ARGUMENT", `at most ${LONGEST} bytes`);
}

function step({ session_id, turn, response }) {
  const session = alive(session_id);
  if (!session) throw problem("NOT_FOUND", `no session '${session_id}'`);
  session.touch();
  short(response);
  if (turn === session.turn - 1) {
    if (response !== session.response) throw problem("ABORTED", `turn ${turn} was taken with another response`);
    return { ...session.last, replayed: true };
  }
  if (session.ended) throw problem("FAILED_PRECONDITION", "the episode ended");
  if (turn !== session.turn) throw problem("FAILED_PRECONDITION", `turn ${session.turn} is next`);
  return session.play(response);
}

function create({ environment, sessions: wanted }) {
  const options = resolve(environment);
  wanted.forEach(({ session_id, seed }) => identified(session_id, seed));
  if (new Set(wanted.map((one) => one.session_id)).size < wanted.length)
    throw problem("INVALID_ARGUMENT", "a session id is given twice");
  if (sessions.size + wanted.length > MOST_SESSIONS) throw problem("RESOURCE_EXHAUSTED", "no room");
  for (const { session_id, seed } of wanted) {
    const present = alive(session_id);
    if (present && (present.seed !== seed || present.turn || sha256(present.options) !== sha256(options)))
      throw problem("ABORTED", `session '${session_id}' is taken`);
  }
  const found = wanted.map(({ session_id, seed }) => alive(session_id) || new Session(session_id, seed, options));
  found.forEach((one) => (one.touch(), sessions.set(one.id, one)));
  return {
    sessions: found.map((one) => one.started), lease_seconds: LEASE,
    environment: { name: NAME, version: VERSION, variant: environment.variant, options: toStruct(options) },
  };
}

function restore(options, { session_id, seed, responses, digest }) {
  identified(session_id, seed);
  const session = new Session(session_id, seed, options);
  for (const response of responses) {
    short(response);
    if (session.ended) throw problem("FAILED_PRECONDITION", "the history goes on after its end");
    session.play(response);
  }
  if (digest && digest !== session.digest) throw problem("DATA_LOSS", "the history replays to another digest");
  sessions.set(session_id, session);
  return session.last ? { outcome: session.last } : { started: session.started };
}

// Each item succeeds or fails on its own.
function item(session_id, make) {
  try {
    return { session_id, ...make() };
  } catch (error) {
    return { session_id, error: { code: error.code, message: error.message } };
  }
}
const stepped = (actions) => actions.map((one) => item(one.session_id, () => ({ outcome: step(one) })));
const unary = (answer) => (call, done) => {
  try {
    done(null, answer(call.request));
  } catch (error) {
    done(error);
  }
};

function demonstrate(call) {
  try {
    const { environment, seed, count, style } = call.request, options = resolve(environment);
    if (style !== "optimal" || count < 1) throw problem("INVALID_ARGUMENT", "style 'optimal', a count of 1 or more");
    for (let number = 0n; number < BigInt(count); number++) {
      const session = new Session("demonstration", String(BigInt(seed) + number), options);
      const target = said("ROLE_ASSISTANT", String(session.number));
      call.write({ seed: session.seed, messages: [...session.started.observation.messages, target], weights: [1] });
    }
    call.end();
  } catch (error) {
    call.emit("error", error);
  }
}

const server = new grpc.Server({ "grpc.max_receive_message_length": 64 * 1024 * 1024 });
server.addService(service, {
  Describe: unary(() => ({
    environments: [{
      name: NAME, version: VERSION, distribution: `farfield-guess==${VERSION}`, summary: "Guess a number.",
      variants: Object.entries(VARIANTS).map(([name, one]) => ({ ...one, name, options: toStruct(one.options) })),
      options_schema_json: JSON.stringify(SCHEMA), modalities: ["text"], demonstration_styles: ["optimal"],
    }],
    sessions: sessions.size, max_sessions: MOST_SESSIONS, lease_seconds: LEASE,
  })),
  CreateSessions: unary(create),
  Step: unary(({ actions }) => ({ results: stepped(actions) })),
  Rollout: (call) => {
    call.on("data", ({ actions }) => call.write({ results: stepped(actions) }));
    call.on("end", () => call.end());
  },
  RestoreSessions: unary(({ environment, sessions: histories }) => {
    const options = resolve(environment);
    return { results: histories.map((one) => item(one.session_id, () => restore(options, one))) };
  }),
  RenewLeases: unary(({ session_ids }) => {
    session_ids.forEach((id) => alive(id) && alive(id).touch());
    return { lost: session_ids.filter((id) => !alive(id)), lease_seconds: LEASE };
  }),
  CloseSessions: unary(({ session_ids }) => ({ closed: session_ids.filter((id) => sessions.delete(id)).length })),
  GetBlobs: (call) => (call.request.sha256.length ? call.emit("error", problem("NOT_FOUND", "no images")) : call.end()),
  Demonstrate: demonstrate,
});
setInterval(() => {
  for (const [id, one] of sessions) if (one.expires < Date.now()) sessions.delete(id);
}, 250 * LEASE).unref();
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`127.0.0.1:${port}`);
});
