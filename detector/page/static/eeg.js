import { colour, h, say, sized } from "./dom.js";

const PAGE_S = 10;
const ROW_PX = 26;
const LEFT_PX = 76;
const PX_PER_MM = 96 / 25.4;  // CSS's own: https://www.w3.org/TR/css-values-3/#absolute-lengths
const NO_SAMPLE = -32768;
const STEP_UV = 0.1;
const OLD_S = 2;

// Second-order Butterworth sections by the bilinear transform (R. Bristow-Johnson, Audio EQ Cookbook, Q = 1/sqrt 2).
function section(kind, hertz, rate) {
  if (!hertz || hertz >= rate / 2) return null;
  const w = 2 * Math.PI * hertz / rate, alpha = Math.sin(w) / Math.SQRT2, c = Math.cos(w), a0 = 1 + alpha;
  const b = kind === "low" ? [(1 - c) / 2, 1 - c, (1 - c) / 2] : [(1 + c) / 2, -(1 + c), (1 + c) / 2];
  return { b: b.map((one) => one / a0), a: [-2 * c / a0, (1 - alpha) / a0] };
}

function sideOf(derivation) {
  const digits = derivation.match(/\d+/g);
  if (!digits) return "middle";
  const odd = digits.filter((one) => Number(one) % 2).length;
  return odd === digits.length ? "left" : odd === 0 ? "right" : "middle";
}

export class Sweep {
  constructor(bed) {
    this.bed = bed;
    this.sensitivity = 10;
    this.high = 1;
    this.low = 35;
    this.canvas = h("canvas", { role: "img", "aria-label": `Live EEG of ${bed}` });
    this.over = h("p", { class: "over" }, "connecting to the EEG");
    this.element = h("div", { class: "canvas" }, this.canvas, this.over);
    const pick = (label, values, now, act) => h("label", {}, label, h("select", { onchange: (event) => { act(Number(event.target.value)); this.restart(); } }, ...values.map((value) => h("option", { value, selected: value === now }, value === 0 ? "off" : String(value)))));
    this.tools = h("div", { class: "tools" },
      pick("µV/mm", [2, 3, 5, 7, 10, 15, 20, 30, 50], 10, (value) => { this.sensitivity = value; }),
      pick("High-pass Hz", [0, 0.5, 1, 3, 5], 1, (value) => { this.high = value; }),
      pick("Low-pass Hz", [0, 15, 35, 70], 35, (value) => { this.low = value; }));
    this.derivations = [];
    this.faults = {};
    this.obstacle = "";
    this.came = -Infinity;
    this.stamp = null;
    this.seen = () => this.listen();
    document.addEventListener("visibilitychange", this.seen);
    this.listen();
    this.resized = () => this.restart();
    window.addEventListener("resize", this.resized);
    this.timer = setInterval(() => this.age(), 250);
  }

  // A browser has six connections to one page: tabs that nobody sees give theirs back.
  listen() {
    this.stream?.close();
    this.stream = null;
    if (document.hidden) return;
    this.stream = new EventSource(`/api/beds/${encodeURIComponent(this.bed)}/eeg`);
    this.stream.onmessage = (event) => this.take(JSON.parse(event.data));
  }

  // The page's own clock, as the stamps of the EEG are by it; a stream that was refused is asked for again.
  check(now) {
    this.now = now;
    if (this.stream?.readyState === EventSource.CLOSED && performance.now() - (this.tried ?? 0) > 5000) {
      this.tried = performance.now();
      this.listen();
    }
  }

  take(block) {
    if (block.derivations) { this.derivations = block.derivations; this.clear(); }
    if (block.obstacle !== undefined) this.obstacle = block.obstacle;
    if (block.opened) { this.rate = block.rate_hz; this.missing = block.missing; this.obstacle = ""; this.clear(); }
    if (block.gap) this.broken = true;
    if (block.samples) this.add(block);
  }

  clear() {
    if (!this.rate || !this.derivations.length) return;
    this.n = Math.round(this.rate * PAGE_S);
    this.ring = this.derivations.map(() => new Float32Array(this.n).fill(NaN));
    this.at = 0;
    this.filled = 0;
    this.restart();
  }

  restart() {
    if (!this.ring) return;
    this.sections = [section("high", this.high, this.rate), section("low", this.low, this.rate)].filter(Boolean);
    this.memory = this.derivations.map(() => this.sections.map(() => [0, 0]));
    this.redraw();
  }

  filter(i, value) {
    if (Number.isNaN(value)) { this.memory[i] = this.sections.map(() => [0, 0]); return NaN; }
    this.sections.forEach((one, k) => {
      const state = this.memory[i][k], out = one.b[0] * value + state[0];
      state[0] = one.b[1] * value - one.a[0] * out + state[1];
      state[1] = one.b[2] * value - one.a[1] * out;
      value = out;
    });
    return value;
  }

