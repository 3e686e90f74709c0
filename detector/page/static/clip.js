import { clock, colour, h, keep, say, sized } from "./dom.js";
import { get } from "./api.js";
import { sayFalseAlarm } from "./labels.js";
import { LEFT_PX, PAGE_S, Traces } from "./traces.js";

const LEAD_S = 5;  // before the page, for the filters to settle
const BEFORE_S = 3;  // of the onset on the page that is opened
const TIMES_PX = 20, PROBABILITY_PX = 64;
const MARKS = [["onset_s", "onset"], ["declared_s", "declared"], ["offset_s", "offset"]];

// One page of a clip: nothing of it moves, and nothing of it is of now.
class Page extends Traces {
  constructor(label) {
    super(label);
    this.below = TIMES_PX;
    this.probability = h("canvas", { role: "img" });
    this.probability.style.height = `${PROBABILITY_PX}px`;
    say(this.over, "Recorded, not live");
    this.element.prepend(this.over);  // beside the traces of now it would be in their way
  }

  open(facts) {
    Object.assign(this, { facts, derivations: facts.derivations, missing: facts.missing, rate: facts.rate_hz });
  }

  show(block, from) {
    this.from = from;
    this.faults = block.faults;
    this.empty();
    const begin = Math.round((from - block.from_s) * this.rate);
    this.lead = this.derivations.map(() => []);
    this.unpack(block, (i, row, value) => {
      if (row < begin) this.lead[i].push(value);
      else if (row - begin < this.n) this.ring[i][row - begin] = value;
    });
    this.restart();
  }

  // [words, seconds from the page's beginning] of what lies on it.
  marks() {
    const found = MARKS.filter(([key]) => this.facts[key] !== null).map(([key, words]) => [words, this.facts[key] - this.from]);
    return found.filter(([, at]) => at >= 0 && at < PAGE_S);
  }

  when(seconds) {
    return this.facts.start_s === null ? `${seconds.toFixed(0)} s` : clock(this.facts.start_s + seconds);
  }

  drawAll() {
    this.lead.forEach((values, i) => values.forEach((value) => this.filter(i, value)));
    this.draw(0, this.n);
    const { context, width, height } = sized(this.canvas, this.height);
    const x = (seconds) => LEFT_PX + (width - LEFT_PX) * seconds / PAGE_S;
    this.shade(context, x, height - TIMES_PX, "not received");
    context.fillStyle = colour("quiet");
    for (let second = 0; second < PAGE_S; second += 2) context.fillText(this.when(this.from + second), x(second) + 3, height - TIMES_PX / 2);
    this.line(context, x, height);
    this.marks().forEach(([words, at], i) => {
      const wide = context.measureText(words).width + 8, left = Math.min(x(at), width - wide);
      context.fillStyle = colour("seizure");
      context.fillRect(left, i * 18, wide, 17);
      context.fillStyle = colour("on-seizure");
      context.fillText(words, left + 4, i * 18 + 9);
    });
    this.drawProbability();
    const told = this.marks().map(([words, at]) => `${words} at ${this.when(this.from + at)}`);
    const span = `${this.when(this.from)} to ${this.when(Math.min(this.from + PAGE_S, this.facts.duration_s))}`;
    this.canvas.setAttribute("aria-label", [`Recorded EEG, ${span}`, ...told].join("; "));
    this.canvas.dataset.marks = this.marks().map(([words]) => words).join(" ");
  }

  line(context, x, height) {
    context.fillStyle = colour("seizure");
    for (const [, at] of this.marks()) context.fillRect(x(at) - 1, 0, 2, height);
  }

  shade(context, x, height, words) {
    for (const [start, end] of this.facts.gaps) {
      const left = Math.max(start - this.from, 0), right = Math.min(end - this.from, PAGE_S);
      if (right <= left) continue;
      context.fillStyle = colour("grid");
      context.fillRect(x(left), 0, x(right) - x(left), height);
      context.fillStyle = colour("quiet");
      if (x(right) - x(left) > 80) context.fillText(words, x(left) + 4, height - 8);
    }
  }

  drawProbability() {
    const { context, width, height } = sized(this.probability, PROBABILITY_PX);
    const x = (seconds) => LEFT_PX + (width - LEFT_PX) * seconds / PAGE_S, y = (value) => 6 + (height - 12) * (1 - value);
    context.clearRect(0, 0, width, height);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (const value of [0, 1]) {
      context.fillStyle = colour("grid");
      context.fillRect(LEFT_PX, y(value), width - LEFT_PX, 1);
      context.fillStyle = colour("quiet");
      context.fillText(`${value * 100} %`, 30, y(value));
    }
    const step = this.facts.probability_step_s, seen = [];
    for (let at = Math.ceil(this.from / step) * step; at < this.from + PAGE_S; at += step) {
      const value = this.facts.probability[Math.round(at / step)];
      if (value === undefined) break;
      // Where the bed was not monitored there is no probability, and none is drawn.
      context.fillStyle = colour(value === null ? "not" : "trace");
      if (value === null) context.fillRect(x(at - this.from), y(0) - 4, x(step) - x(0) + 0.5, 4);
      else context.fillRect(x(at - this.from), y(value) - 1, x(step) - x(0) + 0.5, 3);
      if (value !== null) seen.push(value);
    }
    this.line(context, x, height);
    const most = seen.length ? `highest ${Math.round(100 * Math.max(...seen))} %` : "none: not monitored";
    this.probability.setAttribute("aria-label", `Probability on this page: ${most}`);
  }
}

