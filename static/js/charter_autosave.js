// Saves the draft of the charter a few seconds after the agent stops typing. The form works without this file.
"use strict";

function autosave(form) {
  const [PAUSE, RETRY] = [4000, 15000];
  const CONFLICT = 409;
  const status = form.querySelector("[data-autosave-status]");
  let timer;
  let request = null;
  let isStopped = false;

  function showStatus(text) {
    if (status.textContent !== text) status.textContent = text;
  }

  function schedule(delay) {
    clearTimeout(timer);
    if (!isStopped) timer = setTimeout(save, delay);
  }

  function stop(text) {
    isStopped = true;
    showStatus(text);
  }

  function saved({ message, seen, edit, autosave: url }) {
    form.elements.seen.value = seen;
    form.action = edit;
    form.dataset.autosave = url;
    // A new draft has its own URL from now on, for a reload or a new login.
    history.replaceState(null, "", edit);
    showStatus(message);
    dispatchEvent(new Event("portal:request"));
  }

  async function send() {
    try {
      const body = new FormData(form);
      const answer = await fetch(form.dataset.autosave, { method: "POST", body, redirect: "manual" });
      // Redirected to the login page, or refused because the form is too old.
      if (answer.type === "opaqueredirect" || answer.status === 403) return stop(status.dataset.ended);
      const facts = await answer.json();
      if (answer.ok) return saved(facts);
      return answer.status === CONFLICT ? stop(facts.message) : showStatus(facts.message);
    } catch {
      showStatus(status.dataset.retry);
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
  // Wait for a running save before submitting, or the server reports a conflict.
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
