// Pulses after the manner of IEC 60601-1-8 (its table of auditory signals): high priority ten, medium three, low two.
// Times are in seconds from the beginning of a burst, the pause is between two bursts.
const PATTERNS = {
  seizure: { hertz: [523, 659, 784], at: [0, 0.25, 0.5, 0.95, 1.2, 2.2, 2.45, 2.7, 3.15, 3.4], long: 0.15, pause: 4 },
  high: { hertz: [440, 554, 659], at: [0, 0.25, 0.5, 0.95, 1.2, 2.2, 2.45, 2.7, 3.15, 3.4], long: 0.15, pause: 8 },
  medium: { hertz: [392], at: [0, 0.35, 0.7], long: 0.2, pause: 12 },
  low: { hertz: [330], at: [0, 0.4], long: 0.2, pause: 25 },
};
const PAUSE_S = 120;

export class Sound {
  constructor() {
    this.context = null;
    this.pausedUntil = 0;
    this.heard = new Set();
    this.next = 0;
    this.playing = null;
    this.bursts = 0;
  }

  get isOn() { return this.context !== null && this.context.state === "running"; }
  get pausedFor() { return Math.max(0, Math.ceil((this.pausedUntil - performance.now()) / 1000)); }

  // Browsers let a page sound only once somebody has touched it.
  async turnOn() {
    this.context ??= new AudioContext();
    await this.context.resume();
  }

  pause() { this.pausedUntil = performance.now() + PAUSE_S * 1000; this.stop(); }
  goOn() { this.pausedUntil = 0; this.next = 0; }

  // Which alarms wait for somebody; a seizure that did not wait before ends the pause.
  hear(alarms, isQuiet) {
    const waiting = alarms.filter((alarm) => alarm.acknowledged_s === null);
    if (waiting.some((alarm) => alarm.physiological && !this.heard.has(alarm.id))) this.goOn();
    this.heard = new Set(waiting.map((alarm) => alarm.id));
    if (this.context?.state === "suspended" || this.context?.state === "interrupted") this.context.resume().catch(() => {});
    const audible = waiting.filter((alarm) => alarm.physiological || alarm.priority === "high" || !isQuiet);
    const kind = audible.some((alarm) => alarm.physiological) ? "seizure" : ["high", "medium", "low"].find((one) => audible.some((alarm) => alarm.priority === one));
    if (kind !== this.playing) { this.stop(); this.playing = kind ?? null; this.next = 0; }
    if (!kind || !this.isOn || this.pausedFor > 0 || this.context.currentTime < this.next) return;
    const pattern = PATTERNS[kind];
    const begin = this.context.currentTime + 0.05;
    this.gain = this.context.createGain();
    this.gain.connect(this.context.destination);
    pattern.at.forEach((at, i) => this.pulse(pattern.hertz[i % pattern.hertz.length], begin + at, pattern.long));
    this.next = begin + pattern.at.at(-1) + pattern.long + pattern.pause;
    this.bursts += 1;
  }

  stop() { this.gain?.disconnect(); this.gain = null; this.next = 0; }

  pulse(hertz, at, long) {
    const envelope = this.context.createGain();
    envelope.gain.setValueAtTime(0, at);
    envelope.gain.linearRampToValueAtTime(0.25, at + 0.02);
    envelope.gain.setValueAtTime(0.25, at + long - 0.03);
    envelope.gain.linearRampToValueAtTime(0, at + long);
    envelope.connect(this.gain);
    for (const [harmonic, part] of [[1, 0.6], [2, 0.25], [3, 0.15]]) {
      const tone = this.context.createOscillator();
      const share = this.context.createGain();
      share.gain.value = part;
      tone.frequency.value = hertz * harmonic;
      tone.connect(share).connect(envelope);
      tone.start(at);
      tone.stop(at + long);
    }
  }
}
