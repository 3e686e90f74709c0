import { clock, h, keep, say, WORDS } from "./dom.js";
import { ask, change, get } from "./api.js";
import { showAlarms } from "./alarms.js";
import { BedView } from "./bed.js";
import { Sound } from "./sound.js";
import { WardView } from "./ward.js";

const CUT_S = 3;
const sound = new Sound();
const elements = Object.fromEntries(["alarms", "clock", "cut", "login", "notices", "sound", "spoken", "theme", "view"].map((id) => [id, document.getElementById(id)]));
let session = { asks: false, may_look: true, may_change: true };
let facts = null;
let came = performance.now();
let stream = null;
let view = null;
let said = {};

function route() {
  const match = location.hash.match(/^#\/bed\/(.+)$/);
  view?.close();
  view = match ? new BedView(elements.view, decodeURIComponent(match[1]), () => session.may_change) : new WardView(elements.view);
  document.title = match ? `${decodeURIComponent(match[1])} · Seizure detector` : "Seizure detector";
  if (facts) view.show(facts);
}

// A screen reader hears each change of state and each new alarm, and nothing twice.
function speak() {
  const now = Object.fromEntries(facts.beds.map((bed) => [bed.bed, bed.state]));
  const changes = Object.keys(now).filter((bed) => said[bed] !== undefined && said[bed] !== now[bed]).map((bed) => `${bed}: ${WORDS[now[bed]]}`);
  if (changes.length) elements.spoken.textContent = changes.join(". ");
  said = now;
}

function take(text) {
  facts = JSON.parse(text);
  came = performance.now();
  showAlarms(elements.alarms, facts.alarms, facts.time_s, session.may_change);
  keep(elements.notices, facts.notices.map((one) => [one]), ([one]) => one, ([one]) => h("p", { class: "notice" }, one), () => {});
  view.show(facts);
  speak();
}

// What is old is never shown as if it were of now: also where the page itself, or its reading, has stopped.
function tick() {
  const silent = (performance.now() - came) / 1000;
  const age = Math.max(silent, facts?.age_s ?? 0);
  const isCut = age > CUT_S;
  document.body.classList.toggle("cut", isCut);
  elements.cut.hidden = !isCut;
  if (isCut) say(elements.cut, `✕ This page has had nothing for ${Math.round(age)} s: what it shows is old, and no alarm can come. Look at the beds.`);
  say(elements.clock, clock(Date.now() / 1000));
  const alarms = [...(facts?.alarms ?? [])];
  if (isCut) alarms.push({ id: "cut", physiological: false, priority: "high", acknowledged_s: null });
  sound.hear(alarms, facts?.quiet ?? false);
  const label = !sound.isOn ? "Turn sound on" : sound.pausedFor ? `Sound paused for ${sound.pausedFor} s: sound again` : "Pause sound for 2 min";
  say(elements.sound, label);
  elements.sound.setAttribute("aria-pressed", String(sound.isOn && !sound.pausedFor));
  Object.assign(elements.sound.dataset, { context: sound.context?.state ?? "none", playing: sound.playing ?? "nothing", bursts: sound.bursts });
}

function listen() {
  stream?.close();
  stream = new EventSource("/api/ward/stream");
  stream.onmessage = (event) => take(event.data);
}

async function enter() {
  session = await get("/api/session");
  elements.login.hidden = !session.asks;
  say(elements.login, session.may_change ? "Log out" : "Log in");
  if (session.may_look) listen();
  else ask("Log in", "The word of this page", logIn, { type: "password" });
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
enter().catch(() => {});
