"use strict";
// Keeps the board live: the stream only says "look", then the lists are fetched anew. A list that someone is choosing a reason in waits.
const board = document.getElementById("board");
const busy = () => board.contains(document.activeElement) && document.activeElement.tagName === "SELECT";
async function look() {
  if (busy()) return;
  const answer = await fetch("/desk/board", { headers: { Accept: "text/html" } });
  if (answer.status === 401) { location.reload(); return; }
  if (answer.ok) board.innerHTML = await answer.text();
}
function tick() {
  for (const clock of document.querySelectorAll(".clock[data-since]")) {
    const since = Number(clock.dataset.since);
    if (!since) continue;
    const s = Math.max(0, Math.floor(Date.now() / 1000 - since));
    const two = (n) => String(n).padStart(2, "0");
    clock.textContent = s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
  }
}
new EventSource("/desk/stream").addEventListener("look", look);
setInterval(look, 15000); // what concerns nobody in particular, such as a rung that is due
setInterval(tick, 1000);
