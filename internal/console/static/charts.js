// Draws the charts of what is stored from the table that holds their numbers, with
// uPlot. Times on air in which nobody heard the room are shaded.

/* global uPlot */

function numbers(charts) {
  const step = Number(charts.dataset.step);
  const from = Number(charts.dataset.from);
  const until = Number(charts.dataset.until);
  const told = new Map();
  for (const row of document.querySelectorAll(`#${charts.dataset.series} tbody tr`)) {
    told.set(Number(row.dataset.at), [...row.cells].map((cell) => (cell.textContent === "" ? null : Number(cell.textContent))));
  }
  const times = [];
  for (let at = from - (from % step); at <= until; at += step) times.push(at);
  // What was not told of watching is not known; of comments and gifts there were none.
  const column = (i) => times.map((at) => told.get(at)?.[i] ?? (i === 3 ? null : 0));
  return { times, column };
}

function gapsOf(charts) {
  return [...document.querySelectorAll(`#${charts.dataset.gaps} li`)].map((gap) => [
    Number(gap.dataset.start),
    gap.dataset.end ? Number(gap.dataset.end) : Number(charts.dataset.until),
  ]);
}

function shade(plot, gaps, colour) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = colour;
  for (const [start, end] of gaps) {
    const left = Math.max(plot.valToPos(start, "x", true), bbox.left);
    const right = Math.min(plot.valToPos(end, "x", true), bbox.left + bbox.width);
    if (right > left) ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
  }
  ctx.restore();
}

function draw(chart, charts, data, gaps) {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const clock = (at) => new Date(at * 1000).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const times = { ...axis, values: (_, marks) => marks.map(clock) };
  return new uPlot(
    {
      width: chart.clientWidth, height: 170, legend: { show: false }, cursor: { drag: { x: false, y: false } },
      scales: { x: { range: [Number(charts.dataset.from), Number(charts.dataset.until)] }, y: { range: (_, low, high) => [0, Math.max(high ?? 0, 1)] } },
      axes: [times, { ...axis, size: 60 }],
      series: [{}, { stroke: colour("--link"), width: 2, points: { show: false } }],
      hooks: { drawClear: [(plot) => shade(plot, gaps, colour("--shade"))] },
    },
    [data.times, data.column(Number(chart.dataset.column))],
    chart,
  );
}

// showCharts draws the charts that are in the page, anew when its width or its
// colours change.
export function showCharts() {
  const charts = document.querySelector(".charts");
  if (!charts || typeof uPlot === "undefined") return;
  const data = numbers(charts);
  const gaps = gapsOf(charts);
  let plots = [];
  const again = () => {
    if (!charts.isConnected) return;
    plots.forEach((plot) => plot.destroy());
    plots = [...charts.querySelectorAll(".chart")].map((chart) => draw(chart, charts, data, gaps));
  };
  again();
  addEventListener("resize", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}
