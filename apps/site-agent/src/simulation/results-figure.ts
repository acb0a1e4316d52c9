/** AUC by round as an SVG drawn by hand: a line for each run, dashed lines for what does not go by rounds; readable without colours. */
import { byRun, finalAucs, spreadOf, type RunResult, type SimulationResults } from './results.ts';

const size = { width: 860, height: 460 };
const plot = { left: 64, right: 600, top: 48, bottom: 396 };
const labelStep = 15;
/** Okabe and Ito's colours, told apart by the colour-blind too. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];
const dashes = ['', '7 3', '2 3', '9 3 2 3'];

/** A named line: points by round, or one level. */
interface Line {
  readonly name: string;
  readonly points: readonly { readonly round: number; readonly auc: number }[];
  readonly isLevel: boolean;
}

function federatedLine(name: string, runs: readonly RunResult[]): Line {
  const byRound = new Map<number, (number | null)[]>();
  for (const run of runs) {
    const own = run.columns.find(({ column }) => column === 'federated');
    for (const { round, union } of own?.rounds ?? [])
      byRound.set(round, [...(byRound.get(round) ?? []), union.auc]);
  }
  const points = [...byRound].flatMap(([round, aucs]) => {
    const spread = spreadOf(aucs);
    return spread === null ? [] : [{ round, auc: spread.mean }];
  });
  return { name, points, isLevel: false };
}

/** What the first run has beside its federated column; a figure with one for each run could not be read. */
function levels(runs: readonly RunResult[], rounds: number): Line[] {
  return (['pooled', 'local-only', 'head-only'] as const).flatMap((column) => {
    const spread = spreadOf(finalAucs(runs, column));
    if (spread === null) return [];
    const name = column === 'local-only' ? 'local-only, mean' : column;
    const points = [1, Math.max(2, rounds)].map((round) => ({ round, auc: spread.mean }));
    return [{ name, points, isLevel: true }];
  });
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const place = (value: number): string => value.toFixed(1);

/** Heights of labels that do not cover one another, in the order given. */
function spacedOut(heights: readonly number[]): number[] {
  const order = [...heights.keys()].sort((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0));
  const spaced = [...heights];
  let above = -Infinity;
  for (const index of order) {
    above = Math.max(heights[index] ?? 0, above + labelStep);
    spaced[index] = above;
  }
  const over = Math.max(0, above - plot.bottom - 8);
  return spaced.map((height) => height - over);
}

interface Scale {
  readonly x: (round: number) => number;
  readonly y: (auc: number) => number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
}

function scaleOf(lines: readonly Line[], rounds: number): Scale {
  const aucs = lines.flatMap(({ points }) => points.map(({ auc }) => auc));
  const low = Math.max(0, Math.floor(Math.min(0.9, ...aucs) * 20) / 20);
  const high = Math.min(1, Math.ceil(Math.max(low + 0.1, ...aucs) * 20) / 20);
  const last = Math.max(2, rounds);
  return {
    ...{ low, high, rounds: last },
    x: (round) => plot.left + ((round - 1) / (last - 1)) * (plot.right - plot.left),
    y: (auc) => plot.bottom - ((auc - low) / (high - low)) * (plot.bottom - plot.top),
  };
}

function axes({ x, y, low, high, rounds }: Scale): string[] {
  const ticks = Math.round((high - low) / 0.05);
  const horizontal = Array.from({ length: ticks + 1 }, (_, at) => {
    const auc = low + 0.05 * at;
    const height = place(y(auc));
    return (
      `<line x1="${plot.left}" y1="${height}" x2="${plot.right}" y2="${height}" stroke="#dddddd"/>` +
      `<text x="${plot.left - 8}" y="${height}" dy="4" text-anchor="end">${auc.toFixed(2)}</text>`
    );
  });
  const every = Math.ceil(rounds / 10);
  const shown = Array.from({ length: rounds }, (_, at) => at + 1).filter(
    (round) => round === 1 || round % every === 0,
  );
  const vertical = shown.map(
    (round) =>
      `<text x="${place(x(round))}" y="${plot.bottom + 20}" text-anchor="middle">${round}</text>`,
  );
  const middle = (plot.left + plot.right) / 2;
  return [
    ...horizontal,
    ...vertical,
    `<text x="${middle}" y="${plot.bottom + 44}" text-anchor="middle">round</text>`,
    `<text x="${plot.left}" y="${plot.top - 14}">AUC on the held-out images of all sites, mean over the seeds</text>`,
  ];
}

function lineMarks(lines: readonly Line[], scale: Scale): string[] {
  const ends = lines.map(({ points }) => scale.y(points.at(-1)?.auc ?? 0));
  const heights = spacedOut(ends);
  return lines.map(({ name, points, isLevel }, at) => {
    const colour = isLevel ? '#555555' : (colours[at % colours.length] ?? '#000000');
    const dash = isLevel ? '2 5' : (dashes[Math.floor(at / colours.length) % dashes.length] ?? '');
    const path = points
      .map(({ round, auc }) => `${place(scale.x(round))},${place(scale.y(auc))}`)
      .join(' ');
    const last = points.at(-1);
    const [endX, endY, labelY] = [scale.x(last?.round ?? 1), ends[at] ?? 0, heights[at] ?? 0];
    const value = last === undefined ? '' : ` ${last.auc.toFixed(3)}`;
    const stroke = `fill="none" stroke="${colour}"`;
    return (
      `<polyline points="${path}" ${stroke} stroke-width="2"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}/>` +
      `<circle cx="${place(endX)}" cy="${place(endY)}" r="3" fill="${colour}"/>` +
      `<path d="M${place(endX + 4)} ${place(endY)} L${plot.right + 16} ${place(labelY)}" ${stroke} stroke-width="0.7"/>` +
      `<text x="${plot.right + 20}" y="${place(labelY)}" dy="4" fill="${colour}">${escaped(name)}${value}</text>`
    );
  });
}

/** The figure in words. */
function described(lines: readonly Line[]): string {
  const parts = lines.map(({ name, points, isLevel }) => {
    const [first, last] = [points[0], points.at(-1)];
    if (first === undefined || last === undefined) return `${name}: not measured`;
    if (isLevel || first === last) return `${name}: ${last.auc.toFixed(3)}`;
    return `${name}: from ${first.auc.toFixed(3)} in round ${first.round} to ${last.auc.toFixed(3)} in round ${last.round}`;
  });
  return `${parts.join('; ')}.`;
}

/** Draw AUC by round, by run. */
export function resultsFigure(results: SimulationResults): string {
  const runs = byRun(results);
  const federated = [...runs]
    .map(([name, own]) => federatedLine(name, own))
    .filter(({ points }) => points.length > 0);
  const rounds = Math.max(1, ...federated.flatMap(({ points }) => points.map((p) => p.round)));
  const lines = [...federated, ...levels([...runs.values()][0] ?? [], rounds)];
  const scale = scaleOf(lines, rounds);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-labelledby="title description" font-family="system-ui, sans-serif" font-size="13" fill="#222222">`,
    `<title id="title">${escaped(results.title)}: AUC by round</title>`,
    `<desc id="description">${escaped(described(lines))}</desc>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...axes(scale),
    ...lineMarks(lines, scale),
    '</svg>',
    '',
  ].join('\n');
}
