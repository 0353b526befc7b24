// Keeps what is marked with data-fresh, and the rows of data-rows, as the server
// would show them now. What has not changed is left alone, and so is whatever has
// the focus.

const every = 2000;

function freshen(now) {
  for (const old of document.querySelectorAll("[data-fresh]")) {
    const fresh = now.getElementById(old.id);
    if (fresh && fresh.innerHTML !== old.innerHTML && !old.contains(document.activeElement)) {
      old.replaceChildren(...fresh.childNodes);
    }
  }
  const rows = document.querySelector("[data-rows]");
  const wanted = now.querySelector("[data-rows]");
  if (rows && wanted) freshenRows(rows, wanted);
}

function freshenRows(rows, wanted) {
  const known = new Map([...rows.children].map((row) => [row.id, row]));
  let place = rows.firstElementChild;
  for (const fresh of [...wanted.children]) {
    const row = known.get(fresh.id) ?? document.adoptNode(fresh);
    known.delete(fresh.id);
    if (row !== fresh) freshenCells(row, fresh);
    if (row === place) place = place.nextElementSibling;
    else if (!row.contains(document.activeElement)) rows.insertBefore(row, place);
  }
  for (const gone of known.values()) gone.remove();
}

function freshenCells(row, fresh) {
  [...row.children].forEach((cell, i) => {
    const now = fresh.children[i];
    if (now && cell.innerHTML !== now.innerHTML && !cell.contains(document.activeElement)) {
      cell.replaceChildren(...now.childNodes);
    }
  });
}

// now is the page as the server shows it now; nothing when that cannot be had.
async function now() {
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(10000) });
    if (answer.ok && !answer.redirected) return new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    // The worker is away; the next try may find it.
  }
  return undefined;
}

let failures = 0;

async function refresh() {
  if (document.visibilityState === "visible") {
    const page = await now();
    failures = page ? 0 : failures + 1;
    if (page) freshen(page);
    document.getElementById("stale").hidden = failures < 2; // once can be a restart
  }
  setTimeout(refresh, every);
}

setTimeout(refresh, every);
