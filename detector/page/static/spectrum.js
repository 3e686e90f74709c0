import { ago, clock, colour, h, say, sized } from "./dom.js";
import { get } from "./api.js";
import { BELOW_PX, LEFT_PX, timeAxis } from "./trend.js";

const RELOAD_S = 30, AGAIN_S = 300;  // what comes late is asked for again
const MOST_S = 25 * 3600;
const OLD_S = 45;  // a bin is over two seconds behind its end, and is asked for at the latest half a minute later
const TITLE_PX = 18, GAP_PX = 6, BANDS_PX = 84, AMPLITUDE_PX = 94;
const LOWEST_DB = -10, HIGHEST_DB = 40, HIGHEST_UV = 300;
const SIDES = ["Left", "Right"];
// Viridis (S. van der Walt and N. Smith, 2015): equal steps look equal, also in grey and to the colour-blind.
const COLOURS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"].map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

function colourOf(db) {
  const place = Math.min(Math.max((db - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB), 0), 1) * (COLOURS.length - 1);
  const below = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[below].map((one, i) => Math.round(one + (COLOURS[below + 1][i] - one) * (place - below)));
}

// Amplitude-integrated EEG is drawn linearly to 10 µV, and from there logarithmically, a decade as high as those 10 µV.
const decades = (uv) => uv <= 10 ? uv / 10 : 1 + Math.log10(uv / 10);
const heightOf = (uv) => Math.min(decades(uv) / decades(HIGHEST_UV), 1);

// Nothing is known there.
function hatch(context, left, top, width, height) {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.strokeStyle = colour("line");
  context.lineWidth = 1;
  context.beginPath();
  for (let x = left - height; x < left + width; x += 8) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  context.stroke();
  context.restore();
}

export class Spectrum {
  constructor(bed) {
    this.bed = bed;
    this.bins = new Map();
    this.newest = -Infinity;
    this.reach = Infinity;
    this.asked = -Infinity;
    this.note = h("p", { class: "note" }, "asking for the EEG of the last hours");
    this.bands = h("canvas", { role: "img", "aria-label": `Compressed spectrogram of ${bed}` });
    this.amplitudes = h("canvas", { role: "img", "aria-label": `Amplitude-integrated EEG of ${bed}` });
    this.element = h("div", {},
      h("h4", {}, "Compressed spectrogram"), this.note,
      h("p", { class: "note" }, "0.5 to 20 Hz, in dB re 1 µV²/Hz; hatched: no EEG, or too little that is good."),
      h("div", { class: "canvas" }, this.bands),
      h("h4", {}, "Amplitude-integrated EEG"),
      h("p", { class: "note" }, "µV peak to peak, from the 10th to the 90th centile of each 10 s; above 300 at the edge."),
      h("div", { class: "canvas" }, this.amplitudes));
  }

  show(now, hours) {
    if (hours !== this.hours || now - this.asked > RELOAD_S) {
      this.hours = hours;
      this.asked = now;
      this.load(now, hours);
    }
    const age = now - this.newest;
    if (this.form) {
      const last = Number.isFinite(age) ? `the newest is of ${clock(this.newest)}, ${ago(age)}` : "there is none yet";
      say(this.note, this.why ? `No EEG is read now: ${this.why}; ${last}.` : age > OLD_S ? `No EEG comes now; ${last}.` : `Of the EEG as this page reads it, whatever the detector says; ${last}.`);
    }
    const step = Math.max(hours * 3600 / Math.max(this.bands.clientWidth, 100), 1);
    const drawn = JSON.stringify([this.bins.size, this.newest, hours, Math.floor(now / step), this.bands.clientWidth, devicePixelRatio, document.documentElement.dataset.theme]);
    if (drawn === this.drawn || !this.form) return;
    this.drawn = drawn;
    const about = `of ${this.bed}, left and right hemisphere, in the last ${hours} h`;
    this.bands.setAttribute("aria-label", `Compressed spectrogram ${about}`);
    this.amplitudes.setAttribute("aria-label", `Amplitude-integrated EEG ${about}`);
    this.drawBands(now, hours * 3600);
    this.drawAmplitudes(now, hours * 3600);
  }

