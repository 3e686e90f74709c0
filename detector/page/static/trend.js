import { clock, colour, percent, sized } from "./dom.js";

const BIN_S = 10;
export const LEFT_PX = 46, BELOW_PX = 18;

// The hours from `now` back, with a line at each mark: the same for all that is drawn below one another.
export function timeAxis(context, width, top, bottom, now, span) {
  const x = (time) => LEFT_PX + (width - LEFT_PX) * (1 - (now - time) / span);
  const every = [600, 1800, 3600, 7200, 14400].find((one) => span / one * 44 <= width - LEFT_PX) ?? 21600;
  for (let time = Math.ceil((now - span) / every) * every; time < now; time += every) {
    context.fillStyle = colour("grid");
    context.fillRect(x(time), top, 1, bottom - top);
    context.fillStyle = colour("quiet");
    if (x(time) + 2 <= width - 36) context.fillText(clock(time, false), x(time) + 2, bottom + BELOW_PX / 2);
  }
  return x;
}

export function thresholdsText(bed) {
  const told = bed.thresholds;
  if (!told) return "Thresholds: not told now (a detector tells them with detail = true in its [outlets])";
  const over = told.smoothing_s ? ` of the probability, smoothed over ${told.smoothing_s} s` : "";
  return `Thresholds now: a seizure begins at ${percent(told.onset)} (dashed) and ends below ${percent(told.offset)} (dotted)${over}`;
}

// Where they held as far as is known: over a hole, or where they were not told, there is no line.
function drawThresholds(context, bins, rows, x, y) {
  const lines = { onset: new Path2D(), offset: new Path2D() };
  let row = -1, before = null;
  for (const bin of bins) {
    while (row + 1 < rows.length && rows[row + 1].time_s <= bin.bin_s) row += 1;
    const held = row >= 0 && rows[row].onset !== null ? rows[row] : null;
    for (const name of held ? ["onset", "offset"] : []) {
      if (!before || bin.bin_s - before.bin_s > 1.5 * BIN_S || before.held !== held) lines[name].moveTo(x(bin.bin_s), y(held[name]));
      lines[name].lineTo(x(bin.bin_s + BIN_S), y(held[name]));
    }
    before = held && { bin_s: bin.bin_s, held };
  }
  context.strokeStyle = colour("ink");
  context.lineWidth = 1.5;
  context.setLineDash([8, 5]);
  context.stroke(lines.onset);
  context.setLineDash([2, 4]);
  context.stroke(lines.offset);
  context.setLineDash([]);
}

export function drawTrend(canvas, history, spark, now, hours) {
  const { context, width, height } = sized(canvas, 180);
  const span = hours * 3600, band = 14, below = BELOW_PX, left = LEFT_PX;
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
  const x = timeAxis(context, width, 4, height - below, now, span);
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
  drawThresholds(context, bins.filter((bin) => bin.bin_s >= now - span), history.thresholds, x, y);
}
