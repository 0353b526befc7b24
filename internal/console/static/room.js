// Shows a room as it happens, and what is stored of it. What strangers wrote goes
// into the page as text only.

import { showCharts } from "./charts.js";

const mostLines = 200;
const said = document.getElementById("said");
const log = document.getElementById("log");
const hold = document.getElementById("hold");
const shown = Object.fromEntries(["comments", "gifts", "skipped", "watching", "likes"].map((id) => [id, document.getElementById(id)]));
const numbers = { comments: 0, gifts: 0, skipped: 0 };
let waiting = []; // what is to be shown at the next frame, mostLines at most
let drawing = false;
let source;
let held = false; // a person has paused it
let again; // the timer of the next try
let wait = 0; // ms until it

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

// draw puts into the page what has come since it last did. It is called once a
// frame at most, and not at all while nobody sees the page.
function draw() {
  drawing = false;
  const lines = waiting.map(line).reverse();
  waiting = [];
  const atTop = log.scrollTop < 10;
  while (log.children.length > mostLines - lines.length) log.lastElementChild.remove();
  log.prepend(...lines);
  if (atTop) log.scrollTop = 0;
  for (const name in numbers) shown[name].textContent = numbers[name];
}

function show(news) {
  const items = news.items ?? [];
  for (const item of items) numbers[`${item.kind}s`]++;
  numbers.comments += news.skippedComments;
  numbers.gifts += news.skippedGifts;
  numbers.skipped += news.skippedComments + news.skippedGifts;
  waiting.push(...items);
  if (waiting.length > mostLines) {
    numbers.skipped += waiting.length - mostLines;
    waiting = waiting.slice(-mostLines);
  }
  for (const name of ["watching", "likes"]) if (news[name]) shown[name].textContent = news[name];
  if (!drawing) {
    drawing = true;
    requestAnimationFrame(draw);
  }
}

function close(sentence) {
  clearTimeout(again);
  source?.close();
  source = undefined;
  hold.textContent = hold.dataset.go;
  if (sentence) said.textContent = sentence;
}

// lost says so. A browser tries again by itself, but not where it was answered
// otherwise than by a stream, such as by a worker that starts or has no place.
function lost() {
  said.textContent = said.dataset.lost;
  if (source.readyState !== EventSource.CLOSED) return;
  wait = Math.min(Math.max(2 * wait, 2000), 60000);
  again = setTimeout(open, wait);
}

function open() {
  hold.textContent = hold.dataset.hold;
  source = new EventSource(document.getElementById("live").dataset.stream);
  source.addEventListener("open", () => {
    wait = 0;
    said.textContent = said.dataset.open;
  });
  source.addEventListener("news", (event) => show(JSON.parse(event.data)));
  source.addEventListener("slow", () => {
    held = true;
    close(said.dataset.slow);
  });
  source.addEventListener("error", lost);
}

hold.hidden = false;
hold.addEventListener("click", () => {
  held = source !== undefined;
  if (held) close("");
  else open();
});

// A browser has six connections to a worker at most, for all its pages together: those
// that nobody sees give theirs back.
function seen() {
  if (document.visibilityState !== "visible") {
    if (!held) close(said.dataset.unseen);
  } else if (!source && !held) {
    open();
  }
}

document.addEventListener("visibilitychange", seen);
seen();

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
