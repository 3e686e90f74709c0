import { clock, h, keep, say, WORDS } from "./dom.js";
import { ask, change, get } from "./api.js";
import { showAlarms } from "./alarms.js";
import { BedView } from "./bed.js";
import { Sound } from "./sound.js";
import { TargetsView } from "./targets.js";
import { WardView } from "./ward.js";

const CUT_S = 3, RETRY_S = 5, WINDOW_S = 600;
const sound = new Sound();
const elements = Object.fromEntries(["alarms", "clock", "cut", "login", "mute", "notices", "sound", "spoken", "theme", "view"].map((id) => [id, document.getElementById(id)]));
let session = { asks: false, may_look: true, may_change: true };
let facts = null;
let came = performance.now();
let stream = null;
let view = null;
let said = {};
let tried = -Infinity;
let skews = [];  // of this screen's clock to the page's, over the last minutes

function bedOfRoute() {
  try {
    const match = location.hash.match(/^#\/bed\/(.+)$/);
    return match ? decodeURIComponent(match[1]) : null;
  } catch {
    return null;  // what cannot be decoded is no bed
  }
}

function route() {
  const bed = bedOfRoute();
  view?.close();
  const mayChange = () => session.may_change;
  if (bed) view = new BedView(elements.view, bed, mayChange);
  else view = location.hash === "#/alerts" ? new TargetsView(elements.view, mayChange) : new WardView(elements.view);
  document.title = bed ? `${bed} · Seizure detector` : "Seizure detector";
  if (facts) view.show(facts);
}

// A screen reader hears each change of state and each new alarm, and nothing twice.
function speak() {
  const now = Object.fromEntries(facts.beds.map((bed) => [bed.bed, bed.state]));
  const changes = Object.keys(now).filter((bed) => said[bed] !== undefined && said[bed] !== now[bed]).map((bed) => `${bed}: ${WORDS[now[bed]]}`);
  if (changes.length) elements.spoken.textContent = changes.join(". ");
  said = now;
}

// What was kept on its way (a proxy, a screen that slept) is older than the least that any took in the last minutes.
function lateness(time) {
  const now = Date.now() / 1000;
  skews = [...skews.filter(([at]) => now - at < WINDOW_S && at <= now), [now, now - time]];
  return skews.at(-1)[1] - Math.min(...skews.map(([, skew]) => skew));
}

function take(text) {
  facts = JSON.parse(text);
  facts.late_s = lateness(facts.monotonic_s);
  showAlarms(elements.alarms, facts.alarms, facts.time_s, session.may_change);
  keep(elements.notices, facts.notices.map((one) => [one]), ([one]) => one, ([one]) => h("p", { class: "notice" }, one), () => {});
  view.show(facts);
  speak();
  came = performance.now();
  tick();  // the timers of a tab that nobody sees are slow, what comes is not
}

// What is old is never shown as if it were of now: also where the page itself, or its reading, has stopped.
function tick() {
  const silent = (performance.now() - came) / 1000;
  const age = Math.max(silent, (facts?.age_s ?? 0) + (facts?.late_s ?? 0));
  const isCut = age > CUT_S;
  document.body.classList.toggle("cut", isCut);
  elements.cut.hidden = !isCut;
  if (isCut) say(elements.cut, `✕ This page has had nothing for ${Math.round(age)} s: what it shows is old, and no alarm can come. Look at the beds.`);
  if (silent > RETRY_S && performance.now() - tried > RETRY_S * 1000) enter();
  say(elements.clock, clock(Date.now() / 1000));
  const alarms = [...(facts?.alarms ?? [])];
  if (isCut) alarms.push({ id: "cut", physiological: false, priority: "high", acknowledged_s: null });
  sound.hear(alarms, facts?.quiet ?? false);
  elements.mute.hidden = sound.isOn || !alarms.some((alarm) => alarm.acknowledged_s === null);
  const label = !sound.isOn ? "Turn sound on" : sound.pausedFor ? `Sound paused for ${sound.pausedFor} s: sound again` : "Pause sound for 2 min";
  say(elements.sound, label);
  elements.sound.setAttribute("aria-pressed", String(sound.isOn && !sound.pausedFor));
  Object.assign(elements.sound.dataset, { context: sound.context?.state ?? "none", playing: sound.playing ?? "nothing", bursts: sound.bursts });
}

function listen() {
  stream?.close();
  stream = new EventSource("/api/ward/stream");
  stream.onopen = () => { skews = []; };
  stream.onmessage = (event) => take(event.data);
}

async function enter() {
  tried = performance.now();
  try {
    session = await get("/api/session");
  } catch {
    return;  // it is tried again, and the page says meanwhile that it is cut off
  }
  elements.login.hidden = !session.asks;
  say(elements.login, session.may_change ? "Log out" : "Log in");
  if (session.may_look) listen();
  else if (!document.getElementById("ask").open) ask("Log in", "The word of this page", logIn, { type: "password" });
}

async function logIn(word) {
  await change("/api/session", { word });
  await enter();
}

elements.login.onclick = async () => {
  if (session.may_change) { await change("/api/session", {}, "DELETE"); location.reload(); } else ask("Log in", "The word of this page", logIn, { type: "password" });
};
elements.sound.onclick = async () => {
  if (!sound.isOn) await sound.turnOn();
  else if (sound.pausedFor) sound.goOn();
  else sound.pause();
  tick();
};

function theme(name) {
  document.documentElement.dataset.theme = name;
  say(elements.theme, name === "dark" ? "Light" : "Dark");
  localStorage.setItem("theme", name);
}
elements.theme.onclick = () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
theme(localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));

window.addEventListener("hashchange", route);
route();
setInterval(tick, 250);
new Worker("/static/ticker.js").onmessage = tick;
enter();
