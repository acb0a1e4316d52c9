/** The report as one HTML file that needs nothing beside it: no script, no address outside. */
import type { DemoOutcome, Figures } from './outcome.ts';
import { durationText } from './progress.ts';
import { bytesText, chartScale, figureText, reportRows } from './report.ts';

const chart = { width: 640, height: 280, left: 48, right: 16, top: 12, bottom: 36 } as const;

const style = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.note { background: #fff4d6; border-left: 4px solid #b07a00; padding: .6rem 1rem; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .3rem .6rem; border-bottom: 1px solid #d5dae1; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr.own td { font-weight: 600; }
svg { width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: #1c2430; }
code { overflow-wrap: anywhere; }
.wide { overflow-x: auto; } .wide th, .wide td { white-space: nowrap; }
.chart-legend span { margin-right: 1rem; }
@media (max-width: 32rem) { svg text { font-size: 20px; } .chart-legend span { display: block; } }
@media (prefers-color-scheme: dark) { body { color: #e6e9ee; background: #14181f; } .note { background: #3a2f10; } svg text { fill: #e6e9ee; } th, td { border-color: #3a424e; } }
`;

/** Text that is safe in HTML and in an attribute. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

function htmlTable(
  head: readonly string[],
  rows: readonly { readonly cells: readonly string[]; readonly isOwn?: boolean }[],
): string {
  const cells = (tag: 'th' | 'td', row: readonly string[]): string =>
    row.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('');
  const body = rows.map(
    ({ cells: row, isOwn }) =>
      `<tr${isOwn === true ? ' class="own"' : ''}>${cells('td', row)}</tr>`,
  );
  return `<table><thead><tr>${cells('th', head)}</tr></thead><tbody>${body.join('')}</tbody></table>`;
}

/** Draw AUC and accuracy by round, with the pooled and the head's AUC as levels. */
export function chartSvg(outcome: DemoOutcome): string {
  const { byRound, pooled, headOnly } = outcome;
  const defined = [...byRound, pooled, headOnly].flatMap(({ auc, accuracy }) => [auc, accuracy]);
  const { low, high } = chartScale(defined.filter((value) => value !== null));
  const { width, height, left, right, top, bottom } = chart;
  const x = (round: number): string =>
    (left + ((width - left - right) * round) / Math.max(1, byRound.length - 1)).toFixed(1);
  const y = (value: number): string =>
    (top + ((height - top - bottom) * (high - value)) / (high - low)).toFixed(1);
  const line = (figure: keyof Figures, colour: string): string => {
    const points = byRound.flatMap((each, round) => {
      const value = each[figure];
      return value === null ? [] : [`${x(round)},${y(value)}`];
    });
    return `<polyline fill="none" stroke="${colour}" stroke-width="2.5" points="${points.join(' ')}"/>`;
  };
  const level = (value: number | null, colour: string): string =>
    value === null
      ? ''
      : `<line x1="${left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}" stroke="${colour}" stroke-dasharray="6 4"/>`;
  const ticks = Array.from({ length: Math.round((high - low) * 10) + 1 }, (_, at) => low + at / 10);
  const grid = ticks.map(
    (value) =>
      `<line x1="${left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}" stroke="#8884"/>` +
      `<text x="${left - 8}" y="${y(value)}" text-anchor="end" dy="4">${value.toFixed(1)}</text>`,
  );
  const rounds = byRound.map((_each, round) => round);
  const step = Math.ceil(rounds.length / 17);
  const labels = rounds
    .filter((round) => round % step === 0)
    .map(
      (round) => `<text x="${x(round)}" y="${height - 14}" text-anchor="middle">${round}</text>`,
    );
  return [
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="macro AUC and accuracy of the federated adapter by round">`,
    ...grid,
    ...labels,
    level(pooled.auc, '#2a8f5a'),
    level(headOnly.auc, '#7d4fb0'),
    line('accuracy', '#c2551f'),
    line('auc', '#1f6fc2'),
    '</svg>',
  ].join('');
}

function legend(): string {
  const item = (colour: string, text: string): string =>
    `<span><b style="color:${colour}">&#9632;</b> ${text}</span>`;
  return `<p class="chart-legend">${[
    item('#1f6fc2', 'macro AUC'),
    item('#c2551f', 'accuracy'),
    item('#2a8f5a', 'AUC of pooled (dashed)'),
    item('#7d4fb0', 'AUC of the head alone (dashed)'),
  ].join(' ')}</p>`;
}

function hospitalsTable({ hospitals, classes }: DemoOutcome): string {
  return htmlTable(
    ['hospital', ...classes, 'held-out', 'sent in all rounds'],
    hospitals.map(({ name, classCounts, heldOutImages, bytesSent }) => ({
      cells: [name, ...classCounts.map(String), String(heldOutImages), bytesText(bytesSent)],
    })),
  );
}

/** Write the page. */
export function reportPage(outcome: DemoOutcome): string {
  const { seconds } = outcome;
  const figures = reportRows(outcome).map(({ label, figures: { auc, accuracy } }) => ({
    cells: [label, figureText(auc), figureText(accuracy)],
    isOwn: label === 'MeLo, federated',
  }));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(outcome.title)}</title><style>${style}</style></head><body>
<h1>${escapeHtml(outcome.title)}</h1>
<p class="note">${escapeHtml(outcome.imagesNote)} Investigational software. Not a medical device.</p>
<h2>Each hospital alone, together, and all images in one place</h2>
<p>All on the same ${outcome.heldOutImages} held-out images, the union of the hospitals'. Macro AUC is the mean over the classes,
each against the rest, from histograms of 256 bins.</p>
${htmlTable(['', 'macro AUC', 'accuracy'], figures)}
<h2>Federated, by round</h2>
${chartSvg(outcome)}
${legend()}
<h2>The hospitals</h2>
<p>Training images by class, held-out images, and the bytes of everything that each hospital sent in the federated rounds. No image
and no weight of the backbone is among them.</p>
<div class="wide" role="region" aria-label="The hospitals" tabindex="0">${hospitalsTable(outcome)}</div>
<h2>How it was made</h2>
<p>Seed ${outcome.seed}; backbone ${escapeHtml(outcome.backbone)}; install ${durationText(seconds.install)}, build
${durationText(seconds.build)}, run ${durationText(seconds.run)}. A coordinator, the hospitals and one more site with all images
(for the pooled row alone), each a process on this machine.</p>
<p>Adapter, ${bytesText(outcome.adapterBytes)}: <code>${escapeHtml(outcome.adapter)}</code></p>
</body></html>
`;
}
