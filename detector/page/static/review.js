import { clock, h, say } from "./dom.js";
import { change, get } from "./api.js";
import { ClipView } from "./clip.js";

const SAME_S = 3;  // a marker and the journal say the same moment by two ways
const NEAR_S = 30;  // an alarm of the page, and the onset or declaration that it is of
const REPORT_MS = 150_000;

// What of a bed is looked at later: the EEG of its events, and the report of a night.
export class Review {
  constructor(bed, mayChange, done) {
    this.bed = bed;
    this.mayChange = mayChange;
    this.events = [];
    this.clip = new ClipView(bed, mayChange, done);
    this.element = this.clip.element;
    this.notice = h("p", { class: "why", hidden: true });
    this.make = h("button", { type: "button", onclick: () => this.report() }, "Morning report of the last 24 h");
    this.told = h("span", { role: "status" });
    this.tools = [this.make, this.told];
  }

  async load(hours) {
    try {
      const { events, why } = await get(`/api/beds/${encodeURIComponent(this.bed)}/clips?hours=${hours}`);
      this.events = events;
      say(this.notice, why ? `What is known of past events is from their clips alone: ${why}` : "");
    } catch (problem) {
      say(this.notice, `Past events and their EEG cannot be asked for: ${problem.message}`);
    }
    this.notice.hidden = !this.notice.textContent;
    this.make.hidden = !this.mayChange();
  }

  // Rows of the list of events: [time, words, who, what makes the rest of it, what that is of]; a marker of a seizure and
  // its event are one.
  rows(markers, alarms) {
    const left = new Set(this.events);
    const raised = alarms.filter((one) => one.action === "raised" && one.alarm.physiological);
    for (const event of left) event.alarm = raised.find((one) => Math.abs(one.alarm.since_s - (event.declared_s ?? event.onset_s)) < NEAR_S)?.alarm.id;
    const row = (time, text, event) => [time, text, "", event && (() => this.cell(event)), event && JSON.stringify(event)];
    const rows = markers.map((one) => {
      const found = one.text === "seizure" ? [...left].find((event) => Math.abs((event.declared_s ?? event.onset_s) - one.time_s) < SAME_S) : undefined;
      left.delete(found);
      return row(one.time_s, one.text, found);
    });
    return [...rows, ...[...left].map((event) => row(event.declared_s ?? event.onset_s, "seizure", event))];
  }

  // What can be done about an event: look at its EEG, or know why not.
  cell(event) {
    if (!event.clips.length) return h("span", { class: "why" }, ` No EEG to show: ${event.why}.`);
    const several = event.clips.length > 1;
    return h("span", { class: "clips" }, ...event.clips.map((clip, i) => {
      const part = several ? `, part ${i + 1} of ${event.clips.length}` : "";
      return h("button", { type: "button", "aria-label": `Show EEG${several ? ` ${i + 1}` : ""} of the event at ${clock(event.onset_s)}, recorded${part}`, onclick: (click) => this.clip.open(event, clip.file, click.currentTarget) }, several ? `Show EEG ${i + 1}` : "Show EEG");
    }));
  }

  async report() {
    this.make.disabled = true;
    say(this.told, "The report is being made, which takes up to two minutes.");
    try {
      const path = `/api/beds/${encodeURIComponent(this.bed)}/report`;
      const { made_s } = await change(path, {}, "POST", REPORT_MS);
      this.told.replaceChildren(h("a", { href: path, target: "_blank", rel: "noopener" }, `Open the report of ${clock(made_s, false)}`));
    } catch (problem) {
      say(this.told, problem.message);
    } finally {
      this.make.disabled = false;
    }
  }

  close() { this.clip.close(); }
}