  async load(now, hours) {
    if (this.loading) {
      this.asked = -Infinity;
      return;
    }
    this.loading = true;
    const begin = now - hours * 3600, all = begin < this.reach;
    const since = all ? begin : Math.max(this.newest - AGAIN_S, begin);
    try {
      const told = await get(`/api/beds/${encodeURIComponent(this.bed)}/spectrum?since=${since}`);
      this.take(told);
      this.why = told.why_not;
      this.reach = Math.min(this.reach, begin);
      for (const bin_s of this.bins.keys()) if (bin_s < now - MOST_S) this.bins.delete(bin_s);
    } catch {
      return;  // it is asked for again, and how old the newest is is shown
    } finally {
      this.loading = false;
    }
  }

  take(told) {
    this.form = told;
    const bytes = Uint8Array.from(atob(told.bins), (letter) => letter.charCodeAt(0));
    const numbers = new DataView(bytes.buffer), each = told.n_bands + 4;
    for (let at = 0; at + 4 + 2 * each <= bytes.length; at += 4 + 2 * each) {
      const sides = SIDES.map((_, i) => {
        const begin = at + 4 + i * each, margin = (k) => numbers.getUint16(begin + told.n_bands + 2 * k, true);
        return margin(0) === told.no_margin ? null : { bands: bytes.subarray(begin, begin + told.n_bands), lower: margin(0) * told.step_uv, upper: margin(1) * told.step_uv };
      });
      const bin_s = numbers.getUint32(at, true);
      this.bins.set(bin_s, sides);
      this.newest = Math.max(this.newest, bin_s + told.bin_s);
    }
  }

  // Brings up one strip for each hemisphere, with its name, what is behind it and its axes.
  strips(canvas, each, now, span, marks, draw) {
    const { context, width, height } = sized(canvas, 2 * (TITLE_PX + each) + GAP_PX + BELOW_PX);
    canvas.style.height = `${height}px`;
    context.clearRect(0, 0, width, height);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    const x = timeAxis(context, width, TITLE_PX, height - BELOW_PX, now, span);
    SIDES.forEach((name, i) => {
      const top = TITLE_PX + i * (each + GAP_PX + TITLE_PX);
      context.clearRect(0, top - TITLE_PX, width, TITLE_PX);
      context.fillStyle = colour("ink");
      context.fillText(name, LEFT_PX, top - TITLE_PX / 2);
      context.fillStyle = colour("quiet");
      context.textAlign = "right";
      for (const [place, text] of marks) context.fillText(text, LEFT_PX - 5, Math.max(top + each * (1 - place), top + 5));
      context.textAlign = "left";
      draw(context, i, top, width, x);
    });
    return { context, width };
  }

  // The bins of each column of dots, which may be several or a part of one.
  columns(now, span, n) {
    const columns = Array.from({ length: n }, () => []), size = this.form.bin_s, each = span / n, begin = now - span;
    for (const [bin_s, sides] of this.bins) {
      const first = Math.max(Math.ceil((bin_s - begin) / each - 0.5), 0), last = Math.min(Math.ceil((bin_s + size - begin) / each - 0.5), n);
      if (each <= size) for (let i = first; i < last; i += 1) columns[i].push(sides);
      else if (bin_s >= begin && bin_s < now) columns[Math.min(Math.floor((bin_s - begin) / each), n - 1)].push(sides);
    }
    return { columns, least: Math.max(each / size / 2, 1) };
  }

