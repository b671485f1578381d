"use strict";
// What a script adds to pages that work without one: lists that stay true, clocks that run, keys, one press for a double click,
// and a word before the session ends. The server stays the only one who decides anything.
(() => {
  const body = document.body;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const skew = body.dataset.now ? Number(body.dataset.now) * 1000 - Date.now() : 0; // the clocks are the server's
  const now = () => (Date.now() + skew) / 1000;

  // ---- lists: the stream says "look"; htmx fetches and morphs, so that the focus and what is being filled in stay
  const look = () => { for (const part of all("[data-hx-trigger~='look']")) part.dispatchEvent(new CustomEvent("look", { bubbles: true })); };
  if (body.dataset.stream && window.EventSource) {
    const stream = new EventSource(body.dataset.stream);
    stream.addEventListener("look", look);
    stream.addEventListener("over", over);
    addEventListener("pagehide", () => stream.close());
    setInterval(look, 15000); // what concerns nobody in particular, such as a rung that is due
  }
  function over() { location.reload(); }
  document.addEventListener("htmx:after:request", (event) => { if (event.detail?.ctx?.response?.status === 401) over(); });
  document.addEventListener("input", (event) => event.target.form?.setAttribute("data-busy", ""));
  let held = null; // where the focus was before a list changed
  document.addEventListener("htmx:before:swap", () => { const at = document.activeElement; held = at && at !== body ? { at, section: at.closest("section") } : null; });
  document.addEventListener("htmx:after:swap", () => {
    if (held && !held.at.isConnected) held.section?.querySelector("h2[tabindex]")?.focus();
    held = null; tick(); marked()?.classList.add("marked");
  });

  // ---- clocks
  const two = (n) => String(n).padStart(2, "0");
  function running(s) {
    const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    return h >= 24 ? `${Math.floor(h / 24)} d ${h % 24} h` : h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  }
  function tick() {
    for (const clock of all(".clock[data-since]")) {
      if (!clock.dataset.since) continue;
      const s = Math.max(0, Math.floor(now() - Number(clock.dataset.since)));
      const run = clock.querySelector(".run"), text = running(s);
      if (run.textContent !== text) run.textContent = text;
      if (clock.dataset.late) clock.classList.toggle("late", s >= Number(clock.dataset.late));
    }
    const toast = document.getElementById("session-end");
    if (!toast) return;
    const left = Math.floor(Math.min(Number(body.dataset.idleAt), Number(body.dataset.endsAt)) - now());
    if (left < -5) { over(); return; }
    if (left <= 120 && toast.hidden) toast.hidden = false;
    if (!toast.hidden) toast.firstElementChild.textContent = toast.dataset.text.replace("{left}", running(Math.max(0, left)));
  }
  setInterval(tick, 1000);

  // ---- one press
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "dialog") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    for (const button of all("button", form)) button.setAttribute("aria-disabled", "true");
  });
  addEventListener("pageshow", () => { for (const form of all("form[data-sent]")) { delete form.dataset.sent; for (const b of all("button", form)) b.removeAttribute("aria-disabled"); } });

  // ---- places and choices
  document.querySelector(".places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  document.addEventListener("click", (event) => { for (const drop of all("details.drop[open]")) if (!drop.contains(event.target)) drop.open = false; });
  for (const button of all("[data-print]")) { button.hidden = false; button.addEventListener("click", () => print()); }

  // ---- keys: j and k mark a card, its letters press its buttons
  const cards = () => all("main article.card[id]");
  let at = ""; // the id of the marked card: a list may put a new element in its place
  const marked = () => (at ? document.getElementById(at) : null);
  function mark(step) {
    const list = cards(); if (!list.length) return;
    const here = list.indexOf(marked()), next = list[Math.min(list.length - 1, Math.max(0, here + step))] ?? list[0];
    marked()?.classList.remove("marked"); next.classList.add("marked"); at = next.id;
    next.querySelector("a, button")?.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.target.closest("dialog")) {
      const open = event.target.closest("details[open]") ?? document.querySelector("details[open]");
      if (open) { open.open = false; open.querySelector("summary").focus(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    const help = document.getElementById("keys");
    switch (event.key) {
      case "?": help?.showModal(); break;
      case "j": mark(1); break;
      case "k": mark(-1); break;
      case "g": location.href = document.querySelector(".brand").href; break;
      default: {
        if (!/^[a-z]$/.test(event.key)) return;
        const card = marked() ?? (cards().length === 1 ? cards()[0] : null);
        const target = card?.querySelector(`[data-key="${event.key}"]`);
        if (!target) return;
        if (target.tagName === "SUMMARY") { target.parentElement.open = true; target.parentElement.querySelector("select, input:not([type=hidden]), textarea, button")?.focus(); } else target.click();
      }
    }
    event.preventDefault();
  });
})();
