// Elements are made here and nowhere else: whatever a peer sent becomes text, never markup.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Sets a text only where it is another one: what has not changed is not read out again.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Keeps one child for each item, in their order, and has it brought up to date; what has the focus keeps it, and what
// somebody else put there stays.
export function keep(parent, items, keyOf, make, update) {
  const known = new Map([...parent.children].filter((child) => child.dataset.key !== undefined).map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = known.get(key);
    known.delete(key);
    if (!child) {
      child = make(item);
      child.dataset.key = key;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  for (const child of known.values()) child.remove();
}

export const SIGNS = { seizure: "▲", "non-seizure": "●", "not-monitoring": "‖", dead: "✕", unknown: "?", connecting: "…" };
export const WORDS = { seizure: "Seizure", "non-seizure": "No seizure", "not-monitoring": "Not monitored", dead: "Detector dead", unknown: "Cannot be read", connecting: "Connecting" };

export function clock(unix, seconds = true) {
  return new Date(unix * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hour12: false });
}

export function ago(seconds) {
  if (seconds < 0) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

export function percent(value) { return value === null || value === undefined ? "none" : `${Math.round(value * 100)} %`; }
export function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(); }

// A canvas as sharp as the screen; returns its context in CSS pixels.
export function sized(canvas, height) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth || canvas.parentElement.clientWidth || 300;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}
