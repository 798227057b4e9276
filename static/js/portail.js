// Progressive enhancement: every page works without this file. Texts come from data-* attributes of the templates.
"use strict";

const selectAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const fillIn = (text, values) => text.replace(/\[(\w+)\]/g, (_, name) => values[name]);

// Move the focus to the error summary, so that screen readers read it first.
function focusErrors() {
  document.querySelector("[data-focus]")?.focus();
}

// A page that answers a POST, such as a refused form, is asked for again with GET when one comes back to it or reloads
// it. Browsers must not store it (no-store: it shows what was typed), so they would show an error (ERR_CACHE_MISS in
// Chromium) or offer to send the form twice.
function showFormOnReturn() {
  history.replaceState(history.state, "");
}

// Break long addresses after their @ on a narrow screen, not in the middle of a word.
function breakAddresses() {
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const addresses = [];
  while (texts.nextNode()) if (/\w@\w/.test(texts.currentNode.data)) addresses.push(texts.currentNode);
  for (const text of addresses) {
    if (text.parentElement.closest("textarea, option, script")) continue;
    text.splitText(text.data.search(/@\w/) + 1).before(document.createElement("wbr"));
  }
}

// Submit each form once, despite double clicks. Allowed again after a while, or when the page is shown again.
function preventDoubleSubmit() {
  const SECONDS = 8;
  const sent = new Set();
  addEventListener("pageshow", () => sent.clear());
  for (const form of document.forms) {
    if (form.method !== "post") continue;
    form.addEventListener("submit", (event) => {
      if (sent.has(form)) return event.preventDefault();
      sent.add(form);
      setTimeout(() => sent.delete(form), SECONDS * 1000);
    });
  }
}

// Show or hide the password; hidden again on submit.
function passwordToggle(box) {
  const button = box.querySelector("[data-toggle]");
  const input = document.getElementById(button.getAttribute("aria-controls"));
  const live = box.querySelector("[data-live]");
  const { show, hide, name } = button.dataset;

  function setVisible(shown) {
    input.type = shown ? "text" : "password";
    button.textContent = shown ? hide : show;
    button.setAttribute("aria-label", `${button.textContent} ${name}`);
    button.setAttribute("aria-pressed", shown);
  }

  button.addEventListener("click", () => {
    const shown = input.type === "password";
    setVisible(shown);
    live.textContent = shown ? live.dataset.shown : live.dataset.hidden;
  });
  input.form.addEventListener("submit", () => setVisible(false));
  setVisible(false);
  button.hidden = false;
}

// Entropy in bits after the CNIL's formula: length times bits per character. Repeated characters are capped.
function entropy(password) {
  const characters = [...password];
  const kinds = [[/\p{Ll}/u, 26], [/\p{Lu}/u, 26], [/\d/, 10], [/[^\p{L}\d]/u, 37]];
  const pool = kinds.reduce((sum, [kind, size]) => sum + (kind.test(password) ? size : 0), 0);
  return Math.min(characters.length, new Set(characters).size * 2) * Math.log2(pool || 1);
}

const normalized = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// Words of the username shown in the same form.
function accountWords(form) {
  const username = form.querySelector("[autocomplete=username]")?.value ?? "";
  return normalized(username).split("@")[0].split(/[.\-_\s]+/).filter((word) => word.length > 2);
}

// Update the password rules while the user types; announce them to screen readers after a pause only.
function passwordRules(box) {
  const meter = box.querySelector("[data-meter]");
  if (!meter) return;
  const PAUSE = 1000;
  const input = box.querySelector("input");
  const strength = box.querySelector("[data-strength]");
  const live = box.querySelector("[data-live]");
  const list = box.querySelector(".rules");
  const levels = strength.dataset.levels.split("|");
  const minimum = Number(/minlength: (\d+)/.exec(input.getAttribute("passwordrules"))?.[1] ?? 15);
  const own = accountWords(input.form);
  let timer;

  function checkRules() {
    const typed = normalized(input.value);
    return {
      length: [...input.value].length >= minimum,
      personal: typed !== "" && !own.some((word) => typed.includes(word)),
    };
  }

  function showRules(rules) {
    for (const [key, kept] of Object.entries(rules)) {
      const item = list.querySelector(`[data-rule=${key}]`);
      item?.classList.toggle("ok", kept);
      if (item) item.querySelector("[data-state]").textContent = kept ? list.dataset.met : list.dataset.unmet;
    }
  }

  function strengthLevel(rules, left) {
    const bits = entropy(input.value);
    if (!rules.personal || bits < 50) return 1;
    if (left) return 2;
    return bits < 90 ? 3 : 4;
  }

  function announce(niveau, left) {
    const { summary, leftOne, leftMany, complete } = live.dataset;
    const rest = left === 0 ? complete : left === 1 ? leftOne : fillIn(leftMany, { nombre: left });
    live.textContent = `${fillIn(summary, { niveau })} ${rest}`;
  }

  input.addEventListener("input", () => {
    const nombre = [...input.value].length;
    const rules = checkRules();
    const left = Object.values(rules).filter((kept) => !kept).length;
    const level = strengthLevel(rules, left);
    const niveau = levels[level - 1];
    showRules(rules);
    meter.hidden = strength.hidden = !nombre;
    meter.dataset.level = level;
    strength.textContent = fillIn(strength.dataset.text, { niveau, nombre });
    clearTimeout(timer);
    timer = setTimeout(() => (nombre ? announce(niveau, left) : (live.textContent = "")), PAUSE);
  });
}

