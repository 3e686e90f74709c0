import { clock, h } from "./dom.js";
import { askWho, change, tell } from "./api.js";

function put(bed, title, label, done) {
  askWho(title, async (who) => {
    await change(`/api/beds/${encodeURIComponent(bed)}/labels`, { ...label, who });
    tell(`${title}: written down.`);
    done?.();
  });
}

export function sayFalseAlarm(alarm, done) {
  put(alarm.bed, `No seizure: ${alarm.bed}, alarm since ${clock(alarm.since_s)}`, { kind: "false-alarm", at_s: alarm.since_s, alarm: alarm.id }, done);
}

export function sayMissed(bed, done) {
  const at_s = Date.now() / 1000;
  put(bed, `A seizure of ${bed} was missed at ${clock(at_s)}`, { kind: "missed-seizure", at_s }, done);
}

function takeBack(bed, label, done) {
  put(bed, `Take back ${label.kind} of ${bed} at ${clock(label.at_s)}`, { kind: "withdrawn", at_s: label.at_s, alarm: label.alarm_id }, done);
}

// The buttons of an event list, by what they are about: of each alarm and moment the newest label stands.
export function labelButtons(bed, { alarms, labels }, done) {
  const button = (name, act) => () => h("button", { type: "button", onclick: act }, name);
  const newest = new Map();
  for (const label of labels) {
    const about = label.alarm_id || label.at_s;
    if (!newest.has(about)) newest.set(about, label);
  }
  const standing = [...newest.values()].filter((label) => label.kind !== "withdrawn");
  const labelled = new Set(standing.map((label) => label.alarm_id));
  const raised = alarms.filter((one) => one.action === "raised" && one.alarm.physiological && !labelled.has(one.alarm.id));
  return new Map([
    ...standing.map((label) => [label, button("Take back", () => takeBack(bed, label, done))]),
    ...raised.map((one) => [one, button("False alarm", () => sayFalseAlarm(one.alarm, done))]),
  ]);
}
