/**
 * Chest-like phantoms drawn by formula: thorax, lung fields, ribs, spine, heart, diaphragm, and one of three findings.
 *
 * They look like crude chest X-rays and are nothing more: no pixel comes from a person. Coordinates run from -1 to 1, x to the
 * right, y downwards; values are attenuation from 0 (air, black on film) to 1 (white). A phantom is a patient: its images
 * share anatomy and finding and differ in pose. All is fixed by the generator handed in.
 */
import type { SeededRng } from '#core/rng';

const { abs, cos, exp, floor, max, min, sin, sqrt, PI } = Math; // looked up once: they run for every pixel

/** Pixels along one side of a phantom image. */
export const phantomSide = 64;

/** What a phantom can show. */
export const phantomClasses = ['normal', 'opacity', 'effusion'] as const;
/** What a phantom can show. */
export type PhantomClass = (typeof phantomClasses)[number];

/** A pair of numbers for the two sides, image-left first. */
type Sides = readonly [number, number];

/** A soft round shadow. */
interface Shadow {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly amount: number;
}

/** Smooth noise in about [-1, 1] at a point. */
type NoiseField = (x: number, y: number) => number;

/** The body of one phantom patient. */
interface Anatomy {
  readonly tissue: number;
  readonly air: number;
  readonly thoraxWidth: number;
  readonly apex: number;
  readonly base: Sides;
  readonly dome: Sides;
  readonly mediastinum: number;
  readonly heart: Shadow;
  readonly ribs: {
    readonly spacing: number;
    readonly slope: number;
    readonly phase: number;
    readonly amount: number;
  };
  readonly spine: number;
  readonly vessels: number;
  readonly vesselField: NoiseField;
  readonly breasts: readonly Shadow[];
  /** Leads and lines, which any patient may have: distance from the origin, angle, amount. */
  readonly leads: readonly {
    readonly offset: number;
    readonly angle: number;
    readonly amount: number;
  }[];
}

/** What is to be found, where there is anything. */
interface Finding {
  readonly blobs: readonly Shadow[];
  readonly patchField: NoiseField;
  /** Height of the fluid at the lateral wall of each lung; 0 is none. */
  readonly fluid: Sides;
  readonly fluidAmount: number;
}

/** A phantom patient. */
export interface Phantom {
  readonly class: PhantomClass;
  readonly anatomy: Anatomy;
  readonly finding: Finding;
}

/** How a patient stands in one image. */
interface Pose {
  readonly angle: number;
  readonly x: number;
  readonly y: number;
  readonly scale: number;
  /** How far the diaphragm has moved down. */
  readonly breath: number;
}

/** Draw uniformly from [low, high). */
export function between(rng: SeededRng, low: number, high: number): number {
  return low + (high - low) * rng.nextFloat();
}

/** From 0 to 1 across `softness` on both sides of zero. */
function edge(distance: number, softness: number): number {
  return 1 / (1 + exp(-distance / softness));
}

function shadowAt({ x: cx, y: cy, width, height, amount }: Shadow, x: number, y: number): number {
  return amount * exp(-(((x - cx) / width) ** 2) - ((y - cy) / height) ** 2);
}

/** Smooth noise: normal numbers on a grid of `cells` by `cells`, joined by cosines. */
function noiseField(rng: SeededRng, cells: number): NoiseField {
  const size = cells + 1;
  const grid = Float32Array.from({ length: size * size }, () => rng.nextNormal() / 2);
  const ease = (t: number): number => (1 - cos(PI * t)) / 2;
  return (x, y) => {
    const column = min(max(((x + 1) / 2) * cells, 0), cells - 1e-6);
    const row = min(max(((y + 1) / 2) * cells, 0), cells - 1e-6);
    const index = floor(row) * size + floor(column);
    const [across, down] = [ease(column % 1), ease(row % 1)];
    const top = (grid[index] ?? 0) * (1 - across) + (grid[index + 1] ?? 0) * across;
    const bottom =
      (grid[index + size] ?? 0) * (1 - across) + (grid[index + size + 1] ?? 0) * across;
    return top * (1 - down) + bottom * down;
  };
}

