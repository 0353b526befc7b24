// Shows a room as it happens, and what is stored of it. What strangers wrote goes
// into the page as text only.

import { showCharts } from "./charts.js";

const mostLines = 200;
const said = document.getElementById("said");
const log = document.getElementById("log");
const hold = document.getElementById("hold");
const counts = { comment: document.getElementById("comments"), gift: document.getElementById("gifts") };
const numbers = { comment: 0, gift: 0 };
let source;

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  made.dir = "auto";
  return made;
}

function line(item) {
  const made = document.createElement("li");
  made.className = item.kind;
  const at = new Date(item.at);
  const time = element("time", at.toLocaleTimeString(document.documentElement.lang, { hour12: false }));
  time.dateTime = at.toISOString();
  made.append(time, element("b", item.name), element("span", item.n ? `${item.text} ×${item.n}` : item.text));
  return made;
}

function show(news) {
  const lines = (news.items ?? []).map((item) => {
    numbers[item.kind]++;
    return line(item);
  });
  numbers.comment += news.skipped;
  const atTop = log.scrollTop < 10;
  log.prepend(...lines.reverse());
  while (log.children.length > mostLines) log.lastElementChild.remove();
  if (atTop) log.scrollTop = 0;
  for (const kind in counts) counts[kind].textContent = numbers[kind];
  if (news.watching) document.getElementById("watching").textContent = news.watching;
  if (news.likes) document.getElementById("likes").textContent = news.likes;
}

function close(sentence) {
  source?.close();
  source = undefined;
  hold.textContent = hold.dataset.go;
  if (sentence) said.textContent = sentence;
}

function open() {
  hold.textContent = hold.dataset.hold;
  source = new EventSource(document.getElementById("live").dataset.stream);
  source.addEventListener("open", () => (said.textContent = said.dataset.open));
  source.addEventListener("news", (event) => show(JSON.parse(event.data)));
  source.addEventListener("slow", () => close(said.dataset.slow));
  source.addEventListener("error", () => (said.textContent = said.dataset.lost));
}

hold.hidden = false;
hold.addEventListener("click", () => (source ? close("") : open()));
open();

async function stored() {
  const place = document.getElementById("history");
  try {
    const answer = await fetch(place.dataset.from, { signal: AbortSignal.timeout(20000) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("stored") ?? page.querySelector(".notice");
    if (found) place.replaceChildren(found);
    showCharts();
  } catch {
    // The link to it stays.
  }
}

stored();
