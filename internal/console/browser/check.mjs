// Looks at the console in a real Chromium, as people do: every page, in light and
// dark, in both languages, with the keyboard and with axe; a comment that tries to
// be markup; a thousand rooms. TestConsoleInChromium starts it; `make console`
// starts that. Screenshots go into the folder SCREENSHOTS.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const base = process.env.CONSOLE;
const guarded = process.env.GUARDED; // asks for TOKEN
const secure = process.env.SECURE; // likewise, over TLS
// The same by a name that is not this machine's, as from another: a browser trusts that less.
const elsewhere = guarded.replace("127.0.0.1", "console.example");
const spare = process.env.SPARE;
const hostile = process.env.HOSTILE;
const shots = process.env.SCREENSHOTS ?? "screenshots";
const program = process.env.CHROMIUM ?? "/usr/bin/chromium";
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

assert.ok(existsSync(program), `no Chromium at ${program}: apt-get install chromium, or name it in CHROMIUM`);
mkdirSync(shots, { recursive: true });
// Chromium's sandbox refuses root, as which CI runs; it sees nothing but the console.
const args = ["--host-resolver-rules=MAP console.example 127.0.0.1", ...(process.getuid() === 0 ? ["--no-sandbox"] : [])];
const browser = await chromium.launch({ executablePath: program, args });

// visit opens a context of its own, and has the check fail for what a page must not do.
async function visit(options, look) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en", ...options });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`${error}`));
  page.on("console", (said) => said.type() === "error" && !/status of (4\d\d|503)/.test(said.text()) && wrong.push(said.text()));
  page.on("request", (request) => [base, guarded, secure, elsewhere].includes(new URL(request.url()).origin) || wrong.push(`asks ${request.url()}`));
  await look(page);
  assert.deepEqual(wrong, []);
  await context.close();
}

async function step(name, look) {
  const began = performance.now();
  await look();
  console.log(`ok  ${name} (${Math.round(performance.now() - began)} ms)`);
}

// axeClean runs axe apart from the page, whose policy lets no script of another in.
async function axeClean(page, where) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  const run = async (expression) => {
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", { contextId: executionContextId, expression, awaitPromise: true, returnByValue: true });
    assert.ok(!exceptionDetails, JSON.stringify(exceptionDetails));
    return result.value;
  };
  await run(`${readFileSync(axe, "utf8")};0`);
  const found = await run("axe.run(document).then((r) => r.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ').slice(0, 300)}`))");
  assert.deepEqual(found, [], `axe at ${where}`);
}

await step("first paint", async () => {
  const paints = [];
  for (let visits = 0; visits < 5; visits++) {
    await visit({}, async (page) => { // with nothing in its cache
      await page.goto(base, { waitUntil: "load" });
      await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
      const [paint, answered, bytes] = await page.evaluate(() => {
        const navigation = performance.getEntriesByType("navigation")[0];
        const loaded = [navigation, ...performance.getEntriesByType("resource")];
        return [performance.getEntriesByName("first-contentful-paint")[0].startTime, navigation.responseEnd, loaded.reduce((sum, entry) => sum + entry.transferSize, 0)];
      });
      paints.push({ paint: Math.round(paint), answered: Math.round(answered) });
      assert.ok(bytes > 0 && bytes < 300 * 1024, `${bytes} bytes`);
      if (visits === 4) console.log(`    ${Math.ceil(bytes / 1024)} KiB; first paint, and of that the worker's answer: ${paints.map((p) => `${p.paint} (${p.answered})`).join(", ")} ms`);
    });
  }
});

await step("a room is added, paused, watched again and removed, with the keyboard", async () => {
  await visit({}, async (page) => {
    await page.goto(base);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await page.locator("summary").focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.keyboard.type(`https://live.kuaishou.com/u/${spare}`);
    await page.keyboard.press("Tab");
    await page.keyboard.type("added by a test");
    await page.keyboard.press("Enter");
    await page.getByText("Added: 1. There already: 0.").waitFor();
    await page.goto(`${base}/?q=${spare}`);
    const row = page.locator("#rows tr", { hasText: spare });
    await row.getByText("live", { exact: true }).waitFor(); // by itself: the page keeps fresh
    for (const [button, said] of [["Pause", "The room is paused"], ["Resume", "The room is watched again"]]) {
      await page.goto(`${base}/?q=${spare}`);
      await row.getByRole("button", { name: button }).focus();
      await page.keyboard.press("Enter");
      await page.getByText(said).waitFor();
    }
    await page.goto(`${base}/?q=${spare}`);
    await row.getByRole("link", { name: "Remove" }).click();
    await page.getByRole("button", { name: "Remove" }).click();
    await page.getByText("The room is removed").waitFor();
    assert.equal(await row.count(), 0);
  });
});

await step("what cannot be a room is refused in words", async () => {
  await visit({}, async (page) => {
    await page.goto(base);
    await page.locator("summary").click();
    await page.locator("#lives").fill('https://example.com/"><script>1</script>');
    await page.getByRole("button", { name: "Add" }).click();
    await page.locator("#trouble", { hasText: "not an address of Kuaishou" }).waitFor();
    assert.equal(await page.locator("#lives").inputValue(), 'https://example.com/"><script>1</script>');
    await axeClean(page, "a form with trouble");
  });
});

