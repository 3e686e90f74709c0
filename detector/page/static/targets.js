import { ago, clock, h, keep, say } from "./dom.js";
import { change, get, tell } from "./api.js";

const RELOAD_S = 2;

// What is said of a target, all of it in words.
function words(target) {
  if (target.failing_s !== null) return `✕ Failing since ${clock(target.failing_s)} (${target.tries} tries): ${target.error}`;
  if (target.waiting) return `… ${target.waiting} on their way`;
  return target.delivered.length ? "● All delivered" : "● Nothing sent yet";
}

function counts(target, now) {
  const waiting = target.waiting ? `${target.waiting} waiting, the oldest from ${ago(now - target.oldest_s)}` : "none waiting";
  return `${waiting} · ${target.n_dead ? `${target.n_dead} given up or refused` : "none given up or refused"}`;
}

function rows(target) {
  return [
    ...target.delivered.map((one) => [one.done_s, one.title, `delivered${one.error ? `, ${one.error}` : ""}`, one.key]),
    ...target.dead.map((one) => [one.done_s, one.title, `NOT DELIVERED: ${one.error}`, one.key]),
  ].sort((a, b) => b[0] - a[0]);
}

export class TargetsView {
  constructor(parent, mayChange) {
    this.mayChange = mayChange;
    this.asked = -Infinity;
    this.none = h("p", { hidden: true }, "Alerts go nowhere: no target is configured ([[webhook]], [[mqtt]] or [[mail]] in the page's configuration).");
    this.list = h("div", {});
    parent.replaceChildren(h("p", {}, h("a", { href: "#/" }, "‹ All beds")), h("h2", {}, "Alerts to other systems"), this.none, this.list);
  }

  show(facts) {
    if (facts.time_s - this.asked < RELOAD_S) return;
    this.asked = facts.time_s;
    this.load();
  }

  async load() {
    let told;
    try {
      told = await get("/api/alerts");
    } catch (problem) {
      tell(`Alerts: ${problem.message}`);
      return;
    }
    this.none.hidden = told.targets.length > 0;
    keep(this.list, told.targets, (target) => target.name, (target) => this.make(target), (panel, target) => {
      say(panel.querySelector(".now"), words(target));
      say(panel.querySelector(".counts"), counts(target, told.time_s));
      panel.querySelector("button").hidden = !this.mayChange();
      keep(panel.querySelector("tbody"), rows(target), (row) => row.join("|"), (row) => h("tr", {}, h("td", {}, clock(row[0])), h("td", {}, row[1]), h("td", {}, row[2])), () => {});
    });
  }

  make(target) {
    return h("section", { class: "panel", "aria-label": `Alerts to ${target.name}` },
      h("h3", {}, `${target.name} (${target.where})`),
      h("p", { class: "now", role: "status" }), h("p", { class: "counts" }),
      h("div", { class: "tools" }, h("button", { type: "button", onclick: () => this.test(target.name) }, "Send a test alert")),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Last alerts to ${target.name}` },
        h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), h("th", { scope: "col" }, "Alert"), h("th", { scope: "col" }, "What became of it"))), h("tbody"))));
  }

  async test(name) {
    try {
      await change(`/api/alerts/${encodeURIComponent(name)}/test`, {});
      tell(`A test alert to ${name} waits to be sent.`);
    } catch (problem) {
      tell(`No test alert: ${problem.message}`);
    }
    this.asked = -Infinity;
  }

  close() {}
}