  add(block) {
    if (!this.ring) return;
    const bytes = Uint8Array.from(atob(block.samples), (letter) => letter.charCodeAt(0));
    const numbers = new DataView(bytes.buffer), width = this.derivations.length, begin = this.at;
    if (bytes.length !== 2 * block.n * width) return;
    for (let row = 0; row < block.n; row += 1) {
      const place = (begin + row) % this.n;
      for (let i = 0; i < width; i += 1) {
        const number = numbers.getInt16(2 * (row * width + i), true);
        this.ring[i][place] = number === NO_SAMPLE || (this.broken && row === 0) ? NaN : number * STEP_UV;
      }
    }
    this.broken = false;
    this.at = (begin + block.n) % this.n;
    this.filled = Math.min(this.filled + block.n, this.n);
    this.came = performance.now();
    this.stamp = block.end_s;
    const changed = JSON.stringify(block.faults) !== JSON.stringify(this.faults);
    this.faults = block.faults;
    if (changed || block.n >= this.n) this.redraw();
    else this.draw(begin, block.n);
  }

  get scale() { return PX_PER_MM / this.sensitivity; }
  rowOf(i) { return (i + 0.5 + Math.floor(i / 4) * 0.35) * ROW_PX; }

  redraw() {
    if (!this.ring) return;
    const { context, width, height } = sized(this.canvas, this.rowOf(this.derivations.length - 1) + ROW_PX);
    this.canvas.style.height = `${height}px`;
    context.clearRect(0, 0, width, height);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    this.derivations.forEach((name, i) => {
      const fault = this.missing?.includes(name) ? "missing" : this.faults[name];
      context.fillStyle = colour(fault ? "quiet" : sideOf(name));
      context.fillText(name, 0, this.rowOf(i) - (fault ? 5 : 0));
      if (fault) context.fillText(`(${fault})`, 0, this.rowOf(i) + 8);
    });
    this.memory = this.derivations.map(() => this.sections.map(() => [0, 0]));
    if (this.filled) this.draw(this.filled < this.n ? (this.at - this.filled + this.n) % this.n : this.at, this.filled);
  }

  draw(begin, count) {
    const { context, width, height } = sized(this.canvas, this.rowOf(this.derivations.length - 1) + ROW_PX);
    const step = (width - LEFT_PX) / this.n, x = (place) => LEFT_PX + place * step;
    context.clearRect(x(begin), 0, Math.min(count, this.n) * step + 14, height);
    if (begin + count > this.n) context.clearRect(LEFT_PX, 0, (begin + count - this.n) * step + 14, height);
    context.fillStyle = colour("grid");
    for (let second = 0; second < PAGE_S; second += 1) context.fillRect(x(second * this.rate), 0, 1, height);
    context.lineWidth = 1;
    this.derivations.forEach((name, i) => {
      const fault = this.faults[name] || this.missing?.includes(name);
      context.strokeStyle = colour(fault ? "line" : sideOf(name));
      context.beginPath();
      let pen = false;
      const last = this.last?.[i];
      if (last && begin > 0 && count < this.n) { context.moveTo(x(begin - 1), last); pen = true; }
      let y = NaN;
      for (let k = 0; k < count; k += 1) {
        const place = (begin + k) % this.n;
        const value = this.filter(i, this.ring[i][place]);
        if (place === 0) pen = false;
        if (Number.isNaN(value)) { pen = false; y = NaN; continue; }
        y = this.rowOf(i) - Math.max(-3 * ROW_PX, Math.min(3 * ROW_PX, value * this.scale));
        if (pen) context.lineTo(x(place), y); else context.moveTo(x(place), y);
        pen = true;
      }
      context.stroke();
      (this.last ??= [])[i] = Number.isNaN(y) ? null : y;
    });
  }

  // Old EEG is greyed and says how old it is.
  age() {
    const age = Math.max((performance.now() - this.came) / 1000, this.stamp === null ? 0 : (this.now ?? this.stamp) - this.stamp);
    const old = age > OLD_S;
    this.element.classList.toggle("old", old);
    this.over.hidden = !old && !this.obstacle;
    const why = this.obstacle || (Number.isFinite(age) ? "nothing comes" : "connecting to the EEG");
    say(this.over, Number.isFinite(age) ? `${why} · this EEG is ${Math.round(age)} s old` : why);
  }

  close() {
    this.stream?.close();
    document.removeEventListener("visibilitychange", this.seen);
    clearInterval(this.timer);
    window.removeEventListener("resize", this.resized);
  }
}