// The panel in which a clip is looked at. It lies in the view, over nothing: alarms stay in sight.
export class ClipView {
  constructor(bed, mayChange, done) {
    this.bed = bed;
    this.mayChange = mayChange;
    this.done = done;
    this.page = new Page(`Recorded EEG of ${bed}`);
    this.asked = 0;
    this.title = h("h3", { tabindex: "-1" });
    this.status = h("p", { role: "status" });
    this.marks = h("ul");
    const button = (text, act) => h("button", { type: "button", onclick: act }, text);
    this.back = button("‹ 10 s back", () => this.turn(this.from - PAGE_S));
    this.forward = button("10 s on ›", () => this.turn(this.from + PAGE_S));
    this.onset = button("To the onset", () => this.turn(this.facts.onset_s - BEFORE_S));
    this.label = button("False alarm", () => this.say());
    this.file = h("a", { class: "button" }, "Download EDF+");
    this.element = h("section", { class: "panel recorded", "aria-label": "Recorded EEG of an event", hidden: true, onkeydown: (event) => this.key(event) },
      this.title,
      h("div", { class: "tools" }, this.back, this.forward, this.onset, this.label, this.file, button("Close", () => this.hide())),
      this.page.tools, this.status, this.page.element,
      h("h4", {}, "Probability (yellow at the bottom: not monitored)"), h("div", { class: "canvas" }, this.page.probability),
      h("h4", {}, "Annotations"), this.marks);
  }

  path(file) { return `/api/beds/${encodeURIComponent(this.bed)}/clips/${encodeURIComponent(file)}`; }

  async open(event, file, from) {
    this.opener = from;
    this.event = event;
    const asked = this.asked += 1;
    this.element.hidden = false;
    this.element.classList.add("waiting");
    this.facts = null;
    say(this.title, `Event of ${new Date(1000 * event.onset_s).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" })}, ${clock(event.onset_s)}: recorded EEG, not live`);
    say(this.status, "The clip is being opened.");
    this.file.href = `${this.path(file)}/edf`;
    this.file.download = file;
    this.title.focus();
    this.element.scrollIntoView({ block: "nearest" });
    try {
      const facts = await get(this.path(file));
      if (asked !== this.asked) return;
      this.facts = facts;
      this.name = file;
      this.page.open(facts);
      this.onset.hidden = facts.onset_s === null;
      this.label.hidden = !this.mayChange();
      keep(this.marks, facts.annotations.map((one, i) => [one, i]), ([one, i]) => `${i}|${one.onset_s}|${one.text}`, ([one]) => h("li", {}, `${this.page.when(one.onset_s)} ${one.text}`), () => {});
      await this.turn((facts.onset_s ?? 0) - BEFORE_S);
    } catch (problem) {
      if (asked === this.asked) say(this.status, `This clip cannot be shown: ${problem.message}`);
    }
  }

  async turn(to) {
    if (!this.facts) return;
    const asked = this.asked += 1;
    const from = this.from = Math.max(Math.min(to, this.facts.duration_s - PAGE_S), 0);
    const since = Math.max(from - LEAD_S, 0);
    try {
      const block = await get(`${this.path(this.name)}/eeg?from_s=${since}&length_s=${from - since + PAGE_S}`);
      if (asked !== this.asked) return;
      this.element.classList.remove("waiting");
      this.page.show(block, from);
      this.back.disabled = from <= 0;
      this.forward.disabled = from >= this.facts.duration_s - PAGE_S;
      const at = this.page.marks().map(([words]) => words);
      say(this.status, `${this.page.when(from)}, ${from.toFixed(0)} of ${this.facts.duration_s.toFixed(0)} s${at.length ? `; on this page: ${at.join(", ")}` : ""}`);
    } catch (problem) {
      if (asked === this.asked) say(this.status, `This page of the clip cannot be shown: ${problem.message}`);
    }
  }

  key(event) {
    if (event.key === "Escape") this.hide();
    else if (event.target.tagName === "SELECT" || event.altKey || event.ctrlKey || event.metaKey) return;
    else if (event.key === "ArrowLeft") this.turn(this.from - PAGE_S);
    else if (event.key === "ArrowRight") this.turn(this.from + PAGE_S);
    else if (event.key === "Home") this.turn(0);
    else if (event.key === "End") this.turn(Infinity);
    else return;
    event.preventDefault();
  }

  say() {
    const at_s = this.event.declared_s ?? this.event.onset_s;
    sayFalseAlarm({ bed: this.bed, since_s: at_s, id: this.event.alarm ?? "" }, () => {
      say(this.status, "Written down: a false alarm.");
      this.done();
    });
  }

  hide() {
    this.asked += 1;
    this.element.hidden = true;
    this.opener?.focus();
  }

  close() {
    this.asked += 1;
    this.page.close();
  }
}
