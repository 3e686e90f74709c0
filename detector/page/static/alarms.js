import { ago, clock, h, keep, say } from "./dom.js";
import { askWho, change } from "./api.js";
import { sayFalseAlarm } from "./labels.js";

const WORDS = { seizure: "Seizure", dead: "Detector dead", "not-monitoring": "Not monitored", problem: "Cannot be relied upon" };
const SIGNS = { seizure: "▲", dead: "✕", "not-monitoring": "‖", problem: "?" };

// What is said of an alarm, all of it in words.
function words(alarm, now) {
  const parts = [`${SIGNS[alarm.kind]} ${WORDS[alarm.kind]}`];
  if (!alarm.physiological) parts.push(`(${alarm.priority}) ${alarm.text}`);
  if (alarm.over_s !== null) parts.push(`it was over at ${clock(alarm.over_s)}`);
  else if (alarm.unknown_s !== null) parts.push(`whether it goes on is not known since ${clock(alarm.unknown_s)}: look at the patient`);
  parts.push(`since ${clock(alarm.since_s)}, ${ago(now - alarm.since_s)}`);
  if (alarm.acknowledged_s !== null) parts.push(`acknowledged by ${alarm.acknowledged_by} at ${clock(alarm.acknowledged_s)}`);
  else if (alarm.escalated_s !== null) parts.push("ESCALATED: nobody has acknowledged it");
  return parts.join(" · ");
}

function make(alarm, mayChange) {
  const act = (title, path) => () => askWho(`${title}: ${alarm.bed}`, (who) => change(`/api/alarms/${encodeURIComponent(alarm.id)}/${path}`, { who }));
  const forget = () => askWho(`Show ${alarm.bed} no longer, until its detector is back`, (who) => change(`/api/beds/${encodeURIComponent(alarm.bed)}/forget`, { who }));
  return h("div", { class: "alarm", role: "group", "aria-label": `Alarm of ${alarm.bed}` },
    h("a", { href: `#/bed/${encodeURIComponent(alarm.bed)}` }, alarm.bed),
    h("span", { class: "words" }),
    h("div", { class: "tools", hidden: !mayChange },
      h("button", { type: "button", class: "acknowledge", onclick: act("Acknowledge", "acknowledge") }, "Acknowledge"),
      h("button", { type: "button", class: "undo", onclick: act("Take the acknowledgement back", "undo") }, "Undo"),
      alarm.physiological ? h("button", { type: "button", onclick: () => sayFalseAlarm(alarm) }, "False alarm") : null,
      alarm.kind === "dead" ? h("button", { type: "button", onclick: forget }, "Forget bed") : null));
}

export function showAlarms(parent, alarms, now, mayChange) {
  keep(parent, alarms, (alarm) => alarm.id, (alarm) => make(alarm, mayChange), (element, alarm) => {
    const waits = alarm.acknowledged_s === null;
    element.className = `alarm ${alarm.kind} ${waits ? "waiting" : "acknowledged"}`;
    say(element.querySelector(".words"), words(alarm, now));
    element.querySelector(".tools").hidden = !mayChange;
    element.querySelector(".acknowledge").hidden = !waits;
    element.querySelector(".undo").hidden = waits;
  });
}
