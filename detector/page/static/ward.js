import { ago, colour, h, keep, percent, say, SIGNS, sized, WORDS } from "./dom.js";

const ORDER = ["seizure", "dead", "unknown", "not-monitoring", "connecting", "non-seizure"];

// Unacknowledged alarms first, then by how little can be said, then by name.
function order(facts) {
  const waiting = new Set(facts.alarms.filter((alarm) => alarm.acknowledged_s === null).map((alarm) => alarm.bed));
  const rank = (bed) => (waiting.has(bed.bed) ? 0 : 10) + ORDER.indexOf(bed.state);
  return [...facts.beds].sort((a, b) => rank(a) - rank(b) || a.bed.localeCompare(b.bed, undefined, { numeric: true }));
}

export function stateBlock() { return h("div", { class: "state" }, h("strong"), h("span")); }

export function showState(block, bed) {
  block.className = `state ${bed.state}`;
  say(block.firstElementChild, `${SIGNS[bed.state]} ${WORDS[bed.state]}`);
  say(block.lastElementChild, bed.problem && bed.state !== "unknown" ? `${bed.words} · ${bed.problem}` : bed.words);
}

export function showFacts(list, bed, now, names) {
  const all = {
    Probability: bed.probability === null ? "not known" : percent(bed.probability),
    "Seizure burden": bed.burden === null ? "not known" : `${percent(bed.burden)} of 5 min`,
    "Good channels": bed.good_channels === null ? "not known" : `${bed.good_channels} of ${bed.derivations ?? "?"}`,
    "Input age": bed.input_age_s === null ? "not known" : `${bed.input_age_s.toFixed(1)} s`,
    "Last seizure": bed.last_seizure_s === null ? "none is known of" : ago(now - bed.last_seizure_s),
    Heartbeat: bed.silence_s === null ? (bed.seen_s === null ? "none yet" : `last ${ago(now - bed.seen_s)}`) : `${bed.silence_s.toFixed(0)} s ago`,
    "Missing samples": bed.missing_samples === null ? "not known" : String(bed.missing_samples),
    Source: bed.source ?? "not known",
    Detector: bed.host ? `${bed.model} on ${bed.host}` : "not known",
  };
  keep(list, names.flatMap((name) => [[name, "dt"], [name, "dd"]]), (item) => item.join(), (item) => h(item[1]), (element, item) => say(element, item[1] === "dt" ? item[0] : all[item[0]]));
}

export function drawSpark(canvas, bed, now) {
  const { context, width, height } = sized(canvas, 48);
  const x = (time) => width * (1 - (now - time) / 900);
  context.clearRect(0, 0, width, height);
  for (const [time, probability, state] of bed.spark) {
    const wide = Math.max(width * 10 / 900, 1) + 0.5;
    context.fillStyle = colour(state === 2 ? "seizure" : state === 1 ? "grid" : "not");
    context.fillRect(x(time), height - 5, wide, 5);
    if (probability === null) continue;
    context.fillStyle = colour(state === 2 ? "seizure" : "left");
    context.fillRect(x(time), (height - 6) * (1 - probability), wide, 2);
  }
}

const SHORT = ["Probability", "Seizure burden", "Good channels", "Input age", "Last seizure"];

export class WardView {
  constructor(parent) {
    this.list = h("ul", { class: "beds" });
    this.empty = h("p", {}, "No bed has been seen yet. A detector that runs in this network and LSL session shows up by itself.");
    parent.replaceChildren(this.empty, this.list);
  }

  show(facts) {
    this.empty.hidden = facts.beds.length > 0;
    keep(this.list, order(facts), (bed) => bed.bed, (bed) => h("li", { class: "bed" },
      h("h2", {}, h("a", { href: `#/bed/${encodeURIComponent(bed.bed)}` }, bed.bed)),
      stateBlock(),
      h("dl", { class: "facts" }),
      h("canvas", { class: "spark", role: "img" })),
    (card, bed) => {
      card.classList.toggle("old", bed.probability === null);
      showState(card.querySelector(".state"), bed);
      showFacts(card.querySelector(".facts"), bed, facts.time_s, SHORT);
      const canvas = card.querySelector("canvas");
      canvas.setAttribute("aria-label", `Probability of ${bed.bed} in the last 15 minutes, now ${percent(bed.probability)}`);
      drawSpark(canvas, bed, facts.time_s);
    });
  }

  close() {}
}
