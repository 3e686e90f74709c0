import { say } from "./dom.js";
import { Traces } from "./traces.js";

const OLD_S = 2;

export class Sweep extends Traces {
  constructor(bed) {
    super(`Live EEG of ${bed}`);
    this.bed = bed;
    say(this.over, "connecting to the EEG");
    this.obstacle = "";
    this.came = -Infinity;
    this.stamp = null;
    this.seen = () => this.listen();
    document.addEventListener("visibilitychange", this.seen);
    this.listen();
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
    this.empty();
    this.at = 0;
    this.filled = 0;
    this.restart();
  }

  add(block) {
    if (!this.ring) return;
    const begin = this.at;
    const whole = this.unpack(block, (i, row, value) => {
      this.ring[i][(begin + row) % this.n] = this.broken && row === 0 ? NaN : value;
    });
    if (!whole) return;
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

  drawAll() {
    if (this.filled) this.draw(this.filled < this.n ? (this.at - this.filled + this.n) % this.n : this.at, this.filled);
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
    super.close();
    this.stream?.close();
    document.removeEventListener("visibilitychange", this.seen);
    clearInterval(this.timer);
  }
}
