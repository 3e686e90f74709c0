import { colour, h, sized } from "./dom.js";

export const PAGE_S = 10;
export const LEFT_PX = 76;
const ROW_PX = 26;
const PX_PER_MM = 96 / 25.4;  // CSS's own: https://www.w3.org/TR/css-values-3/#absolute-lengths
const NO_SAMPLE = -32768;
const STEP_UV = 0.1;

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

// A page of EEG on a canvas, with what a reader sets of it; what fills it is the business of those that extend it.
export class Traces {
  constructor(label) {
    this.sensitivity = 10;
    this.high = 1;
    this.low = 35;
    this.below = 0;  // pixels for what stands under the traces
    this.canvas = h("canvas", { role: "img", "aria-label": label });
    this.over = h("p", { class: "over" });
    this.element = h("div", { class: "canvas" }, this.canvas, this.over);
    const pick = (text, values, now, act) => h("label", {}, text, h("select", { onchange: (event) => { act(Number(event.target.value)); this.restart(); } }, ...values.map((value) => h("option", { value, selected: value === now }, value === 0 ? "off" : String(value)))));
    this.tools = h("div", { class: "tools" },
      pick("µV/mm", [2, 3, 5, 7, 10, 15, 20, 30, 50], 10, (value) => { this.sensitivity = value; }),
      pick("High-pass Hz", [0, 0.5, 1, 3, 5], 1, (value) => { this.high = value; }),
      pick("Low-pass Hz", [0, 15, 35, 70], 35, (value) => { this.low = value; }));
    this.derivations = [];
    this.faults = {};
    this.resized = () => this.restart();
    window.addEventListener("resize", this.resized);
    this.themed = new MutationObserver(this.resized);  // what is drawn has the colours of before
    this.themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  // Makes an empty page for EEG of this rate.
  empty() {
    this.n = Math.round(this.rate * PAGE_S);
    this.ring = this.derivations.map(() => new Float32Array(this.n).fill(NaN));
  }

  restart() {
    if (!this.ring) return;
    this.sections = [section("high", this.high, this.rate), section("low", this.low, this.rate)].filter(Boolean);
    this.redraw();
  }

  forget() { this.memory = this.derivations.map(() => this.sections.map(() => [0, 0])); }

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

  // Hands each number of a block to `put(derivation, row, µV)`, NaN where there is none; false where it is none of ours.
  unpack(block, put) {
    const bytes = Uint8Array.from(atob(block.samples), (letter) => letter.charCodeAt(0));
    const numbers = new DataView(bytes.buffer), width = this.derivations.length;
    if (bytes.length !== 2 * block.n * width) return false;
    for (let row = 0; row < block.n; row += 1) {
      for (let i = 0; i < width; i += 1) {
        const number = numbers.getInt16(2 * (row * width + i), true);
        put(i, row, number === NO_SAMPLE ? NaN : number * STEP_UV);
      }
    }
    return true;
  }

  get scale() { return PX_PER_MM / this.sensitivity; }
  get height() { return this.rowOf(this.derivations.length - 1) + ROW_PX + this.below; }
  rowOf(i) { return (i + 0.5 + Math.floor(i / 4) * 0.35) * ROW_PX; }

  redraw() {
    if (!this.ring) return;
    const { context, width, height } = sized(this.canvas, this.height);
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
    this.forget();
    this.drawAll();
  }

  draw(begin, count) {
    const { context, width, height } = sized(this.canvas, this.height);
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

  close() {
    window.removeEventListener("resize", this.resized);
    this.themed.disconnect();
  }
}