await step("a comment that tries to be markup is text", async () => {
  await visit({}, async (page) => {
    await page.goto(`${base}/?q=3xhostileroom22`);
    await page.locator("#rows a").first().click();
    const line = page.locator("#log li").first();
    await line.waitFor();
    assert.ok((await line.textContent()).includes(hostile));
    assert.equal(await page.locator("#log img, #log script, #log i").count(), 0);
    assert.equal(await page.locator("#watching").textContent(), "<b>9</b>");
    await page.locator("#stored .top", { hasText: "<i>evil" }).waitFor();
    await page.goto(`${base}/search?q=onerror`);
    await page.getByRole("cell", { name: hostile }).first().waitFor();
    assert.equal(await page.locator("main img, main script").count(), 0);
    assert.match(await page.title(), /^Search/);
  });
});

await step("a room as it happens", async () => {
  await visit({}, async (page) => {
    await page.goto(`${base}/?kind=good`);
    await page.locator("#rows tr", { hasNotText: "3xhostileroom22" }).locator("th a").first().click();
    await page.locator("#log li.comment").first().waitFor();
    await page.getByText("Connected.").waitFor();
    await page.locator(".uplot").nth(2).waitFor();
    await page.getByRole("button", { name: "Pause", exact: true }).last().click();
    const before = await page.locator("#comments").textContent();
    await page.waitForTimeout(3000);
    assert.equal(await page.locator("#comments").textContent(), before, "it goes on after Pause");
    await page.getByRole("button", { name: "Go on" }).click();
    await page.waitForFunction((n) => document.getElementById("comments").textContent !== n, before);
  });
});

await step("a browser that is too slow is told", async () => {
  await visit({}, async (page) => {
    await page.route("**/live", (route) => route.fulfill({ contentType: "text/event-stream", body: "event: slow\ndata: {}\n\n" }));
    await page.goto(`${base}/?kind=good`);
    await page.locator("#rows a").first().click();
    await page.getByText("was dropped").waitFor();
    await page.getByRole("button", { name: "Go on" }).waitFor();
  });
});

await step("a stream that is refused is tried again", async () => {
  await visit({}, async (page) => {
    let refusals = 0;
    await page.route("**/live", (route) => (refusals++ < 1 ? route.fulfill({ status: 404, body: "" }) : route.continue()));
    await page.goto(`${base}/?kind=good`);
    await page.locator("#rows a").first().click();
    await page.getByText("Trying again.").waitFor();
    await page.getByText("Connected.").waitFor();
    await page.locator("#log li").first().waitFor();
    assert.equal(refusals, 2);
  });
});

await step("a flood is counted, and drawn in part", async () => {
  await visit({}, async (page) => {
    const item = { kind: "comment", at: 1, name: "n", text: "t" };
    const news = `event: news\ndata: ${JSON.stringify({ items: Array(60).fill(item), skippedComments: 1, skippedGifts: 2 })}\n\n`;
    await page.route("**/live", (route) => route.fulfill({ contentType: "text/event-stream", body: `retry: 600000\n\n${news.repeat(500)}` }));
    await page.addInitScript(() => {
      window.added = 0;
      const count = (list) => list.forEach((change) => change.target.id === "log" && (window.added += change.addedNodes.length));
      new MutationObserver(count).observe(document, { childList: true, subtree: true });
    });
    await page.goto(`${base}/?kind=good`);
    await page.locator("#rows a").first().click();
    await page.waitForFunction(() => document.getElementById("comments").textContent === "30500");
    const [added, lines, gifts, skipped] = await page.evaluate(() => [window.added, document.querySelectorAll("#log li").length, ...["gifts", "skipped"].map((id) => Number(document.getElementById(id).textContent))]);
    assert.equal(lines, 200);
    assert.equal(gifts, 1000);
    assert.equal(skipped, 30500 + 1000 - added);
    assert.ok(added < 10_000, `${added} of 30000 lines were drawn`);
  });
});

await step("a page that nobody sees gives its stream back", async () => {
  await visit({}, async (page) => {
    const streams = [];
    page.on("request", (request) => request.url().endsWith("/live") && streams.push(request));
    await page.goto(`${base}/?kind=good`);
    await page.locator("#rows a").first().click();
    await page.getByText("Connected.").waitFor();
    const turn = (state) => page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
    const ended = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/live"));
    await turn("hidden");
    await ended;
    await page.getByText("Paused while nobody sees this page.").waitFor();
    await turn("visible");
    await page.getByText("Connected.").waitFor();
    await page.getByRole("button", { name: "Pause", exact: true }).last().click();
    await turn("hidden");
    await turn("visible");
    await page.getByRole("button", { name: "Go on" }).waitFor(); // as the person has left it
    assert.equal(streams.length, 2);
  });
});

