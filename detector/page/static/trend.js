import { clock, colour, sized } from "./dom.js";

const BIN_S = 10;

export function drawTrend(canvas, history, spark, now, hours) {
  const { context, width, height } = sized(canvas, 180);
  const span = hours * 3600, band = 14, below = 18, left = 34;
  const x = (time) => left + (width - left) * (1 - (now - time) / span);
  const y = (value) => 4 + (height - band - below - 8) * (1 - value);
  const known = history.trend.length ? history.trend.at(-1).bin_s : -Infinity;
  const bins = [...history.trend, ...spark.filter(([time]) => time > known).map(([bin_s, probability, state]) => ({ bin_s, probability, burden: null, state }))];
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const value of [0, 0.5, 1]) {
    context.fillStyle = colour("grid");
    context.fillRect(left, y(value), width - left, 1);
    context.fillStyle = colour("quiet");
    context.fillText(`${value * 100} %`, 0, y(value) + (value === 1 ? 3 : 0));
  }
  const every = span <= 3600 ? 600 : span <= 6 * 3600 ? 3600 : 4 * 3600;
  for (let time = Math.ceil((now - span) / every) * every; time < now; time += every) {
    context.fillStyle = colour("grid");
    context.fillRect(x(time), 4, 1, height - below - 4);
    context.fillStyle = colour("quiet");
    context.fillText(clock(time, false), Math.min(x(time) + 2, width - 40), height - below / 2);
  }
  const wide = Math.max(x(now) - x(now - BIN_S), 1) + 0.3;
  const line = new Path2D();
  let before = -Infinity;
  for (const bin of bins) {
    if (bin.bin_s < now - span) continue;
    context.fillStyle = colour(bin.state === 2 ? "seizure" : bin.state === 1 ? "well" : "not");
    context.fillRect(x(bin.bin_s), height - below - band, wide, band);
    if (bin.probability !== null) {
      context.fillStyle = colour(bin.state === 2 ? "seizure" : "left");
      context.fillRect(x(bin.bin_s), y(bin.probability) - 1, Math.max(wide, 2), 2);
    }
    if (bin.burden !== null && bin.burden !== undefined) {
      // Over a hole no line is drawn: nothing is known of it.
      if (bin.bin_s - before > 1.5 * BIN_S) line.moveTo(x(bin.bin_s), y(bin.burden));
      else line.lineTo(x(bin.bin_s), y(bin.burden));
      before = bin.bin_s;
    }
  }
  context.strokeStyle = colour("trace");
  context.lineWidth = 1.5;
  context.stroke(line);
}