  drawBands(now, span) {
    const n = Math.max(Math.round(((this.bands.clientWidth || 300) - LEFT_PX) * (devicePixelRatio || 1)), 1);
    const { columns, least } = this.columns(now, span, n), { n_bands, floor_db, step_db, step_hz } = this.form;
    const table = Array.from({ length: 256 }, (_, code) => colourOf(floor_db + step_db * code));
    const powers = table.map((_, code) => 10 ** ((floor_db + step_db * code) / 10));  // their mean is what shows what is short
    const marks = [5, 10, 15, 20].map((hertz) => [hertz / (n_bands * step_hz), hertz === 20 ? "20 Hz" : String(hertz)]);
    const { context, width } = this.strips(this.bands, BANDS_PX, now, span, marks, (on, side, top, wide) => {
      hatch(on, LEFT_PX, top, wide - LEFT_PX, BANDS_PX);
      const image = new ImageData(n, n_bands);
      columns.forEach((bins, i) => {
        const known = bins.map((sides) => sides[side]).filter(Boolean);
        if (known.length < least) return;
        for (let k = 0; k < n_bands; k += 1) {
          let sum = 0;
          for (const one of known) sum += powers[one.bands[k]];
          const code = (10 * Math.log10(sum / known.length) - floor_db) / step_db;
          const dot = table[Math.round(Math.min(Math.max(code, 0), 255))], at = 4 * ((n_bands - 1 - k) * n + i);
          for (let part = 0; part < 3; part += 1) image.data[at + part] = dot[part];
          image.data[at + 3] = 255;
        }
      });
      const drawn = document.createElement("canvas");
      Object.assign(drawn, { width: n, height: n_bands });
      drawn.getContext("2d").putImageData(image, 0, 0);
      on.imageSmoothingEnabled = false;
      on.drawImage(drawn, LEFT_PX, top, wide - LEFT_PX, BANDS_PX);
    });
    const bar = Math.min(140, width - LEFT_PX - 150), right = width - 42;
    for (let i = 0; i < bar; i += 1) {
      context.fillStyle = `rgb(${colourOf(LOWEST_DB + (HIGHEST_DB - LOWEST_DB) * i / (bar - 1)).join()})`;
      context.fillRect(right - bar + i, 3, 1.5, TITLE_PX - 7);
    }
    context.fillStyle = colour("quiet");
    context.fillText(`${HIGHEST_DB} dB`, right + 5, TITLE_PX / 2);
    context.textAlign = "right";
    context.fillText(`${LOWEST_DB}`.replace("-", "−"), right - bar - 4, TITLE_PX / 2);
    context.textAlign = "left";
  }

  drawAmplitudes(now, span) {
    const n = Math.max(Math.round((this.amplitudes.clientWidth || 300) - LEFT_PX), 1);
    const { columns, least } = this.columns(now, span, n);
    const marks = [0, 5, 10, 25, 100, HIGHEST_UV].map((uv) => [heightOf(uv), uv === HIGHEST_UV ? `${uv} µV` : String(uv)]);
    this.strips(this.amplitudes, AMPLITUDE_PX, now, span, marks, (context, side, top, width) => {
      hatch(context, LEFT_PX, top, width - LEFT_PX, AMPLITUDE_PX);
      const wide = (width - LEFT_PX) / n;
      const margins = columns.map((bins) => {
        const known = bins.map((sides) => sides[side]).filter(Boolean);
        return known.length < least ? null : [Math.min(...known.map((one) => one.lower)), Math.max(...known.map((one) => one.upper))];
      });
      margins.forEach((one, i) => { if (one) context.clearRect(LEFT_PX + i * wide, top, wide, AMPLITUDE_PX); });
      context.fillStyle = colour("grid");
      for (const uv of [0, 5, 10, 25, 50, 100, HIGHEST_UV]) context.fillRect(LEFT_PX, top + AMPLITUDE_PX * (1 - heightOf(uv)), width - LEFT_PX, 1);
      context.fillStyle = colour(side ? "right" : "left");
      margins.forEach((one, i) => {
        if (!one) return;
        const [low, high] = one.map(heightOf);
        context.fillRect(LEFT_PX + i * wide, top + AMPLITUDE_PX * (1 - high), wide, Math.max((high - low) * AMPLITUDE_PX, 1));
      });
    });
  }
}
