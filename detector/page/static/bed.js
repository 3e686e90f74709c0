import { clock, h, keep, say } from "./dom.js";
import { get } from "./api.js";
import { Sweep } from "./eeg.js";
import { labelButtons, sayMissed } from "./labels.js";
import { Review } from "./review.js";
import { Spectrum } from "./spectrum.js";
import { drawTrend, thresholdsText } from "./trend.js";
import { showFacts, showState, stateBlock } from "./ward.js";

const NAMES = ["Probability", "Seizure burden", "Good channels", "Input age", "Last seizure", "Heartbeat", "Missing samples", "Source", "Detector"];
const RELOAD_S = 30;

function choice(label, values, now, act) {
  return h("label", {}, label, h("select", { onchange: (event) => act(Number(event.target.value)) }, ...values.map(([value, text]) => h("option", { value, selected: value === now }, text))));
}

export class BedView {
  constructor(parent, bed, mayChange) {
    this.bed = bed;
    this.mayChange = mayChange;
    this.hours = 24;
    this.history = null;
    this.asked = -Infinity;
    this.state = stateBlock();
    this.facts = h("dl", { class: "facts" });
    this.trend = h("canvas", { role: "img", "aria-label": `Probability, burden and state of ${bed}` });
    this.rows = h("tbody");
    this.missed = h("button", { type: "button", onclick: () => sayMissed(bed, () => this.reload()) }, "A seizure was missed now");
    this.sweep = new Sweep(bed);
    this.spectrum = new Spectrum(bed);
    this.thresholds = h("p", { class: "note" });
    this.review = new Review(bed, mayChange, () => this.reload());
    parent.replaceChildren(
      h("p", {}, h("a", { href: "#/" }, "‹ All beds")),
      h("h2", {}, bed),
      h("div", { class: "head" }, this.state, this.facts),
      h("section", { class: "panel", "aria-label": "EEG" }, h("h3", {}, "EEG"), this.sweep.tools, this.sweep.element),
      h("section", { class: "panel", "aria-label": "Trend" },
        h("h3", {}, "Probability (dots), seizure burden (line) and state (band below: dark red seizure, yellow not monitored, empty: nothing is known)"),
        h("div", { class: "tools" }, choice("Last", [[1, "1 h"], [6, "6 h"], [24, "24 h"]], 24, (hours) => { this.hours = hours; this.asked = -Infinity; })),
        this.thresholds, h("div", { class: "canvas" }, this.trend), this.spectrum.element),
      h("section", { class: "panel", "aria-label": "Events" },
        h("h3", {}, "Events"), h("div", { class: "tools" }, this.missed, ...this.review.tools), this.review.notice,
        h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "List of events" },
          h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), h("th", { scope: "col" }, "What"), h("th", { scope: "col" }, "Who"))), this.rows))),
      this.review.element);
  }

  show(facts) {
    const bed = facts.beds.find((one) => one.bed === this.bed);
    if (!bed) {
      this.state.className = "state unknown";
      say(this.state.firstElementChild, "? Not known");
      say(this.state.lastElementChild, "no bed of this name has been seen");
      return;
    }
    showState(this.state, bed);
    this.sweep.check(facts.time_s);
    showFacts(this.facts, bed, facts.time_s, NAMES);
    this.missed.hidden = !this.mayChange();
    say(this.thresholds, thresholdsText(bed));
    this.spectrum.show(facts.time_s, this.hours);
    const happened = JSON.stringify([bed.n_markers, facts.alarms.filter((one) => one.bed === this.bed)]);
    if (facts.time_s - this.asked > RELOAD_S || happened !== this.happened) {
      this.asked = facts.time_s;
      this.happened = happened;
      this.load();
    }
    if (this.history) drawTrend(this.trend, this.history, bed.spark, facts.time_s, this.hours);
  }

  async load() {
    if (this.loading) return;
    this.loading = true;
    try {
      this.review.load(this.hours).then(() => this.list());
      this.history = await get(`/api/beds/${encodeURIComponent(this.bed)}/history?hours=${this.hours}`);
    } catch {
      return;  // it is asked again; that nothing comes is told by the whole page
    } finally {
      this.loading = false;
    }
    this.list();
  }

  list() {
    if (!this.history) return;
    const { markers, alarms, labels } = this.history;
    const buttons = this.mayChange() ? labelButtons(this.bed, this.history, () => this.reload()) : new Map();
    const rows = [
      ...this.review.rows(markers, alarms),
      ...alarms.map((one) => [one.time_s, `alarm ${one.action}: ${one.alarm.kind}`, one.who, buttons.get(one)]),
      ...labels.map((one) => [one.time_s, `label ${one.kind} for ${clock(one.at_s)}`, one.who, buttons.get(one)]),
    ].sort((a, b) => b[0] - a[0]).slice(0, 500);
    keep(this.rows, rows, ([time, what, who, button, state]) => [time, what, who, state ?? Boolean(button)].join("|"),
      ([time, what, who, button]) => h("tr", {}, h("td", {}, clock(time)), h("td", {}, what, " ", button?.()), h("td", {}, who)), () => {});
  }

  reload() { this.asked = -Infinity; }

  close() {
    this.sweep.close();
    this.review.close();
  }
}
