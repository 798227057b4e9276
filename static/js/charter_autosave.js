// Saves the draft of the charter a few seconds after the agent stops typing. The form works without this file.
"use strict";

function autosave(form) {
  const [PAUSE, RETRY] = [4000, 15000];
  const CONFLICT = 409;
  const status = form.querySelector("[data-autosave-status]");
  let timer;
  let request = null;
  let isStopped = false;

  function say(text) {
    if (status.textContent !== text) status.textContent = text;
  }

  function schedule(delay) {
    clearTimeout(timer);
    if (!isStopped) timer = setTimeout(save, delay);
  }

  function stop(text) {
    isStopped = true;
    say(text);
  }

  function saved({ message, seen, edit, autosave: url }) {
    form.elements.seen.value = seen;
    form.action = edit;
    form.dataset.autosave = url;
    // A new version has an address of its own from now on: reloading or signing in again leads to it.
    history.replaceState(null, "", edit);
    say(message);
    dispatchEvent(new Event("portal:request"));
  }

  async function send() {
    try {
      const body = new FormData(form);
      const answer = await fetch(form.dataset.autosave, { method: "POST", body, redirect: "manual" });
      // The sign-in, or a page that says that the form is too old.
      if (answer.type === "opaqueredirect" || answer.status === 403) return stop(status.dataset.ended);
      const facts = await answer.json();
      if (answer.ok) return saved(facts);
      return answer.status === CONFLICT ? stop(facts.message) : say(facts.message);
    } catch {
      say(status.dataset.retry);
      schedule(RETRY);
    }
  }

  async function save() {
    if (request) await request;
    request = send();
    await request;
    request = null;
  }

  form.addEventListener("input", () => schedule(PAUSE));
  // The button waits for a save under way: the two would otherwise look like two agents.
  form.addEventListener("submit", async (event) => {
    clearTimeout(timer);
    isStopped = true;
    if (!request || event.defaultPrevented) return;
    event.preventDefault();
    await request;
    form.submit();
  });
}

document.querySelectorAll("form[data-autosave]").forEach(autosave);