function drawAnatomy(rng: SeededRng): Anatomy {
  const base = between(rng, 0.44, 0.6);
  const hasBreasts = rng.nextFloat() < 0.45;
  const breastAmount = between(rng, 0.03, 0.12);
  const breast = (side: number): Shadow => ({
    x: side * between(rng, 0.36, 0.5),
    y: between(rng, 0.28, 0.45),
    width: between(rng, 0.24, 0.34),
    height: between(rng, 0.2, 0.3),
    amount: breastAmount * between(rng, 0.8, 1.2),
  });
  const tissue = between(rng, 0.6, 0.7);
  return {
    tissue,
    air: tissue - between(rng, 0.3, 0.46),
    thoraxWidth: between(rng, 0.68, 0.82),
    apex: between(rng, -0.84, -0.7),
    base: [base, base + between(rng, -0.02, 0.09)],
    dome: [between(rng, 0.12, 0.24), between(rng, 0.1, 0.22)],
    mediastinum: between(rng, 0.11, 0.17),
    heart: {
      x: between(rng, 0.1, 0.2),
      y: between(rng, 0.18, 0.32),
      width: between(rng, 0.22, 0.34),
      height: between(rng, 0.24, 0.34),
      amount: between(rng, 0.2, 0.34),
    },
    ribs: {
      spacing: between(rng, 0.155, 0.2),
      slope: between(rng, 0.1, 0.4),
      phase: rng.nextFloat(),
      amount: between(rng, 0.03, 0.13),
    },
    spine: between(rng, 0.03, 0.1),
    vessels: between(rng, 0.06, 0.16),
    vesselField: noiseField(rng, 12),
    breasts: hasBreasts ? [breast(-1), breast(1)] : [],
    leads: Array.from({ length: rng.nextFloat() < 0.3 ? 1 + rng.nextInteger(2) : 0 }, () => ({
      offset: between(rng, -0.5, 0.5),
      angle: between(rng, 0, PI),
      amount: between(rng, 0.08, 0.25),
    })),
  };
}

function drawFinding(rng: SeededRng, kind: PhantomClass, difficulty: number): Finding {
  const strength = 1 / difficulty;
  const side = rng.nextFloat() < 0.5 ? -1 : 1;
  const blob = (): Shadow => ({
    x: side * between(rng, 0.3, 0.56),
    y: between(rng, -0.45, 0.3),
    width: between(rng, 0.09, 0.2),
    height: between(rng, 0.09, 0.22),
    amount: strength * between(rng, 0.28, 0.7),
  });
  const blobs = kind === 'opacity' ? Array.from({ length: 1 + rng.nextInteger(3) }, blob) : [];
  const height = strength * between(rng, 0.45, 1);
  const isBoth = rng.nextFloat() < 0.2;
  const fluid: Sides =
    kind === 'effusion'
      ? [isBoth || side < 0 ? height : 0, isBoth || side > 0 ? height : 0]
      : [0, 0];
  return { blobs, patchField: noiseField(rng, 16), fluid, fluidAmount: between(rng, 0.75, 1) };
}

/**
 * Draw a phantom patient.
 *
 * @param difficulty - findings are smaller and fainter by this factor; 1 where it is left out
 */
export function drawPhantom(rng: SeededRng, kind: PhantomClass, difficulty = 1): Phantom {
  return { class: kind, anatomy: drawAnatomy(rng), finding: drawFinding(rng, kind, difficulty) };
}

function drawPose(rng: SeededRng): Pose {
  return {
    angle: between(rng, -0.09, 0.09),
    x: between(rng, -0.07, 0.07),
    y: between(rng, -0.07, 0.07),
    scale: between(rng, 0.92, 1.08),
    breath: between(rng, -0.05, 0.05),
  };
}

