/** What is drawn, as files: the figures as CSV, the picture as PNG. */
import type { Lines } from './series.ts';

/** A cell as every program reads it; a text that a spreadsheet would take for a formula is marked as text. */
function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The lines of a figure as CSV (RFC 4180): a row for each version, a column for each line, empty where nothing was reported. */
export function csvOf({ points, lines }: Lines): string {
  const rows = [
    ['version', ...lines.map(({ label }) => label)],
    ...points.map((point) => [point.version.slice(1), ...lines.map(({ key }) => point[key])]),
  ];
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

/** What a picture needs of the page's style sheets, which it does not take along. */
const drawnProperties = [
  'fill',
  'fill-opacity',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'stroke-opacity',
  'opacity',
  'font-family',
  'font-size',
  'font-weight',
  'text-anchor',
] as const;

/** Copy a drawing with what its style sheets say of it. */
function standAlone(svg: SVGElement): Element | undefined {
  const copy = svg.cloneNode(true);
  if (!(copy instanceof SVGElement)) return undefined;
  const originals = [svg, ...svg.querySelectorAll('*')];
  const copies = [copy, ...copy.querySelectorAll('*')];
  originals.forEach((original, index) => {
    const style = getComputedStyle(original);
    const target = copies[index];
    for (const name of drawnProperties) {
      const value = style.getPropertyValue(name);
      if (value !== '') target?.setAttribute(name, value);
    }
    target?.removeAttribute('style');
    target?.removeAttribute('class');
  });
  return copy;
}

/** One entry of the legend below a picture. */
export interface LegendEntry {
  readonly label: string;
  readonly colour: string;
}

const scale = 2;
const headPx = 34;
const legendLinePx = 20;
const marginPx = 14;

/** Draw a chart with its title and legend as a PNG of twice the size on the screen. */
export async function pngOf(
  svg: SVGElement,
  title: string,
  legend: readonly LegendEntry[],
): Promise<Blob | null> {
  const { width, height } = svg.getBoundingClientRect();
  const drawing = standAlone(svg);
  if (drawing === undefined) return null;
  drawing.setAttribute('width', String(width));
  drawing.setAttribute('height', String(height));
  const image = new Image();
  const source = new XMLSerializer().serializeToString(drawing);
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = (width + 2 * marginPx) * scale;
  canvas.height = (headPx + height + legend.length * legendLinePx + marginPx) * scale;
  const context = canvas.getContext('2d');
  if (context === null) return null;
  context.scale(scale, scale);
  const style = getComputedStyle(document.body);
  context.fillStyle = style.getPropertyValue('--melo-panel');
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = style.color;
  context.font = `600 15px ${style.fontFamily}`;
  context.fillText(title, marginPx, 22);
  context.drawImage(image, marginPx, headPx, width, height);
  context.font = `13px ${style.fontFamily}`;
  legend.forEach(({ label, colour }, index) => {
    const y = headPx + height + index * legendLinePx + 12;
    context.fillStyle = colour;
    context.fillRect(marginPx, y - 8, 18, 4);
    context.fillStyle = style.color;
    context.fillText(label, marginPx + 26, y);
  });
  return new Promise((resolve) => {
    canvas.toBlob(resolve, 'image/png');
  });
}