await step("a page that is not fresh says so", async () => {
  await visit({}, async (page) => {
    await page.goto(base);
    let away = true;
    await page.route(base, (route) => (away ? route.fulfill({ status: 503, body: "" }) : route.continue()));
    await page.getByText("this page is as it was then").waitFor();
    away = false;
    await page.getByText("this page is as it was then").waitFor({ state: "hidden" });
  });
});

const pages = async (page) => {
  await page.goto(`${base}/?kind=good`);
  const room = await page.locator("#rows tr", { hasNotText: "3xhostileroom22" }).locator("th a").first().getAttribute("href");
  return { rooms: `${base}/?kind=good`, room: base + room, history: `${base}${room}/history?hours=1`, remove: `${base}${room}/remove`, worker: `${base}/worker`, search: `${base}/search?q=666`, missing: `${base}/nothing` };
};

for (const colorScheme of ["light", "dark"]) {
  for (const locale of ["en", "zh-CN"]) {
    await step(`every page, ${colorScheme}, ${locale}`, async () => {
      await visit({ colorScheme, locale }, async (page) => {
        for (const [name, address] of Object.entries(await pages(page))) {
          await page.goto(address);
          if (name === "room") {
            await page.locator(".uplot").nth(2).waitFor();
            await page.locator("#log li").nth(8).waitFor();
          }
          assert.equal(await page.locator("html").getAttribute("lang"), locale);
          if (locale === "zh-CN") {
            const reasons = await page.locator(".why, #status p, .state").allTextContents();
            assert.deepEqual(reasons.filter((text) => /[a-z]{4}/i.test(text) && !/[\u4e00-\u9fff]/.test(text) && !/^(WARN|ERROR)$/.test(text)), [], `English at ${name}`);
          }
          await axeClean(page, `${name}, ${colorScheme}, ${locale}`);
          if (locale === "en" || name === "rooms") {
            if (["rooms", "room", "worker", "search"].includes(name)) await page.screenshot({ path: `${shots}/${name}-${locale}-${colorScheme}.png`, fullPage: name === "room" });
          }
        }
      });
    });
  }
}

async function logIn(page) {
  for (const [token, heading] of [["wrong", "Log in"], [process.env.TOKEN, "Rooms"]]) {
    await page.getByLabel("Token").fill(token);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: heading, exact: true }).waitFor();
  }
}

for (const [way, address, open] of [["on this machine", guarded, 0], ["from elsewhere, without TLS", elsewhere, 1], ["over TLS", secure, 0]]) {
  await step(`a token is asked for ${way}`, async () => {
    await visit({ ignoreHTTPSErrors: true }, async (page) => {
      await page.goto(`${address}/worker`);
      assert.equal(new URL(page.url()).pathname, "/login");
      assert.equal(await page.locator("#open").count(), open);
      await axeClean(page, `login ${way}`);
      await logIn(page);
      if (address === secure) {
        await page.goto(`${secure}/?kind=good`);
        await page.locator("#rows a").first().click();
        await page.getByText("Connected.").waitFor();
        await page.locator("#log li").nth(3).waitFor();
      }
      await page.getByRole("button", { name: "Log out" }).click();
      await page.getByLabel("Token").waitFor();
    });
  });
}

await step("the language is switched and kept", async () => {
  await visit({}, async (page) => {
    await page.goto(`${base}/worker`);
    await page.getByRole("button", { name: "中文" }).click();
    await page.getByRole("heading", { name: "需要处理" }).waitFor();
    assert.equal(new URL(page.url()).pathname, "/worker");
    await page.goto(base);
    await page.getByRole("button", { name: "English" }).click();
    await page.getByRole("heading", { name: "Rooms", exact: true }).waitFor();
  });
});

await step("without scripts", async () => {
  await visit({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${base}/?kind=good`);
    await page.locator("#rows a").first().click();
    await page.getByRole("link", { name: "Show it" }).click();
    await page.locator("#series").waitFor({ state: "attached" });
  });
});

await step("a thousand rooms", async () => {
  await visit({}, async (page) => {
    await page.addInitScript(() => {
      window.longest = 0;
      new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.longest = Math.max(window.longest, entry.duration)))).observe({ type: "longtask", buffered: true });
    });
    await page.goto(base);
    await page.getByText(/^all 1000$/).waitFor();
    assert.equal(await page.locator("#rows tr").count(), 100);
    let refreshed = 0;
    page.on("response", (answer) => answer.url() === page.url() && refreshed++);
    while (refreshed < 4) {
      await page.mouse.wheel(0, 400);
      await page.waitForTimeout(250);
    }
    const [longest, nodes] = await page.evaluate(() => [window.longest, document.getElementsByTagName("*").length]);
    console.log(`    longest task while it scrolls and is kept fresh: ${Math.round(longest)} ms; ${nodes} elements`);
    assert.ok(nodes < 4000, `${nodes} elements`);
    await page.getByRole("link", { name: "Next" }).click();
    await page.getByText("Page 2 of 10").waitFor();
    await page.screenshot({ path: `${shots}/thousand-rooms.png` });
  });
});

await browser.close();