/** Where a point stands in its lung: how far inside the field, and how much of it is fluid; each from 0 to 1. */
function lungAt(
  { anatomy, finding }: Phantom,
  breath: number,
  x: number,
  y: number,
): { readonly inside: number; readonly fluid: number } {
  const side = x < 0 ? 0 : 1;
  const base = anatomy.base[side] + breath;
  const down = (y - anatomy.apex) / (base - anatomy.apex); // 0 at the apex, 1 at the base
  const wall = anatomy.thoraxWidth * (0.42 + 0.58 * sqrt(min(max(down, 0), 1)));
  const medial = anatomy.mediastinum * (1 + 0.25 * max(0, 1 - down));
  const across = min(max((abs(x) - medial) / (wall - medial), 0), 1);
  const floor =
    base + 0.12 - anatomy.dome[side] * (1 - (2 * across - 0.9) ** 2) - 0.1 * (1 - across);
  const column = edge(wall - abs(x), 0.016) * edge(abs(x) - medial, 0.02);
  const rounded = edge(y - anatomy.apex - 0.25 * (2 * across - 1) ** 2, 0.02);
  const inside = column * rounded * edge(floor - y, 0.016);
  const height = finding.fluid[side];
  const level = base + 0.1 - height * (0.35 + 0.65 * across ** 2); // a meniscus: highest at the wall
  const fluid = height > 0 ? finding.fluidAmount * edge(y - level, 0.025) : 0;
  return { inside, fluid };
}

/** Bones across the whole thorax: ribs that fall off to the side, and the spine. */
function bonesAt({ ribs, spine, thoraxWidth, apex }: Anatomy, x: number, y: number): number {
  const inThorax = edge(thoraxWidth + 0.04 - abs(x), 0.02) * edge(y - apex + 0.08, 0.03);
  const turn = (y - ribs.slope * x * x) / ribs.spacing + ribs.phase;
  const rib = max(0, cos(2 * PI * turn)) ** 2 * edge(0.62 - y, 0.05);
  const vertebra = 1 + 0.4 * cos((2 * PI * y) / (0.8 * ribs.spacing));
  return ribs.amount * rib * inThorax + spine * vertebra * exp(-((x / 0.08) ** 2));
}

/** Attenuation at a point of the body. */
function attenuationAt(phantom: Phantom, breath: number, x: number, y: number): number {
  const { anatomy, finding } = phantom;
  const shoulder = 0.12 * edge(-0.45 - y, 0.06);
  const body = edge(anatomy.thoraxWidth + 0.13 + shoulder - abs(x), 0.02);
  const neck = edge(min(y + 0.92 - 0.5 * max(0, abs(x) - 0.15), 1), 0.03);
  if (body * neck < 1e-3) return 0; // air around the body
  const { inside, fluid } = lungAt(phantom, breath, x, y);

  const hilum = exp(-(((abs(x) - 0.2) / 0.22) ** 2) - ((y + 0.02) / 0.32) ** 2);
  let marks = anatomy.vessels * (0.35 + hilum) * (0.4 + abs(anatomy.vesselField(x, y)));
  for (const blob of finding.blobs) {
    marks += shadowAt(blob, x, y) * (1 + 0.8 * finding.patchField(x, y));
  }
  const lung = min(anatomy.air + marks, anatomy.tissue);
  const aerated = lung * (1 - fluid) + (anatomy.tissue + 0.02) * fluid;
  let value = anatomy.tissue * (1 - inside) + aerated * inside;

  value += 0.1 * exp(-((x / (anatomy.mediastinum * 1.1)) ** 2));
  const room = 1 - min(1, value / (anatomy.tissue + anatomy.heart.amount * 0.6));
  value += 2 * room * shadowAt(anatomy.heart, x, y);
  for (const breast of anatomy.breasts) value += shadowAt(breast, x, y);
  value += bonesAt(anatomy, x, y);
  for (const { offset, angle, amount } of anatomy.leads) {
    const distance = x * cos(angle) + y * sin(angle) - offset;
    value += amount * exp(-((distance / 0.018) ** 2));
  }
  return value * body * neck;
}

/**
 * Take one image of a patient in a new pose, before any scanner.
 *
 * @returns attenuation, (64 * 64) row-major, from 0 to about 1.2
 */
export function projectPhantom(phantom: Phantom, rng: SeededRng): Float32Array {
  const pose = drawPose(rng);
  const across = cos(pose.angle) / pose.scale;
  const along = sin(pose.angle) / pose.scale;
  const image = new Float32Array(phantomSide * phantomSide);
  for (let row = 0; row < phantomSide; row++) {
    const v = (row + 0.5) / (phantomSide / 2) - 1 - pose.y;
    for (let column = 0; column < phantomSide; column++) {
      const u = (column + 0.5) / (phantomSide / 2) - 1 - pose.x;
      const x = u * across + v * along;
      const y = v * across - u * along;
      image[row * phantomSide + column] = attenuationAt(phantom, pose.breath, x, y);
    }
  }
  return image;
}
