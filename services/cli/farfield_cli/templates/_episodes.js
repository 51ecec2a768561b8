"use strict";
(() => {
  const { shelves, labels, pictures } = JSON.parse(document.getElementById("data").textContent);
  if (!shelves.length) return;
  const $ = id => document.getElementById(id);
  const KEYS = ["arm", "suite", "version", "seed"];
  const filters = {
    all: () => true,
    solved: e => e.success,
    unsolved: e => !e.success && !e.failure,
    failed: e => !!e.failure,
    revised: e => e.success && e.turns.length > 1,
  };
  const state = { ...key(shelves[0]), show: "all", episode: 0 };
  let atEnd = false;  // whether the last version of an arm is shown: it stays so when the arm changes

  function key(shelf) {
    return Object.fromEntries(KEYS.map(name => [name, String(shelf[name] ?? "")]));
  }
  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // Choosing

  const distinct = (list, name) => [...new Set(list.map(shelf => String(shelf[name] ?? "")))];

  function choose() {
    // Each choice is among what the choices before it leave.
    let left = shelves;
    for (const name of KEYS) {
      const values = distinct(left, name);
      if (name === "version") {
        values.sort((a, b) => a - b);
        if (atEnd || !values.includes(state.version)) state.version = values.at(-1);
      } else if (!values.includes(state[name])) state[name] = values[0];
      fill(name, values);
      left = left.filter(shelf => String(shelf[name] ?? "") === state[name]);
    }
    return left[0];
  }
  function fill(name, values) {
    const select = $(name);
    select.replaceChildren(...values.map((value, place) => {
      const option = element("option", said(name, value, place === values.length - 1 && place > 0));
      option.value = value;
      return option;
    }));
    select.value = state[name];
    $(`${name}-field`).hidden = values.length < 2 && (name === "seed" || shelves.every(shelf => String(shelf[name] ?? "") === values[0]));
  }
  function said(name, value, last) {
    if (name === "version") return value === "0" ? "0 updates (start)" : `${value} updates${last ? " (last)" : ""}`;
    if (name === "seed") return `seed ${value}`;
    return labels[name][value] || value;
  }

  // Reading

  function speech(who, className) {
    const box = element("div", undefined, `said ${className}`);
    box.append(element("small", who));
    return box;
  }
  function picture(digest) {
    if (!(digest in pictures)) return element("pre", `[image ${digest.slice(0, 12)}, not in this page]`);
    const image = element("img");
    image.src = pictures[digest];
    image.alt = "what the policy was shown";
    image.onload = () => { if (image.naturalWidth < 320) image.style.imageRendering = "pixelated"; };
    return image;
  }
  function level(logprob) {
    const p = Math.exp(logprob);
    return p >= .9 ? 0 : p >= .5 ? 1 : p >= .1 ? 2 : p >= .01 ? 3 : 4;
  }
  function coloured(turn) {
    const text = element("pre");
    text.tabIndex = 0;
    text.setAttribute("aria-label", "response; arrow keys go through its tokens");
    turn.tokens.forEach((token, index) => {
      const logprob = turn.logprobs[index];
      const span = element("span", token, `t p${logprob === null ? 0 : level(logprob)}`);
      if (logprob !== null) span.dataset.logprob = logprob;
      text.append(span);
    });
    return text;
  }
  function scale() {
    const box = element("div", "probability of each token as it was drawn:", "likely");
    ["≥ 90 %", "50–90 %", "10–50 %", "1–10 %", "< 1 %"].forEach((text, step) => {
      const item = element("span");
      item.append(element("i", undefined, `p${step}`), text);
      box.append(item);
    });
    return box;
  }
  const short = value => Number(value.toFixed(3)).toString().replace("-", "−");

  function turnBox(turn, number, turns) {
    const box = element("section", undefined, "turn"), head = element("header"), verdict = turn.verdict;
    box.setAttribute("aria-label", `turn ${number + 1}`);
    head.append(element("b", `Turn ${number + 1}`));
    if (verdict) {
      head.append(element("span", verdict.correct ? "✓ correct" : verdict.parseable ? "✗ wrong" : "✗ malformed", verdict.correct ? "yes" : "no"));
      const terms = Object.entries(verdict.terms).map(([name, value]) => [name.split("/").at(-1), value])
        .filter(([name, value]) => name !== "reward" || value !== verdict.reward)
        .map(([name, value]) => `${name} ${short(value)}`).join(" · ");
      const reward = element("span", undefined, "reward");
      reward.append(element("b", `reward ${short(verdict.reward)}`));
      if (terms) reward.append(element("span", `  ${terms}`, "quiet"));
      head.append(reward);
    } else head.append(element("span", "not graded", "open"));
    box.append(head);
    const told = number ? turns[number - 1].verdict?.feedback : undefined;
    for (const message of turn.messages) {
      if (told && message.parts.length === 1 && message.parts[0].text === told) continue;  // stands above
      const heard = speech(message.role, message.role);
      for (const part of message.parts) heard.append("image" in part ? picture(part.image) : element("pre", part.text || "(empty)"));
      box.append(heard);
    }
    const answer = speech("policy", "policy");
    answer.append(turn.tokens ? coloured(turn) : element("pre", turn.response || "(empty)"));
    box.append(answer);
    if (verdict && verdict.feedback) {
      const words = speech("verifier", "verifier");
      words.append(element("pre", verdict.feedback));
      box.append(words);
    }
    return box;
  }
  function heading(episode, position, count) {
    const mood = episode.failure ? "not-enough-data" : episode.success ? "supported" : "not-supported";
    const parts = [element("span", episode.failure ? "failed" : episode.success ? "solved" : "not solved", `badge ${mood}`)];
    const first = episode.turns.flatMap(turn => turn.messages).flatMap(message => message.parts).find(part => part.cards);
    if (first) {
      const hand = element("span", undefined, "cards");
      hand.setAttribute("aria-label", `cards ${first.cards.join(", ")}`);
      hand.append(...first.cards.map(rank => element("span", rank, "card")));
      parts.push(hand);
    }
    const attempts = `${episode.turns.length} ${episode.turns.length === 1 ? "turn" : "turns"}`;
    parts.push(element("span", `${position + 1} of ${count} · ${attempts}${episode.end ? `, ${episode.end}` : ""} · ${episode.id} · environment seed ${episode.seed}`, "quiet"));
    return parts;
  }

  // Showing

  let shown = [], here = -1;

  function show({ remember = true } = {}) {
    const shelf = choose();
    shown = shelf.episodes.map((_, index) => index).filter(index => filters[state.show](shelf.episodes[index]));
    here = shown.findIndex(index => index >= state.episode);
    if (here < 0) here = shown.length - 1;
    $("filter").value = state.show;
    $("previous").disabled = here <= 0;
    $("next").disabled = here < 0 || here >= shown.length - 1;
    $("tip").hidden = true;
    if (here < 0) {
      $("place").replaceChildren(element("span", "No such episode is kept.", "quiet"));
      $("episode").replaceChildren();
    } else {
      const episode = shelf.episodes[shown[here]];
      $("place").replaceChildren(...heading(episode, here, shown.length));
      $("episode").replaceChildren(...(episode.failure ? [element("p", episode.failure)] : []), ...(episode.turns.some(turn => turn.tokens) ? [scale()] : []), ...episode.turns.map(turnBox));
    }
    if (remember) history.replaceState(null, "", `#${new URLSearchParams({ ...state, episode: here < 0 ? state.episode : shown[here] })}`);
  }
  function step(by) {
    if (here + by < 0 || here + by >= shown.length) return;
    state.episode = shown[here + by];
    show();
  }
  function fromAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    if (!given.has("arm")) return false;
    for (const name of KEYS) if (given.has(name)) state[name] = given.get(name);
    if (given.get("show") in filters) state.show = given.get("show");
    state.episode = Number(given.get("episode")) || 0;
    atEnd = false;
    return true;
  }
  for (const name of KEYS) $(name).onchange = () => {
    atEnd = name === "arm" && $("version").selectedIndex === $("version").length - 1;
    state[name] = $(name).value;
    show();
  };
  $("filter").onchange = () => { state.show = $("filter").value; state.episode = 0; show(); };
  $("previous").onclick = () => step(-1);
  $("next").onclick = () => step(1);
  addEventListener("hashchange", () => { if (fromAddress()) show({ remember: false }); });
  addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("select, .scroll, pre")) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });

  // A token's number, on hover, tap and arrow keys

  let lit = null;
  function light(token) {
    if (lit) lit.classList.remove("here");
    lit = token;
    const tip = $("tip");
    tip.hidden = !token;
    if (!token) return;
    token.classList.add("here");
    const logprob = Number(token.dataset.logprob), p = 100 * Math.exp(logprob);
    tip.textContent = `logprob ${short(logprob)} · probability ${p >= 1 ? p.toFixed(1) : p.toPrecision(2)} %`;
    const box = token.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${box.top > tip.offsetHeight + 12 ? box.top - tip.offsetHeight - 8 : box.bottom + 8}px`;
  }
  const tokenAt = event => event.target.closest?.("[data-logprob]") ?? null;
  $("episode").addEventListener("pointerover", event => light(tokenAt(event)));
  $("episode").addEventListener("pointerleave", event => { if (event.pointerType === "mouse") light(null); });
  $("episode").addEventListener("click", event => light(tokenAt(event)));
  $("episode").addEventListener("focusout", () => light(null));
  addEventListener("scroll", () => light(null), { passive: true });
  $("episode").addEventListener("keydown", event => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key], text = event.target.closest("pre");
    if (!by || !text) return;
    event.preventDefault();
    const tokens = [...text.querySelectorAll("[data-logprob]")];
    const next = tokens[lit && text.contains(lit) ? tokens.indexOf(lit) + by : by > 0 ? 0 : tokens.length - 1];
    if (next) light(next);
  });

  fromAddress();
  show({ remember: false });
})();
