import { h } from "./dom.js";

const PATIENCE_MS = 8000;
const HEADERS = { "content-type": "application/json", "x-seizure-detector-page": "1" };

async function asked(path, how, patience = PATIENCE_MS) {
  try {
    return await fetch(path, { ...how, signal: AbortSignal.timeout(patience) });
  } catch {
    throw new Error("the page does not answer: nothing has been done, as far as is known. Close other tabs of it, or try again");
  }
}

export async function get(path) {
  const answer = await asked(path, {});
  if (!answer.ok) throw new Error((await answer.json()).error ?? `the page answers ${answer.status}`);
  return answer.json();
}

export async function change(path, body, method = "POST", patience = PATIENCE_MS) {
  const answer = await asked(path, { method, headers: HEADERS, body: JSON.stringify(body) }, patience);
  const told = await answer.json();
  if (answer.status === 503 && told.written === false) throw new Error("done, but not safe on disk yet: look after the disk of the page");
  if (!answer.ok) throw new Error(told.error ?? `the page answers ${answer.status}`);
  return told;
}

// Asks for a text and does something with it; stays open, with the reason, where that fails.
export function ask(title, label, act, { type = "text", known = "" } = {}) {
  const dialog = document.getElementById("ask");
  const text = document.getElementById("ask-text");
  const error = document.getElementById("ask-error");
  document.getElementById("ask-title").textContent = title;
  document.getElementById("ask-label").textContent = label;
  error.textContent = "";
  text.type = type;
  text.value = known;
  document.getElementById("ask-cancel").onclick = () => dialog.close();
  dialog.querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    try {
      await act(text.value.trim());
      dialog.close();
    } catch (problem) {
      error.textContent = problem.message;
    }
  };
  dialog.showModal();
  text.select();
}

// Everybody says who they are; the name is kept on this screen for the next time, and can be another one each time.
export function askWho(title, act) {
  ask(title, "Who are you?", async (who) => {
    await act(who);
    localStorage.setItem("who", who);
  }, { known: localStorage.getItem("who") ?? "" });
}

export function tell(text) {
  const notices = document.getElementById("notices");
  const notice = h("p", { class: "notice" }, text);
  notices.append(notice);
  setTimeout(() => notice.remove(), 8000);
}