// Poll for a clicked verification link or a running import. The page never reloads or redirects by itself.
function poll(note) {
  const [FIRST, FACTOR, SLOWEST, LONGEST] = [4000, 1.3, 15000, 600000];
  const end = Date.now() + LONGEST;
  const text = note.querySelector("p");
  let delay = FIRST;

  async function isFinished() {
    try {
      const answer = await fetch(note.dataset.poll, { headers: { Accept: "application/json" } });
      const facts = answer.ok ? await answer.json() : {};
      if (facts.total) showProgress(facts);
      return facts.verified || facts.over;
    } catch {
      return false;
    }
  }

  function showProgress({ done, total }) {
    const bar = document.querySelector("progress");
    const count = document.querySelector("[data-count]");
    [bar.max, bar.value] = [total, done];
    const [lines, of] = [done, total].map((number) => number.toLocaleString(document.documentElement.lang));
    count.textContent = fillIn(count.dataset.count, { done: lines, total: of });
  }

  async function request() {
    if (Date.now() > end) return void (text.textContent = note.dataset.paused);
    if (!document.hidden && (await isFinished())) {
      note.className = "note note--ok";
      selectAll("[data-while-waiting]").forEach((element) => (element.hidden = true));
      return void (text.textContent = note.dataset.done);
    }
    delay = Math.min(delay * FACTOR, SLOWEST);
    setTimeout(request, delay);
  }

  note.hidden = false;
  setTimeout(request, delay);
}

// Hide the resend button until the next e-mail may be requested.
function resendCountdown(form) {
  const button = form.querySelector("button");
  const text = form.querySelector("[data-left]");
  const end = Date.now() + Number(form.dataset.wait) * 1000;

  function show() {
    const nombre = Math.ceil((end - Date.now()) / 1000);
    button.hidden = nombre > 0;
    text.textContent = nombre > 0 ? fillIn(text.dataset.left, { nombre }) : "";
    if (nombre > 0) setTimeout(show, 1000);
  }

  show();
}

// Two minutes before the session ends, offer a button that extends it. Checked every five seconds, with some margin
// because the server's session is slightly older than the page.
function idleWarning(box) {
  const NOTICE = 130000;
  const { idleSeconds, idleUrl } = document.body.dataset;
  const note = box.firstElementChild;
  const text = box.querySelector("[data-idle-text]");
  const button = box.querySelector("button");
  let end;

  const restart = () => (end = Date.now() + idleSeconds * 1000);

  function check() {
    const left = end - Date.now();
    note.hidden = left > NOTICE;
    if (left > 0) return;
    clearInterval(timer);
    button.hidden = true;
    text.textContent = text.dataset.ended;
  }

  button.addEventListener("click", async () => {
    const answer = await fetch(idleUrl).catch(() => null);
    if (answer?.ok && !answer.redirected) restart();
    else end = 0;
    check();
  });
  // Any other request of the page prolongs the session of the server as well.
  addEventListener("portal:request", restart);
  restart();
  const timer = setInterval(check, 5000);
}

// The print button needs a script, so it is hidden by default.
function printButton(button) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

showFormOnReturn();
breakAddresses();
focusErrors();
preventDoubleSubmit();
selectAll("[data-password]").forEach(passwordToggle);
selectAll("[data-password]").forEach(passwordRules);
selectAll("[data-poll]").forEach(poll);
selectAll("[data-wait]").forEach(resendCountdown);
selectAll("[data-idle]").forEach(idleWarning);
selectAll("[data-print]").forEach(printButton);
