// Comforts only: every page works without this file. All texts come from data-* attributes of the templates.
"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const fill = (text, values) => text.replace(/\[(\w+)\]/g, (_, name) => values[name]);

// Errors: the summary is read first.
function focusErrors() {
  document.querySelector("[data-focus]")?.focus();
}

// Double clicks: a form leaves once; it is usable again when the page comes back or the answer takes long.
function guardForms() {
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

// Show or hide what is typed; hidden again when the form leaves.
function passwordToggle(box) {
  const button = box.querySelector("[data-toggle]");
  const input = document.getElementById(button.getAttribute("aria-controls"));
  const live = box.querySelector("[data-live]");
  const { show, hide, name } = button.dataset;

  function reveal(shown) {
    input.type = shown ? "text" : "password";
    button.textContent = shown ? hide : show;
    button.setAttribute("aria-label", `${button.textContent} ${name}`);
    button.setAttribute("aria-pressed", shown);
  }

  button.addEventListener("click", () => {
    const shown = input.type === "password";
    reveal(shown);
    live.textContent = shown ? live.dataset.shown : live.dataset.hidden;
  });
  input.form.addEventListener("submit", () => reveal(false));
  reveal(false);
  button.hidden = false;
}

// Strength in bits, after the CNIL's formula: length times the bits of one character, repeats counted little.
function bitsOf(password) {
  const characters = [...password];
  const kinds = [[/\p{Ll}/u, 26], [/\p{Lu}/u, 26], [/\d/, 10], [/[^\p{L}\d]/u, 37]];
  const pool = kinds.reduce((sum, [kind, size]) => sum + (kind.test(password) ? size : 0), 0);
  return Math.min(characters.length, new Set(characters).size * 2) * Math.log2(pool || 1);
}

const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// Words of the person's name and username, as shown in the same form.
function ownWords(form) {
  const username = form.querySelector("[autocomplete=username]")?.value ?? "";
  return folded(username).split("@")[0].split(/[.\-_\s]+/).filter((word) => word.length > 2);
}

// Rules ticked while typing; said aloud once the person pauses, never at each key.
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
  const own = ownWords(input.form);
  let timer;

  function met() {
    const typed = folded(input.value);
    return {
      length: [...input.value].length >= minimum,
      personal: typed !== "" && !own.some((word) => typed.includes(word)),
    };
  }

  function tick(rules) {
    for (const [key, kept] of Object.entries(rules)) {
      const item = list.querySelector(`[data-rule=${key}]`);
      item?.classList.toggle("ok", kept);
      if (item) item.querySelector("[data-state]").textContent = kept ? list.dataset.met : list.dataset.unmet;
    }
  }

  function levelOf(rules, left) {
    const bits = bitsOf(input.value);
    if (!rules.personal || bits < 50) return 1;
    if (left) return 2;
    return bits < 90 ? 3 : 4;
  }

  function say(niveau, left) {
    const { summary, leftOne, leftMany, complete } = live.dataset;
    const rest = left === 0 ? complete : left === 1 ? leftOne : fill(leftMany, { nombre: left });
    live.textContent = `${fill(summary, { niveau })} ${rest}`;
  }

  input.addEventListener("input", () => {
    const nombre = [...input.value].length;
    const rules = met();
    const left = Object.values(rules).filter((kept) => !kept).length;
    const level = levelOf(rules, left);
    const niveau = levels[level - 1];
    tick(rules);
    meter.hidden = strength.hidden = !nombre;
    meter.dataset.level = level;
    strength.textContent = fill(strength.dataset.text, { niveau, nombre });
    clearTimeout(timer);
    timer = setTimeout(() => (nombre ? say(niveau, left) : (live.textContent = "")), PAUSE);
  });
}

// Waiting for a click in a mail, or for the worker: the page asks now and then, and never moves by itself.
function poll(note) {
  const [FIRST, FACTOR, SLOWEST, LONGEST] = [4000, 1.3, 15000, 600000];
  const end = Date.now() + LONGEST;
  const text = note.querySelector("p");
  let delay = FIRST;

  async function isOver() {
    try {
      const answer = await fetch(note.dataset.poll, { headers: { Accept: "application/json" } });
      const facts = answer.ok ? await answer.json() : {};
      if (facts.total) advance(facts);
      return facts.verified || facts.over;
    } catch {
      return false;
    }
  }

  function advance({ done, total }) {
    const bar = document.querySelector("progress");
    const count = document.querySelector("[data-count]");
    [bar.max, bar.value] = [total, done];
    const [lines, of] = [done, total].map((number) => number.toLocaleString(document.documentElement.lang));
    count.textContent = fill(count.dataset.count, { done: lines, total: of });
  }

  async function ask() {
    if (Date.now() > end) return void (text.textContent = note.dataset.paused);
    if (!document.hidden && (await isOver())) {
      note.className = "note note--ok";
      return void (text.textContent = note.dataset.done);
    }
    delay = Math.min(delay * FACTOR, SLOWEST);
    setTimeout(ask, delay);
  }

  note.hidden = false;
  setTimeout(ask, delay);
}

// A new mail may be asked for after a while: the button comes back by itself.
function countDown(form) {
  const button = form.querySelector("button");
  const text = form.querySelector("[data-left]");
  const end = Date.now() + Number(form.dataset.wait) * 1000;

  function show() {
    const nombre = Math.ceil((end - Date.now()) / 1000);
    button.hidden = nombre > 0;
    text.textContent = nombre > 0 ? fill(text.dataset.left, { nombre }) : "";
    if (nombre > 0) setTimeout(show, 1000);
  }

  show();
}

// Two minutes before the session ends, one button keeps it. It is looked at every five seconds, and the session of the
// server is a little older than the page.
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

// Printing is a button only where a script can do it.
function printButton(button) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

focusErrors();
guardForms();
all("[data-password]").forEach(passwordToggle);
all("[data-password]").forEach(passwordRules);
all("[data-poll]").forEach(poll);
all("[data-wait]").forEach(countDown);
all("[data-idle]").forEach(idleWarning);
all("[data-print]").forEach(printButton);
